"""Measures the tables of sessions, and writes it into docs/scale.md with its plot.

    nox -s measure-tables

makes what it needs and runs it: a few minutes. Needs redis-server or valkey-server, which it starts
on a free port. Up to 100,000 sessions stand in one table, and up to 8 processes ask it. An entry is
as the middleware writes it for a client of an SDK.
"""

import asyncio
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from hashlib import blake2b
from pathlib import Path
from typing import Any

import redis
from harness import machine
from mcp_session.sessions import (
    MemorySessions,
    RedisSessions,
    SessionEntry,
    SessionTable,
    SqliteSessions,
)
from sections import table, write_sections

ROOT = Path(__file__).resolve().parents[1]
SIZES = (1_000, 10_000, 100_000)
PROCESSES = (1, 2, 4, 8)
SECONDS = 4.0
# As many requests wait for the table at once in each process.
AT_ONCE = 16
# What an SDK's client opens a session with, and the value that the middleware makes of it: format,
# whom it is for, the version, both bodies.
INITIALIZE = (
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",'
    b'"capabilities":{"sampling":{},"elicitation":{"form":{},"url":{}},'
    b'"roots":{"listChanged":true}},"clientInfo":{"name":"an-application-of-somebody",'
    b'"title":"An application of somebody","version":"1.17.3",'
    b'"websiteUrl":"https://application.example"}}}'
)
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
VALUE = (
    b"\1\1"
    + bytes(range(32))
    + b"".join(
        len(field).to_bytes(4, "little") + field
        for field in (b"2025-11-25", INITIALIZE, INITIALIZED)
    )
)
OWNER = "0123456789abcdef0123456789abcdef"
ADDRESSES = b'{"host":"0123456789abcdef","socket":"/tmp/mcp-session-0123abcd/s","url":null}'
LIVING = 24 * 3600.0
NAMES = {"memory": "memory", "sqlite": "SQLite", "redis": "Redis"}
Results = dict[str, Any]


def main() -> None:
    """Measure, print, write and draw."""
    kept = ROOT / "target" / "tables.json"
    kept.parent.mkdir(exist_ok=True)
    results: Results = {}
    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder)) as server:
        for kind in NAMES:
            results[kind] = {str(size): sized(kind, size, server) for size in SIZES}
        for kind in ("sqlite", "redis"):
            results[f"{kind} processes"] = shared(kind, server)
        results["server"] = server_time(server)
        results["versions"] = versions(server)
    kept.write_text(json.dumps(results, indent=1), encoding="utf-8")
    sections = written(results)
    for name, text in sections.items():
        print(f"\n## {name}\n\n{text}")
    write_sections(ROOT / "docs" / "scale.md", sections)
    plots = ROOT / "benches" / "plots.py"
    subprocess.run([sys.executable, plots, kept, ROOT / "docs", "tables"], check=True)


def sized(kind: str, size: int, server: str) -> Results:
    """Measure a table with so many sessions."""
    print(f"==== {NAMES[kind]}, {size:,} sessions", file=sys.stderr, flush=True)
    with address_of(kind, server) as address:
        return asyncio.run(measured(kind, address, size))


