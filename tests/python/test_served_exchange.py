"""What the middleware reads of an exchange: the facts of its headers, and what the rows say."""

import doctest
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mcp_session import (
    Rule,
    Side,
    attached_session_id,
    classify,
    needs_body,
    needs_request_body,
)
from mcp_session._core import ServedExchange

SECRET = b"c0ffee-1868a90c"
CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}'
CANONICAL = b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":7}'
Headers = Iterable[tuple[bytes, bytes]]
# For calls that type checkers rightly refuse.
Untyped: Any = ServedExchange


def picked(pairs: Headers, wanted: bytes) -> str | None:
    """A header as Python would read it."""
    found = [
        value.strip().decode("utf-8", "replace") for name, value in pairs if name.lower() == wanted
    ]
    return ", ".join(found) if found else None


methods = st.sampled_from(["POST", "GET", "DELETE", "PUT"])
statuses = st.sampled_from([200, 202, 400, 401, 404, 405, 500]) | st.integers(100, 999)
spaces = st.text(" \t\n\r\v\f\0\x1c\x85", max_size=2).map(str.encode)
names = st.sampled_from(
    [
        *(b"mcp-session-id", b"mcp-protocol-version", b"content-type", b"content-encoding"),
        *(b"www-authenticate", b"mcp-session-ic", b"x", b""),
    ]
).flatmap(lambda name: st.sampled_from([name, name.title(), name.upper(), name + b" "]))
values = st.binary(max_size=6) | st.sampled_from(
    [
        *(b"1868a90c", b"2025-11-25", b"2026-07-28", b"application/json", b"text/plain"),
        *(b"gzip", b"identity", b"Bearer", SECRET, b"\xff\xfe", b"\xe2\x82", b"\xf0\x9f\x92\xa9"),
    ]
)
headers = st.lists(st.tuples(names, st.tuples(spaces, values, spaces).map(b"".join)), max_size=6)
queries = st.binary(max_size=8) | st.sampled_from(
    [b"session_id=889dd8e2", b"a=b&sessionId=\xff", b"session_id=&sessionid=x", b"session_id"]
)
request_bodies = st.none() | st.sampled_from([CALL, b"", b"[", CALL.replace(b"7", b"8")])
response_bodies = st.sampled_from(
    [
        *(CANONICAL, CANONICAL[:40], b"", b"unknown session", b"unknown ses", b"Session not found"),
        *(b"Unauthorized: Session not found", b"<html>", b'{"jsonrpc":', b"\xff"),
    ]
)


@given(methods, headers, queries, statuses, headers, request_bodies, response_bodies)
@example(
    *("POST", [(b"mcp-session-id", b"x")], b"", 404),
    *([(b"content-type", b"application/json"), (b"mcp-session-id", b"y")], CALL, b"{"),
)
def test_it_says_what_classify_says_of_the_picked_facts(
    method: str,
    request: Headers,
    query: bytes,
    status: int,
    response: Headers,
    request_body: bytes | None,
    body: bytes,
) -> None:
    attached = attached_session_id(
        method,
        session_id=picked(request, b"mcp-session-id"),
        query=query.decode("utf-8", "replace"),
    )
    response_session_id = picked(response, b"mcp-session-id")
    head: dict[str, Any] = {
        "session_id": attached,
        "protocol_version": picked(request, b"mcp-protocol-version"),
        "content_type": picked(response, b"content-type"),
        "content_encoding": picked(response, b"content-encoding"),
        "www_authenticate": picked(response, b"www-authenticate"),
        "side": Side.SERVER,
    }
    facts: dict[str, Any] = {**head, "request_body": request_body}
    facts["response_session_id"] = response_session_id

    exchange = ServedExchange(method, request, query, status, response)

    assert exchange.attached_session_id == attached
    assert exchange.response_session_id == response_session_id
    assert exchange.needs_request_body() == needs_request_body(
        method, status, **head, response_session_id=response_session_id
    )
    for known in (None, body):
        verdict = classify(method, status, **facts, response_body=known)
        assert exchange.verdict(request_body, known) == verdict
    so_far = exchange.verdict_so_far(request_body, body)
    if needs_body(method, status, **head, request_body=request_body, body_so_far=body):
        assert so_far is None
    else:
        assert so_far == classify(method, status, **facts)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], None),
        ([(b"mcp-session-id", b"")], None),
        ([(b"mcp-session-id", b" a\t\r\n\v\f")], "a"),
        ([(b"MCP-Session-ID", b"a b")], "a b"),
        ([(b"mcp-session-id", b"a"), (b"x", b"y"), (b"Mcp-Session-Id", b" b ")], "a, b"),
        ([(b"mcp-session-id", b""), (b"mcp-session-id", b"")], ", "),
        ([(b"mcp-session-id", b"a\xff\xe2\x82")], "a��"),
        ([[b"mcp-session-id", b"a"]], "a"),
        ([("mcp-session-id", "a")], None),
    ],
)
def test_the_values_of_a_repeated_header_are_joined_without_the_space_around_them(
    pairs: Any, expected: str | None
) -> None:
    for given_as in (pairs, tuple(pairs), iter(pairs)):
        exchange = ServedExchange("POST", given_as, b"", 404, [])
        assert exchange.attached_session_id == expected
    if not pairs or pairs[0][1]:
        assert ServedExchange("POST", [], b"", 404, pairs).response_session_id == expected


