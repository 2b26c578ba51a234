"""python3's less common ways to files: mmap, locks, watches, copies in the kernel, walks, log rotation, archives."""

import ctypes
import fcntl
import glob
import logging.handlers
import mmap
import os
import select
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

WORK = Path.cwd()


def mapped():
    path = WORK / "mapped"
    path.write_bytes(bytes(8192))
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[4096:4104] = b"mapped!!"
        memory.flush()
        memory.resize(16384)
        memory[16380:] = b"tail"
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        print("mmap", memory.find(b"mapped!!"), len(memory), memory[-4:])
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as memory:
        memory[0:4] = b"mine"
    print("private mapping", path.read_bytes()[:4])


def locks():
    path = WORK / "lock"
    program = ("import fcntl, sys\nfile = open('lock', 'r+')\ntry:\n  fcntl.{0}\n  print('{1} free')\n"
               "except OSError as error:\n  print('{1}', error.errno)\n")
    with open(path, "w+") as file:
        for name, take, attempt in (
                ("flock", lambda: fcntl.flock(file, fcntl.LOCK_EX), "flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)"),
                ("lockf", lambda: fcntl.lockf(file, fcntl.LOCK_EX, 10),
                 "lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 5)")):
            take()
            text = program.format(attempt, name)
            print(subprocess.check_output([sys.executable, "-c", text], text=True), end="")
            fcntl.flock(file, fcntl.LOCK_UN)
            fcntl.lockf(file, fcntl.LOCK_UN)
            print(subprocess.check_output([sys.executable, "-c", text], text=True), end="")
        lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
        fcntl.fcntl(file, 37, lock)  # F_OFD_SETLK
        print("lease", fcntl.fcntl(file, fcntl.F_GETLEASE) == fcntl.F_UNLCK)


def watched():
    """inotify as watchdog and the like use it."""
    libc = ctypes.CDLL(None, use_errno=True)
    watcher = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    directory = WORK / "watched"
    directory.mkdir()
    libc.inotify_add_watch(watcher, os.fsencode(directory), 0x00000FFF)
    (directory / "made").write_text("content")
    (directory / "made").rename(directory / "renamed")
    (directory / "renamed").chmod(0o600)
    os.symlink("renamed", directory / "link")
    os.link(directory / "renamed", directory / "hard")
    os.truncate(directory / "hard", 3)
    (directory / "sub").mkdir()
    (directory / "sub").rmdir()
    (directory / "renamed").unlink()
    seen = []
    while select.select([watcher], [], [], 0)[0]:
        buffer = os.read(watcher, 65536)
        at = 0
        while at < len(buffer):
            _, mask, _, length = struct.unpack_from("iIII", buffer, at)
            name = buffer[at + 16:at + 16 + length].rstrip(b"\0").decode()
            at += 16 + length
            if mask & 0x3C2:  # modify, moved, created, removed: what every watcher listens to
                seen.append(f"{mask:x} {name}")
    os.close(watcher)
    print("inotify", seen)


def kernel_copies():
    source = WORK / "source"
    source.write_bytes(os.urandom(1) * 300_000)
    with open(source, "rb") as taken, open(WORK / "sent", "wb") as given:
        print("sendfile", os.sendfile(given.fileno(), taken.fileno(), 0, 300_000))
        given.flush()
        print("copy_file_range", os.copy_file_range(taken.fileno(), given.fileno(), 1000, 5, 300_000))
    with open(WORK / "holes", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 4096)
        os.ftruncate(file.fileno(), 1_000_000)
        os.pwrite(file.fileno(), b"end", 900_000)
    with open(WORK / "holes", "rb") as file:
        print("holes", os.lseek(file.fileno(), 0, os.SEEK_END), os.preadv(file.fileno(), [bytearray(3)], 900_000))
    first, second = os.pipe()
    with open(source, "rb") as taken:
        print("splice", os.splice(taken.fileno(), second, 100))
    print(len(os.read(first, 1000)))
    for name in ("source", "sent"):
        (WORK / name).unlink()


