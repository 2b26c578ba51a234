"""multiprocessing by every start method, and asyncio's subprocesses and sockets.

    python_processes.py METHOD…
"""

import asyncio
import multiprocessing
import os
import socket
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import shared_memory
from pathlib import Path


def square(number):
    Path(f"{multiprocessing.get_start_method()}-{number}").write_text(str(number * number))
    return number * number


def put(queue, lock, total, number):
    for _ in range(50):
        with lock:
            total.value += 1
    queue.put(number)


def fill(name, value):
    block = shared_memory.SharedMemory(name)
    block.buf[:4] = bytes([value] * 4)
    block.close()


def add(shared_list, number):
    shared_list.append(number)


def by(method):
    multiprocessing.set_start_method(method, force=True)
    with multiprocessing.Pool(3) as pool:
        print(method, "pool", pool.map(square, range(6)))
    queue, lock, total = multiprocessing.Queue(), multiprocessing.Lock(), multiprocessing.Value("i", 0, lock=False)
    processes = [multiprocessing.Process(target=put, args=(queue, lock, total, i)) for i in range(4)]
    for process in processes:
        process.start()
    print(method, "queue", sorted(queue.get(timeout=60) for _ in processes))
    for process in processes:
        process.join()
    print(method, "shared value", total.value, [process.exitcode for process in processes])
    block = shared_memory.SharedMemory(create=True, size=64)
    process = multiprocessing.Process(target=fill, args=(block.name, 7))
    process.start()
    process.join()
    print(method, "shared memory", bytes(block.buf[:4]), process.exitcode)
    block.close()
    block.unlink()
    with multiprocessing.Manager() as manager:
        shared = manager.list()
        processes = [multiprocessing.Process(target=add, args=(shared, i)) for i in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        print(method, "manager", sorted(shared))
    with ProcessPoolExecutor(2) as executor:
        print(method, "executor", list(executor.map(abs, [-1, -2, -3])))
    event, barrier = multiprocessing.Event(), multiprocessing.Barrier(1)
    event.set()
    print(method, "event", event.wait(60), barrier.wait(60))


async def subprocesses():
    process = await asyncio.create_subprocess_exec("sh", "-c", "cat; echo done >asyncio.txt", stdin=subprocess.PIPE,
                                                   stdout=subprocess.PIPE)
    out, _ = await process.communicate(b"through a pipe")
    print("asyncio", process.returncode, out)
    many = await asyncio.gather(*[asyncio.create_subprocess_shell(f"exit {i}") for i in range(5)])
    print("asyncio codes", [await process.wait() for process in many])

    async def answer(reader, writer):
        writer.write((await reader.readline()).upper())
        writer.close()

    server = await asyncio.start_unix_server(answer, "server.sock")
    reader, writer = await asyncio.open_unix_connection(str(Path.cwd() / "server.sock"))
    writer.write(b"over a unix socket\n")
    print("asyncio unix server", await reader.readline())
    writer.close()
    server.close()
    await server.wait_closed()


def sockets():
    """Names of UNIX sockets, as each side sees them."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server, socket.socket(socket.AF_UNIX,
                                                                                socket.SOCK_DGRAM) as client:
        server.bind(str(Path.cwd() / "datagram.sock"))
        client.bind("client.sock")
        client.sendto(b"ping", str(Path.cwd() / "datagram.sock"))
        data, address = server.recvfrom(100)
        print("datagram", data, address, os.path.basename(server.getsockname()))
        server.sendto(b"pong", address)
        print(client.recv(100))
        try:
            with socket.socket(socket.AF_UNIX) as again:
                again.bind("client.sock")
        except OSError as error:
            print("bound twice", error.errno)
        print("mode", oct(os.stat("client.sock").st_mode))
    os.unlink("client.sock")
    ours, theirs = socket.socketpair()
    with open("passed", "w", encoding="utf-8") as file:
        socket.send_fds(ours, [b"x"], [file.fileno()])
    _, fds, _, _ = socket.recv_fds(theirs, 10, 1)
    os.write(fds[0], b"written through a passed descriptor\n")


if __name__ == "__main__":
    for start_method in sys.argv[1:]:
        by(start_method)
    asyncio.run(subprocesses())
    sockets()
    print(sorted(path.name for path in Path.cwd().iterdir() if not path.name.startswith("pymp-")))
