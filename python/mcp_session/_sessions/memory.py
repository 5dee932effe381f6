"""A table in the memory of one process."""

from __future__ import annotations

import heapq
import threading
import time
from secrets import token_bytes
from typing import TYPE_CHECKING, NamedTuple

from mcp_session._sessions.checks import (
    checked_addresses,
    checked_entry,
    checked_expected,
    checked_hashing_key,
    checked_key,
    checked_max_bytes,
    checked_replica,
    checked_seconds,
)
from mcp_session._sessions.table import FoundSession, SessionEntry

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["MemorySessions"]

# What an entry takes beside its bytes: objects, and its places in a dict and a heap.
_OF_ONE = 512


class MemorySessions:
    """A `SessionTable` in the memory of one process, for one process, and for tests.

    It outlives the application's own memory of its sessions (an idle time-out), not the process.
    A process that is forked gets a copy, which nobody shares: for workers take `SqliteSessions`.
    `key` (32 bytes, default random) is the key that hashes session IDs. `max_bytes` (`int`, at
    least one MiB, default 256 MiB) bounds its entries in sum; beyond it, those are forgotten that
    were not used for the longest time.

    >>> import asyncio
    >>> from mcp_session.sessions import MemorySessions, SessionEntry
    >>> async def claim_twice():
    ...     table = MemorySessions()
    ...     await table.swap(b"k", expected=None, entry=SessionEntry(1, "a", b""), seconds=60)
    ...     return [
    ...         await table.swap(b"k", expected=1, entry=SessionEntry(2, owner, b""), seconds=60)
    ...         for owner in ("b", "c")
    ...     ]
    >>> asyncio.run(claim_twice())
    [True, False]
    """

    def __init__(self, *, key: bytes | None = None, max_bytes: int = 256 * 1024 * 1024) -> None:
        """Make an empty table."""
        self._key = checked_hashing_key(key) or token_bytes(32)
        self._lock = threading.Lock()
        self._max_bytes = checked_max_bytes(max_bytes)
        self._entries: dict[bytes, _Kept] = {}
        self._bytes = 0
        # When an entry may be over, at the earliest: one item for each entry.
        self._ends: list[tuple[float, bytes]] = []
        self._leases: dict[str, _Lease] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    async def hashing_key(self) -> bytes:
        """See `SessionTable`."""
        return self._key

    async def find(self, key: bytes) -> FoundSession | None:
        """See `SessionTable`."""
        checked_key(key)
        with self._lock:
            now = time.monotonic()
            kept = self._entries.get(key)
            if kept is None or kept.end <= now:
                return None
            lease = self._leases.get(kept.entry.owner)
            lives = lease is not None and now < lease.end
            return FoundSession(kept.entry, lease.addresses if lease and lives else None)

    async def swap(
        self, key: bytes, *, expected: int | None, entry: SessionEntry, seconds: float
    ) -> bool:
        """See `SessionTable`."""
        checked_key(key)
        checked_expected(expected)
        checked_entry(entry)
        seconds = checked_seconds("seconds", seconds)
        with self._lock:
            now = time.monotonic()
            self._forget_what_is_over(now)
            kept = self._entries.get(key)
            stored = kept.entry.claim if kept is not None and now < kept.end else None
            if stored != expected:
                return False
            if kept is None:
                heapq.heappush(self._ends, (now + seconds, key))
            self._bytes += _size(key, entry) - (0 if kept is None else _size(key, kept.entry))
            self._entries[key] = _Kept(entry, now + seconds)
            self._forget_beyond_room()
            return True

    async def touch(self, keys: Collection[bytes], seconds: float) -> frozenset[bytes]:
        """See `SessionTable`."""
        seconds = checked_seconds("seconds", seconds)
        missing: set[bytes] = set()
        with self._lock:
            now = time.monotonic()
            for key in keys:
                kept = self._entries.get(checked_key(key))
                if kept is None or kept.end <= now:
                    missing.add(key)
                else:
                    self._entries[key] = _Kept(kept.entry, now + seconds)
        return frozenset(missing)

    async def renew(self, replica: str, addresses: bytes, seconds: float) -> bool:
        """See `SessionTable`."""
        lease_of = checked_replica(replica)
        checked_addresses(addresses)
        seconds = checked_seconds("seconds", seconds)
        with self._lock:
            now = time.monotonic()
            lease = self._leases.get(lease_of)
            for other in [it for it, lease in self._leases.items() if lease.end <= now]:
                del self._leases[other]
            self._leases[lease_of] = _Lease(addresses, now + seconds)
            return lease is None or lease.end <= now

    async def withdraw(self, replica: str) -> None:
        """See `SessionTable`."""
        with self._lock:
            self._leases.pop(checked_replica(replica), None)

    async def aclose(self) -> None:
        """See `SessionTable`."""

    def _forget_what_is_over(self, now: float) -> None:
        # Two for each write: the table shrinks faster than it grows, in work that is bounded.
        for _ in range(2):
            if not self._ends or now < self._ends[0][0]:
                return
            self._forget_first(now)

    def _forget_beyond_room(self) -> None:
        # All are kept for as long, but for ends of sessions: the first to end was not used for the
        # longest time.
        while self._bytes > self._max_bytes and len(self._entries) > 1:
            self._forget_first(self._ends[0][0])

    def _forget_first(self, now: float) -> None:
        """Forget the first to end if it is over by then; else put it where it belongs."""
        _, key = self._ends[0]
        kept = self._entries[key]
        if kept.end <= now:
            heapq.heappop(self._ends)
            del self._entries[key]
            self._bytes -= _size(key, kept.entry)
        else:
            heapq.heapreplace(self._ends, (kept.end, key))


def _size(key: bytes, entry: SessionEntry) -> int:
    return _OF_ONE + len(key) + len(entry.owner) + len(entry.value)


class _Kept(NamedTuple):
    entry: SessionEntry
    # In seconds of `time.monotonic`.
    end: float


class _Lease(NamedTuple):
    addresses: bytes
    end: float
