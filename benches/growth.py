"""Measures what grows: memory of each session and of each open stream, and a step among many.

Run by `benches/run.py` with the environment it made and the core's benchmark; prints one JSON
object. Each count has a process of its own: what memory one gives back, the next may use.

Memory is what the process has of the machine (its resident set), after so many, less before, for
each of them: Python's objects, ours, and what the allocator loses between them.
"""

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness import first_line, started

COUNTS = {
    "followed": (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000),
    "streams": (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000),
    "forwarded": (100, 300, 1_000, 3_000),
}
ID = b"1868a90c4d4b4f0f8a2f0e9a6a0a7a11"
START: dict[str, Any] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")],
}
EVENT = {"type": "http.response.body", "body": b": open\n\n", "more_body": True}
Results = dict[str, Any]


def main() -> None:
    """Measure each, every count in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("measure", nargs="?", type=Path, help="the core's benchmark")
    parser.add_argument("--one", nargs=3, metavar=("WHAT", "WAY", "COUNT"))
    options = parser.parse_args()
    if options.one:
        what, way, count = options.one
        print(ONE[what](way, int(count)))
        return
    results: Results = {"steps": steps(options.measure)}
    for what, counts in COUNTS.items():
        results[what] = {way: {} for way in WAYS[what]}
        for count in counts:
            for way in WAYS[what]:
                # Less what as many sessions or streams of nobody take in such a process.
                results[what][way][str(count)] = one(what, way, count)
                print(what, way, count, results[what][way][str(count)], file=sys.stderr, flush=True)
    json.dump(results, sys.stdout)


def steps(measure: Path) -> dict[str, dict[str, float]]:
    """Return the nanoseconds of each kind of step, by how many there are."""
    found: dict[str, dict[str, float]] = {}
    for line in output(str(measure), "growth").splitlines():
        name, count, ns = line.split("\t")
        found.setdefault(name, {})[count] = float(ns)
    return found


def one(what: str, way: str, count: int) -> float:
    """Measure one count in a process of its own: bytes for each."""
    command = [sys.executable, "-W", "ignore", __file__, "--one", what, way, str(count)]
    return float(output(*command))


def followed(way: str, count: int) -> float:
    """Bytes of a session that was opened through a client, and that nobody uses any more."""
    from importlib import import_module  # noqa: PLC0415 - whichever is measured

    http: Any = import_module("httpx2")
    ours: Any = import_module("mcp_session.httpx2")
    made: Any = {"bare": http.AsyncClient, "ours": ours.AsyncClient}[way]
    result = b'{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25"}}'
    numbers = iter(range(1 << 30))

    def answer(_request: Any) -> Any:
        headers = {"content-type": "application/json", "mcp-session-id": f"{next(numbers):032x}"}
        return http.Response(200, headers=headers, content=result)

    body = (
        b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",'
        b'"capabilities":{},"clientInfo":{"name":"bench","version":"0"}}}'
    )

    async def measured() -> float:
        headers = {"content-type": "application/json"}
        async with made(transport=http.MockTransport(answer)) as client:

            async def open_one() -> None:
                await client.post("http://mcp.example/mcp", content=body, headers=headers)

            for _ in range(100):
                await open_one()
            before = resident()
            for _ in range(count):
                await open_one()
            return (resident() - before) / count

    return asyncio.run(measured())


def streams(way: str, count: int) -> float:
    """Bytes of an open stream of an application that is called as a server would call it."""
    from mcp_session.asgi import SessionMiddleware  # noqa: PLC0415 - as above

    async def measured() -> float:
        ends = asyncio.Event()

        async def application(_scope: Any, _receive: Any, send: Any) -> None:
            await send(START)
            await send(EVENT)
            await ends.wait()
            await send({"type": "http.response.body", "body": b""})

        served: Any = {"bare": lambda it: it, "ours": SessionMiddleware}[way](application)

        async def receive() -> dict[str, Any]:
            await ends.wait()
            return {"type": "http.disconnect"}

        async def send(_message: Any) -> None:
            pass

        async def open_one() -> None:
            headers = [(b"accept", b"text/event-stream"), (b"mcp-session-id", bytes(bytearray(ID)))]
            scope = {"type": "http", "method": "GET", "path": "/mcp", "query_string": b""}
            await served(scope | {"headers": headers}, receive, send)

        tasks = [asyncio.ensure_future(open_one()) for _ in range(100)]
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        before = resident()
        tasks += [asyncio.ensure_future(open_one()) for _ in range(count)]
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        each = (resident() - before) / count
        ends.set()
        await asyncio.gather(*tasks)
        return each

    return asyncio.run(measured())


def forwarded(way: str, count: int) -> float:
    """Bytes of an open stream, over a socket: at its owner, or through another process too.

    Of the process that gets the requests of the client, and of the owner's together.
    """
    with tempfile.TemporaryDirectory(prefix="g") as folder:
        return asyncio.run(through_processes(way, count, folder))


async def through_processes(way: str, count: int, folder: str) -> float:
    """Open so many streams at one process: of sessions that it owns, or that the other owns."""
    processes = [
        await started(Path(__file__), "--one", "serve", way, "0", folder=folder)
        for _ in range(1 if way in {"bare", "owned"} else 2)
    ]
    try:
        ports = [int(await first_line(process)) for process in processes]
        sessions = [(await asked(ports[0], "POST", None, OPENING))[1] for _ in range(10)]
        streams = [await opened(ports[-1], sessions[number % 10]) for number in range(100)]
        before = [resident(process.pid) for process in processes]
        streams += [await opened(ports[-1], sessions[number % 10]) for number in range(count)]
        await asyncio.sleep(0.5)
        after = [resident(process.pid) for process in processes]
        return (sum(after) - sum(before)) / count
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            await process.wait()


OPENING = (
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",'
    b'"capabilities":{},"clientInfo":{"name":"bench","version":"0"}}}'
)


async def opened(port: int, session_id: bytes) -> Any:
    """Open a stream; return its connection once the first event is there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        b"GET /mcp HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\nmcp-session-id: %s\r\n\r\n"
    )
    writer.write(head % session_id)
    await reader.readuntil(b": open\n\n")
    return reader, writer


