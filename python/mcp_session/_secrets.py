"""What of a URL and of the headers that go with each request may be a credential, and hides it."""

from __future__ import annotations

import html
import json
import re
from array import array
from base64 import b64encode
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["may_be_credential", "secrets_of", "without_secrets"]

# What is shorter may be part of any word.
_TELLING = 4

# A longer part of a path with a digit in it may be a credential.
_LONGEST_PART = 16

# What is escaped more often than this is not looked for. Each layer is one pass over the text.
_LAYERS = 4

# What stands between two chunks of HTTP/1.1.
_CHUNK = r"\r\n[0-9A-Fa-f]{1,8}\r\n"

# One character, as JSON, a URL or HTML may spell it; or none.
_ESCAPED = re.compile(
    r"\\u[Dd][89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}"
    r'|\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|["\\/bfnrt])'
    r"|%[0-9A-Fa-f]{2}"
    r"|&(?:\#0*[0-9]{1,7}|\#[Xx]0*[0-9A-Fa-f]{1,6}|[A-Za-z][0-9A-Za-z]{1,31});?"
    rf"|{_CHUNK}"
)
_IN_JSON = {json.dumps(it)[1:-1]: it for it in '"\\\b\f\n\r\t'} | {r"\/": "/"}
_ZEROS = re.compile("^(&#[Xx]?)0+")
_BETWEEN_CHUNKS = re.compile(f"({_CHUNK})".encode())

_OF_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_RUN = re.compile(b"\x01+")


def may_be_credential(part: str) -> bool:
    """Whether a part of a path is one that may let somebody in."""
    return len(part) > _LONGEST_PART and re.search(r"\d", part) is not None


def secrets_of(url: str, headers: Iterable[tuple[str, str]]) -> set[str]:
    """Return what must not show should the server say it again.

    >>> from mcp_session._secrets import secrets_of
    >>> sorted(secrets_of("http://a.example/mcp?key=hidden", [("authorization", "Bearer a-token")]))
    ['Bearer a-token', 'a-token', 'hidden']
    """
    found = (*_of_url(url), *_of_headers(headers))
    return {it for it in found if len(it) > _TELLING}


def without_secrets(said: bytes, secrets: Iterable[str]) -> bytes:
    r"""Return what a peer said with asterisks for these, each as long as what it hides.

    They are found as they are, and with any of their characters as JSON (`\u0061`), a URL (`%61`)
    or HTML (`&#97;`) spells it, up to four times over; in base64 of either alphabet, whatever
    stands before and behind them in it; and cut by the chunks of HTTP/1.1, whose heads stay.

    >>> from mcp_session._secrets import without_secrets
    >>> without_secrets(rb"no \u0073ecret, c2VjcmV0", ["secret"])
    b'no ***********, ********'
    """
    sought = _Sought()
    for secret in secrets:
        sought.add(secret)
    hidden = bytearray(len(said))
    layers: list[_Layer] = []
    text = said.decode("latin-1")
    while True:
        for run in _RUN.finditer(sought.found_in(text)):
            start, end = run.span()
            for layer in reversed(layers):
                start, end = layer.source(start, end)
            hidden[start:end] = b"\x01" * (end - start)
        layer = _Layer.of(text)
        if layer.text == text or len(layers) == _LAYERS:
            return _masked(said, hidden)
        layers.append(layer)
        text = layer.text


def _masked(said: bytes, hidden: bytearray) -> bytes:
    shown = bytearray(said)
    for run in _RUN.finditer(hidden):
        start, end = run.span()
        # Every other one is what stands between two chunks.
        parts = _BETWEEN_CHUNKS.split(said[start:end])
        parts[::2] = [b"*" * len(it) for it in parts[::2]]
        shown[start:end] = b"".join(parts)
    return bytes(shown)


