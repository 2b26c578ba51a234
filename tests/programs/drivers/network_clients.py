"""Clients and servers over loopback: Python's own, curl, Node, pip from an index, npm from a registry, DNS over UDP."""

import base64
import hashlib
import http.server
import io
import json
import os
import socket
import struct
import subprocess
import tarfile
import threading
import urllib.request
import zipfile
from pathlib import Path

WORK = Path.cwd()
FIXED = (2024, 1, 1, 0, 0, 0)


def wheel():
    info = "localpackage-1.0.dist-info"
    files = {"localpackage.py": "ANSWER = 42\n",
             f"{info}/METADATA": "Metadata-Version: 2.1\nName: localpackage\nVersion: 1.0\n",
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    record = [f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},"
              f"{len(text)}" for name, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""])
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, FIXED), text)
    return content.getvalue()


def node_package():
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in {"package.json": '{"name": "remote-lib", "version": "2.0.0", "main": "index.js"}',
                           "index.js": "module.exports = 'from the registry'\n"}.items():
            member = tarfile.TarInfo("package/" + name)
            member.size, member.mtime = len(text), 1704067200
            archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


WHEEL, PACKAGE = wheel(), node_package()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, content, kind="text/plain"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        here = f"http://127.0.0.1:{self.server.server_port}"
        if self.path == "/simple/localpackage/":
            return self.answer(b'<a href="/localpackage-1.0-py3-none-any.whl">localpackage</a>', "text/html")
        if self.path.endswith(".whl"):
            return self.answer(WHEEL, "application/octet-stream")
        if self.path == "/remote-lib":
            version = {"name": "remote-lib", "version": "2.0.0",
                       "dist": {"tarball": f"{here}/remote-lib/-/remote-lib-2.0.0.tgz",
                                "integrity": "sha512-" + base64.b64encode(hashlib.sha512(PACKAGE).digest()).decode()}}
            document = {"name": "remote-lib", "dist-tags": {"latest": "2.0.0"}, "versions": {"2.0.0": version}}
            return self.answer(json.dumps(document).encode(), "application/json")
        if self.path.endswith(".tgz"):
            return self.answer(PACKAGE, "application/octet-stream")
        return self.answer(b"large " * 200000 if self.path == "/large" else b"got " + self.path.encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(hashlib.sha256(body).hexdigest().encode())

    def log_message(self, *_):
        pass


def name_server(sock):
    """Answers every question for an address with 192.0.2.77 (RFC 1035)."""
    while True:
        question, client = sock.recvfrom(512)
        end = question.index(b"\0", 12) + 5
        wants_address = question[end - 4:end - 2] == b"\0\1"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + bytes([192, 0, 2, 77]) if wants_address else b""
        sock.sendto(question[:2] + struct.pack(">HHHHH", 0x8180, 1, 1 if answer else 0, 0, 0) + question[12:end]
                    + answer, client)


def ask(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(60)
        client.sendto(struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\4name\4test\0\0\1\0\1", ("127.0.0.1", port))
        return socket.inet_ntoa(client.recv(512)[-4:])


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    print(os.path.basename(argv[0]), done.returncode, done.stdout.strip())
    if done.returncode != 0:
        print(done.stderr)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(("127.0.0.1", 0))
threading.Thread(target=name_server, args=(names,), daemon=True).start()
url, dns = f"http://127.0.0.1:{server.server_port}", names.getsockname()[1]

print("urllib", urllib.request.urlopen(url + "/hello").read(), len(urllib.request.urlopen(url + "/large").read()))
print("dns", ask(dns))
run("curl", "-sS", url + "/curl", "--next", "-sS", "--data-binary", "@/bin/sh", "-o", "posted", url)
print(Path("posted").read_text() == hashlib.sha256(Path("/bin/sh").read_bytes()).hexdigest())
run("node", "-e", f"""
const http = require('http'), dns = require('dns')
const server = http.createServer((request, response) => response.end('node answers ' + request.url))
server.listen(0, '127.0.0.1', () => {{
  http.get({{port: server.address().port, host: '127.0.0.1', path: '/itself', agent: false}}, (response) => {{
    response.on('data', (data) => console.log(String(data))); response.on('end', () => server.close())
  }})
}})
fetch('{url}/fetch').then((answer) => answer.text()).then(console.log)
  .then(() => {{
    const resolver = new dns.promises.Resolver()
    resolver.setServers(['127.0.0.1:{dns}'])
    return resolver.resolve4('name.test').then(console.log)
  }})
""")
run("/usr/bin/python3", "-m", "pip", "install", "--quiet", "--no-compile", "--no-cache-dir", "--target", "target",
    "--disable-pip-version-check", "--index-url", url + "/simple", "localpackage")
run("/usr/bin/python3", "-B", "-c",
    "import sys; sys.path.insert(0, 'target'); import localpackage; print(localpackage.ANSWER)")
Path("app").mkdir()
Path("app/package.json").write_text('{"name": "app", "version": "1.0.0"}', encoding="utf-8")
os.environ |= {"npm_config_registry": url, "npm_config_cache": str(WORK / "cache"), "npm_config_audit": "false",
               "npm_config_fund": "false", "npm_config_update_notifier": "false", "npm_config_loglevel": "error",
               "npm_config_userconfig": str(WORK / ".npmrc"), "npm_config_progress": "false"}
run("npm", "install", "--silent", "--no-package-lock", "--prefix", "app", "remote-lib")
run("node", "-e", "console.log(require('./app/node_modules/remote-lib'))")
subprocess.run(["rm", "-rf", "cache", "app/node_modules/.package-lock.json", "app/package.json"], check=True)
