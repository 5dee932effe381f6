"""Never executed: what the type checkers have to accept, and what they have to refuse."""

from typing import Literal

from mcp_session import (
    Action,
    Answer,
    Kind,
    Lookup,
    Message,
    Rule,
    Side,
    Verdict,
    admit,
    classify,
    classify_exchange,
    needs_body,
    not_found_response,
    peek,
)
from typing_extensions import assert_never, assert_type


def actions_can_be_exhausted(verdict: Verdict) -> int:
    match verdict.action:
        case Action.PASS_THROUGH | Action.ADOPT_SESSION:
            return 1
        case Action.CLEAR_AND_REINIT | Action.CLEAR:
            return 2
        case Action.NOT_FOUND_RESPONSE:
            return 3
        case Action.BAD_REQUEST_RESPONSE:
            return 4
        case Action.UNAVAILABLE_RESPONSE:
            return 5
        case _:
            assert_never(verdict.action)


def a_missing_action_is_noticed(verdict: Verdict) -> int:
    match verdict.action:
        case Action.PASS_THROUGH:
            return 1
        case _:
            assert_never(verdict.action)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def kinds_and_sides_can_be_exhausted(kind: Kind, side: Side) -> int:
    match kind:
        case Kind.REQUEST | Kind.NOTIFICATION | Kind.RESPONSE | Kind.BATCH | Kind.MALFORMED:
            pass
        case _:
            assert_never(kind)
    if side is Side.CLIENT:
        return 1
    assert_type(side, Literal[Side.SERVER])
    return 2


def results_have_their_types(body: bytearray) -> None:
    verdict = classify("POST", 404, session_id=None, request_body=memoryview(body))
    assert_type(verdict, Verdict)
    assert_type(verdict.rule, Rule)
    assert_type(verdict.rule.source, str | None)
    assert_type(verdict.session_id, str | None)
    assert_type(verdict.response, Answer | None)
    assert_type(classify_exchange(body, body, side=Side.SERVER, quirks=True), Verdict)
    assert_type(needs_body("POST", 404), bool)
    assert_type(admit("POST", known=Lookup.UNAVAILABLE), Verdict)
    assert_type(verdict.header_rule, Rule | None)
    assert_type(peek(b""), Message)
    assert_type(peek(b"").id, str | None)
    assert_type(not_found_response().headers, list[tuple[str, str]])


def wrong_arguments_are_refused() -> None:
    classify("POST", "404")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    classify("POST", 404, session_id=b"")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    admit("POST", known=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    admit("POST")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    peek("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
