"""A program that opens its lock with a plain O_CREAT, and a link planted at that name: bare, then in a session.

    python3 run.py [--victim PATH]

CWE-61. Exit code 0: bare the link's target was destroyed (or made), in a session it was not, and without a link the lock works
there.
"""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "common"))
import race  # noqa: E402


def take_lock(options, scene, in_session):
    argv = [options.victim, str(scene.shared / "app.lock")]
    if in_session:
        argv = [options.sessionctl, "run", "--mount", str(scene.shared), "--rox", str(Path(options.victim).parent),
                "--", *argv]
    done = subprocess.run(argv, cwd=scene.shared, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)
    if not done.stdout.startswith("{"):
        raise SystemExit(f"{argv}: exit {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def half(options, in_session):
    result = {"attempts": 0, "escapes": 0, "ok": 0, "seconds": 1, "swaps": 0, "examples": []}
    for target in ("present", "absent", None):
        scene = race.Scene()
        try:
            scene.keep("present")
            if target is not None:
                (scene.shared / "app.lock").symlink_to(scene.secret / target)
                result["swaps"] += 1
            locked = take_lock(options, scene, in_session)["locked"]
            result["attempts"] += 1
            if target is None:
                result["ok"] += locked
            scene.check()
            result["escapes"] += scene.escapes
            result["examples"] += scene.examples
        finally:
            scene.close()
    return result


def main():
    parser = race.parser(__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--victim", default=str(race.ROOT / "build/release/testcases/lockfile_victim"))
    options = parser.parse_args()
    bare, session = half(options, False), half(options, True)
    race.print_table("a lock file with a link planted at its name", [("unprotected", bare), ("session", session)])
    return race.conclude(bare, session, "the planted links made", options.json)


if __name__ == "__main__":
    sys.exit(main())
