"""The measurements. Each takes the sandboxes that work, and makes one round: every sandbox in turn, in an order that
changes from round to round, so that whatever else the machine does meets all of them alike."""
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import time

import supervised
from samples import Table

TIMEOUT = 900


class Bench:
    def __init__(self, build, scratch, sandboxes, rounds, quick):
        self.build, self.scratch, self.sandboxes = build, pathlib.Path(scratch), sandboxes
        # Where single calls are measured: what a disk does meanwhile would hide what a sandbox costs.
        self.in_memory = self.scratch / "memory-fs"
        self.in_memory.mkdir()
        self.has_memory = subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "sessionctl-bench", self.in_memory],
                                         capture_output=True).returncode == 0
        self.rounds, self.quick = rounds, quick
        self.tools = build / "bench"
        self.failures = []

    def close(self):
        if self.has_memory:
            subprocess.run(["umount", "--lazy", self.in_memory], check=False)

    def directory(self, name):
        path = (self.in_memory if name in ("calls", "threads", "crowd") else self.scratch) / name
        path.mkdir(exist_ok=True)
        return str(path)

    def run(self, sandbox, directory, argv, **options):
        """Standard output of `argv` in the sandbox; None where it failed, which is kept for the report."""
        try:
            done = subprocess.run(sandbox.wrap(directory, argv), cwd=directory, capture_output=True, text=True,
                                  timeout=TIMEOUT, **options)
        except subprocess.TimeoutExpired:
            self.failures.append((sandbox.name, argv[0], "did not end"))
            return None
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            self.failures.append((sandbox.name, " ".join(argv[:3]), f"exit code {done.returncode}: {last}"))
            return None
        return done.stdout

    def shuffled(self, part, *kinds):
        chosen = [sandbox for sandbox in self.sandboxes
                  if (not kinds or sandbox.kind in kinds) and (not sandbox.parts or part in sandbox.parts)]
        random.shuffle(chosen)
        return chosen

    def fewer_rounds(self):
        """Of what takes long."""
        return (self.rounds + 1) // 2


def calls(bench):
    """Every call by itself, in every spelling."""
    table = Table("calls", "Single calls, median time", "µs", floor="floor")
    tail = Table("calls-p99", "Single calls, 99th percentile", "µs", floor="floor")
    trip = Table("round-trip", "The kernel's round trip alone", "µs", reference="floor")
    count = 300 if bench.quick else 2000
    for _ in range(bench.rounds):
        for sandbox in bench.shuffled("calls"):
            wanted = [f"{op}/{style}/1" for op in OPS for style in STYLES
                      if style != "dirfd" or sandbox.kind != "floor"]
            less = count // 10 if sandbox.kind == "peer" else count
            lines = bench.run(sandbox, bench.directory("calls"), [str(bench.tools / "calls"), str(less), *wanted])
            for cell in map(json.loads, (lines or "").splitlines()):
                table.add(f"{cell['op']} {cell['style']}", sandbox.name, cell["p50"] / 1000)
                tail.add(f"{cell['op']} {cell['style']}", sandbox.name, cell["p99"] / 1000)
            if sandbox.kind == "floor":
                line = bench.run(sandbox, bench.directory("calls"), [str(bench.tools / "calls"), str(count), "round-trip"])
                if line:
                    trip.add("round trip", sandbox.name, json.loads(line)["p50"] / 1000)
    return [table, tail, trip]


OPS = ["open-read", "open-write", "create+unlink", "rename", "mkdir+rmdir", "stat", "read-4k", "chmod"]
STYLES = ["relative", "absolute", "deep", "dirfd"]


