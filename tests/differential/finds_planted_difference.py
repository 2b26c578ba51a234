"""The differential tester finds a difference that is planted, and cuts it down to a few steps.

    finds_planted_difference.py TESTER lie|read-only [ARG…]

lie: the executor reports EEXIST of mkdir as EACCES, in sessions only. read-only: the sessions may
only read what is named "b". The other arguments are the tester's.
"""
import re
import subprocess
import sys

LONGEST = 6  # lines of a minimised program, its scene included


def main():
    tester, how, *others = sys.argv[1:]
    planted = {
        "lie": (["--lie", "mkdir"], r"mkdir bare EEXIST, inside EACCES"),
        "read-only": (["--session-arg=--read-only", "--session-arg=b"], r"bare OK, inside EROFS"),
    }
    flags, expected = planted[how]
    arguments = []
    for flag in flags:
        arguments += flag.split("=", 1)
    run = subprocess.run([tester, "--programs", "100", "--seed", "3", *arguments, *others], capture_output=True, text=True)
    if run.returncode == 77:
        print(run.stderr)
        return 77
    assert run.returncode == 1, f"exit code {run.returncode}\n{run.stdout[-4000:]}{run.stderr}"
    findings = [text for text in run.stdout.split("\nDIFFERENCE: ")[1:] if re.search(expected, text)]
    assert findings, f"not found: {expected}\n{run.stdout[-4000:]}"
    lines = min(len(re.findall(r"^(?:make|A\d) ", text, re.MULTILINE)) for text in findings)
    assert 0 < lines <= LONGEST, f"{lines} lines are left\n{findings[0]}"
    print(f"found, and cut down to {lines} lines")
    return 0


sys.exit(main())
