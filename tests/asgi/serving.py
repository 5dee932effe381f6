"""Real servers on loopback ports, and what went over the wire, to the byte."""

import re
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import uvicorn
from mcp_session.testing import RawExchange, Response

__all__ = ["TIMEOUT", "Exchange", "Response", "exchange", "message", "normalized", "serving"]

Application = Callable[..., Any]

TIMEOUT = 30


class Server(uvicorn.Server):
    """A uvicorn that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@contextmanager
def serving(application: Application, **options: Any) -> Generator[int]:
    """Serve an application; yield the port."""
    config = uvicorn.Config(
        application, log_level="critical", timeout_graceful_shutdown=1, ws="none", **options
    )
    server = Server(config)
    # With its protocol named, so that asyncio sends small pieces at once.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        assert server.listening.wait(TIMEOUT)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(TIMEOUT)
        listener.close()


class Exchange(RawExchange):
    """One request to a port of this machine, and the response as far as it was read."""

    def __init__(self, port: int, request: bytes) -> None:
        super().__init__(("127.0.0.1", port), request, seconds=TIMEOUT)


def normalized(response: Response) -> bytes:
    """The bytes without what differs from run to run: the time, and random IDs."""
    text = re.sub(rb"(?im)^date: [^\r\n]*", b"date: now", response.raw)
    return re.sub(rb"[0-9a-f]{32}", b"some-id", text)


def exchange(port: int, request: bytes) -> Response:
    with Exchange(port, request) as running:
        return running.read()


def message(path: str, body: bytes, *headers: tuple[str, str], method: str = "POST") -> bytes:
    """Write a request."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1:80"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body or method == "POST":
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
