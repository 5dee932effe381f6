"""The official SDK's clients and servers, killed, restarted and made to forget.

What a client learns is what its application learns. What it sent is what a server wrote down.
The numbers are those of the situations in which a client has to hold; those for which no real
server does what is needed are in `test_scripted.py`, and so is all of 9, 10, 12 and 13.
"""

import functools
import logging
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

import sdk
from cells import Cell
from servers import Exchange, RealServer, Servers

pytestmark = pytest.mark.anyio

CONNECTION_CLOSED = -32000


# The problem, as it is without us.


async def test_a_plain_client_fails_until_it_is_reconnected(cell: Cell, servers: Servers) -> None:
    async with servers.use(cell.server, *cell.options) as server:
        async with sdk.connect(cell.kind, server.url, sdk.create_plain_http_client) as client:
            await client.list_tools()
            first = sessions(server)[-1]
            await server.restart()

            for _ in range(2):
                with pytest.raises(sdk.CallError):
                    await client.call("echo", text="hello")

        calls = [seen for seen in server.wire() if seen.pid == server.pid and seen.tool]
        assert {(seen.session, seen.status) for seen in calls} == {(first, 404)}
        async with sdk.connect(cell.kind, server.url, sdk.create_plain_http_client) as client:
            assert await client.call("echo", text="hello") == "hello"


