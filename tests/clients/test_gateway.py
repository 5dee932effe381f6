"""The gateway before real servers of both SDKs, and before some that misbehave.

The clients are the SDK's own, plain: whatever keeps a session alive here, the gateway does.
"""

import base64
import importlib
import json
import os
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from click.testing import CliRunner
from mcp_session._cli.commands import main as commands
from mcp_session._gateway.target import TrustedProxies
from mcp_session.gateway import Gateway
from mcp_session.testing import Exchange, SmallServer, scripted_server

import sdk
from callers import INITIALIZE, INITIALIZED, VERSION, Caller, call_of
from gateways import COMMAND, LIMIT, Served, command, echo, environment, gateway, http_client, plain
from servers import GENERATIONS, RealServer, Servers

STREAMS = 250

pytestmark = pytest.mark.anyio

both_servers = pytest.mark.parametrize("served", GENERATIONS)


@both_servers
async def test_a_plain_client_notices_nothing_of_a_restart(servers: Servers, served: str) -> None:
    async with (
        servers.use(served, *legacy(served)) as server,
        plain(gateway(server.url)) as client,
    ):
        assert await client.call("echo", text="before") == "before"
        for round_ in range(2):
            await server.restart()
            assert await client.call("echo", text=f"after {round_}") == f"after {round_}"

        ran = [execution.argument for execution in server.executions("echo")]
        assert ran == ["before", "after 0", "after 1"]


@both_servers
async def test_questions_progress_and_pushes_pass_also_after_a_restart(
    servers: Servers, served: str
) -> None:
    async with (
        servers.use(served, *legacy(served)) as server,
        plain(gateway(server.url)) as client,
    ):
        for _ in range(2):
            # Servers of 2.x ask for a model on the standalone stream, and nowhere else.
            await server.until(stream_is_open)
            assert await client.call("ask", question="really?") == "yes"
            assert await client.call("sample", question="what?") == "yes"
            assert await client.call_with_progress("progress", steps=3) == [1, 2, 3]
            await client.call("push")
            await client.until(
                lambda it: "notifications/resources/list_changed" in it.notifications
            )
            client.notifications.clear()
            await server.restart()
            await client.list_tools()


def stream_is_open(server: RealServer) -> bool:
    return any(
        seen.method == "GET" and seen.status == 200 and seen.pid == server.pid
        for seen in server.wire()
    )


async def test_each_session_stays_at_the_server_that_has_it(servers: Servers) -> None:
    async with servers.use("mcp1") as one, servers.use("mcp1") as two:
        with gateway(one.url, two.url) as at:
            async with http_client() as http:
                callers = [Caller(http, at.url) for _ in range(6)]
                for caller in callers:
                    await caller.open()
                for _ in range(3):
                    for caller in callers:
                        assert await echo(caller, caller.session or "") == caller.session

        ran = Counter((it.argument, it.pid) for it in (*one.executions(), *two.executions()))
        assert list(ran.values()) == [3] * len(callers)
        assert set(Counter(pid for _, pid in ran).values()) == {3}


async def test_a_session_goes_on_at_another_server_if_its_own_is_gone(servers: Servers) -> None:
    async with servers.use("mcp1") as one, servers.use("mcp1") as two:
        with gateway(one.url, two.url) as at:
            async with http_client() as http:
                caller = Caller(http, at.url)
                await caller.open()
                assert await echo(caller, "here") == "here"
                had, other = (one, two) if one.executions() else (two, one)
                had.kill()
                assert await echo(caller, "there") == "there"

                # Its client has kept its ID, and has seen no other.
                answered = await caller.post(call_of(99))
                assert answered.headers["mcp-session-id"] == caller.session
                assert [it.argument for it in other.executions("echo")] == ["there"]


async def test_no_server_is_503_with_retry_after_and_the_session_survives_it(
    servers: Servers,
) -> None:
    async with servers.use("mcp1") as server:
        with gateway(server.url) as at:
            async with http_client() as http:
                caller = Caller(http, at.url)
                await caller.open()
                server.kill()
                for sent in (call_of("a"), INITIALIZE):
                    refused = await caller.post(sent)
                    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
                    assert refused.json()["id"] == sent["id"]
                async with caller.get() as refused:
                    assert refused.status_code == 503
                await server.start()
                assert await echo(caller, "back") == "back"


