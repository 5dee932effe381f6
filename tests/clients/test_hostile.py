"""Our client against a server that would hurt its process, or its caller's secrets."""

import gc
import gzip
import json
import logging
import resource
import sys
import time
import zlib
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from mcp_session.client import Client, RequestRun
from mcp_session.testing import Exchange, Script, SmallServer, scripted_server

import sdk
from callers import (
    CONNECTION_CLOSED,
    INITIALIZE,
    Caller,
    answer_in,
    call_of,
    messages_in,
    reply_to,
    session,
)

pytestmark = pytest.mark.anyio

SOON_SECONDS = 20.0
MEBIBYTE = 1024 * 1024


def resident() -> int:
    """The most memory that this process has had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def compressed(pieces: Iterator[bytes] | list[bytes]) -> bytes:
    encoder = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([encoder.compress(piece) for piece in pieces]) + encoder.flush()


def stream_of(body: bytes, encoding: str | None = None) -> Script:
    headers = {"content-type": "text/event-stream"}
    if encoding is not None:
        headers["content-encoding"] = encoding

    async def stream(exchange: Exchange) -> None:
        await exchange.answer(200, body, headers)

    return stream


def result_for(request_id: object) -> bytes:
    message = {"jsonrpc": "2.0", "id": request_id, "result": {}}
    return b"data: " + json.dumps(message).encode() + b"\n\n"


# A bound on each item, and on items times size. Time is that of the process: it does not depend on
# what else runs on the machine.


@pytest.mark.parametrize("empty", [b"data\n\n", b"id\ndata\n\n", b"data:\r\r", b"data: x\n\n"])
@pytest.mark.parametrize("name", [b"id", b"event", b"data", b": ", b"other"])
async def test_a_long_field_and_ten_thousand_events_take_a_small_multiple_of_their_bytes(
    name: bytes, empty: bytes
) -> None:
    body = name + b": " + b"x" * 1_000_000 + b"\n\n" + empty * 10_000 + result_for(1)

    async with session() as scene:
        scene.script.parts["tools/call"] = stream_of(compressed([body]), "gzip")
        before, begun = resident(), time.process_time()
        response = await scene.caller.post(call_of(1))

        assert response.content.endswith(result_for(1))
        assert resident() - before < 64 * MEBIBYTE
        assert time.process_time() - begun < 3.0


@pytest.mark.parametrize(
    "message",
    [
        '{"id":1%de-1,"method":""}',
        '{"jsonrpc":"2.0","id":"%d","method":"ping"}',
        '{"jsonrpc":"2.0","id":%d.0,"result":{}}',
    ],
)
@pytest.mark.parametrize("is_batch", [True, False])
async def test_ten_thousand_messages_of_a_server_take_a_time_that_grows_with_them(
    message: str, *, is_batch: bool
) -> None:
    messages = [message % number for number in range(10_000)]
    if is_batch:
        body = b"data: [" + ",".join(messages).encode() + b"]\n\n"
    else:
        body = "".join(f"data: {text}\n\n" for text in messages).encode()

    async with session() as scene:
        scene.script.parts["tools/call"] = stream_of(body + result_for("mine"))
        begun = time.process_time()
        await scene.caller.post(call_of("mine"))

        assert time.process_time() - begun < 3.0


async def test_a_batch_of_ten_thousand_replies_takes_a_time_that_grows_with_it() -> None:
    asked = [{"jsonrpc": "2.0", "id": number, "method": "ping"} for number in range(10_000)]
    body = "".join(f"data: {json.dumps(question)}\n\n" for question in asked).encode()

    async with session() as scene:
        begun = time.process_time()
        for number in (1, 2):
            # The second session asks under the ids that are open in the first.
            scene.script.parts["tools/call"] = stream_of(body + result_for(number))
            seen = messages_in((await scene.caller.post(call_of(number))).text)
            replies = [reply_to(it["id"]) for it in seen if it.get("method") == "ping"]
            assert len(replies) == 10_000
            if number == 1:
                scene.script.forget()
                del scene.script.parts["tools/call"]
                assert await scene.caller.current() == "session-2"
        sent = await scene.caller.post(replies)

        assert sent.status_code == 202
        # Those of the questions that are remembered still, the latest.
        assert scene.server.requests[-1].message[-1]["id"] == 9_999
        assert time.process_time() - begun < 10.0


async def test_a_long_event_id_costs_nothing_with_each_chunk_that_follows() -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send(b"id: " + b"x" * 4_000_000 + b"\n\n")
        for _ in range(3000):
            await exchange.send(b":")
        await exchange.send(b"\n" + result_for(1))
        await exchange.finish()

    async with session() as scene:
        scene.script.parts["tools/call"] = stream
        begun = time.process_time()
        await scene.caller.post(call_of(1))

        assert time.process_time() - begun < 10.0


async def test_streams_that_are_cut_after_long_event_ids_leave_nothing_behind() -> None:
    body = b"id: " + b"x" * 4_000_000 + b"\ndata:\n\n"

    async with session() as scene:
        scene.script.parts["tools/call"] = stream_of(compressed([body]), "gzip")
        before = 0
        for number in range(50):
            before = resident() if number == 20 else before
            answer = answer_in(await scene.caller.post(call_of(number)))
            # It cannot be resumed, so its caller is told at once.
            assert (answer["id"], answer["error"]["code"]) == (number, CONNECTION_CLOSED)
            # A response of httpx holds itself until the collector comes, which is later in newer
            # CPythons; what we hold is what is asked here.
            gc.collect()

        assert resident() - before < 64 * MEBIBYTE


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "deflate", "br", "zstd", "x-odd"])
@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
async def test_the_answer_to_a_re_initialize_is_bounded_while_it_is_decoded(
    encoding: str, content_type: str
) -> None:
    size = 256 * MEBIBYTE
    body = compressed(bytes(MEBIBYTE) for _ in range(size // MEBIBYTE))
    if encoding == "gzip, gzip":
        body = compressed([body])

    async def answer(exchange: Exchange) -> None:
        headers = {"content-type": content_type, "content-encoding": encoding}
        await exchange.answer(200, body, headers)

    async with session(recovery_timeout=10.0) as scene:
        await scene.caller.current()
        scene.script.parts["initialize"] = answer
        scene.script.forget()
        before = resident()

        answer_to_call = await scene.caller.call()

        assert answer_to_call["error"]["code"] == CONNECTION_CLOSED
        assert resident() - before < 64 * MEBIBYTE


@pytest.mark.parametrize("status", [400, 503])
async def test_a_refusal_is_bounded_while_it_is_decoded(status: int) -> None:
    body = compressed(bytes(MEBIBYTE) for _ in range(256))

    async def refuse(exchange: Exchange) -> None:
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        await exchange.answer(status, body, headers)

    async with session(status_shield=True) as scene:
        scene.script.parts["tools/call"] = refuse
        before = resident()

        assert "error" in await scene.caller.call()

        assert resident() - before < 64 * MEBIBYTE


@pytest.mark.parametrize(
    "extra",
    [
        "[" * 2000 + "]" * 2000,
        '{"a":' * 2000 + "1" + "}" * 2000,
        "9" * 5000,
        "1e400",
        "-0." + "1" * 5000,
    ],
)
async def test_an_initialize_result_that_python_could_not_read_makes_a_session_all_the_same(
    extra: str,
) -> None:
    async with session() as scene:

        async def answer(exchange: Exchange) -> None:
            result = json.dumps(scene.script.initialize_result(exchange.request))
            body = result.replace('"serverInfo"', f'"extra":{extra},"serverInfo"').encode()
            session_id = scene.script.begin_session()
            headers = {"content-type": "application/json", "mcp-session-id": session_id}
            await exchange.answer(200, body, headers)

        scene.script.parts["initialize"] = answer
        scene.script.forget()

        assert await scene.caller.current() == "session-2"

        assert extra.encode() in scene.events[-1].result_json
        try:
            read = scene.events[-1].result
        except ValueError:
            return
        assert read["protocolVersion"] == "2025-11-25"


@pytest.mark.parametrize(
    "batch",
    [
        '[1,{"jsonrpc":"2.0","id":1,"method":"ping"}]',
        '[{"jsonrpc":"2.0","id":1e400,"method":"ping"}]',
        '[{"jsonrpc":"2.0","id":' + "9" * 5000 + ',"method":"ping"}]',
        '[{"jsonrpc":"2.0","id":1,"method":"ping","params":' + "[" * 2000 + "]" * 2000 + "}]",
        '[{"jsonrpc":"2.0","method":"notifications/progress"}]',
        "[]",
    ],
)
async def test_a_batch_of_any_form_ends_in_an_outage_without_an_exception(batch: str) -> None:
    async with session() as scene:
        scene.server.down()
        await anyio.wait_all_tasks_blocked()
        headers = {"content-type": "application/json"}
        try:
            response = await scene.caller.send("POST", content=batch, headers=headers)
        except sdk.http.ConnectError:
            assert not batch.startswith('[{"'), "what is a batch is answered"
            return

        if '"id"' in batch:
            assert response.status_code == 200
            assert response.text.count('"error"') == 1
        else:
            assert (response.status_code, response.content) == (202, b"")


async def test_ten_thousand_held_requests_end_in_a_time_that_grows_with_them() -> None:
    # On the machine alone: no event loop has as many sockets.
    client = Client()
    headers = [(b"host", b"h"), (b"content-type", b"application/json")]

    def begin(message: object) -> RequestRun:
        run = client.begin("POST", "http", b"/", headers, json.dumps(message).encode())
        assert isinstance(run, RequestRun)
        return run

    opening = begin(INITIALIZE)
    opening.response(200, [(b"mcp-session-id", b"one"), (b"content-type", b"application/json")])
    headers.append((b"mcp-session-id", b"one"))
    lost = begin(call_of("x"))
    lead = lost.response(404, [])
    begun = time.process_time()
    held = [begin(call_of(number)) for number in range(10_000)]
    for number in range(10_000):
        message = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
        message["params"] = {"requestId": number}  # type: ignore[assignment]
        client.begin("POST", "http", b"/", headers, json.dumps(message).encode())
    assert all(run.is_settled for run in held)
    for run in held:
        run.abandon()
    del lead

    assert time.process_time() - begun < 5.0


# What a server's or a library's words may show.


class RefusesByRaising(sdk.http.Auth):  # type: ignore[misc]
    """An auth flow whose token has become an illegal header."""

    def __init__(self) -> None:
        self.bearer = "good"

    def auth_flow(self, request: Any) -> Any:
        request.headers["authorization"] = f"Bearer {self.bearer}"
        yield request


def shown_by(scene: Any, caplog: pytest.LogCaptureFixture, *texts: str) -> str:
    logged = [record.getMessage() for record in caplog.records if record.name == "mcp_session"]
    traces = [str(record.exc_info) for record in caplog.records if record.name == "mcp_session"]
    return "\n".join([*map(repr, scene.events), *logged, *traces, *texts])


async def test_a_key_in_a_url_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "mcp_session")

    async def fail(response: Any) -> None:
        if response.status_code >= 500:
            response.raise_for_status()

    async def refuse(exchange: Exchange) -> None:
        await exchange.answer(500, b"down")

    async with session() as scene:
        keyed = Caller(scene.caller.http_client, scene.server.url + "?key=hunter2")
        await keyed.open()
        scene.caller.http_client.event_hooks = {"response": [fail]}
        scene.script.parts["initialize"] = refuse
        scene.script.forget()
        answer = await keyed.call()

        assert answer["error"]["code"] == CONNECTION_CLOSED
        assert "hunter2" not in shown_by(scene, caplog, json.dumps(answer))


async def test_a_token_that_is_no_header_is_shown_nowhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "mcp_session")
    auth = RefusesByRaising()
    async with session(auth=auth) as scene:
        await scene.caller.current()

        async def forget(exchange: Exchange) -> None:
            auth.bearer = "hunter2\n"
            await exchange.answer(404)

        scene.script.parts["tools/call"] = forget
        answer = await scene.caller.call()

        assert answer["error"]["code"] == CONNECTION_CLOSED
        assert "hunter2" not in shown_by(scene, caplog, json.dumps(answer))


async def test_an_id_in_a_protocol_error_is_shown_nowhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "mcp_session")

    async def misspell(exchange: Exchange) -> None:
        await exchange.connection.send(
            b"HTTP/1.1 200 OK\r\nmcp-session-id : hunter2\r\ncontent-length: 0\r\n\r\n"
        )
        exchange.hang_up()

    async with session() as scene:
        await scene.caller.current()
        scene.script.parts |= {"initialize": misspell}
        scene.script.forget()
        answers = [await scene.caller.call()]
        scene.script.parts["tools/call"] = misspell
        answers.append(await scene.caller.call())

        assert all("error" in answer for answer in answers)
        assert "hunter2" not in shown_by(scene, caplog, json.dumps(answers))


@pytest.mark.parametrize("kind", ["initialize", "tools/call"])
async def test_what_a_server_says_is_quoted_without_ids_bounded_and_escaped(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "mcp_session")
    said = "no more of session-1 \x1b[31m\u2028" + "y" * 10_000

    async def refuse(exchange: Exchange) -> None:
        error = {"code": -32001, "message": said}
        await exchange.answer_json({"jsonrpc": "2.0", "id": None, "error": error})

    async with session() as scene:
        await scene.caller.current()
        scene.script.parts[kind] = refuse
        if kind == "initialize":
            scene.script.forget()
        answer = await scene.caller.call()

        message = answer["error"]["message"]
        assert "no more of <redacted>" in message
        assert "\x1b" not in message
        assert len(message) < 700
        shown = shown_by(scene, caplog)
        assert "session-1" not in shown
        assert "\x1b" not in shown


@pytest.mark.parametrize("kind", ["initialize", "notifications/initialized", "tools/call"])
async def test_an_id_that_came_with_a_refusal_is_shown_nowhere(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "mcp_session")

    async def refuse(exchange: Exchange) -> None:
        new = "hunter2" if kind == "initialize" else exchange.request.session
        error = {"code": -32001, "message": f"Session not found: {new or 'hunter2'}"}
        message = {"jsonrpc": "2.0", "id": None, "error": error}
        await exchange.answer_json(message, 400, {"mcp-session-id": new or "hunter2"})

    async def welcome(exchange: Exchange) -> None:
        headers = {"mcp-session-id": "hunter2"}
        await exchange.answer_json(scene.script.initialize_result(exchange.request), 200, headers)

    async with session(status_shield=True) as scene:
        await scene.caller.current()
        scene.script.parts |= {"initialize": welcome, kind: refuse}
        if kind != "tools/call":
            scene.script.forget()
        answer = await scene.caller.call()

        assert "error" in answer
        shown = shown_by(scene, caplog, *([] if kind == "tools/call" else [json.dumps(answer)]))
        assert "hunter2" not in shown
        assert "session-1" not in shown


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
async def test_an_encoding_of_any_bytes_is_as_without_us(status: int, content_type: str) -> None:
    own = b'{"jsonrpc":"2.0","id":1,"result":{}}'
    body = own if content_type == "application/json" else b"data: " + own + b"\n\n"
    head = b"HTTP/1.1 %d X\r\ncontent-type: %s\r\ncontent-encoding: \xff\r\ncontent-length: %d"

    async def answer(exchange: Exchange) -> None:
        raw = head % (status, content_type.encode(), len(body)) + b"\r\n\r\n" + body
        await exchange.connection.send(raw)
        exchange.hang_up()

    async with session(status_shield=False) as scene:
        scene.script.parts["tools/call"] = answer
        response = await scene.caller.post(call_of(1))

        assert (response.status_code, response.content) == (status, body)


async def test_a_session_whose_id_is_very_long_is_not_followed() -> None:
    async with session() as scene:

        async def welcome(exchange: Exchange) -> None:
            headers = {"mcp-session-id": "x" * 5000}
            result = scene.script.initialize_result(exchange.request)
            await exchange.answer_json(result, 200, headers)

        scene.script.parts["initialize"] = welcome
        caller = Caller(scene.caller.http_client, scene.server.url)
        await caller.post(INITIALIZE)
        caller.session = "x" * 5000

        assert (await caller.post(call_of(1))).status_code == 404
        assert len(scene.server.seen("initialize")) == 2


async def test_a_stream_that_cannot_be_decoded_is_a_cut() -> None:
    event = b'data: {"jsonrpc":"2.0","method":"notifications/message"}\n\n'
    whole = gzip.compress(event)
    for body in (b"no gzip", whole[:-12] + b"\0" * 12, whole + b"\xff" * 20, whole[:15]):
        async with session() as scene:
            scene.script.parts["tools/call"] = stream_of(body, "gzip")
            messages = messages_in((await scene.caller.post(call_of(1))).text)

            assert messages[-1]["id"] == 1
            assert messages[-1]["error"]["code"] == CONNECTION_CLOSED


async def test_a_plain_get_of_another_kind_of_page_is_left_alone() -> None:
    async def page(exchange: Exchange) -> None:
        await exchange.answer(200, b"<html>", {"content-type": "text/html"})

    async with scripted_server(SmallServer({"GET": page})) as server:
        for create in (sdk.create_plain_http_client, sdk.create_http_client):
            async with create() as http_client:
                response = await http_client.get(server.url)
                assert response.text == "<html>"
