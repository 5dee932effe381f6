"""A table in a file of SQLite's, for the processes of one host."""

from __future__ import annotations

import os
import time
from functools import partial
from secrets import token_bytes
from typing import TYPE_CHECKING

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
from mcp_session._sessions.sqlite_file import SqliteFile
from mcp_session._sessions.table import (
    FoundSession,
    SessionEntry,
    SessionTableError,
    TableFault,
)
from mcp_session._sessions.terms import Terms

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

__all__ = ["SqliteSessions"]

# A lease is alive from its renewal on, for its seconds, by the clock that all processes of a host
# share and nobody sets. A host that was started again counts from 0: its old leases begin in the
# future, and are over.
_ALIVE = "replicas.renewed <= :now AND :now < replicas.renewed + replicas.seconds"

_FIND = f"""
    SELECT claim, owner, value, addresses
    FROM sessions LEFT JOIN replicas ON replicas.replica = sessions.owner AND {_ALIVE}
    WHERE key = :key AND ends > :time
"""  # noqa: S608 - our own text
_INSERT = """
    INSERT INTO sessions (key, claim, owner, ends, value)
    VALUES (:key, :claim, :owner, :ends, :value)
    ON CONFLICT (key) DO UPDATE
    SET claim = excluded.claim, owner = excluded.owner, ends = excluded.ends, value = excluded.value
    WHERE sessions.ends <= :time
"""
_UPDATE = """
    UPDATE sessions SET claim = :claim, owner = :owner, ends = :ends, value = :value
    WHERE key = :key AND claim = :expected AND ends > :time
"""
# A file that takes the place of another has, by then, what every process that lives owns.
_REWRITTEN_SECONDS = 2.0
# Four for each that is new: the file shrinks faster than it grows, in work that is bounded.
_FORGET = """
    DELETE FROM sessions WHERE rowid IN
    (SELECT rowid FROM sessions WHERE ends <= :time ORDER BY ends LIMIT 4)
"""
_RENEW = f"""
    UPDATE replicas SET addresses = :addresses, renewed = :now, seconds = :seconds
    WHERE replica = :replica AND term = :acknowledged AND {_ALIVE}
"""  # noqa: S608 - our own text
_BEGIN_LEASE = """
    INSERT OR REPLACE INTO replicas (replica, term, addresses, renewed, seconds)
    VALUES (:replica, :term, :addresses, :now, :seconds)
"""
_KEEP_KEY = "INSERT OR IGNORE INTO facts VALUES ('hashing key', ?)"
_KEY = "SELECT value FROM facts WHERE name = 'hashing key'"
_FORGET_LEASES = f"DELETE FROM replicas WHERE NOT ({_ALIVE})"  # noqa: S608 - our own text


