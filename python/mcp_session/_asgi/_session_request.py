"""One request to an application whose sessions several processes share.

It does what the machine says: asks the table, carries the request to the owner, restores the
session in the application, runs it. The machine decides all of it.
"""

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import cast

import anyio
from anyio.lowlevel import checkpoint

from mcp_session._asgi import Application, Message, Receive, Scope, Send
from mcp_session._asgi._again import GivenAgain, given_first
from mcp_session._asgi._connection import described, target
from mcp_session._asgi._forward import ClientLeft, CutOff, Exchange, Lost, NotHttp, Unreached
from mcp_session._asgi._in_process import InProcessAnswer, ask
from mcp_session._asgi._replica import ServingReplica
from mcp_session._core import CollectedBody
from mcp_session.replica import (
    Announce,
    AwaitRun,
    EndInApp,
    Find,
    Forward,
    ForwardFailure,
    KeepBack,
    Pass,
    Pause,
    Relay,
    RelayRestored,
    Renew,
    Reply,
    RestoreInApp,
    RunApp,
    SessionRun,
    Step,
    Swap,
)

__all__ = ["Serve", "SessionRequest", "caller"]

_HOP = b"mcp-session-hop"
_SESSION_ID = b"mcp-session-id"
_RESTORE_SECONDS = 10.0
_RESTORE_BYTES = 1024 * 1024
_HELD_SECONDS = 5.0
_LAST_WORD_SECONDS = 1.0
_BAD_REQUEST = 400
# Of the request at hand, what says nothing of the one that is told again.
_NOT_RESTORED = frozenset(
    {
        _HOP,
        _SESSION_ID,
        b"accept",
        b"accept-encoding",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"last-event-id",
        b"mcp-protocol-version",
        b"transfer-encoding",
    }
)
# Where a user has a name: Starlette's, its `SimpleUser`, Django's.
_NAMES = ("identity", "display_name", "username", "pk")
_RESTORED_HEADERS = [
    (b"content-type", b"application/json"),
    (b"accept", b"application/json, text/event-stream"),
]