@pytest.mark.streamed
async def test_a_plain_client_is_told_nothing_of_a_call_in_flight_by_mcp_1(
    cell: Cell, servers: Servers
) -> None:
    told = False
    async with (
        servers.use(cell.server, *cell.options) as server,
        sdk.connect(cell.kind, server.url, sdk.create_plain_http_client) as client,
    ):
        await client.list_tools()
        with anyio.move_on_after(1.5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(end_sessions_when_called, server)
                with pytest.raises(sdk.CallError):
                    await client.call("slow", seconds=3600)
                told = True

    assert told == sdk.MODERN_SDK


async def test_a_plain_client_does_not_survive_a_call_while_the_server_is_down(
    cell: Cell, servers: Servers
) -> None:
    async with servers.use(cell.server, *cell.options) as server:
        with raises_among_others(sdk.http.ConnectError):
            async with sdk.connect(cell.kind, server.url, sdk.create_plain_http_client) as client:
                await client.list_tools()
                server.kill()
                await client.call("echo", text="hello")


# 1 and 8: sessions that ended, and the end of those that stand.


async def test_the_next_call_after_a_kill_and_restart_succeeds_unnoticed(
    cell: Cell, servers: Servers
) -> None:
    async with servers.use(cell.server, *cell.options) as server:
        async with connect(cell, server) as (client, events):
            await server.restart()

            assert await client.call("echo", text="hello") == "hello"
            assert await client.list_tools()

            assert kinds(events) == ["SessionTerminated", "SessionReinitialized"]
        initial, current = sessions(server)
        assert initial != current
        assert [run.argument for run in server.executions("echo")] == ["hello"]
        assert deletes(server) == [(current, 200)]


async def test_the_next_call_after_a_session_was_deleted_succeeds_unnoticed(
    cell: Cell, servers: Servers
) -> None:
    async with servers.use(cell.server, *cell.options) as server:
        async with connect(cell, server) as (client, events):
            for text in ("hello", "again"):
                await server.end_sessions()

                assert await client.call("echo", text=text) == text

            assert kinds(events) == ["SessionTerminated", "SessionReinitialized"] * 2
        _, _, current = sessions(server)
        assert deletes(server) == [(current, 200)]


async def test_the_next_call_after_an_idle_timeout_succeeds_unnoticed(
    cell: Cell, servers: Servers
) -> None:
    # An open stream would keep the session from being idle.
    idle = ("--idle", "0.3", "--no-get")
    async with servers.use(cell.server, *cell.options, *idle) as server:
        async with connect(cell, server) as (client, events):
            # Nothing can be asked of the session without keeping it.
            await anyio.sleep(1.5)

            assert await client.call("echo", text="hello") == "hello"

            assert "SessionReinitialized" in kinds(events)
        assert len(server.executions("echo")) == 1
        assert deletes(server) == [(sessions(server)[-1], 200)]


async def test_the_end_of_a_session_that_is_gone_already_is_silent(
    cell: Cell, servers: Servers, caplog: pytest.LogCaptureFixture
) -> None:
    async with servers.use(cell.server, *cell.options, "--no-get") as server:
        async with connect(cell, server):
            await server.end_sessions()

        assert deletes(server) == [(sessions(server)[0], 404)]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


# 2: many calls at once.


@pytest.mark.parametrize("calls", [20, 200])
async def test_calls_at_once_after_a_restart_all_succeed_in_one_new_session(
    calls: int, cell: Cell, servers: Servers
) -> None:
    answers: dict[str, str] = {}
    async with (
        servers.use(cell.server, *cell.options) as server,
        connect(cell, server) as (client, _),
    ):
        await server.restart()

        async def call(text: str) -> None:
            answers[text] = await client.call("echo", text=text)

        async with anyio.create_task_group() as tasks:
            for number in range(calls):
                tasks.start_soon(call, str(number))

        assert answers == {str(number): str(number) for number in range(calls)}
        assert len(initializes(server)) == 2
        executed = sorted(int(run.argument) for run in server.executions("echo"))
        assert executed == list(range(calls))


# 3 and 5: the server is not there, and comes back.


async def test_a_call_while_the_server_is_down_fails_alone_and_push_comes_back_with_it(
    cell: Cell, servers: Servers
) -> None:
    async with (
        servers.use(cell.server, *cell.options) as server,
        connect(cell, server) as (client, _),
    ):
        await until_stream_of(server, sessions(server)[0])
        server.kill()

        for _ in range(2):
            with pytest.raises(sdk.CallError) as raised:
                await client.call("echo", text="lost")
            assert raised.value.code == CONNECTION_CLOSED
            assert "could not be reached" in raised.value.message
        await client.notify()
        # Longer than either SDK goes on asking for its stream.
        await anyio.sleep(2.5)

        await server.start()
        assert await client.call("echo", text="hello") == "hello"
        assert [run.argument for run in server.executions("echo")] == ["hello"]
        await until_stream_of(server, sessions(server)[-1])
        await client.call("push")
        await client.until(is_pushed)


async def test_an_initialize_while_the_server_is_down_fails_as_without_us(
    cell: Cell, servers: Servers
) -> None:
    async with servers.use(cell.server, *cell.options) as server:
        server.kill()

        for create in (sdk.create_plain_http_client, sdk.create_http_client):
            with raises_among_others(sdk.http.ConnectError):
                async with sdk.connect(cell.kind, server.url, create):
                    pass


# 4: calls in flight.


async def test_a_call_in_flight_ends_with_an_error_when_the_server_is_killed(
    cell: Cell, servers: Servers
) -> None:
    async with (
        servers.use(cell.server, *cell.options) as server,
        connect(cell, server) as (client, _),
    ):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(restart_when_called, server)
            with pytest.raises(sdk.CallError) as raised:
                await client.call("slow", seconds=3600)
        assert raised.value.code == CONNECTION_CLOSED

        assert await client.call("echo", text="hello") == "hello"
        assert len(server.executions("slow")) == 1
        assert len(server.executions("echo")) == 1


@pytest.mark.streamed
async def test_a_call_in_flight_ends_with_an_error_when_its_session_is_deleted(
    cell: Cell, servers: Servers
) -> None:
    async with (
        servers.use(cell.server, *cell.options) as server,
        connect(cell, server) as (client, _),
    ):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(end_sessions_when_called, server)
            with pytest.raises(sdk.CallError) as raised:
                await client.call("slow", seconds=3600)
        assert raised.value.code == CONNECTION_CLOSED

        assert await client.call("echo", text="hello") == "hello"
        assert len(server.executions("slow")) == 1


@pytest.mark.streamed
async def test_a_call_whose_stream_can_be_resumed_ends_by_its_result_or_with_an_error(
    cell: Cell, servers: Servers
) -> None:
    async with (
        servers.use(cell.server, *cell.options, "--event-store") as server,
        connect(cell, server) as (client, _),
    ):
        assert await client.call("resume", seconds=0.3) == "resumed"

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(restart_when_called, server)
            with pytest.raises(sdk.CallError) as raised:
                await client.call("slow", seconds=3600)
        assert raised.value.code == CONNECTION_CLOSED

        assert await client.call("resume", seconds=0.3) == "resumed"
        assert len(server.executions("slow")) == 1
        assert len(server.executions("resume")) == 2


# 5: what the server sends by itself.


async def test_the_stream_for_push_is_reopened_in_a_new_session_without_any_call(
    cell: Cell, servers: Servers
) -> None:
    async with (
        servers.use(cell.server, *cell.options) as server,
        connect(cell, server) as (client, _),
    ):
        await until_stream_of(server, sessions(server)[0])

        await server.restart()
        await server.until(lambda server: len(sessions(server)) == 2)
        await until_stream_of(server, sessions(server)[1])
        await client.call("push")
        await client.until(is_pushed)

        await server.end_sessions()
        await client.call("echo", text="hello")
        await until_stream_of(server, sessions(server)[-1])
        client.notifications.clear()
        await client.call("push")
        await client.until(is_pushed)


@pytest.mark.streamed
async def test_progress_is_reported_before_and_after_a_recovery(
    cell: Cell, servers: Servers
) -> None:
    async with (
        servers.use(cell.server, *cell.options) as server,
        connect(cell, server) as (client, _),
    ):
        assert await client.call_with_progress("progress", steps=3) == [1.0, 2.0, 3.0]
        await server.restart()
        assert await client.call_with_progress("progress", steps=3) == [1.0, 2.0, 3.0]


# 6: questions of the server's.


@pytest.mark.streamed
@pytest.mark.parametrize("tool", ["ask", "sample"])
async def test_an_answer_to_a_dead_sessions_question_is_dropped_and_the_next_is_given(
    tool: str, cell: Cell, servers: Servers
) -> None:
    async with servers.use(cell.server, *cell.options) as server:
        answered: list[str] = []

        async def answer(question: str) -> str:
            if question == "first":
                # mcp 1.x reads nothing meanwhile; the stream for push comes back by itself.
                await server.until(lambda server: len(sessions(server)) == 2)
            answered.append(question)
            return f"{question} answer"

        async with connect(cell, server, answer=answer) as (client, _):
            await until_stream_of(server, sessions(server)[0])
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(restart_when_asked, client, server)
                with pytest.raises(sdk.CallError):
                    await client.call(tool, question="first")
            await client.until(lambda _: answered)
            # A server of mcp 2.x asks for a sample by that stream, or nobody.
            await until_stream_of(server, sessions(server)[1])

            assert await client.call(tool, question="second") == "second answer"

        assert answered == ["first", "second"]
        replies = [seen for seen in server.wire() if seen.is_reply]
        assert [(seen.session, seen.status) for seen in replies] == [(sessions(server)[1], 202)]


# 7: the server comes back otherwise.


async def test_a_server_that_comes_back_with_another_version_is_spoken_to_in_that(
    cell: Cell, servers: Servers
) -> None:
    async with servers.use(cell.server, *cell.options) as server:
        async with connect(cell, server) as (client, events):
            streams = () if cell.streams else ("--json",)
            await server.restart(*streams, "--protocol", "2025-03-26")

            assert await client.call("echo", text="hello") == "hello"
            assert await client.list_tools()
            await until_stream_of(server, sessions(server)[-1])

        current = sessions(server)[-1]
        seen = [seen for seen in server.wire() if seen.session == current]
        assert {(seen.version, seen.status // 100) for seen in seen} == {("2025-03-26", 2)}
        results = [event.result for event in events if hasattr(event, "result")]
        assert [result["protocolVersion"] for result in results] == ["2025-03-26"]


async def test_a_server_that_needs_its_new_sticky_cookie_gets_it(
    cell: Cell, servers: Servers
) -> None:
    async with servers.use(cell.server, *cell.options, "--cookie") as server:
        async with connect(cell, server) as (client, _):
            await server.restart()

            assert await client.call("echo", text="hello") == "hello"
            assert await client.list_tools()

        current = sessions(server)[-1]
        seen = [seen for seen in server.wire() if seen.session == current]
        cookies = {(seen.cookie, seen.status // 100) for seen in seen}
        assert cookies == {(f"worker={server.pid}", 2)}


async def test_a_token_that_was_rotated_meanwhile_is_fetched_by_the_auth_flow(
    cell: Cell, servers: Servers, tmp_path: Path
) -> None:
    issued = tmp_path / "token"
    issued.write_text("first")
    options = (*cell.options, "--token-file", str(issued))
    async with servers.use(cell.server, *options) as server:
        async with connect(cell, server, auth=rotating_token(issued)) as (client, _):
            issued.write_text("second")
            await server.restart()

            assert await client.call("echo", text="hello") == "hello"
            assert await client.list_tools()

        current = sessions(server)[-1]
        seen = [seen for seen in server.wire() if seen.session == current]
        tokens = {(seen.authorization, seen.status // 100) for seen in seen}
        assert tokens == {("Bearer second", 2)}


# 11: several sessions over one client.


@pytest.mark.parametrize("kind", [kind for kind in sdk.KINDS if kind != sdk.FACTORY])
async def test_sessions_that_share_a_client_recover_each_by_itself(
    kind: str, servers: Servers
) -> None:
    legacy = ("--protocol", "2025-11-25") if kind == sdk.AUTO else ()
    async with servers.use("mcp2", *legacy) as lost, servers.use("mcp1") as kept:
        async with (
            sdk.create_http_client() as http_client,
            sdk.connect(kind, lost.url, http_client=http_client) as first,
            sdk.connect(kind, lost.url, http_client=http_client) as second,
            sdk.connect(kind, kept.url, http_client=http_client) as third,
        ):
            clients = (first, second, third)
            for client in clients:
                await client.list_tools()
            await lost.restart()

            for round_ in ("hello", "again"):
                for client in clients:
                    assert await client.call("echo", text=round_) == round_

        *initial, one, other = sessions(lost)
        assert len(initial) == 2
        assert sorted(deletes(lost)) == sorted([(one, 200), (other, 200)])
        assert deletes(kept) == [(sessions(kept)[0], 200)]
        for session in (one, other):
            calls = [seen for seen in lost.wire() if seen.session == session and seen.tool]
            assert len(calls) == 2


# 14: applications that raise.


@pytest.mark.streamed
async def test_a_hook_and_a_callback_that_raise_do_not_break_the_session(
    cell: Cell, servers: Servers
) -> None:
    told: list[object] = []

    def on_event(event: object) -> None:
        told.append(event)
        raise OwnFaultError

    async def answer(question: str) -> str:
        if question == "first":
            raise OwnFaultError
        return "yes"

    async with (
        servers.use(cell.server, *cell.options) as server,
        connect(cell, server, answer=answer, on_event=on_event) as (client, _),
    ):
        await server.restart()
        assert await client.call("echo", text="hello") == "hello"
        with pytest.raises(sdk.CallError):
            await client.call("ask", question="first")
        await server.end_sessions()
        assert await client.call("ask", question="second") == "yes"

    assert kinds(told) == ["SessionTerminated", "SessionReinitialized"] * 2


class OwnFaultError(Exception):
    """What an application raises."""


@asynccontextmanager
async def connect(
    cell: Cell,
    server: RealServer,
    *,
    auth: Any = None,
    answer: sdk.AnswerQuestion | None = None,
    **options: Any,
) -> "AsyncGenerator[tuple[sdk.Connected, list[Any]]]":
    """Connect a client over ours, and wait until it is at rest; give what it is told, too."""
    events: list[Any] = []
    create = functools.partial(sdk.create_http_client, **({"on_event": events.append} | options))
    async with sdk.connect(cell.kind, server.url, create, auth=auth, answer=answer) as client:
        await client.list_tools()
        yield client, events


def rotating_token(issued: Path) -> Any:
    """An auth flow that fetches the issued token when its own is refused."""

    class RotatingToken(sdk.http.Auth):  # type: ignore[misc]
        token = issued.read_text()

        async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
            request.headers["authorization"] = f"Bearer {self.token}"
            response = yield request
            if response.status_code == 401:
                self.token = await anyio.Path(issued).read_text()
                request.headers["authorization"] = f"Bearer {self.token}"
                yield request

    return RotatingToken()


async def restart_when_called(server: RealServer) -> None:
    await server.until(lambda server: server.executions("slow"))
    await server.restart()


async def end_sessions_when_called(server: RealServer) -> None:
    await server.until(lambda server: server.executions("slow"))
    await server.end_sessions()


async def restart_when_asked(client: sdk.Connected, server: RealServer) -> None:
    await client.until(lambda client: client.questions)
    await server.restart()


def is_pushed(client: sdk.Connected) -> bool:
    return "notifications/resources/list_changed" in client.notifications


async def until_stream_of(server: RealServer, session: str) -> None:
    """Wait until the standalone stream of a session is open."""

    def is_open(server: RealServer) -> bool:
        return any(
            (seen.method, seen.session, seen.status) == ("GET", session, 200)
            for seen in server.wire()
        )

    await server.until(is_open)


@contextmanager
def raises_among_others(kind: type[Exception]) -> Generator[None]:
    """Expect an error of this kind, in whatever groups the SDK's tasks have wrapped it."""
    try:
        yield
    except Exception as error:
        if not any(isinstance(leaf, kind) for leaf in leaves(error)):
            raise
    else:
        pytest.fail(f"there was no {kind.__name__}")


def leaves(error: BaseException) -> Iterator[BaseException]:
    for inner in getattr(error, "exceptions", ()):
        yield from leaves(inner)
    yield error


def initializes(server: RealServer) -> list[Exchange]:
    return [seen for seen in server.wire() if seen.message == "initialize"]


def sessions(server: RealServer) -> list[str]:
    """The sessions that were begun, one after the other."""
    return [seen.given_session for seen in initializes(server) if seen.given_session]


def deletes(server: RealServer) -> list[tuple[str | None, int]]:
    return [(seen.session, seen.status) for seen in server.wire() if seen.method == "DELETE"]


def kinds(events: list[Any]) -> list[str]:
    return [type(event).__name__ for event in events]
