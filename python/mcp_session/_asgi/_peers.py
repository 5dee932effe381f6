"""The other processes: connections to each."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from mcp_session._asgi._addresses import PeerAddresses
from mcp_session._asgi._forward import Upstream

__all__ = ["Peer", "Peers"]

_PEERS_AT_MOST = 1024


@dataclass(frozen=True)
class Peer:
    """Another process; `is_here` if it is reached by a private socket of this host."""

    upstream: Upstream
    is_here: bool


class Peers:
    """All of them, as far as there was something to send to them."""

    def __init__(self, host: str) -> None:
        """Reach by a socket what is of this host."""
        self._host = host
        self._peers: OrderedDict[tuple[str, bytes], Peer] = OrderedDict()
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
        peer = self._peers[owner, addresses] = Peer(upstream, is_here)
        if len(self._peers) > _PEERS_AT_MOST:
            _, oldest = self._peers.popitem(last=False)
            closing = asyncio.create_task(oldest.upstream.aclose())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        return peer

    async def aclose(self) -> None:
        """Close the connections that are not in use."""
        for peer in self._peers.values():
            await peer.upstream.aclose()
