"""Reads HTTP archives as browsers, mitmproxy and Charles write them.

http://www.softwareishard.com/blog/har-12-spec/ and what each of them makes of it: bodies are
decoded, if they are there at all; an exchange without an answer has the status 0.
"""

from __future__ import annotations

import binascii
import json
import math
from base64 import b64decode
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, cast
from urllib.parse import urlsplit

from mcp_session._cli.recorded import Draft, MalformedError, Problem, texts, utf8
from mcp_session._cli.ticks import in_order
from mcp_session._core import RecordedExchange
from mcp_session._urls import DEFAULT_PORTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_session._cli.recorded import Item

__all__ = ["endpoint_and_query", "read"]

Object: TypeAlias = dict[str, object]

_STATUSES = range(100, 1000)


def read(path: str, source: str, data: bytes) -> Iterator[Item]:
    """Read the entries of an archive."""
    try:
        entries = _entries(data)
    except MalformedError as error:
        yield Problem(path, error.place, error.what, is_malformed=True)
        return
    if not entries:
        yield Problem(path, "", "an archive without an entry", is_malformed=True)
    drafts: list[Draft] = []
    for number, entry in enumerate(entries, 1):
        place = f"entry {number}"
        try:
            make, times = _exchange(_object(entry, "entry"))
        except MalformedError as error:
            yield Problem(path, place, error.what, is_malformed=True)
        else:
            drafts.append(Draft(source, place, (path, path), times, make))
    times_of = in_order([draft.times for draft in drafts])
    for draft, ordered in zip(drafts, times_of, strict=True):
        yield replace(draft, times=ordered)


def endpoint_and_query(url: str) -> tuple[str, str]:
    """Return the host, port and path of a URL, and its query."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        message = "a URL that is none"
        raise MalformedError(message) from None
    shown = f"[{host}]" if ":" in host else host
    if port is not None and port != DEFAULT_PORTS.get(parts.scheme):
        shown += f":{port}"
    return utf8(shown + parts.path), utf8(parts.query)


def _entries(data: bytes) -> list[object]:
    try:
        # Numbers are times and sizes: one of a million digits is no reason to stop.
        archive: object = json.loads(data.decode("utf-8-sig"), parse_int=float)
    except UnicodeDecodeError as error:
        message = "not UTF-8"
        raise MalformedError(message, f"byte {error.start}") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise MalformedError(error.msg, where) from None
    except RecursionError:
        message = "nested too deeply"
        raise MalformedError(message) from None
    log = _object(archive, "archive").get("log")
    entries = _object(log, "log").get("entries")
    if not isinstance(entries, list):
        message = "no list of entries in its log"
        raise MalformedError(message)
    return cast("list[object]", entries)


def _exchange(
    entry: Object,
) -> tuple[partial[RecordedExchange], tuple[int, int] | None]:
    request = _object(entry.get("request"), "request")
    response = _object(entry.get("response"), "response")
    method = _text(request.get("method"), "request.method")
    url = _text(request.get("url"), "request.url")
    endpoint, query = endpoint_and_query(url)
    status = _status(response.get("status"))
    make = partial(
        RecordedExchange,
        utf8(method),
        endpoint,
        query,
        _headers(request, "request"),
        _request_body(request, method),
        status,
        # A body that stands here was decoded.
        [it for it in _headers(response, "response") if it[0].lower() != "content-encoding"],
        None if status is None else _response_body(response),
        remarks=[],
    )
    return make, _times(entry)


def _status(value: object) -> int | None:
    """Return a status; `None` for the 0, or the nothing, of what was not answered."""
    if value is None:
        return None
    if not isinstance(value, float) or not value.is_integer():
        message = "response.status is no status"
        raise MalformedError(message)
    if value == 0.0:
        return None
    if value not in _STATUSES:
        message = f"response.status must be 0, or 100 to 999, not {value:g}"
        raise MalformedError(message)
    return int(value)


def _headers(half: Object, name: str) -> list[tuple[str, str]]:
    listed = half.get("headers")
    if not isinstance(listed, list):
        message = f"{name}.headers is no list"
        raise MalformedError(message)
    headers = [_object(it, f"a header of the {name}") for it in cast("list[object]", listed)]
    return texts(
        (_text(it.get("name"), "a header's name"), _text(it.get("value"), "a header's value"))
        for it in headers
    )


def _request_body(request: Object, method: str) -> bytes | None:
    data = request.get("postData")
    if data is None:
        return b"" if method != "POST" or request.get("bodySize") == 0 else None
    return _body(_object(data, "request.postData"), "request.postData")


def _response_body(response: Object) -> bytes | None:
    content = _object(response.get("content", {}), "response.content")
    if content.get("text") is None and content.get("size") == 0:
        return b""
    return _body(content, "response.content")


def _body(content: Object, name: str) -> bytes | None:
    text = content.get("text")
    if text is None:
        return None
    body = _text(text, f"{name}.text")
    if content.get("encoding") != "base64":
        return body.encode(errors="replace")
    try:
        return b64decode(body)
    except (binascii.Error, ValueError):
        message = f"{name}.text is no base64"
        raise MalformedError(message) from None


def _times(entry: Object) -> tuple[int, int] | None:
    """Return when it was sent and the head of its answer had come, in microseconds.

    The body is no part of it: a stream goes on for as long as it likes.
    """
    started, took = entry.get("startedDateTime"), entry.get("time")
    if not isinstance(started, str):
        return None
    try:
        at = datetime.fromisoformat(_iso(started))
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=timezone.utc)
    sent = round(at.timestamp() * 1e6)
    timings = entry.get("timings")
    body = cast("Object", timings).get("receive") if isinstance(timings, dict) else None
    waited = _milliseconds(took) - _milliseconds(body)
    return (sent, sent + round(max(waited, 0) * 1e3)) if sent >= 0 else None


def _iso(text: str) -> str:
    """Return a time as Python 3.10 reads it: three or six digits of a second, no `Z`."""
    text = text.strip().replace("Z", "+00:00").replace("z", "+00:00")
    whole, point, rest = text.partition(".")
    if not point:
        return text
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return f"{whole}.{digits[:6]:0<6}{rest[len(digits) :]}"


def _milliseconds(value: object) -> float:
    day = 24 * 60 * 60 * 1e3
    is_time = isinstance(value, float) and math.isfinite(value)
    return min(max(cast("float", value), 0.0), day) if is_time else 0.0


def _object(value: object, name: str) -> Object:
    if not isinstance(value, dict):
        message = f"its {name} is no object"
        raise MalformedError(message)
    return cast("Object", value)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        message = f"{name} is no text"
        raise MalformedError(message)
    return value
