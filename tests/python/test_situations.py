"""The seven situations that the project was started for, each under its own name."""

import re

import pytest
from mcp_session import Action, Rule, Side, classify, classify_exchange

from golden import recorded

ID = "00000000-dead-4bad-8bad-000000000000"
REQUEST = b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}'
BATCH = b'[{"jsonrpc":"2.0","id":7,"method":"tools/list"}]'
WITH_ID = b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":7}'
WITHOUT_ID = b'{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"}}'


@pytest.mark.parametrize(
    ("method", "body", "answer"),
    [("POST", REQUEST, WITH_ID), ("POST", BATCH, WITHOUT_ID), ("DELETE", None, WITHOUT_ID)],
)
def test_toolhives_streamable_proxy_answered_a_plain_404(
    method: str, body: bytes | None, answer: bytes
) -> None:
    verdict = classify(
        method,
        404,
        session_id=ID,
        request_body=body,
        content_type="text/plain; charset=utf-8",
        response_body=b"Session not found\n",
        side=Side.SERVER,
    )

    assert verdict.action is Action.NOT_FOUND_RESPONSE
    assert verdict.response is not None
    assert verdict.response.status == 404
    assert ("content-type", "application/json") in verdict.response.headers
    assert verdict.response.body == answer


def test_toolhives_transparent_proxy_answered_400_unknown_session() -> None:
    facts = {"session_id": ID, "request_body": REQUEST, "response_body": b"unknown session\n"}

    server = classify("POST", 400, **facts, side=Side.SERVER)  # type: ignore[arg-type]
    client = classify("POST", 400, **facts, quirks=True)  # type: ignore[arg-type]
    strict = classify("POST", 400, **facts)  # type: ignore[arg-type]

    assert server.action is Action.NOT_FOUND_RESPONSE
    assert server.response is not None
    assert server.response.body == WITH_ID
    assert client.action is Action.CLEAR_AND_REINIT
    assert client.rule is server.rule is Rule.MISREPORT_UNKNOWN_SESSION
    assert strict.action is Action.PASS_THROUGH


def test_toolhives_sse_proxy_answered_could_not_find_session() -> None:
    request, response = recorded("sse-mcp1.30.0/03-post-bogus-session")
    assert response.endswith(b"Could not find session")

    verdict = classify_exchange(request, response, side=Side.SERVER)

    assert verdict.action is Action.NOT_FOUND_RESPONSE
    assert verdict.response is not None
    assert verdict.response.body == WITH_ID
    assert classify_exchange(request, response).action is Action.PASS_THROUGH


BODIES = {
    "empty": (None, b""),
    "text": ("text/plain", b"Session not found"),
    "html": ("text/html", b"<h1>Not Found</h1>"),
    "json-rpc": ("application/json", b'{"jsonrpc":"2.0","error":{"code":-32002},"id":null}'),
    "method-not-found": ("application/json", b'{"jsonrpc":"2.0","error":{"code":-32601},"id":7}'),
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(
    ("method", "action"),
    [
        ("POST", Action.CLEAR_AND_REINIT),
        ("GET", Action.CLEAR_AND_REINIT),
        ("DELETE", Action.CLEAR),
    ],
)
def test_the_typescript_client_met_a_404_with_a_session(
    method: str, action: Action, body: str
) -> None:
    content_type, response_body = BODIES[body]

    verdict = classify(
        method, 404, session_id=ID, content_type=content_type, response_body=response_body
    )

    assert verdict.action is action


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_the_typescript_client_met_a_404_without_a_session(method: str) -> None:
    verdict = classify(
        method, 404, response_body=b'{"jsonrpc":"2.0","error":{"code":-32001},"id":null}'
    )

    assert verdict.action is Action.PASS_THROUGH
    assert verdict.rule is Rule.NOTHING_ATTACHED


def test_the_typescript_client_met_a_404_that_itself_bore_a_session_header() -> None:
    with_session = classify("POST", 404, session_id=ID, response_session_id="fresh")
    without_session = classify("POST", 404, response_session_id="fresh")

    assert with_session.action is Action.CLEAR_AND_REINIT
    assert without_session.action is Action.PASS_THROUGH
    assert with_session.session_id is without_session.session_id is None


@pytest.mark.parametrize("case", ["10-bogus-POST-request", "30-bogus-GET"])
def test_rmcp_answered_401_to_a_terminated_session(case: str) -> None:
    exchange = recorded(f"rust-rmcp-0.8.5/{case}")
    assert exchange[1].startswith(b"HTTP/1.1 401 Unauthorized")

    server = classify_exchange(*exchange, side=Side.SERVER)

    assert server.action is Action.NOT_FOUND_RESPONSE
    assert classify_exchange(*exchange, quirks=True).action is Action.CLEAR_AND_REINIT
    assert classify_exchange(*exchange).rule is Rule.AUTHORIZATION


def test_a_401_with_a_challenge_is_no_terminated_session() -> None:
    for side in Side:
        verdict = classify(
            "POST",
            401,
            session_id=ID,
            www_authenticate="Bearer",
            response_body=b"Unauthorized: Session not found",
            side=side,
            quirks=True,
        )

        assert verdict.action is Action.PASS_THROUGH


@pytest.mark.parametrize(
    ("cause", "action"),
    [
        (f"Session not found: {ID}", Action.NOT_FOUND_RESPONSE),
        ("Session error: Session service terminated", Action.NOT_FOUND_RESPONSE),
        ("Session not found: another", Action.PASS_THROUGH),
        ("Session error: store unreachable", Action.PASS_THROUGH),
    ],
)
def test_rmcp_answered_500_to_the_resumption_of_a_terminated_session(
    cause: str, action: Action
) -> None:
    body = f"Encounter an error when resume session: {cause}".encode()

    verdict = classify("GET", 500, session_id=ID, response_body=body, side=Side.SERVER)

    assert verdict.action is action


@pytest.mark.parametrize("body", [REQUEST, BATCH, b"{", b""])
def test_claude_code_finds_its_code_in_our_404(body: bytes) -> None:
    """Claude Code up to 2.1.x looked for either spelling as a substring."""
    verdict = classify("POST", 404, session_id=ID, request_body=body, side=Side.SERVER)

    assert verdict.response is not None
    assert re.search(rb'"code": ?-32001', verdict.response.body)
