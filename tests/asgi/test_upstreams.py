"""The servers and proxies that started this: canonical behind the middleware and the proxy."""

import logging
import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from documentation import proxy
from places import behind
from serving import Exchange, Response, exchange, message, serving
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


# ---- The proxy of the guide


class Echo:
    """An upstream that answers with what it was asked, or as its path says."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        query, host = scope["query_string"], dict(scope["headers"])[b"host"]
        target = scope["method"].encode() + b" " + scope["raw_path"] + b"?" + query
        status, headers = 200, [(b"content-type", b"text/plain")]
        if scope["path"].endswith("/moved"):
            status, headers = 307, [(b"location", b"http://" + host + b"/base/mcp/")]
        elif scope["path"].endswith("/away"):
            status, headers = 307, [(b"location", b"https://elsewhere.example/mcp")]
        if scope["path"].endswith("/stream"):
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": target})


@contextmanager
def proxied(base: str) -> Generator[int]:
    pytest.importorskip("httpx2")
    with serving(Echo()) as upstream, serving(proxy(f"http://127.0.0.1:{upstream}{base}")) as port:
        yield port


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "PATCH", "GET", "POST", "DELETE"])
def test_the_proxy_passes_every_method_on(method: str) -> None:
    with proxied("") as port:
        response = exchange(port, message("/mcp?a=b", b"", method=method))

    assert response.status == 200
    assert response.body == method.encode() + b" /mcp?a=b"


@pytest.mark.parametrize("base", ["/base", "/base/"])
def test_the_proxy_keeps_the_base_path_of_its_upstream(base: str) -> None:
    with proxied(base) as port:
        response = exchange(port, message("/mcp/a%2Fb?x=%20y", b"{}"))

    assert response.body == b"POST /base/mcp/a%2Fb?x=%20y"


def test_the_proxy_tells_nobody_where_its_upstream_is() -> None:
    with proxied("/base") as port:
        moved = exchange(port, message("/moved", b"", method="GET"))
        away = exchange(port, message("/away", b"", method="GET"))

    assert (moved.status, moved.headers["location"]) == (307, "/mcp/")
    assert away.headers["location"] == "https://elsewhere.example/mcp"


def test_the_proxy_has_as_many_streams_open_as_are_asked_for() -> None:
    with proxied("") as port, ExitStack() as streams:
        for _ in range(130):
            running = streams.enter_context(Exchange(port, message("/stream", b"", method="GET")))
            assert running.read_until(lambda it: b"data: 1" in it.body).status == 200


def test_a_stream_whose_upstream_dies_ends_and_nothing_is_printed() -> None:
    pytest.importorskip("httpx2")
    listener = socket.create_server(("127.0.0.1", 0))
    errors: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = errors.append  # type: ignore[method-assign,assignment]
    logging.getLogger("uvicorn.error").addHandler(handler)
    try:
        with ExitStack() as stack:
            port = stack.enter_context(
                serving(proxy(f"http://127.0.0.1:{listener.getsockname()[1]}"))
            )
            running = stack.enter_context(Exchange(port, message("/mcp", b"", method="GET")))
            upstream, _ = listener.accept()
            upstream.recv(65536)
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            chunk = b"transfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"
            upstream.sendall(head + chunk)
            running.read_until(lambda it: b"data: 1" in it.body)
            upstream.close()
            response = running.read()
    finally:
        logging.getLogger("uvicorn.error").removeHandler(handler)
        listener.close()

    assert response.is_whole
    assert response.body == b"data: 1\n\n"
    assert [it for it in errors if it.levelno >= logging.WARNING] == []
