"""Measures what a table of sessions costs a request: where it is owned, and where it is forwarded.

    nox -s measure-forwarding

Three processes of uvicorn on this machine: one with the middleware without a table, and two that
share a table in a file. The same call goes in turn to the first, to the owner of its session, and
to the other, which forwards it; and so does a GET that opens a stream, until its first byte. What
disturbs the machine disturbs all alike. It is done with an application that does nothing, and with
a server of the SDK. Given are what one in four is faster than, as other work makes the rest wait,
and the time of the processor that all processes took for a call, less what they take at rest.
"""

import asyncio
import logging
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness import first_line, started
from sections import table, write_sections

ROOT = Path(__file__).resolve().parents[1]
CALLS, STREAMS, WARM = 400, 100, 40
AT_REST = 3.0
TICKS = os.sysconf("SC_CLK_TCK")
ACCEPT = b"accept: application/json, text/event-stream\r\n"
OPENING = (
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",'
    b'"capabilities":{},"clientInfo":{"name":"bench","version":"0"}}}'
)
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
CALL = (
    b'{"jsonrpc":"2.0","id":7,"method":"tools/call",'
    b'"params":{"name":"echo","arguments":{"text":"%s"}}}' % (b"x" * 400)
)
Way = Callable[[], Awaitable[None]]


def main() -> None:
    """Measure, print, and write the table of docs/workers.md; `serve` is one of its processes."""
    if sys.argv[1:2] == ["serve"]:
        serve(*sys.argv[2:4])
        return
    rows = [row for what in APPLICATIONS for row in asyncio.run(measured(what))]
    text = table(("", "without a table", "owned here", "forwarded", "forwarded by owned"), rows)
    print(text)
    if "--write" in sys.argv:
        write_sections(ROOT / "docs" / "workers.md", {"forwarding": text})


async def measured(what: str) -> list[list[str]]:
    """Measure calls and streams of an application at each of the three."""
    with tempfile.TemporaryDirectory(prefix="f") as folder:
        processes = [
            await started(Path(__file__), "serve", what, kind, folder=folder)
            for kind in ("plain", "table", "table")
        ]
        try:
            plain, owner, other = [int(await first_line(process)) for process in processes]
            ways = [(plain, plain), (owner, owner), (other, owner)]
            calls = await in_turn(CALLS, [await caller(*way) for way in ways])
            spent = [await worked(processes, await caller(*way)) for way in ways]
            streams = await in_turn(STREAMS, [await opener(*way) for way in ways])
        finally:
            for process in processes:
                process.kill()
                await process.wait()
    return [
        row(f"{what}: a call", calls),
        row("the same, of the processor", spent),
        row("a stream, until its first byte", streams),
    ]


def row(name: str, took: list[float]) -> list[str]:
    """Write three times, and how many times the second the third is."""
    plain, owned, forwarded = took
    more = f"{owned * 1e6:,.0f} µs ({(owned - plain) * 1e6:+,.0f})"
    ratio = f"{forwarded / owned:.2f} ({(forwarded - owned) * 1e3:+.2f} ms)"
    return [name, f"{plain * 1e6:,.0f} µs", more, f"{forwarded * 1e6:,.0f} µs", ratio]


async def in_turn(count: int, ways: list[Way]) -> list[float]:
    """Return the lower quartile of what each way took, in seconds."""
    took: list[list[float]] = [[] for _ in ways]
    for number in range(WARM + count):
        for way, times in zip(ways, took, strict=True):
            begun = time.perf_counter()
            await way()
            if number >= WARM:
                times.append(time.perf_counter() - begun)
    return [statistics.quantiles(times, n=4)[0] for times in took]


async def worked(processes: list[Any], way: Way) -> float:
    """Return the seconds of the processor that a call takes of all processes but this one."""
    for _ in range(WARM):
        await way()

    def all_together() -> tuple[float, float]:
        return time.monotonic(), sum(processor(process.pid) for process in processes)

    begun = all_together()
    await asyncio.sleep(AT_REST)
    rested = all_together()
    for _ in range(CALLS):
        await way()
    ended = all_together()
    at_rest = (rested[1] - begun[1]) / (rested[0] - begun[0])
    return (ended[1] - rested[1] - at_rest * (ended[0] - rested[0])) / CALLS


