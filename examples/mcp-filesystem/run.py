"""The MCP reference file server under attack: bare, then in a session.

    python3 run.py --victims DIR [--seconds 6] [SCENARIO…]

Scenarios:
  write-race     2026.8.31, write_file while its parent directory is exchanged with a link to the secret
  read-race      2026.8.31, read_text_file while the file is exchanged with a link to the secret
  cve-2025-53109 0.6.2, a planted link is read and written through, no race
  cve-2025-53110 0.6.2, a directory whose name begins like the allowed one is read and written, no race
  features       each version's tools on ordinary files: the same answers bare and in a session

Exit code 0: each scenario escaped bare and not in a session.
"""

import re
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "common"))
sys.path.insert(0, str(HERE))
import race  # noqa: E402
from client import McpClient  # noqa: E402

SERVER = "node_modules/@modelcontextprotocol/server-filesystem/dist/index.js"


def start(options, victim, scene, in_session):
    package = Path(options.victims, victim).resolve()
    argv = [options.node, str(package / SERVER), str(scene.shared)]
    if in_session:
        argv = [options.sessionctl, "run", "--mount", str(scene.shared), "--rox", str(package), "--rox",
                options.node, "--", *argv]
    return McpClient(argv, str(scene.shared))


def under_attack(options, in_session, attack, request, is_escape):
    """Keeps some requests in flight; counts."""
    scene = race.Scene()
    try:
        scene.keep("target")
        (scene.shared / "work").mkdir()
        (scene.shared / "work" / "target").write_text("legitimate\n")
        (scene.shared / "link").symlink_to(scene.secret)
        (scene.shared / "work" / "link").symlink_to(scene.secret / "target")
        client = start(options, "mcp", scene, in_session)
        scene.watch()
        attacker = race.Attacker(options.attacker, "exchange", *[scene.shared / name for name in attack])
        counts = {"attempts": 0, "ok": 0, "denied": 0}
        seen = 0
        begin = time.monotonic()
        in_flight = [request(client, scene) for _ in range(16)]
        while time.monotonic() - begin < options.seconds:
            worked, text = client.result(in_flight.pop(0))
            counts["attempts"] += 1
            counts["ok" if worked else "denied"] += 1
            seen += is_escape(text)
            in_flight.append(request(client, scene))
        seconds = time.monotonic() - begin
        for number in in_flight:
            client.result(number)
        swaps = attacker.stop()
        client.close()
        scene.check()
        return {**counts, "escapes": scene.escapes + seen, "examples": scene.examples, "seconds": seconds,
                "swaps": swaps}
    finally:
        scene.close()


def write_race(options, in_session):
    return under_attack(
        options, in_session, ("work", "link"),
        lambda client, scene: client.call_async("write_file", path=str(scene.shared / "work" / "target"),
                                                content="written\n"), lambda text: False)


def read_race(options, in_session):
    return under_attack(
        options, in_session, ("work/target", "work/link"),
        lambda client, scene: client.call_async("read_text_file", path=str(scene.shared / "work" / "target")),
        lambda text: race.CANARY.strip() in text)


def deterministic(options, in_session, prepare):
    """Reads and writes the path that `prepare` gives."""
    scene = race.Scene()
    try:
        target = prepare(scene)
        client = start(options, "mcp-0.6.2", scene, in_session)
        read_worked, text = client.call("read_file", path=str(target))
        write_worked, _ = client.call("write_file", path=str(target), content="written\n")
        (scene.shared / "own").write_text("own\n")
        ok = client.call("read_file", path=str(scene.shared / "own")) == (True, "own\n")
        client.close()
        scene.check()
        leaked = int(race.CANARY.strip() in text)
        return {"attempts": 2, "ok": int(ok), "denied": 2 - read_worked - write_worked,
                "escapes": scene.escapes + leaked, "examples": scene.examples, "seconds": 1, "swaps": 0}
    finally:
        scene.close()


def cve_2025_53109(options, in_session):
    """The real path lies outside; the check's own error handler then accepts the link's parent instead."""
    def prepare(scene):
        scene.keep("target")
        link = scene.shared / "link"
        link.symlink_to(scene.secret / "target")
        return link
    return deterministic(options, in_session, prepare)


def cve_2025_53110(options, in_session):
    """`startsWith`: /x/shared allows /x/shared-but-not-granted."""
    def prepare(scene):
        scene.secret.rmdir()
        scene.secret = scene.base / "shared-but-not-granted"
        scene.secret.mkdir()
        scene.keep("target")
        return scene.secret / "target"
    return deterministic(options, in_session, prepare)


def use_features(options, victim, in_session):
    """Each tool once on ordinary files; what it answered, without what differs between runs."""
    scene = race.Scene()
    try:
        shared = scene.shared
        client = start(options, victim, scene, in_session)
        read = "read_text_file" if victim == "mcp" else "read_file"
        answers = [
            client.call("create_directory", path=str(shared / "made")),
            client.call("write_file", path=str(shared / "made" / "a.txt"), content="one\ntwo\n"),
            client.call("write_file", path=str(shared / "made" / "a.txt"), content="one\ntwo\nthree\n"),
            client.call(read, path=str(shared / "made" / "a.txt")),
            client.call("edit_file", path=str(shared / "made" / "a.txt"),
                        edits=[{"oldText": "two", "newText": "2"}]),
            client.call("move_file", source=str(shared / "made" / "a.txt"),
                        destination=str(shared / "made" / "b.txt")),
            client.call("list_directory", path=str(shared / "made")),
            client.call("search_files", path=str(shared), pattern="*.txt" if victim == "mcp" else "b.txt"),
            client.call("get_file_info", path=str(shared / "made" / "b.txt")),
            client.call("read_multiple_files", paths=[str(shared / "made" / "b.txt")]),
            client.call("list_allowed_directories"),
            client.call(read, path=str(shared / "none")),
        ]
        client.close()
        times = re.compile(r"^(created|modified|accessed): .*$", re.MULTILINE)
        return [(worked, times.sub(r"\1", text).replace(str(scene.base), "")) for worked, text in answers]
    finally:
        scene.close()


def features(options):
    failed = 0
    for victim in ("mcp", "mcp-0.6.2"):
        bare, session = use_features(options, victim, False), use_features(options, victim, True)
        worked = sum(answer[0] for answer in bare)
        same = bare == session
        print(f"features of {victim}: {worked} of {len(bare)} tools' calls work bare, in a session "
              f"{'the same' if same else 'NOT the same'}")
        if not same or worked < 8:
            print(f"FAILED\n  bare    {bare}\n  session {session}")
            failed = 1
    return failed


SCENARIOS = {"write-race": write_race, "read-race": read_race, "cve-2025-53109": cve_2025_53109,
             "cve-2025-53110": cve_2025_53110}


def main():
    parser = race.parser(__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--victims", default=str(race.ROOT / "build/release/npm-victims"))
    parser.add_argument("--node", default="/usr/bin/node")
    parser.add_argument("scenario", nargs="*", default=[*SCENARIOS, "features"])
    options = parser.parse_args()
    if not Path(options.victims, "mcp").is_dir():
        print(f"{options.victims} is empty: run tests/programs/install_npm_victims.sh {options.victims} first")
        return 2
    failed = 0
    for name in options.scenario:
        if name == "features":
            failed |= features(options)
            continue
        bare, session = SCENARIOS[name](options, False), SCENARIOS[name](options, True)
        race.print_table(name, [("unprotected", bare), ("session", session)])
        failed |= race.conclude(bare, session, f"{name}:", options.json)
    return failed


if __name__ == "__main__":
    sys.exit(main())
