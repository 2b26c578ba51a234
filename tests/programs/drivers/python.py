"""A real piece of work for python3: files, temporary files, shutil, sqlite3, subprocess, threads, a forked process."""

import csv
import json
import multiprocessing
import os
import shutil
import sqlite3
import stat
import subprocess
import tempfile
import threading
import zipfile
from pathlib import Path

work = Path.cwd()
os.environ["TMPDIR"] = str(work / "tmp")
(work / "tmp").mkdir()
tempfile.tempdir = None

# Files, modes, times, links
tree = work / "tree"
for name in ("a/b/c", "a/d", "e"):
    (tree / name).mkdir(parents=True)
for number in range(50):
    path = tree / "a" / f"file-{number:02}.txt"
    path.write_text(f"line {number}\n" * (number + 1))
    path.chmod(0o600 + (number % 8))
    os.utime(path, (1_000_000 + number, 2_000_000 + number))
(tree / "link").symlink_to("a/file-01.txt")
(tree / "absolute").symlink_to(tree / "a" / "file-02.txt")
os.link(tree / "a" / "file-03.txt", tree / "hard")
(tree / "a" / "file-04.txt").rename(tree / "e" / "moved.txt")
(tree / "e" / "moved.txt").replace(tree / "a" / "file-05.txt")
(tree / "a" / "file-06.txt").unlink()
(tree / "a" / "d").rmdir()
os.mkfifo(tree / "fifo", 0o640)
os.umask(0o027)
(tree / "masked").write_text("umask\n")
os.setxattr(tree / "masked", "user.note", b"kept")
with open(tree / "append", "a+", encoding="utf-8") as file:
    file.write("first\n")
    file.truncate(3)
print("link", (tree / "link").read_text() == "line 1\nline 1\n", os.readlink(tree / "link"))
print("mode", oct(stat.S_IMODE((tree / "masked").stat().st_mode)))
try:
    open(tree / "a" / "file-00.txt", "x")
except FileExistsError as error:
    print("exclusive", error.strerror)
try:
    (tree / "e").rmdir()
    (tree / "a").rmdir()
except OSError as error:
    print("not empty", error.strerror)

# tempfile, shutil, zip
with tempfile.NamedTemporaryFile() as file, tempfile.TemporaryFile() as unnamed:
    file.write(b"x" * 10000)
    unnamed.write(b"y" * 10000)
    print("temporary", file.tell(), unnamed.tell(), file.name.startswith(str(work)))
with tempfile.TemporaryDirectory() as directory:
    shutil.copytree(tree / "a", Path(directory) / "copy", symlinks=True)
    print("copied", len(os.listdir(Path(directory) / "copy")))
shutil.copy2(tree / "a" / "file-07.txt", work / "copied.txt")
shutil.move(str(work / "copied.txt"), str(tree / "copied.txt"))
with zipfile.ZipFile(work / "archive.zip", "w") as archive:
    archive.writestr(zipfile.ZipInfo("inside.txt"), "zipped")
with zipfile.ZipFile(work / "archive.zip") as archive:
    archive.extractall(work / "unzipped")

# sqlite3, in both journal modes
for mode in ("delete", "wal"):
    database = sqlite3.connect(work / f"{mode}.db")
    database.execute(f"pragma journal_mode={mode}")
    database.execute("create table items (id integer primary key, name text)")
    with database:
        database.executemany("insert into items (name) values (?)", [(f"item {i}",) for i in range(500)])
    print("sqlite", mode, database.execute("select count(*), sum(id) from items").fetchone())
    database.close()

# Threads, each with its own files
def write_many(which):
    for i in range(30):
        target = work / "threads" / f"{which}-{i}"
        temporary = target.with_suffix(".tmp")
        temporary.write_text(f"{which} {i}\n")
        os.replace(temporary, target)


(work / "threads").mkdir()
threads = [threading.Thread(target=write_many, args=(which,)) for which in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()

# Processes
print(subprocess.run(["sh", "-c", "echo from a shell > shell.txt; cat shell.txt"], capture_output=True, text=True,
                     check=True).stdout.strip())


def square(number):
    (work / f"process-{number}").write_text(str(number * number))
    return number * number


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=lambda: theirs.send(square(12)))
    process.start()
    print("process", ours.recv())
    process.join()
    with open(work / "table.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[i, i * i] for i in range(100)])
    print(json.dumps(sorted(os.listdir(work))))