class SessionRequest:
    """Drives the machine for one request."""

    __slots__ = (
        "_answer",
        "_application",
        "_asked",
        "_body",
        "_collected",
        "_given",
        "_on_restored",
        "_receive",
        "_replica",
        "_restored_by",
        "_run",
        "_running",
        "_scope",
        "_send",
        "_serve",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - what a request has
        self,
        replica: ServingReplica,
        run: SessionRun,
        application: Application,
        serve: "Serve",
        scope: Scope,
        receive: Receive,
        send: Send,
        on_restored: "OnRestored | None",
    ) -> None:
        """Serve by `serve`, which says whether the application knew the session."""
        self._replica, self._run = replica, run
        self._application, self._serve = application, serve
        self._scope, self._receive, self._send = scope, receive, send
        self._given = GivenAgain(receive)
        # Read whole, and counted, until the answer begins.
        self._body: bytes | None = None
        self._collected: CollectedBody | None = None
        self._asked: InProcessAnswer | None = None
        self._restored_by: float | None = None
        self._on_restored = on_restored
        self._answer = _Answer(replica, run, send)

    @property
    def _told(self) -> SessionRun:
        return self._replica.lease.in_time(self._run)

    async def read(self, collected: CollectedBody) -> None:
        """Go on with the body, which was read as far as it is of use."""
        self._body, self._collected = collected.take(), collected
        if collected.gave_way:
            await self.serve(self._told.body_gave_way())
        elif collected.has_no_room:
            await self.serve(self._told.no_room_for_body())
        else:
            await self.serve(self._told.body_read(self._body))

    async def serve(self, step: Step) -> None:
        """Go on with a step, until the request is answered."""
        running = self._running = self._replica.running.add(self._run)
        next_step: Step | None = step
        try:
            while next_step is not None:
                with running.scope:
                    while next_step is not None:
                        running.note_step()
                        # A stream may be open for long: nothing of the step is kept for that.
                        doing, next_step = self._do(next_step), None
                        next_step = await doing
                next_step = await self._interrupted() if running.take_end() else None
        except CancelledError:
            # The server's time to end is over, and it still sends what is given to it.
            with anyio.move_on_after(_LAST_WORD_SECONDS, shield=True):
                if isinstance(answer := await self._interrupted(), Reply):
                    await self._reply(answer)
            raise
        finally:
            self._replica.running.remove(running)

    def _do(self, step: Step) -> Awaitable[Step | None]:  # noqa: PLR0911 - an arm for each step
        match step:
            case Find() | Renew() | Swap():
                return self._replica.lease.ask(self._run, step)
            case RunApp():
                return self._run_application(step)
            case Forward():
                return self._forward(step)
            case RestoreInApp():
                return self._restore(step)
            case Announce():
                return self._announce(step)
            case EndInApp():
                return self._end_in_app(step)
            case AwaitRun() | Pause():
                return self._wait(step)
            case Reply():
                return self._reply(step)
            case RelayRestored():
                return self._relay_restored()
            case _:
                message = f"not a step of a request: {type(step).__name__}"
                raise TypeError(message)

    async def _wait(self, step: AwaitRun | Pause) -> Step:
        if isinstance(step, Pause):
            await anyio.sleep(step.seconds)
            return self._told.wait_over()
        await self._replica.running.past_the_taking_of(step.taking, _HELD_SECONDS)
        return self._told.hold_over()

    async def _reply(self, step: Reply) -> None:
        await self._answer.whole(step.status, step.headers, step.body)

    async def _interrupted(self) -> Step | None:
        """Answer what was ended from outside, or go on otherwise."""
        if self._answer.is_begun:
            await self._answer.break_off()
            return None
        return self._told.interrupted()

    # The application.

    async def _run_application(self, step: RunApp) -> Step | None:
        self._replica.lease.look_at_the_clock()
        left_out = {_HOP} if step.keeps_header else {_HOP, _SESSION_ID}
        headers = [it for it in self._scope["headers"] if it[0] not in left_out]
        if step.session_id is not None:
            headers.append((_SESSION_ID, step.session_id))
        # Only of what the machine has looked up is it known whose it is.
        name = None if step.session_id is None else self._public_id
        scope = self._told_of_the_session(headers, name, is_restored=step.restored)
        self._answer.on_begun = self._let_go_of_the_body
        watched: _WatchedAnswer | None = None
        serving: Awaitable[bool]
        if step.watches:
            watched = _WatchedAnswer(self._replica, self._run, self._answer)
            serving = self._serve_watched(scope, watched)
        else:
            serving = self._serve(scope, self._body, self._receive_again(), self._answer.send)
        # As of the step, nothing of it is kept.
        del step, headers, scope
        try:
            knew_the_session = await serving
        except CutOff:
            # Of an application that has its answers from elsewhere.
            if not self._answer.is_begun:
                return self._told.interrupted()
            if not await self._answer.break_off_whole(upstream=True):
                raise
            return None
        if not knew_the_session:
            return self._told.app_forgot()
        if watched is not None and watched.next_step is not None:
            return watched.next_step
        if self._answer.is_begun:
            # It may have left it without an end, as sse-starlette does when the server ends.
            await self._answer.break_off_whole()
        return None

    async def _serve_watched(self, scope: Scope, watched: "_WatchedAnswer") -> bool:
        """Run the application; what is kept back goes out before its error, as without us."""
        knew_the_session = True
        try:
            with watched.scope:
                knew_the_session = await self._serve(
                    scope, self._body, self._receive_again(), watched.send
                )
                if knew_the_session:
                    await watched.end()
        except CutOff:
            raise
        except Exception:
            # Frameworks put it into groups of their own.
            if watched.next_step is not None:
                return True
            with suppress(Exception):
                await watched.end()
            raise
        return knew_the_session

    def _let_go_of_the_body(self) -> None:
        self._run.answer_begun()
        self._body = None
        if self._collected is not None:
            self._collected.let_go()

    async def _announce(self, step: Announce) -> Step:
        if self._on_restored is not None:
            await self._on_restored(self._public_id or "", _text(step.session_id))
        return self._told.announced()

    async def _end_in_app(self, step: EndInApp) -> Step:
        await self._ask("DELETE", b"", step.session_id)
        return self._told.ended_in_app()

    async def _restore(self, step: RestoreInApp) -> Step:
        self._asked = answer = await self._ask(
            "POST", step.body, step.session_id, self._public_id, self._run
        )
        if not answer.is_whole:
            return self._told.restore_failed()
        return self._told.restore_answered(answer.status, answer.headers, answer.body)

    async def _ask(
        self,
        method: str,
        body: bytes,
        session_id: bytes | None,
        name: str | None = None,
        run: SessionRun | None = None,
    ) -> InProcessAnswer:
        """Ask the application with the headers of the request at hand."""
        headers = [it for it in self._scope["headers"] if it[0] not in _NOT_RESTORED]
        headers += _RESTORED_HEADERS
        if session_id is not None:
            headers.append((_SESSION_ID, session_id))
        return await ask(
            self._application,
            {**self._told_of_the_session(headers, name, is_restored=True), "method": method},
            body,
            seconds=self._seconds_to_restore(),
            at_most=_RESTORE_BYTES,
            run=run,
        )

    @property
    def _public_id(self) -> str | None:
        """What the client calls its session."""
        return _text(self._run.session_id)

    def _seconds_to_restore(self) -> float:
        """Return what is left of the time for all that a restored session is told."""
        now = anyio.current_time()
        self._restored_by = self._restored_by or now + _RESTORE_SECONDS
        return max(0.0, self._restored_by - now)

    def _told_of_the_session(
        self, headers: list[tuple[bytes, bytes]], name: str | None, *, is_restored: bool
    ) -> Scope:
        """Return the scope for the application: with these headers, and the extension of ours."""
        told = {"session_id": name, "restored": is_restored}
        extensions: dict[str, object] = dict(self._scope.get("extensions") or ())
        extensions["mcp_session"] = told
        return {**self._scope, "headers": headers, "extensions": extensions}

    async def _relay_restored(self) -> None:
        asked = self._asked or InProcessAnswer()
        headers = [it for it in asked.headers if it[0].lower() != _SESSION_ID]
        await self._answer.whole(asked.status, headers, asked.body)

    # The owner.

    def _forward(self, step: Forward) -> Awaitable[Step | None]:
        peer = self._replica.peers.find(step.owner, step.addresses)
        if peer is None:
            return self._no_way()
        headers = [it for it in self._scope["headers"] if it[0] != _HOP]
        headers.append(step.hop)
        if peer.is_here:
            headers = described(self._scope, headers)
        method = self._scope["method"]
        exchange = peer.upstream.exchange(
            method, target(self._scope), headers, self._receive_again()
        )
        return self._carry(exchange, is_here=peer.is_here)

    async def _no_way(self) -> Step:
        return self._told.forward_failed(ForwardFailure.UNREACHABLE)

    async def _carry(self, exchange: Exchange, *, is_here: bool) -> Step | None:
        try:
            async with exchange as answer:
                next_step = self._told.forward_answered(answer.status, answer.headers)
                if not isinstance(next_step, Relay):
                    return next_step
                answer.headers = [it for it in answer.headers if it[0] != _HOP]
                await answer.relay(self._answer.send)
        except NotHttp:
            await self._answer.whole(_BAD_REQUEST, [(b"content-length", b"0")], b"")
        except Unreached as error:
            is_proven = is_here and error.is_refused
            return self._told.forward_failed(
                ForwardFailure.REFUSED if is_proven else ForwardFailure.UNREACHABLE
            )
        except Lost:
            return self._told.forward_failed(ForwardFailure.IN_DOUBT)
        except CutOff:
            if not await self._answer.break_off_whole():
                # The server closes the connection, so that it does not look whole.
                raise
        except ClientLeft:
            pass
        return None

    def _receive_again(self) -> Receive:
        """Give the request from its beginning, if it was read whole; else what is left of it."""
        if self._body is None:
            return self._given.receive()
        return given_first(self._body, self._receive)


