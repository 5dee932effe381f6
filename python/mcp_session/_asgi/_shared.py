"""Sessions that several processes share: what the middleware does with a table."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from inspect import isawaitable

import anyio

from mcp_session._asgi import Application, Message, Receive, Scope, Send
from mcp_session._asgi._foreign import described_error
from mcp_session._asgi._replica import Entrance, ReplicaOptions, ServingReplica
from mcp_session._asgi._request import RequestReader
from mcp_session._asgi._session_request import SessionRequest, caller
from mcp_session._core import AsgiMachine, CollectedBody, ServerPolicy
from mcp_session.replica import ReadBody, SessionRun
from mcp_session.sessions import SessionTableError

__all__ = ["ReplicaOptions", "RestoredSession", "SharedSessions"]

_logger = logging.getLogger("mcp_session.asgi")

# All requests of the session wait for its hook.
_HOOK_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class RestoredSession:
    """A session that was made anew in an application, as another process had it before.

    `session_id` (`str`) is what the client calls it, from its beginning to its end: the name for
    what an application stores of a session. `inner_session_id` (`str` or `None`) is what this
    application called it just now. `scope` is that of the request at hand, with its user. The IDs
    do not show in its `repr`: they are credentials.
    """

    session_id: str = field(repr=False)
    inner_session_id: str | None = field(repr=False)
    scope: Scope = field(repr=False)


OnRestored = Callable[[RestoredSession], Awaitable[object] | object]
Begin = Callable[[AsgiMachine | None, Scope, Receive, Send], Awaitable[None]]


class SharedSessions:
    """The sessions of an application, as far as this process has to do with them."""

    def __init__(  # noqa: PLR0913 - by name
        self,
        options: ReplicaOptions,
        *,
        policy: ServerPolicy,
        entrance: Application,
        application: Application,
        begin: Begin,
        on_restored: OnRestored | None,
    ) -> None:
        """Serve by `begin`; restore in `application`; others' requests come in by `entrance`."""
        self._options, self._policy, self._on_restored = options, policy, on_restored
        self._entrance = Entrance(entrance)
        self._application, self._begin = application, begin
        self._replica: ServingReplica | None = None
        self._opening: asyncio.Task[ServingReplica] | None = None
        # The bodies that give way, by their numbers.
        self._waiting: dict[int, tuple[CollectedBody, RequestReader]] = {}

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if not self._entrance.has_learned:
            self._entrance.learn(scope)
        try:
            replica = await self._opened()
        except (SessionTableError, TimeoutError):
            # The machine says what is answered all the same, and what the application gets.
            replica = ServingReplica.without_table(self._options)
        replica.lease.look_at_the_clock()
        query = scope.get("query_string", b"")
        begun = replica.replica.begin(scope["method"], scope["headers"], query, **caller(scope))
        with begun as run:
            step = run.step
            if isinstance(step, ReadBody):
                await self._read_first(step, replica, run, scope, receive, send)
            else:
                await self._request(replica, run, scope, receive, send).serve(step)

    async def lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application's lifespan; let go of everything before it ends."""

        async def receive_and_drain() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown" and self._replica is not None:
                replica, self._replica = self._replica, None
                if replica.serves_here():
                    await replica.aclose()
            return message

        # A table may take its time to be opened, and the first client should not wait for it.
        self._begin_to_open()
        await self._application(scope, receive_and_drain, send)

    async def _read_first(  # noqa: PLR0913, PLR0917 - what a request has
        self,
        step: ReadBody,
        replica: ServingReplica,
        run: SessionRun,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        body = CollectedBody(self._policy, step.limit)
        reader = RequestReader(body, receive, partial(self._make_room, body))
        request = self._request(replica, run, scope, reader.receive, send)

        async def go_on() -> None:
            if body.is_whole:
                reader.forget_what_was_read()
            else:
                # From then on it is the application's, as it is without us.
                reader.tell_once_seen(body.let_go)
            await request.read(body)

        seconds = self._policy.request_timeout * step.patience
        number: int | None = None
        try:
            begun = reader.read_at_hand()
            if begun is None:
                await go_on()
                return
            number = body.wait()
            self._waiting[number] = body, reader
            await reader.serve(begun, go_on, seconds)
        finally:
            if number is not None:
                self._waiting.pop(number, None)
            body.let_go()

    def _make_room(self, body: CollectedBody, message: Message) -> None:
        """End the waits for bodies that are to give way to what has come of this one."""
        while (number := body.displaces(message)) is not None:
            if (waiting := self._waiting.pop(number, None)) is not None:
                other, reader = waiting
                other.give_way()
                reader.forget_what_was_read()
                reader.wait_no_longer()

    def _request(
        self,
        replica: ServingReplica,
        run: SessionRun,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> SessionRequest:
        return SessionRequest(
            replica,
            run,
            self._application,
            self._serve,
            scope,
            receive,
            send,
            partial(self._tell, scope) if self._on_restored is not None else None,
        )

    async def _serve(self, scope: Scope, body: bytes | None, receive: Receive, send: Send) -> bool:
        """Run the application; return whether it knew the session, else nothing was sent."""
        machine = AsgiMachine.of(self._policy, scope)
        if machine is not None:
            # What is not there by now has taken too long, or is too long, for it as well.
            whole: Message | None = {"type": "http.request", "body": body}
            machine.request(None if body is None else whole)
        is_gone = False

        async def send_unless_gone(message: Message) -> None:
            nonlocal is_gone
            if message["type"] == "http.response.start":
                is_gone = machine is not None and machine.session_is_gone
            if not is_gone:
                await send(message)

        await self._begin(machine, scope, receive, send_unless_gone)
        return not is_gone

    async def _tell(self, scope: Scope, session_id: str, inner: str | None) -> None:
        restored = RestoredSession(session_id=session_id, inner_session_id=inner, scope=scope)
        try:
            told = self._on_restored(restored) if self._on_restored is not None else None
            if isawaitable(told):
                with anyio.move_on_after(_HOOK_SECONDS) as within:
                    await told
                if within.cancelled_caught:
                    _logger.error("The hook `on_restored` took longer than %g s", _HOOK_SECONDS)
        except Exception as error:  # noqa: BLE001 - it is the hook's affair
            _logger.error("The hook `on_restored` raised %s", described_error(error))  # noqa: TRY400 - without its text

    async def _opened(self) -> ServingReplica:
        if self._replica is not None and self._replica.serves_here():
            return self._replica
        opening = self._begin_to_open()
        try:
            # Whoever leaves does not end it for the others.
            self._replica = opened = await asyncio.shield(opening)
        finally:
            if opening.done() and self._opening is opening:
                self._opening = None
        return opened

    def _begin_to_open(self) -> "asyncio.Task[ServingReplica]":
        loop = asyncio.get_running_loop()
        if self._opening is None or self._opening.get_loop() is not loop:
            self._opening = loop.create_task(self._open())
        return self._opening

    async def _open(self) -> ServingReplica:
        if self._replica is not None:
            await self._replica.retire()
        return await ServingReplica.open(self._options, self._entrance)
