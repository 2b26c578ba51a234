"""150 Monty sessions over one host directory, against a loop of symlink and unlink: bare, then as sessions.

    python3 run.py --modules DIR/node_modules [--count 150] [--seconds 10]

The published report's scenario: @pydantic/monty@0.0.18 checks a path of its mount and then opens it. Exit code 0: bare
it wrote outside, in sessions it did not, and all file features still work there.
"""

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "common"))
import race  # noqa: E402


def flags(options, scene):
    return ["--mount", str(scene.shared), "--rox", options.modules, "--rox", str(HERE), "--rox", options.node]


def half(options, in_sessions):
    scene = race.Scene()
    shared = scene.shared
    try:
        (shared / "counts").mkdir()
        scene.keep("results.json")
        scene.watch()
        program = [str(HERE / "session.mjs"), options.modules, str(shared)]
        attacker = race.Attacker(options.attacker, "link-loop", shared / "results.json",
                                 scene.secret / "results.json", pause_us=20)
        start = time.monotonic()
        if in_sessions:
            fleet = race.SessionFleet(options.sessionctl, flags(options, scene), options.node, program,
                                      options.count, shared)
        else:
            fleet = race.BareFleet([options.node, *program], options.count, shared)
        race.attack_for(scene, options.seconds, until_escaped=not in_sessions)
        (shared / "stop").touch()
        seconds = time.monotonic() - start
        result = race.gather(shared / "counts", options.count, time.monotonic() + 180)
        fleet.wait()
        swaps = attacker.stop()
        scene.check()
        return {"attempts": result.get("attempts", 0), "ok": result.get("ok", 0),
                "denied": result.get("denied", 0), "workers": result["reports"], "escapes": scene.escapes,
                "examples": scene.examples, "seconds": seconds, "swaps": swaps}
    finally:
        scene.close()


def features(options, in_session):
    """What a program sees that uses each file feature once."""
    scene = race.Scene()
    try:
        argv = [options.node, str(HERE / "session.mjs"), options.modules, str(scene.shared), "--features"]
        if in_session:
            argv = [options.sessionctl, "run", *flags(options, scene), "--", *argv]
        done = subprocess.run(argv, cwd=scene.shared, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)
        return done.stdout.strip() or f"exit {done.returncode}: {done.stderr.strip()}"
    finally:
        scene.close()


def main():
    parser = race.parser(__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--modules", default=str(race.ROOT / "build/release/npm-victims/monty/node_modules"))
    parser.add_argument("--node", default="/usr/bin/node")
    parser.add_argument("--count", type=int, default=150)
    options = parser.parse_args()
    if not Path(options.modules, "@pydantic/monty").is_dir():
        print(f"{options.modules} has no @pydantic/monty: run tests/programs/install_npm_victims.sh first")
        return 2
    bare_features, session_features = features(options, False), features(options, True)
    print(f"features bare:       {bare_features}\nfeatures in session: {session_features}")
    if bare_features != session_features or not bare_features.startswith("["):
        print("FAILED: Monty's file features differ in a session")
        return 1
    bare = half(options, False)
    session = half(options, True)
    race.print_table(f"{options.count} sessions of @pydantic/monty@0.0.18, results.json under attack",
                     [("unprotected", bare), ("sessions", session)])
    for name, row in (("unprotected", bare), ("sessions", session)):
        if row["workers"] < options.count:
            print(f"FAILED: only {row['workers']} of {options.count} {name} interpreters came to their end")
            return 1
    return race.conclude(bare, session, "Monty's writes made", options.json)


if __name__ == "__main__":
    sys.exit(main())
