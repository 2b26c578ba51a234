"""A sessiond of a test's own, and requests to it. Nothing of it is left at the end."""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("sessiond", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, status, content_type, body):
        self.status, self.content_type, self.body = status, content_type, body

    def json(self):
        return json.loads(self.body)


class Supervisor:
    def __init__(self, sessionctl, directory):
        self.sessionctl = os.path.abspath(sessionctl)
        self.directory = pathlib.Path(directory)
        self.socket = str(self.directory / "state" / "sessiond.sock")
        self.environment = {**os.environ, "SESSIONCTL_STATE_DIR": str(self.directory / "state"),
                            "SESSIONCTL_IDLE_EXIT": "0"}
        self.environment.pop("SESSIONCTL_SOCKET", None)
        self.log = open(self.directory / "log", "w+b")
        ready, told = os.pipe()
        self.process = subprocess.Popen([self.sessionctl, "serve", "--ready-fd", str(told)], pass_fds=[told],
                                        stderr=self.log, env=self.environment)
        os.close(told)
        answer = os.read(ready, 4096).decode()
        os.close(ready)
        if answer != "ready":
            sys.exit(f"sessiond did not start: {answer}")

    def cli(self, *words):
        return subprocess.run([self.sessionctl, *words], env=self.environment, check=True, capture_output=True,
                              text=True).stdout

    def ask(self, method, target, body=None, headers=None):
        connection = UnixConnection(self.socket)
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, target, data, headers or {})
        response = connection.getresponse()
        answer = Answer(response.status, response.getheader("Content-Type"),
                        b"" if response.status == 101 else response.read())
        connection.close()
        return answer

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def end(self):
        self.cli("stop", "--all", "--timeout", "0")
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


@contextlib.contextmanager
def running(sessionctl):
    with tempfile.TemporaryDirectory() as directory:
        supervisor = Supervisor(sessionctl, directory)
        try:
            yield supervisor
        except BaseException:
            supervisor.log.seek(0)
            sys.stderr.buffer.write(supervisor.log.read())
            raise
        finally:
            supervisor.end()


def eventually(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"never: {what}")
        time.sleep(0.02)
