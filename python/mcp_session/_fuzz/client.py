"""Fuzzes a client: it must end, ask within bounds, keep its session IDs right, and not grow."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

import anyio
import h11
from hypothesis import strategies as st

from mcp_session import Action, classify_exchange
from mcp_session._cli import event_loop
from mcp_session._cli.files import reason
from mcp_session._errors import leaves
from mcp_session._fuzz.search import Bounds, Finding, Search, search
from mcp_session.testing import strategies
from mcp_session.testing.processes import kill_all, memory_of_all
from mcp_session.testing.scripted import Exchange, SmallServer, scripted_server

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from anyio.abc import Process

__all__ = ["CannotFuzzError", "Fault", "Reply", "fuzz_client"]

MOST_REPLIES = 8
MOST_REQUESTS = 200
LOOK_SECONDS = 0.05
CUT_BY = 50
LONG = 5000
# What a client asks at once comes within this time, and is answered together.
TOGETHER_SECONDS = 0.2
NOT_FOUND = 404
SESSION_ID = "mcp-session-id"


class Fault(Enum):
    """How a request is answered."""

    NONE = "as a good server does"
    FORGOTTEN = "after all sessions were forgotten"
    STATUS = "by a status and a body"
    RAW = "by what is no HTTP"
    CUT = "by a body that is cut off"
    EVENTS = "by a stream of anything"
    RESET = "by a reset"


@dataclass(frozen=True)
class Reply:
    """The answer to one request."""

    fault: Fault
    status: int = 200
    content_type: str = "application/json"
    session_id: str | None = None
    body: bytes = b""

    def __str__(self) -> str:
        if self.fault in {Fault.NONE, Fault.FORGOTTEN, Fault.RESET}:
            return str(self.fault.value)
        given = "" if self.session_id is None else ", with a session ID"
        return f"{self.fault.value}: {self.status} {self.content_type}{given} {self.body[:200]!r}"


@dataclass(frozen=True)
class _Case:
    """One bad server."""

    replies: tuple[Reply, ...]
    repeats: bool
    """Whether the last is the answer to all that comes then; else a good server's is."""

    def __str__(self) -> str:
        told = [str(reply) for reply in self.replies]
        return "\n".join([*told, *(["and so on"] if self.repeats else [])])


def fuzz_client(command: Sequence[str], bounds: Bounds, *, limit: float, growth: int) -> Search:
    """Run a command again and again, each time against another bad server.

    `growth` is how many bytes it may take beyond what it takes against a good one.
    """
    good = _Run(command, limit, None, ())
    found = event_loop.run(partial(good.through, _Case((Reply(Fault.NONE),), repeats=True)))
    if good.cannot_start is not None:
        message = f"cannot be run ({good.cannot_start})"
        raise CannotFuzzError(message)
    if found is not None:
        # What goes wrong with a good server is no matter of bad ones.
        return Search([found], 1)
    if not good.exchanges:
        message = f"sends nothing to a good server, and ends with exit status {good.status}"
        raise CannotFuzzError(message)
    most_memory = good.memory + growth

    def run(case: _Case, known: Collection[str]) -> Finding | None:
        return event_loop.run(partial(_Run(command, limit, most_memory, known).through, case))

    return search(_cases(), run, bounds)


class CannotFuzzError(Exception):
    """The command is no client that can be fuzzed; the text says what it does instead."""


def _cases() -> st.SearchStrategy[_Case]:
    good = st.just(Reply(Fault.NONE))
    forgets = st.just(Reply(Fault.FORGOTTEN))
    resets = st.just(Reply(Fault.RESET))
    faults = st.builds(
        Reply,
        fault=st.sampled_from([Fault.STATUS, Fault.STATUS, Fault.RAW, Fault.CUT, Fault.EVENTS]),
        status=st.sampled_from(strategies.STATUSES),
        content_type=st.sampled_from(
            ["application/json", "text/event-stream", "text/plain", "text/html", "no/such;type"]
        ),
        session_id=st.sampled_from([None, None, None, "given-by-mistake", "not a session"]),
        body=strategies.bodies() | st.just(b"x" * LONG),
    )
    reply: st.SearchStrategy[Reply] = st.one_of(good, good, good, forgets, resets, faults, faults)
    replies = st.lists(reply, min_size=1, max_size=MOST_REPLIES).map(tuple)
    return st.builds(_Case, replies, st.booleans())


