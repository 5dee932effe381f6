"""What Python adds to the core: types, errors, shared objects, nothing shown of an ID."""

import copy
import json
import pickle
import threading
from collections.abc import Callable
from enum import Enum
from http import HTTPStatus
from types import ModuleType
from typing import Any

import mcp_session
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_session import (
    Action,
    Answer,
    Kind,
    Lookup,
    Message,
    Rule,
    Side,
    Verdict,
    _core,
    admit,
    attached_session_id,
    classify,
    classify_exchange,
    needs_body,
    needs_request_body,
    not_found_response,
    peek,
)

BODY = b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}'
SECRET = "c0ffee-1868a90c"  # noqa: S105 - it only plays one
# For calls that type checkers rightly refuse.
API: Any = mcp_session
BYTES_LIKE = (bytes, bytearray, memoryview)


def test_a_lookup_may_be_a_bool_or_by_name() -> None:
    def admitted(known: bool | Lookup) -> Verdict:  # noqa: FBT001 - what admit takes
        return admit("POST", session_id="x", body=BODY, known=known)

    assert admitted(True) == admitted(Lookup.KNOWN)  # noqa: FBT003 - as above
    assert admitted(False) == admitted(Lookup.UNKNOWN)  # noqa: FBT003 - as above
    assert admitted(Lookup.UNAVAILABLE).rule is Rule.SESSION_TABLE_UNAVAILABLE


def test_a_verdict_names_the_row_that_withholds_a_session_header() -> None:
    for version in (None, "2026-07-28"):
        minted = classify(
            "POST", 400, protocol_version=version, response_session_id="x", side=Side.SERVER
        )

        assert not minted.forward_session_id
        assert minted.header_rule is Rule.SESSION_ID_ON_ERROR
    assert classify("POST", 400, response_session_id="x").header_rule is None
    modern = admit("POST", session_id="x", protocol_version="2026-07-28", known=True)
    assert modern.header_rule is Rule.MODERN_REQUEST


def test_a_row_says_whether_an_answer_is_changed_by_it() -> None:
    correcting = {rule.value for rule in Rule if rule.corrects}

    assert {"UncanonicalNotFound", "SessionIdOnError"} < correcting
    assert {rule for rule in correcting if not rule.startswith("Misreport")} == {
        "UncanonicalNotFound",
        "SessionIdOnError",
    }


@pytest.mark.parametrize(
    "value",
    [
        classify("POST", 404, session_id="x"),
        classify(
            "POST",
            200,
            request_body=b'{"id":0,"method":"initialize"}',
            response_session_id="fresh",
        ),
        classify("POST", 400, response_session_id="x", side=Side.SERVER),
        admit("POST", session_id="x", body=BODY, known=False),
        admit("POST", session_id="x", known=Lookup.UNAVAILABLE),
        admit("POST", body=BODY, known=True),
        not_found_response(BODY),
        peek(BODY),
        peek(b"["),
        *Rule,
        *Lookup,
        *Side,
    ],
    ids=repr,
)
def test_a_value_can_be_copied_pickled_compared_and_hashed(value: object) -> None:
    for again in (
        copy.copy(value),
        copy.deepcopy(value),
        *(pickle.loads(pickle.dumps(value, it)) for it in range(2, pickle.HIGHEST_PROTOCOL + 1)),  # noqa: S301
    ):
        assert again == value
        assert hash(again) == hash(value)
        assert repr(again) == repr(value)


def test_a_pickled_value_that_was_tampered_with_is_refused() -> None:
    for restored, arguments in (
        (_core.restored_verdict, ("CLEAR", Rule.TERMINATED_GET, None, None, None)),
        (_core.restored_verdict, (Action.CLEAR, "x", None, None, None)),
        (_core.restored_verdict, (Action.CLEAR, Rule.TERMINATED_GET, "x", None, None)),
        (_core.restored_answer, (200, b"")),
        (_core.restored_message, ("request", None, None, False)),
    ):
        make: Any = restored
        with pytest.raises((TypeError, ValueError)):
            make(*arguments)


