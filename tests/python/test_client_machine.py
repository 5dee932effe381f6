"""The client machine as an adapter for another HTTP library drives it."""

from typing import Any

import pytest
from mcp_session.client import Client, Handover, LocalAnswer, ReadAnswer, repeated_headers

JSON = [(b"content-type", b"application/json")]
INITIALIZE = b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}'
CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/call"}'
NOT_REPEATED = (
    *(b"Accept-Encoding", b"content-length", b"LAST-EVENT-ID"),
    *(b"MCP-Protocol-Version", b"mcp-session-id", b"Transfer-Encoding"),
)


@pytest.mark.parametrize("name", NOT_REPEATED)
def test_what_is_of_one_request_session_or_connection_is_not_repeated(name: bytes) -> None:
    own = (b"X-Team", b"search")

    assert repeated_headers([(name, b"1"), own], []) == [own, (b"accept-encoding", b"identity")]


def test_what_is_added_anew_is_not_repeated_unless_it_has_another_value() -> None:
    headers = [(b"X-Team", b"search"), (b"User-Agent", b"mine"), (b"accept", b"*/*")]
    others = [(b"x-team", b"search"), (b"user-agent", b"httpx")]

    kept = repeated_headers(headers, others)

    assert kept == [*headers[1:], (b"accept-encoding", b"identity")]


@pytest.mark.parametrize("pair", [("x-team", b"SECRET"), (b"x-team", "SECRET"), (b"SECRET",), 7])
def test_what_is_no_pair_of_bytes_is_refused_without_being_shown(pair: Any) -> None:
    for headers, others in (([pair], []), ([], [pair])):
        with pytest.raises(TypeError, match="headers must be pairs of bytes") as raised:
            repeated_headers(headers, others)

        assert "SECRET" not in str(raised.value)


def test_a_body_is_told_of_by_one_call_and_one_that_breaks_off_is_a_failure() -> None:
    client = Client()
    opening = begun(client, INITIALIZE, [])
    opened = opening.response(200, [*JSON, (b"mcp-session-id", b"1868a90c")])
    assert isinstance(opened, Handover)

    answered, cut = (begun(client, CALL, [(b"mcp-session-id", b"1868a90c")]) for _ in range(2))
    for run in (answered, cut):
        assert isinstance(run.response(200, JSON), ReadAnswer)
    answer = answered.body_read(b'{"jsonrpc":"2.0","id":7,"result":{}}')
    error = cut.failed("ReadError")

    assert isinstance(answer, Handover)
    assert isinstance(error, LocalAnswer)
    assert error.body.startswith(b'{"jsonrpc":"2.0","error":{"code":-32000,"message":"')
    assert error.body.endswith(b'"id":7}')
    assert b"ReadError" in error.body


def begun(client: Client, body: bytes, headers: list[tuple[bytes, bytes]]) -> Any:
    head = [(b"host", b"mcp.example"), *JSON, *headers]
    return client.begin("POST", "https", b"/mcp", head, body)