def used_by_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def processor(bench):
    """The processor time of a call and of a start, of all processes that take part: what others do on the machine
    meanwhile hardly shows in it. gVisor's processes are nobody's children, so it is not there."""
    table = Table("processor", "Processor time of single calls", "µs", floor="floor")
    starts_table = Table("processor-starts", "Processor time of a start and end of /bin/true", "ms")
    many, few = (600, 60) if bench.quick else (4000, 400)
    for _ in range(bench.rounds):
        for sandbox in bench.shuffled("processor"):
            if sandbox.name in ("gvisor", "bubblewrap", "firejail"):  # the last two leave calls as they are
                continue
            for operation in ("open-read", "open-write", "create+unlink", "rename", "mkdir+rmdir", "chmod"):
                used = []
                for count in (many, few):
                    before = used_by_children()
                    line = bench.run(sandbox, bench.directory("calls"), [str(bench.tools / "calls"), str(count), operation])
                    used.append(used_by_children() - before if line else None)
                if all(used) and used[0] > used[1]:
                    calls_of_one = 2 if "+" in operation or operation == "rename" else 1
                    table.add(operation, sandbox.name, 1e6 * (used[0] - used[1]) / (many - few) / calls_of_one)
        for sandbox in bench.shuffled("starts", "base", "own", "peer"):
            if sandbox.name == "gvisor":
                continue
            before = used_by_children()
            times = 5 if bench.quick else 20
            for _ in range(times):
                bench.run(sandbox, bench.directory("begun"), ["/bin/true"])
            starts_table.add("/bin/true", sandbox.name, 1000 * (used_by_children() - before) / times)
    return [table, starts_table]


def threads(bench):
    """Several threads of one program at the same call."""
    table = Table("threads", "Calls of several threads: time divided by calls", "µs", floor="floor")
    count = 400 if bench.quick else 2000
    for _ in range(bench.rounds):
        for sandbox in bench.shuffled("threads"):
            less = count // 10 if sandbox.kind == "peer" else count
            wanted = [f"{op}/relative/{number}" for op in ("open-read", "create+unlink") for number in (1, 2, 8, 64)]
            lines = bench.run(sandbox, bench.directory("threads"), [str(bench.tools / "calls"), str(less), *wanted])
            for cell in map(json.loads, (lines or "").splitlines()):
                table.add(f"{cell['op']}, {cell['threads']} threads", sandbox.name, cell["per_call"] / 1000)
    return [table]


def idler(sandbox, directory):
    return subprocess.Popen(sandbox.wrap(directory, ["/bin/sleep", "1000"]), cwd=directory, start_new_session=True)


def end(idlers):
    """Some peers do not end at SIGTERM."""
    trees = [descendants(process.pid) for process in idlers]
    for process in idlers:
        process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(process.poll() is None for process in idlers):
        time.sleep(0.05)
    for process, tree in zip(idlers, trees):
        for pid in tree if process.poll() is None else []:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()


def crowd(bench):
    """One session at work, others idle beside it; and all of them at work."""
    idle = Table("crowd", "One session at work beside idle ones: open for writing, median", "µs", "alone", None)
    busy = Table("crowd-busy", "Sessions at work at the same time: create+unlink, time divided by all calls", "µs", "1", None)
    sizes = [1, 16] if bench.quick else [1, 16, 150]
    for _ in range(bench.fewer_rounds()):
        for sandbox in bench.shuffled("crowd", "own"):
            for size in sizes:
                directory = bench.directory("crowd")
                others = [idler(sandbox, directory) for _ in range(size - 1)]
                time.sleep(0.5 + 0.02 * size)
                line = bench.run(sandbox, directory, [str(bench.tools / "calls"), "2000", "open-write"])
                end(others)
                if line:
                    column = "alone" if size == 1 else f"beside {size - 1}"
                    idle.add(sandbox.name, column, json.loads(line)["p50"] / 1000)
                busy.add(sandbox.name, str(size), crowd_at_work(bench, sandbox, size))
    return [idle, busy]


def crowd_at_work(bench, sandbox, size):
    directory = bench.directory("crowd")
    count = 3000 // size + 20
    running = [subprocess.Popen(sandbox.wrap(directory, [str(bench.tools / "calls"), str(count), "create+unlink"]),
                                cwd=directory, stdout=subprocess.PIPE, text=True) for _ in range(size)]
    lines = [process.communicate()[0] for process in running]
    # Each tells its own time a call; with `size` at once the machine does `size` of them in that time.
    return sum(json.loads(line)["per_call"] for line in lines if line) / 1000 / size / size


