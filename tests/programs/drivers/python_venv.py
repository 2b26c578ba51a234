"""venv, pip from a local wheel, and what was installed: offline."""

import hashlib
import base64
import os
import subprocess
import zipfile
from pathlib import Path

WORK = Path.cwd()
FIXED = (2024, 1, 1, 0, 0, 0)


def write_wheel():
    """A wheel as PEP 427 says, by hand: no build backend is needed."""
    files = {
        "localpackage/__init__.py": "from localpackage.answer import answer\n",
        "localpackage/answer.py": "def answer():\n    return 42\n",
        "localpackage/data/table.txt": "1 2 3\n",
        "localpackage/__main__.py": "from localpackage import answer\nprint('the answer is', answer())\n",
        "localpackage-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: localpackage\nVersion: 1.0\n",
        "localpackage-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
                                            "Tag: py3-none-any\n",
        "localpackage-1.0.dist-info/entry_points.txt": "[console_scripts]\nlocal-answer = localpackage.answer:answer\n",
    }
    record = [f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},"
              f"{len(text)}" for name, text in files.items()]
    files["localpackage-1.0.dist-info/RECORD"] = "\n".join([*record, "localpackage-1.0.dist-info/RECORD,,", ""])
    with zipfile.ZipFile(WORK / "localpackage-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(zipfile.ZipInfo(name, FIXED), text)


def run(*argv, **kwargs):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **kwargs)
    print(os.path.basename(argv[0]), argv[1:4], done.returncode)
    if done.returncode != 0:
        print(done.stdout, done.stderr)
    return done.stdout


write_wheel()
run("/usr/bin/python3", "-m", "venv", "environment")
os.environ |= {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1"}
python = str(WORK / "environment" / "bin" / "python")
run(python, "-m", "pip", "install", "--quiet", "--no-compile", "localpackage-1.0-py3-none-any.whl")
print(run(python, "-B", "-m", "localpackage"))
print(run(python, "-B", "-c", "import sys, localpackage; print(sys.prefix != sys.base_prefix, localpackage.answer())"))
print(run(str(WORK / "environment" / "bin" / "local-answer"), "x"))
run(python, "-m", "pip", "install", "--quiet", "--no-compile", "--target", "target",
    "localpackage-1.0-py3-none-any.whl")
run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "localpackage")
print((WORK / "environment/lib").exists(), list((WORK / "environment").rglob("localpackage*")))
print(run(python, "-m", "compileall", "-q", "-j", "1", "target"))
