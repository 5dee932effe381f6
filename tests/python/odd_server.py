"""A right MCP server with sessions, but for the way in which it is odd: PORT ODDITY [FILE]."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, cast

# Each of so many requests is one too many.
LIMITED = 12
ELSEWHERE = {"is elsewhere": 307, "wants credentials": 401, "limits all": 429}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    oddity = ""
    live: ClassVar[set[str]] = set()
    requests: ClassVar[int] = 0

    def answers(self) -> bool:
        """Whether the oddity is no answer in itself."""
        status = ELSEWHERE.get(self.oddity)
        type(self).requests += 1
        if self.oddity == "limits its clients" and self.requests % LIMITED == 0:
            status = 429
        if status is not None:
            self.answer(status, b"", {"Retry-After": "0", "Location": "/mcp/"})
        return status is None

    def do_POST(self) -> None:
        body = self.body()
        if not self.answers():
            return
        try:
            message: Any = json.loads(body)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            if self.oddity == "starts once":
                os._exit(3)
            self.answer(400)
            return
        self.answer_to(cast("dict[str, Any]", message))

    def answer_to(self, message: dict[str, Any]) -> None:
        result: dict[str, Any] = {"jsonrpc": "2.0", "id": message.get("id"), "result": {}}
        if message.get("method") == "initialize":
            session_id = os.urandom(8).hex()
            self.live.add(session_id)
            described: dict[str, Any] = {"capabilities": {}, "serverInfo": {}}
            result["result"] = {"protocolVersion": "2025-11-25", **described}
            self.answer(200, json.dumps(result).encode(), {"Mcp-Session-Id": session_id})
        elif self.is_admitted():
            is_asked = "id" in message
            self.answer(200 if is_asked else 202, json.dumps(result).encode() if is_asked else b"")

    def do_GET(self) -> None:
        self.body()
        if self.answers():
            self.answer(405, b"", {"Allow": "POST, DELETE"})

    def do_DELETE(self) -> None:
        self.body()
        if self.answers() and self.is_admitted():
            self.live.discard(self.headers["Mcp-Session-Id"])
            self.answer(200)

    do_PATCH = do_HEAD = do_GET  # noqa: N815 - the library's names

    def is_admitted(self) -> bool:
        session_id = self.headers["Mcp-Session-Id"]
        if session_id not in self.live:
            self.answer(400 if session_id is None else 404)
        return session_id in self.live

    def body(self) -> bytes:
        try:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", "0")))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        except ValueError:
            self.close_connection = True
            return b""
        return body

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


def main() -> None:
    port, Handler.oddity, *files = sys.argv[1:]
    for it in files:
        if Path(it).exists():
            sys.exit(3)
        Path(it).touch()
    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
