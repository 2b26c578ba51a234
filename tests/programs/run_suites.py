"""Runs installed language test suites bare and in a session, and compares the outcome of every single test.

    python3 run_suites.py --sessionctl PATH [--user root|ordinary] [--scope writes|all] [--all | MODULE…]

Today that is CPython's own (Debian: libpythonX.Y-testsuite), one module at a time, by its JUnit report. A test that
passes bare must pass in the session, unless suite_exceptions.txt names it with a reason. A test that fails inside is
tried once more by itself, with the bare run beside it: many of CPython's tests wait for wall-clock times.
"""

import argparse
import fnmatch
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from compare_run import ORDINARY, SKIPPED, credentials

PYTHON = "/usr/bin/python3"
# About two minutes: what has most to do with files and processes.
SHORT = """
test_os test_posix test_posixpath test_genericpath test_shutil test_glob test_tempfile test_pathlib test_stat
test_fileio test_mmap test_fcntl test_filecmp test_fnmatch test_dbm test_linecache test_fileinput test_netrc
test_pty test_selectors test_openpty test_ioctl
""".split()
LONG = SHORT + """
test_io test_file test_file_eintr test_largefile test_bufio test_univnewlines test_memoryio test_zipfile
test_zipfile64 test_tarfile test_gzip test_bz2 test_lzma test_zipapp test_zipimport test_sqlite3 test_dbm_dumb
test_dbm_gnu test_dbm_ndbm test_shelve test_mailbox test_subprocess test_signal test_threading test_thread
test_threadsignals test_fork1 test_wait3 test_wait4 test_popen test_poll test_epoll test_select test_socket
test_socketserver test_asyncio test_asyncore test_multiprocessing_main_handling test_multiprocessing_fork
test_multiprocessing_spawn test_multiprocessing_forkserver test_concurrent_futures test_venv test_ensurepip
test_import test_importlib test_runpy test_cmd_line test_cmd_line_script test_compileall test_py_compile
test_logging test_configparser test_csv test_http_cookiejar test_httpservers test_ftplib test_urllib
test_urllib2 test_urllib2_localnet test_xmlrpc test_ssl test_tokenize test_unicode_file
test_unicode_file_functions test_utf8_mode test_site test_sysconfig test_regrtest test_faulthandler test_gdb
test_support test_tracemalloc test_trace test_profile test_cprofile test_pdb test_doctest test_unittest
test_resource test_grp test_pwd test_getpass test_syslog test_termios test_tty test_curses test_readline
test_eintr test_kqueue test_pipes test_pkg test_pkgutil test_pickle test_marshal test_array test_hashlib
test_random test_uuid test_time test_datetime test_email test_mimetypes test_plistlib test_xml_etree
test_pyexpat test_json test_ctypes test_posix test_fractions test_distutils test_lib2to3 test_tools
test_tabnanny test_bdb test_code_module test_stable_abi_ctypes test_sys test_platform test_locale test_gettext
test_asyncgen test_contextlib test_context test_audit test_atexit test_embed test_inspect test_capi
test_interpreters test_wsgiref test_smtplib test_telnetlib test_poplib test_imaplib test_nntplib
test_robotparser test_webbrowser test_zoneinfo test_turtle test_idle
""".split()


