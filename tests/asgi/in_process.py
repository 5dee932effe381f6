"""A server of ASGI that is a test: what it gives and what it got, message by message."""

from collections.abc import Iterable
from typing import Any

import anyio

BODY = b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}'


def scope(
    *,
    method: str = "POST",
    path: str = "/mcp",
    query: bytes = b"",
    session_id: bytes | None = b"1868a90c",
    headers: Iterable[tuple[bytes, bytes]] = (),
    kind: str = "http",
) -> dict[str, Any]:
    attached = [] if session_id is None else [(b"mcp-session-id", session_id)]
    return {
        "type": kind,
        "method": method,
        "path": path,
        "query_string": query,
        "headers": [*attached, *headers],
    }


class Client:
    """Gives the messages it was made with, then waits for ever; notes what it is sent."""

    def __init__(self, *pieces: bytes, more: bool = False, disconnects: bool = False) -> None:
        self.incoming: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": more or piece is not pieces[-1]}
            for piece in pieces
        ]
        if disconnects:
            self.incoming.append({"type": "http.disconnect"})
        self.given = 0
        self.sent: list[Any] = []

    async def receive(self) -> dict[str, Any]:
        if not self.incoming:
            await anyio.sleep_forever()
        self.given += 1
        return self.incoming.pop(0)

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(it["body"] for it in self.sent if it["type"] == "http.response.body")


def start(status: int, *headers: tuple[bytes, bytes], **more: Any) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers), **more}


def body(piece: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": piece, "more_body": more}


def answering(*messages: Any, reads: int = 0) -> Any:
    """Make an application that reads so many messages and sends these."""

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        for _ in range(reads):
            await receive()
        for message in messages:
            await send(message)

    return application


JSON = (b"content-type", b"application/json")
TEXT = (b"content-type", b"text/plain")


def corrected(request_body: bytes | None = BODY) -> bytes:
    """What has to stand where a session is lost, spelled out."""
    start = b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"}'
    return start + (b',"id":7}' if request_body == BODY else b"}")
