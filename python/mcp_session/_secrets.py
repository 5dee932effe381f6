"""What of a URL and of the headers that go with each request may be a credential."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["may_be_credential", "secrets_of", "spellings_of"]

# What is shorter may be part of any word.
_TELLING = 4

# A longer part of a path with a digit in it may be a credential.
_LONGEST_PART = 16


def may_be_credential(part: str) -> bool:
    """Whether a part of a path is one that may let somebody in."""
    return len(part) > _LONGEST_PART and re.search(r"\d", part) is not None


def secrets_of(url: str, headers: Iterable[tuple[str, str]]) -> list[str]:
    """Return what must not show should the server say it again, the longest first.

    >>> from mcp_session._secrets import secrets_of
    >>> secrets_of("http://a.example/mcp?key=hidden", [("authorization", "Bearer a-token")])
    ['Bearer a-token', 'a-token', 'hidden']
    """
    found = [*_of_url(url), *_of_headers(headers)]
    telling = sorted({it for it in found if len(it) > _TELLING})
    return sorted(telling, key=len, reverse=True)


def spellings_of(secrets: Iterable[str]) -> list[str]:
    r"""Return each as it is, as JSON has it and as a URL has it, the longest first.

    >>> from mcp_session._secrets import spellings_of
    >>> spellings_of(['a/b'])
    ['a%2Fb', 'a\\/b', 'a/b']
    """
    found: set[str] = set()
    for it in secrets:
        in_json = json.dumps(it)[1:-1]
        found |= {it, in_json, in_json.replace("/", r"\/")}
        found |= {quote(it, errors="replace"), quote(it, safe="", errors="replace")}
    return sorted(found, key=lambda it: (-len(it), it))


def _of_headers(headers: Iterable[tuple[str, str]]) -> Iterator[str]:
    for _, value in headers:
        yield value
        # Without the scheme: `Bearer`, say.
        yield value.partition(" ")[2]


def _of_url(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    yield from _each(it for it in parts.path.split("/") if may_be_credential(unquote(it)))
    # A key may stand there without a name.
    yield from _each(it.partition("=")[2] or it for it in re.split("[&;]", parts.query))
    yield from (value for _, value in parse_qsl(parts.query))
    userinfo, at, _ = parts.netloc.rpartition("@")
    if at:
        user, _, password = userinfo.partition(":")
        yield from _each([userinfo, password])
        # As the header `Authorization` has it.
        named = f"{unquote(user)}:{unquote(password)}"
        yield b64encode(named.encode()).decode()


def _each(parts: Iterable[str]) -> Iterator[str]:
    """Yield each as it stands in the URL, and as a server reads it."""
    for it in parts:
        yield it
        yield unquote(it)
