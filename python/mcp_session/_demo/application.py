"""An application of the demonstration: a client of the SDK, and what it sees."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import TextContent

from mcp_session import peek
from mcp_session._cli.recorded import Exchange
from mcp_session._cli.terminal import shortened, shown_id
from mcp_session._core import RecordedExchange
from mcp_session.httpx2 import SessionReinitialized, SessionRevived, SessionTerminated

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from mcp_session import Rule
    from mcp_session.httpx2 import SessionEvent

__all__ = ["Application", "Line", "Order"]

CALL_SECONDS = 8.0

SESSION_ID = "mcp-session-id"

WIRE, HOOK, GOOD, POOR, BAD = "dim", "cyan", "bold green", "bold yellow", "bold red"


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


@dataclass
class _Sent:
    """A request that was sent, and what came back."""

    request: httpx2.Request
    sent: int
    response: httpx2.Response | None = None
    answered: int = 0

    def as_recorded(self) -> RecordedExchange:
        """Return it without the body of its response, which is the SDK's to read."""
        request, response = self.request, self.response
        return RecordedExchange(
            request.method,
            request.url.netloc.decode() + request.url.path,
            "",
            request.headers.multi_items(),
            request.content,
            None if response is None else response.status_code,
            [] if response is None else response.headers.multi_items(),
            None,
            sent=self.sent,
            answered=max(self.answered, self.sent),
            remarks=[],
        )


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
        self._on_the_wire: dict[httpx2.Request, tuple[Line, _Sent]] = {}
        self._order = self._taken = Order("nothing", is_answerable=False)
        self._has_order = anyio.Event()

    @property
    def has_recovered(self) -> bool:
        """Whether each call was answered for which there was a server, and the end was clean."""
        return self.has_survived and self.answered == self.answerable > 0

    def exchanges(self) -> list[Exchange]:
        """Return what went over the wire, as a recording."""
        return [Exchange("", "", sent.as_recorded()) for _, sent in self._on_the_wire.values()]

    async def obey(self, order: Order) -> None:
        """Have something done; return when it is."""
        self._order = order
        self._has_order.set()
        await order.done.wait()

    async def run(self, http_client: httpx2.AsyncClient, url: str) -> None:
        """Do what is ordered, with a client that is alive as long as the SDK keeps it so."""
        transport = streamable_http_client(url, http_client=http_client)
        # The SDK's `Client` asks for the revision of 2026-07-28 first, which has no sessions.
        # This mode is the handshake of those that have: `initialize`, up to 2025-11-25.
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
        elif isinstance(event, SessionReinitialized | SessionRevived):
            what = f"session {shortened(event.fingerprint)}"
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
        self._on_the_wire[request] = line, _Sent(request, time.monotonic_ns())
        self.lines.append(line)

    async def _note_response(self, response: httpx2.Response) -> None:
        is_new = SESSION_ID not in response.request.headers
        session = shown(response.headers.get(SESSION_ID)) if is_new else ""
        line, sent = self._on_the_wire[response.request]
        line.answer = " ".join(filter(None, (str(response.status_code), session)))
        sent.response, sent.answered = response, time.monotonic_ns()


def shown(session_id: str | None) -> str:
    """Return what stands for an ID here: IDs are credentials."""
    return f"({shown_id(session_id)})" if session_id else ""


def described(error: BaseException) -> str:
    """Say what was raised, of a group what is in it."""
    within: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    said = "; ".join(map(described, within)) or str(error)
    return f"{type(error).__name__}: {said}"
