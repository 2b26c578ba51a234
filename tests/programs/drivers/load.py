"""stress-ng's file-system stressors and fio with verification, one verdict a line; the same list once for every round.

    load.py ROUNDS

After each round it says "checkpoint" and waits for a line on standard input, so that the broker can be looked at while
nothing else happens.
"""

import json
import os
import shutil
import subprocess
import sys

# Each with so many operations that it takes well below a second bare.
STRESSORS = {
    "access": 50, "chdir": 10, "chmod": 20, "chown": 20, "close": 200, "copy-file": 5, "dentry": 100, "dir": 20,
    "dirdeep": 5, "dirmany": 10, "dnotify": 5, "dup": 20, "fallocate": 1, "fcntl": 20, "fiemap": 10, "file-ioctl": 10,
    "filename": 30, "flock": 50, "fsize": 1, "full": 50, "getdent": 10, "hdd": 10, "inotify": 3, "io": 5,
    "iomix": 10, "link": 1, "locka": 20, "lockf": 20, "lockofd": 20, "mknod": 20, "mmap": 3, "msync": 10, "null": 50,
    "open": 100, "readahead": 50, "rename": 100, "revio": 20, "seek": 50, "sendfile": 20, "splice": 20, "sync-file": 3,
    "tee": 20, "touch": 50, "utime": 50, "vm-splice": 20, "xattr": 5, "zero": 20, "fork": 20, "vfork": 20, "spawn": 5,
    "exec": 5, "pipe": 200, "poll": 20, "epoll": 20, "sock": 3, "shm": 2, "eventfd": 50, "daemon": 5,
    "wait": 20, "zombie": 10,
}
OPTIONS = """--hdd-bytes 1m --fallocate-bytes 1m --seek-size 1m --iomix-bytes 1m --mmap-bytes 1m --readahead-bytes 2m
--sendfile-size 64k --sync-file-bytes 1m --revio-bytes 1m --splice-bytes 64k --vm-splice-bytes 64k --shm-bytes 1m
--dentries 100 --dirdeep-inodes 200 --msync-bytes 1m --chdir-dirs 64 --epoll-domain ipv4""".split()
JOBS = {
    "psync": "ioengine=psync rw=randrw fsync=16",
    "threads": "ioengine=psync rw=randwrite thread=1 numjobs=4",
    "mmap": "ioengine=mmap rw=randwrite",
    "libaio": "ioengine=libaio rw=randwrite iodepth=8",
    "falloc": "ioengine=psync rw=write fallocate=native overwrite=1",
    "posixaio": "ioengine=posixaio rw=randwrite iodepth=4",
}


def stress(name, operations):
    os.mkdir("stress")
    argv = ["stress-ng", "--temp-path", "stress", "--verify", "--timeout", "300", *OPTIONS]
    done = subprocess.run([*argv, f"--{name}", "1", f"--{name}-ops", str(operations)], capture_output=True, text=True,
                          check=False)
    left = sum(len(files) for _, _, files in os.walk("stress"))
    shutil.rmtree("stress")
    # 0 passed, 2 failed, 3 could not start, 4 not there
    print(f"stress-ng {name}: {done.returncode}, {left} files left", flush=True)
    if done.returncode != 0:
        print("\n".join(line.split("] ", 1)[-1] for line in done.stderr.splitlines()), file=sys.stderr)


def verify(name, words):
    os.mkdir("fio")
    options = [f"--{word}" for word in f"{words} size=512k bs=4k verify=crc32c verify_fatal=1 directory=fio".split()]
    done = subprocess.run(["fio", f"--name={name}", "--output-format=json", *options], capture_output=True, text=True,
                          check=False)
    try:
        report = json.loads(done.stdout[done.stdout.index("{"):])
        jobs = [(job["error"], job["write"]["io_bytes"], job["read"]["io_bytes"]) for job in report["jobs"]]
    except (ValueError, KeyError) as error:
        jobs = [repr(error), done.stdout, done.stderr]
    print(f"fio {name}: {done.returncode} {jobs}", flush=True)
    shutil.rmtree("fio")


for _ in range(int(sys.argv[1])):
    for stressor, count in STRESSORS.items():
        stress(stressor, count)
    for job, text in JOBS.items():
        verify(job, text)
    print("checkpoint", flush=True)
    sys.stdin.readline()
