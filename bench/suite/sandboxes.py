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
exec = [{exec}]
[process]
working_directory = "{directory}"
"""


class Sandbox:
    def __init__(self, name, wrap, kind, parts=()):
        self.name = name
        self.wrap = wrap  # (directory, argv) -> argv
        self.kind = kind  # "base", "floor", "own", "peer"
        self.parts = parts  # the measurements that it takes part in; none: all


def policy(build, directory):
    programs = [build / "bench", build / "npm-victims"]
    return POLICY.format(directory=directory, exec=", ".join(f'"{path}"' for path in programs if path.exists()))


def own(build, scope, view):
    def wrap(directory, argv):
        file = pathlib.Path(f"{directory}.toml")
        if not file.exists():
            file.write_text(policy(build, directory))
        return [str(build / "sessionctl"), "run", "--policy", str(file), "--scope", scope, "--view", view, "--", *argv]
    return wrap


def pinned(wrap):
    """Caller and broker on one processor."""
    return lambda directory, argv: ["taskset", "-c", str(max(os.sched_getaffinity(0))), *wrap(directory, argv)]


ALL_PARTS = {"calls", "processor", "threads", "crowd", "starts", "work", "memory"}


def peers():
    def bubblewrap(directory, argv):
        return ["bwrap", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--bind", directory, directory,
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
    def landlock(directory, argv):
        return [str(tools / "landlock_only"), directory, "--", *argv]

    found = [
        Sandbox("native", lambda directory, argv: argv, "base"),
        Sandbox("landlock", landlock, "base"),
        Sandbox("landlock, two layers", lambda directory, argv: landlock(directory, landlock(directory, argv)), "base",
                {"calls"}),  # as a session, whose broker stands in the outer one
        Sandbox("floor", lambda directory, argv: [str(tools / "floor"), "--", *argv], "floor"),
        Sandbox("floor, any cpu", lambda directory, argv: [str(tools / "floor"), "--spread", "--", *argv], "floor"),
    ]
    # With one mount and no rules "auto" mediates what "writes" does: that is measured once a view, to show it.
    for scope, view, parts in (("auto", "host", ALL_PARTS), ("writes", "host", {"calls"}), ("all", "host", ALL_PARTS - {"starts", "memory"}),
                               ("auto", "private", ALL_PARTS), ("writes", "private", {"calls"}), ("all", "private", {"calls", "work"})):
        name = f"sessionctl {scope}" + (", private view" if view == "private" else "")
        found.append(Sandbox(name, own(build, scope, view), "own", parts))
    found.append(Sandbox("sessionctl all, one cpu", pinned(own(build, "all", "host")), "own", {"calls", "processor"}))
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
            found = re.search(r"\d[\d.]*\.\d[\w.]*", text)
            result[name] = found.group() if found else "?"
    result["kernel"] = os.uname().release
    return result
