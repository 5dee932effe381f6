"""A table in Redis or Valkey, for any number of hosts."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from secrets import token_bytes
from typing import TYPE_CHECKING

from mcp_session._extras import missing_extra
from mcp_session._sessions.checks import (
    checked_addresses,
    checked_entry,
    checked_expected,
    checked_hashing_key,
    checked_key,
    checked_replica,
    checked_seconds,
)
from mcp_session._sessions.hashing_key import key_of_record, record_of_key
from mcp_session._sessions.redis_scripts import FIND, HASHING_KEY, RENEW, SWAP
from mcp_session._sessions.table import (
    FoundSession,
    SessionEntry,
    SessionTableError,
    TableFault,
)
from mcp_session._sessions.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from redis.asyncio import Redis, RedisCluster

__all__ = ["RedisSessions"]

logger = logging.getLogger("mcp_session.sessions")

# Between two looks at a table that is not settled, in seconds: a replica renews its lease about as
# often.
_LOOK_AGAIN = (0.1, 0.3)
_TOUCHED_AT_ONCE = 500
_CLAIM_BYTES = 8
# What the script that renews answers then.
_OTHER_KEY = 2


class RedisSessions:
    """A `SessionTable` in Redis (6.2 or newer) or Valkey, for any number of hosts.

    `server` is a URL (`redis://`, `rediss://`, `unix://`) as redis-py takes it, or a callable that
    makes a client of `redis.asyncio`, once for each event loop: for Sentinel, for a cluster, or for
    credentials that change. Needs the extra `redis`. The options:

    - `key` (32 bytes, default random): the key that hashes session IDs. One that is made is kept in
      Redis, for whoever may read there; of one that is given, only a fingerprint.
    - `prefix` (`str`, default `"mcp-session"`): what the keys in Redis begin with, in braces, so
      that in a cluster they are in one slot. Another application takes another.
    - `timeout` (`float`, seconds, default 1): how long to wait for a connection and for an answer.
    - `max_connections` (`int`, default 16): how many each event loop opens at most.
    - `settling` (`float`, seconds, default 2): for how long after a restart, a failover or a flush
      the table is not believed where it says that an entry or a lease is missing. `find`, and
      `swap` of what is stored, wait for that time at most. Above every lease's seconds.
    - `replicas` (`int`, default 0): how many of Redis's replicas must have a swap or a renewal
      before it counts. With all of them, a failover loses no claim. Not in a cluster.

    Redis must not evict: `maxmemory-policy noeviction`; another one is warned of. Who may not
    everything needs `EVALSHA`, `EVAL`, `GET`, `GETRANGE`, `SET`, `DEL`, `PEXPIRE`, `TIME`,
    `INFO` and, with `replicas`, `WAIT`.

    >>> from mcp_session.sessions import RedisSessions
    >>> RedisSessions("rediss://user:secret@redis.example:6379/0")
    RedisSessions(prefix='mcp-session')

    Source: https://redis.io/docs/latest/develop/programmability/eval-intro/
    """

    def __init__(  # noqa: PLR0913 - what there is to choose
        self,
        server: str | Callable[[], Redis | RedisCluster],
        *,
        key: bytes | None = None,
        prefix: str = "mcp-session",
        timeout: float = 1.0,
        max_connections: int = 16,
        settling: float = 2.0,
        replicas: int = 0,
    ) -> None:
        """Name the server; it is connected to when the table is first asked."""
        try:
            # Only who uses it needs redis-py.
            from mcp_session._sessions.redis_connections import (  # noqa: PLC0415
                RedisConnections,
                Script,
            )
        except ModuleNotFoundError as error:
            raise missing_extra(error, "redis", "redis", module="sessions.RedisSessions") from None

        self._connections = RedisConnections(
            server,
            timeout=checked_seconds("timeout", timeout),
            max_connections=_checked_count("max_connections", max_connections, least=1),
            replicas=_checked_count("replicas", replicas, least=0),
        )
        self._find = Script(FIND)
        self._swap = Script(SWAP)
        self._renew = Script(RENEW)
        self._hashing_key = Script(HASHING_KEY)
        self._key = checked_hashing_key(key)
        self._settling = checked_seconds("settling", settling)
        self._settling_ms = math.ceil(self._settling * 1000)
        self._prefix = _checked_prefix(prefix)
        # The braces: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
        begin = f"{{{prefix}}}:".encode()
        self._entry, self._lease = begin + b"s:", begin + b"r:"
        self._server, self._record_key = begin + b"server", begin + b"key"
        # What this process has seen of the hashing key, to be said again after a flush.
        self._record = b"" if self._key is None else record_of_key(self._key, given=True)
        self._terms = Terms()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(prefix={self._prefix!r})"

    async def hashing_key(self) -> bytes:
        """See `SessionTable`."""
        given = self._key is not None
        proposed = self._record or record_of_key(token_bytes(32), given=False)
        settling = 0 if given else self._settling_ms
        keys = self._record_key, self._server
        while isinstance(
            record := await self._connections.run(self._hashing_key, keys, proposed, settling), int
        ):
            await _look_again(record)
        key = key_of_record(record, given=self._key)
        if not self._record:
            self._record = record
        if await self._connections.evicts():
            logger.warning(
                "Redis evicts keys when it is full (maxmemory-policy is not noeviction): sessions "
                "that live will be lost, and two processes may hold one"
            )
        return key

    async def find(self, key: bytes) -> FoundSession | None:
        """See `SessionTable`."""
        keys = self._entry + checked_key(key), self._server
        while isinstance(
            reply := await self._connections.run(self._find, keys, self._lease, self._settling_ms),
            int,
        ):
            if reply == 0:
                return None
            await _look_again(reply)
        stored, *addresses = reply
        return FoundSession(_decoded(stored), addresses[0] if addresses else None)

    async def swap(
        self, key: bytes, *, expected: int | None, entry: SessionEntry, seconds: float
    ) -> bool:
        """See `SessionTable`."""
        keys = self._entry + checked_key(key), self._server
        checked_expected(expected)
        arguments = (
            b"" if expected is None else expected.to_bytes(_CLAIM_BYTES, "big"),
            _encoded(checked_entry(entry)),
            _milliseconds(seconds),
            self._settling_ms,
        )
        while (reply := await self._connections.write(self._swap, keys, *arguments)) < 0:
            await _look_again(-reply)
        return bool(reply)

    async def touch(self, keys: Collection[bytes], seconds: float) -> frozenset[bytes]:
        """See `SessionTable`."""
        wanted = [checked_key(key) for key in keys]
        milliseconds = _milliseconds(seconds)
        missing: set[bytes] = set()
        for begin in range(0, len(wanted), _TOUCHED_AT_ONCE):
            part = wanted[begin : begin + _TOUCHED_AT_ONCE]
            found = await self._connections.expire(
                [self._entry + key for key in part], milliseconds
            )
            missing.update(key for key, there in zip(part, found, strict=True) if not there)
        return frozenset(missing)

    async def renew(self, replica: str, addresses: bytes, seconds: float) -> bool:
        """See `SessionTable`."""
        acknowledged, term = self._terms.propose(checked_replica(replica))
        if checked_seconds("seconds", seconds) > self._settling:
            message = f"a lease must not outlast `settling`, {self._settling} s: {seconds}"
            raise ValueError(message)
        reply = await self._connections.write(
            self._renew,
            (self._lease + replica.encode(), self._server, self._record_key),
            acknowledged,
            term,
            checked_addresses(addresses),
            _milliseconds(seconds),
            self._settling_ms,
            self._record,
        )
        if reply == _OTHER_KEY:
            raise SessionTableError(TableFault.OTHER_KEY)
        if reply:
            self._terms.acknowledge(replica, term)
        return bool(reply)

    async def withdraw(self, replica: str) -> None:
        """See `SessionTable`."""
        await self._connections.delete(self._lease + checked_replica(replica).encode())
        self._terms.forget(replica)

    async def aclose(self) -> None:
        """Close the connections of the event loop that runs; see `SessionTable`."""
        await self._connections.aclose()


async def _look_again(milliseconds: int) -> None:
    # Not all at the same time, nor before there can be news.
    await asyncio.sleep(min(milliseconds / 1000, random.uniform(*_LOOK_AGAIN)))  # noqa: S311 - no secret


def _encoded(entry: SessionEntry) -> bytes:
    owner = entry.owner.encode()
    return entry.claim.to_bytes(_CLAIM_BYTES, "big") + bytes([len(owner)]) + owner + entry.value


def _decoded(stored: bytes) -> SessionEntry:
    begin = _CLAIM_BYTES + 1
    end = begin + stored[_CLAIM_BYTES] if len(stored) >= begin else 0
    if not begin <= end <= len(stored):
        raise SessionTableError(TableFault.DAMAGED)
    claim = int.from_bytes(stored[:_CLAIM_BYTES], "big")
    return SessionEntry(claim, stored[begin:end].decode(errors="replace"), stored[end:])


def _milliseconds(seconds: object) -> int:
    return math.ceil(checked_seconds("seconds", seconds) * 1000)


def _checked_prefix(prefix: object) -> str:
    if not isinstance(prefix, str):
        message = f"prefix must be a str, not {type(prefix).__name__}"
        raise TypeError(message)
    if not prefix.isascii() or not prefix.isprintable() or not prefix or set(prefix) & set("{}"):
        message = "prefix must be printable ASCII without braces, and not empty"
        raise ValueError(message)
    return prefix


def _checked_count(name: str, count: object, *, least: int) -> int:
    if not isinstance(count, int) or isinstance(count, bool):
        message = f"{name} must be an int, not {type(count).__name__}"
        raise TypeError(message)
    if count < least:
        message = f"{name} must be at least {least}: {count}"
        raise ValueError(message)
    return count
