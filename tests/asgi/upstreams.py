"""The servers and proxies that misbehave, small and real, by the bytes that they answer."""

import itertools
from collections.abc import Callable
from typing import Any

import h11
from mcp_session import Kind, attached_session_id, peek

from recordings import responses


def plain(status: bytes, text: bytes) -> bytes:
    """What Go's `http.Error` writes, as ToolHive's proxies did."""
    head = b"HTTP/1.1 " + status + b"\r\nContent-Type: text/plain; charset=utf-8\r\n"
    length = b"Content-Length: %d\r\n" % (len(text) + 1)
    return head + b"X-Content-Type-Options: nosniff\r\n" + length + b"\r\n" + text + b"\n"


def rmcp_resume_error(cause: bytes) -> bytes:
    """What rmcp answers to the resume of a session that it has lost."""
    text = b"Encounter an error when resume session: " + cause
    length = b"content-length: %d\r\n" % len(text)
    return b"HTTP/1.1 500 Internal Server Error\r\n" + length + b"\r\n" + text


RMCP = responses("rust-rmcp-0.8.5")

# What each answers to a session that it does not have; {ID} stands for its ID.
MISBEHAVING = {
    # https://github.com/stacklok/toolhive/issues/4425
    "toolhive-streamable": plain(b"404 Not Found", b"session not found"),
    "toolhive-transparent": plain(b"400 Bad Request", b"unknown session"),
    "toolhive-sse": plain(b"404 Not Found", b"Could not find session"),
    "rmcp-0.8.5-post": RMCP["10-bogus-POST-request"],
    "rmcp-0.8.5-get": RMCP["30-bogus-GET"],
    "rmcp-resume-not-found": rmcp_resume_error(b"Session not found: {ID}"),
    "rmcp-resume-terminated": rmcp_resume_error(b"Session error: Session service terminated"),
    "python-sse": responses("sse-mcp1.30.0")["03-post-bogus-session"],
}


class Upstream:
    """An MCP server that has sessions, forgets them on demand, and then answers so."""

    def __init__(self, name: str) -> None:
        self._lost = MISBEHAVING[name]
        self._numbers = itertools.count(1)
        self.sessions: set[str] = set()
        self.opened = 0

    def forget(self) -> None:
        self.sessions.clear()

    async def __call__(self, scope: Any, receive: Callable[[], Any], send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = {name: value.decode() for name, value in scope["headers"]}
        session_id = attached_session_id(
            scope["method"],
            session_id=headers.get(b"mcp-session-id"),
            query=scope["query_string"].decode(),
        )
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        seen = peek(body)
        if seen.is_initialize:
            self.opened += 1
            new_id = f"session-{next(self._numbers)}"
            self.sessions.add(new_id)
            await answer(send, 200, INITIALIZE_RESULT % (seen.id or "").encode(), new_id)
        elif session_id not in self.sessions:
            await replay(send, self._lost.replace(b"{ID}", (session_id or "").encode()))
        elif scope["method"] == "GET":
            await answer(send, 405, b"")
        elif seen.kind is Kind.REQUEST:
            await answer(send, 200, RESULTS[seen.method or ""] % (seen.id or "").encode())
        else:
            await answer(send, 202, b"")


INITIALIZE_RESULT = (
    b'{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":'
    b'{"tools":{}},"serverInfo":{"name":"u","version":"0"}}}'
)
RESULTS = {
    "ping": b'{"jsonrpc":"2.0","id":%s,"result":{}}',
    "tools/list": b'{"jsonrpc":"2.0","id":%s,"result":{"tools":[]}}',
    "tools/call": b'{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"ok"}]}}',
}


async def answer(send: Any, status: int, body: bytes, session_id: str | None = None) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    if body:
        headers.append((b"content-type", b"application/json"))
    if session_id is not None:
        headers.append((b"mcp-session-id", session_id.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def replay(send: Any, recorded: bytes) -> None:
    """Send a recorded response: its status, its headers, its body."""
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method="POST", target="/", headers=[("host", "x")]))
    parser.send(h11.EndOfMessage())
    head, _, body = recorded.partition(b"\r\n\r\n")
    parser.receive_data(head + b"\r\n\r\n")
    event = parser.next_event()
    assert isinstance(event, h11.Response)
    own = {b"date", b"server", b"connection", b"content-length"}
    headers = [(name, value) for name, value in event.headers if name not in own]
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": event.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
