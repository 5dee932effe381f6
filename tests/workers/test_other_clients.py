"""Plain clients of other makers, each before several processes with a table.

What each does in its session is the same: calls, something that the server keeps in its memory,
questions of the server's, DELETE. Every request opens a connection of its own.
"""

import json
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import anyio.to_thread
import pytest
from other_clients import ENVIRONMENTS, fastmcp, there, typescript

import raw
from places import TIMEOUT, Place, balancer, redis, replicas, workers
from served import GENERATION

pytestmark = pytest.mark.anyio

CLIENTS = {
    "fastmcp 4": fastmcp("client"),
    "TypeScript 2.4": typescript("client"),
    "rmcp 3.9": [str(ENVIRONMENTS / "cargo-peers" / "debug" / "workers-client")],
}
# The rest is for the whole run: what is built in a minute or more, and the servers of mcp 1.x.
SHORT = {
    ("fastmcp 4", "three replicas, Redis"),
    ("TypeScript 2.4", "four workers, SQLite"),
}


@contextmanager
def replicas_with_redis() -> Generator[Place]:
    with redis() as table, replicas(table.url, count=3) as place:
        yield place


PLACES = {
    "four workers, SQLite": lambda: workers("sqlite", count=4),
    "three replicas, Redis": replicas_with_redis,
}


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest) -> Generator[Place]:
    if not (request.config.getoption("--whole") or GENERATION == "mcp2"):
        pytest.skip("of the whole run")
    with PLACES[request.param]() as opened:
        yield opened


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_of_another_maker_notices_nothing_of_the_processes(
    place: Place,
    name: str,
    request: pytest.FixtureRequest,
    whole: bool,  # noqa: FBT001 - a fixture
) -> None:
    where = request.node.callspec.params["place"]
    if not (whole or (name, where) in SHORT):
        pytest.skip("of the whole run")
    answers, session_id = await anyio.to_thread.run_sync(played, name, place)

    assert answers["run"] == [f"run-{number}" for number in range(30)]
    # What a server keeps in its memory is there at each call.
    kept = [f"remember-{number}" for number in range(5)]
    assert answers["remember"] == [",".join(kept[: number + 1]) for number in range(5)]
    assert answers["elicit"] == [f"answer:said elicit-{number}" for number in range(12)]
    assert answers["ask"] == [f"answer:heard ask-{number}" for number in range(12)]
    # That it was deleted, every process knows.
    async with raw.Session(place.url) as session:
        session.session_id = session_id
        for number in range(12):
            answer = await session.post(raw.tool_call(number, "run", {"text": "deleted"}))
            assert answer.status_code == 404
            assert answer.json() == raw.not_found(number)


def played(name: str, place: Place) -> tuple[dict[str, list[str]], str]:
    """Run a client; what it was answered, and the session that it had."""
    command = there(CLIENTS[name])
    seen = bytearray()
    with balancer([place.port], seen) as port:
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{port}/mcp"],
            stdout=subprocess.PIPE,
            timeout=TIMEOUT,
            check=True,
        )
    print(f"{name}: {seen.count(b'HTTP/1.1 ')} answers", file=sys.stderr)
    sessions = {it.decode() for it in re.findall(rb"(?i)\r\nmcp-session-id: (\S+)\r\n", seen)}
    assert len(sessions) == 1
    answers: dict[str, list[str]] = json.loads(done.stdout)
    return answers, sessions.pop()
