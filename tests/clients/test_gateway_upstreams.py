"""What stands behind a gateway: servers that break off, over TLS, and proxies that misbehave."""

import importlib
import itertools
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp_session.testing import Exchange, SmallServer, scripted_server

import real_server
import sdk
from callers import Caller, call_of
from certificates import certify
from gateways import command, echo, gateway, http_client, serving
from servers import ROOT

sys.path.append(str(ROOT / "tests" / "asgi"))

MISBEHAVING: dict[str, bytes] = importlib.import_module("upstreams").MISBEHAVING

pytestmark = pytest.mark.anyio


# An answer that breaks off.


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b'event: message\ndata: {"jsonrpc":"2.0"}\n\n',
        # The event that was begun is none for its reader.
        b'event: message\ndata: {"jsonrpc":',
    ],
)
async def test_a_stream_that_breaks_off_ends_with_an_error_for_its_request(
    sent: bytes,
) -> None:
    async with broken_off(sent) as caller:
        answer = await caller.call()

    assert answer["error"]["code"] == -32603
    assert answer["error"]["message"] == "Upstream lost; the request may have run"


async def test_json_that_breaks_off_does_not_look_whole() -> None:
    async with broken_off(b'{"jsonrpc":"2.0",', "application/json") as caller:
        with pytest.raises(sdk.http.RemoteProtocolError):
            await caller.call()


async def test_a_call_without_a_session_ends_with_an_error_as_well() -> None:
    async with broken_off(b"") as caller:
        caller.session = None
        answer = await caller.call()

    assert answer["error"]["message"] == "Upstream lost; the request may have run"


async def test_a_stream_that_a_get_opened_ends_in_order_when_its_server_is_gone() -> None:
    async with broken_off(b"id: 1\ndata: {", method="GET") as caller, caller.get() as response:
        assert (await response.aread()) == b"id: 1\ndata: {"


@pytest.mark.parametrize("is_begun", [True, False])
async def test_an_initialize_that_breaks_off_while_a_session_is_made_anew_ends_no_session(
    is_begun: bool,  # noqa: FBT001 - of the test
) -> None:
    breaks_off = itertools.cycle([False, True])

    async def initialize(exchange: Exchange) -> None:
        if next(breaks_off):
            if is_begun:
                await exchange.begin_events()
            exchange.hang_up()
        else:
            await script.usual(exchange)

    script = SmallServer({"initialize": initialize})
    async with scripted_server(script) as server, http_client() as http:
        with gateway(server.url) as at:
            caller = Caller(http, at.url)
            await caller.open()
            script.forget()

            refused = await caller.post(call_of(1))
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert await caller.current() == "session-2"


@asynccontextmanager
async def broken_off(
    sent: bytes, kind: str = "text/event-stream", *, method: str = "tools/call"
) -> AsyncGenerator[Caller]:
    """A session with a server that breaks off after so much of an answer."""

    async def break_off(exchange: Exchange) -> None:
        await exchange.begin(200, {"content-type": kind})
        if sent:
            await exchange.send(sent)
        exchange.hang_up()

    async with (
        scripted_server(SmallServer({method: break_off})) as server,
        http_client() as http,
    ):
        with gateway(server.url) as at:
            caller = Caller(http, at.url)
            await caller.open()
            yield caller
    assert len(server.seen(method)) == 1


# Proxies and servers that misreport a lost session, byte for byte.

MISREPORTS = ["toolhive-streamable", "toolhive-transparent", "rmcp-0.8.5-post"]


@pytest.mark.parametrize("name", MISREPORTS)
async def test_what_a_proxy_says_of_a_lost_session_is_understood_and_the_session_made_anew(
    name: str,
) -> None:
    script = forgetful(name)
    async with scripted_server(script) as server, http_client() as http:
        with gateway(server.url) as at:
            caller = Caller(http, at.url)
            await caller.open()
            given = caller.session
            for number in range(2, 4):
                script.forget()
                # Its connection ended with that: if the next request goes out on it before this
                # is seen, it may have run, and the client is to come again.
                while (answer := await caller.post(call_of(number))).status_code == 503:
                    pass
                assert answer.json()["result"]["content"][0]["text"] == f"session-{number}"
            assert (await caller.post(call_of(9))).headers.get("mcp-session-id", given) == given
        assert len(server.seen("initialize")) == len(server.seen("notifications/initialized")) == 3