async def measured(kind: str, address: str, size: int) -> Results:
    """Fill a table and ask it."""
    sessions = opened(kind, address)
    await sessions.hashing_key()
    before = stored(kind, address)
    begun = time.perf_counter()
    await fill(sessions, size)
    filled = time.perf_counter() - begun
    # What SQLite's log of writes holds is in the file when that is closed.
    await sessions.aclose()
    each = (stored(kind, address) - before) / size
    await sessions.renew(OWNER, ADDRESSES, 1000.0)
    keys = [key(number) for number in range(0, size, max(1, size // 1000))]

    async def find(number: int) -> None:
        await sessions.find(keys[number % len(keys)])

    async def renew(_number: int) -> None:
        await sessions.renew(OWNER, ADDRESSES, 1000.0)

    async def claim(number: int) -> None:
        turn, place = divmod(number, len(keys))
        await sessions.swap(keys[place], expected=turn, entry=entry(turn + 1), seconds=LIVING)

    async def touch(_number: int) -> None:
        await sessions.touch(keys[:500], LIVING)

    figures: Results = {"bytes": each, "opened a second": size / filled}
    for name, call, rounds in (
        ("find", find, 2000),
        ("claim", claim, 2000),
        ("renew", renew, 1000),
        ("touch 500", touch, 50),
    ):
        worked = time.process_time()
        figures[name] = percentiles([await timed(call, number) for number in range(rounds)])
        figures[name]["processor"] = (time.process_time() - worked) / rounds * 1e6
    begun = time.perf_counter()
    await together(find, range(10_000))
    figures["finds a second"] = 10_000 / (time.perf_counter() - begun)
    await sessions.aclose()
    return figures


def shared(kind: str, server: str) -> Results:
    """Measure how many look-ups several processes get from a table of the largest size."""
    size = SIZES[-1]
    figures: Results = {}
    with address_of(kind, server) as address:
        asyncio.run(prepare(kind, address, size))
        for count in PROCESSES:
            print(f"==== {NAMES[kind]}, {count} processes", file=sys.stderr, flush=True)
            command = [sys.executable, __file__, "ask", kind, address, str(size)]
            processes = [
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                for _ in range(count)
            ]
            for process in processes:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdout.readline()
            for process in processes:
                assert process.stdin is not None
                process.stdin.write(b"\n")
                process.stdin.flush()
            answers = [json.loads(process.communicate()[0]) for process in processes]
            figures[str(count)] = {
                "finds a second": sum(answer["finds"] for answer in answers) / SECONDS,
                "p50": statistics.median(answer["p50"] for answer in answers),
                "p99": max(answer["p99"] for answer in answers),
                "processor": statistics.median(answer["processor"] for answer in answers),
            }
    return figures


async def prepare(kind: str, address: str, size: int) -> None:
    """Fill a table for others to ask."""
    sessions = opened(kind, address)
    await sessions.hashing_key()
    await fill(sessions, size)
    await sessions.renew(OWNER, ADDRESSES, 1000.0)
    await sessions.aclose()


async def ask(kind: str, address: str, size: int) -> None:
    """Look sessions up for some seconds, many at once, as one of several processes."""
    sessions = opened(kind, address)
    await sessions.find(key(0))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    ends = time.perf_counter() + SECONDS
    worked = time.process_time()
    taken: list[float] = []
    keys = [key(number * 97 % size) for number in range(10_000)]

    async def look_up(number: int) -> None:
        while time.perf_counter() < ends:
            number += AT_ONCE
            taken.append(await timed(find, number))

    async def find(number: int) -> None:
        await sessions.find(keys[number % len(keys)])

    await asyncio.gather(*map(look_up, range(AT_ONCE)))
    await sessions.aclose()
    worked = (time.process_time() - worked) / len(taken) * 1e6
    print(json.dumps({"finds": len(taken), "processor": worked} | percentiles(taken)))


def server_time(server: str) -> dict[str, float]:
    """Return the microseconds that a call takes of Redis's one thread, for each kind of call."""
    with address_of("redis", server) as address:
        return asyncio.run(server_times(address))


async def server_times(address: str) -> dict[str, float]:
    """Do one thing many times, and ask the server how long its processor worked meanwhile."""
    sessions = opened("redis", address)
    await sessions.hashing_key()
    client: Any = redis.Redis.from_url(address)
    taken: dict[str, float] = {}
    count = 10_000
    keys = [key(number) for number in range(count)]

    async def find(number: int) -> None:
        await sessions.find(keys[number])

    async def open_one(number: int) -> None:
        await sessions.swap(keys[number], expected=None, entry=entry(0), seconds=LIVING)

    async def claim(number: int) -> None:
        await sessions.swap(keys[number], expected=0, entry=entry(1), seconds=LIVING)

    async def renew(_number: int) -> None:
        await sessions.renew(OWNER, ADDRESSES, 1000.0)

    async def touch(number: int) -> None:
        if number % 500 == 0:
            await sessions.touch(keys[number : number + 500], LIVING)

    await renew(0)
    for name, call in (
        ("open", open_one),
        ("find", find),
        ("claim", claim),
        ("renew", renew),
        ("touch", touch),
    ):
        before = client.info("cpu")
        await together(call, range(count))
        after = client.info("cpu")
        worked = sum(after[which] - before[which] for which in ("used_cpu_user", "used_cpu_sys"))
        taken[name] = worked / count * 1e6
    client.close()
    await sessions.aclose()
    return taken


def written(results: Results) -> dict[str, str]:
    """Write the sections of the page."""
    head = (
        "table",
        "sessions",
        "bytes each",
        "opened",
        "look-ups",
        "look-up",
        "claim",
        "renewal",
        "500 touched",
        "a look-up's processor",
    )
    rows = [
        (
            NAMES[kind],
            f"{int(size):,}",
            f"{each['bytes']:,.0f}",
            f"{each['opened a second']:,.0f}/s",
            f"{each['finds a second']:,.0f}/s",
            *(shown(each[call]) for call in ("find", "claim", "renew", "touch 500")),
            f"{each['find']['processor']:,.0f} µs",
        )
        for kind in NAMES
        for size, each in results[kind].items()
    ]
    asked = [
        (
            NAMES[kind],
            count,
            f"{each['finds a second']:,.0f}/s",
            f"{each['p50']:,.0f} µs",
            f"{each['p99']:,.0f} µs",
            f"{each['processor']:,.0f} µs",
        )
        for kind in ("sqlite", "redis")
        for count, each in results[f"{kind} processes"].items()
    ]
    worked = results["server"]
    return {
        "tables": table(head, rows),
        "processes": table(
            ("table", "processes", "look-ups", "median", "99 of 100", "processor of each"), asked
        ),
        "server": table(
            ("a call", *worked),
            [("Redis works for", *(f"{it:,.1f} µs" for it in worked.values()))],
        ),
        "machine": (
            f"Measured on {datetime.now(tz=timezone.utc).date().isoformat()} ({machine()}; "
            f"{results['versions']}; load {os.getloadavg()[0]:.1f} at the end). "
            f"The value of an entry is {len(VALUE)} bytes: `initialize` has {len(INITIALIZE)}."
        ),
    }


def shown(figures: dict[str, float]) -> str:
    """Write a median and the 99th of 100."""
    return f"{figures['p50']:,.0f}, {figures['p99']:,.0f} µs"


def key(number: int) -> bytes:
    """Return a key as the core makes them."""
    return blake2b(number.to_bytes(8, "big"), digest_size=32).digest()


def entry(claim: int) -> SessionEntry:
    """Return an entry as the middleware writes it: each has a value of its own."""
    return SessionEntry(claim, OWNER, bytes(bytearray(VALUE)))


async def fill(sessions: SessionTable, size: int) -> None:
    """Open so many sessions."""

    async def open_one(number: int) -> None:
        await sessions.swap(key(number), expected=None, entry=entry(0), seconds=LIVING)

    await together(open_one, range(size))


async def together(call: Callable[[int], Awaitable[None]], numbers: Iterable[int]) -> None:
    """Call it with every number, so many at once."""
    left = iter(numbers)

    async def some() -> None:
        for number in left:
            await call(number)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def timed(call: Callable[[int], Awaitable[None]], number: int) -> float:
    """Return the microseconds that a call takes."""
    begun = time.perf_counter()
    await call(number)
    return (time.perf_counter() - begun) * 1e6


def percentiles(taken: list[float]) -> dict[str, float]:
    """Return the median and the 99th of 100."""
    ordered = sorted(taken)
    return {"p50": statistics.median(ordered), "p99": ordered[len(ordered) * 99 // 100]}


def opened(kind: str, address: str) -> SessionTable:
    """Open the table that is kept there."""
    if kind == "memory":
        return MemorySessions()
    if kind == "sqlite":
        return SqliteSessions(address, timeout=30.0)
    return RedisSessions(address, timeout=30.0, settling=1000.0)


def stored(kind: str, address: str) -> int:
    """Return how many bytes a table takes."""
    if kind == "memory":
        return tracemalloc.get_traced_memory()[0]
    if kind == "sqlite":
        return Path(address).stat().st_size
    client: Any = redis.Redis.from_url(address)
    with client:
        return int(client.info("memory")["used_memory"])


@contextmanager
def address_of(kind: str, server: str) -> Generator[str]:
    """Make an empty table, and say where it is."""
    if kind == "memory":
        tracemalloc.start()
        yield ""
        tracemalloc.stop()
    elif kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"{folder}/table.db"
    else:
        client: Any = redis.Redis.from_url(server)
        with client:
            client.flushall()
            # It is settled since long.
            client.set("{mcp-session}:server", f"{client.info('server')['run_id']} 0")
        yield server


@contextmanager
def redis_server(folder: Path) -> Generator[str]:
    """Start a server on a free port; say where it is."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        sys.exit("needs redis-server or valkey-server")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [program, "--port", str(port), "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            client: Any = redis.Redis(port=port)
            while True:
                with suppress(redis.ConnectionError):
                    client.ping()
                    break
                time.sleep(0.05)
            client.close()
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.kill()


def versions(server: str) -> str:
    """Say what was measured."""
    import sqlite3  # noqa: PLC0415 - for its version alone

    client: Any = redis.Redis.from_url(server)
    with client:
        facts = client.info("server")
    name = "Valkey" if "valkey_version" in facts else "Redis"
    return (
        f"SQLite {sqlite3.sqlite_version}, {name} {facts['redis_version']}, "
        f"redis-py {redis.__version__}"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["ask"]:
        asyncio.run(ask(sys.argv[2], sys.argv[3], int(sys.argv[4])))
    else:
        main()
