"""What a request costs through the middleware, beside the bare application.

Run with the Python of an environment that has `mcp`, `uvicorn` and `mcp_session`:

    .environments/mcp2/bin/python benches/asgi.py [--requests N]

Each request goes to the bare application and through the middleware in turns, so that whatever
disturbs the machine disturbs both. In process, the application is called as a server would call
it; over loopback, one uvicorn serves the SDK's real application both ways, and once more bare to
show what is noise. Printed are medians and their difference.
"""

import argparse
import http.client
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any

import anyio
import uvicorn
from mcp_session.asgi import SessionMiddleware

GENERATION = version("mcp").split(".")[0]
SDK: Any = import_module({"1": "mcp.server.fastmcp", "2": "mcp.server"}[GENERATION])
Server: Any = SDK.FastMCP if GENERATION == "1" else SDK.MCPServer


Application = Callable[[Any, Any, Any], Awaitable[None]]


def bare(application: Any) -> Any:
    """Leave an application as it is."""
    return application


WAYS: tuple[Callable[[Any], Any], ...] = (bare, bare, SessionMiddleware)
WARM_UP = 100
CALL = (
    b'{"jsonrpc":"2.0","id":7,"method":"tools/call",'
    b'"params":{"name":"echo","arguments":{"text":"hello"}}}'
)
INITIALIZE = (
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",'
    b'"capabilities":{},"clientInfo":{"name":"bench","version":"0"}}}'
)
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
HEADERS = {
    "accept": "application/json, text/event-stream",
    "accept-encoding": "gzip, deflate",
    "content-type": "application/json",
    "mcp-protocol-version": "2025-11-25",
    "user-agent": "bench",
}


def main() -> None:
    """Measure every case, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=2000, help="of each case and way")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        anyio.run(serve)
        return
    requests = arguments.requests
    python = ".".join(map(str, sys.version_info[:3]))
    versions = ", ".join(f"{name} {version(name)}" for name in ("mcp", "uvicorn"))
    print(f"{versions}, CPython {python}, {requests} requests each")
    print("| request | bare | bare again | behind | behind / bare | difference |")
    print("|---|---|---|---|---|---|")
    anyio.run(in_process, requests)
    over_loopback(requests)


async def in_process(requests: int) -> None:
    """Call an application that does nothing but answer."""
    for name, session_id, application in (
        ("200, nothing attached", None, answering(200, b"{}")),
        ("200 in a session", b"1868a90c", answering(200, b"{}")),
        ("200 of 100 events", b"1868a90c", answering(200, *[b"data: {}\n\n"] * 100)),
        ("404, corrected", b"1868a90c", answering(404, b"Session not found")),
        ("404 without reading, corrected", b"1868a90c", answering(404, b"gone", reads=False)),
    ):
        attached = [] if session_id is None else [(b"mcp-session-id", session_id)]
        headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/mcp"}
        scope |= {"query_string": b"", "headers": [*headers, *attached]}
        ways: list[Application] = [application, application, SessionMiddleware(application)]
        times: list[list[float]] = [[] for _ in ways]
        for round_number in range(WARM_UP + requests):
            for index in in_turn(ways, round_number):
                begun = time.perf_counter()
                await ways[index](dict(scope), receive, send)
                times[index].append(time.perf_counter() - begun)
            if round_number == WARM_UP:
                times = [[] for _ in ways]
        print_row(f"in process, {name}", times)


def over_loopback(requests: int) -> None:
    """Ask the SDK's real application."""
    with ExitStack() as stack:
        ports = stack.enter_context(serving())
        clients = [stack.enter_context(closing(Connection("127.0.0.1", port))) for port in ports]
        sessions = [opened(client) for client in clients]
        for name, unknown in (("tools/call", False), ("unknown session, corrected", True)):
            times: list[list[float]] = [[] for _ in clients]
            for round_number in range(WARM_UP + requests):
                for index in in_turn(clients, round_number):
                    begun = time.perf_counter()
                    post(clients[index], CALL, "never-issued" if unknown else sessions[index])
                    times[index].append(time.perf_counter() - begun)
                if round_number == WARM_UP:
                    times = [[] for _ in clients]
            print_row(f"over loopback, {name}", times)


class Connection(http.client.HTTPConnection):
    """A connection on which head and body of a request go out in one piece.

    In two, the bare application can be done before the second is there, where the middleware
    has to wait for it to learn the id; then it is the network that is measured.
    """

    pieces = b""

    def send(self, data: Any) -> None:
        """Keep a piece."""
        self.pieces += data

    def getresponse(self) -> http.client.HTTPResponse:
        """Send what was kept, and wait for the answer."""
        if self.sock is None:
            self.connect()
        self.sock.sendall(self.pieces)
        self.pieces = b""
        return super().getresponse()


def in_turn(ways: Sequence[object], round_number: int) -> Sequence[int]:
    """Each way once, another first in each round: what comes after what costs something too."""
    return [(index + round_number) % len(ways) for index in range(len(ways))]


def print_row(name: str, times: list[list[float]]) -> None:
    """Print the medians of one case."""
    plain, again, behind = (statistics.median(measured) * 1e6 for measured in times)
    print(
        f"| {name} | {plain:.1f} µs | {again:.1f} µs | {behind:.1f} µs "
        f"| {behind / plain:.3f} | {behind - plain:+.1f} µs |",
        flush=True,
    )


def answering(
    status: int, *pieces: bytes, reads: bool = True
) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """Make an application that reads the request, or does not, and answers this."""
    start = {"type": "http.response.start", "status": status, "headers": [(b"a", b"b")] * 6}

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        if reads:
            await receive()
        await send(start)
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return application


async def receive() -> dict[str, Any]:
    """Give the request."""
    return {"type": "http.request", "body": CALL, "more_body": False}


async def send(_message: Any) -> None:
    """Take the answer."""


@contextmanager
def serving() -> Generator[list[int]]:
    """Serve the SDK's application in a process of its own, in each way; yield the ports."""
    command = [sys.executable, "-W", "ignore", __file__, "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="ascii") as process:
        try:
            assert process.stdout is not None
            yield [int(process.stdout.readline()) for _ in WAYS]
        finally:
            process.kill()


async def serve() -> None:
    """Be that process."""
    async with anyio.create_task_group() as tasks:
        for wrap in WAYS:
            made: Any = Server("bench")
            made.tool()(echo)
            config = uvicorn.Config(
                wrap(made.streamable_http_app()), log_level="critical", ws="none"
            )
            # With its protocol named, so that asyncio sends small pieces at once.
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            tasks.start_soon(uvicorn.Server(config).serve, [listener])
            print(listener.getsockname()[1], flush=True)


def echo(text: str) -> str:
    """Do what the call asks for."""
    return text


def opened(client: http.client.HTTPConnection) -> str:
    """Open a session; return its ID."""
    session_id = post(client, INITIALIZE, None)
    post(client, INITIALIZED, session_id)
    return session_id


def post(client: http.client.HTTPConnection, body: bytes, session_id: str | None) -> str:
    """Send a request and read the answer; return the session ID on it."""
    attached = {} if session_id is None else {"mcp-session-id": session_id}
    client.request("POST", "/mcp", body, HEADERS | attached)
    response = client.getresponse()
    response.read()
    return response.headers.get("mcp-session-id", "")


if __name__ == "__main__":
    main()