@dataclass
class _Run:
    """One run of the command, and what went over the wire."""

    command: Sequence[str]
    limit: float
    most_memory: int | None
    known: Collection[str]
    small: SmallServer = field(default_factory=SmallServer)
    left: list[Reply] = field(default_factory=list[Reply])
    exchanges: list[Exchange] = field(default_factory=list[Exchange])
    came: dict[int, int] = field(default_factory=dict[int, int])
    """When each request came, by the number of its exchange."""
    answered: dict[int, int] = field(default_factory=dict[int, int])
    """When its answer began, in the same count."""
    now: int = 0
    memory: int = 0
    status: int | None = None
    """How the command ended."""
    cannot_start: str | None = None
    """Why the command cannot be run, in the system's words."""
    repeats: bool = False

    async def through(self, case: _Case) -> Finding | None:
        """Play one bad server; return what the client did wrong."""
        self.left, self.repeats = list(case.replies), case.repeats
        try:
            told = await self._play()
        except Exception as error:
            causes = list(leaves(error))
            if all(isinstance(it, h11.RemoteProtocolError) for it in causes):
                told = "not HTTP", "it sent what is no HTTP"
            elif all(isinstance(it, RecursionError) for it in causes):
                told = "too deep", "it sent JSON that is nested too deep to be read"
            else:
                raise
        if told is None or told[0] in self.known:
            return None
        pairs = [(it.request.raw, it.sent) for it in self.exchanges]
        size = sum(len(request) + len(response) for request, response in pairs)
        # What was still to be answered does not matter to what was found.
        return Finding(*told, pairs, str(case), size + len(case.replies))

    async def _play(self) -> tuple[str, str] | None:
        """Run the command to its end; return its fault, if it has one."""
        async with scripted_server(self._answer) as server:
            try:
                process = await anyio.open_process(
                    [*self.command, server.url],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError as error:
                self.cannot_start = reason(error)
                return None
            try:
                has_ended = await self._watch(process)
            finally:
                kill_all(process.pid)
                with anyio.CancelScope(shield=True):
                    await process.aclose()
        self.status = process.returncode
        return self._fault(has_ended=has_ended)

    async def _watch(self, process: Process) -> bool:
        """Return whether the command ended by itself."""
        with anyio.move_on_after(self.limit) as scope:
            while process.returncode is None:
                self.memory = max(self.memory, memory_of_all(process.pid) or 0)
                if len(self.exchanges) > MOST_REQUESTS or self._has_grown():
                    break
                with anyio.move_on_after(LOOK_SECONDS):
                    await process.wait()
        return process.returncode is not None or not scope.cancelled_caught

    def _has_grown(self) -> bool:
        return self.most_memory is not None and self.memory > self.most_memory

    def _fault(self, *, has_ended: bool) -> tuple[str, str] | None:
        if len(self.exchanges) > MOST_REQUESTS:
            return "asks for ever", f"more than {MOST_REQUESTS} requests"
        if self._has_grown():
            return "memory", f"it has taken {self.memory >> 20} MiB"
        if not has_ended:
            return "hangs", f"it did not end in {self.limit:.0f} s"
        if self.status is not None and self.status < 0:
            return "crashed", f"it was ended by the signal {-self.status}"
        return self._wrong_id()

    def _wrong_id(self) -> tuple[str, str] | None:
        """Hold each request against what the core says of the exchanges before it."""
        given: set[str] = set()
        # When the client was told of the end of a session.
        ended: dict[str, int] = {}
        for exchange in sorted(self.exchanges, key=lambda it: it.number):
            request, came = exchange.request, self.came[exchange.number]
            attached = request.session
            if attached is not None and request.kind == "initialize":
                return "initialize with an ID", "an `initialize` bore a session ID"
            if attached is not None and attached not in given:
                return "a strange ID", f"{request.kind} bore an ID that no `initialize` was given"
            if request.method == "POST" and ended.get(attached or "", came) < came:
                return "a dead ID", f"{request.kind} bore the ID of a session that had ended"
            try:
                verdict = classify_exchange(request.raw, exchange.sent)
            except ValueError:
                continue
            if verdict.action is Action.ADOPT_SESSION and verdict.session_id is not None:
                given.add(verdict.session_id)
                ended.pop(verdict.session_id, None)
            elif verdict.action is Action.CLEAR_AND_REINIT and request.method == "POST":
                # A GET may be answered 404 because there is no stream.
                ended.setdefault(attached or "", self.answered[exchange.number])
        return None

    async def _answer(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        self.came[exchange.number] = self._tick()
        reply = self.left[0] if self.left else Reply(Fault.NONE)
        if len(self.left) > 1 or not self.repeats:
            self.left = self.left[1:]
        if reply.fault is Fault.FORGOTTEN:
            self.small.forget()
        if self._tells_the_end(exchange, reply):
            # What was asked at the same time was not asked by a client that knew.
            await anyio.sleep(TOGETHER_SECONDS)
        self.answered[exchange.number] = self._tick()
        if reply.fault in {Fault.NONE, Fault.FORGOTTEN}:
            await self._good(exchange)
        elif reply.fault is Fault.RESET:
            exchange.reset()
        elif reply.fault is Fault.RAW:
            await exchange.send_raw(reply.body or b"\x00")
        else:
            await self._bad(exchange, reply)

    def _tells_the_end(self, exchange: Exchange, reply: Reply) -> bool:
        request = exchange.request
        if not request.session or request.method != "POST":
            return False
        is_dead = request.session not in self.small.live
        is_good = reply.fault in {Fault.NONE, Fault.FORGOTTEN}
        return is_dead if is_good else reply.fault is Fault.RAW or reply.status == NOT_FOUND

    def _tick(self) -> int:
        self.now += 1
        return self.now

    async def _good(self, exchange: Exchange) -> None:
        message = exchange.request.message
        is_request = isinstance(message, dict) and "id" in message
        try:
            await self.small(exchange)
        except (KeyError, TypeError, AttributeError):
            # A client may send what no good server understands.
            body = json.dumps({"jsonrpc": "2.0", "error": {"code": -32600, "message": "no"}})
            await exchange.answer(400 if is_request else 202, body.encode())

    async def _bad(self, exchange: Exchange, reply: Reply) -> None:
        headers = {"content-type": reply.content_type}
        if reply.fault is Fault.EVENTS:
            headers["content-type"] = "text/event-stream"
        if reply.session_id is not None:
            headers[SESSION_ID] = reply.session_id
        body = reply.body
        if reply.fault is Fault.EVENTS:
            body = b"".join(b"data: %s\n\n" % line for line in body.splitlines())
        if reply.fault is Fault.CUT:
            headers["content-length"] = str(len(body) + CUT_BY)
            await exchange.begin(reply.status, headers)
            await exchange.send(body)
            exchange.hang_up()
        else:
            await exchange.answer(reply.status, body, headers)
