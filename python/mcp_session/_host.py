"""What this host says of itself: when it was started, and how long ago."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["seconds_since_start", "start_id"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def seconds_since_start() -> float:
    """Return the time by a clock that nobody sets; on Linux it goes on while the host sleeps."""
    if sys.platform == "linux" and hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def start_id() -> str | None:
    """Name this start of the host; `None` where nothing tells it from another."""
    with suppress(OSError):
        return _BOOT_ID.read_text(encoding="ascii").strip()
    return None