async def asked(
    port: int, method: str, session_id: bytes | None, body: bytes
) -> tuple[bytes, bytes]:
    """Send a request over a connection of its own; return the head of the answer and its ID."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"{method} /mcp HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n".encode()
    if session_id is not None:
        head += b"mcp-session-id: %s\r\n" % session_id
    writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    _, _, rest = answer.lower().partition(b"mcp-session-id: ")
    return answer, rest.partition(b"\r\n")[0]


def serve(way: str, _count: int) -> str:
    """Serve streams that never end, behind the middleware or bare."""
    import socket  # noqa: PLC0415 - of this process alone

    import uvicorn  # noqa: PLC0415 - as above
    from mcp_session.asgi import SessionMiddleware  # noqa: PLC0415 - as above
    from mcp_session.sessions import SqliteSessions  # noqa: PLC0415 - as above

    numbers = iter(range(1 << 30))

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "POST":
            message = await receive()
            assert message["body"] == OPENING
            result = b'{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25"}}'
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(result)),
                (b"mcp-session-id", b"%d-%d" % (os.getpid(), next(numbers))),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": result})
            return
        await send(START)
        await send(EVENT)
        while (await receive())["type"] != "http.disconnect":
            pass

    served: Any = application
    if way != "bare":
        served = SessionMiddleware(application, sessions=SqliteSessions(os.environ["TABLE"]))
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(4096)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(served, log_level="critical", lifespan="off", timeout_keep_alive=3600)
    with suppress(KeyboardInterrupt):
        asyncio.run(uvicorn.Server(config).serve([listener]))
    return ""


def resident(process: int | None = None) -> int:
    """Return the bytes that a process has of the machine."""
    if process is None:
        gc.collect()
    path = Path(f"/proc/{process or 'self'}/statm")
    return int(path.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def output(*command: str) -> str:
    """Run a command and return what it prints."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


ONE: dict[str, Callable[[str, int], Any]] = {
    "followed": followed,
    "streams": streams,
    "forwarded": forwarded,
    "serve": serve,
}
WAYS = {
    "followed": ("bare", "ours"),
    "streams": ("bare", "ours"),
    "forwarded": ("bare", "owned", "forwarded"),
}


if __name__ == "__main__":
    main()
