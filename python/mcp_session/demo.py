"""The demonstration: a real server is killed, and two real clients live through it or do not.

Server and clients are those of the official SDK. The two applications differ in one line, the
HTTP client they give to the SDK, and go through the same at the same time. What is shown of the
wire comes from event hooks of the HTTP client, which rule decided from the hook `on_event`.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from asyncio import CancelledError
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel
import anyio.to_thread
import click
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import TextContent
from rich.table import Table
from rich.text import Text

from mcp_session import _demo_server, peek
from mcp_session._fingerprint import fingerprint
from mcp_session.cli import explanation
from mcp_session.httpx2 import AsyncClient, SessionReinitialized, SessionTerminated

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from rich.console import Console
    from typing_extensions import Self

    from mcp_session import Rule
    from mcp_session.httpx2 import SessionEvent

__all__ = ["main"]

# What is left of a minute is for Python to start, and to end everything.
LONGEST_SECONDS, START_SECONDS, ORDER_SECONDS, CALL_SECONDS = 50.0, 20.0, 10.0, 8.0

# The timeouts are the SDK's own; a proxy has no business between two processes of one machine.
OPTIONS: dict[str, Any] = {"timeout": httpx2.Timeout(30.0, read=300.0), "trust_env": False}

SESSION_ID = "mcp-session-id"

# Of a fingerprint: enough to tell a handful of sessions apart.
DIGITS = 6

# Of one timeline, in columns of text.
WIDEST = 46

WIRE, HOOK, GOOD, POOR, BAD = "dim", "cyan", "bold green", "bold yellow", "bold red"


def main(console: Console) -> bool:
    """Run the demonstration, print both timelines, and say whether it shows what it is for.

    That is: the application with the client of `mcp_session` recovers, and the other does not.
    What is waited for is said on stderr meanwhile.
    """
    # The SDK logs what the applications see; with no handler Python prints that in between.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        demonstration = anyio.run(perform)
    except CancelledError:
        # How Ctrl-C arrives from the event loops of CPython 3.10.
        raise KeyboardInterrupt from None
    show(demonstration, console)
    return demonstration.ours.has_recovered and not demonstration.plain.has_recovered


async def perform() -> Demonstration:
    """Return what happened."""
    demonstration = Demonstration()
    await demonstration.run()
    return demonstration


class Demonstration:
    """What happens to the server, and what both applications do at that time."""

    def __init__(self) -> None:
        """Begin with nothing done."""
        self.plain = Application("httpx2.AsyncClient")
        self.ours = Application("mcp_session.httpx2.AsyncClient")
        self.acts: list[Act] = []
        self.problem = ""
        """What went wrong with the demonstration itself."""
        self._begun = time.monotonic()
        self._last_said = ""
        self._limit = anyio.CancelScope()

    async def run(self) -> None:
        """Perform all of it, or as much as there is time for."""
        with Server(self._say) as server:
            with anyio.move_on_after(LONGEST_SECONDS) as self._limit:
                await self._perform(server)
            if self._limit.cancelled_caught:
                self.problem = f"given up, {self._last_said}"

    async def _perform(self, server: Server) -> None:
        plain, ours = self.plain, self.ours
        await self._start(server, "start")
        async with (
            httpx2.AsyncClient(event_hooks=plain.event_hooks, **OPTIONS) as plain_client,
            AsyncClient(event_hooks=ours.event_hooks, on_event=ours.hear, **OPTIONS) as our_client,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(plain.run, plain_client, server.url)
            tasks.start_soon(ours.run, our_client, server.url)
            await self._order_both("connect")
            await self._order_both("call 1")
            self._kill(server)
            await self._start(server, "restart")
            await self._order_both("call 2")
            await self._order_both("call 3")
            self._kill(server)
            await self._order_both("call 4", is_answerable=False)
            await self._start(server, "restart")
            await self._order_both("call 5")
            await self._order_both("close")

    async def _start(self, server: Server, title: str) -> None:
        self._begin(title)
        if not await server.start():
            await self._give_up()

    def _kill(self, server: Server) -> None:
        self._begin("kill")
        server.kill()

    async def _order_both(self, what: str, *, is_answerable: bool = True) -> None:
        self._begin(what)
        self._say(f"{what}: waiting for both applications, at most {ORDER_SECONDS:.0f} s")
        with anyio.move_on_after(ORDER_SECONDS) as limit:
            async with anyio.create_task_group() as tasks:
                for application in (self.plain, self.ours):
                    tasks.start_soon(application.obey, Order(what, is_answerable))
        if limit.cancelled_caught:
            await self._give_up()

    async def _give_up(self) -> None:
        self._limit.cancel()
        await anyio.lowlevel.checkpoint()

    def _begin(self, title: str) -> None:
        act = Act(title, time.monotonic() - self._begun)
        self.acts.append(act)
        self.plain.lines, self.ours.lines = act.plain, act.ours

    def _say(self, what: str) -> None:
        self._last_said = what
        click.echo(f"mcp-session: {what}", err=True)


@dataclass(frozen=True)
class Act:
    """A row of both timelines."""

    title: str
    seconds: float
    plain: list[Line] = field(default_factory=list["Line"])
    ours: list[Line] = field(default_factory=list["Line"])


@dataclass
class Line:
    """Something that was seen: on the wire, by a hook, or by an application."""

    text: str
    style: str
    answer: str = ""
    """Of what went over the wire: what came back."""


@dataclass(frozen=True)
class Order:
    """Something for an application to do: to connect, to make a call, to close."""

    what: str
    is_answerable: bool
    """Whether there is a server that can answer."""
    done: anyio.Event = field(default_factory=anyio.Event)


class Application:
    """A program with a client of the official SDK."""

    def __init__(self, name: str) -> None:
        """Begin with nothing done; `name` is that of the HTTP client's class."""
        self.name = name
        self.lines: list[Line] = []
        """Of the act that is being performed."""
        self.rules: list[Rule] = []
        self.answerable = 0
        self.answered = 0
        self.has_survived = False
        self.event_hooks: dict[str, list[Callable[..., Any]]] = {
            "request": [self._note_request],
            "response": [self._note_response],
        }
        self._on_the_wire: dict[httpx2.Request, Line] = {}
        self._order = self._taken = Order("nothing", is_answerable=False)
        self._has_order = anyio.Event()

    @property
    def has_recovered(self) -> bool:
        """Whether each call was answered for which there was a server, and the end was clean."""
        return self.has_survived and self.answered == self.answerable > 0

    async def obey(self, order: Order) -> None:
        """Have something done; return when it is."""
        self._order = order
        self._has_order.set()
        await order.done.wait()

    async def run(self, http_client: httpx2.AsyncClient, url: str) -> None:
        """Do what is ordered, with a client that is alive as long as the SDK keeps it so."""
        transport = streamable_http_client(url, http_client=http_client)
        # Of the SDK's two handshakes, the one that opens a session.
        client = Client(transport, mode="legacy")
        await self._next()
        try:
            async with client:
                self._saw("connected", GOOD)
                await self._call_until_closed(client)
            self._saw("closed", GOOD)
            self.has_survived = True
        except Exception as error:  # noqa: BLE001 - the SDK raises whatever it meets
            self._saw(f"the client has died: {described(error)}", BAD)
            await self._call_until_closed(client)
        finally:
            self._finish()

    async def hear(self, event: SessionEvent) -> None:
        """Note an event of the sessions."""
        if isinstance(event, SessionTerminated):
            self.rules.append(event.rule)
            what = f"rule {event.rule.value}"
        elif isinstance(event, SessionReinitialized):
            what = f"session {event.fingerprint[:DIGITS]}"
        else:
            what = f"reason {event.reason.value}"
        self.lines.append(Line(f"hook: {type(event).__name__}, {what}", HOOK))

    async def _call_until_closed(self, client: Client) -> None:
        while (order := await self._next()).what != "close":
            await self._call(client, order)

    async def _call(self, client: Client, order: Order) -> None:
        self.answerable += order.is_answerable
        try:
            with anyio.fail_after(CALL_SECONDS):
                result = await client.call_tool("echo", {"text": order.what})
        except TimeoutError:
            self._saw(f"no answer within {CALL_SECONDS:.0f} s", BAD)
        except Exception as error:  # noqa: BLE001 - the SDK raises whatever it meets
            self._saw(described(error), BAD if order.is_answerable else POOR)
        else:
            texts = [block.text for block in result.content if isinstance(block, TextContent)]
            self.answered += texts == [order.what]
            self._saw(f"answered: {', '.join(texts)}", GOOD)

    async def _next(self) -> Order:
        self._finish()
        await self._has_order.wait()
        self._has_order = anyio.Event()
        self._taken = self._order
        return self._taken

    def _finish(self) -> None:
        self._taken.done.set()

    def _saw(self, what: str, style: str) -> None:
        self.lines.append(Line(f"app: {what}", style))

    async def _note_request(self, request: httpx2.Request) -> None:
        session = shown(request.headers.get(SESSION_ID))
        message = peek(request.content).method or ""
        line = Line(" ".join(filter(None, (request.method, message, session))), WIRE, "no answer")
        self._on_the_wire[request] = line
        self.lines.append(line)

    async def _note_response(self, response: httpx2.Response) -> None:
        is_new = SESSION_ID not in response.request.headers
        session = shown(response.headers.get(SESSION_ID)) if is_new else ""
        answer = " ".join(filter(None, (str(response.status_code), session)))
        self._on_the_wire[response.request].answer = answer


