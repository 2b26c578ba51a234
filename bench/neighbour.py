#!/usr/bin/python3
"""What a session notices of a neighbour that floods its own broker: the time of one mediated open, quiet and beside
each kind of flood, in turns, as ratios to the quiet one. Asserts nothing. Each session has a terminal session of its
own, as `spawn` gives it: the kernel shares the processors between those first (sched(7), autogroup), and between the
threads of each only then.

  bench/neighbour.py [--opens N] [--rounds N] [--build DIR]
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLOODS = ["calls 64", "waiting 2000", "renames 8", "paths", "killed"]
MEASURE = """
import json, os, sys, time
def one(name):
    begin = time.perf_counter_ns()
    fd = os.open(name, os.O_WRONLY | os.O_CREAT)
    end = time.perf_counter_ns()
    os.close(fd)
    return end - begin
for _ in range(200): one('file')
print(json.dumps([one('file') for _ in range(int(sys.argv[1]))]))
"""


def session(build, directory, argv):
    return [str(build / "sessionctl"), "run", "--mount", str(directory), "--rox", str(build / "testcases"), "--", *argv]


def measure(build, directory, opens):
    argv = session(build, directory, ["/usr/bin/python3", "-c", MEASURE, str(opens)])
    return json.loads(subprocess.run(argv, cwd=directory, check=True, capture_output=True, text=True,
                                     start_new_session=True).stdout)


def beside(build, flood, directory, opens):
    """The times while a session of its own floods; None where the flood did not come up."""
    with tempfile.TemporaryDirectory() as scratch:
        own = pathlib.Path(scratch)
        argv = session(build, own, [str(build / "testcases/flooder"), *flood.split()])
        with subprocess.Popen(argv, cwd=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              start_new_session=True) as process:
            while not (own / "started").exists() and process.poll() is None:
                time.sleep(0.01)
            times = measure(build, directory, opens) if process.poll() is None else None
            (own / "stop").touch()
        return times


def quantile(times, part):
    return sorted(times)[min(len(times) - 1, int(len(times) * part))] / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--opens", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    options = parser.parse_args()
    times = {"quiet": []}
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(options.rounds):
            times["quiet"] += measure(options.build, directory, options.opens)
            for flood in FLOODS:
                times.setdefault(flood, []).extend(beside(options.build, flood, directory, options.opens) or [])
    print(f"one mediated open, {len(times['quiet'])} each, {os.cpu_count()} processors")
    print(f"{'beside':<14}{'p50 us':>10}{'p99 us':>10}{'p50 ratio':>12}{'p99 ratio':>12}")
    quiet = [quantile(times["quiet"], part) for part in (0.5, 0.99)]
    for name, taken in times.items():
        if not taken:
            print(f"{name:<14}  the flood did not come up")
            continue
        p50, p99 = quantile(taken, 0.5), quantile(taken, 0.99)
        print(f"{name:<14}{p50:>10.1f}{p99:>10.1f}{p50 / quiet[0]:>12.2f}{p99 / quiet[1]:>12.2f}")


if __name__ == "__main__":
    main()
