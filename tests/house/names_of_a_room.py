#!/usr/bin/env python3
"""Fails on two files of one program or room that define the same name for themselves alone.

Usage: names_of_a_room.py ROOT

scripts/test.sh and the sanitizer presets compile several files of a room at once: then such names collide, which a build
of one file after the other does not show. Looks at constants, functions and types that begin a line in a source file.
"""
import collections
import pathlib
import re
import sys

# The directories whose sources are one target.
ROOMS = [["sandbox", "sandbox/base"], ["policy"], ["supervisor"], ["supervisor/overlay"],
         ["supervisor/mediator", "supervisor/mediator/handlers"], ["fleet"], ["cli"], ["tests/unit"],
         ["tests/integration"], ["tests/escape"]]
CONSTANT = re.compile(r"^(?:static )?constexpr (?!struct)[\w:<>\s*]+?\b(k\w+)(?:\[\])?\s*[=[{(]", re.M)
TYPE = re.compile(r"^(?:struct|class) (\w+)(?: final)?(?: :[^{;]*)? \{", re.M)
FUNCTION = re.compile(r"^(?:static |inline )?[A-Za-z][\w:<>,*&\s]*? [*&]?(\w+)\(([^;{]*?)\)\s*(?:const )?\{", re.M)


def names(text):
    """What `text` defines: a function by its name and the types of its parameters."""
    found = {match[1] for pattern in (CONSTANT, TYPE) for match in pattern.finditer(text)}
    for match in FUNCTION.finditer(text):
        types = re.sub(r"\s*\w+(,|$)", r"\1", re.sub(r"\s+", " ", match[2]))
        found.add(f"{match[1]}({types})")
    return found


def main():
    root = pathlib.Path(sys.argv[1])
    twice = 0
    for room in ROOMS:
        places = collections.defaultdict(list)
        for directory in room:
            for file in sorted((root / directory).glob("*.cc")):
                for name in names(file.read_text()):
                    places[name].append(file.relative_to(root).as_posix())
        for name, files in sorted(places.items()):
            if len(files) > 1:
                twice += 1
                print(f"{name} is in {', '.join(files)}: rename one, or share it by a header")
    return 1 if twice else 0


if __name__ == "__main__":
    sys.exit(main())
