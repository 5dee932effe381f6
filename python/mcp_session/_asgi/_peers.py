"""The other processes: connections to each, and whether those that are waited for still live."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from mcp_session._asgi._addresses import PeerAddresses
from mcp_session._asgi._forward import Exchange, Upstream
from mcp_session.sessions import FoundSession

__all__ = ["Peer", "Peers"]

_PEERS_AT_MOST = 1024
_LOOKED_AT_TOGETHER = 8

# Looks a session up; `None` where the table does not say.
Find = Callable[[bytes], Awaitable[FoundSession | None]]


class Peer:
    """Another process, and what of ours it has to answer.

    A process that was killed ends its connections. One that hangs, or whose host is gone, does
    not: its lease says so, which is asked for as long as somebody waits for it.
    """

    def __init__(self, owner: str, upstream: Upstream, *, is_here: bool) -> None:
        """Reach a process; `is_here` by a private socket of this host."""
        self.owner, self.upstream, self.is_here = owner, upstream, is_here
        self._waiting: dict[Exchange, bytes] = {}
        self._was_missed = False

    def wait_for(self, exchange: Exchange, key: bytes) -> None:
        """Look after an exchange, which is of that session."""
        self._waiting[exchange] = key

    def is_answered(self, exchange: Exchange) -> None:
        """Look after it no more."""
        self._waiting.pop(exchange, None)

    async def look(self, find: Find) -> None:
        """Cut the exchanges that nothing can come of any more."""
        if not self._waiting:
            self._was_missed = False
            return
        for exchange, key in list(self._waiting.items())[:_LOOKED_AT_TOGETHER]:
            # The next time it is the others' turn.
            if self._waiting.pop(exchange, None) is not None:
                self._waiting[exchange] = key
            found = await find(key)
            if found is None:
                continue
            if found.entry.owner != self.owner:
                await exchange.cut()
            elif found.addresses is not None:
                self._was_missed = False
                return
            elif self._was_missed:
                # Twice in turn: a table that has begun anew knows no lease for a moment.
                for other in list(self._waiting):
                    await other.cut()
                return
            else:
                self._was_missed = True
                return


class Peers:
    """All of them, as far as there was something to send to them."""

    def __init__(self, host: str, find: Find, *, seconds: float) -> None:
        """Reach by a socket what is of this host; look after those who answer so often."""
        self._host, self._find, self._seconds = host, find, seconds
        self._peers: OrderedDict[tuple[str, bytes], Peer] = OrderedDict()
        self._watch: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def find(self, owner: str, addresses: bytes) -> Peer | None:
        """Return the process with those addresses; `None` where there is no way to it from here."""
        if (peer := self._peers.get((owner, addresses))) is not None:
            self._peers.move_to_end((owner, addresses))
            return peer
        decoded = PeerAddresses.decoded(addresses)
        is_here = decoded.host == self._host and decoded.socket_path is not None
        if is_here:
            upstream = Upstream("http://peer", socket_path=decoded.socket_path)
        elif decoded.url is not None:
            upstream = Upstream(decoded.url)
        else:
            return None
        peer = self._peers[owner, addresses] = Peer(owner, upstream, is_here=is_here)
        if len(self._peers) > _PEERS_AT_MOST:
            _, oldest = self._peers.popitem(last=False)
            closing = asyncio.create_task(oldest.upstream.aclose())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        if self._watch is None:
            self._watch = asyncio.create_task(self._look_after_all())
        return peer

    async def aclose(self) -> None:
        """Close the connections that are not in use."""
        if self._watch is not None:
            self._watch.cancel()
        for peer in self._peers.values():
            await peer.upstream.aclose()

    async def _look_after_all(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            for peer in list(self._peers.values()):
                await peer.look(self._find)
