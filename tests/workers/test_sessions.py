"""Plain clients of the SDK, and an application that several processes serve with a table.

Every request opens a connection of its own, and reaches whichever process takes it.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

import raw
from clients import call, connected
from places import Place, redis, replicas, until, workers

pytestmark = pytest.mark.anyio


@contextmanager
def replicas_with_redis(count: int) -> Generator[Place]:
    with redis() as table, replicas(table.url, count=count, EVENTS="{notes}/events.db") as place:
        yield place


PLACES = {
    "four workers, SQLite": lambda: workers("sqlite", count=4, EVENTS="{notes}/events.db"),
    "three replicas, Redis": lambda: replicas_with_redis(3),
}


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest) -> Generator[Place]:
    with PLACES[request.param]() as opened:
        yield opened


async def test_thirty_of_thirty_calls_get_through_and_each_runs_once(place: Place) -> None:
    async with connected(place.url) as session:
        answers = [await call(session, "run", text=f"call-{number}") for number in range(30)]

    assert answers == [f"call-{number}" for number in range(30)]
    runs = place.noted("runs")
    assert [runs.count(f"call-{number}") for number in range(30)] == [1] * 30


async def test_calls_of_ten_clients_at_once_reach_their_own_sessions(place: Place) -> None:
    kept: dict[int, str] = {}

    async def client(number: int) -> None:
        async with connected(place.url) as session:
            for item in range(5):
                kept[number] = await call(session, "remember", text=f"{number}-{item}")

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(client, number)

    # What a server keeps in its memory is there at each call, and nobody else's.
    for number in range(10):
        assert kept[number] == ",".join(f"{number}-{item}" for item in range(5))


async def test_sessions_are_spread_over_the_processes_and_each_stays_where_it_is(
    place: Place,
) -> None:
    owners = list[set[str]]()

    async def use_a_session() -> None:
        async with connected(place.url) as session:
            owners.append({await call(session, "whoami") for _ in range(3)})

    # Of processes that have nothing to do, one may take all that comes one after the other.
    with anyio.fail_after(60):
        while len(set[str]().union(*owners)) < 2:
            async with anyio.create_task_group() as tasks:
                for _ in range(12):
                    tasks.start_soon(use_a_session)

    assert all(len(owner) == 1 for owner in owners)


async def test_twelve_of_twelve_elicitations_are_answered(place: Place) -> None:
    async with connected(place.url) as session:
        answers = [await call(session, "elicit", text=f"q{number}") for number in range(12)]

    assert answers == [f"answer:said q{number}" for number in range(12)]


async def test_twelve_of_twelve_samplings_are_answered(place: Place) -> None:
    async with connected(place.url) as session:
        answers = [await call(session, "ask", text=f"q{number}") for number in range(12)]

    assert answers == [f"answer:heard q{number}" for number in range(12)]


async def test_progress_arrives_step_by_step(place: Place) -> None:
    seen = list[float]()

    async def on_progress(progress: float, _total: float | None, _message: str | None) -> None:
        seen.append(progress)

    async with connected(place.url) as session:
        for _ in range(4):
            await session.call_tool("steps", {"count": 3}, progress_callback=on_progress)

    assert seen == [1, 2, 3] * 4


async def test_what_the_server_pushes_arrives(place: Place) -> None:
    pushed = anyio.Event()

    async def on_message(message: Any) -> None:
        if "ResourceListChanged" in repr(message) or "list_changed" in repr(message):
            pushed.set()

    async with connected(place.url, on_message=on_message) as session:
        with anyio.fail_after(30):
            # The client opens its stream when it likes.
            while not pushed.is_set():
                await call(session, "push")
                await anyio.sleep(0.1)


async def test_a_stream_that_the_server_closed_is_resumed(place: Place) -> None:
    async with connected(place.url) as session:
        for number in range(4):
            assert await call(session, "interrupted", text=str(number)) == f"resumed:{number}"


async def test_a_call_is_cancelled_wherever_the_cancellation_arrives(place: Place) -> None:
    async with raw.Session(place.url) as session:
        await session.open()
        for number in range(4):
            text = f"cancelled-{number}"
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(session.call, 100 + number, "slow", {"text": text, "seconds": 60})
                await until(place.has_noted, "begun", text)
                params = {"requestId": 100 + number}
                await session.notify("notifications/cancelled", params)
                await until(place.has_noted, "cancelled", text)
                tasks.cancel_scope.cancel()


async def test_a_session_that_was_deleted_is_deleted_for_all(place: Place) -> None:
    async with raw.Session(place.url) as session:
        await session.open()
        assert (await session.delete()).status_code in {200, 204}
        for number in range(12):
            answer = await session.post(raw.tool_call(number, "run", {"text": "deleted"}))
            assert answer.status_code == 404
            assert answer.json() == raw.not_found(number)
        assert (await session.delete()).status_code == 404
    assert "deleted" not in place.noted("runs")


async def test_an_unknown_session_is_answered_canonically_by_all(place: Place) -> None:
    async with raw.Session(place.url) as session:
        session.session_id = "0123456789abcdef0123456789abcdef"
        for number in range(8):
            answer = await session.post(raw.tool_call(number, "run", {"text": "unknown"}))
            assert answer.status_code == 404
            assert answer.json() == raw.not_found(number)


async def test_a_large_answer_and_a_large_request_get_through(place: Place) -> None:
    # mcp 2.x takes no event above 1 MiB.
    text = "x" * 500_000
    async with connected(place.url) as session:
        for _ in range(4):
            assert await call(session, "echo", text=text) == text
