"""What is compared: how a command is put into each sandbox, with one directory to write to."""
import os
import pathlib
import re
import shutil
import subprocess

# The whole file system may be read in every peer's sandbox too: what differs is how that is held, not what is granted.
POLICY = """version = 1
[[mount]]
host = "{directory}"
[filesystem]
exec = ["{tools}"]
[process]
working_directory = "{directory}"
"""


class Sandbox:
    def __init__(self, name, wrap, kind):
        self.name = name
        self.wrap = wrap  # (directory, argv) -> argv
        self.kind = kind  # "base", "floor", "own", "peer"


def own(build, scope):
    def wrap(directory, argv):
        policy = pathlib.Path(f"{directory}.toml")
        if not policy.exists():
            policy.write_text(POLICY.format(directory=directory, tools=build / "bench"))
        return [str(build / "sessionctl"), "run", "--policy", str(policy), "--scope", scope, "--", *argv]
    return wrap


def peers():
    def bubblewrap(directory, argv):
        return ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--bind", directory, directory,
                "--unshare-all", "--chdir", directory, "--", *argv]

    def firejail(directory, argv):
        return ["firejail", "--quiet", "--noprofile", "--net=none", "--read-only=/", f"--read-write={directory}", "--",
                *argv]

    def proot(directory, argv):
        return ["proot", "-r", "/", "-w", directory, *argv]

    def gvisor(directory, argv):
        return ["runsc", "--rootless", "--network=none", "--ignore-cgroups", "do", "-cwd", directory,
                "-force-overlay=false", *argv]
    return {"bubblewrap": bubblewrap, "firejail": firejail, "proot": proot, "gvisor": gvisor}


def works(sandbox, directory):
    """None, or why this sandbox cannot be measured here."""
    try:
        done = subprocess.run(sandbox.wrap(directory, ["/bin/true"]), cwd=directory, capture_output=True, text=True,
                              timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]


def all_sandboxes(build):
    tools = build / "bench"
    found = [
        Sandbox("native", lambda directory, argv: argv, "base"),
        Sandbox("landlock", lambda directory, argv: [str(tools / "landlock_only"), directory, "--", *argv], "base"),
        Sandbox("floor", lambda directory, argv: [str(tools / "floor"), "--", *argv], "floor"),
        Sandbox("floor, any cpu", lambda directory, argv: [str(tools / "floor"), "--spread", "--", *argv], "floor"),
    ]
    for scope in ("auto", "writes", "all"):
        found.append(Sandbox(f"sessionctl {scope}", own(build, scope), "own"))
    for name, wrap in peers().items():
        found.append(Sandbox(name, wrap, "peer"))
    return found


def usable(build, directory):
    """The sandboxes that work here, and {name: why not} of the others."""
    good, bad = [], {}
    for sandbox in all_sandboxes(build):
        why = works(sandbox, directory)
        if why is None:
            good.append(sandbox)
        else:
            bad[sandbox.name] = why
    return good, bad


def versions():
    commands = {"bubblewrap": ["bwrap", "--version"], "firejail": ["firejail", "--version"],
                "proot": ["proot", "--version"], "gvisor": ["runsc", "--version"]}
    result = {}
    for name, command in commands.items():
        if shutil.which(command[0]):
            text = subprocess.run(command, capture_output=True, text=True).stdout
            found = re.search(r"\d+\.\d[\w.]*", text)
            result[name] = found.group() if found else "?"
    result["kernel"] = os.uname().release
    return result
