"""A real server, killed and restarted: the actual exchange over the socket."""

import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from mcp_session import Action, Rule, Side, classify, classify_exchange, needs_body, peek

INITIALIZE = (
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",'
    b'"capabilities":{},"clientInfo":{"name":"test","version":"0"}}}'
)
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
CALL = (
    b'{"jsonrpc":"2.0","id":"call-1","method":"tools/call",'
    b'"params":{"name":"echo","arguments":{"text":"hello"}}}'
)


def test_a_restarted_server_ends_the_session_and_a_new_initialize_begins_another() -> None:
    with server() as url, httpx2.Client() as client:
        first = adopt(client, url)
        assert post(client, url, CALL, first).status_code == 200

    with server() as url, httpx2.Client() as client:
        lost = post(client, url, CALL, first)
        facts = {"session_id": first, "request_body": CALL}
        assert not needs_body("POST", lost.status_code, **facts)  # type: ignore[arg-type]
        verdict = classify("POST", lost.status_code, **facts)  # type: ignore[arg-type]

        assert verdict.action is Action.CLEAR_AND_REINIT
        assert verdict.rule is Rule.TERMINATED_POST

        second = adopt(client, url)
        assert second != first
        again = post(client, url, CALL, second)
        assert again.status_code == 200
        assert "hello" in again.text


def test_the_real_404_is_corrected_on_the_server_side() -> None:
    with server() as url, httpx2.Client() as client:
        lost = post(client, url, CALL, "never-issued")
        verdict = classify(
            "POST",
            lost.status_code,
            session_id="never-issued",
            request_body=CALL,
            content_type=lost.headers.get("content-type"),
            response_body=lost.content,
            side=Side.SERVER,
        )

    assert verdict.action is Action.NOT_FOUND_RESPONSE
    assert verdict.response is not None
    assert peek(verdict.response.body).id == '"call-1"'


def test_the_raw_bytes_of_the_real_exchange_have_the_same_verdict() -> None:
    with server() as url, httpx2.Client() as client:
        host = url.removeprefix("http://").removesuffix("/mcp")
        head = (
            f"POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            "Accept: application/json, text/event-stream\r\nConnection: close\r\n"
            f"Mcp-Session-Id: never-issued\r\nContent-Length: {len(CALL)}\r\n\r\n"
        )
        request = head.encode() + CALL
        response = over_a_socket(host, request)
        decoded = post(client, url, CALL, "never-issued")

    verdict = classify_exchange(request, response)

    assert response.startswith(b"HTTP/1.1 404 ")
    assert verdict is classify("POST", decoded.status_code, session_id="never-issued")


@contextmanager
def server() -> Generator[str]:
    script = Path(__file__).with_name("live_server.py")
    command = [sys.executable, "-W", "ignore", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            # As a crash would end it: no session is closed, no client told.
            process.kill()


def post(client: httpx2.Client, url: str, body: bytes, session_id: str | None) -> httpx2.Response:
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2025-11-25",
    }
    if session_id is None:
        del headers["mcp-protocol-version"]
    else:
        headers["mcp-session-id"] = session_id
    return client.post(url, content=body, headers=headers, timeout=30)


def adopt(client: httpx2.Client, url: str) -> str:
    response = post(client, url, INITIALIZE, None)
    verdict = classify(
        "POST",
        response.status_code,
        request_body=INITIALIZE,
        response_session_id=response.headers.get("mcp-session-id"),
    )
    assert verdict.action is Action.ADOPT_SESSION
    assert verdict.session_id is not None
    assert post(client, url, INITIALIZED, verdict.session_id).status_code == 202
    return verdict.session_id


def over_a_socket(host: str, request: bytes) -> bytes:
    name, port = host.split(":")
    with socket.create_connection((name, int(port)), timeout=30) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))
