"""The application of this environment in the workers of other servers than uvicorn's own.

How these find and end their workers differs: gunicorn forks, hypercorn spawns, and each shares
the socket in its own way.
"""

import os
import signal
from collections.abc import Generator
from typing import Any

import anyio
import pytest

import raw
from clients import call, connected
from places import Place, all_workers_serve, kill, until, workers
from served import GENERATION

pytestmark = pytest.mark.anyio

# With the SDK alone, uvicorn's are in all the other tests.
SERVERS = ("uvicorn", "gunicorn", "hypercorn")
# A part of them in each environment.
SHORT = {"mcp1": (), "mcp2": ("hypercorn",), "fastmcp": ("gunicorn",)}


@pytest.fixture(scope="module", params=SERVERS)
def place(request: pytest.FixtureRequest) -> Generator[Place]:
    is_whole = request.config.getoption("--whole")
    if not (is_whole or request.param in SHORT[GENERATION]):
        pytest.skip("of the whole run")
    with workers("sqlite", server=request.param, count=4 if is_whole else 2) as opened:
        yield opened


async def test_thirty_of_thirty_calls_get_through_and_each_runs_once(place: Place) -> None:
    async with connected(place.url) as session:
        answers = [await call(session, "run", text=f"call-{number}") for number in range(30)]

    assert answers == [f"call-{number}" for number in range(30)]
    runs = place.noted("runs")
    assert [runs.count(f"call-{number}") for number in range(30)] == [1] * 30


async def test_calls_of_ten_clients_at_once_reach_their_own_sessions(place: Place) -> None:
    kept: dict[int, str] = {}
    owners = set[str]()

    async def client(number: int) -> None:
        async with connected(place.url) as session:
            for item in range(5):
                kept[number] = await call(session, "remember", text=f"{number}-{item}")
            owners.add(await call(session, "whoami"))

    with anyio.fail_after(60):
        while len(owners) < 2:
            async with anyio.create_task_group() as tasks:
                for number in range(10):
                    tasks.start_soon(client, number)

    for number in range(10):
        assert kept[number] == ",".join(f"{number}-{item}" for item in range(5))


async def test_twelve_of_twelve_questions_of_either_kind_are_answered(place: Place) -> None:
    async with connected(place.url) as session:
        elicited = [await call(session, "elicit", text=f"q{number}") for number in range(12)]
        sampled = [await call(session, "ask", text=f"q{number}") for number in range(12)]

    assert elicited == [f"answer:said q{number}" for number in range(12)]
    assert sampled == [f"answer:heard q{number}" for number in range(12)]


async def test_a_session_that_was_deleted_is_deleted_for_all(place: Place) -> None:
    async with raw.Session(place.url) as session:
        await session.open()
        assert (await session.delete()).status_code in {200, 204}
        for number in range(12):
            answer = await session.post(raw.tool_call(number, "run", {"text": "deleted"}))
            assert answer.status_code == 404
            assert answer.json() == raw.not_found(number)
    assert "deleted" not in place.noted("runs")


async def test_a_session_goes_on_when_all_workers_are_replaced(place: Place) -> None:
    async with raw.Session(place.url) as session:
        await session.open()
        before = set(place.workers())
        os.kill(place.processes[0].pid, signal.SIGHUP)
        await until(lambda: not before & set(place.workers()) and all_workers_serve(place))
        with anyio.fail_after(60):
            answer = await session.call(2, "run", {"text": "replaced"})
            while answer.status_code == 503:
                answer = await session.call(2, "run", {"text": "replaced"})
        assert said(answer) == "replaced"


async def test_a_session_goes_on_when_its_worker_is_killed(place: Place) -> None:
    if "hypercorn" in str(place.processes[0].args):
        pytest.skip("hypercorn ends altogether when one of its workers is killed")
    async with connected(place.url) as session:
        owner = int(await call(session, "whoami"))
        kill(place, owner)
        assert await call(session, "run", text="after") == "after"
        assert int(await call(session, "whoami")) != owner
    assert place.noted("runs").count("after") == 1


def said(answer: Any) -> str:
    return str(answer.text.split('"text":"')[1].split('"')[0])
