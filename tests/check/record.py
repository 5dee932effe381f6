"""Records what servers of `peers.py` answer, as raw pairs in tests/exchanges: NAME...

Each is started, asked, killed and started again. What its answers mean is written by hand, from the
rulings, into tests/exchanges.expected; until it is, `cargo test --test exchanges` fails.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from mcp_session.testing import CommandServer, Response, ScriptedClient, write_request
from peers import ROOT, SERVERS

EXCHANGES = ROOT / "tests" / "exchanges"
NOBODY = "deadbeefdeadbeefdeadbeefdeadbeef"
VERSION, NO_VERSION, MODERN = "2025-11-25", "1999-01-01", "2026-07-28"
# How long a stream is listened to that the server does not end.
STREAM_SECONDS = 5.0

INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
NOTIFICATION = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}
REPLY: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "result": {}}
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=SERVERS, metavar="NAME")
    for name in parser.parse_args().names:
        server = SERVERS[name]
        with CommandServer(server.command, url=server.url) as process:
            recording = Recording(process, EXCHANGES / name)
            recording.record()
        print(name, recording.count)


class Recording:
    def __init__(self, process: CommandServer, folder: Path) -> None:
        self.process, self.folder, self.count = process, folder, 0
        self.live: str | None = None
        self.version = VERSION
        """What the server settled on."""

    def record(self) -> None:
        self.folder.mkdir(exist_ok=True)
        for old in self.folder.iterdir():
            old.unlink()
        for name, method, message, session, version in self.asked():
            body = b"" if message is None else json.dumps(message, separators=(",", ":")).encode()
            response = self.exchanged(name, method, body, session, version)
            if name.endswith("-init") and 200 <= response.status < 300:
                self.live = response.headers.get("mcp-session-id")
                self.version = re.findall(rb'"protocolVersion":"([^"]+)"', response.body)[
                    0
                ].decode()

    def asked(self) -> Iterator[tuple[str, str, object, str | None, str | None]]:
        """What is sent, one after the other; a session that there is not is not asked about."""
        yield "01-init", "POST", initialize(), None, None
        live = self.live
        yield "02-notif-initialized", "POST", INITIALIZED, live, self.version
        yield "03-call-ok", "POST", call(3), live, self.version
        yield "04-post-bogus-session", "POST", call(7), NOBODY, self.version
        yield "05-post-bogus-session-string-id", "POST", call("seven"), NOBODY, self.version
        yield "06-post-bogus-notification", "POST", NOTIFICATION, NOBODY, self.version
        yield "07-get-bogus-session", "GET", None, NOBODY, self.version
        yield "08-delete-bogus-session", "DELETE", None, NOBODY, self.version
        yield "09-post-call-no-session", "POST", call(7), None, self.version
        yield "10-get-no-session", "GET", None, None, self.version
        yield "11-delete-no-session", "DELETE", None, None, self.version
        yield "12-initialize-with-bogus-session", "POST", initialize(), NOBODY, None
        yield "24-batch-bogus-session", "POST", [call(7), NOTIFICATION], NOBODY, self.version
        yield "30-post-response-bogus-session", "POST", REPLY, NOBODY, self.version
        yield "42-modern-call-with-bogus-session", "POST", modern(), NOBODY, MODERN
        if live is None:
            return
        yield "18-bad-pv-valid-session", "POST", call(7), live, NO_VERSION
        yield "28-get-valid-session", "GET", None, live, self.version
        yield "32-delete-valid", "DELETE", None, live, self.version
        yield "33-second-delete", "DELETE", None, live, self.version
        yield "34-post-after-delete", "POST", call(7), live, self.version
        yield "35-get-after-delete", "GET", None, live, self.version
        self.process.restart()
        yield "50-again-init", "POST", initialize(), None, None
        live = self.live
        self.process.restart()
        yield "51-post-after-restart", "POST", call(7), live, self.version
        yield "52-get-after-restart", "GET", None, live, self.version
        yield "53-delete-after-restart", "DELETE", None, live, self.version

    def exchanged(
        self, name: str, method: str, body: bytes, session: str | None, version: str | None
    ) -> Response:
        # A stream of GET has no end.
        client = ScriptedClient(self.process.url, seconds=STREAM_SECONDS if method == "GET" else 30)
        request = write_request(
            method,
            body,
            target=client.target,
            host=client.host,
            session_id=session,
            protocol_version=version,
        )
        with client.begin(request) as running:
            with suppress(TimeoutError):
                running.read()
            response = running.response
        if not response.status:
            sys.exit(f"{self.folder.name}/{name}: no answer")
        (self.folder / f"{name}.request").write_bytes(request)
        (self.folder / f"{name}.response").write_bytes(response.raw)
        self.count += 1
        return response


def initialize() -> object:
    params = {
        "protocolVersion": VERSION,
        "capabilities": {},
        "clientInfo": {"name": "raw", "version": "0"},
    }
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}


def call(request_id: object) -> object:
    """A request that every server has, and that runs nothing."""
    return {"jsonrpc": "2.0", "id": request_id, "method": "ping"}


def modern() -> object:
    return {"jsonrpc": "2.0", "id": 7, "method": "server/discover", "params": {"_meta": META}}


if __name__ == "__main__":
    main()
