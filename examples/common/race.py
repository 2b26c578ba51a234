"""What the demonstrations share: a shared directory, a secret outside it, an attacker, and two halves.

Every demonstration runs its program twice, bare and in sessions, while `swap_attacker` swaps names in the shared
directory for links to the secret. The secret is watched from outside: each effect on it is one escape. Standard library
only, Python 3.9 and later.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

CANARY = "CANARY-OUTSIDE\n"
ROOT = Path(__file__).resolve().parent.parent.parent


def parser(description):
    """The options that all demonstrations have."""
    result = argparse.ArgumentParser(description=description)
    build = ROOT / "build" / "release"
    result.add_argument("--sessionctl", default=os.environ.get("SESSIONCTL", str(build / "sessionctl")))
    result.add_argument("--attacker", default=str(build / "testcases" / "swap_attacker"))
    result.add_argument("--seconds", type=float, default=8, help="how long each half is under attack")
    result.add_argument("--json", action="store_true", help="print the result as one JSON object")
    return result


class Scene:
    """shared/ (granted), secret/ (never), tools/ (for programs the sessions run), in temporary directories."""

    def __init__(self):
        self.base = Path(tempfile.mkdtemp(prefix="sessionctl-demo.")).resolve()
        self.base.chmod(0o755)
        self.shared = self.base / "shared"
        # In memory where possible: many writers that all escape into one file would otherwise wait for the disk.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else str(self.base)
        self._outside = Path(tempfile.mkdtemp(prefix="sessionctl-demo.", dir=memory)).resolve()
        self.secret = self._outside / "secret"
        self.tools = self.base / "tools"
        for directory in (self.shared, self.secret, self.tools):
            directory.mkdir()
        self.escapes = 0
        self.examples = []
        self._kept = {}
        self._stop = threading.Event()
        self._watcher = None

    def keep(self, name, content=CANARY):
        """A file of the secret whose content must stay."""
        self._kept[name] = content
        (self.secret / name).write_text(content)

    def watch(self):
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _watch(self):
        while not self._stop.wait(0.001):
            self.check()

    def check(self):
        """Counts what is not as it was left, and puts it back."""
        try:
            present = set(os.listdir(self.secret))
        except FileNotFoundError:
            present = set()
        for name, content in self._kept.items():
            path = self.secret / name
            found = None
            with contextlib.suppress(OSError):
                found = path.read_text(errors="replace")
            if found != content:
                self._escaped(f"{name}: now {found!r}")
                path.write_text(content)
        for name in present - set(self._kept):
            self._escaped(f"{name} appeared")
            path = self.secret / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _escaped(self, what):
        self.escapes += 1
        if len(self.examples) < 3:
            self.examples.append(what)

    def close(self):
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join()
        self.check()
        shutil.rmtree(self.base, ignore_errors=True)
        shutil.rmtree(self._outside, ignore_errors=True)


class Attacker:
    """`swap_attacker`. With a pause (microseconds) after each swap it hits the gaps of many slow victims more often."""

    def __init__(self, program, *arguments, pause_us=0):
        self.process = subprocess.Popen(
            [program, *map(str, arguments)], env=dict(os.environ, SWAP_PAUSE_US=str(pause_us)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def stop(self):
        """How often it swapped."""
        self.process.send_signal(signal.SIGTERM)
        return int(self.process.communicate()[0])


class BareFleet:
    """The same program, many times, with no protection."""

    def __init__(self, argv, count, directory):
        self.processes = [
            subprocess.Popen(argv, cwd=directory, start_new_session=True, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(count)
        ]

    def wait(self):
        return [process.wait() for process in self.processes]


class SessionFleet:
    """`sessionctl spawn --count`: the same program, many times, each in its own session."""

    def __init__(self, sessionctl, flags, command, arguments, count, directory):
        # A store of its own, so that nobody's sessions are mixed with the demonstration's.
        self.store = tempfile.TemporaryDirectory(prefix="sessionctl-store.")
        # The supervisor that `spawn` starts leaves by itself once nothing runs.
        self.environment = dict(os.environ, SESSIONCTL_STATE_DIR=self.store.name, SESSIONCTL_IDLE_EXIT="1")
        self.sessionctl = sessionctl
        spawned = self._run("spawn", *flags, "--cmd", command, "--count", str(count), "--", *arguments,
                            cwd=directory)
        if spawned.returncode != 0:
            raise SystemExit(f"sessionctl spawn failed ({spawned.returncode}): {spawned.stderr.strip()}")
        self.ids = spawned.stdout.split()

    def _run(self, *arguments, cwd=None):
        return subprocess.run([self.sessionctl, *arguments], env=self.environment, cwd=cwd, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)

    def wait(self):
        waited = self._run("wait", *self.ids)
        self.log = self._run("logs", self.ids[0]).stdout + waited.stderr
        self._run("prune")
        self._remove_store()
        return [waited.returncode]

    def _remove_store(self):
        """Once its supervisor has left, which would make anew what is removed."""
        log = Path(self.store.name) / "sessiond.log"
        for _ in range(200):
            lines = log.read_text(encoding="utf-8").strip().splitlines() if log.exists() else []
            if lines and " left" in lines[-1]:
                break
            time.sleep(0.05)
        self.store.cleanup()


class DeploymentFleet:
    """`sessionctl up`: a deployment file whose directories and number of sessions are the demonstration's."""

    def __init__(self, sessionctl, file, replacements):
        self.store = tempfile.TemporaryDirectory(prefix="sessionctl-store.")
        # The supervisor that `up` starts leaves by itself once nothing runs.
        self.environment = dict(os.environ, SESSIONCTL_STATE_DIR=self.store.name, SESSIONCTL_IDLE_EXIT="1")
        self.sessionctl = sessionctl
        text = Path(file).read_text(encoding="utf-8")
        for old, new in replacements.items():
            if old not in text:
                raise SystemExit(f"{file}: there is no {old}")
            text = text.replace(old, new)
        path = Path(self.store.name) / "deployment.toml"
        path.write_text(text, encoding="utf-8")
        up = self._run("up", "--json", str(path))
        if up.returncode != 0:
            raise SystemExit(f"sessionctl up failed ({up.returncode}): {up.stderr.strip()}")
        self.name = json.loads(up.stdout)["name"]

    _run = SessionFleet._run
    _remove_store = SessionFleet._remove_store

    def places(self):
        return json.loads(self._run("ps", "--json", "--deployment", self.name).stdout)["places"]

    def wait(self):
        """Until all have ended by themselves; then the deployment is taken down."""
        deadline = time.monotonic() + 60
        while any(place["state"] != "completed" for place in self.places()) and time.monotonic() < deadline:
            time.sleep(0.2)
        places = self.places()
        self.log = self._run("logs", places[0]["id"]).stdout
        down = self._run("down", self.name)
        if down.returncode != 0:
            raise SystemExit(f"sessionctl down failed ({down.returncode}): {down.stderr.strip()}")
        self._remove_store()
        return [sum(place["state"] != "completed" for place in places)]


