"""Our client against a server that does on command what no real server does."""

import functools
import gc
import gzip
import json
import logging
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from mcp_session import Reason, ResendPolicy, Rule
from mcp_session._client.streams import drain
from mcp_session.testing import Exchange, Request, Script, SmallServer, relay, scripted_server

import sdk
from callers import (
    CONNECTION_CLOSED,
    INITIALIZE,
    INITIALIZED,
    NOTIFICATION,
    Caller,
    always,
    answer_in,
    call_of,
    messages_in,
    reply_to,
    session,
)
from servers import GENERATIONS, Servers

pytestmark = pytest.mark.anyio

# What is bounded takes less than this, though a test machine be busy.
SOON_SECONDS = 20.0

MODERN = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "session"}


# 3: the server is not there.


async def reset(exchange: Exchange) -> None:
    exchange.reset()


async def hang_up(exchange: Exchange) -> None:
    exchange.hang_up()


async def answer_502(exchange: Exchange) -> None:
    await exchange.answer(502, b"<html>bad gateway</html>", {"content-type": "text/html"})


async def answer_503(exchange: Exchange) -> None:
    await exchange.answer_json({"error": "unavailable"}, 503, {"retry-after": "1"})


async def answer_504_without_end(exchange: Exchange) -> None:
    await exchange.begin(504, {"content-type": "text/html"})
    await exchange.send(b"<html>")
    await exchange.until_left()


OUTAGES: list[Script] = [reset, hang_up, answer_502, answer_503, answer_504_without_end]


@pytest.mark.parametrize("outage", OUTAGES)
async def test_a_request_in_an_outage_ends_with_an_error_for_it_and_is_sent_once(
    outage: Script,
) -> None:
    async with session() as scene:
        scene.script.parts["tools/call"] = outage

        with anyio.fail_after(SOON_SECONDS):
            answer = answer_in(await scene.caller.post(call_of("call-1")))

        assert answer["id"] == "call-1"
        assert answer["error"]["code"] == CONNECTION_CLOSED
        assert "could not be reached" in answer["error"]["message"]
        assert "whether the request was processed is not known" in answer["error"]["message"]
        assert len(scene.server.seen("tools/call")) == 1
        del scene.script.parts["tools/call"]
        assert await scene.caller.current() == "session-1"


@pytest.mark.parametrize("outage", OUTAGES)
@pytest.mark.parametrize("message", [NOTIFICATION, reply_to(7)])
async def test_what_wants_no_answer_is_accepted_in_an_outage(
    message: dict[str, Any], outage: Script
) -> None:
    async with session() as scene:
        for kind in (NOTIFICATION["method"], "reply"):
            scene.script.parts[kind] = outage

        response = await scene.caller.post(message)

        assert (response.status_code, response.content) == (202, b"")


async def test_a_refused_connection_is_an_outage() -> None:
    async with session() as scene:
        scene.server.down()
        await anyio.wait_all_tasks_blocked()

        answer = await scene.caller.call()
        assert answer["error"]["code"] == CONNECTION_CLOSED
        assert answer["error"]["message"].endswith("it was not sent")
        assert (await scene.caller.post(NOTIFICATION)).status_code == 202
        with pytest.raises(sdk.http.ConnectError):
            await scene.caller.delete()
        with pytest.raises(sdk.http.ConnectError):
            await Caller(scene.caller.http_client, scene.server.url).open()


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_an_initialize_or_a_delete_in_an_outage_is_answered_as_without_us(
    status: int,
) -> None:
    async def refuse(exchange: Exchange) -> None:
        await exchange.answer(status, b"down")

    async with session() as scene:
        scene.script.parts |= {"initialize": refuse, "DELETE": refuse}

        opening = await Caller(scene.caller.http_client, scene.server.url).post(INITIALIZE)
        ending = await scene.caller.delete()

        assert (opening.status_code, opening.content) == (status, b"down")
        assert (ending.status_code, ending.content) == (status, b"down")


async def test_without_the_shield_an_outage_is_what_it_is_without_us() -> None:
    async with session(outage_shield=False, status_shield=False) as scene:
        scene.script.parts["tools/call"] = answer_502
        assert (await scene.caller.post(call_of(1))).status_code == 502
        scene.script.parts["tools/call"] = reset
        with pytest.raises(sdk.http.ReadError):
            await scene.caller.call()
        scene.script.parts["GET"] = answer_503
        async with scene.caller.get() as response:
            assert response.status_code == 503


async def test_the_stream_for_push_waits_until_the_server_is_back() -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send_event({"jsonrpc": "2.0", "method": "notifications/message"})
        await exchange.until_left()

    async with session() as scene:
        scene.server.down()
        begun: list[str] = []

        async def read() -> None:
            async with scene.caller.get() as response:
                async for chunk in response.aiter_text():
                    begun.append(chunk)
                    return

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            scene.script.parts["GET"] = answer_503
            scene.server.up()
            await scene.server.until(lambda server: server.seen("GET"))
            assert not begun
            scene.script.parts["GET"] = stream

        assert "notifications/message" in begun[0]


