"""Reads what `curl -v` and `curl -i` print, with or without the commands above it.

What begins with `>` was sent and what begins with `<` came; `*` are remarks, and `{` and `}`
count the bytes of bodies. A body stands behind its head as it is: its chunks and its encoding
are undone. That of a request does not stand there at all, unless the command does.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from mcp_session._cli import curl_command
from mcp_session._cli.har import endpoint_and_query
from mcp_session._cli.recorded import Draft, MalformedError, Problem, texts, utf8
from mcp_session._core import RecordedExchange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_session._cli.curl_command import Transfer
    from mcp_session._cli.recorded import Item

__all__ = ["is_output", "read"]

_BYTE_ORDERS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))

_SENT = re.compile(r"> ([!#$%&'*+.^_`|~\w-]+) (\S+) HTTP/[\d.]+\s*")
_CAME = re.compile(r"(?:< )?HTTP/[\d.]+ (\d{3})(?: .*)?")
_COMMAND = re.compile(r"\s*(?:\S*[$%#>]\s+)?curl(?:\.exe)?\s")
_FAILED = re.compile(r"curl: \(\d+\) ")
_COUNTED = re.compile(r"[{}] \[\d+ bytes data\]")
# Of the progress meter, which ends its lines with a carriage return alone. What stands before or
# between its figures is bounded, or begins where no space is before it: no line is looked at twice.
_PROGRESS = re.compile(
    r"\s*(?:\d+\s+\S+\s+){3}.{0,80}?(?:[-\d]{1,9}:[-\d]{2}:[-\d]{2}\s+){3}[\d.]+[kMGTP]?"
)
_PROGRESS_HEAD = re.compile(r"(?<!\s)\s*(?:% Total |Dload  Upload ).*")
# What curl says on stderr may stand behind a body that has no line end.
_REMARK = re.compile(
    r"\* (?:Connection #\d|Closing connection|Found bundle|Re-using|Can not multiplex|"
    r"Curl_|Issue another|Trying|  Trying|shutting down|Excess found|Request completely)"
)

# Of what only looks like the beginning of commands, characters.
_MOST_LOOKED_THROUGH = 4 * 1024 * 1024

_FIRST_FINAL, _SWITCHING_PROTOCOLS = 200, 101


def is_output(data: bytes) -> bool:
    """Say whether this is something that curl prints."""
    return any(
        _SENT.match(line) or _CAME.match(line) for line in _text(data[: 1024 * 1024]).splitlines()
    )


def read(path: str, source: str, data: bytes) -> Iterator[Item]:
    """Read the exchanges that curl printed."""
    for found in _Output(_text(data).split("\n")).exchanges():
        place = f"line {found.line}"
        try:
            make = _exchange(found)
        except MalformedError as error:
            yield Problem(path, place, error.what, is_malformed=True)
        else:
            yield Draft(source, place, (path, path), None, make)


@dataclass
class _Found:
    """An exchange as it is printed."""

    line: int
    transfer: Transfer | None
    sent: tuple[str, str] | None = None
    """The method and the target, if they are printed."""
    request_headers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    status: int | None = None
    response_headers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    body: list[str] = field(default_factory=list[str])


class _Output:
    """Lines that curl printed, read from the first to the last."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._transfers: list[Transfer] = []
        """Of the last command: what is still to come, the last of it kept for redirects."""
        self._found: _Found | None = None
        self._is_in_head = False
        """Of a response that is printed without `<`."""
        self._looked_through = 0

    def exchanges(self) -> Iterator[_Found]:
        """Yield what was exchanged."""
        number = 0
        while number < len(self._lines):
            line = self._line(number)
            if self._is_in_head:
                self._read_plain_header(line)
            elif _COMMAND.match(line) and (command := self._command(number)):
                yield from self._ended()
                self._transfers, taken = command
                number += taken - 1
            elif sent := _SENT.fullmatch(line):
                yield from self._ended()
                self._begin(number).sent = (sent[1], sent[2])
            elif came := _CAME.fullmatch(line):
                yield from self._read_status(number, line, int(came[1]))
            else:
                self._read_other(line)
            number += 1
        yield from self._ended()

    def _line(self, number: int) -> str:
        parts = self._lines[number].split("\r")
        return "\r".join(map(_without_progress, parts)).strip("\r")

    def _command(self, number: int) -> tuple[list[Transfer], int] | None:
        # What only looks like the beginning of commands is looked through again and again.
        longest = curl_command.LONGEST if self._looked_through < _MOST_LOOKED_THROUGH else 1
        lines = [self._line(number), *self._lines[number + 1 : number + longest]]
        command = curl_command.read(lines)
        if command is None:
            self._looked_through += sum(map(len, lines))
        return command

    def _begin(self, number: int) -> _Found:
        transfers = self._transfers
        transfer = transfers.pop(0) if len(transfers) > 1 else next(iter(transfers), None)
        self._found = _Found(number + 1, transfer)
        return self._found

    def _ended(self) -> Iterator[_Found]:
        found, self._found = self._found, None
        if found is not None and not (found.sent and found.sent[0] == "CONNECT"):
            yield found

    def _read_status(self, number: int, line: str, status: int) -> Iterator[_Found]:
        found = self._found
        is_plain = not line.startswith("< ")
        if is_plain and found is not None and found.status == status and not any(found.body):
            # `curl -iv` prints the head twice.
            self._is_in_head = True
            found.response_headers.clear()
            return
        is_next = found is None or (found.status is not None and found.status >= _FIRST_FINAL)
        if is_next:
            yield from self._ended()
            found = self._begin(number)
        if found is not None:
            found.status = status
            found.response_headers.clear()
            found.body.clear()
        self._is_in_head = is_plain

    def _read_plain_header(self, line: str) -> None:
        if not line:
            self._is_in_head = False
        elif self._found is not None:
            self._found.response_headers += _header(line)

    def _read_other(self, line: str) -> None:
        found = self._found
        if found is None or line.startswith("* ") or _COUNTED.fullmatch(line):
            return
        if line.startswith(">") and found.status is None:
            found.request_headers += _header(line[1:])
        elif line.startswith("<") and found.status is not None and not found.body:
            found.response_headers += _header(line[1:])
        elif found.status is not None and not _FAILED.match(line):
            found.body.append(line)


