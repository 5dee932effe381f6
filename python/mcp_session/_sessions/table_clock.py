"""The time by which the entries of a file end: whoever sets the clock of the host ends none."""

from __future__ import annotations

import math
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

__all__ = ["TableClock"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
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
        return time.time() if self._ahead is None else _since_the_start() + self._ahead

    def take_from(self, connection: sqlite3.Connection) -> bool:
        """Take what the file has of this start of the host; return whether it had that."""
        if (start := _this_start()) is None:
            return True
        row = connection.execute(_FIND).fetchone()
        kept_start, _, ahead = (b"" if row is None else bytes(row[0])).partition(b" ")
        self._ahead = _number(ahead) if kept_start == start else None
        return self._ahead is not None

    def write_to(self, connection: sqlite3.Connection) -> None:
        """Write it down within a transaction, unless another was first."""
        start = _this_start()
        if start is not None and not self.take_from(connection):
            self._ahead = time.time() - _since_the_start()
            connection.execute(_KEEP, (b"%b %a" % (start, self._ahead),))


def _number(text: bytes) -> float | None:
    with suppress(ValueError):
        return number if math.isfinite(number := float(text)) else None
    return None


def _this_start() -> bytes | None:
    if sys.platform != "linux" or not hasattr(time, "CLOCK_BOOTTIME"):
        return None
    with suppress(OSError):
        return _BOOT_ID.read_bytes().strip()
    return None


def _since_the_start() -> float:
    """Return the seconds, those included that the host has slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
