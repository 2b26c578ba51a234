"""150 interpreters over one shared directory, under attack: first bare, then as sessions.

    python3 run.py [--count 150] [--seconds 8] [--deployment] [--guest PATH] [--mode rw|overlay]

An outside process that may write to the shared directory swaps `results.json` for a link to a secret file, and the
directory `jobs` for a link to a secret directory. Exit code 0: the unprotected half escaped and the sessions did not.
"""

import shutil
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "common"))
import race  # noqa: E402

PYTHON = "/usr/bin/python3"
DEPLOYMENT = HERE.parent / "deployments" / "shared-interpreters.toml"


def mounts(options, shared):
    """The flags of the sessions' mounts: in an overlay, the directory for the counts is the host's all the same."""
    guest = options.guest or str(shared)
    flags = ["--mount", f"{shared}:{guest}:{options.mode}"]
    if options.mode == "overlay":
        flags += ["--mount", f"{shared}/counts:{guest}/counts:rw"]
    return flags


def half(options, in_sessions):
    scene = race.Scene()
    shared = scene.shared
    try:
        (shared / "jobs").mkdir()
        (shared / "counts").mkdir()
        (shared / ".jobs-link").symlink_to(scene.secret)
        shutil.copy(HERE / "worker.py", shared / "worker.py")
        scene.keep("results.json")
        scene.watch()
        attacker = race.Attacker(options.attacker, "both", shared / "jobs", shared / ".jobs-link",
                                 shared / "results.json", scene.secret / "results.json", pause_us=20)
        start = time.monotonic()
        worker = [str(shared / "worker.py"), str(shared)]
        if in_sessions and options.deployment:
            (scene.base / "private").mkdir()
            fleet = race.DeploymentFleet(options.sessionctl, DEPLOYMENT, {
                "/srv/shared": str(shared), "/srv/private": str(scene.base / "private"),
                "replicas = 150": f"replicas = {options.count}"})
        elif in_sessions:
            guest = options.guest or str(shared)
            fleet = race.SessionFleet(options.sessionctl, mounts(options, shared), PYTHON,
                                      [f"{guest}/worker.py", guest], options.count, shared)
        else:
            fleet = race.BareFleet([PYTHON, *worker], options.count, shared)
        started = time.monotonic() - start
        race.attack_for(scene, options.seconds, until_escaped=not in_sessions)
        (shared / "counts/stop").touch()
        seconds = time.monotonic() - start
        result = race.gather(shared / "counts", options.count, time.monotonic() + 60)
        fleet.wait()
        swaps = attacker.stop()
        scene.check()
        return {"attempts": result.get("attempts", 0), "ok": result.get("ok", 0),
                "denied": result.get("denied", 0), "workers": result["reports"], "escapes": scene.escapes,
                "examples": scene.examples, "seconds": seconds, "started": started, "swaps": swaps}
    finally:
        scene.close()


def main():
    parser = race.parser(__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--deployment", action="store_true",
                        help="start the sessions with `sessionctl up` and ../deployments/shared-interpreters.toml")
    parser.add_argument("--guest", help="where the sessions see the directory; the host's path by default")
    parser.add_argument("--mode", choices=("rw", "overlay"), default="rw", help="of the sessions' mount")
    options = parser.parse_args()
    bare = half(options, False)
    session = half(options, True)
    race.print_table(f"{options.count} python3 interpreters over one shared directory, under attack",
                     [("unprotected", bare), ("sessions", session)])
    for name, row in (("unprotected", bare), ("sessions", session)):
        if row["workers"] < options.count:
            print(f"FAILED: only {row['workers']} of {options.count} {name} workers came to their end")
            return 1
    return race.conclude(bare, session, "the same swaps led to", options.json)


if __name__ == "__main__":
    sys.exit(main())
