#!/usr/bin/python3
"""Measures, in one interleaved run, and reports. Called by bench/run.sh."""
import argparse
import contextlib
import datetime
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import measures  # noqa: E402
import report  # noqa: E402
import sandboxes  # noqa: E402
from samples import Table  # noqa: E402


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return {"when": datetime.date.today().isoformat(), "processors": f"{os.cpu_count()}, {model}",
            "user": "root" if os.geteuid() == 0 else "an ordinary user",
            "load before": " ".join(f"{load:.1f}" for load in os.getloadavg()), **sandboxes.versions()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/bench/report"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(measures.ALL))
    parser.add_argument("--quick", action="store_true", help="few calls: whether everything runs, not how fast")
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := [name for name in chosen if name not in measures.ALL]:
        parser.error(f"--only: no such measurement: {', '.join(unknown)}; there are {', '.join(measures.ALL)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # and what was made is taken away
    with tempfile.TemporaryDirectory(prefix="sessionctl-bench-", ignore_cleanup_errors=True) as scratch, \
            contextlib.ExitStack() as at_end:
        probe = pathlib.Path(scratch) / "probe"
        probe.mkdir()
        good, missing = sandboxes.usable(options.build.resolve(), str(probe))
        Table.order = [sandbox.name for sandbox in good]
        bench = measures.Bench(options.build.resolve(), scratch, good, options.rounds, options.quick)
        about = {**machine(), "rounds": f"{options.rounds}, of what takes long {bench.fewer_rounds()}"}
        at_end.callback(bench.close)
        if bench.has_memory:
            about["file system"] = "tmpfs for single calls, threads and many sessions; that of /tmp for all else"
        begin = time.monotonic()
        tables = []
        for name in chosen:
            print(f"measuring: {name}", file=sys.stderr, flush=True)
            try:
                tables += measures.ALL[name](bench)
            except (OSError, ValueError, subprocess.SubprocessError) as error:  # the others are worth having
                bench.failures.append(("all", name, f"{type(error).__name__}: {error}"))
            about["load after"] = " ".join(f"{load:.1f}" for load in os.getloadavg())
            about["took"] = f"{(time.monotonic() - begin) / 60:.0f} minutes"
            report.write(options.out, about, tables, bench.failures, missing)
    print((options.out / "report.md").read_text())


if __name__ == "__main__":
    main()
