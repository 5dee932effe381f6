"""Prints the rows of the README about several processes, as measured with the SDK that is here.

    nox -s measure-workers

A plain client of the SDK calls a tool 30 times in one session, a connection for each request, of an
application that is bare, behind the middleware, or behind it with a table. Then the process that
holds the session is killed, and the next call is timed.
"""

import itertools
import re
import statistics
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import anyio

import raw
from places import Place, all_serve, kill, redis, replicas, workers

CALLS = 30
KILLS = 5
LIMIT_SECONDS = 20.0
# Each call has an id of its own: the SDKs take two requests of one id for one.
numbers = itertools.count(1)
WAYS = {"plain": ("", ""), "with the middleware": ("", "yes"), "with the table": ("table", "")}


@contextmanager
def on_one_host(table: str, **settings: str) -> Generator[Place]:
    with workers("sqlite" if table else "", count=4, **settings) as place:
        yield place


@contextmanager
def on_several(table: str, **settings: str) -> Generator[Place]:
    with redis() as opened:
        url = opened.url if table else ""
        with replicas(url, count=3, **settings) as place:
            yield place


def main() -> None:
    """Measure each, and print the table."""
    rows: dict[str, list[str]] = {}
    for table, middleware in WAYS.values():
        settings = {"MIDDLEWARE": middleware} if middleware else {}
        places: dict[str, Callable[..., Any]] = {
            "four workers (SQLite)": partial(on_one_host, table, **settings),
            "three replicas (Redis)": partial(on_several, table, **settings),
        }
        for name, place in places.items():
            through, seconds = anyio.run(measured, place)
            rows.setdefault(f"{name}: calls of {CALLS} that get through", []).append(str(through))
            killed = f"{seconds:.1f} s" if seconds is not None else "never"
            rows.setdefault(f"{name}: answered after the owner was killed", []).append(killed)
    print(f"mcp {version('mcp')}, medians of {KILLS} kills\n")
    print(f"| | {' | '.join(WAYS)} |", f"|{' --- |' * (len(WAYS) + 1)}", sep="\n")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |")


async def measured(opened: Callable[..., Any]) -> tuple[int, float | None]:
    """Count the calls of a session that are answered, and time the first after each kill."""
    with opened() as place:
        async with raw.Session(place.url) as session:
            await begin(session)
            answers = [await answered(session, "run", text=f"{number}") for number in range(CALLS)]
        seconds = list[float]()
        # Once in vain is enough to know.
        while len(seconds) < KILLS and (after := await after_a_kill(place)) is not None:
            seconds.append(after)
    through = sum(answer is not None for answer in answers)
    return through, statistics.median(seconds) if len(seconds) == KILLS else None


async def after_a_kill(place: Place) -> float | None:
    async with raw.Session(place.url) as session:
        await begin(session)
        owner = await until_answered(session, "whoami")
        if owner is None:
            return None
        kill(place, int(owner))
        begun = time.monotonic()
        answer = await until_answered(session, "run", text="after")
        seconds = time.monotonic() - begun
        all_serve(place)
        return None if answer is None else seconds


async def begin(session: raw.Session) -> None:
    """Open a session; what comes after `initialize` may reach another process."""
    session.session_id = (await session.post(raw.INITIALIZE)).headers["mcp-session-id"]
    with suppress(Exception):
        await session.post(raw.INITIALIZED)


async def until_answered(session: raw.Session, tool: str, **arguments: str) -> str | None:
    ends = time.monotonic() + LIMIT_SECONDS
    while (answer := await answered(session, tool, **arguments)) is None:
        if time.monotonic() > ends:
            return None
        await anyio.sleep(0.05)
    return answer


async def answered(session: raw.Session, tool: str, **arguments: str) -> str | None:
    """Call a tool once; what it says, or nothing."""
    try:
        answer = await session.call(next(numbers), tool, arguments)
    except Exception:  # noqa: BLE001 - a connection that was cut, of either library
        return None
    found = re.search(r'"text":"([^"]*)"', answer.text)
    return found[1] if answer.status_code == HTTPStatus.OK and found else None


if __name__ == "__main__":
    main()
