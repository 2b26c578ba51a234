#!/usr/bin/env python3
"""Holds what a running supervisor answers against docs/openapi.json: every operation is asked, every answer is
valid there, and for every member of every body schema and supervisor agree on what is wrong with it.

Usage: schema.py SESSIONCTL DOCUMENT
"""
import copy
import json
import pathlib
import socket
import struct
import sys
import tempfile
import urllib.parse

from supervisor import eventually, running

try:
    import jsonschema
except ImportError:
    print("skipped: needs python3-jsonschema")
    sys.exit(77)

UPGRADE = {"Connection": "Upgrade", "Upgrade": "sessionctl-stream"}
NO_SESSION = "nosuchsession"
# For each member that an object may have, and each element of a list.
VALUES = [None, True, False, 0, 1, 9, -1, 1.5, 65535, 65536, 86400000, 86400001, 2**40, 2**40 + 1, 2**63, 2**64, 10**30,
          "", "x", "TERM", "0", "022", "0777", "1777", "9", "a=b", "\u001b[1m", "é" * 64, "é" * 64 + "x", "x" * 129, "x" * 161,
          "y" * 257, "z" * 5000, [], [[]], [1], ["x"], [""], ["true", 7], {}, {"a": 1}, {"a": "b"}, {"": "b"},
          {"a=b": "c"}, {"base64": "eA=="}, {"base64": "!"}, {"base64": "eA==", "x": 1}, {"rows": 1}, {"signal": "TERM"}]


class Document:
    def __init__(self, path):
        self.tree = json.loads(pathlib.Path(path).read_text())
        self.resolver = jsonschema.RefResolver("", self.tree)
        self.operations = {}
        for path_name, item in self.tree["paths"].items():
            for method, operation in item.items():
                if method != "parameters":
                    self.operations[operation["operationId"]] = (method.upper(), path_name, operation)

    def errors(self, schema, value):
        validator = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]

    def resolve(self, schema):
        return self.resolver.resolve(schema["$ref"])[1] if "$ref" in schema else schema

    def body(self, operation):
        body = self.operations[operation][2].get("requestBody")
        return body and self.resolve(body["content"]["application/json"]["schema"])

    def check_answer(self, operation, answer):
        """What is wrong with it, as a list."""
        responses = self.operations[operation][2]["responses"]
        response = self.resolve(responses.get(str(answer.status), responses["default"]))
        if str(answer.status) not in responses and answer.status < 400:
            return [f"{answer.status} is not described"]
        content = response.get("content", {})
        if not content:
            return [] if not answer.body else ["a body where none is described"]
        if answer.content_type not in content:
            return [f"{answer.content_type} is not described for {answer.status}"]
        schema = content[answer.content_type].get("schema")
        if schema is None or answer.content_type.startswith("text/"):
            return []
        lines = answer.body.splitlines() if answer.content_type.endswith("ndjson") else [answer.body]
        return [error for line in lines for error in self.errors(schema, json.loads(line))]


class Conversation:
    def __init__(self, document, supervisor):
        self.document, self.supervisor = document, supervisor
        self.asked, self.failures = set(), []

    def ask(self, operation, status, body=None, headers=None, query=None, **path):
        method, pattern, _ = self.document.operations[operation]
        target = pattern.format(**path) + ("?" + urllib.parse.urlencode(query) if query else "")
        answer = self.supervisor.ask(method, target, body, headers)
        self.asked.add(operation)
        wrong = self.document.check_answer(operation, answer)
        if answer.status != status:
            wrong.append(f"{answer.status} instead of {status}: {answer.body[:200]}")
        self.failures += [f"{method} {target}: {each}" for each in wrong]
        if answer.status != status and status < 300:  # what follows needs it
            sys.exit("\n".join(self.failures))
        return answer

    def stream(self, operation, body, **path):
        """Exit code of what is at the other end of an upgraded connection."""
        _, pattern, _ = self.document.operations[operation]
        data = json.dumps(body).encode()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(self.supervisor.socket)
            head = f"POST {pattern.format(**path)} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n" \
                   f"Upgrade: sessionctl-stream\r\nContent-Length: {len(data)}\r\n\r\n"
            connection.sendall(head.encode() + data)
            stream = connection.makefile("rb")
            status = stream.readline()
            while stream.readline().strip():
                pass
            self.asked.add(operation)
            if b" 101 " not in status:
                self.failures.append(f"{operation}: {status}")
                return None
            while True:
                kind, size = struct.unpack(">BxxxI", stream.read(8))
                payload = stream.read(size)
                if kind == 4:
                    return json.loads(payload)["code"]