@dataclass
class _Sought:
    """What is looked for, each byte of it as one character."""

    as_it_is: set[str] = field(default_factory=set[str])
    in_base64: set[str] = field(default_factory=set[str])

    def add(self, secret: str) -> None:
        """Look for this, and for what it comes to where a text is read that escapes it."""
        ways = {secret.encode("utf-8", "surrogatepass")}
        # Headers are read as latin-1, and what repeats one may be too.
        ways |= {secret.encode("latin-1")} if max(secret, default="") <= "\xff" else set()
        for way in ways:
            text = way.decode("latin-1")
            self.as_it_is |= {text} - {""}
            if len(secret) <= _TELLING:
                continue
            self.in_base64.update(_in_base64(way))
            for _ in range(_LAYERS):
                text = _Layer.of(text).text
                self.as_it_is |= {text} if len(text) > _TELLING else set()

    def found_in(self, text: str) -> bytearray:
        """Return a 1 for each character of the text that is part of one, and a 0 for others."""
        found = bytearray(len(text))
        for needle in self.as_it_is:
            ones = b"\x01" * len(needle)
            for at in _places(text, needle):
                found[at : at + len(needle)] = ones
        standard = text.replace("-", "+").replace("_", "/")
        for needle in self.in_base64:
            for at in _places(standard, needle):
                # Its neighbours hold some of its bits.
                start, end = at, at + len(needle)
                start -= start > 0 and ord(text[start - 1]) in _OF_BASE64
                end += end < len(text) and ord(text[end]) in _OF_BASE64
                found[start:end] = b"\x01" * (end - start)
        return found


def _places(text: str, needle: str) -> Iterator[int]:
    at = text.find(needle)
    while at >= 0:
        yield at
        at = text.find(needle, at + len(needle))


def _in_base64(secret: bytes) -> Iterator[str]:
    """Yield what all texts in base64 with this in them have of it, by where it begins in three."""
    for before in range(3):
        first, end = -(before * 8 // -6), (before + len(secret)) * 8 // 6
        yield b64encode(bytes(before) + secret)[first:end].decode()


def _numbers() -> array[int]:
    # There may be one for every third byte of what a peer said.
    return array("Q")


@dataclass
class _Layer:
    """A text with each escape replaced by what it stands for, and where that was."""

    text: str
    starts: array[int] = field(default_factory=_numbers)
    """Where what an escape stands for begins here, one after the other."""
    ends: array[int] = field(default_factory=_numbers)
    from_starts: array[int] = field(default_factory=_numbers)
    """Where the escape itself began."""
    from_ends: array[int] = field(default_factory=_numbers)

    @classmethod
    def of(cls, text: str) -> _Layer:
        """Read every escape of a text once."""
        layer = cls("")
        pieces: list[str] = []
        at = length = 0
        for found in _ESCAPED.finditer(text):
            means = _meaning(found[0])
            pieces += (text[at : found.start()], means)
            length += found.start() - at
            layer.starts.append(length)
            length += len(means)
            layer.ends.append(length)
            layer.from_starts.append(found.start())
            at = found.end()
            layer.from_ends.append(at)
        layer.text = "".join([*pieces, text[at:]])
        return layer

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Return where what stands here, at least one character, stood before."""
        return self._source(start)[0], self._source(end - 1)[1]

    def _source(self, at: int) -> tuple[int, int]:
        number = bisect_right(self.starts, at) - 1
        if number < 0:
            return at, at + 1
        if at < self.ends[number]:
            return self.from_starts[number], self.from_ends[number]
        before = self.from_ends[number] + at - self.ends[number]
        return before, before + 1


def _meaning(escaped: str) -> str:
    """Return what an escape stands for, each byte of it in UTF-8 as one character."""
    if escaped[0] == "%":
        return chr(int(escaped[1:], 16))
    if escaped[0] == "\r":
        return ""
    if escaped[0] == "&":
        # Zeros without end are no number to Python.
        means = html.unescape(_ZEROS.sub(r"\1", escaped))
    elif escaped[1] == "x":
        return bytes.fromhex(escaped[2:]).decode("latin-1")
    else:
        means = _IN_JSON.get(escaped) or str(json.loads(f'"{escaped}"'))
    return means.encode("utf-8", "surrogatepass").decode("latin-1")


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
