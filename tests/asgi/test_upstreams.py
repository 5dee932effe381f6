"""The servers and proxies that started this: canonical behind the middleware and the proxy."""

import pytest

from documentation import proxy
from places import behind
from serving import Response, exchange, message, serving
from upstreams import MISBEHAVING, Upstream

CALL = b'{"jsonrpc":"2.0","id":%s,"method":"tools/list"}'
REQUESTS = {
    "request": ("POST", CALL % b"7", b',"id":7'),
    "request with a string": ("POST", CALL % rb'"\u0061-1"', rb',"id":"\u0061-1"'),
    "notification": ("POST", b'{"jsonrpc":"2.0","method":"notifications/x"}', b""),
    "batch": ("POST", b"[" + CALL % b"7" + b"]", b""),
    "malformed": ("POST", b"{", b""),
    "GET": ("GET", b"", b""),
    "DELETE": ("DELETE", b"", b""),
}


def send(port: int, method: str, body: bytes, *, in_query: bool, session_id: str) -> Response:
    path = f"/messages/?session_id={session_id}" if in_query else "/mcp"
    headers = [("content-type", "application/json")]
    if not in_query:
        headers.append(("mcp-session-id", session_id))
    return exchange(port, message(path, body, *headers, method=method))


@pytest.mark.parametrize("place", ["middleware", "proxy"])
@pytest.mark.parametrize("name", MISBEHAVING)
def test_each_answer_to_a_lost_session_becomes_canonical(name: str, place: str) -> None:
    in_query = name.endswith("sse")
    with serving(Upstream(name)) as bare, behind(place, Upstream(name)) as port:
        for method, body, echoed in REQUESTS.values():
            if in_query and method != "POST":
                continue
            was = send(bare, method, body, in_query=in_query, session_id="never-issued")
            response = send(port, method, body, in_query=in_query, session_id="never-issued")

            assert b'"code":-32001' not in was.body
            assert response.status == 404
            assert response.headers["content-type"] == "application/json"
            error = b'"error":{"code":-32001,"message":"Session not found"}'
            assert response.body == b'{"jsonrpc":"2.0",' + error + echoed + b"}"
            assert was.headers.get("x-content-type-options") == response.headers.get(
                "x-content-type-options"
            )


@pytest.mark.parametrize("place", ["middleware", "proxy"])
def test_a_living_session_is_served_as_ever(place: str) -> None:
    bare_upstream, upstream = Upstream("toolhive-streamable"), Upstream("toolhive-streamable")
    initialize = b'{"jsonrpc":"2.0","id":0,"method":"initialize"}'
    with serving(bare_upstream) as bare, behind(place, upstream) as port:
        for body in (initialize, CALL % b"1", b'{"jsonrpc":"2.0","method":"notifications/x"}'):
            request = message("/mcp", body, ("mcp-session-id", "session-1"))
            was, response = exchange(bare, request), exchange(port, request)

            assert response.status == was.status
            assert response.body == was.body
            assert response.headers.get("mcp-session-id") == was.headers.get("mcp-session-id")


def test_the_proxy_never_says_404_where_no_upstream_is() -> None:
    pytest.importorskip("httpx2")
    with serving(Upstream("rmcp-0.8.5-get")) as gone:
        pass
    with serving(proxy(f"http://127.0.0.1:{gone}")) as port:
        response = send(port, "POST", CALL % b"1", in_query=False, session_id="x")

    assert response.status == 502
