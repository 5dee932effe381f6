"""The server machine from Python: the facts of an exchange, and what the rows say of it."""

import doctest
import gc
import pickle
import weakref
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mcp_session import Action, Rule, Side, attached_session_id, classify, needs_body
from mcp_session._core import AsgiMachine, VerdictEvent
from mcp_session.server import ServerExchange, ServerPolicy, ServerStep, without_session_id

SECRET = b"c0ffee-1868a90c"
CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}'
CANONICAL = b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":7}'
Headers = Iterable[tuple[bytes, bytes]]
# For calls that type checkers rightly refuse.
POLICY: Any = ServerPolicy()


def picked(pairs: Headers, wanted: bytes) -> str | None:
    """A header as Python would read it."""
    found = [
        value.strip().decode("utf-8", "replace") for name, value in pairs if name.lower() == wanted
    ]
    while wanted == b"mcp-session-id" and len(found) > 1 and found[1] == found[0]:
        # The same ID again is the same ID.
        del found[1]
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
@example("POST", [(b"mcp-session-id", b"x")], b"", 404, [(b"mcp-session-id", b"")], None, b"{")
def test_it_decides_what_classify_says_of_the_picked_facts(
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
    is_known = request_body is not None and method == "POST" and bool(attached)
    facts: dict[str, Any] = {
        "session_id": attached,
        "protocol_version": picked(request, b"mcp-protocol-version"),
        "request_body": request_body if is_known else None,
        "content_type": picked(response, b"content-type"),
        "content_encoding": picked(response, b"content-encoding"),
        "www_authenticate": picked(response, b"www-authenticate"),
        "side": Side.SERVER,
    }

    exchange = ServerPolicy().exchange(method, request, query)
    assert (exchange.attached_session_id or None) == (attached or None)
    assert exchange.remembers_request == (method == "POST" and bool(attached))
    if request_body is not None:
        exchange.request_piece(request_body, more=False)
    exchange.wait_over()
    step = exchange.response_head(status, response)
    assert (exchange.response_session_id or None) == (response_session_id or None)
    # `needs_body` does not know of the ID on the answer, which may settle it.
    is_settled = exchange.rule is not None
    assert is_settled or needs_body(method, status, **facts, body_so_far=b"")
    if not is_settled:
        assert step is ServerStep.HOLD
        step = exchange.response_piece(body, more=False)
    verdict = classify(
        method,
        status,
        **facts,
        response_session_id=response_session_id,
        response_body=None if is_settled else body,
    )
    assert (exchange.rule, exchange.action) == (verdict.rule, verdict.action)
    assert exchange.answer == verdict.response
    assert exchange.corrects == (
        verdict.action is not Action.PASS_THROUGH or not verdict.forward_session_id
    )
    assert exchange.applied == exchange.corrects
    if verdict.response is not None:
        assert step is ServerStep.REPLACE
    else:
        is_success = 200 <= status < 300
        assert step is (ServerStep.LET_GO if is_success else ServerStep.LET_GO_WITHOUT_SESSION_ID)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], None),
        ([(b"mcp-session-id", b"")], None),
        ([(b"mcp-session-id", b" a\t\r\n\v\f")], "a"),
        ([(b"MCP-Session-ID", b"a b")], "a b"),
        ([(b"mcp-session-id", b"a"), (b"x", b"y"), (b"Mcp-Session-Id", b" b ")], "a, b"),
        ([(b"mcp-session-id", b""), (b"mcp-session-id", b"")], None),
        ([(b"mcp-session-id", b"a"), (b"Mcp-Session-Id", b" a ")], "a"),
        (
            [(b"mcp-session-id", b"a"), (b"mcp-session-id", b"b"), (b"mcp-session-id", b"a")],
            "a, b, a",
        ),
        ([(b"mcp-session-id", b"a\xff\xe2\x82")], "a��"),
        ([[b"mcp-session-id", b"a"]], "a"),
        ([("mcp-session-id", "a")], None),
    ],
)
def test_different_values_of_a_repeated_header_are_joined_without_the_space_around_them(
    pairs: Any, expected: str | None
) -> None:
    for given_as in (pairs, tuple(pairs), iter(pairs)):
        assert POLICY.exchange("POST", given_as).attached_session_id == expected
    exchange = POLICY.exchange("POST", [])
    exchange.response_head(404, pairs)
    assert exchange.response_session_id == expected


REFUSED: list[tuple[tuple[Any, ...], type[Exception], str]] = [
    (("P T", [], b""), ValueError, "method must be an HTTP method"),
    ((b"POST", [], b""), TypeError, "method must be str"),
    (("POST", None, b""), TypeError, "not iterable"),
    (("POST", [], "a=b"), TypeError, "must be bytes, bytearray or memoryview"),
    (("POST", [(b"mcp-session-id", "c0ffee")]), TypeError, "pairs of bytes"),
    (("POST", [()]), TypeError, "pairs of bytes"),
    (("POST", [7]), TypeError, "pairs of bytes"),
    ((99, []), ValueError, "status must be 100 to 999, not 99"),
    (("404", []), TypeError, "status must be an int"),
    ((404, [(b"content-type", None)]), TypeError, "pairs of bytes"),
    ((404, [(b"mcp-session-id", "c0ffee")]), TypeError, "pairs of bytes"),
]


