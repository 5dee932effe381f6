"""A table that nobody can ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from mcp_session._sessions.table import SessionTableError, TableFault

if TYPE_CHECKING:
    from collections.abc import Collection

    from mcp_session._sessions.table import SessionEntry

__all__ = ["UnreachableSessions"]


class UnreachableSessions:
    """A `SessionTable` that fails whatever it is asked, as one that cannot be reached does."""

    async def hashing_key(self) -> NoReturn:
        """See `SessionTable`."""
        raise SessionTableError(TableFault.UNREACHABLE)

    async def find(self, key: bytes) -> NoReturn:  # noqa: ARG002 - it is not even looked at
        """See `SessionTable`."""
        raise SessionTableError(TableFault.UNREACHABLE)

    async def swap(
        self,
        key: bytes,  # noqa: ARG002 - as above
        *,
        expected: int | None,  # noqa: ARG002 - as above
        entry: SessionEntry,  # noqa: ARG002 - as above
        seconds: float,  # noqa: ARG002 - as above
    ) -> NoReturn:
        """See `SessionTable`."""
        raise SessionTableError(TableFault.UNREACHABLE)

    async def touch(self, keys: Collection[bytes], seconds: float) -> NoReturn:  # noqa: ARG002 - as above
        """See `SessionTable`."""
        raise SessionTableError(TableFault.UNREACHABLE)

    async def renew(self, replica: str, addresses: bytes, seconds: float) -> NoReturn:  # noqa: ARG002 - as above
        """See `SessionTable`."""
        raise SessionTableError(TableFault.UNREACHABLE)

    async def withdraw(self, replica: str) -> NoReturn:  # noqa: ARG002 - as above
        """See `SessionTable`."""
        raise SessionTableError(TableFault.UNREACHABLE)

    async def aclose(self) -> None:
        """See `SessionTable`."""
