"""Reads a command line of curl: the transfers that it asks for."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LONGEST", "Transfer", "read"]

LONGEST = 200
"""How many lines a command may have."""

_PROMPT = re.compile(r"\s*(?:\S*[$%#>]\s+)?(?=curl(?:\.exe)?\s)")

_SINGLE = "'"
_MARKS = re.compile(r"""\\?['"]""")

# What has a value behind it, and what that is; of the others with one, nothing is kept.
_SHORT = {
    "H": "header",
    "X": "request",
    "d": "data",
    "A": "user-agent",
    "I": "head",
    "G": "get",
    "F": "form",
    "T": "upload-file",
}
_SHORT_WITH_VALUE = frozenset("AbcCdDeEFHKmoPQrtTuUwxXyYz")
_LONG_WITH_VALUE = re.compile(
    r"(ca|proxy-)?(cert|key|cacert|capath|user|header)(-type)?|ciphers|connect-(timeout|to)|"
    r"cookie(-jar)?|data(-ascii|-binary|-raw|-urlencode)?|dump-header|form|interface|json|"
    r"limit-rate|max-(redirs|time)|netrc-file|noproxy|output|parallel-max|pass|pinnedpubkey|"
    r"proxy|range|referer|request|resolve|retry(-delay|-max-time)?|stderr|trace(-ascii)?|"
    r"unix-socket|upload-file|url|user-agent|write-out"
)
_DATA = frozenset({"data", "data-ascii", "data-binary", "data-raw", "json"})
_IMPLIED = {"head": "HEAD", "get": "GET", "upload-file": "PUT"}
_FILES = frozenset({"data", "data-ascii", "data-binary", "json"})


@dataclass
class Transfer:
    """What curl is asked to send."""

    url: str = ""
    request: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    parts: list[str | None] = field(default_factory=list[str | None])
    """Of the body, as far as they stand in the command."""
    implied: str = ""
    """The method that another option than `-X` stands for."""

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.request or self.implied or ("POST" if self.parts else "GET")

    @property
    def body(self) -> bytes | None:
        """What is sent; `None` where it stands in a file."""
        if self.implied == "GET":
            # Its data stands in the query.
            return b""
        parts = [part for part in self.parts if part is not None]
        if len(parts) < len(self.parts):
            return None
        return "&".join(parts).encode(errors="replace")


def read(lines: list[str]) -> tuple[list[Transfer], int] | None:
    """Read the command that these lines begin with, and say how many lines it has.

    `None` if they begin with none.
    """
    text, quote = "", ""
    for number, whole in enumerate(lines, 1):
        line = whole.removesuffix("\r")
        quote = _open_quote(line, quote)
        if quote != _SINGLE and line.endswith("\\"):
            text += line[:-1]
        elif quote:
            text += line + "\n"
        else:
            transfers = _transfers(_words(text + line))
            return (transfers, number) if transfers else None
    return None


def _open_quote(line: str, quote: str) -> str:
    """Return the quotation mark that is open behind a line; `quote` is open before it."""
    for mark in _MARKS.finditer(line):
        if mark[0].startswith("\\") and quote != _SINGLE:
            continue
        found = mark[0][-1]
        if not quote:
            quote = found
        elif quote == found:
            quote = ""
    return quote


def _words(command: str) -> list[str]:
    prompt = _PROMPT.match(command)
    try:
        return shlex.split(command[prompt.end() :] if prompt else command)[1:]
    except ValueError:
        return []


def _transfers(words: list[str]) -> list[Transfer]:
    transfers = [Transfer()]
    rest = iter(words)
    for word in rest:
        if word in {"|", ">", "2>", "2>&1", ">&2", "&&", ";", "||"}:
            break
        if word in {"--next", "-:"}:
            transfers.append(Transfer())
        elif word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if _LONG_WITH_VALUE.fullmatch(name):
                value = value if equals else next(rest, "")
            _take(transfers[-1], name, value)
        elif word.startswith("-") and len(word) > 1:
            for name, value in _cluster(word[1:], rest):
                _take(transfers[-1], name, value)
        else:
            transfers[-1].url = _absolute(word)
    for transfer in transfers:
        if all(name.lower() != "user-agent" for name, _ in transfer.headers):
            transfer.headers.append(("user-agent", "curl/"))
    return [transfer for transfer in transfers if transfer.url]


def _cluster(letters: str, rest: Iterator[str]) -> list[tuple[str, str]]:
    """Read options that are written as one word; of the last, the value may be the next."""
    taken: list[tuple[str, str]] = []
    for index, letter in enumerate(letters):
        name = _SHORT.get(letter, "")
        if letter in _SHORT_WITH_VALUE:
            value = letters[index + 1 :] or next(rest, "")
            return [*taken, (name, value)]
        taken.append((name, ""))
    return taken


def _take(transfer: Transfer, name: str, value: str) -> None:
    if name == "url":
        transfer.url = _absolute(value)
    elif name == "request":
        transfer.request = value
    elif name == "header":
        header, _, content = value.partition(":")
        transfer.headers.append((header.strip(), content.strip()))
    elif name == "user-agent":
        transfer.headers.append(("user-agent", value))
    elif name in _IMPLIED:
        transfer.implied = _IMPLIED[name]
        transfer.parts += [None] * (name == "upload-file")
    elif name in _DATA:
        is_file = name in _FILES and value.startswith("@")
        transfer.parts.append(None if is_file else value)
    elif name in {"data-urlencode", "form"}:
        transfer.parts.append(None)


def _absolute(url: str) -> str:
    return url if "://" in url else f"http://{url}"