class Place:
    """A directory for one half, made new for every module."""

    def __init__(self, base, options):
        self.base, self.options = base, options

    def fresh(self):
        work = self.base / "work"
        if work.exists():
            subprocess.run(["chmod", "-R", "u+rwX", work], check=False, stderr=subprocess.DEVNULL)
            shutil.rmtree(work, ignore_errors=True)
        work.mkdir(exist_ok=True)
        if os.geteuid() == 0 and self.options.user == "ordinary":
            os.chown(work, ORDINARY, ORDINARY)
        return work

    def run(self, module, in_session, match=()):
        """{test id: "passed" | "failed" | "skipped"} and the run's own end."""
        work = self.fresh()
        environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(work), "TMPDIR": str(work),
                       "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        report = work / "report.xml"
        argv = [PYTHON, "-m", "test", "--timeout", str(self.options.timeout // 2), "--junit-xml", str(report), module]
        for name in match:
            argv[-1:-1] = ["-m", name]
        if in_session:
            sets = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
            argv = [str(self.base / "tools" / "sessionctl"), "run", "--mount", str(work), "--scope", self.options.scope,
                    *sets, "--", *argv]
        state = {"SESSIONCTL_STATE_DIR": str(self.base / "state")}
        with tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as output:
            try:
                code = subprocess.run([*credentials(self.options.user), *argv], cwd=work, env=environment | state,
                                      stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False,
                                      timeout=self.options.timeout).returncode
            except subprocess.TimeoutExpired:
                code = "timed out"
            output.seek(0)
            return outcomes(report), code, output.read()


def outcomes(report):
    try:
        root = ElementTree.parse(report).getroot()
    except (OSError, ElementTree.ParseError):
        return {}
    found = {}
    for case in root.iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        # One that fails in a subtest stands there twice.
        name = case.get("name")
        found[name] = outcome if found.get(name) != "failed" else "failed"
    return found


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


def compare_module(place, module, exceptions, totals):
    bare, bare_code, bare_output = place.run(module, False)
    session, code, output = place.run(module, True)
    if not bare:
        totals["not run"] += 1
        print(f"{module}: not run bare ({bare_code}): {bare_output.strip().splitlines()[-1:]}")
        return []
    lost = worse(bare, session)
    known = [name for name in lost if excepted(name, exceptions)]
    lost = [name for name in lost if name not in known]
    flaky = []
    if lost and session and len(lost) <= 40:
        again, _, text = place.run(module, True, [name.rsplit(".", 1)[-1] for name in lost])
        control, _, _ = place.run(module, False, [name.rsplit(".", 1)[-1] for name in lost])
        flaky = [name for name in lost if again.get(name) == "passed" or control.get(name) != "passed"]
        lost = [name for name in lost if name not in flaky]
        output = text
    passed = sum(outcome == "passed" for outcome in bare.values())
    totals["passed bare"] += passed
    totals["passed inside"] += passed - len(lost) - len(known)
    totals["excepted"] += len(known)
    totals["second try"] += len(flaky)
    print(f"{module}: {passed} pass bare, {len(lost)} lost, {len(known)} excepted, {len(flaky)} at the second try"
          f"{'' if session else f', no report inside ({code})'}", flush=True)
    if lost:
        print("\n".join(f"  {name}" for name in lost[:40]))
        if place.options.verbose:
            print(output[-20000:])
    return lost


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessionctl", default=os.environ.get("SESSIONCTL", "sessionctl"))
    parser.add_argument("--user", choices=("root", "ordinary"), default="root" if os.geteuid() == 0 else "ordinary")
    parser.add_argument("--scope", choices=("auto", "writes", "all"), default="all")
    parser.add_argument("--all", action="store_true", help="the long list")
    parser.add_argument("--timeout", type=int, default=1200, help="seconds for one module")
    parser.add_argument("--verbose", action="store_true", help="print the session's output of what was lost")
    parser.add_argument("modules", nargs="*")
    return parser.parse_args()


def main():
    options = parse_options()
    if subprocess.run([PYTHON, "-c", "import test.test_os"], check=False, stderr=subprocess.DEVNULL).returncode != 0:
        print(f"skipped: needs the test suite of {PYTHON} (Debian: libpythonX.Y-testsuite)")
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
        for module in dict.fromkeys(options.modules or (LONG if options.all else SHORT)):
            lost += compare_module(place, module, exceptions, totals)
        place.fresh()
    finally:
        shutil.rmtree(base, ignore_errors=True)
    print(f"{options.user} user, scope {options.scope}: " + ", ".join(f"{n} {what}" for what, n in totals.items()) +
          f", {len(lost)} lost, in {time.monotonic() - started:.0f} s")
    return 1 if lost or totals["passed bare"] == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