REFUSED: list[tuple[tuple[Any, ...], type[Exception], str]] = [
    (("P T", [], b"", 404, []), ValueError, "method must be an HTTP method"),
    (("POST", [], b"", 99, []), ValueError, "status must be 100 to 999, not 99"),
    (("POST", [], b"", "404", []), TypeError, "status must be an int"),
    ((b"POST", [], b"", 404, []), TypeError, "method must be str"),
    (("POST", None, b"", 404, []), TypeError, "not iterable"),
    (("POST", [], "a=b", 404, []), TypeError, "query must be bytes, bytearray or memoryview"),
    (("POST", [(b"mcp-session-id", "c0ffee")], b"", 404, []), TypeError, "pairs of bytes"),
    (("POST", [], b"", 404, [(b"content-type", None)]), TypeError, "pairs of bytes"),
    (("POST", [()], b"", 404, []), TypeError, "pairs of bytes"),
    (("POST", [7], b"", 404, []), TypeError, "pairs of bytes"),
]


@pytest.mark.parametrize(("arguments", "error", "text"), REFUSED)
def test_what_is_no_exchange_is_refused_without_showing_its_id(
    arguments: tuple[Any, ...], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text) as raised:
        Untyped(*arguments)

    assert "c0ffee" not in str(raised.value)


def test_bodies_are_bytes_in_any_shape_and_nothing_else() -> None:
    exchange = ServedExchange("POST", [(b"mcp-session-id", SECRET)], b"", 404, [])
    expected = exchange.verdict(CALL, b"gone")
    for kind in (bytearray, memoryview):
        assert exchange.verdict(kind(CALL), kind(b"gone")) == expected
        assert exchange.verdict_so_far(kind(CALL), kind(b"gone")) == expected

    for call in (Untyped.verdict, Untyped.verdict_so_far):
        for bodies in ((SECRET.decode(), b""), (CALL, SECRET.decode())):
            with pytest.raises(TypeError, match="must be bytes, bytearray or memoryview, not str"):
                call(exchange, *bodies)


def test_many_headers_and_a_long_id_are_read_and_the_id_shows_nowhere() -> None:
    long = SECRET * 70_000
    many = [(b"x-%d" % number, b"y") for number in range(20_000)]
    repeated = [(b"mcp-session-id", SECRET)] * 20_000

    exchange = ServedExchange("POST", [*many, (b"mcp-session-id", long)], b"", 404, repeated)

    assert exchange.attached_session_id == long.decode()
    assert exchange.response_session_id == ", ".join([SECRET.decode()] * 20_000)
    assert exchange.verdict(CALL, b"").rule is Rule.UNCANONICAL_NOT_FOUND
    assert SECRET.decode() not in repr((exchange, exchange.verdict(CALL, b"")))


def test_its_docstring_has_an_example_that_holds() -> None:
    assert ServedExchange.__doc__
    test = doctest.DocTestParser().get_doctest(ServedExchange.__doc__, {}, "example", None, None)
    assert test.examples

    assert doctest.DocTestRunner().run(test).failed == 0


def test_counting_by_rule_runs_no_python() -> None:
    assert vars(Rule)["__hash__"] is object.__hash__
    assert len({hash(rule) for rule in Rule}) == len(Rule)
