"""A part of the fuzzers' corpus and dictionaries, for tests of other people's servers and clients.

The files are written by `python tests/packaged_corpus.py`, from `fuzz/corpus` and
`fuzz/dictionaries`: each string is bytes, a character for each (Latin-1).
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

__all__ = ["bodies", "words"]


@cache
def bodies() -> tuple[bytes, ...]:
    """Return bodies that are JSON-RPC, hardly, or not.

    >>> from mcp_session._corpus import bodies
    >>> any(body.startswith(b"[") for body in bodies())
    True
    """
    return _read("bodies.json")


@cache
def words() -> tuple[bytes, ...]:
    """Return what bodies and heads are made of.

    >>> from mcp_session._corpus import words
    >>> b'"id":' in words()
    True
    """
    return _read("words.json")


def _read(name: str) -> tuple[bytes, ...]:
    texts: list[str] = json.loads(files(__name__).joinpath(name).read_text(encoding="ascii"))
    return tuple(text.encode("latin-1") for text in texts)
