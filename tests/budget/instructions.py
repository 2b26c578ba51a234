#!/usr/bin/env python3
"""Counts the instructions that a broker executes for one mediated call, and holds them to a budget.

Usage: instructions.py COUNTER BROKER CALLER BUDGETS CALL

The difference from a run without calls is that of the calls alone: what ending costs is in both. BUDGETS has
what was counted when it was written, for each CALL; more than MARGIN above is a failure, and so is more than that
below: then the budget no longer says what a call costs.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

ROUNDS = 8  # a step takes 0.1 ms
MARGIN = 0.25
TRIES = 4  # a loaded machine makes the broker wait and wake more often: the least counts


def count(counter, broker, caller, call, rounds):
    """Instructions, and the calls that were answered."""
    with tempfile.TemporaryDirectory(prefix="sessionctl-budget.") as scratch:
        mount = pathlib.Path(scratch, "mount")
        mount.mkdir()
        (mount / "file").write_text("x")
        done = subprocess.run([counter, broker, caller, call, str(rounds)], cwd=mount, capture_output=True, text=True,
                              timeout=500, check=False)
        if done.returncode != 0:
            sys.exit(f"{call}, {rounds} rounds: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return int(done.stderr.splitlines()[-1]), int(done.stdout)


def main():
    counter, broker, caller, budgets, call = sys.argv[1:]
    without, _ = count(counter, broker, caller, call, 0)
    budget = json.loads(pathlib.Path(budgets).read_text())[call]
    each = float("inf")
    for _ in range(TRIES):
        instructions, calls = count(counter, broker, caller, call, ROUNDS)
        if calls < ROUNDS or calls % ROUNDS != 0:
            sys.exit(f"{calls} calls were answered in {ROUNDS} rounds")
        each = min(each, (instructions - without) / calls)
        if each <= budget * (1 + MARGIN):
            break
    print(f"{call}: {each:.0f} instructions a mediated call ({calls} calls), budget {budget}")
    if each > budget * (1 + MARGIN):
        sys.exit(f"{each / budget:.2f} of the budget: what makes the call dearer?")
    if each < budget * (1 - MARGIN):
        sys.exit(f"{each / budget:.2f} of the budget: write the better figure down")
    return 0


if __name__ == "__main__":
    sys.exit(main())