def mounts_of_a_session(talk, ended):
    """One that has room for mounts, and one that has none any more."""
    policy = 'extends = ["default"]\n[filesystem]\nreserve = true\n'
    one = talk.ask("createSessions", 201, {"command": ["sleep", "600"], "policy": policy}).json()[0]["id"]
    with tempfile.TemporaryDirectory() as directory:
        mount = {"host": directory, "guest": "/mnt/data", "mode": "ro"}
        talk.ask("addMount", 201, mount, id=one)
        talk.ask("addMount", 400, mount, id=one)
        talk.ask("addMount", 400, {"host": "relative"}, id=one)
        talk.ask("addMount", 400, {"host": directory, "mode": "overlay", "guest": "/mnt/o"}, id=one)
        talk.ask("addMount", 404, mount, id=NO_SESSION)
        talk.ask("addMount", 409, mount, id=ended)
        talk.ask("listMounts", 200, id=one)
        talk.ask("removeMount", 200, id=one, query={"guest": "/mnt/data"})
        talk.ask("removeMount", 409, id=one, query={"guest": "/mnt/data"})
        talk.ask("removeMount", 400, id=one, query={"guest": "data"})
        talk.ask("removeMount", 404, id=NO_SESSION, query={"guest": "/mnt/data"})
    talk.ask("stopSession", 200, {"timeout_ms": 0}, id=one)


def life_of_a_session(talk):
    """Every operation, where it works and where it does not."""
    lines = {"Accept": "application/x-ndjson"}
    spec = {"command": ["sh", "-c", "echo out; exec sleep 600"], "name": "one", "labels": {"k": "v"},
            "policy": 'extends = ["default"]\n[audit]\nlevel = "all"\n[limits]\npids = 20\n', "umask": "027",
            "environment": {"A": "b", "B": {"base64": "/w=="}}, "stop": {"signal": "INT", "timeout_ms": 100},
            "log": {"max_bytes": 65536, "max_files": 1}, "terminal": {"rows": 10, "cols": 20}}
    one = talk.ask("createSessions", 201, spec).json()[0]["id"]
    two = talk.ask("createSessions", 201, {"command": ["sh", "-c", "exit 3"]}, lines).json()["id"]
    talk.ask("createSessions", 201, {"command": ["/nonexistent"]})
    talk.ask("createSessions", 400, {"command": ["x"], "policy": "[[["})
    talk.ask("createSessions", 400, b"{")
    talk.ask("createSessions", 400, b"[" * 100_000)
    talk.ask("createSessions", 400, ("[" + "1," * 150_000 + "1]").encode())
    for query in ({}, {"label": "k=v"}, {"state": "ended"}, {"deployment": "none"}):
        talk.ask("listSessions", 200, query=query)
    for query in ({"state": "no"}, {"label": "=x"}, {"x": "y"}):
        talk.ask("listSessions", 400, query=query)
    talk.ask("inspectSession", 200, id="one")
    for operation, code in (("inspectSession", 404), ("deleteSession", 404), ("stopSession", 404), ("killSession", 404),
                            ("restartSession", 404), ("awaitSession", 404), ("readLogs", 404), ("readChanges", 404),
                            ("commitChanges", 404), ("discardChanges", 404), ("listMounts", 404)):
        talk.ask(operation, code, id=NO_SESSION)
        talk.ask(operation, 400, id="x" * 161)
    talk.ask("readLogs", 200, id=one)
    talk.ask("readLogs", 200, id=one, query={"audit": 1})
    talk.ask("readLogs", 400, id=one, query={"offset": "-1"})
    talk.ask("readLogs", 400, id=one, query={"follow": "yes"})
    talk.ask("awaitSession", 200, id=two)
    talk.ask("readChanges", 200, id=two)
    talk.ask("readChanges", 200, id=two, query={"format": "patch"})
    talk.ask("readChanges", 400, id=two, query={"format": "xml"})
    talk.ask("commitChanges", 409, id=two)
    talk.ask("discardChanges", 409, id=one)
    mounts_of_a_session(talk, two)
    talk.ask("awaitSession", 504, id=one, query={"timeout_ms": 1})
    talk.ask("awaitSession", 400, id=one, query={"timeout_ms": "1e9"})
    talk.ask("deleteSession", 409, id=one)
    talk.ask("attachSession", 426, {}, id=one)
    talk.ask("attachSession", 409, {}, UPGRADE, id=two)
    talk.ask("execInSession", 409, {"command": ["true"]}, UPGRADE, id=two)
    if (code := talk.stream("execInSession", {"command": ["sh", "-c", "exit 7"]}, id=one)) != 7:
        talk.failures.append(f"what was executed ended with {code}")
    talk.ask("killSession", 204, {"signal": "CONT"}, id=one)
    talk.ask("killSession", 409, {}, id=two)
    new = talk.ask("restartSession", 200, {"timeout_ms": 0}, id=one).json()["id"]
    talk.ask("killSession", 204, {"signal": 9}, id=new)
    talk.ask("awaitSession", 200, id=new)
    three = talk.ask("createSessions", 201, {"command": ["sh", "-c", "echo begun; exec sleep 600"]}).json()[0]["id"]
    talk.ask("stopSession", 202, {"wait": False, "timeout_ms": 2000}, id=three)
    if (code := talk.stream("attachSession", {}, id=talk.ask(
            "createSessions", 201, {"command": ["sh", "-c", "sleep 1; exit 5"]}).json()[0]["id"])) != 5:
        talk.failures.append(f"the attached session ended with {code}")
    talk.ask("stopSession", 200, {"timeout_ms": 0}, id=three)
    talk.ask("readEvents", 200, query={"label": "k"})
    talk.ask("readEvents", 400, query={"since": "x"})
    talk.ask("checkPolicy", 200, {"policy": 'extends = ["default"]\n'})
    talk.ask("checkPolicy", 400, {"policy": "nosuchkey = 1\n"})
    talk.ask("explainPolicy", 200, {"policy": 'extends = ["default"]\n'})
    for operation in ("readHealth", "readMetrics", "readVersion"):
        talk.ask(operation, 200)
    talk.ask("readHealth", 400, b"a body")
    talk.ask("pruneSessions", 400, {"label": "in the body"})
    talk.ask("deleteSession", 204, id=two)
    talk.ask("pruneSessions", 200)
    life_of_a_deployment(talk)
    talk.ask("takeConnection", 426)
    talk.ask("leave", 400, {"why": "not"})


