"""One of the processes that share a table: opened by the first thing that it serves.

Nothing of it exists before, so a process that was forked has its own: its identity, its socket,
its lease.
"""

import asyncio
import atexit
import logging
import math
import os
import signal
import time
from dataclasses import dataclass
from secrets import token_bytes, token_hex
from typing import Any

import anyio

from mcp_session._asgi import Application, Receive, Scope, Send
from mcp_session._asgi._addresses import PeerAddresses, checked_peer_url
from mcp_session._asgi._connection import restored
from mcp_session._asgi._foreign import described_error
from mcp_session._asgi._heartbeat import Heartbeat, Lease, Pulse
from mcp_session._asgi._listener import PeerListener, host_fingerprint
from mcp_session._asgi._peers import Peers
from mcp_session._asgi._running import Running
from mcp_session._sessions.unreachable import UnreachableSessions
from mcp_session.replica import Replica
from mcp_session.sessions import MemorySessions, SessionTable, SqliteSessions

__all__ = ["Entrance", "ReplicaOptions", "ServingReplica"]

_logger = logging.getLogger("mcp_session.asgi")

_DRAIN_POLL_SECONDS = 0.05
_TOMBSTONE_SECONDS = 3600.0
# Of one lease: so many renewals may fail but one.
_RENEWALS = 5
# An event loop that is blocked for so long may be blocked for good.
_STUCK_SECONDS = 30.0
_END_SECONDS = 1.0
# Once for a process: what the table stands in may have to be made.
_OPENING_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class ReplicaOptions:
    """What there is to choose of a replica; see `SessionMiddleware`.

    Raises `TypeError` and `ValueError` for what makes no sense.
    """

    sessions: SessionTable
    peer_url: str | None
    restore: bool
    echo_id: bool
    requires_session: bool
    max_sessions: int
    session_lifetime: float
    lease: float
    drain_timeout: float

    def __post_init__(self) -> None:
        """Check what the machine and the table do not."""
        checked_peer_url(self.peer_url)
        for name in ("session_lifetime", "lease", "drain_timeout"):
            value: object = getattr(self, name)
            if not isinstance(value, (int, float)) or isinstance(value, bool):
                message = f"{name} must be a number of seconds, not {type(value).__name__}"
                raise TypeError(message)
            if not math.isfinite(value) or value < 0:
                message = f"{name} must be finite and not negative: {value}"
                raise ValueError(message)


