"""Who waits for another request of the same session waits, and does not spin."""

import asyncio
from typing import Any

import anyio
import pytest
from mcp_session._asgi._running import Running

pytestmark = pytest.mark.anyio


class Taking:
    """A run of the machine, as far as is looked at."""

    number = 7
    is_taking = True


async def test_a_request_is_waited_for_until_it_takes_no_more() -> None:
    running, run = Running(), Taking()
    taken: Any = run
    request = running.add(taken)
    request.note_step()
    order = list[str]()

    async def wait() -> None:
        await running.past_the_taking_of(7, 60)
        order.append("woken")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        for _ in range(5):
            await asyncio.sleep(0.05)
            # Each step is told of; it takes on.
            request.note_step()
        order.append("past")
        run.is_taking = False
        request.note_step()

    assert order == ["past", "woken"]


@pytest.mark.parametrize("is_known", [True, False])
async def test_others_run_while_somebody_waits(is_known: bool) -> None:  # noqa: FBT001
    running, run = Running(), Taking()
    taken: Any = run
    if is_known:
        running.add(taken).note_step()
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(turn)
        for _ in range(3):
            await running.past_the_taking_of(7, 0.1)
        assert turns > 3
        tasks.cancel_scope.cancel()


async def test_a_request_that_is_over_is_not_waited_for() -> None:
    running, run = Running(), Taking()
    taken: Any = run
    request = running.add(taken)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(running.past_the_taking_of, 7, 60)
        await asyncio.sleep(0.1)
        running.remove(request)


async def test_all_that_run_can_be_ended() -> None:
    running, run = Running(), Taking()
    taken: Any = run
    request = running.add(taken)
    with request.scope:
        running.end_all()
        await asyncio.sleep(60)
    assert request.is_ended
