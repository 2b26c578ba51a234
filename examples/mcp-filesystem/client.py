"""A small client of an MCP server on its standard streams: JSON-RPC, one message a line."""

import json
import subprocess
import threading


class McpClient:
    """Starts the server by `argv` and says hello. Thread-safe; calls may be in flight at once."""

    def __init__(self, argv, cwd):
        self.process = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self._next = 0
        self._answers = {}
        self._changed = threading.Condition()
        self._errors = []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()
        answer = self._request("initialize", {"protocolVersion": "2024-11-05", "capabilities": {},
                                              "clientInfo": {"name": "test", "version": "1"}})
        self.server = answer["result"]["serverInfo"]["name"]
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _read(self):
        for line in self.process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            with self._changed:
                if "id" in message and "method" not in message:
                    self._answers[message["id"]] = message
                self._changed.notify_all()
        with self._changed:
            self._answers[None] = True  # the end
            self._changed.notify_all()

    def _read_errors(self):
        for line in self.process.stderr:
            self._errors.append(line)

    def _write(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def send(self, method, params):
        """Sends a request without waiting; its number."""
        with self._changed:
            self._next += 1
            number = self._next
        self._write({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return number

    def answer(self, number, timeout=60):
        with self._changed:
            done = self._changed.wait_for(lambda: number in self._answers or None in self._answers, timeout)
            if not done or number not in self._answers:
                raise RuntimeError("the server gave no answer: " + "".join(self._errors[-20:]))
            return self._answers.pop(number)

    def _request(self, method, params):
        return self.answer(self.send(method, params))

    def call_async(self, tool, **arguments):
        return self.send("tools/call", {"name": tool, "arguments": arguments})

    def result(self, number):
        """(worked, text) of a tool's call."""
        message = self.answer(number)
        if "error" in message:
            return False, message["error"].get("message", "")
        result = message["result"]
        text = "".join(part.get("text", "") for part in result.get("content", []))
        return not result.get("isError", False), text

    def call(self, tool, **arguments):
        return self.result(self.call_async(tool, **arguments))

    def close(self):
        self.process.stdin.close()
        try:
            return self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
