"""A process that is told to end while it serves: nobody waits for a response that will not come."""

import itertools
import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

import raw
from places import Place, redis, replicas, until, workers

pytestmark = pytest.mark.anyio


@contextmanager
def replicas_with_redis() -> Generator[Place]:
    with redis() as table, replicas(table.url, count=2) as place:
        yield place


numbers = itertools.count(1000)


async def owner_of(session: raw.Session) -> int:
    answer = await session.call(next(numbers), "whoami", {})
    assert answer.status_code == 200, answer.text
    return int(answer.text.split('"text":"')[1].split('"')[0])


def url_of(place: Place, is_it: Callable[[int], bool]) -> tuple[int, str]:
    """The process that is the owner or is not, and its own address."""
    found = [
        (process.pid, f"http://127.0.0.1:{port}/mcp")
        for process, port in zip(place.processes, place.ports, strict=True)
        if is_it(process.pid)
    ]
    return found[0]


async def answer_after_the_end(
    place: Place, session: raw.Session, url: str, pid: int, text: str
) -> Any:
    """Call a tool that takes long, tell a process to end, and return what comes."""
    answers = list[Any]()

    async def call_slowly() -> None:
        arguments = {"text": text, "seconds": 60}
        answers.append(await session.call(7, "slow", arguments, url=url))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call_slowly)
            await until(place.has_noted, "begun", text)
            os.kill(pid, signal.SIGTERM)
    return answers[0]


def assert_ends_with_an_error(answer: Any) -> None:
    assert answer.status_code == 200
    assert '"code":-32603' in answer.text
    assert answer.text.endswith('"id":7}\n\n')
    assert answer.text.count('"id":7') == 1


@pytest.mark.parametrize("is_forwarded", [False, True])
async def test_a_call_at_an_owner_that_is_told_to_end_ends_with_an_error_for_its_id(
    is_forwarded: bool,  # noqa: FBT001
) -> None:
    with replicas_with_redis() as place, anyio.fail_after(120):
        async with raw.Session(place.url) as session:
            await session.open()
            owner = await owner_of(session)
            _, url = url_of(place, lambda pid: (pid == owner) != is_forwarded)
            answer = await answer_after_the_end(place, session, url, owner, "at-the-owner")
            assert_ends_with_an_error(answer)
            # It goes on at the other.
            other, url = url_of(place, lambda pid: pid != owner)
            session.url = url
            assert await owner_of(session) == other
        assert place.noted("begun") == ["at-the-owner"]
        assert place.noted("runs") == []


async def test_a_forwarded_call_ends_with_an_error_when_the_process_in_front_is_told_to_end() -> (
    None
):
    with replicas_with_redis() as place, anyio.fail_after(120):
        async with raw.Session(place.url) as session:
            await session.open()
            owner = await owner_of(session)
            forwarder, url = url_of(place, lambda pid: pid != owner)
            answer = await answer_after_the_end(place, session, url, forwarder, "forwarded")
            assert_ends_with_an_error(answer)
            _, session.url = url_of(place, lambda pid: pid == owner)
            assert await owner_of(session) == owner


async def test_a_worker_that_is_told_to_end_ends_a_stream_in_order() -> None:
    with workers("sqlite", count=1) as place, anyio.fail_after(120):
        async with raw.Session(place.url) as session:
            await session.open()
            owner = await owner_of(session)
            async with session.stream() as stream:
                assert stream.status_code == 200
                os.kill(owner, signal.SIGTERM)
                # Nothing is put behind what answers nobody, and it is no broken connection.
                text = "".join([piece async for piece in stream.aiter_text()])
    assert "error" not in text
