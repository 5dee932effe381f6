"""What happens to a session, and what its client should make of that.

Each situation is one that an application lives through: it returns if the application noticed
nothing but what it had to, and raises otherwise.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import TypeAlias

import anyio

import sdk
from peer_clients import Connected
from peer_servers import AnyServer, ForeignServer, PythonServer
from plan import COMPARED, MODERN_SERVERS
from servers import Exchange


class DiffersError(Exception):
    """It went otherwise than it should have."""


@dataclass(frozen=True)
class Play:
    """One client and one server, and how long a call may take."""

    server: AnyServer
    connect: Callable[[], AbstractAsyncContextManager[Connected]]
    """The client in question, plain or with our HTTP client."""
    connect_plain: Callable[[], AbstractAsyncContextManager[Connected]]
    seconds: float

    async def call(self, client: Connected, tool: str, **arguments: object) -> str:
        """Call a tool, for as long as a call may take."""
        with anyio.fail_after(self.seconds):
            return await client.call(tool, **arguments)

    async def echo(self, client: Connected, text: str) -> None:
        """Have something said, and see that this was said."""
        said = await self.call(client, "echo", **{self.server.echo_argument: text})
        # One of the servers has a word of its own to say with it.
        expect(said.removeprefix("Echo: ") == text, f"{said!r} was said instead of {text!r}")

    async def fails(self, client: Connected, tool: str, **arguments: object) -> None:
        """See that a call fails, and does so by itself."""
        failed = False
        try:
            await self.call(client, tool, **arguments)
        except sdk.CallError:
            failed = True
        expect(failed, "a call succeeded that could not")

    @property
    def python_server(self) -> PythonServer:
        """The server, which writes down what it sees."""
        assert isinstance(self.server, PythonServer)
        return self.server


async def restart(play: Play) -> None:
    """The server is killed and restarted: the next call succeeds."""
    async with play.connect() as client:
        await client.list_tools()
        await play.server.restart()
        await play.echo(client, "hello")
        await client.list_tools()
    expect_runs(play, "echo", 1)


async def deleted(play: Play) -> None:
    """The session is deleted behind the client's back, twice: the next call succeeds."""
    async with play.connect() as client:
        await client.list_tools()
        for text in ("hello", "again"):
            await play.python_server.end_sessions()
            await play.echo(client, text)
    expect_runs(play, "echo", 2)


async def idle(play: Play) -> None:
    """The session is ended by the server's idle timeout: the next call succeeds."""
    async with play.connect() as client:
        await client.list_tools()
        # Nothing can be asked of the session without keeping it.
        await anyio.sleep(1.5)
        await play.echo(client, "hello")
    expect_runs(play, "echo", 1)


async def together(play: Play) -> None:
    """Twenty calls at once after a restart all succeed, in one new session."""
    async with play.connect() as client:
        await client.list_tools()
        await play.server.restart()
        failures: list[sdk.CallError] = []

        async def echo(number: int) -> None:
            try:
                await play.echo(client, str(number))
            except sdk.CallError as error:
                # The others go on.
                failures.append(error)

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(echo, number)
        if failures:
            raise failures[0]
    expect_runs(play, "echo", 20)
    begun = len(initializes(play.server))
    expect(begun == 2, f"{begun - 1} sessions were begun after the restart")


async def down(play: Play) -> None:
    """A call while the server is down fails, alone: the client lives until it is back."""
    async with play.connect() as client:
        await client.list_tools()
        play.server.kill()
        for _ in range(2):
            await play.fails(client, "echo", **{play.server.echo_argument: "lost"})
        await play.server.start()
        await play.echo(client, "hello")
    expect_runs(play, "echo", 1)


async def ended_in_flight(play: Play) -> None:
    """A call whose session is deleted ends with an error, and is not executed twice."""
    await in_flight(play, play.python_server.end_sessions)


async def killed_in_flight(play: Play) -> None:
    """A call whose server is killed ends with an error, and is not executed twice."""
    await in_flight(play, play.python_server.restart)


async def push(play: Play) -> None:
    """After a restart the server reaches the client again, by a stream in the new session."""
    server = play.python_server
    async with play.connect() as client:
        await client.list_tools()
        await until_stream(play)
        await server.restart()
        await play.echo(client, "hello")
        await until_stream(play)
        await play.call(client, "push")
        with anyio.fail_after(play.seconds):
            await client.until(was_notified)


async def close(play: Play) -> None:
    """After a restart the end of the client ends the session that stands then, silently."""
    async with play.connect() as client:
        await client.list_tools()
        await play.server.restart()
        # Whether this succeeds is another question.
        with suppress(sdk.CallError):
            await play.echo(client, "hello")
    deletes = [seen for seen in play.server.wire() if seen.method == "DELETE"]
    expect(len(deletes) == 1, f"{len(deletes)} DELETEs were sent")
    (delete,) = deletes
    expect(delete.status < 300, f"the DELETE was answered {delete.status}")
    expect(delete.session == sessions(play.server)[-1], "the DELETE was of another session")


