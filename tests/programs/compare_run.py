"""Runs a driver bare and in sessions, and compares everything it left behind and said.

    python3 compare_run.py --sessionctl PATH --driver FILE [--user root|ordinary] [--way writes|all|private]…
                           [--need PROGRAM]… [--mount DIR]… [--device PATH]… [--ignore REGEX]… [--ipc RULE]
                           [--network LINE]… [--tells-ids]

All runs happen in a directory of the same name with the same environment and credentials, so that nothing legitimate
differs but times: the bare one has no capabilities and no_new_privs as well, because no session has any. An ordinary
user's private view is in a user namespace that knows no ids but his own: a driver that tells other ids is compared with
a bare run in such a namespace.
"""

import argparse
import difflib
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

INTERPRETERS = {".py": ["/usr/bin/python3", "-B"], ".sh": ["/bin/bash"], ".js": ["/usr/bin/node"],
                ".pl": ["/usr/bin/perl"]}
ORDINARY = 65534  # nobody; only when started as root
SKIPPED = 77
# The ways a session is tried in: what is mediated in the host's view, and everything in a view of its own.
WAYS = {"auto": ["--scope", "auto", "--view", "host"], "writes": ["--scope", "writes", "--view", "host"],
        "all": ["--scope", "all", "--view", "host"],
        "private": ["--scope", "all", "--view", "private"]}


def credentials(user, way=None):
    """The words in front of a command that give it the user, no capability and no_new_privs.

    Who makes a private view for root is root; the session itself has no capability either way.
    """
    if os.geteuid() == 0 and user == "root" and way == "private":
        return []
    words = ["setpriv", "--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all"]
    if os.geteuid() == 0:
        words.append("--bounding-set=-all")
        if user == "ordinary":
            words += [f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups"]
    return words


def bare_credentials(user, way):
    """The same for the bare run that a session is compared with; `way` None: whichever it is."""
    words = credentials(user)
    if way == "private" and user == "ordinary":
        words += ["unshare", "--map-current-user"]
    return words


def policy_text(options, base):
    """The session's policy: the work directory is its one mount unless the test asks for more."""
    lines = ["version = 1", 'extends = ["default"]']
    for directory in [str(base / "work"), *options.mount]:
        lines += ["[[mount]]", f"host = {json.dumps(directory)}"]
    lines += ["[filesystem]", f"read = {json.dumps([str(base / 'tools'), *options.read])}",
              f"devices = {json.dumps(options.device)}", "[process]", f"ipc = {json.dumps(options.ipc)}",
              "[network]", *options.network]
    return "\n".join(lines) + "\n"


def run(options, base, driver, way, beside=None):
    """One run of the driver; `way` is None for a bare one, `beside` then the way that it is compared with."""
    work = base / "work"
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(work),
                   "TMPDIR": str(work), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "USER": "tester", "LOGNAME": "tester"}
    argv = [*INTERPRETERS[driver.suffix], str(driver), *options.argument]
    if way is not None:
        policy = base / "tools" / "policy.toml"
        policy.write_text(policy_text(options, base), encoding="utf-8")
        policy.chmod(0o644)
        sets = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
        argv = [str(base / "tools" / "sessionctl"), "run", "--policy", str(policy), *WAYS[way], *sets, "--",
                *argv]
    # Not below HOME, where the state directory would be a place that the mount has to deny.
    state = {} if way is None else {"SESSIONCTL_STATE_DIR": str(base / "state")}
    words = credentials(options.user, way) if way is not None else bare_credentials(options.user, beside)
    return subprocess.run([*words, *argv], cwd=work, env=environment | state,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="surrogateescape",
                          check=False, timeout=options.timeout)


def describe(path):
    status = path.lstat()
    kind = stat.S_IFMT(status.st_mode)
    parts = [oct(status.st_mode), f"links {status.st_nlink}" if kind != stat.S_IFDIR else "", f"{status.st_uid}:"
             f"{status.st_gid}"]
    if kind == stat.S_IFLNK:
        parts.append("-> " + os.readlink(path))
    elif kind == stat.S_IFREG:
        parts.append(f"size {status.st_size} " + hashlib.sha256(path.read_bytes()).hexdigest()[:16])
    if kind in (stat.S_IFREG, stat.S_IFDIR):
        parts += [f"{name}={os.getxattr(path, name)!r}" for name in sorted(os.listxattr(path))]
    # A time in the past was set on purpose.
    if status.st_mtime < 1_700_000_000 and kind != stat.S_IFDIR:
        parts.append(f"mtime {status.st_mtime_ns}")
    return " ".join(parts)


def take(work, ignore):
    tree = {}
    for path in work.rglob("*"):
        name = str(path.relative_to(work))
        if any(pattern.search(name) for pattern in ignore):
            continue
        tree[name] = describe(path)
    return tree


