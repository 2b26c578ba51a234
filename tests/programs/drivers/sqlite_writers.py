"""SQLite: many writing processes, WAL, every journal mode, killed writers and recovery, VACUUM, backup."""

import multiprocessing
import os
import signal
import sqlite3
import sys
from pathlib import Path

WRITERS, ROWS = 4, 25


def connect(name):
    database = sqlite3.connect(name, timeout=120, isolation_level=None)
    database.execute("pragma synchronous=off")  # processes are killed here, not the machine
    return database


def write(name, writer):
    database = connect(name)
    for row in range(ROWS):
        database.execute("begin immediate")
        database.execute("insert into items (writer, row) values (?, ?)", (writer, row))
        database.execute("update totals set n = n + 1")
        database.execute("commit")
    database.close()


def write_until_killed(name, ready):
    """Transactions that move money; whoever kills it leaves the sum as it was, or the database is broken."""
    database = connect(name)
    for step in range(1_000_000_000):
        database.execute("begin immediate")
        database.execute("update accounts set money = money - 1 where id = ?", (step % 50,))
        database.execute("update accounts set money = money + 1 where id = ?", ((step + 7) % 50,))
        database.execute("commit")
        if step == 20:
            os.write(ready, b"x")


def many_writers(mode):
    name = f"{mode}.db"
    database = sqlite3.connect(name, isolation_level=None)
    print(mode, database.execute(f"pragma journal_mode={mode}").fetchone())
    database.execute("create table items (id integer primary key, writer, row)")
    database.execute("create table totals (n)")
    database.execute("insert into totals values (0)")
    database.close()
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write, args=(name, writer)) for writer in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    database = sqlite3.connect(name, isolation_level=None)
    print(mode, [writer.exitcode for writer in writers], database.execute("select n from totals").fetchone(),
          database.execute("select count(*), count(distinct writer), sum(row) from items").fetchone())
    database.execute("delete from items where row % 3 = 0")
    database.execute("vacuum")
    with sqlite3.connect(f"{mode}.copy") as copy:
        database.backup(copy)
        print(mode, "backup", copy.execute("select count(*) from items").fetchone())
    copy.close()
    print(mode, database.execute("pragma integrity_check").fetchone())
    database.close()
    os.unlink(f"{mode}.copy")
    os.unlink(name)


def killed(mode):
    name = f"killed-{mode}.db"
    database = sqlite3.connect(name, isolation_level=None)
    database.execute(f"pragma journal_mode={mode}")
    database.execute("create table accounts (id integer primary key, money)")
    database.executemany("insert into accounts values (?, 100)", [(i,) for i in range(50)])
    database.close()
    for _ in range(3):
        ready, told = os.pipe()
        child = os.fork()
        if child == 0:
            write_until_killed(name, told)
        os.read(ready, 1)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(ready)
        os.close(told)
        database = sqlite3.connect(name, timeout=120)
        print(mode, "killed by", os.WTERMSIG(status), database.execute("pragma integrity_check").fetchone(),
              database.execute("select sum(money) from accounts").fetchone())
        database.close()
    for path in Path.cwd().glob(f"{name}*"):
        path.unlink()


def main():
    for mode in ("delete", "truncate", "persist", "memory", "wal"):
        many_writers(mode)
    for mode in ("delete", "wal"):
        killed(mode)
    shared = sqlite3.connect("file:uri.db?mode=rwc&cache=shared", uri=True)
    shared.execute("create table t (x)")
    shared.execute("attach 'second.db' as second")
    with shared:
        shared.execute("create table second.t (x)")
    shared.close()
    read_only = sqlite3.connect("file:uri.db?mode=ro", uri=True)
    try:
        read_only.execute("create table u (x)")
    except sqlite3.OperationalError as error:
        print(error)
    read_only.close()
    sys.stdout.flush()


main()
