#!/usr/bin/env python3
"""The system-wide front: each user of the group gets a supervisor of its own, and sees nothing of the others.
Then what systemd is told and gives: NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS, without systemd. Nothing may be left of
all that; when something fails, whatever was started is ended.

Usage: front.py SESSIONCTL
"""
import contextlib
import ctypes
import grp
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile

from supervisor import UnixConnection, eventually

FIRST, SECOND, STRANGER = 23_456, 23_457, 23_458
GROUP = "games"  # one that every Debian has


def as_user(uid, work, groups=(), confined=False):
    """What `work` returns, from a process of that user."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(list(groups))
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            if confined:
                enter_filter()
            result = work()
        except OSError as error:
            result = error.strerror
        os.write(write_end, json.dumps(result).encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return json.loads(answer)


def enter_filter():
    """A filter that allows everything: what counts is that there is one."""
    libc = ctypes.CDLL(None, use_errno=True)
    allow = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 1, ctypes.addressof(allow)))
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def ask(path, method, target, body=None):
    connection = UnixConnection(path)
    connection.request(method, target, None if body is None else json.dumps(body))
    answer = connection.getresponse()
    data = answer.read()
    return [answer.status, json.loads(data) if data else None]


def expect(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: {got} instead of {wanted}")


def start(words, environment, descriptors=(), before=None):
    ready, told = os.pipe()
    process = subprocess.Popen([*words, "--ready-fd", str(told)], pass_fds=[told, *descriptors], env=environment,
                               preexec_fn=before)
    os.close(told)
    expect("ready", os.read(ready, 4096).decode(), "ready")
    os.close(ready)
    return process


def leave(process):
    process.send_signal(signal.SIGTERM)
    expect("exit code", process.wait(60), 0)


def adopt_orphans():
    """Whatever loses its parent becomes a child of ours, and can be found."""
    if ctypes.CDLL(None).prctl(36, 1, 0, 0, 0):
        sys.exit("prctl: PR_SET_CHILD_SUBREAPER")


def descendants():
    """Processes below this one that live, by name."""
    parents, names = {}, {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            name, rest = (entry / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, parent = rest.split()[:2]
        if state == "Z" and int(parent) == os.getpid():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(int(entry.name), os.WNOHANG)
        if state not in "ZX":
            parents[int(entry.name)], names[int(entry.name)] = int(parent), name
    below = {}
    for pid in names:
        above = parents[pid]
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid():
            below[pid] = names[pid]
    return below


def end_all():
    def ended():
        left = descendants()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left
    eventually(ended, "the end of what was started")


def holds_each_user_to_its_share(path, healths, group):
    """Whose supervisor does not answer fills its own share of the front, and nobody else's."""
    share = 16
    first = healths[FIRST]["pid"]
    os.kill(first, signal.SIGSTOP)

    def fill():
        waiting = [UnixConnection(path) for _ in range(share)]
        for connection in waiting:
            connection.request("GET", "/v1/health")
        return ask(path, "GET", "/v1/health")
    status, problem = as_user(FIRST, fill, group)
    expect("one too many", (status, problem["code"]), (503, "busy"))
    expect("another user meanwhile", as_user(SECOND, lambda: ask(path, "GET", "/v1/health"), group)[0], 200)
    os.kill(first, signal.SIGCONT)
    eventually(lambda: as_user(FIRST, lambda: ask(path, "GET", "/v1/health"), group)[0] == 200, "room again")


