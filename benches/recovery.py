"""What the death of a session costs its client: ours, and rmcp's beside it.

Run by `benches/run.py` with the environment it made; prints one JSON object. The server is
`benches/server.py`: it forgets its sessions when told to, and counts what comes.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
from harness import serving
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp_session.httpx2 import AsyncClient

HERE = Path(__file__).resolve().parent
COUNTS = (1, 5, 20, 100, 300, 1000)
SLOW_SECONDS = 8.0
HEADERS = {
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
}
INITIALIZE = (
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",'
    b'"capabilities":{},"clientInfo":{"name":"bench","version":"0"}}}'
)
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'


async def main() -> None:
    """Measure each way of losing a session."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rmcp", type=Path, help="the program of benches/rmcp")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    with serving(HERE / "server.py") as url:
        results = {
            "resent": await resent(url, 1000, arguments.rounds),
            "calls": await concurrent(url, arguments.rmcp, arguments.rounds),
            "slow": await slow(url, arguments.rmcp),
        }
    json.dump(results, sys.stdout)


async def resent(url: str, count: int, rounds: int) -> dict[str, float]:
    """Time so many calls at once, on a live session and on one that is gone, in turns."""
    live: list[float] = []
    dead: list[float] = []
    ratios: list[float] = []
    async with AsyncClient(timeout=120, headers=HEADERS) as client:
        opened = await client.post(url, content=INITIALIZE)
        session = {
            "mcp-session-id": opened.headers["mcp-session-id"],
            "mcp-protocol-version": "2025-11-25",
        }
        await client.post(url, content=INITIALIZED, headers=session)
        await posts(client, url, session, count)
        for _ in range(rounds):
            live.append(await posts(client, url, session, count))
            await forget(url)
            dead.append(await posts(client, url, session, count))
            counted = await counts(url)
            assert counted["initialized"] == 1, counted
            # Each is sent twice, but for those that waited from the first.
            assert count < counted["calls"] <= 2 * count, counted
            ratios.append(dead[-1] / live[-1])
    return {
        "count": count,
        "live_ms": statistics.median(live) * 1e3,
        "dead_ms": statistics.median(dead) * 1e3,
        "ratio": statistics.median(ratios),
        "initializes": 1,
    }


async def posts(client: AsyncClient, url: str, session: dict[str, str], count: int) -> float:
    """Make so many calls at once; return the seconds to the last answer."""

    async def call(number: int) -> None:
        body = (
            b'{"jsonrpc":"2.0","id":%d,"method":"tools/call",'
            b'"params":{"name":"echo","arguments":{}}}' % number
        )
        response = await client.post(url, content=body, headers=session)
        assert response.status_code == httpx2.codes.OK, response
        assert "result" in response.json()

    begun = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for number in range(1, count + 1):
            tasks.start_soon(call, number)
    return time.perf_counter() - begun


async def concurrent(
    url: str, rmcp: Path | None, rounds: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Time the first and the last answer of calls that all meet 404, of whole clients."""
    results: dict[str, dict[str, dict[str, float]]] = {}
    for count in COUNTS:
        taken: dict[str, list[dict[str, Any]]] = {"ours": []}
        for _ in range(rounds if count <= 100 else max(3, rounds // 2)):
            taken["ours"].append(await ours(url, count, 0))
            if rmcp:
                taken.setdefault("rmcp", []).append(await theirs(url, rmcp, count, 0))
        results[str(count)] = {
            who: {
                name: statistics.median(
                    one[name] if one[name] is not None else float("nan") for one in each
                )
                for name in ("first", "last", "failed", "initialized")
            }
            for who, each in taken.items()
        }
    return results


async def slow(url: str, rmcp: Path | None) -> dict[str, dict[str, Any]]:
    """Lose a session while an unrelated call, which its server goes on answering, is under way."""
    results = {"ours": await ours(url, 1, SLOW_SECONDS)}
    if rmcp:
        results["rmcp"] = await theirs(url, rmcp, 1, SLOW_SECONDS)
    return results


async def ours(url: str, count: int, seconds: float) -> dict[str, Any]:
    """Lose a session with the Python SDK's client over ours."""
    times: list[float] = []
    ended: dict[str, Any] = {"failed": 0, "slow_error": None, "slow_after": None}

    async with connected(url) as session, anyio.create_task_group() as tasks:
        await session.call_tool("echo", {})

        async def wait() -> None:
            begun = time.perf_counter()
            try:
                await session.call_tool("slow", {"seconds": seconds})
            except Exception as error:  # noqa: BLE001 - how it ended is what is asked
                ended["slow_error"] = str(error)
            ended["slow_after"] = (time.perf_counter() - begun) * 1e3

        async def call() -> None:
            try:
                await session.call_tool("echo", {})
            except Exception:  # noqa: BLE001 - they are counted
                ended["failed"] += 1
            else:
                times.append((time.perf_counter() - begun) * 1e3)

        if seconds:
            tasks.start_soon(wait)
            await anyio.sleep(0.2)
        await forget(url)
        begun = time.perf_counter()
        async with anyio.create_task_group() as calls:
            for _ in range(count):
                calls.start_soon(call)
        initialized = (await counts(url))["initialized"]
    first, last = (min(times), max(times)) if times else (None, None)
    return {"first": first, "last": last, "initialized": initialized, **ended}


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[ClientSession]:
    """Open a session of the Python SDK over our client."""
    async with (
        AsyncClient(timeout=120) as http_client,
        streamable_http_client(url, http_client=http_client) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        yield session


async def theirs(url: str, program: Path, count: int, seconds: float) -> dict[str, Any]:
    """Lose a session with rmcp's client."""
    command = [str(program), url, str(count), str(seconds)]
    process = await anyio.open_process(command, stderr=None)
    assert process.stdin
    assert process.stdout
    async with process:
        said = b""
        while b"ready\n" not in said:
            said += await process.stdout.receive()
        await forget(url)
        await process.stdin.send(b"\n")
        said = b""
        while not said.endswith(b"}\n"):
            said += await process.stdout.receive()
        initialized = (await counts(url))["initialized"]
    result: dict[str, Any] = json.loads(said)
    return result | {"initialized": initialized}


async def forget(url: str) -> None:
    """Have the server end all sessions, and count from here."""
    async with httpx2.AsyncClient() as client:
        await client.post(url.replace("/mcp", "/forget"))


async def counts(url: str) -> dict[str, int]:
    """Ask the server what came."""
    async with httpx2.AsyncClient() as client:
        counted: dict[str, int] = (await client.get(url.replace("/mcp", "/count"))).json()
        return counted


if __name__ == "__main__":
    anyio.run(main)
