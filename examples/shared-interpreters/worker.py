"""One interpreter of the fleet: keeps writing results.json, making and renaming job directories.

    python3 worker.py DIRECTORY

It is careful in the usual way: it looks before it acts. It runs until DIRECTORY/counts/stop appears, then leaves its
counts beside it.
"""

import json
import os
import random
import sys
import time

directory = sys.argv[1]
me = os.urandom(6).hex()
results = os.path.join(directory, "results.json")
jobs = os.path.join(directory, "jobs")
counts = {"attempts": 0, "ok": 0, "writes": 0, "denied": 0}


def attempt(operation):
    counts["attempts"] += 1
    try:
        operation()
        counts["ok"] += 1
        return True
    except OSError:
        counts["denied"] += 1
        return False


def write_results():
    with open(results, "w", encoding="utf-8") as file:
        file.write(json.dumps({"worker": me, "round": counts["attempts"]}))


def looks_safe(path):
    try:
        return not os.path.islink(path) and os.path.realpath(path).startswith(directory + "/")
    except OSError:  # swapped in the middle of the look
        return False


number = 0
while not os.path.exists(os.path.join(directory, "counts", "stop")):
    number += 1
    if looks_safe(results) and attempt(write_results):
        counts["writes"] += 1
    if looks_safe(jobs):
        name = os.path.join(jobs, f"job-{me}-{number}")
        if attempt(lambda: os.mkdir(name)):
            done = os.path.join(jobs, f"done-{me}-{number}")
            if attempt(lambda: os.rename(name, done)):
                attempt(lambda: os.rmdir(done))
    time.sleep(random.uniform(0.05, 0.15))  # it has other things to do; 150 of them share the machine

temporary = os.path.join(directory, "counts", me + ".tmp")
with open(temporary, "w", encoding="utf-8") as file:
    json.dump(counts, file)
os.rename(temporary, temporary[:-4] + ".json")
