"""The time by which the entries of a file end: whoever sets the clock of the host ends none."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from mcp_session._host import seconds_since_start, start_id

if TYPE_CHECKING:
    import sqlite3

__all__ = ["TableClock"]

_FIND = "SELECT value FROM facts WHERE name = 'clock'"
_KEEP = "INSERT OR REPLACE INTO facts VALUES ('clock', ?)"


class TableClock:
    """What the wall clock said when the host was started, as far as the file knows, and since then.

    Whoever uses the file first after that writes down how far the two are apart, and all others
    take it from there: they agree, though somebody sets the wall clock meanwhile. Where nothing
    tells one start of the host from another, and on a host without a clock that counts from there,
    it is the wall clock.
    """

    def __init__(self) -> None:
        """Be the wall clock, until a file is known."""
        self._ahead: float | None = None

    def now(self) -> float:
        """Return the time, in seconds."""
        return time.time() if self._ahead is None else seconds_since_start() + self._ahead

    def take_from(self, connection: sqlite3.Connection) -> bool:
        """Take what the file has of this start of the host; return whether it had that."""
        if (start := start_id()) is None:
            return True
        row = connection.execute(_FIND).fetchone()
        kept_start, _, ahead = (b"" if row is None else bytes(row[0])).partition(b" ")
        self._ahead = _number(ahead) if kept_start == start.encode() else None
        return self._ahead is not None

    def write_to(self, connection: sqlite3.Connection) -> None:
        """Write it down within a transaction, unless another was first."""
        start = start_id()
        if start is not None and not self.take_from(connection):
            self._ahead = time.time() - seconds_since_start()
            connection.execute(_KEEP, (f"{start} {self._ahead!r}".encode(),))


def _number(text: bytes) -> float | None:
    with suppress(ValueError):
        return number if math.isfinite(number := float(text)) else None
    return None
