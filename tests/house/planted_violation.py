#!/usr/bin/env python3
"""The include-direction test must fail on each kind of violation: plants them one at a time in a copy, and takes each out again.

Usage: planted_violation.py ROOT
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

PLANTS = {
    "sandbox/mount_root.cc": '#include "policy/policy.h"\n',
    "sandbox/base/syscalls.cc": '#include "sandbox/landlock.h"\n',
    "policy/access_check.cc": '#include "supervisor/mediator/reply.h"\n',
    "supervisor/mediator/mediator.cc": '#include "supervisor/broker.h"\n',
    "supervisor/broker.cc": '#include "cli/command.h"\n',
    "supervisor/session_store.cc": '#include "fleet/supervisor.h"\n',
    "policy/glob_set.cc": "#include <seccomp.h>\n",
    "cli/ps.cc": "#include <boost/asio/io_context.hpp>\n",
    "supervisor/session_console.cc": "#include <spdlog/spdlog.h>\n",
    "cli/serve.cc": "#include <systemd/sd-daemon.h>\n",
    "supervisor/session_monitor.cc": "#include <prometheus/counter.h>\n",
}


def passes(checker, root):
    return subprocess.run([sys.executable, checker, root], stdout=subprocess.DEVNULL,
                          check=False).returncode == 0


def main():
    root = pathlib.Path(sys.argv[1])
    checker = root / "tests/house/include_direction.py"
    failures = 0
    with tempfile.TemporaryDirectory() as scratch:
        copy = pathlib.Path(scratch)
        for room in ("sandbox", "policy", "supervisor", "fleet", "cli"):
            shutil.copytree(root / room, copy / room)
        if not passes(checker, copy):
            print("the tree does not pass before anything is planted")
            return 1
        for name, line in PLANTS.items():
            target = copy / name
            text = target.read_text()
            target.write_text(line + text)
            if passes(checker, copy):
                print(f"planted in {name}, not found: {line.strip()}")
                failures += 1
            target.write_text(text)
    print(f"{len(PLANTS) - failures} of {len(PLANTS)} planted violations found")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
