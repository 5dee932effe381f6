"""What may be passed to a table: one check of each argument, for all tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcp_session._sessions.table import SessionEntry

__all__ = [
    "checked_addresses",
    "checked_entry",
    "checked_expected",
    "checked_hashing_key",
    "checked_key",
    "checked_max_bytes",
    "checked_replica",
    "checked_seconds",
]

_MAX_CLAIM = 2**63 - 1
_MAX_KEY = 64
_MAX_IDENTITY = 255
_MAX_ADDRESSES = 4096
_MAX_VALUE = 1024 * 1024
_HASHING_KEY = 32
# Ten years: what no clock and no table overflows.
_MAX_SECONDS = 10 * 366 * 24 * 3600.0


def checked_key(key: object) -> bytes:
    """Return a key if it is one."""
    return _checked_bytes("key", key, least=1, most=_MAX_KEY)


def checked_hashing_key(key: object) -> bytes | None:
    """Return the option `key` if it is one."""
    if key is None:
        return None
    return _checked_bytes("key", key, least=_HASHING_KEY, most=_HASHING_KEY)


def checked_addresses(addresses: object) -> bytes:
    """Return a replica's addresses if they are within bounds."""
    return _checked_bytes("addresses", addresses, least=0, most=_MAX_ADDRESSES)


def checked_replica(replica: object) -> str:
    """Return a replica's identity if it is one."""
    return _checked_identity("replica", replica, least=1)


def checked_expected(expected: object) -> int | None:
    """Return the claim that is expected if it is one, or None."""
    return None if expected is None else _checked_claim("expected", expected)


def checked_entry(entry: SessionEntry) -> SessionEntry:
    """Return an entry if each part of it is within bounds."""
    _checked_claim("claim", entry.claim)
    _checked_identity("owner", entry.owner, least=0)
    _checked_bytes("value", entry.value, least=0, most=_MAX_VALUE)
    return entry


def checked_max_bytes(max_bytes: object) -> int:
    """Return a bound of what is kept if it has room for the longest entry."""
    if not isinstance(max_bytes, int) or isinstance(max_bytes, bool):
        message = f"max_bytes must be an int, not {type(max_bytes).__name__}"
        raise TypeError(message)
    if max_bytes < _MAX_VALUE:
        message = f"max_bytes must be at least {_MAX_VALUE}: {max_bytes}"
        raise ValueError(message)
    return max_bytes


def checked_seconds(name: str, seconds: object) -> float:
    """Return a time if it is one that can be waited for."""
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        message = f"{name} must be a number of seconds, not {type(seconds).__name__}"
        raise TypeError(message)
    if not math.isfinite(seconds) or not 0 < seconds <= _MAX_SECONDS:
        message = f"{name} must be above 0 and at most ten years: {seconds}"
        raise ValueError(message)
    return float(seconds)


def _checked_claim(name: str, claim: object) -> int:
    if not isinstance(claim, int) or isinstance(claim, bool):
        message = f"{name} must be an int, not {type(claim).__name__}"
        raise TypeError(message)
    if not 0 <= claim <= _MAX_CLAIM:
        message = f"{name} must be from 0 to {_MAX_CLAIM}: {claim}"
        raise ValueError(message)
    return claim


def _checked_identity(name: str, identity: object, *, least: int) -> str:
    if not isinstance(identity, str):
        message = f"{name} must be a str, not {type(identity).__name__}"
        raise TypeError(message)
    if not least <= len(identity.encode(errors="replace")) <= _MAX_IDENTITY or not (
        identity.isascii() and (not identity or identity.isprintable())
    ):
        message = f"{name} must be {least} to {_MAX_IDENTITY} printable ASCII characters"
        raise ValueError(message)
    return identity


def _checked_bytes(name: str, value: object, *, least: int, most: int) -> bytes:
    if not isinstance(value, bytes):
        message = f"{name} must be bytes, not {type(value).__name__}"
        raise TypeError(message)
    if not least <= len(value) <= most:
        wanted = f"{most} bytes" if least == most else f"{least} to {most} bytes"
        message = f"{name} must be {wanted}: {len(value)}"
        raise ValueError(message)
    return value