# With the body of the request, where it was read whole.
Serve = Callable[[Scope, bytes | None, Receive, Send], Awaitable[bool]]
OnRestored = Callable[[str, str | None], Awaitable[None]]


class _ThrownAwayError(Exception):
    """What the application answers is not sent: something else comes in its place."""


class _Answer:
    """What goes out to the client, and how much of it has."""

    __slots__ = ("_is_told", "_is_whole", "_replica", "_run", "_send", "is_begun", "on_begun")

    def __init__(self, replica: ServingReplica, run: SessionRun, send: Send) -> None:
        self._replica, self._run, self._send = replica, run, send
        self.is_begun = self._is_whole = self._is_told = False
        self.on_begun: Callable[[], None] | None = None

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self.is_begun = True
            self._is_told = self._run.head_goes_out(message["status"], message.get("headers", ()))
            if self.on_begun is not None:
                self.on_begun()
        elif kind == "http.response.body":
            piece, more = message.get("body", b""), message.get("more_body", False)
            if self._is_told:
                self._is_told = self._run.piece_goes_out(piece)
                if not more and self._is_told and (end := self._rest()):
                    message = {**message, "body": bytes(piece) + end}
            self._is_whole = not more
        await self._send(message)

    async def whole(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self._end(body)

    async def break_off(self) -> None:
        """End what is ended from outside, as well as it can be."""
        await self._end(self._run.body_broke_off() or b"")

    async def break_off_whole(self, *, upstream: bool = False) -> bool:
        """End what broke off, if it can be made whole; return whether it can."""
        end = self._run.body_broke_off(upstream=upstream)
        if end is not None:
            await self._end(end)
        return end is not None

    def _rest(self) -> bytes | None:
        # A process that is told to end goes on with nothing.
        self._replica.look_at_the_server()
        return self._run.body_ended()

    async def _end(self, body: bytes) -> None:
        if not self._is_whole:
            self._is_told, self._is_whole = False, True
            await self._send({"type": "http.response.body", "body": body, "more_body": False})


class _WatchedAnswer:
    """Tells the machine of what the application answers, and sends what it lets pass."""

    __slots__ = ("_answer", "_kept", "_passes", "_replica", "_run", "next_step", "scope")

    def __init__(self, replica: ServingReplica, run: SessionRun, answer: _Answer) -> None:
        self._replica, self._run, self._answer = replica, run, answer
        self._kept: list[Message] = []
        self._passes = False
        # What the application runs in: it ends with it where its answer is not sent.
        self.scope = anyio.CancelScope()
        self.next_step: Step | None = None

    @property
    def _told(self) -> SessionRun:
        return self._replica.lease.in_time(self._run)

    async def send(self, message: Message) -> None:
        if self._passes:
            await self._answer.send(message)
            return
        match message["type"]:
            case "http.response.start":
                step = self._told.answer_head(message["status"], message.get("headers", ()))
            case "http.response.body":
                more = message.get("more_body", False)
                step = self._told.answer_piece(message.get("body", b""), more=more)
            case _ if self._kept:
                # A file by its path, say: the body is not known.
                step = self._told.answer_piece(b"", more=False)
            case _:
                await self._answer.send(message)
                return
        await self._do(step, message)

    async def end(self) -> None:
        """Decide about what was kept back of an answer that the application did not end."""
        if self._kept:
            await self._do(self._told.answer_piece(b"", more=False), None)

    async def _do(self, step: Step, message: Message | None) -> None:
        while isinstance(step, (Find, Renew, Swap)):
            step = await self._replica.lease.ask(self._run, step)
        at_hand = [] if message is None else [message]
        match step:
            case KeepBack():
                self._kept += map(_copied, at_hand)
            case Pass():
                kept, self._kept, self._passes = [*self._kept, *at_hand], [], True
                for each in kept:
                    await self._answer.send(_with_session_id(each, step.session_id))
            case _:
                self._kept = []
                self.next_step = step
                # As where its client has left: of an error it would make an entry in its log.
                self.scope.cancel()
                await checkpoint()
                # In a task that no scope reaches.
                raise _ThrownAwayError


def _copied(message: Message) -> Message:
    """Return what stays as it is while the application goes on with its buffers."""
    if message["type"] == "http.response.start":
        headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
        return {**message, "headers": headers}
    return {**message, "body": bytes(message.get("body", b""))}


def _with_session_id(message: Message, session_id: bytes | None) -> Message:
    if session_id is None or message["type"] != "http.response.start":
        return message
    headers = [
        (name, session_id if name.lower() == _SESSION_ID else value)
        for name, value in message.get("headers", ())
    ]
    return {**message, "headers": headers}


def _text(session_id: bytes | None) -> str | None:
    return None if session_id is None else session_id.decode("latin-1")


def caller(scope: Scope) -> dict[str, str]:
    """For whom a request is, as far as what authenticates says so; else its credential tells.

    Both SDKs and fastmcp put the token beside the user, whose name is the client's alone. A
    token that names nobody is one of all users of its client: then the credential itself counts.
    """
    user: object = scope.get("user")
    if user is None or not getattr(user, "is_authenticated", False):
        return {}
    token: object = getattr(user, "access_token", None)
    if token is None:
        name = next(filter(None, (_told(user, it) for it in _NAMES)), None)
        return {} if name is None else {"user": name}
    claims: object = getattr(token, "claims", None)
    known: Mapping[str, object] = {}
    if isinstance(claims, Mapping):
        known = cast("Mapping[str, object]", claims)
    subject: object = getattr(token, "subject", None) or known.get("sub")
    if subject is None:
        return {}
    facts: dict[str, object] = {
        "issuer": known.get("iss"),
        "client": getattr(token, "client_id", None),
        "subject": subject,
    }
    return {name: str(fact) for name, fact in facts.items() if fact is not None}


def _told(user: object, name: str) -> str:
    """Return what a user says of itself, if it does: of Starlette's some raise instead."""
    try:
        value: object = getattr(user, name, None)
    except NotImplementedError:
        return ""
    return "" if value is None else str(value)
