"""An MCP server over Streamable HTTP that forgets its sessions when it is told to.

It does what any server does and costs as little as can be, so that what is measured is the
client. `POST /forget` ends all sessions; `GET /count` says how many `initialize`s and calls came.
The tool `echo` answers at once, the tool `slow` in so many `seconds`.
"""

import asyncio
import json
import socket
from itertools import count
from typing import Any

import uvicorn

TOOLS: list[dict[str, Any]] = [
    {"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "slow")
]
CANONICAL = b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":%s}'


class Application:
    """The server, as an ASGI application."""

    def __init__(self) -> None:
        """Begin without a session."""
        self._sessions: set[bytes] = set()
        self._numbers = count(1)
        self._initialized = 0
        self._calls = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path == "/forget":
            self._sessions.clear()
            self._initialized = self._calls = 0
            await answer(send, 204)
        elif path == "/count":
            body = json.dumps({"initialized": self._initialized, "calls": self._calls})
            await answer(send, 200, body.encode())
        elif scope["method"] == "POST":
            await self._post(dict(scope["headers"]), await whole(receive), send)
        else:
            await answer(send, 204 if scope["method"] == "DELETE" else 405)

    async def _post(self, headers: dict[bytes, bytes], body: bytes, send: Any) -> None:
        message = json.loads(body)
        if message.get("method") == "initialize":
            self._initialized += 1
            session_id = b"session-%d" % next(self._numbers)
            self._sessions.add(session_id)
            result: dict[str, Any] = {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "forgetful", "version": "0"},
            }
            await answer(send, 200, reply(message, result), (b"mcp-session-id", session_id))
        elif headers.get(b"mcp-session-id") not in self._sessions:
            self._calls += 1
            await answer(send, 404, CANONICAL % json.dumps(message.get("id")).encode())
        elif "id" not in message:
            await answer(send, 202)
        elif message["method"] == "tools/call":
            self._calls += 1
            arguments = message["params"]["arguments"]
            result = {"content": [{"type": "text", "text": "done"}], "isError": False}
            if message["params"]["name"] == "slow":
                await slowly(send, reply(message, result), arguments["seconds"])
            else:
                await answer(send, 200, reply(message, result))
        else:
            await answer(send, 200, reply(message, {"tools": TOOLS}))


def reply(message: Any, result: Any) -> bytes:
    """Make the answer to a request."""
    return json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()


async def slowly(send: Any, body: bytes, seconds: float) -> None:
    """Answer on a stream, in a while."""
    await start(send, 200, (b"content-type", b"text/event-stream"))
    await send({"type": "http.response.body", "body": b": wait\n\n", "more_body": True})
    await asyncio.sleep(seconds)
    await send({"type": "http.response.body", "body": b"data: " + body + b"\n\n"})


async def answer(send: Any, status: int, body: bytes = b"", *headers: tuple[bytes, bytes]) -> None:
    """Answer at once."""
    described = [(b"content-length", b"%d" % len(body))]
    if body:
        described.append((b"content-type", b"application/json"))
    await start(send, status, *described, *headers)
    await send({"type": "http.response.body", "body": body})


async def start(send: Any, status: int, *headers: tuple[bytes, bytes]) -> None:
    """Send the head."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def whole(receive: Any) -> bytes:
    """Read the body."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def main() -> None:
    """Serve on a port of the system's choice, and print it."""
    # Only of a socket that says it is TCP does asyncio send small writes at once.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(
        Application(), log_level="critical", access_log=False, lifespan="off", backlog=2048
    )
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