async def test_a_stream_that_waits_is_asked_for_again_as_soon_as_there_is_a_new_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What waits by the clock waits for ever.
    monkeypatch.setattr("mcp_session._client.driver.random.uniform", always(7200.0))

    async def stream(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.finish()

    async with session() as scene:
        scene.script.parts["GET"] = answer_503

        async def read() -> None:
            async with scene.caller.get() as response:
                assert response.status_code == 200

        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await scene.server.until(lambda server: server.seen("GET"))
                await anyio.wait_all_tasks_blocked()
                scene.script.parts["GET"] = stream
                scene.script.forget()
                await scene.caller.current()

        assert [request.session for request in scene.server.seen("GET")] == [
            "session-1",
            "session-2",
        ]


@pytest.mark.parametrize("outage", OUTAGES[:4])
async def test_a_stream_that_waits_for_a_recovery_waits_on_if_the_server_is_not_there(
    outage: Script,
) -> None:
    going_on = anyio.Event()

    async def stream(exchange: Exchange) -> None:
        if exchange.request.session in scene.script.live:
            await exchange.begin_events()
            await exchange.finish()
        else:
            await answer_404(exchange)

    async def fail_once(exchange: Exchange) -> None:
        scene.script.parts["initialize"] = scene.script.usual
        await going_on.wait()
        await outage(exchange)

    # What a gateway answers may be said of the new session alone: the old one is tried first.
    is_gateway = outage in {answer_502, answer_503}

    async with session() as scene:
        scene.script.parts |= {"initialize": fail_once, "GET": stream}
        if is_gateway:
            # Of a stream there was none of, its 404 would say nothing.
            async with scene.caller.get() as response:
                await response.aread()
        scene.script.forget()
        statuses: list[int] = []

        async def read() -> None:
            async with scene.caller.get() as response:
                statuses.append(response.status_code)

        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(scene.caller.call)
                await scene.server.until(lambda server: len(server.seen("initialize")) == 2)
                tasks.start_soon(read)
                await anyio.wait_all_tasks_blocked()
                going_on.set()

        assert statuses == [200]
        tried = ["session-1"] * 2 if is_gateway else []
        assert [it.session for it in scene.server.seen("GET")] == [*tried, "session-2"]
        (failed,) = [event for event in scene.events if type(event).__name__ == "RecoveryFailed"]
        assert failed.reason is (Reason.INITIALIZE_REFUSED if is_gateway else Reason.TRANSPORT)


# 4: answers that do not come, or break off.


async def end(exchange: Exchange) -> None:
    await exchange.finish()


@pytest.mark.parametrize("cut", [end, hang_up, reset])
@pytest.mark.parametrize(
    "rest", [b"", b'event: message\ndata: {"jsonrpc":"2.0","id":1,"resu', b"\n"]
)
async def test_a_stream_that_ends_without_its_answer_ends_on_an_error(
    rest: bytes, cut: Script
) -> None:
    notification = {"jsonrpc": "2.0", "method": "notifications/message", "params": {}}

    async def break_off(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send_event(notification)
        # A reset takes with it what was not read yet.
        await anyio.wait_all_tasks_blocked()
        if rest:
            await exchange.send(rest)
        await cut(exchange)

    async with session() as scene:
        scene.script.parts["tools/call"] = break_off

        messages = messages_in((await scene.caller.post(call_of(1))).text)

        *before, last = messages
        assert before in ([notification], [])
        assert last["id"] == 1
        assert last["error"]["code"] == CONNECTION_CLOSED
        assert len(scene.server.seen("tools/call")) == 1


async def test_a_stream_that_brought_its_answer_ends_as_it_is() -> None:
    sent = b'event: message\nid: 1\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\n\n: bye\n\n'

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_events()
        for byte in sent:
            await exchange.send(bytes([byte]))
        await exchange.finish()

    async with session() as scene:
        scene.script.parts["tools/call"] = answer

        assert (await scene.caller.post(call_of(1))).content == sent


async def test_a_stream_that_can_be_resumed_is_left_to_the_sdk_until_its_session_is_dead() -> None:
    async def prime(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send_event(None, "event-1")
        await exchange.finish()

    async with session() as scene:
        scene.script.parts["tools/call"] = prime
        response = await scene.caller.post(call_of("call-1"))
        assert messages_in(response.text) == []

        scene.script.forget()
        async with scene.caller.get("event-1") as resumed:
            await resumed.aread()

        answer = answer_in(resumed)
        assert answer["id"] == "call-1"
        assert answer["error"]["code"] == CONNECTION_CLOSED
        assert "event-1" not in {
            request.header("last-event-id")
            for request in scene.server.requests
            if request.session != "session-1"
        }


@pytest.mark.parametrize("seen", ["event-1", "event-2", "event-3"])
async def test_no_event_id_of_a_dead_session_is_sent_into_the_next(seen: str) -> None:
    async def cut(exchange: Exchange) -> None:
        await exchange.begin_events()
        # All at once, and the last of them is an ID alone, which no reader is told of.
        await exchange.send(b"id: event-1\ndata:\n\nid: event-2\ndata:\n\nid: event-3\n\n")
        await exchange.finish()

    async with session() as scene:
        scene.script.parts["tools/call"] = cut
        await scene.caller.post(call_of("call-1"))
        scene.script.forget()
        del scene.script.parts["tools/call"]
        assert await scene.caller.current() == "session-2"

        async with scene.caller.get(seen) as response:
            await response.aread()

        sent = [request.header("last-event-id") for request in scene.server.requests]
        assert set(sent) == {None}


async def test_an_answer_whose_stream_cannot_be_resumed_is_asked_for_three_times() -> None:
    async def prime(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send_event(None, "event-1")
        await exchange.finish()

    async with session() as scene:
        scene.script.parts |= {"tools/call": prime, "GET": answer_503}
        await scene.caller.post(call_of("call-1"))

        with anyio.fail_after(SOON_SECONDS):
            async with scene.caller.get("event-1") as resumed:
                await resumed.aread()

        answer = answer_in(resumed)
        assert (answer["id"], answer["error"]["code"]) == ("call-1", CONNECTION_CLOSED)
        assert len(scene.server.seen("GET")) == 3


@pytest.mark.parametrize("framing", ["content-length", "transfer-encoding"])
async def test_a_json_answer_that_breaks_off_is_an_error(framing: str) -> None:
    async def break_off(exchange: Exchange) -> None:
        length = {"content-length": "1000"} if framing == "content-length" else {}
        await exchange.begin(200, {"content-type": "application/json", **length})
        await exchange.send(b'{"jsonrpc":"2.0","id":1,"resu')
        exchange.hang_up()

    async with session() as scene:
        scene.script.parts["tools/call"] = break_off

        answer = await scene.caller.call()

        assert answer["error"]["code"] == CONNECTION_CLOSED
        assert len(scene.server.seen("tools/call")) == 1


async def test_without_the_guard_what_breaks_off_is_what_it_is_without_us() -> None:
    async def break_off(exchange: Exchange) -> None:
        await exchange.begin(200, {"content-type": "application/json", "content-length": "9"})
        await exchange.send(b"{")
        exchange.hang_up()

    async def stop(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send_event(NOTIFICATION)
        await exchange.finish()

    async with session(stream_guard=False) as scene:
        scene.script.parts["tools/call"] = break_off
        with pytest.raises(sdk.http.RemoteProtocolError):
            await scene.caller.call()
        scene.script.parts["tools/call"] = stop
        response = await scene.caller.post(call_of(1))
        assert messages_in(response.text) == [NOTIFICATION]


async def test_a_compressed_stream_is_guarded_as_well() -> None:
    event = f"event: message\ndata: {json.dumps(NOTIFICATION)}\n\n".encode()

    async def stop(exchange: Exchange) -> None:
        await exchange.begin_events({"content-encoding": "gzip"})
        await exchange.send(gzip.compress(event))
        await exchange.finish()

    async with session() as scene:
        scene.script.parts["tools/call"] = stop

        *before, last = messages_in((await scene.caller.post(call_of(1))).text)

        assert before == [NOTIFICATION]
        assert last["error"]["code"] == CONNECTION_CLOSED


# 5: what the server sends by itself.


async def test_a_stream_of_the_dead_session_that_stays_open_ends_for_its_reader() -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send_event({"jsonrpc": "2.0", "method": str(exchange.request.session)})
        await exchange.until_left()

    async with session() as scene:
        scene.script.parts["GET"] = stream
        for name in ("session-1", "session-2"):
            async with scene.caller.get() as response:
                text = ""
                with anyio.fail_after(SOON_SECONDS):
                    async for chunk in response.aiter_text():
                        text += chunk
                        if name in text:
                            scene.script.forget()
                            await scene.caller.current()
            assert [message["method"] for message in messages_in(text)] == [name]


async def test_a_client_that_was_closed_refuses_a_call_though_no_session_may_be_made() -> None:
    async with session(bound=0) as scene:
        scene.script.forget()
        assert "error" in answer_in(await scene.caller.post(call_of(1)))
        await scene.caller.http_client.aclose()

        with pytest.raises(RuntimeError, match="closed"):
            await scene.caller.post(call_of(2))


async def test_of_a_stream_that_is_left_early_the_collector_gets_no_more_than_without_us() -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send_event(NOTIFICATION)
        await exchange.until_left()

    async def leave(caller: Caller) -> list[object]:
        await caller.open()
        # trio warns of each generator that it has to end itself.
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            async with (
                caller.get() as response,
                aclosing(response.aiter_bytes()) as chunks,
            ):
                await anext(chunks)
            del response, chunks
            gc.collect()
        return [str(warning.message) for warning in warned]

    await assert_same_with_and_without_us(lambda: SmallServer({"GET": stream}), leave)


async def test_a_stream_of_the_dead_session_ends_while_its_reader_waits() -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send_event(NOTIFICATION)
        await exchange.until_left()

    async with session() as scene:
        scene.script.parts["GET"] = stream
        begun = anyio.Event()

        async def read() -> None:
            async with scene.caller.get() as response:
                async for _chunk in response.aiter_bytes():
                    begun.set()

        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await begun.wait()
                await anyio.wait_all_tasks_blocked()
                scene.script.forget()
                await scene.caller.current()


async def test_a_stream_that_is_answered_when_its_session_was_replaced_ends_for_its_reader() -> (
    None
):
    replaced = anyio.Event()

    async def answer_late(exchange: Exchange) -> None:
        await replaced.wait()
        await exchange.begin_events()
        await exchange.until_left()

    async with session() as scene:
        scene.script.parts["GET"] = answer_late
        texts: list[str] = []

        async def read() -> None:
            async with scene.caller.get() as response:
                await response.aread()
                texts.append(response.text)

        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await scene.server.until(lambda server: server.seen("GET"))
                scene.script.forget()
                assert await scene.caller.current() == "session-2"
                replaced.set()

        assert texts == [""]


async def test_a_server_that_answers_404_because_it_has_no_stream_ends_nothing_by_that() -> None:
    async def refuse(exchange: Exchange) -> None:
        await exchange.answer(404)

    async with session() as scene:
        scene.script.parts["GET"] = refuse
        for _ in range(3):
            async with scene.caller.get() as response:
                assert response.status_code == 404

        assert await scene.caller.current() == "session-1"
        assert len(scene.server.seen("GET")) == 3
        assert len(scene.server.seen("initialize")) == 1


# 6: questions of the server's.


async def test_a_question_of_the_new_session_is_answered_though_an_old_one_had_its_id() -> None:
    async with session() as scene:
        await ask(scene.script, scene.caller)
        scene.script.forget()
        assert await scene.caller.current() == "session-2"
        assert (await scene.caller.post(reply_to(0))).status_code == 202
        assert scene.server.seen("reply") == []

        await ask(scene.script, scene.caller)
        assert (await scene.caller.post(reply_to(0))).status_code == 202

        assert [request.session for request in scene.server.seen("reply")] == ["session-2"]


async def test_a_reply_that_may_be_meant_for_either_session_is_never_sent() -> None:
    async with session() as scene:
        await ask(scene.script, scene.caller)
        scene.script.forget()
        assert await scene.caller.current() == "session-2"
        await ask(scene.script, scene.caller)

        for _ in range(2):
            assert (await scene.caller.post(reply_to(0))).status_code == 202

        assert scene.server.seen("reply") == []


@pytest.mark.parametrize("reads_raw", [False, True])
async def test_a_question_beside_an_answer_in_json_is_seen_under_an_id_of_ours(
    *, reads_raw: bool
) -> None:
    async def answer(exchange: Exchange) -> None:
        question = {"jsonrpc": "2.0", "id": 0, "method": "elicitation/create", "params": {}}
        await exchange.answer_json([question, {"jsonrpc": "2.0", "id": 5, "result": {}}])

    async with session() as scene:
        await ask(scene.script, scene.caller)
        scene.script.forget()
        assert await scene.caller.current() == "session-2"
        scene.script.parts["tools/call"] = answer

        response = await scene.caller.begin("POST", json=call_of(5))
        if reads_raw:
            body = b"".join([chunk async for chunk in response.aiter_raw()])
        else:
            body = await response.aread()
        await response.aclose()

        # Its caller reads one message in a body of JSON, so these come in a stream.
        assert response.headers["content-type"] == "text/event-stream"
        question, answered = messages_in(body.decode())
        assert question["id"] == "mcp-session-question-1"
        assert answered["id"] == 5
        assert int(response.headers["content-length"]) == len(body)


# 7: the server comes back otherwise.


async def test_a_re_initialization_has_the_timeouts_of_the_request_that_needs_it() -> None:
    timeouts: list[tuple[str, object]] = []

    async def note(request: Any) -> None:
        kind = json.loads(request.content)["method"] if request.content else request.method
        timeouts.append((kind, request.extensions["timeout"]))

    async with session() as scene:
        scene.caller.http_client.event_hooks = {"request": [note]}
        scene.script.forget()
        own = sdk.http.Timeout(17.0)

        response = await scene.caller.send("POST", json=call_of(1), timeout=own)

        assert response.status_code == 200
        assert timeouts == [
            (kind, own.as_dict())
            for kind in ("tools/call", "initialize", "notifications/initialized", "tools/call")
        ]


@pytest.mark.parametrize("from_the_beginning", [True, False])
@pytest.mark.parametrize("kind", sdk.KINDS)
async def test_a_server_behind_a_redirect_is_recovered_as_well(
    kind: str, *, from_the_beginning: bool
) -> None:
    small = SmallServer()

    async def redirect(exchange: Exchange) -> None:
        has_moved = from_the_beginning or len(small.sessions) > len(small.live)
        if has_moved and exchange.request.target == "/mcp":
            await exchange.answer(307, headers={"location": "/moved"})
        else:
            await small(exchange)

    async with (
        scripted_server(redirect) as server,
        sdk.connect(kind, server.url, sdk.create_http_client) as client,
    ):
        assert await client.call("session") == "session-1"
        small.forget()

        assert await client.call("session") == "session-2"
        assert await client.call("session") == "session-2"
        small.forget()
        assert await client.call("session") == "session-3"
        assert len(small.sessions) == 3


@pytest.mark.parametrize(
    ("status", "location"), [(307, "http://localhost:{port}/mcp"), (303, "/moved")]
)
async def test_a_re_initialization_is_not_led_elsewhere_nor_turned_into_another_request(
    status: int, location: str
) -> None:
    async def redirect(exchange: Exchange) -> None:
        place = location.format(port=exchange.server.port)
        await exchange.answer(status, headers={"location": place})

    async with session() as scene:
        scene.script.parts["initialize"] = redirect
        scene.script.forget()

        answer = await scene.caller.call()

        assert f"its answer was {status}" in answer["error"]["message"]
        assert [request.kind for request in scene.server.requests][-2:] == [
            "tools/call",
            "initialize",
        ]


async def test_a_re_initialization_goes_where_the_first_one_went_whatever_the_client_adds() -> None:
    async with session(params={"key": "1"}) as scene:
        url = f"{scene.caller.url}?tenant=7"
        moved = Caller(scene.caller.http_client, url)
        moved.session = (await moved.send("POST", json=INITIALIZE, params={"tenant": "7"})).headers[
            "mcp-session-id"
        ]
        scene.script.forget()

        response = await moved.send("POST", json=call_of(1), params={"tenant": "7"})

        assert response.status_code == 200
        first, again = (it.target for it in scene.server.seen("initialize")[1:])
        assert "tenant=7" in first
        assert again == first


class Leads:
    """A server that leads every request to one URL, and answers there as a small server does.

    On the ports that schemes have by default, where no server of a test can listen.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_up = True
        self.sessions: list[str] = []
        self.live: set[str] = set()

    def __call__(self, request: Any) -> Any:
        if not self.is_up:
            message = "refused"
            raise sdk.http.ConnectError(message)
        if str(request.url) != self.url:
            return sdk.http.Response(308, headers={"location": self.url})
        message = json.loads(request.content)
        if message["method"] == "initialize":
            self.sessions.append(f"session-{len(self.sessions) + 1}")
            self.live.add(self.sessions[-1])
            result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {}}
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
            headers = {"mcp-session-id": self.sessions[-1]}
            return sdk.http.Response(200, headers=headers, json=answer)
        if request.headers["mcp-session-id"] not in self.live:
            return sdk.http.Response(404)
        if "id" not in message:
            return sdk.http.Response(202)
        return sdk.http.Response(200, json={"jsonrpc": "2.0", "id": message["id"], "result": {}})


LED_FROM = "http://mcp.example/mcp"


@pytest.mark.parametrize("url", ["http://mcp.example/v1/mcp", "https://mcp.example/mcp"])
@pytest.mark.parametrize("follows", [True, False])
async def test_a_server_behind_a_redirect_is_missed_and_recovered_whoever_follows_it(
    url: str, *, follows: bool
) -> None:
    """The library; or the caller, as the SDKs do from mcp 1.30 and 2.3 on."""
    server = Leads(url)
    transport = sdk.http.MockTransport(server)
    async with sdk.create_http_client(transport=transport, follow_redirects=follows) as http_client:

        async def post(message: object, **headers: str) -> Any:
            response = await http_client.post(LED_FROM, json=message, headers=headers)
            while response.next_request is not None:
                response = await http_client.send(response.next_request)
            return response

        opened = await post(INITIALIZE)
        attached = {"mcp-session-id": opened.headers["mcp-session-id"]}
        assert (await post(INITIALIZED, **attached)).status_code == 202

        server.is_up = False
        missed = answer_in(await post(call_of(1), **attached))
        server.is_up = True
        server.live.clear()
        recovered = answer_in(await post(call_of(2), **attached))
        again = answer_in(await post(call_of(3), **attached))

        assert missed["error"]["message"].startswith("the server could not be reached")
        assert "result" in recovered
        assert "result" in again
        assert server.sessions == ["session-1", "session-2"]


@pytest.mark.parametrize("path", ["/mcp", "/v1/mcp"])
async def test_a_reply_behind_a_redirect_reaches_the_session_that_has_asked(path: str) -> None:
    """The first hop is not its answer: the question was open until its server had the reply."""
    question = {"jsonrpc": "2.0", "id": "question", "method": "roots/list"}

    async def ask(exchange: Exchange) -> None:
        if exchange.request.session not in small.live:
            await small.usual(exchange)
            return
        await exchange.begin_events()
        await exchange.send_event(question)
        await exchange.send_event(small.result(exchange.request))
        await exchange.finish()

    async def lead(exchange: Exchange) -> None:
        if exchange.request.target == "/moved" or exchange.request.session is None:
            await small(exchange)
        else:
            await exchange.answer(307, headers={"location": "/moved"})

    small = SmallServer({"tools/call": ask})
    async with scripted_server(lead) as server, sdk.create_http_client() as http_client:
        caller = Caller(http_client, server.url.replace("/mcp", path))
        await caller.open()
        small.forget()
        for request_id in (1, 2):
            answer = await caller.post(call_of(request_id))
            assert messages_in(answer.text)[0] == question

            assert (await caller.post(reply_to("question"))).status_code == 202

        replies = [it.session for it in server.seen("reply") if it.target == "/moved"]
        assert replies == ["session-2"] * 2


async def test_a_stranger_who_is_led_to_a_page_is_not_let_into_the_session_whose_id_it_bears() -> (
    None
):
    def lead(request: Any) -> Any:
        if request.url.path == "/login":
            return sdk.http.Response(200, text="<html>please log in")
        if request.headers.get("authorization") == "Bearer stranger":
            return sdk.http.Response(302, headers={"location": "/login"})
        return server(request)

    server = Leads(LED_FROM)
    transport = sdk.http.MockTransport(lead)
    async with sdk.create_http_client(transport=transport, follow_redirects=True) as http_client:
        opened = await http_client.post(LED_FROM, json=INITIALIZE)
        attached = {"mcp-session-id": opened.headers["mcp-session-id"]}
        strangers = attached | {"authorization": "Bearer stranger"}
        for request_id in range(3):
            led = await http_client.post(LED_FROM, json=call_of(request_id), headers=strangers)

            assert led.history[0].request.headers["mcp-session-id"] == "session-1"
            server.live.clear()
            await http_client.post(LED_FROM, json=call_of(9), headers=attached)


async def test_a_server_that_begins_to_lead_to_https_keeps_its_sessions() -> None:
    server = Leads(LED_FROM)
    transport = sdk.http.MockTransport(server)
    async with sdk.create_http_client(transport=transport, follow_redirects=False) as http_client:
        opened = await http_client.post(LED_FROM, json=INITIALIZE)
        attached = {"mcp-session-id": opened.headers["mcp-session-id"]}
        server.live.clear()
        await http_client.post(LED_FROM, json=call_of(1), headers=attached)

        server.url = "https://mcp.example/mcp"
        answered = await http_client.post(LED_FROM, json=call_of(2), headers=attached)

        assert "result" in answer_in(answered)
        assert answered.request.headers["mcp-session-id"] == "session-2"
        assert server.sessions == ["session-1", "session-2"]


@pytest.mark.parametrize(
    ("status", "text"),
    [(404, "not found"), (400, "Session not found"), (401, "Unauthorized: Session not found")],
)
@pytest.mark.parametrize("code", [302, 307])
async def test_what_is_said_where_a_call_was_led_by_a_redirect_ends_no_session(
    code: int, status: int, text: str
) -> None:
    def say(request: Any) -> Any:
        if request.url.host != "mcp.example":
            return sdk.http.Response(status, text=text)
        if b"tools/call" in request.content:
            return sdk.http.Response(code, headers={"location": "https://login.example/"})
        return server(request)

    server = Leads(LED_FROM)
    options: dict[str, Any] = {"follow_redirects": True, "status_shield": False}
    transport = sdk.http.MockTransport(say)
    async with sdk.create_http_client(transport=transport, **options) as http_client:
        opened = await http_client.post(LED_FROM, json=INITIALIZE)
        attached = {"mcp-session-id": opened.headers["mcp-session-id"]}

        led = await http_client.post(LED_FROM, json=call_of(1), headers=attached)

        assert (led.status_code, led.text) == (status, text)
        assert server.sessions == ["session-1"]


async def test_a_redirect_of_a_request_without_a_host_is_the_callers() -> None:
    def answer(request: Any) -> Any:
        if b"initialize" in request.content:
            return sdk.http.Response(200, headers={"mcp-session-id": "session-1"})
        return sdk.http.Response(307, headers={"location": "/moved"})

    transport = sdk.http.MockTransport(answer)
    async with sdk.create_http_client(transport=transport) as http_client:
        url = "http://mcp.example/mcp"
        await http_client.post(url, json=INITIALIZE)
        headers = {"mcp-session-id": "session-1"}
        request = http_client.build_request("POST", url, json=call_of(1), headers=headers)
        del request.headers["host"]

        response = await http_client.send(request, follow_redirects=False)

        assert response.status_code == 307


async def test_a_re_initialization_that_is_led_in_a_circle_ends() -> None:
    async def redirect(exchange: Exchange) -> None:
        await exchange.answer(307, headers={"location": exchange.request.target})

    async with session(max_redirects=3) as scene:
        scene.script.parts["initialize"] = redirect
        scene.script.forget()

        answer = await scene.caller.call()

        assert "its answer was 307" in answer["error"]["message"]
        assert len(scene.server.seen("initialize")) == 1 + 4


# 8: the end of a session.


async def test_a_delete_of_a_session_that_is_gone_is_answered_204() -> None:
    async with session() as scene:
        scene.script.forget()

        response = await scene.caller.delete()

        assert (response.status_code, response.content) == (204, b"")
        assert [request.session for request in scene.server.seen("DELETE")] == ["session-1"]
        assert len(scene.server.seen("initialize")) == 1


async def test_a_session_that_its_caller_begins_anew_is_recovered_as_it_was_begun_last() -> None:
    async with session() as scene:
        response = await scene.caller.post(INITIALIZE, **{"x-begun": "anew"})
        assert response.headers["mcp-session-id"] == "session-2"
        assert await scene.caller.current() == "session-2"
        scene.script.forget()

        assert await scene.caller.current() == "session-3"

        begun = [request.header("x-begun") for request in scene.server.seen("initialize")]
        assert begun == [None, "anew", "anew"]


async def test_a_session_that_is_given_when_its_caller_has_closed_is_ended() -> None:
    closed = anyio.Event()

    async def answer_late(exchange: Exchange) -> None:
        await closed.wait()
        await scene.script.usual(exchange)

    async with session() as scene:
        scene.script.parts["initialize"] = answer_late
        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(scene.caller.post, INITIALIZE)
                await scene.server.until(lambda server: len(server.seen("initialize")) == 2)
                await scene.caller.delete()
                closed.set()

        ended = [request.session for request in scene.server.seen("DELETE")]
        assert ended == ["session-1", "session-2"]


async def test_after_a_session_was_closed_nothing_is_answered_for_its_server() -> None:
    async with session() as scene:
        assert (await scene.caller.delete()).status_code == 200

        answers = [await scene.caller.post(message) for message in (call_of(1), NOTIFICATION)]
        answers.append(await scene.caller.delete())
        async with scene.caller.get() as response:
            await response.aread()
            answers.append(response)

        assert [answer.status_code for answer in answers] == [404] * 4
        assert all("gone" in answer.text for answer in answers)
        sent = [(request.method, request.session) for request in scene.server.requests[-4:]]
        assert sent == [(method, "session-1") for method in ("POST", "POST", "DELETE", "GET")]
        assert len(scene.server.seen("initialize")) == 1


async def answer_500_with_a_reason(exchange: Exchange) -> None:
    error = {"code": -32050, "message": "quota"}
    await exchange.answer_json({"jsonrpc": "2.0", "id": None, "error": error}, 500)


async def answer_somebody_else(exchange: Exchange) -> None:
    await exchange.answer_json({"jsonrpc": "2.0", "id": "nobody's", "result": {}})


async def cut_an_answer(exchange: Exchange) -> None:
    await exchange.begin(200, {"content-type": "application/json", "content-length": "100"})
    await exchange.send(b'{"jsonrpc":')
    exchange.hang_up()


@pytest.mark.parametrize(
    "answer",
    [reset, answer_502, answer_503, answer_500_with_a_reason, answer_somebody_else, cut_an_answer],
)
async def test_a_session_that_its_server_has_kept_is_used_as_without_us(answer: Script) -> None:
    async def keep(exchange: Exchange) -> None:
        await exchange.answer(405)

    async with session(status_shield=True) as scene, sdk.http.AsyncClient() as plain:
        scene.script.parts["DELETE"] = keep
        assert (await scene.caller.delete()).status_code == 405
        assert await scene.caller.current() == "session-1"
        scene.script.parts["tools/call"] = answer

        outcomes: list[tuple[int, str]] = []
        for http_client in (scene.caller.http_client, plain):
            caller = Caller(http_client, scene.caller.url)
            caller.session = scene.caller.session
            try:
                response = await caller.post(call_of(1))
                outcomes.append((response.status_code, response.text))
            except sdk.http.TransportError as error:
                outcomes.append((0, type(error).__name__))

        assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("status", [204, 405, 503])
async def test_a_stream_that_waits_for_its_server_is_given_up_when_its_session_is_closed(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What waits by the clock waits for ever.
    monkeypatch.setattr("mcp_session._client.driver.random.uniform", always(7200.0))

    async def answer(exchange: Exchange) -> None:
        await exchange.answer(status)

    async with session() as scene:
        scene.script.parts |= {"GET": answer_503, "DELETE": answer}
        statuses: list[int] = []

        async def read() -> None:
            async with scene.caller.get() as response:
                statuses.append(response.status_code)

        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await scene.server.until(lambda server: server.seen("GET"))
                await anyio.wait_all_tasks_blocked()
                assert (await scene.caller.delete()).status_code == status

        assert statuses == [404]
        assert len(scene.server.seen("GET")) == 1


async def test_a_stream_of_a_session_that_was_closed_fails_as_without_us() -> None:
    async with session() as scene:
        scene.script.parts["GET"] = stream_nothing_for_ever
        async with scene.caller.get() as response:
            assert response.status_code == 200
        scene.script.parts["DELETE"] = answer_503
        await scene.caller.delete()

        scene.script.parts["GET"] = answer_503
        with anyio.fail_after(SOON_SECONDS):
            async with scene.caller.get() as response:
                assert response.status_code == 503
            scene.server.down()
            with pytest.raises(sdk.http.TransportError):
                async with scene.caller.get():
                    pass


@pytest.mark.parametrize("is_late", [False, True])
async def test_what_was_decided_before_a_delete_does_not_go_out_after_it(
    monkeypatch: pytest.MonkeyPatch, *, is_late: bool
) -> None:
    """The refusal is still being read when the session is closed."""
    replaced, reading, going_on = anyio.Event(), anyio.Event(), anyio.Event()
    answers: list[Any] = []

    async def drain_slowly(response: Any, library: Any) -> None:
        if b"first" in response.request.content:
            reading.set()
            await going_on.wait()
        await drain(response, library)

    monkeypatch.setattr("mcp_session._client.streams.drain", drain_slowly)
    async with session() as scene:

        async def refuse(exchange: Exchange) -> None:
            if is_late and exchange.request.message["id"] == "first":
                await replaced.wait()
            await scene.script.usual(exchange)

        async def call() -> None:
            answers.append(answer_in(await scene.caller.post(call_of("first"))))

        scene.script.parts["tools/call"] = refuse
        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                scene.script.forget()
                tasks.start_soon(call)
                await scene.server.until(lambda server: server.seen("tools/call"))
                if is_late:
                    assert await scene.caller.current() == "session-2"
                    scene.script.live.discard("session-1")
                    replaced.set()
                await reading.wait()
                await scene.caller.delete()
                asked = len(scene.server.requests)
                going_on.set()

        assert answers[0]["error"]["message"] == "the session was closed"
        assert scene.server.requests[asked:] == []


@pytest.mark.parametrize("ends", ["DELETE", "notifications/cancelled"])
async def test_who_waits_for_the_applications_hook_is_let_go_when_it_is_called_off(
    ends: str,
) -> None:
    held, going_on = anyio.Event(), anyio.Event()
    told: list[str] = []
    ended: list[Any] = []

    async def hook(event: object) -> None:
        told.append(type(event).__name__)
        if told[-1] == "SessionReinitialized":
            await going_on.wait()

    async with session(on_event=hook) as scene:

        async def call(request_id: str) -> None:
            ended.append(answer_in(await scene.caller.post(call_of(request_id))))

        async def wait(exchange: Exchange) -> None:
            await held.wait()
            await scene.script.usual(exchange)

        scene.script.parts["initialize"] = wait
        scene.script.forget()
        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call, "leads")
                await scene.server.until(lambda server: len(server.seen("initialize")) == 2)
                tasks.start_soon(call, "waits")
                await scene.until_held(1)
                held.set()
                await scene.server.until(lambda _: "SessionReinitialized" in told)
                if ends == "DELETE":
                    await scene.caller.delete()
                else:
                    parameters = {"requestId": "waits"}
                    await scene.caller.post(
                        {"jsonrpc": "2.0", "method": ends, "params": parameters}
                    )
                await scene.server.until(lambda _: ended)
                going_on.set()

        assert (ended[0]["id"], ended[0]["error"]["code"]) == ("waits", CONNECTION_CLOSED)
        sent = [request.message["id"] for request in scene.server.seen("tools/call")]
        assert sent.count("waits") < 2
        if ends == "DELETE":
            assert sent.count("leads") == 1


async def stream_an_end(exchange: Exchange) -> None:
    await exchange.begin_events()
    await exchange.send(b": nothing\n\n")
    await exchange.finish()


async def test_a_stream_whose_wait_begins_when_its_session_is_closed_does_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mcp_session._client.driver.random.uniform", always(7200.0))
    in_hook, going_on = anyio.Event(), anyio.Event()

    async def hook(_event: object) -> None:
        in_hook.set()
        await going_on.wait()

    # No new session may be made, and the stream waits for that.
    async with session(on_event=hook, bound=0) as scene:
        scene.script.parts["GET"] = stream_an_end
        async with scene.caller.get() as response:
            await response.aread()
        del scene.script.parts["GET"]
        scene.script.forget()
        statuses: list[int] = []

        async def read() -> None:
            async with scene.caller.get() as response:
                statuses.append(response.status_code)

        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await in_hook.wait()
                await scene.caller.delete()
                going_on.set()

        assert statuses == [404]


async def test_a_delete_of_a_session_that_was_lost_goes_to_its_last_id() -> None:
    async def refuse(exchange: Exchange) -> None:
        await exchange.answer(500)

    async with session() as scene:
        scene.script.parts["initialize"] = refuse
        scene.script.forget()
        assert "error" in await scene.caller.call()

        assert (await scene.caller.delete()).status_code == 204

        assert [it.session for it in scene.server.seen("DELETE")] == ["session-1"]


@pytest.mark.parametrize("status", [200, 202, 405, 500])
async def test_any_other_answer_to_a_delete_is_the_servers(status: int) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.answer(status, b"as it is")

    async with session() as scene:
        scene.script.parts["DELETE"] = answer

        response = await scene.caller.delete()

        assert response.status_code == status
        # A success is one whatever its body says.
        assert response.content in (b"as it is", b"")


async def test_a_delete_is_not_held_by_a_recovery_and_lets_go_of_who_waits() -> None:
    async with session() as scene:
        scene.script.parts["initialize"] = never_answer
        scene.script.forget()
        answers: list[Any] = []

        async def call() -> None:
            answers.append(await scene.caller.call())

        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call)
                await scene.server.until(lambda server: len(server.seen("initialize")) == 2)
                tasks.start_soon(call)
                await scene.until_held(1)
                assert (await scene.caller.delete()).status_code == 204
                await scene.server.until(lambda _: answers)
                tasks.cancel_scope.cancel()

        assert "error" in answers[0]


async def test_a_session_that_comes_too_late_is_ended_as_well() -> None:
    going_on = anyio.Event()
    async with session() as scene:

        async def wait(exchange: Exchange) -> None:
            await going_on.wait()
            await scene.script.usual(exchange)

        scene.script.parts["initialize"] = wait
        scene.script.forget()
        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(scene.caller.call)
                await scene.server.until(lambda server: len(server.seen("initialize")) == 2)
                await scene.caller.delete()
                going_on.set()

        assert [request.session for request in scene.server.seen("DELETE")] == [
            "session-1",
            "session-2",
        ]
        assert scene.script.live == set()


async def test_a_session_that_comes_too_late_and_cannot_be_ended_holds_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mcp_session._client.recovery.DELETE_SECONDS", 0.1)
    going_on = anyio.Event()
    async with session() as scene:

        async def wait(exchange: Exchange) -> None:
            await going_on.wait()
            await scene.script.usual(exchange)

        scene.script.parts |= {"initialize": wait, "DELETE": never_answer}
        scene.script.forget()
        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(scene.caller.call)
                await scene.server.until(lambda server: len(server.seen("initialize")) == 2)
                # The session closes with the request, whatever is answered to that.
                with anyio.move_on_after(0.1):
                    await scene.caller.delete()
                going_on.set()

        assert [request.session for request in scene.server.seen("DELETE")][-1] == "session-2"


# 9: traffic without sessions.


@pytest.mark.parametrize(
    "exchanges",
    [
        [("POST", call_of(1), MODERN), ("GET", None, MODERN), ("DELETE", None, MODERN)],
        [("POST", call_of(1), MODERN | {"mcp-session-id": "left-over"})],
        [("POST", call_of(1), {}), ("POST", NOTIFICATION, {}), ("GET", None, {})],
        [("POST", [call_of(1), call_of(2)], {}), ("PUT", call_of(1), {}), ("OPTIONS", None, {})],
        [("POST", call_of(1), {"mcp-session-id": "of-another-client"})],
        [("GET", None, {"mcp-session-id": "of-another-client", "last-event-id": "1"})],
        [("POST", INITIALIZE, {}), ("POST", INITIALIZED, {}), ("POST", call_of(1), {})],
    ],
)
@pytest.mark.parametrize("status", [200, 404, 502])
async def test_without_a_session_of_ours_the_bytes_and_the_answers_are_those_without_us(
    status: int, exchanges: list[tuple[str, object, dict[str, str]]]
) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.answer_json({"jsonrpc": "2.0", "id": 1, "result": {}}, status)

    async def send(caller: Caller) -> list[object]:
        seen: list[object] = []
        for method, message, headers in exchanges:
            body = {} if message is None else {"json": message}
            seen.append(compared(await caller.send(method, headers=headers, **body)))
        return seen

    await assert_same_with_and_without_us(lambda: answer, send)


async def test_in_a_session_that_lives_the_bytes_and_the_answers_are_those_without_us() -> None:
    async def send(caller: Caller) -> list[object]:
        await caller.open()
        seen = [compared(await caller.post(message)) for message in (call_of(1), NOTIFICATION)]
        async with caller.get() as response:
            await response.aread()
        return [*seen, compared(response), compared(await caller.delete())]

    await assert_same_with_and_without_us(SmallServer, send)


@pytest.mark.parametrize(
    ("kind", "generation", "options"),
    [
        (kind, generation, (*mode, *streams))
        for kind in sdk.KINDS
        for generation in GENERATIONS
        for mode in ((), ("--stateless",))
        for streams in ((), ("--json",))
        if mode or (kind == sdk.AUTO and generation == "mcp2")
    ],
)
async def test_an_sdk_and_a_server_without_sessions_exchange_the_bytes_they_do_without_us(
    kind: str, generation: str, options: tuple[str, ...], servers: Servers
) -> None:
    async with servers.use(generation, *options) as server:
        recorded: list[list[bytes]] = []
        async with scripted_server(functools.partial(relay, server.port)) as listener:
            for create in (sdk.create_plain_http_client, sdk.create_http_client):
                before = len(listener.requests)
                async with sdk.connect(kind, listener.url, create) as client:
                    await client.list_tools()
                    assert await client.call("echo", text="hello") == "hello"
                    await server.restart()
                    assert await client.call("echo", text="again") == "again"
                    await client.call_with_progress("progress", steps=2)
                recorded.append([request.raw for request in listener.requests[before:]])

        assert recorded[0] == recorded[1]
        is_modern = b"2026-07-28" in recorded[0][-1]
        assert is_modern == (kind == sdk.AUTO and generation == "mcp2")


async def test_a_body_that_is_streamed_is_not_touched() -> None:
    sent: list[str] = []

    async def body() -> AsyncGenerator[bytes, None]:
        for part in ("one", "two"):
            sent.append(part)
            yield part.encode()

    async def answer(exchange: Exchange) -> None:
        await exchange.answer(200, exchange.request.body)

    async with scripted_server(answer) as server, sdk.create_http_client() as http_client:
        response = await http_client.post(server.url, content=body())

    assert response.content == b"onetwo"
    assert sent == ["one", "two"]


async def test_a_body_that_cannot_be_awaited_is_refused_in_a_session_as_without_one() -> None:
    async with session() as scene:
        with pytest.raises(RuntimeError, match="Attempted to send"):
            await scene.caller.send("POST", content=iter([b"{}"]))


# 10: what an application and an SDK see.


async def test_event_hooks_see_every_exchange_as_it_is_on_the_wire() -> None:
    requested: list[tuple[str, str | None]] = []
    responded: list[tuple[str | None, int]] = []

    async def on_request(request: Any) -> None:
        requested.append((request.method, request.headers.get("mcp-session-id")))

    async def on_response(response: Any) -> None:
        responded.append((response.request.headers.get("mcp-session-id"), response.status_code))

    async with session() as scene:
        scene.caller.http_client.event_hooks = {"request": [on_request], "response": [on_response]}
        before = len(scene.server.requests)
        scene.script.forget()
        assert await scene.caller.current() == "session-2"
        await scene.caller.delete()

        on_the_wire = scene.server.requests[before:]
        assert requested == [(request.method, request.session) for request in on_the_wire]
        assert responded == [
            ("session-1", 404),
            (None, 200),
            ("session-2", 202),
            ("session-2", 200),
            ("session-2", 200),
        ]


async def test_an_application_is_told_once_of_a_session_that_many_calls_find_terminated() -> None:
    async with session() as scene:
        here = 0
        all_here = anyio.Event()

        async def forgotten(exchange: Exchange) -> None:
            nonlocal here
            if exchange.request.session == "session-1":
                here += 1
                if here == 5:
                    all_here.set()
                await all_here.wait()
            await scene.script.usual(exchange)

        scene.script.parts["tools/call"] = forgotten
        scene.script.forget()
        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                for _ in range(5):
                    tasks.start_soon(scene.caller.current)

        assert len(scene.server.seen("tools/call")) == 10
        assert scene.told == ["SessionTerminated", "SessionReinitialized"]


async def test_a_re_initialization_has_the_default_headers_of_now() -> None:
    async with session(headers={"x-token": "then"}) as scene:
        scene.caller.http_client.headers["x-token"] = "now"
        scene.script.forget()
        await scene.caller.current()

        tokens = [request.header("x-token") for request in scene.server.seen("initialize")]
        assert tokens == ["then", "now"]


async def test_a_cookie_header_of_the_applications_own_stays_where_it_is() -> None:
    async def set_cookie(exchange: Exchange) -> None:
        headers = {"mcp-session-id": scene.script.begin_session(), "set-cookie": "theirs=1"}
        await exchange.answer_json(scene.script.initialize_result(exchange.request), 200, headers)

    async with session(headers={"cookie": "own=1"}) as scene:
        scene.script.parts["initialize"] = set_cookie
        scene.script.forget()
        await scene.caller.current()

        calls = scene.server.seen("tools/call")
        assert [request.header("cookie") for request in calls] == ["own=1", "own=1"]


async def test_an_application_is_told_what_happened_and_no_id_is_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "mcp_session")
    async with session() as scene:
        scene.script.forget()
        await scene.caller.current()
        scene.script.parts["initialize"] = answer_500
        scene.script.forget()
        await scene.caller.call()

        terminated, reinitialized, again, failed, given_up = scene.events
        assert (terminated.rule, again.rule) == (Rule.TERMINATED_POST, Rule.TERMINATED_POST)
        assert reinitialized.result["serverInfo"]["version"] == "2"
        assert failed.reason is given_up.reason is Reason.INITIALIZE_REFUSED
        logged = [record for record in caplog.records if record.name == "mcp_session"]
        assert len(logged) >= len(scene.events)
        shown = [repr(event) for event in scene.events] + [it.getMessage() for it in logged]
        assert not [text for text in shown if "session-" in text]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}'),
        (200, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"Session not found"}}'),
        (400, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Invalid params"}}'),
        (401, b"who are you"),
        (403, b"not you"),
        (405, b""),
        (406, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"Not Acceptable"}}'),
        (409, b"conflict"),
        (410, b"gone"),
        (429, b"slower"),
        (500, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Session not found"}}'),
        (501, b"<html>"),
    ],
)
async def test_what_is_no_end_of_a_session_is_answered_as_without_us(
    status: int, body: bytes
) -> None:
    async def answer(exchange: Exchange) -> None:
        headers = {"content-type": "application/json", "www-authenticate": "Bearer", "x-own": "1"}
        await exchange.answer(status, body, headers)

    async def send(caller: Caller) -> list[object]:
        await caller.open()
        return [compared(await caller.post(call_of(1)))]

    await assert_same_with_and_without_us(
        lambda: SmallServer({"tools/call": answer}), send, status_shield=False
    )


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 500, 503])
async def test_a_refusal_of_the_opening_initialize_is_answered_as_without_us(status: int) -> None:
    async def refuse(exchange: Exchange) -> None:
        await exchange.answer(status, b"no", {"mcp-session-id": "never-to-be-used"})

    async def send(caller: Caller) -> list[object]:
        return [compared(await caller.post(message)) for message in (INITIALIZE, INITIALIZE)]

    await assert_same_with_and_without_us(lambda: SmallServer({"initialize": refuse}), send)


# 11: several sessions over one client.


async def test_sessions_of_one_client_to_servers_that_give_out_the_same_ids_stay_apart() -> None:
    one, other = SmallServer(), SmallServer()
    async with (
        scripted_server(one) as first,
        scripted_server(other) as second,
        sdk.create_http_client() as http_client,
    ):
        callers = [Caller(http_client, first.url), Caller(http_client, second.url)]
        for caller in callers:
            await caller.open()
        one.forget()

        assert [await caller.current() for caller in callers] == ["session-2", "session-1"]
        assert [(await caller.delete()).status_code for caller in callers] == [200, 200]

        assert [request.session for request in first.seen("DELETE")] == ["session-2"]
        assert [request.session for request in second.seen("DELETE")] == ["session-1"]
        assert (len(first.seen("initialize")), len(second.seen("initialize"))) == (2, 1)


async def test_an_id_that_a_session_goes_by_is_nothing_special_for_another_server() -> None:
    async with scripted_server(SmallServer()) as other, session() as scene:
        scene.script.forget()
        assert await scene.caller.current() == "session-2"
        stranger = Caller(scene.caller.http_client, other.url)
        stranger.session = scene.caller.session

        assert (await stranger.post(call_of(1))).status_code == 404

        assert [request.session for request in other.requests] == ["session-1"]
        assert await scene.caller.current() == "session-2"


async def test_a_caller_may_begin_anew_by_the_id_of_the_session_that_it_closed() -> None:
    async with session() as scene:
        await scene.caller.delete()

        response = await scene.caller.post(INITIALIZE)

        assert response.headers["mcp-session-id"] == "session-2"
        scene.caller.session = "session-2"
        assert await scene.caller.current() == "session-2"


async def test_the_sessions_used_longest_ago_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mcp_session._client.options.REMEMBERED", 2)
    async with session() as scene:
        callers = [Caller(scene.caller.http_client, scene.server.url) for _ in range(2)]
        await callers[0].open()
        await scene.caller.current()
        await callers[1].open()
        scene.script.forget()

        answers = [await caller.post(call_of(1)) for caller in (scene.caller, *callers)]
        assert [answer.status_code for answer in answers] == [200, 404, 200]


async def test_a_session_that_is_begun_by_a_body_without_end_is_not_followed() -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        yield json.dumps(INITIALIZE).encode()

    async with session() as scene:
        other = Caller(scene.caller.http_client, scene.server.url)
        headers = {"content-type": "application/json"}
        response = await other.send("POST", content=pieces(), headers=headers)
        other.session = response.headers["mcp-session-id"]
        scene.script.forget()

        assert (await other.post(call_of(1))).status_code == 404


async def test_a_server_may_give_out_an_id_that_it_gave_out_before_it_was_restarted() -> None:
    async with session() as scene:
        second = Caller(scene.caller.http_client, scene.server.url)
        await second.open()
        scene.script.forget()
        scene.script.sessions.clear()

        for _ in range(2):
            assert await scene.caller.current() == "session-1"
            assert await second.current() == "session-2"

        assert len(scene.server.seen("initialize")) == 4


async def test_of_two_ids_in_one_answer_neither_is_followed() -> None:
    async def answer(exchange: Exchange) -> None:
        session_id = scene.script.begin_session()
        headers = {"mcp-session-id": "other", "Mcp-Session-Id": session_id}
        await exchange.answer_json(scene.script.initialize_result(exchange.request), 200, headers)

    async with session() as scene:
        scene.script.parts["initialize"] = answer
        other = Caller(scene.caller.http_client, scene.server.url)
        await other.post(INITIALIZE)
        other.session = "session-2"
        scene.script.forget()

        assert (await other.post(call_of(1))).status_code == 404


async def test_an_id_that_is_given_out_again_after_its_session_was_closed_is_shown_as_it_is() -> (
    None
):
    async with session() as scene:
        await scene.caller.delete()
        scene.script.sessions.clear()
        second = Caller(scene.caller.http_client, scene.server.url)
        await second.open()

        assert second.session == "session-1"
        assert await second.current() == "session-1"


async def test_a_session_whose_id_another_goes_by_still_is_known_by_a_name_of_its_own() -> None:
    async with session() as scene:
        scene.script.forget()
        scene.script.sessions.clear()
        second = Caller(scene.caller.http_client, scene.server.url)
        await second.open()

        assert second.session != scene.caller.session
        assert await second.current() == "session-1"
        await second.delete()
        assert [request.session for request in scene.server.seen("DELETE")] == ["session-1"]


# 12: those who wait, and what may be sent again.


async def never_answer(exchange: Exchange) -> None:
    await exchange.until_left()


async def test_who_waits_hears_of_the_leaders_failure_and_it_is_not_tried_by_each() -> None:
    going_on = anyio.Event()

    async def refuse(exchange: Exchange) -> None:
        await going_on.wait()
        await exchange.answer(500)

    answers: list[Any] = []
    async with session() as scene:
        scene.script.parts["initialize"] = refuse
        scene.script.forget()

        async def call() -> None:
            answers.append(await scene.caller.call())

        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call)
                await scene.server.until(lambda server: len(server.seen("initialize")) == 2)
                for _ in range(19):
                    tasks.start_soon(call)
                await anyio.wait_all_tasks_blocked()
                going_on.set()

        assert len(answers) == 20
        assert {answer["error"]["code"] for answer in answers} == {CONNECTION_CLOSED}
        assert all("500" in answer["error"]["message"] for answer in answers)
        assert len(scene.server.seen("initialize")) == 2
        assert scene.told.count("RecoveryFailed") == 1


async def test_a_leader_that_is_cancelled_hands_over_to_one_who_waits() -> None:
    answers: list[str] = []
    async with session() as scene:
        scene.script.parts["initialize"] = never_answer
        scene.script.forget()

        async def call() -> None:
            answers.append(await scene.caller.current())

        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                leading = anyio.CancelScope()

                async def lead() -> None:
                    with leading:
                        await scene.caller.call()

                tasks.start_soon(lead)
                await scene.server.until(lambda server: len(server.seen("initialize")) == 2)
                del scene.script.parts["initialize"]
                for _ in range(5):
                    tasks.start_soon(call)
                await anyio.wait_all_tasks_blocked()
                leading.cancel()

        assert answers == ["session-2"] * 5
        assert len(scene.server.seen("initialize")) == 3


async def test_a_leader_that_is_cancelled_before_it_has_led_hands_over_as_well(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "mcp_session")
    async with session() as scene:
        answers: list[str] = []

        async def once(exchange: Exchange) -> None:
            if exchange.request.session != "session-1":
                await scene.script.usual(exchange)
            else:
                # It is read on for a while, in the hope that the connection can be used again.
                await dribble_404(exchange)

        async def call() -> None:
            answers.append(await scene.caller.current())

        scene.script.parts["tools/call"] = once
        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                leading = anyio.CancelScope()

                async def lead() -> None:
                    with leading:
                        await scene.caller.post(call_of("leader"))

                tasks.start_soon(lead)
                await scene.server.until(lambda _: "was terminated" in caplog.text)
                tasks.start_soon(call)
                await anyio.wait_all_tasks_blocked()
                leading.cancel()

        assert answers == ["session-2"]


async def test_a_call_that_is_cancelled_while_the_application_is_told_lets_its_answer_go() -> None:
    told: list[str] = []
    left = anyio.Event()

    async def never_return_at_last(event: object) -> None:
        told.append(type(event).__name__)
        if len(told) == 3:
            await anyio.sleep_forever()

    async def forgotten_twice(exchange: Exchange) -> None:
        if exchange.request.session == "session-1":
            await exchange.answer(404)
        else:
            # The end of that session is told of as this answer is handed over.
            await exchange.begin(404)
            await exchange.until_left()
            left.set()

    async with session(on_event=never_return_at_last) as scene:
        scene.script.parts["tools/call"] = forgotten_twice
        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(scene.caller.post, call_of(1))
                await scene.server.until(lambda _: len(told) == 3)
                tasks.cancel_scope.cancel()
            await left.wait()

    assert told == ["SessionTerminated", "SessionReinitialized", "SessionTerminated"]


async def test_a_call_that_is_cancelled_while_it_waits_is_not_sent_again() -> None:
    answers: list[Any] = []
    going_on = anyio.Event()
    async with session() as scene:

        async def wait(exchange: Exchange) -> None:
            await going_on.wait()
            await scene.script.usual(exchange)

        scene.script.parts["initialize"] = wait
        scene.script.forget()

        async def call() -> None:
            answers.append(await scene.caller.call())

        async def call_and_be_cancelled() -> None:
            answer = answer_in(await scene.caller.post(call_of("cancelled")))
            assert answer["error"]["code"] == CONNECTION_CLOSED
            assert "cancelled" in answer["error"]["message"]
            going_on.set()

        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call)
                await scene.server.until(lambda server: len(server.seen("initialize")) == 2)
                tasks.start_soon(call_and_be_cancelled)
                await scene.until_held(1)
                cancelled = {
                    "method": "notifications/cancelled",
                    "params": {"requestId": "cancelled"},
                }
                response = await scene.caller.post({"jsonrpc": "2.0", **cancelled})
                assert response.status_code == 202

        assert "result" in answers[0]
        sent = [request.message["id"] for request in scene.server.seen("tools/call")]
        assert "cancelled" not in sent
        assert scene.server.seen("notifications/cancelled") == []


async def test_by_policy_a_request_is_not_sent_again_and_the_next_one_succeeds() -> None:
    async with session(resend=ResendPolicy.NEVER) as scene:
        scene.script.forget()

        answer = await scene.caller.call()

        assert answer["error"]["code"] == CONNECTION_CLOSED
        assert "sent again" in answer["error"]["message"]
        assert await scene.caller.current() == "session-2"
        assert len(scene.server.seen("tools/call")) == 2


async def test_by_policy_only_what_reads_is_sent_again() -> None:
    async with session(resend=ResendPolicy.READ_ONLY) as scene:
        scene.script.forget()
        listing = {"jsonrpc": "2.0", "id": "list-1", "method": "tools/list"}
        assert "result" in answer_in(await scene.caller.post(listing))

        scene.script.forget()
        assert "error" in await scene.caller.call()
        assert await scene.caller.current() == "session-3"


@pytest.mark.parametrize("quirks", [True, False])
async def test_a_known_misreport_is_the_end_of_a_session_unless_quirks_are_off(
    *, quirks: bool
) -> None:
    async with session(quirks=quirks, status_shield=False) as scene:

        async def misreport(exchange: Exchange) -> None:
            if exchange.request.session == "session-1":
                error = {"code": -32000, "message": "Bad Request: No valid session ID provided"}
                await exchange.answer_json({"jsonrpc": "2.0", "id": None, "error": error}, 400)
            else:
                await scene.script.usual(exchange)

        scene.script.parts["tools/call"] = misreport

        response = await scene.caller.post(call_of(1))

        assert response.status_code == (200 if quirks else 400)
        assert len(scene.server.seen("initialize")) == (2 if quirks else 1)


async def test_a_client_is_closed_during_a_recovery_without_waiting_for_it() -> None:
    with anyio.fail_after(SOON_SECONDS):
        async with session(recovery_timeout=3600.0) as scene:
            scene.script.parts["initialize"] = never_answer
            scene.script.forget()
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(scene.caller.call)
                await scene.server.until(lambda server: len(server.seen("initialize")) == 2)
                tasks.cancel_scope.cancel()


@pytest.mark.parametrize("kind", sdk.KINDS)
async def test_an_sdk_is_closed_during_a_recovery_within_its_timeout(kind: str) -> None:
    small = SmallServer()
    create = functools.partial(sdk.create_http_client, recovery_timeout=2.0)
    async with scripted_server(small) as server:
        with anyio.fail_after(SOON_SECONDS):
            async with sdk.connect(kind, server.url, create) as client:
                await client.call("session")
                small.parts["initialize"] = never_answer
                small.forget()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(client.call, "session")
                    await server.until(lambda server: len(server.seen("initialize")) == 2)
                    tasks.cancel_scope.cancel()


# 13: servers that are broken.


async def test_a_session_that_ends_before_its_first_call_is_replaced_at_that() -> None:
    async with session() as scene:
        second = Caller(scene.caller.http_client, scene.server.url)
        second.session = (await second.post(INITIALIZE)).headers["mcp-session-id"]
        scene.script.forget()

        assert (await second.post(INITIALIZED)).status_code == 202
        assert await second.current() == "session-3"


async def test_a_server_that_forgets_every_session_costs_each_call_one_recovery_at_most() -> None:
    async def forget(exchange: Exchange) -> None:
        await exchange.answer(404)

    calls = 10
    async with session() as scene:
        scene.script.parts["tools/call"] = forget

        for number in range(calls):
            response = await scene.caller.post(call_of(number))
            if response.status_code != 404:
                assert answer_in(response)["error"]["code"] == CONNECTION_CLOSED

        assert len(scene.server.seen("initialize")) <= 1 + calls
        assert len(scene.server.seen("tools/call")) <= 2 * calls
        del scene.script.parts["tools/call"]
        with anyio.fail_after(SOON_SECONDS):
            while "error" in await scene.caller.call():  # noqa: ASYNC110  # by the clock
                await anyio.sleep(0.1)
        assert (await scene.caller.current()).startswith("session-")


async def answer_500(exchange: Exchange) -> None:
    await exchange.answer(500)


async def answer_404(exchange: Exchange) -> None:
    await exchange.answer(404, headers={"mcp-session-id": "never-to-be-used"})


async def answer_202(exchange: Exchange) -> None:
    await exchange.answer(202, headers={"mcp-session-id": "never-to-be-used"})


async def answer_with_an_error(exchange: Exchange) -> None:
    error = {"code": -32603, "message": "no more sessions"}
    message = {"jsonrpc": "2.0", "id": exchange.request.message["id"], "error": error}
    await exchange.answer_json(message, headers={"mcp-session-id": "never-to-be-used"})


async def answer_with_garbage(exchange: Exchange) -> None:
    await exchange.answer(200, b"\xff\x00<html>", {"content-type": "application/json"})


async def answer_with_nothing(exchange: Exchange) -> None:
    await exchange.answer(200, headers={"content-type": "application/json"})


async def stream_nothing_for_ever(exchange: Exchange) -> None:
    await exchange.begin_events({"mcp-session-id": "never-to-be-used"})
    await exchange.until_left()


async def stream_comments_for_ever(exchange: Exchange) -> None:
    await exchange.begin_events({"mcp-session-id": "never-to-be-used"})
    while True:
        await exchange.send(b": still here\n\n" * 1000)


async def answer_json_without_end(exchange: Exchange) -> None:
    await exchange.begin(200, {"content-type": "application/json"})
    while True:
        await exchange.send(b" " * 65536)


async def cut_the_answer(exchange: Exchange) -> None:
    await exchange.begin(200, {"content-type": "application/json", "content-length": "999"})
    await exchange.send(b'{"jsonrpc":"2.0"')
    exchange.hang_up()


REFUSALS: list[Script] = [answer_500, answer_404, never_answer, reset, answer_503]

# A 2xx accepts a notification, whatever its body.
BROKEN_ANSWERS: list[Script] = [
    answer_202,
    answer_with_an_error,
    answer_with_garbage,
    answer_with_nothing,
    stream_nothing_for_ever,
    stream_comments_for_ever,
    answer_json_without_end,
    cut_the_answer,
]


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        *(("initialize", broken) for broken in REFUSALS + BROKEN_ANSWERS),
        *(("notifications/initialized", broken) for broken in REFUSALS),
    ],
)
async def test_a_broken_re_initialization_is_a_clear_error_and_the_next_call_tries_again(
    kind: str, broken: Script
) -> None:
    async with session(recovery_timeout=1.0) as scene:
        await scene.caller.current()
        scene.script.parts[kind] = broken
        scene.script.forget()

        with anyio.fail_after(SOON_SECONDS):
            answer = await scene.caller.call()

        assert answer["error"]["code"] == CONNECTION_CLOSED
        assert "session has ended" in answer["error"]["message"]
        assert "RecoveryFailed" in scene.told
        del scene.script.parts[kind]
        assert await scene.caller.current() == scene.script.sessions[-1]
        # A session that may have been begun all the same is ended, and not used.
        used = [request for request in scene.server.requests if request.kind != "DELETE"]
        assert "never-to-be-used" not in {request.session for request in used}


async def stream_an_event_without_end(exchange: Exchange) -> None:
    await exchange.begin_events({"mcp-session-id": "never-to-be-used"})
    await exchange.send(b"data: ")
    while True:
        await exchange.send(b" " * 65536)


@pytest.mark.parametrize(
    "endless", [stream_comments_for_ever, stream_an_event_without_end, answer_json_without_end]
)
async def test_an_endless_re_initialization_is_read_no_further_than_an_answer_can_be_long(
    endless: Script,
) -> None:
    async with session(recovery_timeout=3600.0) as scene:
        scene.script.parts["initialize"] = endless
        scene.script.forget()

        # Read in vain are 4 MiB, on a machine that may have other work.
        with anyio.fail_after(10 * SOON_SECONDS):
            answer = await scene.caller.call()

        assert "its answer was 200" in answer["error"]["message"]


@pytest.mark.parametrize("broken", [stream_comments_for_ever, answer_json_without_end])
async def test_a_notification_accepted_with_a_body_that_never_ends_is_accepted(
    broken: Script,
) -> None:
    async with session(recovery_timeout=10.0) as scene:
        scene.script.parts["notifications/initialized"] = broken
        scene.script.forget()

        with anyio.fail_after(SOON_SECONDS):
            assert await scene.caller.current() == "session-2"


async def test_the_answer_to_a_re_initialization_may_come_in_a_stream_that_does_not_end() -> None:
    async with session() as scene:

        async def stream(exchange: Exchange) -> None:
            identity = {"mcp-session-id": scene.script.begin_session()}
            await exchange.begin_events(identity)
            await exchange.send_event({"jsonrpc": "2.0", "method": "notifications/message"})
            await exchange.send_event(scene.script.initialize_result(exchange.request))
            await exchange.until_left()

        scene.script.parts["initialize"] = stream
        scene.script.forget()

        with anyio.fail_after(SOON_SECONDS):
            assert await scene.caller.current() == "session-2"


async def flood_404(exchange: Exchange) -> None:
    await exchange.begin(404)
    while True:
        await exchange.send(b"x" * 65536)


async def dribble_404(exchange: Exchange) -> None:
    await exchange.begin(404)
    await exchange.send(b"x")
    await exchange.until_left()


@pytest.mark.parametrize("endless", [flood_404, dribble_404])
async def test_a_404_whose_body_never_ends_is_left_and_the_call_recovers(endless: Script) -> None:
    async with session() as scene:

        async def once(exchange: Exchange) -> None:
            if exchange.request.session == "session-1":
                await endless(exchange)
            else:
                await scene.script.usual(exchange)

        scene.script.parts["tools/call"] = once

        with anyio.fail_after(SOON_SECONDS):
            assert await scene.caller.current() == "session-2"


@pytest.mark.parametrize(("size", "is_kept"), [(0, True), (60_000, True), (2**20, False)])
async def test_the_connection_of_a_404_is_used_again_unless_its_body_is_large(
    size: int, *, is_kept: bool
) -> None:
    async with session() as scene:

        async def once(exchange: Exchange) -> None:
            if exchange.request.session == "session-1":
                await exchange.answer(404, b"x" * size)
            else:
                await scene.script.usual(exchange)

        before = scene.server.connections
        scene.script.parts["tools/call"] = once

        assert await scene.caller.current() == "session-2"

        assert (scene.server.connections == before) == is_kept


@pytest.mark.parametrize("size", [100, 6 * 2**20, 20 * 2**20])
async def test_an_answer_of_any_size_comes_whole(size: int) -> None:
    text = "x" * size

    async def stream(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send_event(large(exchange.request))
        await exchange.finish()

    async def answer(exchange: Exchange) -> None:
        await exchange.answer_json(large(exchange.request))

    def large(request: Request) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": request.message["id"], "result": {"text": text}}

    async with session() as scene:
        for part in (stream, answer):
            scene.script.parts["tools/call"] = part
            response = await scene.caller.post(call_of(1))
            assert response.text.count("jsonrpc") == 1
            assert response.text.count("x") >= size


async def test_events_come_through_one_by_one() -> None:
    seen = anyio.Event()

    async def stream(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send_event(NOTIFICATION)
        await seen.wait()
        await exchange.send_event({"jsonrpc": "2.0", "id": 1, "result": {}})
        await exchange.finish()

    async with session() as scene:
        scene.script.parts["tools/call"] = stream
        response = await scene.caller.begin("POST", json=call_of(1))
        text = ""
        async for chunk in response.aiter_text():
            text += chunk
            if messages_in(text):
                seen.set()
        await response.aclose()

    assert [*messages_in(text)] == [NOTIFICATION, {"jsonrpc": "2.0", "id": 1, "result": {}}]


@pytest.mark.parametrize("status", [400, 401])
async def test_a_refusal_whose_body_never_ends_reaches_its_caller(status: int) -> None:
    async def dribble(exchange: Exchange) -> None:
        await exchange.begin(status, {"content-type": "application/json"})
        await exchange.send(b'{"jsonrpc":"2.0",')
        await exchange.until_left()

    async with session(status_shield=False) as scene:
        scene.script.parts["tools/call"] = dribble

        with anyio.fail_after(SOON_SECONDS):
            response = await scene.caller.begin("POST", json=call_of(1))

        assert response.status_code == status
        await response.aclose()


async def test_a_refusal_that_is_long_is_not_waited_for() -> None:
    begun = anyio.Event()

    async def answer(exchange: Exchange) -> None:
        await exchange.begin(400, {"content-type": "application/json"})
        await exchange.send(b" " * 2**17)
        await begun.wait()
        await exchange.finish()

    async with session(status_shield=False) as scene:
        scene.script.parts["tools/call"] = answer

        with anyio.fail_after(SOON_SECONDS):
            response = await scene.caller.begin("POST", json=call_of(1))
            begun.set()
            await response.aread()

        assert (response.status_code, len(response.content)) == (400, 2**17)


# 14: applications that raise.


class OwnFaultError(Exception):
    """What an application raises."""


async def test_a_hook_for_events_that_raises_changes_nothing() -> None:
    async def on_event(_event: object) -> None:
        await anyio.lowlevel.checkpoint()
        raise OwnFaultError

    async with session(on_event=on_event) as scene:
        for number in (2, 3):
            scene.script.forget()
            assert await scene.caller.current() == f"session-{number}"


@pytest.mark.parametrize("hook", ["request", "response"])
async def test_a_hook_for_exchanges_that_raises_in_a_recovery_fails_that_one(hook: str) -> None:
    async def fail(message: Any) -> None:
        request = message if hook == "request" else message.request
        if b'"initialize"' in request.content:
            raise OwnFaultError

    async with session() as scene:
        await scene.caller.current()
        scene.caller.http_client.event_hooks = {hook: [fail]}
        scene.script.forget()
        answer = await scene.caller.call()
        assert answer["error"]["code"] == CONNECTION_CLOSED
        assert "RecoveryFailed" in scene.told

        scene.caller.http_client.event_hooks = {}
        assert (await scene.caller.current()).startswith("session-")


def compared(response: Any) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return response.status_code, response.headers.raw, response.content


async def assert_same_with_and_without_us(
    begin: Callable[[], Script],
    send: Callable[[Caller], Awaitable[list[object]]],
    **options: Any,
) -> None:
    """Assert that requests are the same bytes, and answers the same, as with a plain client."""
    seen: list[tuple[list[object], list[bytes]]] = []
    scripts: list[Script] = []

    async def play(exchange: Exchange) -> None:
        await scripts[-1](exchange)

    async with scripted_server(play) as server:
        ours = functools.partial(sdk.create_http_client, **options)
        for create in (sdk.create_plain_http_client, ours):
            scripts.append(begin())
            before = len(server.requests)
            async with create() as http_client:
                answers = await send(Caller(http_client, server.url))
            seen.append((answers, [request.raw for request in server.requests[before:]]))

    assert seen[0] == seen[1]


async def ask(script: SmallServer, caller: Caller) -> None:
    """Have the server ask something, with the id 0, while a call is under way."""

    async def question(exchange: Exchange) -> None:
        parameters = {"message": "?", "requestedSchema": {"type": "object", "properties": {}}}
        asked = {"jsonrpc": "2.0", "id": 0, "method": "elicitation/create", "params": parameters}
        await exchange.begin_events()
        await exchange.send_event(asked)
        await exchange.send_event(script.result(exchange.request))
        await exchange.finish()

    script.parts["tools/call"] = question
    await caller.call()
    del script.parts["tools/call"]