class SqliteSessions:
    """A `SessionTable` in a file of SQLite's, for the processes of one host.

    `path` (`str` or path) is the file, which is made if it is missing, for its user alone. Its
    folder must be writable, and on a disk of this host: SQLite's shared memory does not reach
    across a network. The options:

    - `key` (32 bytes, default random): the key that hashes session IDs. One that is made is kept in
      the file; of one that is given, only a fingerprint.
    - `timeout` (`float`, seconds, default 1): how long to wait for another process that writes.

    Calls run in two threads of its own, one that reads and one that writes, so that no event loop
    waits for the disk, and no reader for a writer. Entries end by the host's wall clock, as it was
    when the file was first used since the host was started: on Linux, to set it ends none. Leases
    end by its monotonic one. A file that is deleted under running processes is begun anew, and each
    writes into it what it owns; until then, what is missing is 503 and not 404.

    >>> import asyncio, tempfile
    >>> from mcp_session.sessions import SessionEntry, SqliteSessions
    >>> async def keep(path):
    ...     table = SqliteSessions(path)
    ...     await table.swap(b"k", expected=None, entry=SessionEntry(1, "a", b"."), seconds=60)
    ...     await table.renew("a", b"10.0.0.1", seconds=1.5)
    ...     found = await table.find(b"k")
    ...     await table.aclose()
    ...     return found
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     asyncio.run(keep(f"{folder}/sessions.db"))
    FoundSession(entry=SessionEntry(claim=1, owner='a'), addresses=b'10.0.0.1')

    Source: https://www.sqlite.org/wal.html
    """

    def __init__(
        self, path: str | os.PathLike[str], *, key: bytes | None = None, timeout: float = 1.0
    ) -> None:
        """Name the file; it is opened when the table is first asked."""
        name = os.fsdecode(path)
        if name in {"", ":memory:"}:
            message = "path must name a file: for a table in memory take MemorySessions()"
            raise ValueError(message)
        # Wherever the process goes later, it is this file.
        self._path = os.path.abspath(name)  # noqa: PTH100 - links stay what they are
        self._key = checked_hashing_key(key)
        self._file = SqliteFile(self._path, checked_seconds("timeout", timeout))
        self._terms = Terms()
        # What this process has seen of the hashing key, to be said again in another file.
        self._record = b""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._path!r})"

    async def hashing_key(self) -> bytes:
        """See `SessionTable`."""
        given = self._key
        record = self._record or record_of_key(given or token_bytes(32), given=given is not None)

        def run(connection: sqlite3.Connection) -> bytes:
            connection.execute(_KEEP_KEY, (record,))
            ((stored,),) = connection.execute(_KEY)
            return bytes(stored)

        stored = await self._file.write(run)
        key = key_of_record(stored, given=given)
        self._record = self._record or stored
        return key

    async def find(self, key: bytes) -> FoundSession | None:
        """See `SessionTable`."""
        checked_key(key)

        def run(connection: sqlite3.Connection) -> FoundSession | None:
            facts = {"key": key, "now": time.monotonic(), "time": self._file.clock.now()}
            row = connection.execute(_FIND, facts).fetchone()
            if row is None:
                if self._file.was_replaced_within(_REWRITTEN_SECONDS):
                    raise SessionTableError(TableFault.REPLACED)
                return None
            claim, owner, value, addresses = row
            return FoundSession(SessionEntry(claim, owner, value), addresses)

        return await self._file.read(run)

    async def swap(
        self, key: bytes, *, expected: int | None, entry: SessionEntry, seconds: float
    ) -> bool:
        """See `SessionTable`."""
        checked_key(key)
        checked_expected(expected)
        checked_entry(entry)
        seconds = checked_seconds("seconds", seconds)

        def run(connection: sqlite3.Connection) -> bool:
            now = self._file.clock.now()
            facts = {
                "key": key,
                "claim": entry.claim,
                "owner": entry.owner,
                "value": entry.value,
                "expected": expected,
                "ends": now + seconds,
                "time": now,
            }
            if expected is None:
                connection.execute(_FORGET, facts)
                return connection.execute(_INSERT, facts).rowcount == 1
            return connection.execute(_UPDATE, facts).rowcount == 1

        return await self._file.write(run)

    async def touch(self, keys: Collection[bytes], seconds: float) -> frozenset[bytes]:
        """See `SessionTable`."""
        wanted = [checked_key(key) for key in keys]
        seconds = checked_seconds("seconds", seconds)
        missing: set[bytes] = set()

        def run(part: list[bytes], connection: sqlite3.Connection) -> None:
            now = self._file.clock.now()
            for key in part:
                touched = connection.execute(
                    "UPDATE sessions SET ends = ? WHERE key = ? AND ends > ?",
                    (now + seconds, key, now),
                )
                if not touched.rowcount:
                    missing.add(key)

        # In parts: a renewal waits for one of them, and not for all.
        for begin in range(0, len(wanted), 500):
            await self._file.write(partial(run, wanted[begin : begin + 500]))
        return frozenset(missing)

    async def renew(self, replica: str, addresses: bytes, seconds: float) -> bool:
        """See `SessionTable`."""
        acknowledged, term = self._terms.propose(checked_replica(replica))
        facts = {
            "replica": replica,
            "acknowledged": acknowledged,
            "term": term,
            "addresses": checked_addresses(addresses),
            "seconds": checked_seconds("seconds", seconds),
        }

        def run(connection: sqlite3.Connection) -> bool:
            now = {"now": time.monotonic()}
            if connection.execute(_RENEW, facts | now).rowcount:
                return False
            if self._record:
                # The file may be another than the one that had it.
                connection.execute(_KEEP_KEY, (self._record,))
                ((stored,),) = connection.execute(_KEY)
                if bytes(stored) != self._record:
                    raise SessionTableError(TableFault.OTHER_KEY)
            connection.execute(_FORGET_LEASES, now)
            connection.execute(_BEGIN_LEASE, facts | now)
            return True

        begun = await self._file.write(run)
        if begun:
            self._terms.acknowledge(replica, term)
        return begun

    async def withdraw(self, replica: str) -> None:
        """See `SessionTable`."""
        checked_replica(replica)

        def run(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM replicas WHERE replica = ?", (replica,))

        await self._file.write(run)
        self._terms.forget(replica)

    async def aclose(self) -> None:
        """Close the file for every event loop of this process; see `SessionTable`."""
        await self._file.aclose()