async def test_a_server_that_ends_before_it_answers_is_502_and_runs_nothing_twice() -> None:
    async def reset(exchange: Exchange) -> None:
        exchange.reset()

    script = SmallServer({"tools/call": reset})
    async with scripted_server(script) as server, http_client() as http:
        with gateway(server.url) as at:
            caller = Caller(http, at.url)
            await caller.open()
            refused = await caller.post(call_of(7))

    assert refused.status_code == 502
    assert refused.json()["id"] == 7
    assert "retry-after" not in refused.headers
    assert len(server.seen("tools/call")) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b"session not found\n"),
        (400, b"unknown session\n"),
        (404, b"Could not find session"),
        (401, b"Unauthorized: Session not found"),
        (400, b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Session expired"}}'),
    ],
)
async def test_a_misreport_is_understood_and_the_session_made_anew(
    status: int, body: bytes
) -> None:
    async def lost(exchange: Exchange) -> None:
        if exchange.request.session in script.live:
            await script.usual(exchange)
        else:
            await exchange.answer(status, body)

    script = SmallServer({"tools/call": lost})
    async with scripted_server(script) as server, http_client() as http:
        with gateway(server.url) as at:
            caller = Caller(http, at.url)
            await caller.open()
            script.forget()

            assert await caller.current() == "session-2"
            assert len(server.seen("notifications/initialized")) == 2


async def test_a_refreshed_token_keeps_its_session_and_a_stranger_has_none(
    servers: Servers,
) -> None:
    async with servers.use("mcp1") as server, http_client() as http:
        with gateway(server.url) as at:
            caller = Caller(http, at.url)
            http.headers["authorization"] = bearer(sub="ada", exp=1)
            await caller.open()
            for refreshed in (bearer(sub="ada", exp=2), bearer(exp=3, sub="ada")):
                http.headers["authorization"] = refreshed
                assert await echo(caller, "ada") == "ada"
            for stranger in (bearer(sub="bob", exp=1), "Bearer opaque", ""):
                http.headers["authorization"] = stranger
                assert (await caller.post(call_of(9))).status_code == 404
        assert len(server.executions()) == 2


def bearer(**claims: Any) -> str:
    """A token as an issuer signs one, if nobody looks at the signature."""
    payload = json.dumps({"iss": "https://issuer.example", **claims}).encode()
    encoded = base64.urlsafe_b64encode(payload).rstrip(b"=").decode()
    return f"Bearer e30.{encoded}.signature"


async def test_without_restore_a_lost_session_is_the_canonical_404(servers: Servers) -> None:
    async with servers.use("mcp1") as server:
        with gateway(server.url, restore=False) as at:
            async with http_client() as http:
                caller = Caller(http, at.url)
                await caller.open()
                await server.restart()
                gone = await caller.post(call_of(7))

    assert gone.status_code == 404
    assert gone.json()["error"] == {"code": -32001, "message": "Session not found"}
    assert gone.json()["id"] == 7


@both_servers
async def test_a_stateless_server_is_served_as_it_is(servers: Servers, served: str) -> None:
    async with servers.use(served, "--stateless", *legacy(served)) as server:
        with gateway(server.url) as at:
            async with http_client() as http:
                caller = Caller(http, at.url)
                assert "mcp-session-id" not in (await caller.post(INITIALIZE)).headers
                assert (await caller.post(INITIALIZED)).status_code == 202
                assert await echo(caller, "no session") == "no session"


@pytest.mark.skipif(not sdk.MODERN_SDK, reason="the client of 1.x knows no revision without")
async def test_peers_of_2026_07_28_speak_it_through_the_gateway(servers: Servers) -> None:
    async with (
        servers.use("mcp2") as server,
        plain(gateway(server.url), kind=sdk.AUTO) as client,
    ):
        assert await client.call("echo", text="no session") == "no session"
        assert {seen.version for seen in server.wire()} == {"2026-07-28"}


async def test_http_sse_passes_with_its_endpoint_at_the_server_that_has_it(
    servers: Servers,
) -> None:
    sse: Any = importlib.import_module("mcp.client.sse")
    async with servers.use("mcp1", "--sse") as one, servers.use("mcp1", "--sse") as two:
        with gateway(one.url, two.url) as at:
            for number in range(2):
                transport = sse.sse_client(f"{at.origin}/sse")
                async with sdk.connected_over(transport, sdk.SESSION) as client:
                    assert await client.call("echo", text=str(number)) == str(number)
        assert len(one.executions()) == len(two.executions()) == 1