def _exchange(found: _Found) -> partial[RecordedExchange]:
    transfer = found.transfer
    if found.sent is not None:
        method, target = found.sent
        headers = found.request_headers
        host = next((value for name, value in headers if name.lower() == "host"), "")
        url = target if "://" in target else f"http://{host}{target}"
    elif transfer is not None:
        method, url, headers = transfer.method, transfer.url, transfer.headers
    else:
        message = "an answer without its request: print it by `curl -v`, or put the command above"
        raise MalformedError(message)
    endpoint, query = endpoint_and_query(url)
    is_answered = found.status is not None and (
        found.status >= _FIRST_FINAL or found.status == _SWITCHING_PROTOCOLS
    )
    body = _response_body(found.body)
    return partial(
        RecordedExchange,
        utf8(method),
        endpoint.partition("#")[0],
        query,
        texts(headers),
        _request_body(method, headers, transfer),
        found.status if is_answered else None,
        [it for it in texts(found.response_headers) if body is None or it[0].lower() != _ENCODING],
        body if is_answered else None,
        remarks=[],
    )


_ENCODING = "content-encoding"


def _request_body(
    method: str, headers: list[tuple[str, str]], transfer: Transfer | None
) -> bytes | None:
    if transfer is not None:
        return transfer.body
    lengths = [value for name, value in headers if name.lower() == "content-length"]
    return b"" if method != "POST" or lengths == ["0"] else None


def _response_body(lines: list[str]) -> bytes | None:
    """Return a body without what stands behind it; `None` where bytes were no text."""
    text = "\n".join(lines)
    if "\ufffd" in text:
        return None
    return utf8(_without_remark(text).strip("\n")).encode()


def _without_remark(text: str) -> str:
    begin = text.lstrip()
    if begin.startswith(("{", "[")):
        try:
            _, end = json.JSONDecoder().raw_decode(begin)
        except (ValueError, RecursionError):
            pass
        else:
            return begin[:end] if begin[end:].lstrip().startswith("* ") else text
    remark = _REMARK.search(text)
    return text[: remark.start()] if remark else text


def _without_progress(part: str) -> str:
    progress = _PROGRESS.match(part)
    return _PROGRESS_HEAD.sub("", part[progress.end() :] if progress else part, count=1)


def _header(line: str) -> list[tuple[str, str]]:
    name, colon, value = line.strip().partition(":")
    return [(name.strip(), value.strip())] if colon and name else []


def _text(data: bytes) -> str:
    encoding = next((name for mark, name in _BYTE_ORDERS if data.startswith(mark)), "utf-8")
    return data.decode(encoding, errors="replace")