def life_of_a_deployment(talk):
    text = 'version = 1\nextends = ["default"]\n[deployment]\nname = "many"\n' \
           '[[session]]\nname = "idle"\ncommand = ["sleep", "600"]\nreplicas = 2\n'
    talk.ask("applyDeployment", 200, {"deployment": text, "dry_run": True, "environment": {"A": "b"}})
    talk.ask("inspectDeployment", 404, name="many")
    talk.ask("applyDeployment", 200, {"deployment": text})
    eventually(lambda: len(talk.ask("listSessions", 200, query={"deployment": "many", "state": "running"}).json()) == 2,
               "the deployment runs")
    talk.ask("inspectDeployment", 200, name="many")
    talk.ask("inspectDeployment", 200, name="many", query={"summary": 1})
    talk.ask("listDeployments", 200)
    talk.ask("showUsage", 200, query={"deployment": "many"})
    talk.ask("showUsage", 400, query={"label": "=x"})
    talk.ask("scaleDeployment", 200, {"replicas": {"idle": 1}}, name="many")
    talk.ask("scaleDeployment", 404, {"replicas": {"none": 1}}, name="many")
    for change in ("command = 1", "nosuchkey = 1"):
        talk.ask("applyDeployment", 400, {"deployment": text + change + "\n"})
    talk.ask("applyDeployment", 400, {"deployment": 'version = 1\n'})
    talk.ask("removeDeployment", 202, name="many")
    eventually(lambda: talk.supervisor.ask("GET", "/v1/deployments/many").status == 404, "the deployment is gone")
    talk.ask("removeDeployment", 404, name="many")


def candidates(document, schema, valid):
    """Bodies that differ from a valid one in one member, and the member's name as the answer has it."""
    for name, member in schema["properties"].items():
        for value in VALUES:
            if (name, value) != ("policy", ""):  # a sound one
                yield name, {**valid, name: value}
        inner = document.resolve(next((each for each in member.get("oneOf", []) if "$ref" in each), member))
        for part in inner.get("properties", {}):
            for value in VALUES:
                yield f"{name}", {**valid, name: {part: value}}
        if member.get("type") == "array":
            for value in VALUES:
                yield name, {**valid, name: ["true", value]}
        if isinstance(member.get("additionalProperties"), dict):
            for value in VALUES:
                yield name, {**valid, name: {"K": value}}
    yield "unknown", {**valid, "unknown": 1}


