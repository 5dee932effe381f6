"""The client without `async`, shared by threads. All else is asked of it by `--threads`."""

from collections.abc import AsyncGenerator, Iterator
from typing import Any

import anyio
import mcp_session
import pytest
from mcp_session._client import streams
from mcp_session._client.options import FAILURES_TOLD_AT_ONCE
from mcp_session.testing import Exchange, Script, SmallServer, scripted_server

import sdk
import threads
from callers import CONNECTION_CLOSED, Caller, answer_in, call_of
from servers import Servers

pytestmark = pytest.mark.anyio

CALLS = 20


@pytest.mark.parametrize("generation", ["mcp1", "mcp2"])
async def test_threads_that_fail_together_get_one_new_session(
    generation: str, servers: Servers
) -> None:
    async with servers.use(generation) as server, threads.create_http_client() as http_client:
        caller = Caller(http_client, server.url)
        await caller.open()
        await server.restart()
        answers: list[Any] = []

        async def call(number: int) -> None:
            call = call_of(number)
            call["params"] = {"name": "echo", "arguments": {"text": str(number)}}
            answers.append(await caller.post(call))

        async with anyio.create_task_group() as tasks:
            for number in range(1, CALLS + 1):
                tasks.start_soon(call, number)

        assert [answer.status_code for answer in answers] == [200] * CALLS
        assert len(server.executions("echo")) == CALLS
        assert [seen.message for seen in server.wire()].count("initialize") == 2


async def test_threads_read_long_answers_and_streams_together() -> None:
    small, padding = SmallServer(), "x" * 300_000

    async def answer(exchange: Exchange) -> None:
        message = small.result(exchange.request) | {"padding": padding}
        if int(exchange.request.message["id"]) % 2:
            await exchange.answer_json(message)
        else:
            await exchange.begin_events()
            await exchange.send_event(message)
            await exchange.finish()

    small.parts["tools/call"] = answer
    async with scripted_server(small) as server, threads.create_http_client() as http_client:
        caller = Caller(http_client, server.url)
        await caller.open()
        ends = 0

        async def call_on(first: int) -> None:
            nonlocal ends
            for number in range(first, first + 25):
                ended = answer_in(await caller.post(call_of(number)))
                assert (ended["id"], ended["padding"]) == (number, padding)
                ends += 1

        async with anyio.create_task_group() as tasks:
            for first in range(0, 200, 25):
                tasks.start_soon(call_on, first)

        assert ends == 200


@pytest.mark.parametrize("reads", [True, False])
async def test_a_hook_that_raises_for_a_status_hides_no_end_of_a_session(*, reads: bool) -> None:
    def hook(response: Any) -> None:
        if reads:
            response.read()
        response.raise_for_status()

    small = SmallServer()
    async with (
        scripted_server(small) as server,
        threads.create_http_client(event_hooks={"response": [hook]}) as http_client,
    ):
        caller = Caller(http_client, server.url)
        await caller.open()
        small.forget()

        assert await caller.current() == "session-2"


async def test_a_call_that_is_sent_again_has_as_much_time_as_before() -> None:
    small = SmallServer()

    async def slow(exchange: Exchange) -> None:
        if exchange.request.session in small.live:
            # Longer than what is left of a refusal is read for.
            await anyio.sleep(streams.DRAIN_SECONDS + 0.5)
        await small.usual(exchange)

    async with (
        scripted_server(small) as server,
        threads.create_http_client(timeout=30) as http_client,
    ):
        caller = Caller(http_client, server.url)
        await caller.open()
        long = streams.DRAIN_SECONDS + 0.5
        small.parts |= {"tools/call": slow, "initialize": slow_initialize(small, long)}
        small.forget()

        assert await caller.current() == "session-2"


def slow_initialize(small: SmallServer, seconds: float) -> Script:
    async def answer(exchange: Exchange) -> None:
        await anyio.sleep(seconds)
        await small.usual(exchange)

    return answer


async def test_a_hook_that_gives_what_cannot_be_awaited_here_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Hook:
        async def __call__(self, _event: object) -> None:
            pass

    small = SmallServer()
    async with (
        scripted_server(small) as server,
        threads.create_http_client(on_event=Hook()) as http_client,
    ):
        caller = Caller(http_client, server.url)
        await caller.open()
        small.forget()

        assert await caller.current() == "session-2"
    assert "TypeError" in caplog.text