class Server:
    """A server in a process of its own, always on the same port of 127.0.0.1."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Take whom to tell what is waited for."""
        self._say = say
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Where it serves, once it was started."""
        return f"http://127.0.0.1:{self._port}/mcp"

    async def start(self) -> bool:
        """Start it, wait until it listens, and return whether it does."""
        self._say(
            f"waiting for a server of mcp {version('mcp')} to listen, at most {START_SECONDS:.0f} s"
        )
        # Started and killed without an `await`, at which Ctrl-C could come between. In a session
        # of its own, Ctrl-C does not reach it: this process ends it. Should this process be
        # killed itself, the end of the server's standard input does.
        self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - see above; it is our own
            [sys.executable, "-W", "ignore", "-m", _demo_server.__name__, str(self._port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONSAFEPATH": "1"},
            start_new_session=True,
        )
        output = cast("IO[bytes]", self._process.stdout)
        said = b""
        with anyio.move_on_after(START_SECONDS):
            said = await anyio.to_thread.run_sync(output.readline, abandon_on_cancel=True)
        if not said:
            return False
        self._port = int(said)
        self._say(f"the server, process {self._process.pid}, listens on 127.0.0.1:{self._port}")
        return True

    def kill(self) -> None:
        """Kill it, if it runs: no session is closed and no client told."""
        process, self._process = self._process, None
        if process is None:
            return
        self._say(f"killing the server, process {process.pid}")
        process.kill()
        # Closes its ends of the pipes, and waits for it.
        process.communicate()


def shown(session_id: str | None) -> str:
    """Return what stands for an ID here: IDs are credentials."""
    return f"({fingerprint(session_id)[:DIGITS]})" if session_id else ""


def described(error: BaseException) -> str:
    """Say what was raised, of a group what is in it."""
    within: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    said = "; ".join(map(described, within)) or str(error)
    return f"{type(error).__name__}: {said}"


def show(demonstration: Demonstration, console: Console) -> None:
    """Print the timelines side by side, what the rules rest on, and how it went."""
    arrow = "→" if console.encoding.startswith("utf") else "->"
    plain, ours = demonstration.plain, demonstration.ours
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("s", justify="right")
    table.add_column("")
    for application in (plain, ours):
        table.add_column(application.name, max_width=WIDEST, overflow="fold")
    for act in demonstration.acts:
        cells = (Text("\n").join(text(line, arrow) for line in it) for it in (act.plain, act.ours))
        table.add_row(Text(f"{act.seconds:.1f}"), Text(act.title), *cells)
    console.print(table)
    for rule in dict.fromkeys(ours.rules):
        console.print(*(Text(line) for line in explanation(rule)), sep="\n")
    console.print()
    for application in (plain, ours):
        counts = f"{application.answered} of {application.answerable} calls that had a server"
        recovered = "recovered" if application.has_recovered else "did not recover"
        console.print(Text(f"{application.name}: {counts} were answered: {recovered}"))
    if demonstration.problem:
        click.echo(f"mcp-session: {demonstration.problem}", err=True)


def text(line: Line, arrow: str) -> Text:
    """Return a line as it is shown."""
    return Text(f"{line.text} {arrow} {line.answer}" if line.answer else line.text, line.style)