@pytest.mark.parametrize(("arguments", "error", "text"), REFUSED)
def test_what_is_no_exchange_is_refused_without_showing_its_id(
    arguments: tuple[Any, ...], error: type[Exception], text: str
) -> None:
    is_response = arguments[0] in {99, "404", 404}
    exchange = POLICY.exchange("POST", [])
    with pytest.raises(error, match=text) as raised:
        (exchange.response_head if is_response else POLICY.exchange)(*arguments)

    assert "c0ffee" not in str(raised.value)


def test_bodies_are_bytes_in_any_shape_and_nothing_else() -> None:
    for kind in (bytes, bytearray, memoryview):
        exchange = POLICY.exchange("POST", [(b"mcp-session-id", SECRET)])
        exchange.request_piece(kind(CALL), more=False)
        exchange.response_head(400, [])
        assert exchange.response_piece(kind(b"unknown session"), more=False) is ServerStep.REPLACE
        assert exchange.answer.body.endswith(b'"id":7}')

    exchange = POLICY.exchange("POST", [(b"mcp-session-id", SECRET)])
    for call in (exchange.request_piece, exchange.response_piece):
        with pytest.raises(TypeError, match="must be bytes, bytearray or memoryview, not str"):
            call(SECRET.decode(), more=False)


def test_many_headers_and_a_long_id_are_read_and_the_id_shows_nowhere() -> None:
    long = SECRET * 70_000
    many = [(b"x-%d" % number, b"y") for number in range(20_000)]
    repeated = [(b"mcp-session-id", SECRET)] * 20_000

    exchange = POLICY.exchange("POST", [*many, (b"mcp-session-id", long)])
    exchange.response_head(404, repeated)

    assert exchange.attached_session_id == long.decode()
    assert exchange.response_session_id == SECRET.decode()
    assert exchange.rule is Rule.UNCANONICAL_NOT_FOUND
    assert SECRET.decode() not in repr((exchange, exchange.answer))


def test_an_event_is_equal_copied_and_pickled_by_what_it_says() -> None:
    event = VerdictEvent(
        Rule.UNCANONICAL_NOT_FOUND, Action.PASS_THROUGH, "GET", "/", 404, None, applied=True
    )
    again = pickle.loads(pickle.dumps(event))  # noqa: S301 - it is our own

    assert event == again
    assert hash(event) == hash(again)
    assert event != VerdictEvent(event.rule, event.action, "GET", "/", 404, "x", applied=True)
    assert str(event) == "UncanonicalNotFound: GET / was answered 404; session none; corrected"


@pytest.mark.parametrize("scope", [{}, {"type": "http"}, {"type": 7}, 7])
def test_what_is_no_scope_is_refused(scope: Any) -> None:
    with pytest.raises((KeyError, TypeError)):
        AsgiMachine.of(POLICY, scope)


class Linked(dict[str, Any]):
    """A message, or something callable, that there may be weak references to."""

    def __call__(self, *_: Any) -> None:
        """Stand for a `send`."""


@pytest.mark.parametrize("by", ["send", "reporter", "held"])
def test_a_machine_that_leads_back_to_itself_is_collected(by: str) -> None:
    scope = {"type": "http", "method": "GET", "path": "/mcp"}
    machine = AsgiMachine.of(POLICY, scope | {"headers": [(b"mcp-session-id", SECRET)]})
    assert machine is not None
    # Of what is held there is a copy, which leads to the same.
    marked = Linked()
    link: Any = Linked(type="http.response.start", status=400, leads_to=[machine, marked])
    if by == "held":
        assert machine.response(link) == []
    else:
        others: dict[str, Any] = {"send": Linked(), "reporter": Linked()}
        machine.answer_by(*(others | {by: link}).values())
    gone = weakref.ref(marked)
    del link, marked, machine
    gc.collect()

    assert gone() is None


def test_of_headers_those_that_bear_an_id_are_left_out() -> None:
    pairs: Any = [(b"a", b"b"), (b"MCP-Session-Id", b"x"), [b"mcp-session-id", b"y"], ("c", "d")]

    assert without_session_id(pairs) == [(b"a", b"b"), ("c", "d")]


@pytest.mark.parametrize(
    "documented", [AsgiMachine, ServerExchange, ServerPolicy, VerdictEvent, without_session_id]
)
def test_every_docstring_has_an_example_that_holds(documented: Any) -> None:
    test = doctest.DocTestParser().get_doctest(documented.__doc__, {}, "example", None, None)
    assert test.examples

    assert doctest.DocTestRunner().run(test).failed == 0


def test_counting_by_rule_runs_no_python() -> None:
    assert vars(Rule)["__hash__"] is str.__hash__
    assert len({hash(rule) for rule in Rule}) == len(Rule)