# Where the schema says less than the supervisor does: (member, why).
def beyond_schema(name, value):
    text = json.dumps(value)
    return (name == "signal" or name == "stop" and "signal" in text  # names of signals
            or name in ("policy", "deployment")                      # what the text says
            or "!" in text and "base64" in text                      # whether it is base64
            or name in ("name", "labels") and ("\\u001b" in text or "\\u00e9" in text)  # bytes, not characters
            or name == "command" and (text.startswith('[""')         # no program is named
                                      or text.startswith('[{"base64": ""'))
            or name == "environment" and ('""' in text or "=" in text))  # names of variables


def agree_on_bodies(talk):
    """Schema and supervisor agree on each body. Nothing is started: the policy is wrong, the session is none."""
    document = talk.document
    plans = {"createSessions": ({"command": ["true"], "policy": "[[["}, ("policy",)),
             "stopSession": ({}, ("not_found",)), "killSession": ({}, ("not_found",)),
             "restartSession": ({}, ("not_found",)), "commitChanges": ({}, ("not_found",)), "attachSession": ({}, ("not_found",)),
             "execInSession": ({"command": ["true"]}, ("not_found",)),
             "addMount": ({"host": "/x"}, ("not_found",)),
             "checkPolicy": ({"policy": "[[["}, ("policy",)), "explainPolicy": ({"policy": "[[["}, ("policy",)),
             "applyDeployment": ({"deployment": "[[["}, ("policy",)),
             "scaleDeployment": ({"replicas": {"K": 1}}, ("not_found",))}
    described = {name for name in document.operations if document.body(name)}
    if described - set(plans):
        talk.failures.append(f"bodies that nobody tries: {described - set(plans)}")
    tried = refused = 0
    for operation, (valid, accepted) in plans.items():
        method, pattern, _ = document.operations[operation]
        target = pattern.format(id=NO_SESSION, name=NO_SESSION)
        schema = document.body(operation)
        for name, body in candidates(document, schema, valid):
            answer = talk.supervisor.ask(method, target, body, UPGRADE)
            problem = answer.json()
            errors = document.errors(schema, body)
            tried += 1
            refused += problem["code"] == "invalid"
            told = f"{operation} {json.dumps(body)[:200]}: {answer.status} {problem}"
            if document.check_answer(operation, answer):
                talk.failures.append(f"{told}: {document.check_answer(operation, answer)}")
            if problem["code"] == "invalid":
                if not problem.get("field", "").startswith(name):
                    talk.failures.append(f"{told}: the field is {name}")
                if not errors and not beyond_schema(name, body.get(name)):
                    talk.failures.append(f"{told}: the schema allows it")
            elif problem["code"] not in accepted:
                talk.failures.append(told)
            elif errors and not beyond_schema(name, body.get(name)):
                talk.failures.append(f"{told}: the schema refuses it: {errors[0]}")
    print(f"{tried} bodies, {refused} of them wrong")


def notices_what_is_wrong(document, answer):
    """The checks above can fail."""
    for change in ({"state": "asleep"}, {"id": 1}, {"undescribed": 1}, {"monitor": {"pid": "1"}}):
        planted = copy.copy(answer)
        planted.body = json.dumps({**answer.json(), **change}).encode()
        if not document.check_answer("inspectSession", planted):
            sys.exit(f"not noticed: {change}")


def main():
    sessionctl, path = sys.argv[1:]
    document = Document(path)
    with running(sessionctl) as supervisor:
        talk = Conversation(document, supervisor)
        identifier = talk.ask("createSessions", 201, {"command": ["true"]}).json()[0]["id"]
        notices_what_is_wrong(document, talk.ask("inspectSession", 200, id=identifier))
        life_of_a_session(talk)
        before = supervisor.descriptors()
        agree_on_bodies(talk)
        eventually(lambda: supervisor.descriptors() <= before, "the descriptors are what they were")
        if supervisor.ask("GET", "/v1/sessions").json():
            talk.failures.append("a wrong body has started a session")
        if missing := set(document.operations) - talk.asked - {"leave"}:
            talk.failures.append(f"nobody has asked for: {missing}")
    for failure in talk.failures:
        print(failure)
    return 1 if talk.failures else 0


if __name__ == "__main__":
    sys.exit(main())