class Entrance:
    """What the others' requests enter by: the application, with connections as they were.

    Only an owner is sent anything, and it has served a request before: what it learned of that
    one holds for all. The state of the lifespan is that of the server in front, which alone has it;
    what stands around the middleware, and authenticates, is entered as well.
    """

    def __init__(self, middleware: Application) -> None:
        """Enter by the middleware, until something is learned."""
        self._outermost = middleware
        self._state: dict[str, Any] | None = None
        self.has_learned = False

    def learn(self, scope: Scope) -> None:
        """Take what the first request shows of what is around."""
        self.has_learned = True
        self._outermost = scope.get("app") or self._outermost
        self._state = scope.get("state")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that came over the private socket."""
        # The scope is of our own listener, and of nobody else.
        scope.update(restored(scope))
        if self._state is not None:
            scope["state"] = dict(self._state)
        await self._outermost(scope, receive, send)


class ServingReplica:
    """The identity, the lease, the socket and the peers of this process, in one event loop."""

    def __init__(self, options: ReplicaOptions, replica: Replica) -> None:
        """Made by `open`."""
        self.replica, self.running = replica, Running()
        self.loop, self.process_id = asyncio.get_running_loop(), os.getpid()
        self._options = options
        self._drained: asyncio.Task[None] | None = None
        self._reopened: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, options: ReplicaOptions, entrance: Application) -> "ServingReplica":
        """Open it; the others' requests enter by an application."""
        with anyio.fail_after(_OPENING_SECONDS):
            key = await options.sessions.hashing_key()
        replica = Replica(
            token_hex(16),
            key,
            restore=options.restore,
            # Neither loses anything in silence while a process that uses it lives.
            durable=isinstance(options.sessions, (MemorySessions, SqliteSessions)),
            echo_id=options.echo_id,
            requires_session=options.requires_session,
            max_sessions=options.max_sessions,
            lease=options.lease,
        )
        opened = cls(options, replica)
        await opened._open(entrance)
        return opened

    @classmethod
    def without_table(cls, options: ReplicaOptions) -> "ServingReplica":
        """Make one for a single request, while the table cannot be asked: it holds no session."""
        replica = Replica(
            token_hex(16),
            token_bytes(32),
            restore=options.restore,
            echo_id=options.echo_id,
            requires_session=options.requires_session,
        )
        # What the application would open nobody could find again.
        replica.drain()
        unopened = cls(options, replica)
        unopened.lease = unopened._lease(UnreachableSessions(), b"")
        return unopened

    async def _open(self, entrance: Application) -> None:
        options = self._options
        self._host = host_fingerprint()
        self._listener = PeerListener(entrance)
        path = await self._listener.open()
        if path is None and options.peer_url is None:
            _logger.warning(
                "no folder for a private socket: other workers cannot reach the sessions of this "
                "process. Set TMPDIR to a short path that can be written, or give a peer_url."
            )
        atexit.register(self._listener.remove_folder)
        self.lease = self._lease(options.sessions, self._addresses(path))
        self.lease.end_fenced = self._end
        self.peers = Peers(self._host)
        self._looking = asyncio.create_task(self._look_after_peers())
        self._turned = time.monotonic()
        self._heartbeat = Heartbeat(self.lease, self._pulse, interval=options.lease / _RENEWALS)
        self._heartbeat.start()

    def serves_here(self) -> bool:
        """Whether it is of this process and this event loop."""
        return self.process_id == os.getpid() and self.loop is asyncio.get_running_loop()

    async def drain(self) -> None:
        """Take no new sessions, end open streams, and let the lease go once nothing runs."""
        await asyncio.shield(self._begin_to_drain())

    def look_at_the_server(self) -> None:
        """Begin to drain if the server was told to end, as it then waits for open streams first.

        uvicorn says it nowhere but in an attribute, of the object whose method handles the
        signal.
        """
        server: Any = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        if getattr(server, "should_exit", False) is True and self._drained is None:
            self._begin_to_drain()

    async def aclose(self) -> None:
        """Drain, and close everything."""
        await self.drain()
        self._looking.cancel()
        await self._listener.aclose(self._options.drain_timeout)
        atexit.unregister(self._listener.remove_folder)
        await self.peers.aclose()
        await self.lease.close_table()

    async def retire(self) -> None:
        """Let the lease go if the event loop is closed: what it owns is another's at once."""
        if self.process_id == os.getpid() and self.loop.is_closed():
            self._listener.abandon()
            atexit.unregister(self._listener.remove_folder)
            await self._heartbeat.stop()

    async def _drain(self) -> None:
        await self._nothing_runs(self._options.drain_timeout)
        # Whatever goes on belongs to whoever takes the session over: it must not run here then.
        self.running.end_all()
        await self._nothing_runs(_END_SECONDS)
        await self._heartbeat.stop()

    async def _nothing_runs(self, seconds: float) -> None:
        """Wait until nothing of an owned session runs; at most so long."""
        with anyio.move_on_after(seconds):
            while not self.replica.can_withdraw:  # noqa: ASYNC110 - the machine tells nobody
                await asyncio.sleep(_DRAIN_POLL_SECONDS)

    def _end(self, numbers: list[int]) -> None:
        self.loop.call_soon_threadsafe(self.running.end, numbers)

    def _pulse(self) -> Pulse:
        """Say, to the thread of the heart, whether this event loop runs."""
        try:
            self.loop.call_soon_threadsafe(self._turn)
        except RuntimeError:
            # Nobody accepts on the socket any more; without it, that shows at once.
            self._listener.abandon()
            return Pulse.GONE
        is_stuck = time.monotonic() - self._turned > _STUCK_SECONDS
        return Pulse.STUCK if is_stuck else Pulse.BEATS

    def _turn(self) -> None:
        self._turned = time.monotonic()
        if self._drained is None:
            self.look_at_the_server()
        if self._drained is None and self._reopened is None and self._listener.is_cut_off():
            self._reopened = asyncio.create_task(self._reopen())

    async def _reopen(self) -> None:
        """Listen elsewhere: whoever cleans folders has removed that of the socket."""
        try:
            self.lease.addresses = self._addresses(await self._listener.reopen())
        finally:
            self._reopened = None

    def _lease(self, table: SessionTable, addresses: bytes) -> Lease:
        return Lease(
            table,
            self.replica,
            addresses=addresses,
            seconds=self._options.lease,
            entry_seconds=self._options.session_lifetime,
            tombstone_seconds=_TOMBSTONE_SECONDS,
        )

    def _addresses(self, socket_path: str | None) -> bytes:
        return PeerAddresses(self._host, socket_path, self._options.peer_url).encoded()

    def _begin_to_drain(self) -> "asyncio.Task[None]":
        if self._drained is None:
            self.running.end(self.replica.drain())
            self._drained = asyncio.create_task(self._drain())
        return self._drained

    async def _look_after_peers(self) -> None:
        while True:
            await asyncio.sleep(self._options.lease / 2)
            try:
                await self.lease.look_after()
            except Exception as error:  # noqa: BLE001 - else whoever waits for the dead waits on
                _logger.error("The owners could not be looked up: %s", described_error(error))  # noqa: TRY400 - without its text
