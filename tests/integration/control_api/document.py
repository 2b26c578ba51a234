#!/usr/bin/env python3
"""Runs the examples of docs/control_api.md, one after the other, as they stand there.

Usage: document.py SESSIONCTL DOCUMENT
"""
import pathlib
import re
import shutil
import subprocess
import sys

from supervisor import running


def main():
    sessionctl, document = sys.argv[1:]
    for tool in ("curl", "jq"):
        if shutil.which(tool) is None:
            print(f"skipped: needs {tool}")
            return 77
    examples = re.findall(r"^```sh\n(.*?)^```$", pathlib.Path(document).read_text(), re.S | re.M)
    if len(examples) < 6:
        sys.exit(f"only {len(examples)} examples in {document}")
    with running(sessionctl) as supervisor:
        programs = supervisor.directory / "bin"
        programs.mkdir()
        (programs / "sessionctl").symlink_to(supervisor.sessionctl)
        environment = {**supervisor.environment, "SOCKET": supervisor.socket,
                       "PATH": f"{programs}:{supervisor.environment['PATH']}"}
        # One shell for all of them: a later one uses what an earlier one has made. A pipe fails with its first part.
        script = "set -eu -o pipefail\n"
        for number, example in enumerate(examples, 1):
            script += f"echo '== example {number}'\n{example}"
        result = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=120,
                                check=False)
        print(result.stdout, result.stderr)
        if result.returncode != 0:
            sys.exit(f"the example above ends with {result.returncode}")
        # What the examples claim to show.
        for wanted in ("begun", '"signal": 15', "40 100", "got hi", "sessionctl_sessions{"):
            if wanted not in result.stdout:
                sys.exit(f"the examples do not show {wanted!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
