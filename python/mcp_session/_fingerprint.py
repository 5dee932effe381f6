"""What stands for a session ID where it may be seen: in logs and in the events of hooks."""

from hashlib import blake2b
from secrets import token_bytes

__all__ = ["fingerprint"]

# Of this process alone: a fingerprint tells apart the sessions in one log, and whoever reads
# two logs, or guesses IDs, learns nothing from it.
_KEY = token_bytes(32)


def fingerprint(session_id: str) -> str:
    """Return 12 hexadecimal digits that stand for an ID for as long as this process runs.

    >>> from mcp_session._fingerprint import fingerprint
    >>> fingerprint("1868a90c") == fingerprint("1868a90c") != fingerprint("1868a90d")
    True

    Source: guarantee 10, "they are credentials".
    """
    return blake2b(session_id.encode(errors="replace"), key=_KEY, digest_size=6).hexdigest()