def starts(bench):
    """From the fork to the end of a program that does nothing, or next to nothing."""
    table = Table("starts", "Start and end of a program", "ms")
    count = 10 if bench.quick else 40
    programs = {"/bin/true": ["/bin/true"], "python3 -c pass": ["/usr/bin/python3", "-c", "pass"]}
    for _ in range(bench.rounds):
        for sandbox in bench.shuffled("starts", "base", "own", "peer"):
            directory = bench.directory("starts")
            for name, argv in programs.items():
                for at_once in (1, 100):
                    if at_once > 1 and name != "/bin/true":
                        continue
                    times = 1 if at_once > 1 else count // (4 if sandbox.kind == "peer" else 1)
                    command = [str(bench.tools / "starts"), str(times), str(at_once), "--",
                               *sandbox.wrap(directory, argv)]
                    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=TIMEOUT)
                    if done.returncode == 0:
                        label = name if at_once == 1 else f"{name}, burst of {at_once}: each"
                        table.add(label, sandbox.name, json.loads(done.stdout)["p50"] / 1000 / at_once)
                    else:
                        bench.failures.append((sandbox.name, name, f"{at_once} at once: {done.stderr.strip()[-200:]}"))
    return [table]


def work(bench):
    """Real programs at real work."""
    from workloads import WORKLOADS
    table = Table("work", "Real programs", "s")
    for number in range(bench.fewer_rounds()):
        for workload in WORKLOADS:
            if not workload.ready(bench.scratch, bench.build):
                bench.failures.append(("all", workload.name, "its programs are not installed"))
                continue
            for sandbox in bench.shuffled("work", "base", "own", "peer"):
                if sandbox.name in ("proot", "gvisor") and number > 0:
                    continue  # several times slower than all others together
                directory = bench.directory("work")
                shutil.rmtree(directory)
                os.mkdir(directory)
                workload.prepare(pathlib.Path(directory), bench.scratch)
                begin = time.monotonic()
                if bench.run(sandbox, directory, workload.argv(bench.build)) is not None:
                    table.add(workload.name, sandbox.name, time.monotonic() - begin)
                workload.finish(pathlib.Path(directory), bench.scratch)
    return [table]


def descendants(pid):
    found, queue = [], [pid]
    while queue:
        current = queue.pop()
        found.append(current)
        for task in pathlib.Path(f"/proc/{current}/task").glob("*"):
            try:
                queue += [int(child) for child in (task / "children").read_text().split()]
            except OSError:
                pass
    return found


def usage(pids):
    pss = threads_ = descriptors = 0
    for pid in pids:
        try:
            rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            pss += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
            threads_ += len(os.listdir(f"/proc/{pid}/task"))
            descriptors += len(os.listdir(f"/proc/{pid}/fd"))
        except (OSError, StopIteration):
            pass
    return pss, threads_, descriptors


def memory(bench):
    """What an idle session costs beside the program that runs in it."""
    table = Table("memory", "Idle: per sandbox, beside its program", "KiB, threads, descriptors", reference=None)
    sizes = [1, 16] if bench.quick else [1, 150]
    for sandbox in bench.shuffled("memory", "own", "peer"):
        for size in sizes:
            if sandbox.kind == "peer" and size > 1 and sandbox.name == "gvisor":
                continue
            directory = bench.directory("memory")
            running = [idler(sandbox, directory) for _ in range(size)]
            time.sleep(1 + 0.05 * size)
            every = [pid for process in running for pid in descendants(process.pid)]
            inside = [pid for pid in every if command_of(pid) == "sleep"]
            all_of_it, program = usage(every), usage(inside)
            end(running)
            for index, what in enumerate(("PSS, KiB", "threads", "descriptors")):
                table.add(f"{what}, {size} at once", sandbox.name, (all_of_it[index] - program[index]) / size)
    return [table]


def command_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def fleet(bench):
    """Through the supervisor: what a start costs, and what sessions hold."""
    starts_table = Table("supervised-starts", "Starts through the supervisor", "ms, or sessions a second", reference=None)
    held = Table("supervised-memory", "Sessions of the supervisor: per session, beside its program",
                 "KiB, threads, descriptors", reference=None)
    for _ in range(bench.rounds):
        for view in random.sample(["host", "private"], 2):
            supervised.measure_starts(bench, view, starts_table)
    for view in ("host", "private"):
        supervised.measure_held(bench, view, held)
    return [starts_table, held]


ALL = {"calls": calls, "processor": processor, "threads": threads, "crowd": crowd, "starts": starts, "fleet": fleet, "work": work,
       "memory": memory}
