"""Runs installed test suites bare and in a session, and compares the outcome of every single test.

    python3 run_suites.py --sessionctl PATH [--suite cpython|glib] [--user root|ordinary] [--way writes|all|private]
                          [--all | UNIT…]

The suites are those of suites.py, one unit of them (a module, a program) at a time. A test that passes bare must pass
in the session, unless suite_exceptions.txt names it with a reason. A test that fails inside is tried once more by
itself, with the bare run beside it: many tests wait for wall-clock times.
"""

import argparse
import fnmatch
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare_run import ORDINARY, SKIPPED, WAYS, bare_credentials, credentials
from suites import SUITES


class Place:
    """A directory for one half, made new for every unit."""

    def __init__(self, base, options):
        self.base, self.options = base, options
        self.suite = SUITES[options.suite]

    def fresh(self):
        work = self.base / "work"
        if work.exists():
            subprocess.run(["chmod", "-R", "u+rwX", work], check=False, stderr=subprocess.DEVNULL)
            shutil.rmtree(work, ignore_errors=True)
        work.mkdir(exist_ok=True)
        if os.geteuid() == 0 and self.options.user == "ordinary":
            os.chown(work, ORDINARY, ORDINARY)
        return work

    def run(self, unit, in_session, cases=()):
        """{case: "passed" | "failed" | "skipped"} and the run's own end."""
        work = self.fresh()
        environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(work), "TMPDIR": str(work),
                       "XDG_RUNTIME_DIR": str(work), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        argv = self.suite.argv(unit, work, self.options.timeout, cases)
        if in_session:
            sets = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
            argv = [str(self.base / "tools" / "sessionctl"), "run", "--net", "host", "--unix-datagrams",
                    "--mount", str(work), *WAYS[self.options.way], *sets, "--", *argv]
        state = {"SESSIONCTL_STATE_DIR": str(self.base / "state")}
        words = (credentials if in_session else bare_credentials)(self.options.user, self.options.way)
        with tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as output:
            try:
                code = subprocess.run([*words, *argv], cwd=work, env=environment | state,
                                      stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False,
                                      timeout=self.options.timeout).returncode
            except subprocess.TimeoutExpired:
                code = "timed out"
            output.seek(0)
            text = output.read()
        return self.suite.outcomes(unit, work, code, text), code, text


def read_exceptions():
    exceptions = []
    for line in (Path(__file__).parent / "suite_exceptions.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pattern, _, reason = line.partition(" ")
            exceptions.append((pattern, reason.strip()))
    return exceptions


def excepted(name, exceptions):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern, _ in exceptions)


def worse(bare, session):
    return sorted(name for name, outcome in bare.items() if outcome == "passed" and session.get(name) != "passed")


def retry(place, unit, lost):
    """Which of the lost ones a second try in the session shows to be of chance, or fail bare now; and its output."""
    again, _, output = place.run(unit, True, lost)
    control, _, _ = place.run(unit, False, lost)
    return [name for name in lost if again.get(name) == "passed" or control.get(name) != "passed"], output


def compare_unit(place, unit, exceptions, totals):
    bare, bare_code, bare_output = place.run(unit, False)
    if not bare:
        totals["not run"] += 1
        print(f"{unit}: not run bare ({bare_code}): {bare_output.strip().splitlines()[-1:]}")
        return []
    session, code, output = place.run(unit, True)
    lost = worse(bare, session)
    known = [name for name in lost if excepted(name, exceptions)]
    lost = [name for name in lost if name not in known]
    flaky = []
    if lost and session and len(lost) <= 40:
        flaky, output = retry(place, unit, lost)
        lost = [name for name in lost if name not in flaky]
    passed = sum(outcome == "passed" for outcome in bare.values())
    totals["passed bare"] += passed
    totals["passed inside"] += passed - len(lost) - len(known)
    totals["excepted"] += len(known)
    totals["second try"] += len(flaky)
    print(f"{unit}: {passed} pass bare, {len(lost)} lost, {len(known)} excepted, {len(flaky)} at the second try"
          f"{'' if session else f', no report inside ({code})'}", flush=True)
    if lost:
        print("\n".join(f"  {name}" for name in lost[:40]))
        if place.options.verbose:
            print(output[-20000:])
    return lost


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessionctl", default=os.environ.get("SESSIONCTL", "sessionctl"))
    parser.add_argument("--suite", choices=sorted(SUITES), default="cpython")
    parser.add_argument("--user", choices=("root", "ordinary"), default="root" if os.geteuid() == 0 else "ordinary")
    parser.add_argument("--way", choices=WAYS, default="all")
    parser.add_argument("--all", action="store_true", help="the long list")
    parser.add_argument("--timeout", type=int, default=1200, help="seconds for one unit")
    parser.add_argument("--verbose", action="store_true", help="print the session's output of what was lost")
    parser.add_argument("units", nargs="*")
    return parser.parse_args()


def main():
    options = parse_options()
    suite = SUITES[options.suite]
    if not suite.present():
        print(f"skipped: needs the installed tests of {options.suite} (Debian: {suite.package})")
        return SKIPPED
    if options.user == "root" and os.geteuid() != 0:
        print("skipped: needs to be started as root")
        return SKIPPED
    base = Path(tempfile.mkdtemp(prefix="sessionctl-suite.")).resolve()
    totals = {"passed bare": 0, "passed inside": 0, "excepted": 0, "second try": 0, "not run": 0}
    lost = []
    started = time.monotonic()
    try:
        base.chmod(0o755)
        (base / "tools").mkdir(mode=0o755)
        shutil.copy(options.sessionctl, base / "tools" / "sessionctl")
        place = Place(base, options)
        exceptions = read_exceptions()
        for unit in options.units or (suite.all_units() if options.all else suite.short):
            lost += compare_unit(place, unit, exceptions, totals)
        place.fresh()
    finally:
        shutil.rmtree(base, ignore_errors=True)
    counts = ", ".join(f"{count} {what}" for what, count in totals.items())
    print(f"{options.suite}, {options.user} user, {options.way}: {counts}, {len(lost)} lost, in "
          f"{time.monotonic() - started:.0f} s")
    return 1 if lost or totals["passed bare"] == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