def prepare(options, base):
    """The driver and sessionctl where an ordinary user reaches them too."""
    base.chmod(0o755)
    tools = base / "tools"
    tools.mkdir(mode=0o755)
    sources = Path(options.driver).resolve()
    for helper in sources.parent.glob("*"):
        shutil.copy(helper, tools)
    shutil.copy(options.sessionctl, tools / "sessionctl")
    return tools / sources.name


def make_work(options, base):
    work = base / "work"
    work.mkdir(mode=0o755)
    if os.geteuid() == 0 and options.user == "ordinary":
        os.chown(work, ORDINARY, ORDINARY)
    return work


def put_away(base, name):
    work = base / "work"
    if os.environ.get("SESSIONCTL_KEEP_SCRATCH"):
        work.rename(base / name)
        return
    for path, directories, _ in os.walk(work):
        for directory in directories:
            if not os.path.islink(os.path.join(path, directory)):
                os.chmod(os.path.join(path, directory), 0o700)
    shutil.rmtree(work)


def differences(bare, bare_tree, session, session_tree):
    found = []
    for what in ("returncode", "stdout", "stderr"):
        if getattr(bare, what) != getattr(session, what):
            lines = difflib.unified_diff(str(getattr(bare, what)).splitlines(),
                                         str(getattr(session, what)).splitlines(), "bare", "session", lineterm="", n=1)
            found.append("\n".join([f"{what} differs:", *list(lines)[:60]]))
    for name in sorted(bare_tree.keys() | session_tree.keys()):
        if bare_tree.get(name) != session_tree.get(name):
            found.append(f"{name}: bare {bare_tree.get(name)}, session {session_tree.get(name)}")
    return found


def result_of(options, base, driver, way, beside=None):
    """What a run said, and the tree that it left."""
    work = make_work(options, base)
    done = run(options, base, driver, way, beside)
    tree = take(work, [re.compile(pattern) for pattern in options.ignore])
    put_away(base, way or ("bare" if beside is None else f"bare_{beside}"))
    return done, tree


def compare(options, base, driver):
    failed = False
    bare = {}
    for way in options.way:
        namespace = way if options.tells_ids and options.user == "ordinary" and way == "private" else None
        if namespace not in bare:
            bare[namespace] = result_of(options, base, driver, None, namespace)
        bare_run, bare_tree = bare[namespace]
        if bare_run.returncode != 0 or (len(bare_tree) < 3 and len(bare_run.stdout) < 100):
            print(f"the bare run failed ({bare_run.returncode}): {bare_run.stdout}{bare_run.stderr}")
            return 1
        session, tree = result_of(options, base, driver, way)
        found = differences(bare_run, bare_tree, session, tree)
        print(f"{driver.name}, {options.user} user, {way}: {len(bare_tree)} entries and {len(bare_run.stdout)} "
              f"bytes of output compared, {len(found)} differences")
        for difference in found[:20]:
            print(difference)
        failed = failed or bool(found)
    return 1 if failed else 0


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessionctl", default=os.environ.get("SESSIONCTL", "sessionctl"))
    parser.add_argument("--driver", required=True)
    parser.add_argument("--user", choices=("root", "ordinary"), default="root" if os.geteuid() == 0 else "ordinary")
    parser.add_argument("--way", action="append", default=[], choices=WAYS)
    parser.add_argument("--ignore", action="append", default=[])
    parser.add_argument("--mount", action="append", default=[], help="a directory to grant besides the work")
    parser.add_argument("--read", action="append", default=[], help="a path outside the mounts to grant for reading")
    parser.add_argument("--device", action="append", default=[], help="a device to grant")
    parser.add_argument("--ipc", default="auto", help="process.ipc of the session's policy")
    parser.add_argument("--network", action="append", default=[], help="a line of [network]; none otherwise")
    parser.add_argument("--need", action="append", default=[], help="a program; without it the test is skipped")
    parser.add_argument("--argument", action="append", default=[], help="an argument for the driver")
    parser.add_argument("--tells-ids", action="store_true", help="the driver tells the ids of other users")
    parser.add_argument("--timeout", type=int, default=900)
    options = parser.parse_args()
    options.way = options.way or ["all"]
    return options


def main():
    options = parse_options()
    for program in options.need:
        if not os.path.exists(program):
            print(f"skipped: needs {program}, which is not installed")
            return SKIPPED
    if options.user == "root" and os.geteuid() != 0:
        print("skipped: needs to be started as root")
        return SKIPPED
    base = Path(tempfile.mkdtemp(prefix="sessionctl-program.")).resolve()
    try:
        return compare(options, base, prepare(options, base))
    finally:
        if os.environ.get("SESSIONCTL_KEEP_SCRATCH"):
            print(f"kept: {base}")
        else:
            shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
