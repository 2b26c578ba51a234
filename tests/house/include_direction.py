#!/usr/bin/env python3
"""Fails on an include that runs against the house (docs/design.md).

One direction only, each room may use what stands left of it:
    sandbox/base -> sandbox -> policy -> supervisor/mediator -> supervisor/overlay -> supervisor -> fleet -> cli
Usage: include_direction.py ROOT
"""
import pathlib
import re
import sys

ROOMS = ["sandbox/base", "sandbox", "policy", "supervisor/mediator", "supervisor/overlay", "supervisor", "fleet", "cli"]
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
# One library, one user (docs/design.md, "The house").
SOLE_USERS = {
    "seccomp.h": {"sandbox/seccomp_filter.cc"},
    "toml++/": {"policy/toml_reader.h", "policy/deployment_parser.h"},
}
# One library, one room.
SOLE_ROOMS = {
    "boost/": "fleet",
    "spdlog/": "fleet",
    "systemd/": "fleet",
}
ANY_INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]')


def room_of(path):
    """The index of the deepest room that holds `path`, or None."""
    best = None
    for index, room in enumerate(ROOMS):
        if path.startswith(room + "/") and (best is None or len(room) > len(ROOMS[best])):
            best = index
    return best


def check(root):
    errors = []
    for file in sorted(root.rglob("*")):
        name = file.relative_to(root).as_posix()
        room = room_of(name)
        if room is None or file.suffix not in (".h", ".cc"):
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if match := INCLUDE.match(line):
                target = room_of(match.group(1))
                if target is None and "/" in match.group(1) and match.group(1).split("/")[0] in (
                        "tests", "bench", "examples"):
                    errors.append(f"{name}:{number}: the product includes {match.group(1)}")
                if target is not None and target > room:
                    errors.append(f"{name}:{number}: {ROOMS[room]} includes {match.group(1)}, "
                                  f"which stands right of it")
            if match := ANY_INCLUDE.match(line):
                for library, users in SOLE_USERS.items():
                    target = match.group(1)
                    if (target == library or target.startswith(library)) and name not in users:
                        errors.append(f"{name}:{number}: only {', '.join(sorted(users))} may "
                                      f"include <{target}>")
                for library, user in SOLE_ROOMS.items():
                    if match.group(1).startswith(library) and ROOMS[room] != user:
                        errors.append(f"{name}:{number}: only {user}/ may include <{match.group(1)}>")
    return errors


def main():
    errors = check(pathlib.Path(sys.argv[1]))
    for error in errors:
        print(error)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
