#!/usr/bin/env python3
"""The tests of include directions and of names must fail on each kind of violation: plants them one at a time in a copy, and takes each out again.

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
}
# Each in two files of a room.
NAMES = {
    "constexpr int kPlanted = 1;\n": ("fleet/front.cc", "fleet/serve.cc"),
    "int Planted(int one, const char* other) {\n": ("sandbox/walls.cc", "sandbox/base/raw_log.cc"),
    "class Planted {\n": ("policy/policy_parser.cc", "policy/glob_set.cc"),
}


def passes(checker, root):
    return subprocess.run([sys.executable, checker, root], stdout=subprocess.DEVNULL,
                          check=False).returncode == 0


def find(checker, copy, line, files):
    """Does the checker find `line` in front of `files`?"""
    before = {name: (copy / name).read_text() for name in files}
    for name, text in before.items():
        (copy / name).write_text(line + text)
    found = not passes(checker, copy)
    for name, text in before.items():
        (copy / name).write_text(text)
    if not found:
        print(f"planted in {', '.join(files)}, not found: {line.strip()}")
    return found


def main():
    root = pathlib.Path(sys.argv[1])
    directions, names = root / "tests/house/include_direction.py", root / "tests/house/names_of_a_room.py"
    with tempfile.TemporaryDirectory() as scratch:
        copy = pathlib.Path(scratch)
        for room in ("sandbox", "policy", "supervisor", "fleet", "cli"):
            shutil.copytree(root / room, copy / room)
        if not passes(directions, copy) or not passes(names, copy):
            print("the tree does not pass before anything is planted")
            return 1
        found = [find(directions, copy, line, [name]) for name, line in PLANTS.items()]
        found += [find(names, copy, line, files) for line, files in NAMES.items()]
    print(f"{sum(found)} of {len(found)} planted violations found")
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main())