def serves_each_user_by_its_own(sessionctl, scratch):
    place, base = scratch / "front", scratch / "states"
    for directory in (place, base):
        directory.mkdir(mode=0o755)
    path = str(place / "sessiond.sock")
    (place / "sessiond.sock").symlink_to(scratch / "victim")  # planted: replaced, not followed
    words = [sessionctl, "serve", "--system", "--group", GROUP, "--socket", path, "--state-base", str(base)]
    environment = {"PATH": os.environ["PATH"], "SESSIONCTL_IDLE_EXIT": "0"}
    front = start(words, environment)
    expect("a second front", subprocess.run(words, env=environment, stderr=subprocess.DEVNULL, check=False).returncode, 1)
    expect("victim", (scratch / "victim").exists(), False)
    group = [grp.getgrnam(GROUP).gr_gid]
    expect("no member of the group", as_user(STRANGER, lambda: ask(path, "GET", "/v1/health")), "Permission denied")
    spawn = {"command": ["sleep", "600"]}
    made = {}
    for uid in (FIRST, SECOND):
        status, made[uid] = as_user(uid, lambda: ask(path, "POST", "/v1/sessions", spawn), group)
        expect("status", (status, made[uid][0]["exit_code"]), (201, 0))
    healths = {uid: as_user(uid, lambda: ask(path, "GET", "/v1/health"), group)[1] for uid in (FIRST, SECOND)}
    expect("supervisors", len({health["pid"] for health in healths.values()}), 2)
    for uid, health in healths.items():
        expect("owner of the supervisor", os.stat(f"/proc/{health['pid']}").st_uid, uid)
        status = pathlib.Path(f"/proc/{health['pid']}/status").read_text()
        expect("its users", [line for line in status.splitlines() if line.startswith("Uid:")], [f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}"])
        expect("its capabilities", "CapPrm:\t0000000000000000" in status, True)
        expect("its state", (health["state_directory"], os.stat(health["state_directory"]).st_uid), (str(base / str(uid)), uid))
        sessions = as_user(uid, lambda: ask(path, "GET", "/v1/sessions"), group)[1]
        expect("its sessions", [each["id"] for each in sessions], [made[uid][0]["id"]])
    theirs = made[SECOND][0]["id"]
    expect("another user's session", as_user(FIRST, lambda: ask(path, "POST", f"/v1/sessions/{theirs}/stop", {}), group)[0], 404)
    expect("another user's state", as_user(FIRST, lambda: os.listdir(base / str(SECOND)), group), "Permission denied")
    # Links to another user's supervisor, in the place of one's own: the connection stays its sender's.
    own = base / str(FIRST) / "sessiond.sock"
    own.rename(base / str(FIRST) / "away")
    own.symlink_to(base / str(SECOND) / "sessiond.sock")
    expect("through a link", as_user(FIRST, lambda: ask(path, "GET", "/v1/sessions"), group)[0], 503)
    (base / str(FIRST) / "away").rename(own)
    # From inside a session (here: behind a filter) nobody is handed over.
    expect("confined", as_user(FIRST, lambda: ask(path, "GET", "/v1/health"), group, confined=True)[0], 403)
    holds_each_user_to_its_share(path, healths, group)
    # The verbs, by the variable.
    verbs = {**environment, "SESSIONCTL_SOCKET": path}
    listed = subprocess.run([sessionctl, "ps", "--json"], env=verbs, capture_output=True, check=True, text=True,
                            user=FIRST, group=FIRST, extra_groups=group, cwd="/").stdout
    expect("ps", [each["id"] for each in json.loads(listed)], [made[FIRST][0]["id"]])
    # Sessions and supervisors outlive the front.
    leave(front)
    expect("the socket", os.path.lexists(path), False)
    expect("its sessions", as_user(FIRST, lambda: ask(str(own), "GET", "/v1/sessions"))[1][0]["state"], "running")
    for uid, health in healths.items():
        state = str(base / str(uid) / "sessiond.sock")
        expect("stop", as_user(uid, lambda: ask(state, "POST", f"/v1/sessions/{made[uid][0]['id']}/stop", {"timeout_ms": 0}))[0], 200)
        expect("leave", as_user(uid, lambda: ask(state, "POST", "/v1/shutdown"))[0], 202)
        eventually(lambda pid=health["pid"]: pid not in descendants(), "the supervisors leave")


def tells_systemd(scratch, words):
    """READY, WATCHDOG and STOPPING come; the socket is the one that was given."""
    scratch.mkdir(mode=0o755)
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify = str(scratch / "notify")
    told.bind(notify)
    told.settimeout(60)
    listener = socket.socket(socket.AF_UNIX)
    path = str(scratch / "given")
    listener.bind(path)
    listener.listen()
    environment = {**os.environ, "NOTIFY_SOCKET": notify, "WATCHDOG_USEC": "400000", "LISTEN_FDS": "1",
                   "SESSIONCTL_STATE_DIR": str(scratch / "state"), "JOURNAL_STREAM": "1:2"}

    shell = 'exec 3<&"$0"; export LISTEN_PID=$$ WATCHDOG_PID=$$; exec "$@" --ready-fd 9 9>/dev/null'
    process = subprocess.Popen(["sh", "-c", shell, str(listener.fileno()), *words],
                               pass_fds=[listener.fileno()], env=environment, stderr=subprocess.PIPE, text=True)
    expect("messages", {told.recv(4096) for _ in range(7)}, {b"READY=1", b"WATCHDOG=1"})
    expect("a request", ask(path, "GET", "/v1/version")[0], 200)
    process.send_signal(signal.SIGTERM)
    while told.recv(4096) != b"STOPPING=1":
        pass
    expect("exit code", process.wait(60), 0)
    lines = process.stderr.read().splitlines()
    expect("lines without a priority", [line for line in lines if line[:1] != "<" or line[2:3] != ">"], [])
    expect("the socket that was given", os.path.lexists(path), True)


def front_tells_systemd(sessionctl, scratch):
    """The same of the front, whose client starts root's own supervisor."""
    base = scratch / "bases"
    base.mkdir(mode=0o755)
    tells_systemd(scratch / "systems", [sessionctl, "serve", "--system", "--state-base", str(base)])
    expect("leave", ask(str(base / "0" / "sessiond.sock"), "POST", "/v1/shutdown")[0], 202)
    eventually(lambda: not descendants(), "the supervisor leaves")


def units_are_sound(sessionctl, scratch):
    """systemd-analyze has nothing to say about the units, with the program that was built."""
    if shutil.which("systemd-analyze") is None:
        print("no systemd-analyze: the units are not looked at")
        return
    packaging = pathlib.Path(__file__).resolve().parents[3] / "packaging" / "systemd"
    for manager in ("user", "system"):
        units = []
        for unit in sorted((packaging / manager).iterdir()):
            copy = scratch / manager / unit.name
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(unit.read_text().replace("/usr/bin/sessionctl", sessionctl))
            units.append(str(copy))
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(scratch)}
        verified = subprocess.run(["systemd-analyze", f"--{manager}", "--man=no", "verify", *units], check=False,
                                  env=environment, capture_output=True, text=True)
        said = [line for line in verified.stderr.splitlines() if "sessiond" in line]
        expect(f"systemd-analyze --{manager}", (verified.returncode, said), (0, []))


def main():
    sessionctl = os.path.abspath(sys.argv[1])
    adopt_orphans()
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        scratch.chmod(0o755)
        try:
            return run_all(sessionctl, scratch)
        finally:
            end_all()


def run_all(sessionctl, scratch):
    tells_systemd(scratch / "own", [sessionctl, "serve"])
    units_are_sound(sessionctl, scratch)
    if os.geteuid() != 0:
        print("skipped: needs root to become several users")
        return 77
    front_tells_systemd(sessionctl, scratch)
    serves_each_user_by_its_own(sessionctl, scratch)
    eventually(lambda: not descendants(), f"nothing is left, {descendants()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
