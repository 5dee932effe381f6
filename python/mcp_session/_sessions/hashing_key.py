"""What a table stores of the key that hashes session IDs."""

from hashlib import blake2b

from mcp_session._sessions.table import SessionTableError, TableFault

__all__ = ["key_of_record", "record_of_key"]

_MADE = b"k"
_GIVEN = b"f"


def record_of_key(key: bytes, *, given: bool) -> bytes:
    """Return what to store: a key that was made here as it is, of one that was given a fingerprint.

    A key that somebody keeps elsewhere, and gives to each process, does not stand in the table.
    """
    return _GIVEN + _fingerprint(key) if given else _MADE + key


def key_of_record(record: bytes, *, given: bytes | None) -> bytes:
    """Return the key of a table that stores this record; raise if another was given."""
    kind, stored = record[:1], record[1:]
    if kind == _MADE and len(stored) == 32 and (given is None or given == stored):  # noqa: PLR2004 - as `SessionTable.hashing_key` has it
        return stored
    if kind == _GIVEN and given is not None and stored == _fingerprint(given):
        return given
    raise SessionTableError(TableFault.OTHER_KEY if kind in {_MADE, _GIVEN} else TableFault.DAMAGED)


def _fingerprint(key: bytes) -> bytes:
    return blake2b(b"mcp_session.sessions", key=key, digest_size=16).digest()
