"""Sessions that a supervisor starts: how fast, and what each holds. By the control API, as bench/fleet.py."""
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import fleet as control  # noqa: E402

POLICY = """version = 1
extends = ["default"]
[[mount]]
host = "{mount}"
[filesystem]
view = "{view}"
exec = ["{tools}"]
[process]
working_directory = "{mount}"
"""


def spec(bench, view, command):
    mount = bench.directory("fleet")
    return {"policy": POLICY.format(mount=mount, view=view, tools=bench.tools), "command": command, "umask": "022"}


def with_supervisor(bench, action):
    fleet = control.Fleet(str(bench.build / "sessionctl"))
    fleet.serve()
    try:
        action(fleet)
    except SystemExit as error:  # what bench/fleet.py does where the supervisor refuses
        bench.failures.append(("the supervisor", "fleet", str(error)))
    finally:
        subprocess.run([fleet.sessionctl, "stop", "--all", "--timeout", "0"], env=fleet.environment, check=False,
                       capture_output=True)
        fleet.leave()


def burst(fleet, request, count):
    """Seconds from the request until all commands have been executed."""
    failed = []
    begin = time.monotonic()
    fleet.ask("POST", "/v1/sessions", dict(request, count=count),
              lambda line: failed.append(line) if line.get("exit_code") else None)
    seconds = time.monotonic() - begin
    if failed:
        raise SystemExit(f"a start failed: {failed[0]}")
    return seconds


def clear(fleet):
    fleet.run("stop", "--all", "--timeout", "0")
    fleet.run("prune")


def measure_starts(bench, view, table):
    column = f"{view} view"

    def action(fleet):
        request = spec(bench, view, ["/bin/true"])
        singles = []
        for _ in range(5 if bench.quick else 30):
            singles.append(1000 * burst(fleet, request, 1))
            time.sleep(0.02)  # so that its end is over
        table.add("one /bin/true, until it is executed, ms", column, statistics.median(singles))
        for size in (100,) if bench.quick else (100, 300):
            clear(fleet)
            table.add(f"burst of {size}, sessions a second", column, size / burst(fleet, request, size))
    with_supervisor(bench, action)


def measure_held(bench, view, table):
    """At 1, 150 and 1,000 idle sessions, and busy ones that open and close a file without a pause."""
    def action(fleet):
        alive = 0
        idle = spec(bench, view, ["/bin/sleep", "100000"])
        for size in (1, 16) if bench.quick else (1, 150, 1000):
            burst(fleet, idle, size - alive)
            alive = size
            time.sleep(1)
            note(fleet, f"idle, {size}", view, size, table)
        clear(fleet)
        busy = spec(bench, view, ["/bin/sh", "-c", "while :; do : >> busy; done"])
        for size in (1, 16):
            burst(fleet, busy, size)
            time.sleep(1 + 0.1 * size)
            note(fleet, f"busy, {size}", view, size, table)
            clear(fleet)
    with_supervisor(bench, action)


def note(fleet, what, view, size, table):
    held = control.what_is_held(fleet, size)
    for name, key in (("PSS, KiB", "session_kib"), ("of it broker, KiB", "broker_pss_kib"),
                      ("of it monitor, KiB", "monitor_pss_kib"), ("of it init, KiB", "init_pss_kib"),
                      ("threads of the broker", "broker_threads"), ("threads", "threads"), ("descriptors", "descriptors")):
        table.add(f"{what}: {name}", f"{view} view", held[key])