@pytest.mark.parametrize("name", MISREPORTS)
async def test_what_a_proxy_says_of_a_lost_session_is_the_canonical_404_without_restore(
    name: str,
) -> None:
    script = forgetful(name)
    async with scripted_server(script) as server, http_client() as http:
        with gateway(server.url, restore=False) as at:
            caller = Caller(http, at.url)
            await caller.open()
            script.forget()
            assert_canonical(await caller.post(call_of(7)), 7)


@pytest.mark.parametrize("name", ["toolhive-sse", "python-sse"])
async def test_what_a_proxy_of_http_sse_says_becomes_canonical(name: str) -> None:
    async def lost(exchange: Exchange) -> None:
        await exchange.send_raw(MISBEHAVING[name])

    async with scripted_server(lost) as server, http_client() as http:
        with gateway(server.url) as at:
            url = f"{at.origin}/messages/?session_id={'0' * 32}"
            assert_canonical(await http.post(url, json=call_of(7)), 7)


def forgetful(name: str) -> SmallServer:
    """A server that answers in these bytes to a session that it has lost."""

    async def answer(exchange: Exchange) -> None:
        if exchange.request.session in script.live:
            await script.usual(exchange)
        else:
            await exchange.send_raw(MISBEHAVING[name])

    script = SmallServer({"tools/call": answer})
    return script


def assert_canonical(answer: Any, request_id: int) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    error = {"code": -32001, "message": "Session not found"}
    assert answer.json() == {"jsonrpc": "2.0", "error": error, "id": request_id}
    assert "mcp-session-id" not in answer.headers


# Over TLS.


async def test_a_server_over_tls_is_reached_by_the_name_and_the_authority_that_are_given(
    tmp_path: Path,
) -> None:
    seen: list[dict[bytes, bytes]] = []
    with tls_server(tmp_path, "localhost", seen) as port:
        url = f"https://localhost:{port}/mcp"
        with command(url, SSL_CERT_FILE=str(tmp_path / "authority.pem")) as at:
            async with http_client() as http:
                http.headers["authorization"] = "Bearer of-the-client"
                caller = Caller(http, at.url)
                await caller.open()
                assert await echo(caller, "over TLS") == "over TLS"
                async with caller.get() as stream:
                    assert stream.status_code == 200

    assert {it[b"host"] for it in seen} == {b"localhost:%d" % port}
    assert {it[b"authorization"] for it in seen} == {b"Bearer of-the-client"}
    assert {it[b"x-forwarded-proto"] for it in seen} == {b"http"}


@pytest.mark.parametrize(("name", "is_trusted"), [("localhost", False), ("another.example", True)])
async def test_nothing_is_sent_to_a_server_that_is_not_who_it_should_be(
    tmp_path: Path,
    name: str,
    is_trusted: bool,  # noqa: FBT001 - of the test
) -> None:
    seen: list[dict[bytes, bytes]] = []
    with tls_server(tmp_path, name, seen) as port:
        variables = {"SSL_CERT_FILE": str(tmp_path / "authority.pem")} if is_trusted else {}
        with command(f"https://localhost:{port}/mcp", **variables) as at:
            async with http_client() as http:
                http.headers["authorization"] = "Bearer SECRET"
                refused = await http.post(at.url, json=call_of(7))
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
                assert refused.json()["id"] == 7

    assert seen == []
    assert "SECRET" not in "".join(at.lines)


def tls_server(folder: Path, name: str, seen: list[dict[bytes, bytes]]) -> Any:
    """The SDK's own server over TLS, certified as `name`; `seen` has the headers that it got."""
    certify(folder, name)

    def create() -> Any:
        application: Any = real_server.sdk_application(real_server.parse_options([]))

        async def recording(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                seen.append(dict(scope["headers"]))
            await application(scope, receive, send)

        return recording

    files = {"ssl_certfile": folder / "server.pem", "ssl_keyfile": folder / "key.pem"}
    # It has to be made where it runs.
    return serving(create, factory=True, **files)
