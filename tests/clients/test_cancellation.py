"""A caller may be cancelled at every await of the driver: nobody else is harmed by it.

A trial cancels one call at its n-th checkpoint, whatever it is doing then, and looks at what is
left: those who waited with it are answered, the connections are given back, and nothing ran
twice.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from mcp_session.testing import Exchange

import sdk
from callers import Caller, Scene, answer_in, call_of, session

pytestmark = pytest.mark.anyio

SOON_SECONDS = 20.0
# The long form looks at every checkpoint, the ordinary run at some.
LONG = "MCP_SESSION_EVERY_CANCELLATION" in os.environ
STRIDE = 1 if LONG else 3
# No call of these scenes has more checkpoints than this.
MOST = 400


class Countdown:
    """Cancels the task that it follows as it comes to its n-th checkpoint."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.scope = anyio.CancelScope()
        self.is_spent = False

    def passed(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.is_spent = True
            self.scope.cancel()


class Steps:
    """Drives a coroutine by hand, so that each time it yields to the event loop is seen."""

    def __init__(self, coroutine: Any, countdown: Countdown) -> None:
        self.coroutine = coroutine
        self.countdown = countdown

    def __await__(self) -> Any:
        inner = self.coroutine.__await__()
        sent: Any = None
        thrown: BaseException | None = None
        while True:
            try:
                yielded = inner.throw(thrown) if thrown is not None else inner.send(sent)
            except StopIteration as ended:
                return ended.value
            self.countdown.passed()
            thrown = None
            try:
                sent = yield yielded
            except BaseException as error:  # noqa: BLE001 - it goes on into the coroutine
                thrown = error


Scenario = Callable[[Scene], Awaitable[None]]


async def recovers_with_others(scene: Scene) -> None:
    """Three calls find their session dead together."""
    scene.script.forget()


async def is_redelivered_slowly(scene: Scene) -> None:
    """The 404 has a body that comes in pieces."""

    async def dribble(exchange: Exchange) -> None:
        if exchange.request.session in scene.script.live:
            await scene.script.usual(exchange)
            return
        await exchange.begin(404)
        for _ in range(5):
            await exchange.send(b"x" * 100)
        await exchange.finish()

    scene.script.parts["tools/call"] = dribble
    scene.script.forget()


async def is_streamed(scene: Scene) -> None:
    """Its answer is a stream, in a session that ended."""

    async def stream(exchange: Exchange) -> None:
        if exchange.request.session not in scene.script.live:
            await scene.script.usual(exchange)
            return
        await exchange.begin_events()
        for _ in range(3):
            await exchange.send_event({"jsonrpc": "2.0", "method": "notifications/message"})
        await exchange.send_event(scene.script.result(exchange.request))
        await exchange.finish()

    scene.script.parts["tools/call"] = stream
    scene.script.forget()


async def is_refused_first(scene: Scene) -> None:
    """The server refuses the new session, so that the old one is tried."""
    strays = 1

    async def stray(exchange: Exchange) -> None:
        nonlocal strays
        if strays:
            strays -= 1
            await exchange.answer(404)
        else:
            await scene.script.usual(exchange)

    async def refuse(exchange: Exchange) -> None:
        await exchange.answer(429)

    scene.script.parts |= {"tools/call": stray, "initialize": refuse}


SCENARIOS: list[Scenario] = [
    recovers_with_others,
    is_redelivered_slowly,
    is_streamed,
    is_refused_first,
]


@pytest.mark.parametrize("role", ["leader", "holder"])
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.every_backend
async def test_a_call_cancelled_anywhere_harms_nobody_else(scenario: Scenario, role: str) -> None:
    trials = 0
    for number in range(1, MOST, STRIDE):
        with anyio.fail_after(SOON_SECONDS):
            if not await trial(scenario, role, number):
                break
        trials += 1
    assert trials >= 2


async def trial(scenario: Scenario, role: str, number: int) -> bool:
    """Cancel one of three calls at this checkpoint; say whether it came so far."""
    countdown = Countdown(number)
    limits = sdk.http.Limits(max_connections=4, max_keepalive_connections=4)
    async with session(limits=limits, bound=100) as scene:
        assert await scene.caller.current() == "session-1"
        await scenario(scene)
        answers: list[Any] = []

        async def victim() -> None:
            with countdown.scope:
                await Steps(post(scene.caller, "victim"), countdown)

        async def other(request_id: str) -> None:
            answers.append(await post(scene.caller, request_id))

        async with anyio.create_task_group() as tasks:
            if role == "leader":
                tasks.start_soon(victim)
                await anyio.lowlevel.checkpoint()
            for request_id in ("one", "two"):
                tasks.start_soon(other, request_id)
            if role == "holder":
                tasks.start_soon(victim)

        assert [answer["id"] for answer in answers if "result" in answer or "error" in answer]
        assert {answer["id"] for answer in answers} == {"one", "two"}
        # Every connection is free again: as many calls as there are can run together.
        later: list[str] = []

        async def call() -> None:
            later.append(await scene.caller.current())

        scene.script.parts.clear()
        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(call)
        assert len(later) == 6
        # Nothing ran twice: in a live session each id was seen once at the most.
        ran = [
            (it.message["id"], it.session)
            for it in scene.server.seen("tools/call")
            if it.session in scene.script.live
        ]
        named = [(request_id, at) for request_id, at in ran if isinstance(request_id, str)]
        assert scenario is is_refused_first or len(named) == len(set(named))
    return countdown.is_spent


async def post(caller: Caller, request_id: str) -> Any:
    return answer_in(await caller.post(call_of(request_id)))
