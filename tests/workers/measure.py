"""Prints the rows of the README about several processes, as measured with the SDK that is here.

    nox -s measure-workers

Twenty sessions at once call a tool 30 times each, a connection for each request, of an application
that is bare, behind the middleware, or behind it with a table. So many are at once, as of processes
that have nothing to do one may take all that comes one after the other: one session alone says
nothing. Then the process that holds a session is killed, five times, and the next call is timed.
"""

import itertools
import re
import statistics
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import anyio
import anyio.to_thread

import raw
from places import Place, all_serve, kill, redis, replicas, workers

SESSIONS = 20
CALLS = 30
KILLS = 5
# What is not answered until then never is.
LIMIT_SECONDS = 15.0
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
    for way, (table, middleware) in WAYS.items():
        settings = {"MIDDLEWARE": middleware} if middleware else {}
        places: dict[str, Callable[..., Any]] = {
            "four workers (SQLite)": partial(on_one_host, table, **settings),
            "three replicas (Redis)": partial(on_several, table, **settings),
        }
        for name, place in places.items():
            through, seconds = anyio.run(measured, place)
            share = f"{sum(through) / (SESSIONS * CALLS):.0%}"
            rows.setdefault(f"{name}: calls that get through", []).append(share)
            least = f"{min(through)} to {max(through)}"
            rows.setdefault(f"{name}: of {CALLS} of one session", []).append(least)
            rows.setdefault(f"{name}: answered after a kill", []).append(shown(seconds))
            print(f"{way}, {name}: {share}, {least}, {shown(seconds)}", file=sys.stderr, flush=True)
    print(f"mcp {version('mcp')}, {SESSIONS} sessions at once, {KILLS} kills\n")
    print(f"| | {' | '.join(WAYS)} |", f"|{' --- |' * (len(WAYS) + 1)}", sep="\n")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |")


def shown(seconds: list[float | None]) -> str:
    answered = [it for it in seconds if it is not None]
    if not answered:
        return "never"
    kills = "" if len(answered) == KILLS else f", after {len(answered)} of {KILLS} kills"
    return f"{statistics.median(answered):.1f} s, at most {max(answered):.1f} s{kills}"


async def measured(opened: Callable[..., Any]) -> tuple[list[int], list[float | None]]:
    """Count what is answered of each session, and time the first call after each kill."""
    with opened() as place:
        through = list[int]()

        async def use_a_session() -> None:
            async with raw.Session(place.url) as session:
                await begin(session)
                texts = [await answered(session, "run", text=f"{it}") for it in range(CALLS)]
                through.append(sum(text is not None for text in texts))

        async with anyio.create_task_group() as tasks:
            for _ in range(SESSIONS):
                tasks.start_soon(use_a_session)
        return through, [await after_a_kill(place) for _ in range(KILLS)]


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
        await anyio.to_thread.run_sync(all_serve, place)
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