def test_a_rule_is_the_text_that_the_command_line_prints() -> None:
    printed: object = "TerminatedPost"
    assert printed == Rule.TERMINATED_POST
    assert f"{Rule.TERMINATED_POST:>15}" == " TerminatedPost"
    assert str(Rule.TERMINATED_POST) == "TerminatedPost"
    assert {"TerminatedPost": 1}[Rule.TERMINATED_POST] == 1
    assert json.dumps(Rule.TERMINATED_POST) == '"TerminatedPost"'


def test_a_callers_own_misreports_are_acted_upon() -> None:
    own = [(409, "Worker has forgotten you"), (503, "restarted")]
    body = b'{"error":{"message":"Bad request: WORKER has  forgotten you."}}'
    facts: dict[str, Any] = {"session_id": "x", "misreports": own}

    assert needs_body("POST", 409, **facts)
    assert needs_body("POST", 409, **facts, body_so_far=body[:20])
    assert not needs_body("POST", 409, **facts, body_so_far=b"no")
    assert not needs_body("POST", 410, **facts)
    for method, action in (
        ("POST", Action.CLEAR_AND_REINIT),
        ("GET", Action.CLEAR_AND_REINIT),
        ("DELETE", Action.CLEAR),
    ):
        verdict = classify(method, 409, **facts, response_body=body)
        assert (verdict.action, verdict.rule) == (action, Rule.MISREPORT_OF_CALLER)
        corrected = classify(method, 409, **facts, response_body=body, side=Side.SERVER)
        assert corrected.action is Action.NOT_FOUND_RESPONSE
    raw = b"POST / HTTP/1.1\r\nMcp-Session-Id: x\r\n\r\n", b"HTTP/1.1 503 x\r\n\r\nRestarted"
    assert classify_exchange(*raw, misreports=own).rule is Rule.MISREPORT_OF_CALLER
    assert classify_exchange(*raw).rule is Rule.NOT_TERMINATION


