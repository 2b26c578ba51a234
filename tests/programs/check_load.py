"""Runs stress-ng and fio bare and in a session: the same verdicts, and nothing left in the broker.

    python3 check_load.py --sessionctl PATH [--user root|ordinary] [--way writes|all|private]

In the session the load runs twice. The broker's descriptors, threads and anonymous memory are read after the first
round, which warms it up, and after the second: what has grown by then would grow for ever. Of threads, some stay.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare_run import ORDINARY, SKIPPED, WAYS, bare_credentials, credentials

MEMORY_SLACK_KIB = 2048  # the allocator's, not the load's: a leak of 100 bytes a call would be above it
# What stays after a burst, however many workers there were in it: the main thread, two that receive, one that watches
# them, three asleep, the watcher of calls that may sleep.
MOST_THREADS = 8
SETTLE_SECONDS = 120


class Broker:
    """What /proc says of the broker of the `sessionctl run` with this process id."""

    def __init__(self, run):
        self.pid = next(int(path.name) for path in Path("/proc").glob("[0-9]*") if self.is_broker(path, run))

    @staticmethod
    def is_broker(path, run):
        try:
            name, _, rest = (path / "stat").read_text().partition(") ")
            return name.endswith("(session-broker") and int(rest.split()[1]) == run
        except OSError:
            return False

    def state(self):
        status = dict(line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines())
        return {"descriptors": len(os.listdir(f"/proc/{self.pid}/fd")), "threads": int(status["Threads"]),
                "memory": int(status["RssAnon"].split()[0])}

    def settled(self, before):
        """The state; waits for helpers that are on their way out."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            state = self.state()
            if before is None or not grown(before, state) or time.monotonic() > deadline:
                return state
            time.sleep(0.2)


def grown(before, after):
    most = {"descriptors": before["descriptors"], "threads": MOST_THREADS, "memory": before["memory"] + MEMORY_SLACK_KIB}
    return [what for what in before if after[what] > most[what]]


def start(options, base, rounds, in_session):
    work = base / ("session" if in_session else "bare")
    work.mkdir(mode=0o755)
    if os.geteuid() == 0 and options.user == "ordinary":
        os.chown(work, ORDINARY, ORDINARY)
    argv = ["/usr/bin/python3", "-B", str(base / "tools" / "load.py"), str(rounds)]
    if in_session:
        policy = base / "tools" / "policy.toml"
        # dnotify is one of the stressors, and fio's processes share System V memory: here the user's, because root
        # without capabilities can make no namespace.
        policy.write_text(f'version = 1\nextends = ["default"]\n[[mount]]\nhost = "{work}"\n[filesystem]\n'
                          f'read = ["{base}/tools"]\n'
                          '[process]\nallow_groups = ["leases", "ipc"]\n'
                          '[network]\nmode = "host"\nunix_datagrams = true\n', encoding="utf-8")
        argv = [str(base / "tools" / "sessionctl"), "run", "--policy", str(policy), *WAYS[options.way],
                "--", *argv]
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(work), "TMPDIR": str(work), "LANG": "C.UTF-8",
                   "SESSIONCTL_STATE_DIR": str(base / "state")}
    words = (credentials if in_session else bare_credentials)(options.user, options.way)
    return subprocess.Popen([*words, *argv], cwd=work, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True)


def play(process, at_checkpoint):
    """The verdicts of each round."""
    rounds, verdicts = [], []
    for line in process.stdout:
        if line.strip() == "checkpoint":
            rounds.append(verdicts)
            verdicts = []
            at_checkpoint()
            process.stdin.write("\n")
            process.stdin.flush()
        else:
            verdicts.append(line.rstrip("\n"))
    process.wait()
    return rounds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessionctl", default=os.environ.get("SESSIONCTL", "sessionctl"))
    parser.add_argument("--user", choices=("root", "ordinary"), default="root" if os.geteuid() == 0 else "ordinary")
    parser.add_argument("--way", choices=WAYS, default="all")
    options = parser.parse_args()
    for program in ("stress-ng", "fio", "setpriv"):
        if shutil.which(program) is None:
            print(f"skipped: needs {program}, which is not installed")
            return SKIPPED
    if options.user == "root" and os.geteuid() != 0:
        print("skipped: needs to be started as root")
        return SKIPPED
    base = Path(tempfile.mkdtemp(prefix="sessionctl-load.")).resolve()
    try:
        base.chmod(0o755)
        (base / "tools").mkdir(mode=0o755)
        shutil.copy(Path(__file__).parent / "drivers" / "load.py", base / "tools")
        shutil.copy(options.sessionctl, base / "tools" / "sessionctl")
        bare = play(start(options, base, 1, False), lambda: None)
        states = []
        session = start(options, base, 2, True)
        inside = play(session, lambda: states.append(Broker(session.pid).settled(states[0] if states else None)))
    finally:
        shutil.rmtree(base, ignore_errors=True)
    failures = []
    if len(bare) != 1 or len(inside) != 2 or sum(": 0" in verdict for verdict in bare[0]) < 40:
        failures.append(f"the load did not run: {bare} {inside}")
    for number, verdicts in enumerate(inside):
        failures += [f"round {number + 1}: bare {one}, session {other}" for one, other in zip(bare[0], verdicts)
                     if one != other]
    if len(states) == 2 and (leaks := grown(*states)):
        failures.append(f"the broker grew in {leaks}: from {states[0]} to {states[1]}")
    print(f"{options.user} user, {options.way}: {len(bare[0]) if bare else 0} verdicts compared twice, broker "
          f"after one round {states[:1]}, after two {states[1:]}, {len(failures)} differences")
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
