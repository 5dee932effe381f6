"""What a table of sessions is: its entries, its methods, its error."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["FoundSession", "SessionEntry", "SessionTable", "SessionTableError", "TableFault"]


class TableFault(Enum):
    """Why a table could not be asked. The value is what the error says of it.

    >>> from mcp_session.sessions import TableFault
    >>> print(TableFault.FULL.value)
    the session table has no room left
    """

    UNREACHABLE = "the session table cannot be reached"
    TIMED_OUT = "the session table did not answer in time"
    BUSY = "another process keeps the session table locked"
    FULL = "the session table has no room left"
    READ_ONLY = "the session table may be read only"
    DAMAGED = "the session table holds what no session table holds"
    DENIED = "the session table denies access"
    OTHER_KEY = "the session table was begun with another hashing key"
    OTHER_VERSION = "the session table was begun by another version of mcp_session"
    REPLACED = "the session table was deleted or replaced a moment ago"
    UNREPLICATED = "too few replicas of the session table acknowledged the write"
    REFUSED = "the session table refused the command"


class SessionTableError(Exception):
    """A table could not be asked: whether a session exists is not known.

    `fault` says why; `cause` is the name of the type of the exception beneath, or None. No text of
    that exception is shown. What a call that failed was to write may have been written, or may yet
    be: only `SessionTable.find` tells.

    >>> from mcp_session.sessions import SessionTableError, TableFault
    >>> raise SessionTableError(TableFault.BUSY, cause="OperationalError")
    Traceback (most recent call last):
    mcp_session.sessions.SessionTableError: another process keeps the session table locked \
(OperationalError)
    """

    def __init__(self, fault: TableFault, *, cause: str | None = None) -> None:
        """Say which fault it was."""
        super().__init__(fault.value if cause is None else f"{fault.value} ({cause})")
        self.fault = fault
        self.cause = cause


@dataclass(frozen=True, slots=True)
class SessionEntry:
    """What a table holds for one session.

    `claim` (`int`, 0 to 2^63 - 1) numbers the claims: it grows. `owner` (`str`, at most 255 bytes)
    is the identity of the replica that holds the session; `""` is nobody. `value` (`bytes`, at most
    1 MiB) is what the core has encoded; the table does not look into it, and `repr` does not show
    it.

    >>> from mcp_session.sessions import SessionEntry
    >>> SessionEntry(claim=1, owner="replica-1", value=b"...")
    SessionEntry(claim=1, owner='replica-1')
    """

    claim: int
    owner: str
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FoundSession:
    """An entry, and where its owner is.

    `addresses` (`bytes`) is what the owner said when it renewed its lease; None when it has no
    lease: the lease is over, was withdrawn, or there is no owner.

    >>> from mcp_session.sessions import FoundSession, SessionEntry
    >>> FoundSession(SessionEntry(1, "replica-1", b"..."), addresses=None)
    FoundSession(entry=SessionEntry(claim=1, owner='replica-1'), addresses=None)
    """

    entry: SessionEntry
    addresses: bytes | None


class SessionTable(Protocol):
    """Where the processes that serve one application look up who holds a session.

    A table stores, compares and forgets; it decides nothing. Keys are keyed hashes of session IDs
    (`bytes`, 1 to 64), never the IDs. Whether a lease is over is judged by the table's clock alone.

    Every method may be called from any event loop and any thread, and raises `SessionTableError`
    when the table cannot be asked, `ValueError` or `TypeError` for what no caller should pass.
    All times are in seconds (`float`, above 0).

    >>> from mcp_session.sessions import MemorySessions, SessionTable
    >>> table: SessionTable = MemorySessions()
    """

    async def hashing_key(self) -> bytes:
        """Return the key of the keyed hash (32 bytes), the same in every process of the table.

        It is the option `key`, or was made at random by the first that asked, and is kept in the
        table. It is a secret: who has it can find the entry of an ID that he has.
        """
        ...

    async def find(self, key: bytes) -> FoundSession | None:
        """Return the entry of a key with its owner's addresses, in one round trip; or None."""
        ...

    async def swap(
        self, key: bytes, *, expected: int | None, entry: SessionEntry, seconds: float
    ) -> bool:
        """Write an entry, to be kept for `seconds`, if the claim that is stored is `expected`.

        `None` expects that nothing is stored. Returns whether it was written. Of any number of
        callers that expect the same claim, and write a higher one, exactly one is told True.
        """
        ...

    async def touch(self, keys: Collection[bytes], seconds: float) -> frozenset[bytes]:
        """Keep entries for `seconds` from now, whoever owns them; return the keys of none.

        A key that its owner holds and that is returned was lost by the table (flushed, evicted):
        the owner writes it again.
        """
        ...

    async def renew(self, replica: str, addresses: bytes, seconds: float) -> bool:
        """Grant or renew a replica's lease, for `seconds` from now.

        `replica` (`str`, 1 to 255 bytes) is its identity, another for each start; `addresses`
        (`bytes`, at most 4 KiB) is what `find` gives to others. Returns True when the replica may
        have lost what it held: the lease was over or is new, or the table was replaced by one that
        may have missed writes. It is told so until it was told so: an answer that was lost on its
        way is given again.
        """
        ...

    async def withdraw(self, replica: str) -> None:
        """End a replica's lease now: what it owns may be claimed."""
        ...

    async def aclose(self) -> None:
        """Close what this event loop has open. What is stored stays; a further call opens anew."""
        ...
