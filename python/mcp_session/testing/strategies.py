"""Hypothesis strategies for what travels between MCP clients and servers.

>>> from hypothesis import find
>>> from mcp_session.testing import strategies
>>> find(strategies.session_ids(), lambda it: len(it) == 3)
'000'
"""

from __future__ import annotations

import json
import string
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import strategies as st

from mcp_session._corpus import bodies as corpus_bodies
from mcp_session._corpus import words
from mcp_session.testing.client import write_request

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "STATUSES",
    "VERSIONS",
    "bodies",
    "exchanges",
    "ill_formed_session_ids",
    "interleavings",
    "malformed_bodies",
    "messages",
    "session_ids",
]

T = TypeVar("T")

VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F))
METHODS = (
    *("ping", "tools/list", "tools/call", "resources/list", "resources/read", "prompts/list"),
    *("logging/setLevel", "notifications/initialized", "notifications/cancelled", "initialize"),
    *("server/discover", "completion/complete", "no/such/method", ""),
)
VERSIONS = ("2025-11-25", "2025-06-18", "2024-11-05", "2026-07-28", "1900-01-01", "")
STATUSES = (200, 202, 400, 401, 403, 404, 405, 406, 409, 410, 415, 429, 500, 502, 503)


def session_ids() -> st.SearchStrategy[str]:
    """Draw session IDs as the specification has them: visible ASCII.

    >>> from hypothesis import find
    >>> from mcp_session.testing import strategies
    >>> find(strategies.session_ids(), lambda it: "~" in it)
    '~'
    """
    return st.text(VISIBLE, min_size=1, max_size=40)


def ill_formed_session_ids() -> st.SearchStrategy[str]:
    """Draw what fits into a header and is no session ID.

    >>> from hypothesis import find
    >>> from mcp_session.testing import strategies
    >>> find(strategies.ill_formed_session_ids(), lambda it: it.startswith("a"))
    'a 0'
    """
    inner = st.text(VISIBLE + " \t", min_size=1, max_size=20).filter(
        lambda it: it == it.strip() and not set(it) <= set(VISIBLE)
    )
    return inner | st.builds("{}, {}".format, session_ids(), session_ids())


def messages() -> st.SearchStrategy[dict[str, Any]]:
    """Draw JSON-RPC messages: requests, notifications, results and errors.

    >>> from hypothesis import find
    >>> from mcp_session.testing import strategies
    >>> find(strategies.messages(), lambda it: "error" in it)
    {'jsonrpc': '2.0', 'id': 0, 'error': {'code': 0, 'message': ''}}
    """
    ids = st.integers(-3, 2**53) | st.text(string.printable, max_size=12)
    leaf = st.none() | st.booleans() | st.integers(-10, 10) | st.text(max_size=8)
    params = st.dictionaries(
        st.sampled_from(["name", "arguments", "cursor", "uri", "level", "_meta", "requestId"]),
        leaf | st.dictionaries(st.text(max_size=6), leaf, max_size=2),
        max_size=3,
    )
    base = st.fixed_dictionaries({"jsonrpc": st.just("2.0")})
    methods = st.sampled_from(METHODS)
    requests = st.builds(_joined, base, st.fixed_dictionaries({"id": ids, "method": methods}))
    with_params = st.builds(_joined, requests, st.fixed_dictionaries({"params": params}))
    notifications = st.builds(_joined, base, st.fixed_dictionaries({"method": methods}))
    results = st.builds(_joined, base, st.fixed_dictionaries({"id": ids, "result": params}))
    error = st.fixed_dictionaries({"code": st.integers(-32768, 0), "message": st.text(max_size=8)})
    errors = st.builds(_joined, base, st.fixed_dictionaries({"id": ids, "error": error}))
    return requests | with_params | notifications | results | errors


def malformed_bodies() -> st.SearchStrategy[bytes]:
    """Draw bodies that are hardly JSON-RPC: from the fuzzers' corpus, cut, doubled, spoiled.

    >>> from hypothesis import find
    >>> from mcp_session.testing import strategies
    >>> find(strategies.malformed_bodies(), lambda it: it.startswith(b"["))
    b'['
    """
    seeds = st.sampled_from(corpus_bodies()) | messages().map(_written)
    token = st.sampled_from(words())
    return st.one_of(
        st.binary(max_size=64),
        st.sampled_from(corpus_bodies()),
        st.builds(_cut, seeds, st.integers(0, 400)),
        st.builds(_inserted, seeds, st.integers(0, 400), token),
        st.builds(_repeated, token, st.integers(1, 3000)),
        st.lists(token, max_size=12).map(b"".join),
    )


def bodies() -> st.SearchStrategy[bytes]:
    """Draw bodies of requests: good messages, batches of them, and what is malformed.

    >>> from hypothesis import find
    >>> from mcp_session import Kind, peek
    >>> from mcp_session.testing import strategies
    >>> find(strategies.bodies(), lambda it: peek(it).kind is Kind.BATCH)
    b'[]'
    """
    message = messages().map(_written)
    batches = st.lists(messages(), max_size=4).map(_written)
    return message | batches | malformed_bodies()


def exchanges() -> st.SearchStrategy[tuple[bytes, bytes]]:
    """Draw raw requests and responses, for `mcp_session.classify_exchange` and for servers.

    >>> from hypothesis import find
    >>> from mcp_session import Action, classify_exchange
    >>> from mcp_session.testing import strategies
    >>> def ends_it(exchange):
    ...     return classify_exchange(*exchange).action is Action.CLEAR_AND_REINIT
    >>> request, response = find(strategies.exchanges(), ends_it)
    >>> response.splitlines()[0]
    b'HTTP/1.1 404 '
    """
    attached = st.none() | session_ids()
    requests = st.builds(
        write_request,
        st.sampled_from(["POST", "GET", "DELETE"]),
        messages().map(_written),
        session_id=attached,
        protocol_version=st.none() | st.sampled_from(VERSIONS),
    )
    return st.tuples(requests, _responses())


def interleavings(*sequences: Sequence[T]) -> st.SearchStrategy[list[T]]:
    """Draw orders of all that is in some sequences; each keeps its own.

    >>> from hypothesis import find
    >>> from mcp_session.testing import strategies
    >>> find(strategies.interleavings("ab", "xy"), lambda it: it[0] == "x")
    ['x', 'a', 'b', 'y']
    """
    turns = [number for number, sequence in enumerate(sequences) for _ in sequence]

    def told(order: Sequence[int]) -> list[T]:
        left = [iter(sequence) for sequence in sequences]
        return [next(left[number]) for number in order]

    return st.permutations(turns).map(told)


def _responses() -> st.SearchStrategy[bytes]:
    return st.builds(
        _response,
        st.sampled_from(STATUSES),
        st.sampled_from(["application/json", "text/plain", "text/html", "text/event-stream"]),
        st.none() | session_ids(),
        messages().map(_written) | st.sampled_from(corpus_bodies()),
    )


def _response(status: int, content_type: str, session_id: str | None, body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} ", f"content-type: {content_type}"]
    if session_id is not None:
        lines.append(f"mcp-session-id: {session_id}")
    lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _written(message: object) -> bytes:
    return json.dumps(message).encode()


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {**one, **other}


def _cut(body: bytes, at: int) -> bytes:
    return body[: at % (len(body) + 1)]


def _inserted(body: bytes, at: int, token: bytes) -> bytes:
    place = at % (len(body) + 1)
    return body[:place] + token + body[place:]


def _repeated(token: bytes, count: int) -> bytes:
    return token * count