async def test_base_paths_and_redirects_lead_to_where_the_gateway_is() -> None:
    async def moved(exchange: Exchange) -> None:
        port, target = exchange.server.port, exchange.request.raw.split(b" ")[1].decode()
        origin = f"http://127.0.0.1:{port}"
        places = {
            "/base/absolute?a=b": f"{origin}/base/there?c=d",
            "/base/relative": "/base/there",
            "/base/elsewhere": "https://other.example/base/there",
            "/base/query": f"{origin}/base?c=d",
            "/base/own-query": "?c=d",
            "/base/two-slashes": f"{origin}/base//other.example/there",
            "/base/two-relative": "/base//other.example/there",
            "/base/backslash": f"{origin}/base/\\other.example/there",
        }
        await exchange.answer(307, headers={"location": places[target]})

    async with scripted_server(moved) as server, http_client() as http:
        with gateway(f"http://127.0.0.1:{server.port}/base/") as at:
            for path, place in (
                ("/absolute?a=b", "/there?c=d"),
                ("/relative", "/there"),
                ("/elsewhere", "https://other.example/base/there"),
                ("/query", "/?c=d"),
                ("/own-query", "?c=d"),
                # Without the dot they would lead to another host.
                ("/two-slashes", "/.//other.example/there"),
                ("/two-relative", "/.//other.example/there"),
                ("/backslash", "/./\\other.example/there"),
            ):
                answer = await http.get(at.origin + path, follow_redirects=False)
                assert (answer.status_code, answer.headers["location"]) == (307, place)

            for path in ("/../secret", "/%2e%2E/secret", "/a/../../secret"):
                asked = len(server.requests)
                answered = await raw_answer(at, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
                assert answered.startswith("HTTP/1.1 400 ")
                assert len(server.requests) == asked

        (first, *_) = server.requests
        assert first.header("host") == f"127.0.0.1:{server.port}"
        assert first.header("x-forwarded-host") == at.origin.removeprefix("http://")
        assert first.header("x-forwarded-for") == "127.0.0.1"


async def test_the_head_of_a_request_is_the_gateways_own() -> None:
    async def answer(exchange: Exchange) -> None:
        headers = {"connection": "x-theirs", "x-theirs": "1", "keep-alive": "timeout=5", "x": "2"}
        await exchange.answer(200, b"ok", headers=headers)

    async with scripted_server(answer) as server:
        with gateway(server.url, trusted_proxies=["192.0.2.0/24"]) as at:
            absolute = "GET http://other.example/mcp HTTP/1.1\r\nHost: a\r\n\r\n"
            answered = await raw_answer(at, absolute)
            asked = server.requests[-1]
            assert asked.raw.startswith(b"GET /mcp HTTP/1.1\r\n")
            assert asked.header("host") == f"127.0.0.1:{server.port}"
            assert "\r\nx: 2\r\n" in answered
            for of_a_neighbour in ("x-theirs", "keep-alive"):
                assert of_a_neighbour not in answered

            odd = (
                "GET /mcp HTTP/1.1\r\nHost: a\r\nConnection: x-ours\r\nX-Ours: 1\r\n"
                "Proxy-Authorization: Basic SECRET\r\nX-Forwarded-Host: other.example\r\n"
                "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n\r\n"
            )
            await raw_answer(at, odd)
            asked = server.requests[-1]
            for name in ("x-ours", "proxy-authorization", "forwarded"):
                assert asked.header(name) is None
            assert asked.header("x-forwarded-host") == "a"
            assert asked.header("x-forwarded-for") == "127.0.0.1"

            await raw_answer(at, "GET /mcp HTTP/1.0\r\n\r\n")
            assert server.requests[-1].header("host") == f"127.0.0.1:{server.port}"
        with gateway(server.url) as at:
            await raw_answer(at, odd)
            assert server.requests[-1].header("x-forwarded-host") == "other.example"
            assert server.requests[-1].header("x-forwarded-for") == "192.0.2.1, 127.0.0.1"


async def test_a_length_beside_a_framing_does_not_go_on() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.answer(200, exchange.request.body)

    async with scripted_server(answer) as server:
        with gateway(server.url) as at:
            answered = await raw_answer(
                at,
                "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            )

        if server.requests:
            assert server.requests[-1].header("content-length") is None
            assert answered.endswith("{}")
        else:
            assert answered.startswith("HTTP/1.1 400 ")


def test_what_can_be_read_once_is_an_option_as_any_other() -> None:
    proxies = TrustedProxies(iter(["192.0.2.0/24", "2001:db8::1"]))  # type: ignore[arg-type]
    none: Any = iter([])

    assert "192.0.2.1" in proxies
    assert "2001:db8::1" in proxies
    with pytest.raises(ValueError, match="at least one URL"):
        Gateway(none)


async def test_a_status_that_is_none_is_502() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.send_raw(b"HTTP/1.1 999 Odd\r\ncontent-length: 2\r\n\r\nok")

    async with scripted_server(answer) as server, http_client() as http:
        with gateway(server.url) as at:
            assert (await http.get(at.url)).status_code == 502


async def test_a_websocket_is_closed_before_it_is_accepted() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/mcp", "headers": [], "query_string": b""}
    await Gateway(["http://127.0.0.1:1/mcp"])(scope, receive, send)

    assert sent == [{"type": "websocket.close", "code": 1000}]


async def test_cors_is_the_servers_business_unless_the_gateway_is_told_who_may_call() -> None:
    async def preflight(exchange: Exchange) -> None:
        await exchange.answer(204, headers={"access-control-allow-origin": "https://theirs"})

    asked = {"origin": "https://app.example", "access-control-request-method": "POST"}
    async with scripted_server(preflight) as server, http_client() as http:
        with gateway(server.url) as at:
            theirs = await http.request("OPTIONS", at.url, headers=asked)
        with gateway(server.url, allow_origins=["https://app.example"]) as at:
            ours = await http.request("OPTIONS", at.url, headers=asked)
            server.down()
            refused = await http.post(at.url, json=call_of(1), headers={"origin": asked["origin"]})

    assert theirs.headers["access-control-allow-origin"] == "https://theirs"
    assert ours.headers["access-control-allow-origin"] == "https://app.example"
    assert refused.status_code == 503
    assert refused.headers["access-control-allow-origin"] == "https://app.example"
    assert "mcp-session-id" in refused.headers["access-control-expose-headers"].lower()


async def test_streams_are_not_bounded_and_bytes_pass_as_they_are() -> None:
    events = b'event: message\r\nid: 1\r\ndata: {"a":\xc3\xa9}\r\n\r\n: comment\n\n'

    async def stream(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send(events)
        await exchange.until_left()

    script = SmallServer({"GET": stream})
    async with scripted_server(script) as server, http_client() as http:
        with gateway(server.url) as at:
            caller = Caller(http, at.url)
            await caller.open()
            async with anyio.create_task_group() as tasks:
                seen: list[bytes] = []
                all_seen = anyio.Event()

                async def read() -> None:
                    async with caller.get() as response:
                        read = b""
                        async for piece in response.aiter_raw():
                            read += piece
                            if len(read) == len(events):
                                seen.append(read)
                            if len(seen) == STREAMS:
                                all_seen.set()

                for _ in range(STREAMS):
                    tasks.start_soon(read)
                await all_seen.wait()
                assert set(seen) == {events}
                assert await caller.current() == "session-1"
                assert await metric(at, 'mcp_gateway_open_requests{method="GET"}') == STREAMS
                tasks.cancel_scope.cancel()
            # Those who left have left the server as well.
            await server.until(lambda it: it.open_connections < 100)


async def test_health_metrics_and_logs_tell_what_happens_and_no_id(
    servers: Servers, caplog: pytest.LogCaptureFixture
) -> None:
    async with servers.use("mcp1") as server, http_client() as http:
        logged = caplog.at_level("DEBUG", logger="mcp_session")
        with logged, gateway(server.url) as at:
            caller = Caller(http, at.url)
            await caller.open()
            await server.restart()
            assert await echo(caller, "counted") == "counted"
            health = await http.get(f"{at.origin}/healthz")
            text = (await http.get(f"{at.origin}/metrics")).text

        assert (health.status_code, health.json()) == (200, {"status": "ok"})
        lines = text.splitlines()
        assert 'mcp_gateway_requests_total{method="POST",status="200"} 2.0' in lines
        assert "mcp_gateway_sessions_restored_total 1.0" in lines
        assert 'mcp_gateway_verdicts_total{rule="UncanonicalNotFound"} 1.0' in lines
        ids = {seen.given_session for seen in server.wire() if seen.given_session}
        assert len(ids) == 2
        assert not [it for it in ids if it in text or it in caplog.text]


async def test_sigterm_lets_a_call_end_ends_streams_and_is_status_0(servers: Servers) -> None:
    async with servers.use("mcp1") as server, http_client() as http:
        with command(server.url) as at:
            caller = Caller(http, at.url)
            await caller.open()
            async with anyio.create_task_group() as tasks:

                async def call() -> None:
                    arguments = {"name": "slow", "arguments": {"seconds": 1}}
                    sent = await caller.post(call_of(5) | {"params": arguments})
                    answers.append(sent.text)

                async def stream() -> None:
                    async with caller.get() as response:
                        async for _ in response.aiter_raw():
                            pass

                answers: list[str] = []
                tasks.start_soon(call)
                tasks.start_soon(stream)
                await server.until(lambda it: it.executions("slow") and stream_is_open(it))
                at.process.send_signal(signal.SIGTERM)
            status = await anyio.to_thread.run_sync(at.process.wait, LIMIT)

        assert status == 0
        assert ['"slow"' in it for it in answers] == [True]
        facts = [json.loads(line) for line in at.lines]
        assert facts[0] == facts[0] | {"event": "serving", "at": at.origin}
        ids = {seen.given_session for seen in server.wire() if seen.given_session}
        assert not [it for it in ids if it in "".join(at.lines)]


async def test_gateways_that_share_a_table_are_one(servers: Servers, tmp_path: Path) -> None:
    table = f"sqlite:{tmp_path / 'sessions.db'}"
    async with servers.use("mcp1") as server, http_client() as http:
        with (
            command(server.url, "--sessions", table) as one,
            command(server.url, "--sessions", table) as two,
        ):
            caller = Caller(http, one.url)
            await caller.open()
            for at in (two, one, two):
                caller.url = at.url
                assert await echo(caller, at.url) == at.url
            one.process.kill()
            await anyio.to_thread.run_sync(one.process.wait, LIMIT)
            assert await echo(caller, "the other is gone") == "the other is gone"

        ran = [it.argument for it in server.executions("echo")]
        assert ran == [two.url, one.url, two.url, "the other is gone"]


def test_an_address_that_is_taken_is_status_1() -> None:
    with command("http://127.0.0.1:9/mcp") as at:
        port = at.origin.rpartition(":")[2]
        done = subprocess.run(
            [*COMMAND, "http://127.0.0.1:9/mcp", "--port", port],
            capture_output=True,
            check=False,
            encoding="utf-8",
            env=os.environ | environment(),
        )

    assert done.returncode == 1
    assert (
        done.stderr
        == f"mcp-session: 127.0.0.1:{port}: the address is taken, or none of this host\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("127.0.0.1:8000",), "an upstream must be a URL of http:// or https:// with a host"),
        (("http://:SECRET@h/",), "without credentials, query and fragment"),
        (("http://h/?key=SECRET",), "without credentials, query and fragment"),
        (("http://h/", "--sessions", "SECRET"), "--sessions must be memory, sqlite:PATH or"),
        (("http://h/", "--port", "70000"), "70000 is not in the range"),
    ],
)
def test_a_misuse_is_named_without_what_may_be_secret(
    arguments: tuple[str, ...], said: str
) -> None:
    done = CliRunner().invoke(commands, ["gateway", *arguments])

    assert (done.exit_code, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())
    assert "SECRET" not in done.stderr


def legacy(served: str) -> tuple[str, ...]:
    """What a server is told so that it keeps sessions, whatever it could speak."""
    return ("--protocol", VERSION) if served == "mcp2" else ()


async def raw_answer(at: Served, request: str) -> str:
    """What a gateway answers to these very bytes, in lower-case names as it sends them."""
    port = int(at.origin.rpartition(":")[2])
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(request.encode("latin-1"))
        answer = b""
        with anyio.move_on_after(LIMIT):
            while b"\r\n\r\n" not in answer:
                answer += await stream.receive()
            head, _, body = answer.partition(b"\r\n\r\n")
            found = re.search(rb"content-length: (\d+)", head.lower())
            while found and len(body) < int(found[1]):
                body += await stream.receive()
            return (head + b"\r\n\r\n" + body).decode("latin-1")
    raise AssertionError(answer)


async def metric(at: Served, name: str) -> float:
    async with http_client() as http:
        text = (await http.get(f"{at.origin}/metrics")).text
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.rpartition(" ")[2])