def walked():
    tree = WORK / "tree"
    for i in range(4):
        for j in range(4):
            (tree / f"d{i}" / f"e{j}").mkdir(parents=True)
            (tree / f"d{i}" / f"e{j}" / "file.txt").write_text("x" * j)
    os.symlink("d0", tree / "loop")
    print("walk", sum(len(files) for _, _, files in os.walk(tree)),
          sum(len(files) for _, _, files in os.walk(tree, followlinks=True)))
    print("fwalk", sum(os.stat(name, dir_fd=fd).st_size for _, _, names, fd in os.fwalk(tree) for name in names))
    for _, directories, files, fd in os.fwalk(tree / "d3", topdown=False):
        for name in files:
            os.unlink(name, dir_fd=fd)
        for name in directories:
            os.rmdir(name, dir_fd=fd)
    with os.scandir(tree) as entries:
        print("scandir", sorted((entry.name, entry.is_dir(), entry.is_symlink()) for entry in entries))
    print("glob", len(glob.glob("tree/**/*.txt", recursive=True)), len(list(tree.rglob("*.txt"))))
    fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    os.mkdir("below", 0o750, dir_fd=fd)
    os.rename("below", "moved", src_dir_fd=fd, dst_dir_fd=fd)
    os.symlink("moved", "to-moved", dir_fd=fd)
    os.utime("moved", (5, 5), dir_fd=fd)
    print("at-calls", os.readlink("to-moved", dir_fd=fd), os.access("moved", os.W_OK, dir_fd=fd))
    os.fchdir(fd)
    os.rmdir("moved")
    os.chdir(WORK)
    os.close(fd)
    shutil.copytree(tree, WORK / "copied", symlinks=True, ignore=shutil.ignore_patterns("e3"))
    shutil.move(WORK / "copied" / "d1", WORK / "copied" / "d2" / "d1")
    shutil.rmtree(tree / "d1")
    shutil.make_archive("made", "zip", tree)
    (WORK / "made.zip").unlink()
    print("safe rmtree", shutil.rmtree.avoids_symlink_attacks)


def temporary():
    with tempfile.TemporaryDirectory() as directory:
        print("inside the work", Path(directory).parent == WORK)
        with tempfile.SpooledTemporaryFile(max_size=10) as file:
            file.write(b"z" * 1000)
            print("spooled", file.tell())
    fd, name = tempfile.mkstemp(suffix=".x")
    print("mkstemp", oct(os.fstat(fd).st_mode), os.get_inheritable(fd))
    os.close(fd)
    os.unlink(name)
    fd = os.open(WORK, os.O_TMPFILE | os.O_RDWR, 0o604)
    os.write(fd, b"unnamed")
    name = os.fsencode(WORK / "named")  # os.link() does not follow
    print("linkat", ctypes.CDLL(None).linkat(-100, b"/proc/self/fd/%d" % fd, -100, name, 0x400))
    os.close(fd)
    print("gettempdir", tempfile.gettempdir() == str(WORK))


def rotated():
    handler = logging.handlers.RotatingFileHandler(WORK / "log", maxBytes=200, backupCount=3)
    logger = logging.getLogger("rotation")
    logger.addHandler(handler)
    for i in range(40):
        logger.warning("line %d of the log", i)
    handler.close()
    print("rotated", sorted(path.name for path in WORK.glob("log*")))


def archived():
    with tarfile.open(WORK / "archive.tar", "w") as archive:
        archive.add(WORK / "watched", "watched", filter=lambda member: setattr(member, "mtime", 7) or member)
        archive.add(WORK / "tree", "tree", filter=lambda member: setattr(member, "mtime", 7) or member)
    (WORK / "unpacked").mkdir()
    with tarfile.open(WORK / "archive.tar") as archive:
        archive.extractall(WORK / "unpacked")
        print("tar", len(archive.getnames()))
    (WORK / "archive.tar").unlink()


def ids_and_limits():
    path = WORK / "owned"
    path.write_text("mine")
    os.chown(path, os.getuid(), os.getgid())
    os.chmod(path, 0o4711)
    path.write_text("writing clears")
    print("set-user-ID after a write", oct(path.stat().st_mode))
    os.chmod(path, 0o2755)
    os.truncate(path, 2)
    print("set-group-ID after truncate", oct(path.stat().st_mode))
    try:
        os.chown(path, 12345, 12345)
    except OSError as error:
        print("chown", error.errno)
    print("umask", oct(os.umask(0o077)), oct(os.umask(0o022)))
    print("statvfs", os.statvfs(WORK).f_namemax, os.pathconf(WORK, "PC_PATH_MAX"))
    for name in ("n" * 255, "n" * 256, "d/" * 2000 + "x"):
        try:
            (WORK / name).touch()
            (WORK / name).unlink()
            print("long name", len(name))
        except OSError as error:
            print("long name", len(name), error.errno)


for part in (mapped, locks, watched, kernel_copies, walked, temporary, rotated, archived, ids_and_limits):
    part()