async def sessionless(play: Play) -> None:
    """With a server without sessions not one exchange is another than without us."""
    await unchanged(play)


async def modern(play: Play) -> None:
    """By 2026-07-28, which has no sessions, not one exchange is another than without us."""
    seen = await unchanged(play)
    versions = {exchange.version for exchange in seen}
    expect(versions == {"2026-07-28"}, f"they spoke {versions}")


async def modern_down(play: Play) -> None:
    """By 2026-07-28 a call while the server is down fails, alone."""
    await down(play)
    versions = {exchange.version for exchange in play.server.wire()}
    expect(versions == {"2026-07-28"}, f"they spoke {versions}")


Situation: TypeAlias = Callable[[Play], Awaitable[None]]

SITUATIONS: dict[str, Situation] = {
    "restart": restart,
    "deleted": deleted,
    "idle timeout": idle,
    "20 at once": together,
    "call while down": down,
    "in flight, deleted": ended_in_flight,
    "in flight, killed": killed_in_flight,
    "push": push,
    "close": close,
    "sessionless": sessionless,
    "modern": modern,
    "down, sessionless": down,
    "down, modern": modern_down,
}

SERVER_OPTIONS = {
    # An open stream would keep the session from being idle.
    "idle timeout": ("--idle", "0.3", "--no-get"),
    "sessionless": ("--stateless",),
    "down, sessionless": ("--stateless",),
}


def server_options(situation: str, server: str) -> tuple[str, ...]:
    """What a server is told, so that the situation can arise."""
    own = SERVER_OPTIONS.get(situation, ())
    # Otherwise the newer clients would agree with it on a revision that has no sessions.
    is_legacy = server in MODERN_SERVERS and situation not in {*COMPARED, "down, modern"}
    return (*own, "--protocol", "2025-11-25") if is_legacy else own


async def in_flight(play: Play, end: Callable[[], Awaitable[None]]) -> None:
    server = play.python_server

    async def end_when_called() -> None:
        await server.until(lambda server: server.executions("slow"))
        await end()
        await server.until(lambda server: len(server.executions("slow")) > 1)
        expect(is_so=False, otherwise="the call was executed again")

    async with play.connect() as client:
        await client.list_tools()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(end_when_called)
            await play.fails(client, "slow", seconds=3600)
            tasks.cancel_scope.cancel()
        await play.echo(client, "hello")
    expect_runs(play, "slow", 1)
    expect_runs(play, "echo", 1)


async def unchanged(play: Play) -> list[Exchange]:
    """Do the same without us and with the client in question; return what that one did."""
    server, seen = play.python_server, list[Exchange]()
    facts: list[Counter[tuple[object, ...]]] = []
    for connect in (play.connect_plain, play.connect):
        before = len(server.wire())
        async with connect() as client:
            await client.list_tools()
            await play.echo(client, "hello")
            await server.restart()
            await play.echo(client, "again")
        seen = server.wire()[before:]
        # How often a client asks for a stream that ends at once is a matter of time.
        facts.append(Counter(map(comparable, seen)) - Counter(map(comparable, streams(seen))))
    first, second = facts
    expect(first == second, f"exchanges differ: {first - second} and {second - first}")
    return seen


def comparable(seen: Exchange) -> tuple[object, ...]:
    """What has to be the same with and without us."""
    return (
        seen.method,
        seen.version,
        seen.session,
        seen.message,
        seen.id,
        seen.tool,
        seen.status,
    )


def streams(exchanges: list[Exchange]) -> list[Exchange]:
    return [seen for seen in exchanges if seen.method == "GET"]


async def until_stream(play: Play) -> None:
    """Wait until the standalone stream of the newest session is open."""

    def is_open(server: object) -> bool:
        assert isinstance(server, PythonServer)
        newest = sessions(server)[-1]
        return any((seen.session, seen.status) == (newest, 200) for seen in streams(server.wire()))

    with anyio.fail_after(play.seconds):
        await play.python_server.until(is_open)


def was_notified(client: sdk.Connected) -> bool:
    return "notifications/resources/list_changed" in client.notifications


def initializes(server: AnyServer) -> list[Exchange]:
    return [seen for seen in server.wire() if seen.message == "initialize"]


def sessions(server: AnyServer) -> list[str]:
    """The sessions that were begun, one after the other."""
    return [seen.given_session for seen in initializes(server) if seen.given_session]


def expect_runs(play: Play, tool: str, times: int) -> None:
    """See how often a tool ran, if its server says."""
    if isinstance(play.server, ForeignServer):
        return
    runs = len(play.server.executions(tool))
    expect(runs == times, f"{tool} was executed {runs} times instead of {times}")


def expect(is_so: bool, otherwise: str) -> None:  # noqa: FBT001  # read as a sentence
    if not is_so:
        raise DiffersError(otherwise)
