"""vim and nano under tmux: keys are typed into a terminal, the file is saved. Bare and in sessions, compared.

    python3 editors.py --sessionctl PATH [--user root|ordinary]

tmux runs outside of the session, as a person's terminal does: what is compared is the editor.
Nothing is timed: a key is typed when the screen shows what it is an answer to.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare_run import ORDINARY, SKIPPED, WAYS, credentials, describe

LIMIT_SECONDS = 300
VIM = [("first line", ["G", "o"]), ("-- INSERT --", ["typed in a terminal", "Escape"]),
       ("typed in a terminal", [":wq", "Enter"])]
EDITORS = {
    "vim": (["vim", "-N", "-u", "NONE", "-i", "NONE", "-c", "set backup showmode writebackup", "text"], VIM),
    "vim.tiny": (["vim.tiny", "-N", "-u", "NONE", "-i", "NONE", "-c", "set backup showmode", "text"], VIM),
    "nano": (["nano", "--ignorercfiles", "--backup", "text"],
             [("first line", ["typed in a terminal", "Enter"]), ("typed in a terminal", ["C-o"]),
              ("File Name to Write", ["Enter"]), ("Wrote 3 lines", ["C-x"])]),
}


class Terminal:
    """A tmux server of our own with one window, in which `argv` runs. Each has a socket of its own: the server before it
    may still be on its way out."""

    made = 0

    def __init__(self, base, environment, work, argv):
        Terminal.made += 1
        self.tmux = ["tmux", "-S", str(base / f"tmux{Terminal.made}.sock"), "-f", "/dev/null"]
        self.done = base / "exit-code"
        words = " ".join(f"'{word}'" for word in argv)
        command = f"{words}; echo $? >{self.done}.new; mv {self.done}.new {self.done}"
        subprocess.run([*self.tmux, "new-session", "-d", "-x", "100", "-y", "30", "-s", "editor", "-c",
                        str(work), command], env=environment, check=True)

    def screen(self):
        return subprocess.run([*self.tmux, "capture-pane", "-p", "-t", "editor"], capture_output=True, text=True,
                              check=False).stdout

    def await_text(self, text):
        deadline = time.monotonic() + LIMIT_SECONDS
        while text not in self.screen():
            if self.done.exists() or time.monotonic() > deadline:
                raise RuntimeError(f"'{text}' never showed:\n{self.screen()}")
            time.sleep(0.05)

    def type(self, keys):
        for key in keys:
            subprocess.run([*self.tmux, "send-keys", "-t", "editor", key], check=True)

    def exit_code(self):
        deadline = time.monotonic() + LIMIT_SECONDS
        while not self.done.exists():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the editor does not end:\n{self.screen()}")
            time.sleep(0.05)
        code = self.done.read_text().strip()
        self.done.unlink()
        return code

    def close(self):
        subprocess.run([*self.tmux, "kill-server"], check=False, stderr=subprocess.DEVNULL)


def edit(options, base, name, way):
    argv, steps = EDITORS[name]
    work = base / "work"
    work.mkdir(mode=0o755)
    (work / "text").write_text("first line\nsecond line\n")
    (work / "text").chmod(0o640)
    if os.geteuid() == 0 and options.user == "ordinary":
        for path in (work, work / "text"):
            os.chown(path, ORDINARY, ORDINARY)
    argv = [shutil.which(argv[0]), *argv[1:]]
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(work), "TERM": "screen", "LANG": "C.UTF-8",
                   "SESSIONCTL_STATE_DIR": str(base / "state")}
    if way is not None:
        argv = [str(base / "sessionctl"), "run", "--mount", str(work), *WAYS[way], "--", *argv]
    terminal = Terminal(base, environment, work, [*credentials(options.user, way), *argv])
    try:
        for text, keys in steps:
            terminal.await_text(text)
            terminal.type(keys)
        code = terminal.exit_code()
    finally:
        terminal.close()
    result = {path.name: f"{describe(path)} {path.read_text()!r}" for path in work.iterdir()}
    shutil.rmtree(work)
    return {"exit code": code, **result}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessionctl", default=os.environ.get("SESSIONCTL", "sessionctl"))
    parser.add_argument("--user", choices=("root", "ordinary"), default="root" if os.geteuid() == 0 else "ordinary")
    options = parser.parse_args()
    editors = [name for name in EDITORS if shutil.which(name)]
    if shutil.which("tmux") is None or not editors:
        print("skipped: needs tmux, and vim or nano, which are not installed")
        return SKIPPED
    if options.user == "root" and os.geteuid() != 0:
        print("skipped: needs to be started as root")
        return SKIPPED
    base = Path(tempfile.mkdtemp(prefix="sessionctl-editor.")).resolve()
    failures = 0
    try:
        base.chmod(0o755)
        shutil.copy(options.sessionctl, base / "sessionctl")
        for name in editors:
            bare = edit(options, base, name, None)
            if bare["exit code"] != "0" or "typed in a terminal" not in bare["text"]:
                print(f"{name}: the bare run failed: {bare}")
                return 1
            for way in ("writes", "all", "private"):
                inside = edit(options, base, name, way)
                print(f"{name}, {options.user} user, {way}: {len(bare)} results compared,"
                      f" {'same' if inside == bare else f'bare {bare}, session {inside}'}")
                failures += inside != bare
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
