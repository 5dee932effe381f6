"""A small MCP server over the standard library, healthy or with one fault: PORT FAULT."""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, cast

FAULTS = {
    "fails on a bad body": "500",
    "crashes on a batch": "crashed",
    "is silent on a bad body": "no answer",
    "says what is no HTTP": "not HTTP",
    "says a header too often": "not HTTP",
    "puts an ID on errors": "a session ID on an error",
    "serves the terminated": "a terminated session: POST",
    "serves the unknown": "an unknown session: POST",
    "serves a stream to the unknown": "an unknown session: GET",
    "answers 400 to the terminated": "a terminated session: POST",
    "serves without an ID": "no session ID: POST",
    "ends the session on a bad body": "a live session was lost",
    "grows": "memory",
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fault = ""
    live: ClassVar[set[str]] = set()
    kept: ClassVar[list[bytes]] = []
    numbers = 0

    def do_POST(self) -> None:
        body = self.body()
        try:
            message: Any = json.loads(body)
        except (ValueError, RecursionError):
            self.malformed()
            return
        if self.fault == "grows":
            self.kept.append(os.urandom(1 << 20))
        if self.fault == "crashes on a batch" and isinstance(message, list):
            os._exit(3)
        if not isinstance(message, dict):
            self.answer(400)
            return
        self.answer_to(cast("dict[str, Any]", message))

    def answer_to(self, message: dict[str, Any]) -> None:
        if message.get("method") == "initialize":
            type(self).numbers += 1
            session_id = f"session-{self.numbers}"
            self.live.add(session_id)
            result: dict[str, Any] = {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "serverInfo": {},
            }
            self.answer(200, self.result(message, result), {"Mcp-Session-Id": session_id})
        elif self.is_admitted("POST"):
            self.answer(200 if "id" in message else 202, self.result(message, {}))

    def do_GET(self) -> None:
        self.body()
        if self.is_admitted("GET"):
            self.answer(405 if self.headers["Mcp-Session-Id"] in self.live else 200)

    def do_DELETE(self) -> None:
        self.body()
        if self.is_admitted("DELETE"):
            self.live.discard(self.headers["Mcp-Session-Id"])
            self.answer(200)

    def do_PATCH(self) -> None:
        self.body()
        self.answer(405)

    do_HEAD = do_PATCH  # noqa: N815 - the library's name

    def malformed(self) -> None:
        if self.fault == "fails on a bad body":
            self.answer(500)
        elif self.fault == "is silent on a bad body":
            time.sleep(60)
        elif self.fault == "says what is no HTTP":
            self.wfile.write(b"no such thing\r\n\r\n")
            self.close_connection = True
        else:
            if self.fault == "ends the session on a bad body":
                self.live.clear()
            self.answer(400)

    def is_admitted(self, method: str) -> bool:
        session_id = self.headers["Mcp-Session-Id"]
        if session_id in self.live:
            return True
        was_live = (session_id or "").startswith("session-")
        if session_id is None:
            if self.fault == "serves without an ID":
                return True
            self.answer(400)
        elif (
            (self.fault == "serves the terminated" and was_live and method == "POST")
            or (self.fault == "serves the unknown" and not was_live and method == "POST")
            or (self.fault == "serves a stream to the unknown" and not was_live and method == "GET")
        ):
            return True
        elif self.fault == "answers 400 to the terminated" and was_live and method == "POST":
            self.answer(400)
        else:
            self.answer(404)
        return False

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := self.chunk_size():
                body += self.rfile.read(size)
                self.rfile.readline()
            return body
        try:
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        except ValueError:
            self.close_connection = True
            return b""

    def chunk_size(self) -> int:
        try:
            return int(self.rfile.readline(), 16)
        except ValueError:
            self.close_connection = True
            return 0

    def result(self, message: dict[str, Any], result: dict[str, Any]) -> bytes:
        if "id" not in message:
            return b""
        return json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        if self.fault == "says a header too often":
            for _ in range(1000):
                self.send_header("X-Again", "")
        given = dict(headers or {})
        if status >= 400 and self.fault == "puts an ID on errors":
            given["Mcp-Session-Id"] = "minted"
        for name, value in {**given, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the library's name
        pass


if __name__ == "__main__":
    Handler.fault = sys.argv[2]
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
