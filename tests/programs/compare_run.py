"""Runs a driver bare and in a session with scope=all, and compares everything it left behind and said.

    python3 compare_run.py --sessionctl PATH --driver FILE [--ignore REGEX]… [--flag FLAG]…

Both halves run in a directory of the same name with the same environment, so that nothing legitimate differs but times.
"""

import argparse
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

INTERPRETERS = {".py": ["/usr/bin/python3", "-B"], ".sh": ["/bin/bash"], ".js": ["/usr/bin/node"]}


def run(options, work, driver, in_session):
    argv = [*INTERPRETERS[driver.suffix], str(driver)]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(work), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    if in_session:
        sets = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
        flags = [word for flag in options.flag for word in flag.split("=", maxsplit=1)]
        argv = [options.sessionctl, "run", "--mount", str(work), "--ro", str(driver.parent), "--scope", "all", *flags,
                *sets, "--", *argv]
    return subprocess.run(argv, cwd=work, env=environment if not in_session else None, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, timeout=600)


def describe(path):
    status = path.lstat()
    kind = stat.S_IFMT(status.st_mode)
    parts = [oct(status.st_mode), f"links {status.st_nlink}" if kind != stat.S_IFDIR else "", f"{status.st_uid}:"
             f"{status.st_gid}"]
    if kind == stat.S_IFLNK:
        parts.append("-> " + os.readlink(path))
    elif kind == stat.S_IFREG:
        parts.append(f"size {status.st_size} " + hashlib.sha256(path.read_bytes()).hexdigest()[:16])
    if kind in (stat.S_IFREG, stat.S_IFDIR):
        parts += [f"{name}={os.getxattr(path, name)!r}" for name in sorted(os.listxattr(path))]
    # A time in the past was set on purpose.
    if status.st_mtime < 1_700_000_000 and kind != stat.S_IFDIR:
        parts.append(f"mtime {status.st_mtime_ns}")
    return " ".join(parts)


def take(work, ignore):
    tree = {}
    for path in work.rglob("*"):
        name = str(path.relative_to(work))
        if any(pattern.search(name) for pattern in ignore):
            continue
        tree[name] = describe(path)
    return tree


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessionctl", default=os.environ.get("SESSIONCTL", "sessionctl"))
    parser.add_argument("--driver", required=True)
    parser.add_argument("--ignore", action="append", default=[])
    parser.add_argument("--flag", action="append", default=[], help="a flag for sessionctl, as --name=value")
    parser.add_argument("--needs", help="the program; without it the test is skipped")
    options = parser.parse_args()
    if options.needs and not os.path.exists(options.needs):
        print(f"skipped: needs {options.needs}, which is not installed")
        return 77
    ignore = [re.compile(pattern) for pattern in options.ignore]
    base = Path(tempfile.mkdtemp(prefix="sessionctl-program.")).resolve()
    base.chmod(0o755)
    try:
        tools = base / "tools"
        tools.mkdir()
        driver = Path(shutil.copy(options.driver, tools))
        results = []
        for in_session in (False, True):
            work = base / "work"
            work.mkdir()
            done = run(options, work, driver, in_session)
            results.append((done, take(work, ignore)))
            if os.environ.get("SESSIONCTL_KEEP_SCRATCH"):
                work.rename(base / ("session" if in_session else "bare"))
            else:
                shutil.rmtree(work)
        (bare, bare_tree), (session, session_tree) = results
        if bare.returncode != 0 or len(bare_tree) < 3:
            print(f"the bare run failed ({bare.returncode}): {bare.stdout}{bare.stderr}")
            return 1
        failures = []
        for what in ("returncode", "stdout", "stderr"):
            if getattr(bare, what) != getattr(session, what):
                failures.append(f"{what} differs:\n--- bare\n{getattr(bare, what)}\n--- session\n{getattr(session, what)}")
        for name in sorted(bare_tree.keys() | session_tree.keys()):
            if bare_tree.get(name) != session_tree.get(name):
                failures.append(f"{name}: bare {bare_tree.get(name)}, session {session_tree.get(name)}")
        print(f"{driver.name}: {len(bare_tree)} entries and {len(bare.stdout)} bytes of output compared, "
              f"{len(failures)} differences")
        for failure in failures[:20]:
            print(failure)
        return 1 if failures else 0
    finally:
        if not os.environ.get("SESSIONCTL_KEEP_SCRATCH"):
            shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