def attack_for(scene, seconds, until_escaped):
    """Lets the attack go on for `seconds`; the unprotected half until it has lost a few times, at most a minute longer."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds or (until_escaped and scene.escapes < 3
                                                 and time.monotonic() - begin < seconds + 60):
        time.sleep(0.05)


def gather(directory, expected, deadline):
    """Waits for the workers' counts (one JSON file each) and adds them up."""
    while len(list(directory.glob("*.json"))) < expected and time.monotonic() < deadline:
        time.sleep(0.05)
    total = {}
    reports = list(directory.glob("*.json"))
    for report in reports:
        for key, value in json.loads(report.read_text()).items():
            total[key] = total.get(key, 0) + value
    total["reports"] = len(reports)
    return total


def print_table(title, rows):
    """rows: (name, result) of the two halves."""
    print(f"\n{title}\n")
    print(f"  {'':<14}{'attempts':>12}{'escapes':>12}{'succeeded':>12}{'per second':>12}{'swaps':>12}")
    for name, row in rows:
        print(f"  {name:<14}{row['attempts']:>12,}{row['escapes']:>12,}{row['ok']:>12,}"
              f"{row['ok'] / row['seconds']:>12,.0f}{row['swaps']:>12,}")
    print()


def conclude(bare, session, what, as_json=False):
    """Says in one line what was shown; the exit code."""
    if as_json:
        print(json.dumps({"bare": bare, "session": session}))
    if session["escapes"] > 0:
        print(f"FAILED: {session['escapes']} escapes from sessions: {session.get('examples')}")
        return 1
    if bare["escapes"] == 0:
        print("FAILED: the unprotected half lost nothing, so this shows nothing")
        return 1
    if session["ok"] == 0:
        print("FAILED: no legitimate operation succeeded in a session")
        return 1
    print(f"Shown: {what} {bare['escapes']:,} escapes without protection, none in sessions, and "
          f"{session['ok']:,} legitimate operations succeeded there under the same attack.")
    sys.stdout.flush()
    return 0
