"""What is sent to a server: requests that are plain, and requests that are not."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum

from hypothesis import strategies as st

from mcp_session import peek
from mcp_session.testing import strategies
from mcp_session.testing.client import write_request

__all__ = ["Ask", "Attached", "Framing", "Step", "calls_nothing", "cases", "written"]

MOST_STEPS = 6
VERSION = "2025-11-25"
LONG_HEADER = 3000
# Of a character of ASCII, as JSON spells it.
_ESCAPE = re.compile(rb"\\u00([0-7][0-9A-Fa-f])")


class Attached(Enum):
    """Which session ID a request bears."""

    NONE = "no session ID"
    LIVE = "a live session"
    TERMINATED = "a terminated session"
    UNKNOWN = "an unknown session"
    ILL_FORMED = "an ill-formed ID"


class Framing(Enum):
    """How a request is written."""

    WHOLE = "whole"
    CHUNKED = "in chunks"
    CUT = "cut off"
    BROKEN_CHUNK = "a broken chunk"
    WRONG_LENGTH = "a length that is no number"
    SPOILED_HEAD = "a spoiled head"


class Step(Enum):
    """What is done to the session between two requests."""

    TERMINATE = "DELETE of the session"
    OPEN = "a new session"


@dataclass(frozen=True)
class Ask:
    """One request, and what is to be told of it."""

    method: str
    attached: Attached
    body: bytes
    version: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    framing: Framing = Framing.WHOLE
    is_plain: bool = False
    """Whether nothing is wrong with it but, perhaps, its session."""

    def __str__(self) -> str:
        told = [self.method, self.attached.value, repr(self.body[:200])]
        told += [] if self.framing is Framing.WHOLE else [self.framing.value]
        told += [] if self.version is None else [f"version {self.version}"]
        return ", ".join([*told, *(name for name, _ in self.headers)])


def cases() -> st.SearchStrategy[list[Ask | Step]]:
    """Draw what is done to a server, one after the other."""
    step: st.SearchStrategy[Ask | Step] = st.one_of(
        _plain(), _plain(), _malformed(), _malformed(), st.sampled_from(Step)
    )
    return st.lists(step, min_size=1, max_size=MOST_STEPS)


def written(ask: Ask, target: str, host: str, session_id: str | None) -> bytes:
    """Write a request as it goes out."""
    request = write_request(
        ask.method,
        ask.body,
        ask.headers,
        target=target,
        host=host,
        session_id=session_id,
        protocol_version=ask.version,
    )
    head, separator, body = request.partition(b"\r\n\r\n")
    length = b"content-length: %d" % len(body)
    if ask.framing is Framing.WHOLE or length not in head:
        return request
    if ask.framing is Framing.CUT:
        return head.replace(length, b"content-length: %d" % (len(body) + 10)) + separator + body
    if ask.framing is Framing.WRONG_LENGTH:
        return head.replace(length, b"content-length: +1x") + separator + body
    if ask.framing is Framing.SPOILED_HEAD:
        return head.replace(b"\r\n", b"\n\x00", 1) + separator + body
    chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
    end = b"zz\r\n\r\n" if ask.framing is Framing.BROKEN_CHUNK else b"0\r\n\r\n"
    return head.replace(length, b"transfer-encoding: chunked") + separator + chunk + end


def _plain() -> st.SearchStrategy[Ask]:
    ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
    listing = json.dumps({"jsonrpc": "2.0", "id": "a", "method": "tools/list"}).encode()
    notice = json.dumps({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}).encode()
    posts = st.builds(
        Ask,
        method=st.just("POST"),
        attached=st.sampled_from(Attached),
        body=st.sampled_from([ping, listing, notice]),
        version=st.sampled_from([None, VERSION]),
        framing=st.sampled_from([Framing.WHOLE, Framing.WHOLE, Framing.CHUNKED]),
        is_plain=st.just(value=True),
    )
    dead = st.sampled_from([Attached.TERMINATED, Attached.UNKNOWN, Attached.ILL_FORMED])
    others = st.builds(
        Ask,
        method=st.sampled_from(["GET", "DELETE"]),
        attached=dead,
        body=st.just(b""),
        is_plain=st.just(value=True),
    )
    return posts | others


def _malformed() -> st.SearchStrategy[Ask]:
    headers = st.lists(
        st.sampled_from(
            [
                ("content-type", "text/plain"),
                ("accept", "text/html"),
                ("content-encoding", "gzip"),
                ("last-event-id", "no-such-event"),
                ("mcp-protocol-version", "1900-01-01"),
                ("x-long", "x" * LONG_HEADER),
                ("origin", "http://elsewhere.invalid"),
            ]
        ),
        max_size=2,
        unique=True,
    ).map(tuple)
    return st.builds(
        Ask,
        method=st.sampled_from(["POST", "POST", "POST", "GET", "DELETE", "PATCH", "HEAD"]),
        attached=st.sampled_from(Attached),
        body=strategies.bodies().filter(calls_nothing),
        version=st.none() | st.sampled_from(strategies.VERSIONS),
        headers=headers,
        framing=st.sampled_from([Framing.WHOLE] * 4 + list(Framing)),
    ).filter(_keeps_the_session)


def calls_nothing(body: bytes) -> bool:
    r"""No tool of the server's is to run, however its name is spelled, or where it stands.

    `tools\u002fcall` in a batch is one, and so is UTF-16 to those who read that.
    """
    spelled = _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), body.replace(b"\0", b""))
    is_named = b"tools/call" in spelled.replace(b"\\/", b"/")
    return not is_named and peek(body).method != "tools/call"


def _keeps_the_session(ask: Ask) -> bool:
    return not (ask.method == "DELETE" and ask.attached is Attached.LIVE)
