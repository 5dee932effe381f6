"""What an ordinary call costs through our client, beside the plain one.

Run with the Python of an environment that has `mcp` and `mcp_session`:

    .environments/mcp2/bin/python benches/client.py [--calls N]
    .environments/mcp2/bin/python benches/client.py --instructions

Clients of the SDK that is installed call a tool of one real server over loopback, in turns, so
that whatever disturbs the machine disturbs all. Printed are the medians, and the medians of the
turns' own ratios and differences; a second plain client, in the same turns, shows what is noise.
With `--instructions` what the client's process does for a call is counted under valgrind, which
no other work on the machine disturbs; what the server and the kernel do for it is not in that. How
often the event loop wakes still differs; for requests that a transport answers within the process
it does not.
"""

import argparse
import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
from harness import serving
from instructions import instructions
from mcp import ClientSession
from mcp.client import streamable_http

ROOT = Path(__file__).resolve().parents[1]
# That of the tests, of the same SDK.
SERVER = ROOT / "tests" / "clients" / "real_server.py"
LIBRARY = "httpx2" if hasattr(streamable_http, "httpx2") else "httpx"
PLAIN = importlib.import_module(LIBRARY).AsyncClient
OURS = importlib.import_module(f"mcp_session.{LIBRARY}").AsyncClient
CLIENTS = {"plain": PLAIN, "ours": OURS}
FORMS: dict[str, tuple[str, ...]] = {
    "an event stream": ("--port", "0"),
    "JSON": ("--port", "0", "--json"),
}
# What a transport within the process answers, by its path.
BODIES = {
    "/stream": ("text/event-stream", b"event: message\r\ndata: %s\r\n\r\n"),
    "/json": ("application/json", b"%s"),
}
WARM_UP = 50

# The library leaves a part of its work, the end of its asynchronous generators, to the event loop
# after a call: it is paid in the next one, which therefore has to be of the same client.
IN_A_ROW = 10


def main() -> None:
    """Measure both forms of an answer, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=1000, help="of each client")
    parser.add_argument("--instructions", action="store_true", help="count, under valgrind")
    parser.add_argument("--repeat", nargs=3, metavar=("CLIENT", "URL", "CALLS"))
    options = parser.parse_args()
    if options.repeat:
        client, url, calls = options.repeat
        run = repeat_within if url in BODIES else repeat
        anyio.run(run, CLIENTS[client], url, int(calls))
        return
    python = ".".join(map(str, sys.version_info[:3]))
    said = "instructions of each call" if options.instructions else f"{options.calls} calls each"
    print(f"mcp {version('mcp')}, {LIBRARY} {version(LIBRARY)}, CPython {python}, {said}")
    if options.instructions:
        print_instructions()
    else:
        anyio.run(print_times, options.calls)


async def print_times(calls: int) -> None:
    """Print what each client takes."""
    print("| answer | plain | plain again / plain | ours | ours / plain | difference |")
    print("|---|---|---|---|---|---|")
    for form, arguments in FORMS.items():
        with serving(SERVER, *arguments) as url:
            times = await measure(url, calls)
        plain, _, ours = map(statistics.median, times)
        turns = list(zip(*times, strict=True))
        again = statistics.median(again / plain for plain, again, _ in turns)
        ratio = statistics.median(ours / plain for plain, _, ours in turns)
        difference = statistics.median(ours - plain for plain, _, ours in turns)
        print(
            f"| {form} | {plain * 1e6:.0f} µs | {again:.3f} | {ours * 1e6:.0f} µs "
            f"| {ratio:.3f} | {difference * 1e6:+.0f} µs |",
            flush=True,
        )


async def measure(url: str, calls: int) -> list[list[float]]:
    """Return what a call took in each turn, in seconds, for each client."""
    async with connected(url, PLAIN) as a, connected(url, PLAIN) as b, connected(url, OURS) as c:
        clients = [a, b, c]
        times: list[list[float]] = [[], [], []]
        for turn in range((WARM_UP + calls) // IN_A_ROW):
            # Whoever goes first in a turn finds colder caches.
            for which in ((turn + place) % 3 for place in range(3)):
                begun = time.perf_counter()
                for _ in range(IN_A_ROW):
                    await clients[which].call_tool("echo", {"text": "hello"})
                taken = time.perf_counter() - begun
                if turn * IN_A_ROW >= WARM_UP:
                    times[which].append(taken / IN_A_ROW)
        return times


def print_instructions() -> None:
    """Print what the process of each client does, and what it does where nothing waits."""
    os.environ["PYTHONHASHSEED"] = "0"
    print("| answer | plain | ours | ours / plain |")
    print("|---|---|---|---|")
    for form, arguments in FORMS.items():
        with serving(SERVER, *arguments) as url:
            plain, ours = (counted(client, url) for client in CLIENTS)
        print(f"| {form} | {plain:,} | {ours:,} | {ours / plain:.3f} |", flush=True)
    for path in BODIES:
        plain, ours = (counted(client, path) for client in CLIENTS)
        print(f"{path[1:]} within the process: {ours - plain:,} of {ours:,} are ours", flush=True)


def counted(client: str, url: str) -> int:
    """Count the instructions of one call; what is done once is in both counts."""
    fewer, more = 40, 240
    command = (sys.executable, "-W", "ignore", __file__, "--repeat", client, url)
    difference = instructions(*command, more) - instructions(*command, fewer)
    return round(difference / (more - fewer))


async def repeat(client: Any, url: str, calls: int) -> None:
    """Call so often."""
    async with connected(url, client) as session:
        for _ in range(calls):
            await session.call_tool("echo", {"text": "hello"})


async def repeat_within(client: Any, path: str, calls: int) -> None:
    """Send so many requests of one session to a transport that answers them itself."""
    library: Any = importlib.import_module(LIBRARY)
    kind, form = BODIES[path]
    headers = {"content-type": kind, "mcp-session-id": "1868a90c-0f3e-4d3b-9a51-7c2f4f0e6b1d"}

    async def answer(request: Any) -> Any:
        body = json.loads(request.content)
        result = {"jsonrpc": "2.0", "id": body["id"], "result": {"content": []}}
        content = form % json.dumps(result).encode()
        return library.Response(200, headers=headers, stream=Pieces(content))

    class Pieces(library.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, content: bytes) -> None:
            self.content = content

        async def __aiter__(self) -> AsyncGenerator[bytes]:
            yield self.content

    transport = library.MockTransport(answer)
    async with client(transport=transport, base_url="http://127.0.0.1:8000") as http_client:
        for number in range(calls):
            method = "tools/call" if number else "initialize"
            message = {"jsonrpc": "2.0", "id": number, "method": method}
            own = {"mcp-session-id": headers["mcp-session-id"]} if number else {}
            async with http_client.stream("POST", path, json=message, headers=own) as response:
                await response.aread()


@asynccontextmanager
async def connected(url: str, client: Any) -> AsyncGenerator[ClientSession]:
    """Open a session of the SDK over such a client."""
    async with (
        client(timeout=60) as http_client,
        streamable_http.streamable_http_client(url, http_client=http_client) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        yield session


if __name__ == "__main__":
    main()