@pytest.mark.parametrize(
    ("misreports", "error", "message"),
    [
        (5, TypeError, "misreports must be pairs of a status and a text, not int"),
        ([(400,)], TypeError, "misreports must be pairs of a status and a text"),
        ([("secret", "x")], TypeError, "misreports: a status must be an int, not str"),
        ([(400, b"x")], TypeError, "misreports: a text must be str, not bytes"),
        ([(99, "x")], ValueError, "misreports: a status must be 100 to 999, not 99"),
        (
            [(404, "x")],
            ValueError,
            "misreports: a misreport's status is 400 to 599 other than 404, not 404",
        ),
        ([(400, " . ")], ValueError, "misreports: a misreport's text is empty"),
        (
            [(400, "x" * 257)],
            ValueError,
            "misreports: a misreport's text is of more than 256 bytes",
        ),
        ([(400, "x")] * 65, ValueError, "misreports: more than 64 misreports"),
    ],
)
def test_misreports_that_cannot_be_are_refused(
    misreports: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        classify("POST", 404, misreports=misreports)

    assert str(raised.value) == message


def test_what_an_index_raises_is_raised() -> None:
    class Broken:
        def __index__(self) -> int:
            raise KeyError

    class Fine:
        def __index__(self) -> int:
            return 404

    with pytest.raises(KeyError):
        API.classify("POST", Broken())
    assert API.classify("POST", Fine(), session_id="x").rule is Rule.TERMINATED_POST


def test_arguments_in_a_wrong_order_are_not_shown() -> None:
    calls: list[Callable[[], object]] = [
        lambda: API.classify(404, SECRET),
        lambda: API.classify(f"{SECRET} ", 404),
        lambda: API.classify("POST", SECRET),
        lambda: API.classify("POST", 404, side=SECRET),
        lambda: API.classify("POST", 404, quirks=SECRET),
        lambda: API.admit("POST", known=SECRET),
        lambda: API.classify("POST", 404, misreports=[(SECRET, 400)]),
    ]
    for call in calls:
        with pytest.raises((TypeError, ValueError)) as raised:
            call()
        assert SECRET not in str(raised.value)


@pytest.mark.parametrize("method", ["post", "Get", "dELETE"])
def test_a_known_method_in_another_case_is_refused(method: str) -> None:
    for call in (
        lambda: classify(method, 404),
        lambda: admit(method, known=True),
        lambda: needs_body(method, 404),
    ):
        with pytest.raises(ValueError, match=f"^method must be spelled {method.upper()}: "):
            call()


def test_a_terminated_session_is_cleared() -> None:
    assert classify("POST", 404, session_id="x").action is Action.CLEAR_AND_REINIT


def test_verdicts_without_payload_are_shared_objects() -> None:
    assert classify("POST", 404, session_id="x") is classify("POST", 404, session_id="y")
    assert classify("GET", 200) is classify("DELETE", 500)


def test_verdicts_that_say_the_same_are_equal() -> None:
    first, second = (admit("POST", session_id=id_, body=BODY, known=False) for id_ in "xy")
    other = admit("POST", session_id="x", known=False)

    assert first == second
    assert hash(first) == hash(second)
    assert first != other
    assert first != "verdict"


def test_an_adopted_id_is_handed_out() -> None:
    verdict = classify(
        "POST",
        200,
        request_body=b'{"id":0,"method":"initialize"}',
        response_session_id=SECRET,
    )

    assert verdict.action is Action.ADOPT_SESSION
    assert verdict.session_id == SECRET


@pytest.mark.parametrize("bytes_like", BYTES_LIKE)
def test_bodies_may_be_any_bytes(bytes_like: Callable[[bytes], Any]) -> None:
    body = bytes_like(BODY)

    assert peek(body) == peek(BODY)
    assert not_found_response(body) == not_found_response(BODY)
    assert admit("POST", body=body, known=False) == admit("POST", body=BODY, known=False)
    verdict = classify(
        "POST", 404, session_id="x", request_body=body, response_body=body, side=Side.SERVER
    )
    assert verdict.response == not_found_response(BODY)
    request, response = b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"
    assert classify_exchange(bytes_like(request), bytes_like(response)) is classify("GET", 200)


def test_a_memoryview_with_strides_is_read_as_it_shows() -> None:
    spread = bytes(byte for pair in zip(BODY, b"x" * len(BODY), strict=True) for byte in pair)

    assert peek(memoryview(spread)[::2]) == peek(BODY)


def test_a_status_or_method_that_is_a_member_of_an_enum_will_do() -> None:
    class Method(str, Enum):
        POST = "POST"

    verdict = classify(Method.POST, HTTPStatus.NOT_FOUND, session_id="x")

    assert verdict.action is Action.CLEAR_AND_REINIT


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: API.classify("POST", 99), ValueError, "status must be 100 to 999, not 99"),
        (lambda: API.classify("POST", 1000), ValueError, "status must be 100 to 999, not 1000"),
        (lambda: API.classify("POST", -1), ValueError, "status must be 100 to 999, not -1"),
        (
            lambda: API.classify("POST", 2**70),
            ValueError,
            f"status must be 100 to 999, not {2**70}",
        ),
        (lambda: API.classify("POST", "404"), TypeError, "status must be an int, not str"),
        (lambda: API.classify("POST", 404.0), TypeError, "status must be an int, not float"),
        (
            lambda: API.classify("PÖST", 404),
            ValueError,
            "method must be an HTTP method",
        ),
        (lambda: API.classify("", 404), ValueError, "method must be an HTTP method"),
        (
            lambda: API.classify("A B", 404),
            ValueError,
            "method must be an HTTP method",
        ),
        (lambda: API.classify(b"POST", 404), TypeError, "method must be str, not bytes"),
        (
            lambda: API.classify("POST", 404, session_id=SECRET.encode()),
            TypeError,
            "session_id must be str, not bytes",
        ),
        (
            lambda: API.classify("POST", 404, response_body="x"),
            TypeError,
            "response_body must be bytes, bytearray or memoryview, not str",
        ),
        (
            lambda: API.classify("POST", 404, side="client"),
            TypeError,
            "side must be Side.CLIENT or Side.SERVER, not str",
        ),
        (
            lambda: API.classify("POST", 404, quirks=1),
            TypeError,
            "quirks must be a bool, not int",
        ),
        (lambda: API.needs_body("POST", 0), ValueError, "status must be 100 to 999, not 0"),
        (
            lambda: API.admit("POST", known="no"),
            TypeError,
            "known must be a bool or a Lookup, not str",
        ),
        (
            lambda: API.admit("POST", session_id="x", known=dict[str, bool]().get("x")),
            TypeError,
            (
                "known must be a bool or a Lookup, not None: pass Lookup.UNAVAILABLE if the table "
                "could not be asked, Lookup.UNKNOWN if it has no such session"
            ),
        ),
        (
            lambda: API.admit("POST", body=None, known=True),
            TypeError,
            "body must be bytes, bytearray or memoryview, not NoneType",
        ),
        (
            lambda: API.not_found_response("x"),
            TypeError,
            "request_body must be bytes, bytearray or memoryview, not str",
        ),
        (
            lambda: API.not_found_response(echo_id=None),
            TypeError,
            "echo_id must be a bool, not NoneType",
        ),
        (
            lambda: API.classify_exchange(b"GET / HTTP/1.1\r\nx\r\n\r\n", b""),
            ValueError,
            "request: byte 17: invalid header name",
        ),
        (
            lambda: API.classify_exchange(b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
            ValueError,
            "response: byte 17: the head ends before its empty line",
        ),
    ],
)
def test_an_error_names_the_argument_and_what_was_wrong(
    call: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        call()

    assert str(raised.value) == message


def test_a_session_id_shows_in_no_repr_and_no_error() -> None:
    shown = [
        repr(
            classify(
                "POST",
                200,
                request_body=b'{"id":0,"method":"initialize"}',
                response_session_id=SECRET,
            )
        ),
        repr(classify("POST", 404, session_id=SECRET)),
        repr(admit("POST", session_id=SECRET, known=False)),
    ]
    for bad in (SECRET.encode(), [SECRET], {SECRET: SECRET}):
        with pytest.raises(TypeError) as raised:
            API.classify("POST", 404, session_id=bad)
        shown.append(repr(raised.value))
    request = f"POST / HTTP/1.1\r\nMcp-Session-Id: {SECRET}\0\r\n\r\n".encode()
    with pytest.raises(ValueError, match="byte 48") as broken:
        classify_exchange(request, b"")
    shown.append(repr(broken.value))

    assert not [text for text in shown if SECRET in text]


def test_an_id_that_cannot_be_utf_8_is_attached_and_ill_formed() -> None:
    verdict = classify("POST", 404, session_id="x\udc80")
    assigned = classify(
        "POST",
        200,
        request_body=b'{"id":0,"method":"initialize"}',
        response_session_id="x\udc80",
    )

    assert verdict.action is Action.CLEAR_AND_REINIT
    assert assigned.rule is Rule.ILL_FORMED_SESSION_ID


def test_an_answer_states_its_length_and_type() -> None:
    answer = not_found_response(BODY)

    assert answer.headers == [
        ("content-type", "application/json"),
        ("content-length", str(len(answer.body))),
    ]
    assert admit("POST", session_id="x", known=Lookup.UNAVAILABLE).response is not None
    unavailable = admit("POST", session_id="x", known=Lookup.UNAVAILABLE).response
    assert unavailable is not None
    assert ("retry-after", "1") in unavailable.headers


def test_echo_id_false_leaves_the_id_out() -> None:
    assert not_found_response(BODY, echo_id=False) == not_found_response()
    assert "id" not in json.loads(not_found_response().body)


def test_without_a_request_body_a_post_is_no_initialize() -> None:
    verdict = classify("POST", 200, response_session_id="x")

    assert verdict.rule is Rule.NOTHING_ATTACHED


def test_values_are_frozen_and_not_made_by_hand() -> None:
    verdict = classify("POST", 404, session_id="x")
    with pytest.raises(AttributeError):
        verdict.action = Action.CLEAR  # type: ignore[misc]
    for value in (Verdict, Answer, Message):
        with pytest.raises(TypeError):
            value()


def test_values_can_be_matched() -> None:
    match classify("GET", 404, session_id="x"):
        case Verdict(Action.CLEAR_AND_REINIT, Rule.TERMINATED_GET):
            pass
        case verdict:
            pytest.fail(repr(verdict))
    match peek(BODY):
        case Message(Kind.REQUEST, "tools/list", "7"):
            pass
        case message:
            pytest.fail(repr(message))


@pytest.mark.parametrize("enum", [Action, Kind, Rule, Side])
def test_enums_are_pythons_own(enum: type[Enum]) -> None:
    assert issubclass(enum, Enum)


def test_the_public_names_are_these() -> None:
    public = {
        name
        # Those too that are imported when they are asked for.
        for name in dir(mcp_session)
        # An adapter that was imported is one of its attributes.
        if not (name.startswith("_") or isinstance(getattr(mcp_session, name), ModuleType))
    }

    assert public | {"__version__"} == set(mcp_session.__all__)


def test_large_bodies_are_looked_at_by_several_threads_at_once() -> None:
    body = b'{"id":1,"method":"m","params":"' + b"x" * (64 << 20) + b'"}'
    kinds: list[Kind] = []
    threads = [threading.Thread(target=lambda: kinds.append(peek(body).kind)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert kinds == [Kind.REQUEST] * 4


def test_nesting_a_million_deep_is_no_stack_overflow() -> None:
    for opening in (b"[", b'{"a":'):
        assert peek(opening * 1_000_000).kind is Kind.MALFORMED
    assert peek(b"[" * 1_000_000 + b"]" * 1_000_000).kind is Kind.BATCH


@given(st.binary(), st.booleans())
def test_no_body_raises_and_the_answer_is_json(body: bytes, echo_id: bool) -> None:  # noqa: FBT001
    message = peek(body)
    answer = json.loads(not_found_response(body, echo_id=echo_id).body)

    assert answer["error"]["code"] == -32001
    assert ("id" in answer) == (echo_id and message.kind is Kind.REQUEST)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


@given(st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False), json_values)
def test_the_id_of_any_request_comes_back_as_the_same_value(
    request_id: float | str, params: object
) -> None:
    body = json.dumps({"jsonrpc": "2.0", "params": params, "id": request_id, "method": "m"})

    answer = json.loads(not_found_response(body.encode()).body)

    if len(json.dumps(request_id)) <= 256:
        assert answer["id"] == request_id
    else:
        assert "id" not in answer


@given(
    st.sampled_from(["POST", "GET", "DELETE", "PUT"]) | st.text(),
    st.integers(),
    *[st.none() | st.text()] * 5,
    *[st.none() | st.binary()] * 2,
    st.sampled_from(Side),
    st.booleans(),
)
def test_any_facts_have_a_verdict_or_a_clear_error(
    method: str,
    status: int,
    session_id: str | None,
    protocol_version: str | None,
    response_session_id: str | None,
    content_type: str | None,
    www_authenticate: str | None,
    request_body: bytes | None,
    response_body: bytes | None,
    side: Side,
    quirks: bool,  # noqa: FBT001
) -> None:
    try:
        verdict = classify(
            method,
            status,
            session_id=session_id,
            protocol_version=protocol_version,
            request_body=request_body,
            response_session_id=response_session_id,
            content_type=content_type,
            www_authenticate=www_authenticate,
            response_body=response_body,
            side=side,
            quirks=quirks,
        )
    except ValueError as error:
        assert str(error).startswith(("method must be", "status must be"))
    else:
        assert isinstance(verdict.action, Action)
        assert (verdict.response is not None) == verdict.action.value.endswith("Response")


@given(st.binary(), st.binary())
def test_any_raw_bytes_have_a_verdict_or_an_offset(request: bytes, response: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nMcp-Session-Id: x\r\n"
    for raw in (request, head + request, head + b"\r\n" + request):
        for answer in (response, b"HTTP/1.1 404 x\r\n" + response, b"HTTP/1.1 404 x\r\n\r\n"):
            try:
                verdict = classify_exchange(raw, answer)
            except ValueError as error:
                which, where, _ = str(error).split(": ", 2)
                assert which in {"request", "response"}
                length = len(raw if which == "request" else answer)
                assert 0 <= int(where.removeprefix("byte ")) <= length
            else:
                assert isinstance(verdict.rule, Rule)


def test_an_answer_says_which_of_an_upstreams_headers_stay() -> None:
    upstream = [(b"Vary", b"Origin"), (b"set-cookie", b"a"), (b"set-cookie", b"b")]
    gone = [(b"Content-Length", b"9"), (b"ETag", b"x"), (b"Mcp-Session-Id", b"secret")]

    own = [(b"content-type", b"application/json"), (b"content-length", b"71")]
    assert not_found_response().replacing([*upstream, *gone]) == upstream + own
    pairs: Any = ([b"a", b"b"], [b"etag", b"c"])
    assert not_found_response().replacing(iter(pairs)) == [(b"a", b"b"), *own]
    wrongs: Any = ([("a", "b")], [b"xy"], [(b"x",)], [None])
    for wrong in wrongs:
        with pytest.raises(TypeError, match="headers must be pairs of bytes"):
            not_found_response().replacing(wrong)


def test_an_encoded_body_is_not_looked_into() -> None:
    facts: dict[str, Any] = {"session_id": "x", "side": Side.SERVER}

    assert needs_body("POST", 400, **facts)
    assert not needs_body("POST", 400, **facts, content_encoding="gzip")
    encoded = classify(
        "POST", 400, **facts, content_encoding="br", response_body=b"unknown session"
    )
    assert encoded.rule is Rule.NOTHING_TO_CORRECT


def test_a_body_is_needed_as_long_as_what_follows_may_matter() -> None:
    facts: dict[str, Any] = {"session_id": "x", "side": Side.SERVER}

    assert needs_body("POST", 400, **facts, body_so_far=b"unknown ses")
    assert needs_body("POST", 400, **facts, body_so_far=bytearray(b'{"error":{"co'))
    assert not needs_body("POST", 400, **facts, body_so_far=b"unknown tool")


def test_the_body_of_a_request_is_needed_for_an_answer_to_it() -> None:
    facts: dict[str, Any] = {"session_id": "x", "side": Side.SERVER}

    assert not needs_request_body("POST", 200, **facts)
    assert needs_request_body("POST", 404, **facts)
    assert not needs_request_body("GET", 404, **facts)
    # An ID on what is no success is withheld, whatever the request says of itself.
    assert not needs_request_body("POST", 400, response_session_id="y", side=Side.SERVER)
    assert not needs_request_body("POST", 400, side=Side.SERVER)


def test_the_header_goes_before_the_query_and_the_query_counts_for_a_post() -> None:
    query = "a=b&sessionId=q"

    assert attached_session_id("POST", session_id="h", query=query) == "h"
    assert attached_session_id("POST", session_id="", query=query) == "q"
    assert attached_session_id("POST", query=query) == "q"
    assert attached_session_id("GET", query=query) is None
    assert attached_session_id("DELETE", session_id="h") == "h"
    with pytest.raises(TypeError, match="query must be str, not bytes"):
        API.attached_session_id("POST", query=b"session_id=x")