def processor(pid: int) -> float:
    """Return the seconds that a process has worked."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def caller(port: int, owner: int) -> Way:
    """Return what calls a tool at a port, over one connection, in a session of the owner's."""
    session_id = await opened(owner)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def call() -> None:
        await posted(reader, writer, session_id, CALL)

    return call


async def opener(port: int, owner: int) -> Way:
    """Return what opens a stream at a port, each of another session of the owner's."""
    sessions = [await opened(owner) for _ in range(WARM + STREAMS)]

    async def open_one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"GET /mcp HTTP/1.1\r\nhost: 127.0.0.1:8000\r\naccept: text/event-stream\r\n"
        writer.write(head + b"mcp-session-id: %s\r\n\r\n" % sessions.pop())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()

    return open_one


async def opened(port: int) -> bytes:
    """Open a session."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = await posted(reader, writer, None, OPENING)
    session_id = head.partition(b"mcp-session-id: ")[2].partition(b"\r\n")[0]
    await posted(reader, writer, session_id, INITIALIZED)
    writer.close()
    return session_id


async def posted(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    session_id: bytes | None,
    body: bytes,
) -> bytes:
    """Post a message, and read the answer to its end; return its head."""
    given = b"" if session_id is None else b"mcp-session-id: %s\r\n" % session_id
    head = (
        b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:8000\r\ncontent-type: application/json\r\n" + given
    )
    writer.write(head + ACCEPT + b"content-length: %d\r\n\r\n" % len(body) + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 20"), answer
    if b"chunked" in answer:
        await reader.readuntil(b"\r\n0\r\n\r\n")
    else:
        length = answer.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length or b"0"))
    return answer


def serve(what: str, kind: str) -> None:
    """Serve a tool and a stream, behind the middleware with a table or without."""
    import uvicorn  # noqa: PLC0415 - of this process alone
    from mcp_session.asgi import SessionMiddleware  # noqa: PLC0415 - as above
    from mcp_session.sessions import SqliteSessions  # noqa: PLC0415 - as above

    options: dict[str, Any] = {}
    if kind == "table":
        options["sessions"] = SqliteSessions(os.environ["TABLE"])
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(4096)
    served: Any = SessionMiddleware(APPLICATIONS[what](), **options)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(served, log_level="critical", timeout_keep_alive=3600)
    with suppress(KeyboardInterrupt):
        asyncio.run(uvicorn.Server(config).serve([listener]))


def empty() -> Any:
    """Return an application that does nothing."""
    numbers = iter(range(1 << 30))
    result = b'{"jsonrpc":"2.0","id":%d,"result":{"protocolVersion":"2025-11-25"}}'

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        start: dict[str, Any] = {"type": "http.response.start", "status": 200}
        if scope["method"] == "GET":
            await send({**start, "headers": [(b"content-type", b"text/event-stream")]})
            await send({"type": "http.response.body", "body": b": open\n\n", "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        is_opening = (await receive())["body"] == OPENING
        body = result % (0 if is_opening else 7)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if is_opening:
            headers.append((b"mcp-session-id", b"%d-%d" % (os.getpid(), next(numbers))))
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return application


def of_the_sdk() -> Any:
    """Return the application of a server of the SDK that this environment has."""
    from mcp.server.mcpserver import MCPServer  # noqa: PLC0415 - of this process alone

    # Else the SDK writes of each request in colours, and that is what is measured.
    logging.basicConfig(level=logging.ERROR)
    server: Any = MCPServer("bench")

    async def echo(text: str) -> str:
        return text

    server.tool()(echo)
    return server.streamable_http_app()


APPLICATIONS = {"nothing is done": empty, "mcp 2.x": of_the_sdk}


if __name__ == "__main__":
    main()