async def test_a_hook_that_calls_a_server_that_is_down_is_told_no_deeper_than_a_bound(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[object] = []

    def on_event(event: object) -> None:
        told.append(event)
        client.post(caller.url, json=call_of(len(told)), headers={"mcp-session-id": "session-1"})

    client = sdk.ours().Client(on_event=on_event)
    async with (
        scripted_server(SmallServer()) as server,
        threads.Threaded(client) as http_client,
    ):
        caller = Caller(http_client, server.url)
        await caller.open()
        server.down()

        assert (await caller.call())["error"]["code"] == CONNECTION_CLOSED
    assert len(told) == FAILURES_TOLD_AT_ONCE
    assert "the hook on_event failed" not in caplog.text


@pytest.mark.parametrize("option", ["recovery_timeout", "hold_timeout"])
async def test_a_limit_of_years_is_one(option: str) -> None:
    small = SmallServer()
    years: dict[str, Any] = {option: 1e10}
    async with (
        scripted_server(small) as server,
        threads.create_http_client(timeout=sdk.http.Timeout(None), **years) as http_client,
    ):
        caller = Caller(http_client, server.url)
        await caller.open()
        small.parts["initialize"] = slow_initialize(small, 0.5)
        small.forget()
        answers: list[str] = []

        async def call() -> None:
            answers.append(await caller.current())

        # One waits for the other.
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            tasks.start_soon(call)

        assert answers == ["session-2"] * 2


async def test_a_stream_that_a_thread_waits_for_ends_when_its_session_was_replaced() -> None:
    small = SmallServer()
    async with scripted_server(small) as server, threads.create_http_client() as http_client:
        caller = Caller(http_client, server.url)
        await caller.open()
        async with caller.get() as response:
            small.forget()
            await caller.current()

            assert await response.aread() == b""


async def test_a_call_to_a_server_that_is_down_fails_alone() -> None:
    async with (
        scripted_server(SmallServer()) as server,
        threads.create_http_client() as http_client,
    ):
        caller = Caller(http_client, server.url)
        await caller.open()
        server.down()

        assert (await caller.call())["error"]["code"] == CONNECTION_CLOSED

        server.up()
        assert await caller.current() == "session-1"


async def test_a_server_that_is_silent_is_waited_for_no_longer_than_was_said() -> None:
    small = SmallServer()
    async with (
        scripted_server(small) as server,
        threads.create_http_client(recovery_timeout=0.3, timeout=None) as http_client,
    ):
        caller = Caller(http_client, server.url)
        await caller.open()
        small.forget()
        small.parts["initialize"] = never

        answers: list[Any] = []

        async def call() -> None:
            answers.append(await caller.call())

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(call)

        assert [answer["error"]["code"] for answer in answers] == [CONNECTION_CLOSED] * 3


async def test_a_body_that_is_made_as_it_is_sent_opens_a_session_too() -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"jsonrpc":"2.0","id":0,'
        yield b'"method":"ping"}'

    small = SmallServer()
    async with scripted_server(small) as server, threads.create_http_client() as http_client:
        caller = Caller(http_client, server.url)
        await caller.open()
        small.forget()
        response = await caller.send("POST", content=pieces())

        assert response.status_code == 200
        assert [request.body for request in server.seen("ping")] == [b"".join(pieces())] * 2


async def test_a_body_that_has_to_be_awaited_is_refused_in_a_session_as_without_one() -> None:
    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"{}"

    async with scripted_server(SmallServer()) as server, threads.create_http_client() as client:
        caller = Caller(client, server.url)
        await caller.open()
        with pytest.raises(RuntimeError, match="Attempted to send"):
            await caller.send("POST", content=pieces())


async def test_a_client_of_the_library_is_made_to_follow() -> None:
    small = SmallServer()
    events: list[Any] = []
    client = mcp_session.follow(sdk.http.Client(), on_event=events.append)
    async with scripted_server(small) as server, threads.Threaded(client) as http_client:
        caller = Caller(http_client, server.url)
        await caller.open()
        small.forget()

        assert await caller.current() == "session-2"
        assert mcp_session.follow(client).send is client.send
    assert len(events) == 2


def test_a_hook_that_would_have_to_be_awaited_is_refused() -> None:
    async def on_event(_event: object) -> None:
        pass

    with pytest.raises(TypeError, match="on_event must be no coroutine function"):
        sdk.ours().Client(on_event=on_event)


async def never(exchange: Exchange) -> None:
    await exchange.until_left()
