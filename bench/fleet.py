"""Measures a fleet of sessions through the real socket; bench/fleet.sh builds what it needs and calls this.

Everything happens in a state directory of its own. Prints a table, and with --json writes the figures.
"""

import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("sessiond")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


class Fleet:
    def __init__(self, sessionctl):
        self.sessionctl = sessionctl
        self.directory = tempfile.mkdtemp(prefix="sessionctl-fleet.")
        self.environment = dict(os.environ, SESSIONCTL_STATE_DIR=self.directory)
        self.server = None

    def serve(self):
        """Starts sessiond; the time until it answers."""
        begin = time.monotonic()
        read_end, write_end = os.pipe()
        os.set_inheritable(write_end, True)
        with open(os.path.join(self.directory, "bench.log"), "ab") as log:
            self.server = subprocess.Popen([self.sessionctl, "serve", "--ready-fd", str(write_end)], stderr=log,
                                           env=self.environment, pass_fds=[write_end], start_new_session=True)
        os.close(write_end)
        if os.read(read_end, 100) != b"ready":
            sys.exit("sessiond did not start")
        os.close(read_end)
        return time.monotonic() - begin

    def kill(self):
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()

    def leave(self):
        self.server.terminate()
        self.server.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def ask(self, method, path, body=None, on_line=None):
        connection = UnixConnection(os.path.join(self.directory, "sessiond.sock"))
        headers = {"Accept": "application/x-ndjson"} if on_line else {}
        connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
        reply = connection.getresponse()
        if on_line:
            while line := reply.readline():
                on_line(json.loads(line))
            return None
        text = reply.read()
        if reply.status >= 300:
            sys.exit(f"{method} {path}: {reply.status} {text.decode()}")
        return json.loads(text) if text else None

    def run(self, *words):
        done = subprocess.run([self.sessionctl, *words], env=self.environment, text=True, capture_output=True,
                              check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            sys.exit(f"sessionctl {' '.join(words)}: {done.returncode}\n{done.stderr}")
        return done.stdout

    def alive(self):
        return self.ask("GET", "/v1/health")["alive"]


def quantile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def policy_text(mount):
    return f'version = 1\nextends = ["default"]\n[[mount]]\nhost = "{mount}"\n'


def measure_starts(fleet, mount, singles, burst):
    """From the request until the command has been executed: the supervisor answers then."""
    spec = {"policy": policy_text(mount), "command": ["sleep", "1000"], "umask": "022"}
    one_by_one = []
    for _ in range(singles):
        begin = time.monotonic()
        result = fleet.ask("POST", "/v1/sessions", spec)
        one_by_one.append(1000 * (time.monotonic() - begin))
        if result[0]["exit_code"] != 0:
            sys.exit(f"a start failed: {result}")
    at = []
    begin = time.monotonic()
    fleet.ask("POST", "/v1/sessions", dict(spec, count=burst), lambda line: at.append(time.monotonic() - begin))
    fleet.run("stop", "--all", "--timeout", "0")
    fleet.run("prune")
    steps = [1000 * (later - earlier) for earlier, later in zip([0, *at], at)]
    return {"single_p50_ms": quantile(one_by_one, 0.5), "single_p99_ms": quantile(one_by_one, 0.99),
            "burst": burst, "burst_per_second": burst / at[-1], "burst_step_p99_ms": quantile(steps, 0.99)}


def pss(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def cpu_ticks(pid):
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def what_is_held(fleet, count):
    """By one of `count` sessions: medians of the parts, and its share of the supervisor."""
    sessions = fleet.ask("GET", "/v1/sessions?state=running")
    sample = sessions[:: max(1, len(sessions) // 100)]
    parts = {"monitor": [], "broker": [], "init": [], "command": []}
    counts = {"descriptors": [], "threads": [], "broker_threads": []}
    for session in sample:
        monitor, broker, command = (session[part]["pid"] for part in ("monitor", "broker", "process"))
        init = [child for child in children(broker) if child != command]
        for name, pids in (("monitor", [monitor]), ("broker", [broker]), ("init", init), ("command", [command])):
            parts[name].append(sum(pss(pid) for pid in pids))
        ours = [monitor, broker, *init]
        counts["descriptors"].append(sum(descriptors(pid) for pid in ours))
        counts["threads"].append(sum(threads(pid) for pid in ours))
        counts["broker_threads"].append(threads(broker))
    health = fleet.ask("GET", "/v1/health")
    shared = [health["pid"], health["zygote"]]
    result = {f"{name}_pss_kib": statistics.median(values) / 1024 for name, values in parts.items()}
    result["supervisor_share_kib"] = sum(pss(pid) for pid in shared) / count / 1024
    result["supervisor_descriptors"] = descriptors(health["pid"]) / count
    result["session_kib"] = sum(result[key] for key in ("monitor_pss_kib", "broker_pss_kib", "init_pss_kib",
                                                        "supervisor_share_kib"))
    result.update({key: statistics.median(values) for key, values in counts.items()})
    return result


def measure_idle(fleet, count):
    """Of sessions that do nothing."""
    result = what_is_held(fleet, count)
    sessions = fleet.ask("GET", "/v1/sessions?state=running")
    health = fleet.ask("GET", "/v1/health")
    shared = [health["pid"], health["zygote"]]
    everyone = [session[part]["pid"] for session in sessions for part in ("monitor", "broker")] + shared
    before = sum(cpu_ticks(pid) for pid in everyone)
    begin = time.monotonic()
    time.sleep(10)
    used = (sum(cpu_ticks(pid) for pid in everyone) - before) / os.sysconf("SC_CLK_TCK")
    result["idle_cpu_percent_all"] = 100 * used / (time.monotonic() - begin)
    return result


def available():
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def measure_many(fleet, mount, count):
    """A deployment of `count` idle sessions: up, idle, a crash of the supervisor, down."""
    file = Path(fleet.directory) / "many.toml"
    file.write_text(f'version = 1\n[deployment]\nname = "many"\n[[mount]]\nhost = "{mount}"\n'
                    f'[[session]]\nname = "idle"\ncommand = ["sleep", "100000"]\nreplicas = {count}\n',
                    encoding="utf-8")
    memory = available()
    begin = time.monotonic()
    fleet.run("up", str(file))
    result = {"sessions": count, "up_seconds": time.monotonic() - begin, "alive": fleet.alive(),
              "memory_taken_mib": (memory - available()) / 2**20}
    result["again_seconds"] = timed(lambda: fleet.run("up", str(file)))
    result.update(measure_idle(fleet, count))
    ids = {session["id"] for session in fleet.ask("GET", "/v1/sessions?state=running")}
    adoptions = []
    for _ in range(5):
        fleet.kill()
        begin = time.monotonic()
        fleet.serve()
        while fleet.alive() < count:
            time.sleep(0.005)
        adoptions.append(time.monotonic() - begin)
    result["adopt_seconds"] = statistics.median(adoptions)
    time.sleep(2)
    if {session["id"] for session in fleet.ask("GET", "/v1/sessions?state=running")} != ids:
        sys.exit("not the same sessions after a crash")
    result["down_seconds"] = timed(lambda: fleet.run("down", "many"))
    return result


def timed(action):
    begin = time.monotonic()
    action()
    return time.monotonic() - begin


def measure_attack(sessionctl, count, seconds):
    run = ROOT / "examples" / "shared-interpreters" / "run.py"
    done = subprocess.run([sys.executable, str(run), "--deployment", "--count", str(count), "--seconds", str(seconds),
                           "--sessionctl", sessionctl, "--json"], text=True, capture_output=True, check=False)
    print(done.stdout, end="", file=sys.stderr)
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            halves = json.loads(line)
            return {f"{half}_{key}": halves[half][key] for half in ("bare", "session")
                    for key in ("attempts", "ok", "escapes", "swaps", "seconds", "started")} | \
                   {"exit_code": done.returncode}
    sys.exit(f"the attack failed: {done.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sessionctl", default=str(ROOT / "build" / "release" / "sessionctl"))
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--singles", type=int, default=200)
    parser.add_argument("--burst", type=int, default=300)
    parser.add_argument("--interpreters", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--skip-attack", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    fleet = Fleet(options.sessionctl)
    figures = {"processors": os.cpu_count(), "load_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory(prefix="sessionctl-fleet-mount.") as mount:
        fleet.serve()
        try:
            figures["starts"] = measure_starts(fleet, mount, options.singles, options.burst)
            figures["many"] = measure_many(fleet, mount, options.sessions)
        finally:
            subprocess.run([options.sessionctl, "stop", "--all", "--timeout", "0"], env=fleet.environment, check=False)
            fleet.leave()
    if not options.skip_attack:
        figures["attack"] = measure_attack(options.sessionctl, options.interpreters, options.seconds)
    for part, values in figures.items():
        for key, value in (values.items() if isinstance(values, dict) else [("", values)]):
            print(f"{part:>10} {key:<26} {value:>14,.2f}")
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
