"""What the field reported of clients: each rule at work, on exact exchanges and their like."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator
from copy import copy
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from mcp_session import Reason
from mcp_session._client.options import FAILURES_TOLD_AT_ONCE
from mcp_session.testing import Exchange, Script, SmallServer, scripted_server

import sdk
from callers import (
    CONNECTION_CLOSED,
    INITIALIZE,
    INITIALIZED,
    NOTIFICATION,
    VERSION,
    Caller,
    Scene,
    always,
    answer_in,
    call_of,
    messages_in,
    reply_to,
    session,
)

pytestmark = pytest.mark.anyio

SOON_SECONDS = 20.0
JSON = {"content-type": "application/json"}


def refusal(status: int, body: bytes = b"404 page not found", **headers: str) -> Script:
    async def refuse(exchange: Exchange) -> None:
        await exchange.answer(status, body, headers)

    return refuse


def answer_of(message: object, status: int = 200) -> Script:
    async def answer(exchange: Exchange) -> None:
        await exchange.answer_json(message, status)

    return answer


async def never_answer(exchange: Exchange) -> None:
    await exchange.until_left()


LONG = b'data: {"jsonrpc":"2.0","id":9,"result":{"text":"' + b"x" * 2**22 + b'"}}\n\n'


# 6: a message answers a request only if its id is the request's.


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, JSON, b'{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"not now"}}'),
        (200, JSON, b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"not now"}}'),
        (200, JSON, b'{"jsonrpc":"2.0","id":"server-error","error":{"message":"not now"}}'),
        (200, JSON, b'{"jsonrpc":"2.0","id":"1","error":{"message":"not now"}}'),
        (200, JSON, b'{"jsonrpc":"2.0","id":999,"result":{}}'),
        (200, JSON, b'{"jsonrpc":"2.0","id":1,"method":"ping"}'),
        (200, JSON, b'""'),
        (200, JSON, b""),
        (200, {}, b""),
        (202, {}, b""),
        (204, {}, b""),
        (200, {"content-type": "text/event-stream"}, b'data: {"error":"not now"}\n\n'),
        (
            200,
            {"content-type": "text/event-stream"},
            b'data: {"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"not now"}}\n\n',
        ),
        (
            200,
            {"content-type": "text/event-stream"},
            b'data: {"jsonrpc":"2.0","id":999,"result":{}}\n\n',
        ),
        (200, {"content-type": "text/event-stream"}, LONG),
        (200, {"content-type": "text/event-stream", "content-encoding": "gzip"}, b"no gzip"),
        (200, {"content-type": "text/event-stream"}, b""),
        (200, JSON | {"content-encoding": "gzip"}, b"no gzip"),
    ],
)
async def test_what_answers_another_request_or_none_ends_the_call_with_an_error(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    async def answer(exchange: Exchange) -> None:
        if status == 204:
            await exchange.begin(204)
            await exchange.finish()
        else:
            await exchange.answer(status, body, headers)

    async with session() as scene:
        scene.script.parts["tools/call"] = answer

        ended = answer_in(await scene.caller.post(call_of(1)))

        assert (ended["id"], ended["error"]["code"]) == (1, CONNECTION_CLOSED)
        if headers == JSON and b"not now" in body:
            assert "not now" in ended["error"]["message"]
        assert len(scene.server.seen("tools/call")) == 1
        del scene.script.parts["tools/call"]
        assert await scene.caller.current() == "session-1"


@pytest.mark.parametrize(
    ("request_id", "spelled"),
    [
        (1, "1"),
        (1, "1.0"),
        (1, "10e-1"),
        (1, '"1"'),
        (1, '" 1 "'),
        (1, '"+1"'),
        ("1", "1"),
        ("é", '"\\u00e9"'),
    ],
)
@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("form", ['{{"jsonrpc":"2.0","id":{},"result":{{}}}}', "[{}]"])
async def test_an_answer_whose_id_is_the_requests_as_a_json_value_reaches_it_with_its_own_id(
    request_id: str | int, spelled: str, form: str, *, is_stream: bool
) -> None:
    single = f'{{"jsonrpc":"2.0","id":{spelled},"result":{{}}}}'
    body = (f"[{single}]" if form == "[{}]" else single).encode()

    async def answer(exchange: Exchange) -> None:
        if is_stream:
            await exchange.answer(200, b"data: " + body + b"\n\n", EVENTS)
        else:
            await exchange.answer(200, body, JSON)

    async with session() as scene:
        scene.script.parts["tools/call"] = answer

        response = await scene.caller.post(call_of(request_id))

        messages = messages_in(response.text) if is_stream else [response.json()]
        assert messages == [{"jsonrpc": "2.0", "id": request_id, "result": {}}]
        assert type(messages[0]["id"]) is type(request_id)
        if form != "[{}]" and spelled == json.dumps(request_id, ensure_ascii=False):
            assert response.content == (b"data: " + body + b"\n\n" if is_stream else body)


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("padding", [0, 2**17])
async def test_an_answer_in_a_batch_of_several_reaches_its_call_alone_behind_what_else_is_there(
    padding: int, *, is_stream: bool
) -> None:
    notification = {"jsonrpc": "2.0", "method": "m", "params": {"text": "x" * padding}}
    question = {"jsonrpc": "2.0", "id": 0, "method": "ping"}
    another = {"jsonrpc": "2.0", "id": 999, "result": {}}
    own = {"jsonrpc": "2.0", "id": 1, "result": {}}
    batch = json.dumps([notification, own, another, question, 7])

    async def answer(exchange: Exchange) -> None:
        body = f"id: e1\ndata: {batch}\n\n" if is_stream else batch
        await exchange.answer(200, body.encode(), EVENTS if is_stream else JSON)

    async with session() as scene:
        scene.script.parts["tools/call"] = answer

        response = await scene.caller.post(call_of(1))

        assert response.headers["content-type"] == "text/event-stream"
        messages = messages_in(response.text)
        # One that is too long to be held back has gone out before it is known.
        assert messages[-3:] == [notification, question, own]
        assert len(messages) == (4 if padding and is_stream else 3)


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize(
    "message",
    [
        '{"id":1,"result":{}}',
        '{"jsonrpc":"2.0","id":1,"result":5}',
        '{"jsonrpc":"2.0","id":1,"error":{"code":1}}',
        '{"jsonrpc":"2.0","id":1,"error":{"code":"x","message":"no"}}',
        '[{"jsonrpc":"2.0","id":1,"error":"no"}]',
    ],
)
async def test_what_is_no_response_by_the_schema_ends_its_call_with_an_error(
    message: str, *, is_stream: bool
) -> None:
    async def answer(exchange: Exchange) -> None:
        body = f"data: {message}\n\n" if is_stream else message
        await exchange.answer(200, body.encode(), EVENTS if is_stream else JSON)

    async with session() as scene:
        scene.script.parts["tools/call"] = answer

        ended = answer_in(await scene.caller.post(call_of(1)))

        assert (ended["id"], ended["error"]["code"]) == (1, CONNECTION_CLOSED)


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize(
    ("message", "read"),
    [
        ('{"jsonrpc":"2.0","id":1,"result":{"a":[NaN,-Infinity]}}', None),
        ('{"jsonrpc":"2.0","id":1,"method":null,"result":{},"error":null}', None),
        (r'{"jsonrpc":"2.0","id":1,"result":{"a":"\ud83d\ud83d\ude00"}}', "\ufffd\U0001f600"),
    ],
)
async def test_an_answer_reaches_its_caller_in_all_that_the_sdks_read_and_write(
    message: str, read: str | None, *, is_stream: bool
) -> None:
    body = (f"data: {message}\n\n" if is_stream else message).encode()

    async def answer(exchange: Exchange) -> None:
        await exchange.answer(200, body, EVENTS if is_stream else JSON)

    async with session() as scene:
        scene.script.parts["tools/call"] = answer

        response = await scene.caller.post(call_of(1))

        if read is None:
            assert response.content == body
        else:
            assert answer_in(response)["result"] == {"a": read}
        text = response.text.removeprefix("data: ") if is_stream else response.text
        # As both SDKs read it.
        sdk.read_message(text.strip())


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 4])
async def test_a_byte_order_mark_before_the_events_hides_no_answer(cut: int) -> None:
    event = b'data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n'
    whole = "\ufeff".encode() + event

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_events({})
        for piece in (whole[:cut], whole[cut:]):
            if piece:
                await exchange.send(piece)
        await exchange.finish()

    async with session() as scene:
        scene.script.parts["tools/call"] = answer

        assert (await scene.caller.post(call_of(1))).content == event


EVENTS = {"content-type": "text/event-stream"}


LONG_OF_ANOTHER = '{"jsonrpc":"2.0","id":999,"result":{"text":"' + "x" * 2**17 + '"}}'


@pytest.mark.parametrize(
    "foreign",
    [
        '{"jsonrpc":"2.0","id":999,"result":{}}',
        '{"jsonrpc":"2.0","id":"2","result":{}}',
        '{"jsonrpc":"2.0","id":"server-error","error":{"code":1,"message":"not now"}}',
        '[{"jsonrpc":"2.0","id":998,"result":{}},{"jsonrpc":"2.0","id":999,"result":{}}]',
        LONG_OF_ANOTHER,
    ],
)
@pytest.mark.parametrize("ends", [True, False])
async def test_an_answer_to_another_request_is_left_out_of_a_stream(
    foreign: str, *, ends: bool
) -> None:
    own = '{"jsonrpc":"2.0","id":1,"result":{}}'

    async def stream(exchange: Exchange) -> None:
        body = f": still here\nid: e1\nevent: message\ndata: {foreign}\n\n"
        body += "" if ends else f"data: {own}\n\n"
        await exchange.answer(200, body.encode(), EVENTS)

    async with session() as scene:
        scene.script.parts |= {"tools/call": stream, "GET": refusal(400, b"no")}
        response = await scene.caller.post(call_of(1))
        if foreign != LONG_OF_ANOTHER:
            assert "id: e1\n" in response.text
        if not ends:
            assert messages_in(response.text) == [json.loads(own)]
            return
        assert messages_in(response.text) == []
        async with scene.caller.get("e1") as resumed:
            await resumed.aread()
        assert answer_in(resumed)["error"]["code"] == CONNECTION_CLOSED


@pytest.mark.parametrize("named", ["", '"id":null,', '"id":[],'])
async def test_an_error_that_names_no_request_ends_the_call_though_its_stream_goes_on(
    named: str,
) -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.begin_events()
        error = '"error":{"code":-32000,"message":"not now"}'
        await exchange.send(f'data: {{"jsonrpc":"2.0",{named}{error}}}\n\n'.encode())
        await exchange.send(b'data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n: more\n')
        await exchange.until_left()

    async with session() as scene:
        scene.script.parts["tools/call"] = stream
        response, text = await scene.caller.begin("POST", json=call_of(1)), ""
        with anyio.fail_after(SOON_SECONDS):
            async for piece in response.aiter_text():
                text += piece
                if ": more" in text:
                    break
        await response.aclose()

        (answer,) = messages_in(text)
        assert (answer["id"], answer["error"]["code"]) == (1, CONNECTION_CLOSED)
        assert "not now" in answer["error"]["message"]


async def test_an_event_that_is_no_message_is_no_answer() -> None:
    body = b'event: result\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\n\n'
    async with session() as scene:
        scene.script.parts["tools/call"] = refusal(200, body, **EVENTS)
        response = await scene.caller.post(call_of(1))

        assert response.content.startswith(body)
        assert messages_in(response.text)[-1]["error"]["code"] == CONNECTION_CLOSED


async def test_without_the_guard_a_stream_goes_out_byte_for_byte() -> None:
    body = b'data: {"jsonrpc":"2.0","id":999,"result":{}}\n\ndata: {"error":"not now"}\n\n'
    async with session(stream_guard=False) as scene:
        scene.script.parts["tools/call"] = refusal(200, body, **EVENTS)

        assert (await scene.caller.post(call_of(1))).content == body


@pytest.mark.parametrize("content_type", ["text/html", "application/octet-stream", ""])
async def test_what_can_be_no_answer_is_read_no_further_than_a_refusal(content_type: str) -> None:
    async def page(exchange: Exchange) -> None:
        await exchange.begin(200, {"content-type": content_type} if content_type else {})
        while True:
            await exchange.send(b"x" * 2**16)

    async with session() as scene:
        scene.script.parts["tools/call"] = page
        with anyio.fail_after(SOON_SECONDS):
            answer = answer_in(await scene.caller.post(call_of(1)))

        assert answer["error"]["code"] == CONNECTION_CLOSED


async def test_of_a_batch_each_request_without_an_answer_ends_with_an_error() -> None:
    answers = [{"jsonrpc": "2.0", "id": 1, "result": {}}]
    async with session() as scene:
        scene.script.parts["GET"] = scene.script.usual
        scene.script.parts["POST"] = answer_of(answers)

        response = await scene.caller.post([call_of(1), call_of("b"), NOTIFICATION])

        first, second = answer_in(response)
        assert first == answers[0]
        assert (second["id"], second["error"]["code"]) == ("b", CONNECTION_CLOSED)


async def test_two_streams_cut_after_the_same_event_are_resumed_each_for_its_request() -> None:
    async def cut(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send_event(None, "same")
        exchange.reset()

    async with session() as scene:
        scene.script.parts |= {"tools/call": cut, "GET": refusal(400, b"no")}
        for number in (1, 2):
            await scene.caller.post(call_of(number))
        ended = []
        for _ in range(2):
            async with scene.caller.get("same") as response:
                await response.aread()
            ended.append(answer_in(response)["id"])

        assert ended == [1, 2]


# 7: resumptions.


async def test_a_resumed_stream_that_ends_before_any_event_is_resumed_again() -> None:
    resumed = 0

    async def prime(exchange: Exchange) -> None:
        await exchange.answer(200, b"id: e1\nretry: 200\ndata: \n\n", EVENTS)

    async def resume(exchange: Exchange) -> None:
        nonlocal resumed
        resumed += 1
        assert exchange.request.header("last-event-id") == "e1"
        body = b'data: {"jsonrpc":"2.0","id":7,"result":{}}\n\n' if resumed == 3 else b""
        await exchange.answer(200, body, EVENTS)

    async with session() as scene:
        scene.script.parts |= {"tools/call": prime, "GET": resume}
        assert messages_in((await scene.caller.post(call_of(7))).text) == []
        texts = []
        for _ in range(3):
            async with scene.caller.get("e1") as response:
                await response.aread()
            texts.append(response.text)

        assert texts[:2] == ["", ""]
        assert messages_in(texts[2]) == [{"jsonrpc": "2.0", "id": 7, "result": {}}]


@pytest.mark.parametrize("size", [100, 200_000])
async def test_the_id_of_an_event_that_was_cut_is_not_resumed_from(size: int) -> None:
    async def cut(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send_event(None, "e8")
        text = "x" * size
        await exchange.send(f'id: e9\ndata: {{"jsonrpc":"2.0","id":1,"result":"{text}'.encode())
        exchange.reset()

    async def resume(exchange: Exchange) -> None:
        assert exchange.request.header("last-event-id") == "e8"
        await exchange.answer(200, b'data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n', EVENTS)

    async with session() as scene:
        scene.script.parts |= {"tools/call": cut, "GET": resume}
        response = await scene.caller.post(call_of(1))
        # What a reader takes for the last event's ID, as the SDKs' readers do.
        ids = [line[4:] for line in response.text.splitlines() if line.startswith("id: ")]
        assert ids[-1] == "e8"
        async with scene.caller.get(ids[-1]) as resumed:
            await resumed.aread()

        assert messages_in(resumed.text) == [{"jsonrpc": "2.0", "id": 1, "result": {}}]


async def reset_events(exchange: Exchange) -> None:
    await exchange.begin_events()
    exchange.reset()


@pytest.mark.parametrize(
    ("resumption", "times"),
    [
        (refusal(200, b"", **EVENTS), 60),
        (reset_events, 3),
        (refusal(503, b"no"), 3),
        (refusal(429, b"no"), 3),
        (refusal(409, b"no"), 3),
        (refusal(401, b"no"), 2),
        (refusal(400, b"no"), 1),
    ],
)
async def test_a_resumed_stream_that_never_brings_its_answer_ends_with_an_error(
    resumption: Script, times: int
) -> None:
    async with session() as scene:
        scene.script.parts |= {
            "tools/call": refusal(200, b"id: e1\ndata: \n\n", **EVENTS),
            "GET": resumption,
        }
        await scene.caller.post(call_of(7))
        errors = []
        for _ in range(100):
            async with scene.caller.get("e1") as response:
                await response.aread()
            errors += messages_in(response.text)
            if errors:
                break

        assert (errors[0]["id"], errors[0]["error"]["code"]) == (7, CONNECTION_CLOSED)
        assert len(scene.server.seen("GET")) == times


@pytest.mark.parametrize("status", [307, 401])
async def test_a_resumption_that_is_not_given_at_once_leaves_its_call_to_the_next(
    status: int,
) -> None:
    async def resume(exchange: Exchange) -> None:
        if len(scene.server.seen("GET")) == 1:
            await exchange.answer(status, b"", {"location": "http://elsewhere.example/mcp"})
        else:
            scene.script.forget()
            await scene.script.usual(exchange)

    async with session() as scene:
        scene.script.parts |= {
            "tools/call": refusal(200, b"id: e1\ndata: \n\n", **EVENTS),
            "GET": resume,
        }
        await scene.caller.post(call_of(7))
        async with scene.caller.get("e1") as response:
            assert response.status_code == status
        async with scene.caller.get("e1") as response:
            await response.aread()

        error = messages_in(response.text)[0]
        assert (error["id"], error["error"]["code"]) == (7, CONNECTION_CLOSED)


# 8: what was called off does not run; nobody is held for ever.


async def test_a_call_that_is_cancelled_while_its_404_is_drained_is_not_sent_again() -> None:
    async with session() as scene:
        draining = anyio.Event()

        async def late(exchange: Exchange) -> None:
            message = exchange.request.message
            if message["id"] != 7 or exchange.request.session != "session-1":
                await scene.script.usual(exchange)
                return
            await scene.server.until(lambda server: len(server.seen("tools/call")) >= 3)
            await exchange.begin(404, {"content-length": "5"})
            draining.set()
            await exchange.until_left()

        answers: list[Any] = []

        async def call_7() -> None:
            answers.append(answer_in(await scene.caller.post(call_of(7))))

        scene.script.parts["tools/call"] = late
        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call_7)
                await scene.server.until(lambda server: server.seen("tools/call"))
                scene.script.forget()
                answer_in(await scene.caller.post(call_of(8)))
                await draining.wait()
                await anyio.wait_all_tasks_blocked()
                parameters = {"requestId": 7}
                cancelled = {"method": "notifications/cancelled", "params": parameters}
                await scene.caller.post({"jsonrpc": "2.0", **cancelled})

        assert "cancelled" in answers[0]["error"]["message"]
        sent = [(it.message["id"], it.session) for it in scene.server.seen("tools/call")]
        assert (7, "session-2") not in sent
        # The new session was never asked for it, and hears nothing of it.
        assert scene.server.seen("notifications/cancelled") == []


async def test_a_call_that_is_held_too_long_ends_with_an_error() -> None:
    async with session(hold_timeout=0.3, recovery_timeout=3600.0) as scene:
        scene.script.parts["initialize"] = never_answer
        scene.script.forget()
        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(scene.caller.call)
                await scene.server.until(lambda server: len(server.seen("initialize")) == 2)
                answer = await scene.caller.call()
                tasks.cancel_scope.cancel()

        assert answer["error"]["code"] == CONNECTION_CLOSED
        assert "in time" in answer["error"]["message"]


async def test_a_call_that_waits_for_the_hook_is_held_no_longer_than_any_other() -> None:
    going_on = anyio.Event()

    async def on_event(event: object) -> None:
        if type(event).__name__ == "SessionReinitialized":
            await going_on.wait()

    async with session(on_event=on_event, hold_timeout=0.3, recovery_timeout=3600.0) as scene:
        late = anyio.Event()

        async def refuse_late(exchange: Exchange) -> None:
            if exchange.request.message["id"] == "late":
                await late.wait()
            await scene.script.usual(exchange)

        scene.script.parts["tools/call"] = refuse_late
        answers: list[Any] = []

        async def call(request_id: str) -> None:
            answers.append(answer_in(await scene.caller.post(call_of(request_id))))

        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call, "late")
                await scene.server.until(lambda server: server.seen("tools/call"))
                scene.script.forget()
                tasks.start_soon(call, "leads")
                await scene.server.until(
                    lambda server: len(server.seen("notifications/initialized")) == 2
                )
                late.set()
                await scene.server.until(lambda _: answers)
                going_on.set()

        assert answers[0]["id"] == "late"
        assert "in time" in answers[0]["error"]["message"]


# 9: questions of two sessions.


async def test_a_question_of_the_next_session_is_answered_though_one_of_the_last_is_open() -> None:
    async def question(exchange: Exchange) -> None:
        if exchange.request.session not in scene.script.live:
            await scene.script.usual(exchange)
            return
        await exchange.begin_events()
        asked = {"jsonrpc": "2.0", "id": 0, "method": "elicitation/create", "params": {}}
        await exchange.send_event(asked)
        await exchange.send_event(scene.script.result(exchange.request))
        await exchange.finish()

    async with session() as scene:
        scene.script.parts["tools/call"] = question
        texts = [(await scene.caller.post(call_of(1))).text]
        scene.script.forget()
        texts.append((await scene.caller.post(call_of(2))).text)
        first, second = (
            next(it for it in messages_in(text) if it.get("method") == "elicitation/create")
            for text in texts
        )
        assert first["id"] == 0
        assert second["id"] != 0

        for asked in (first, second):
            assert (await scene.caller.post(reply_to(asked["id"]))).status_code == 202

        (reply,) = scene.server.seen("reply")
        assert (reply.session, reply.message["id"]) == ("session-2", 0)


@pytest.mark.parametrize("size", [200_000, 5_000_000])
async def test_a_long_question_is_answered_though_one_of_the_last_session_is_open(
    size: int,
) -> None:
    async def question(exchange: Exchange) -> None:
        if exchange.request.session not in scene.script.live:
            await scene.script.usual(exchange)
            return
        is_first = exchange.request.session == "session-1"
        # As the Python SDK's servers write it: the id comes last.
        params = {"text": "x" * (10 if is_first else size)}
        request_id = 0 if is_first or size < 2**22 else 1
        asked = {"method": "sampling/createMessage", "params": params, "jsonrpc": "2.0"}
        await exchange.begin_events()
        await exchange.send_event(asked | {"id": request_id})
        await exchange.send_event(scene.script.result(exchange.request))
        await exchange.finish()

    async with session() as scene:
        scene.script.parts["tools/call"] = question
        await scene.caller.post(call_of(1))
        scene.script.forget()
        text = (await scene.caller.post(call_of(2))).text
        (asked,) = (it for it in messages_in(text) if it.get("method") == "sampling/createMessage")
        assert len(asked["params"]["text"]) == size

        assert (await scene.caller.post(reply_to(asked["id"]))).status_code == 202

        (reply,) = scene.server.seen("reply")
        own = 0 if size < 2**22 else 1
        assert (reply.session, reply.message["id"]) == ("session-2", own)


async def test_the_open_questions_of_a_dead_session_are_called_off_on_the_next_stream() -> None:
    async def question(exchange: Exchange) -> None:
        await exchange.begin_events()
        asked = {"jsonrpc": "2.0", "id": 0, "method": "elicitation/create", "params": {}}
        await exchange.send_event(asked)
        await exchange.send_event(scene.script.result(exchange.request))
        await exchange.finish()

    async def stream(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send_event(NOTIFICATION)
        await exchange.finish()

    async with session() as scene:
        scene.script.parts["tools/call"] = question
        await scene.caller.post(call_of(1))
        del scene.script.parts["tools/call"]
        scene.script.forget()
        await scene.caller.current()
        scene.script.parts["GET"] = stream
        async with scene.caller.get() as response:
            await response.aread()

        called_off, usual = messages_in(response.text)
        assert called_off["method"] == "notifications/cancelled"
        assert called_off["params"]["requestId"] == 0
        assert usual == NOTIFICATION


# 10: DELETE.


@pytest.mark.parametrize("with_head", [True, False])
async def test_a_delete_that_is_not_answered_ends_within_its_time(
    monkeypatch: pytest.MonkeyPatch, *, with_head: bool
) -> None:
    monkeypatch.setattr("mcp_session._client.recovery.DELETE_SECONDS", 0.3)

    async def dribble(exchange: Exchange) -> None:
        if with_head:
            await exchange.begin(200)
            await exchange.send(b"x")
        await exchange.until_left()

    async with session() as scene:
        scene.script.parts["DELETE"] = dribble
        client, named = scene.caller.http_client, {"mcp-session-id": "session-1"}
        with anyio.fail_after(SOON_SECONDS), pytest.raises(sdk.http.ReadTimeout) as raised:
            await client.delete(scene.server.url, headers=named)

        # As the library's own, which would have come in its own time.
        assert raised.value.request.method == "DELETE"


@pytest.mark.parametrize("status", [307, 401, 405, 500, 503])
async def test_a_delete_that_ended_nothing_is_sent_again(status: int) -> None:
    async def refuse(exchange: Exchange) -> None:
        headers = {"location": "http://elsewhere.example/mcp"} if status == 307 else {}
        await exchange.answer(status, b"no", headers)

    async with session() as scene:
        scene.script.parts["DELETE"] = refuse
        assert (await scene.caller.delete()).status_code == status
        assert await scene.caller.current() == "session-1"
        del scene.script.parts["DELETE"]

        assert (await scene.caller.delete()).status_code == 200

        assert [it.session for it in scene.server.seen("DELETE")] == ["session-1"] * 2
        assert scene.script.live == set()


# 11: a refused replacement.


@pytest.mark.parametrize("status", [400, 401, 403, 409, 429, 500, 503])
async def test_a_stray_404_does_not_bury_a_session_that_lives(status: int) -> None:
    async with session() as scene:
        strays = 1

        async def stray(exchange: Exchange) -> None:
            nonlocal strays
            if strays:
                strays -= 1
                await exchange.answer(404, b"404 page not found")
            else:
                await scene.script.usual(exchange)

        error = {"code": -32600, "message": "Invalid Request: Server already initialized"}
        refused = {"jsonrpc": "2.0", "error": error, "id": None}
        assert await scene.caller.current() == "session-1"
        scene.script.parts |= {"tools/call": stray, "initialize": answer_of(refused, status)}

        first = await scene.caller.call()

        assert first["error"]["code"] == CONNECTION_CLOSED
        assert f"{status}: Invalid Request: Server already init" in first["error"]["message"]
        assert [await scene.caller.current() for _ in range(3)] == ["session-1"] * 3
        assert "SessionRevived" in scene.told
        assert (await scene.caller.delete()).status_code == 200
        assert scene.script.live == set()


@pytest.mark.parametrize("status", [502, 503, 504, 530])
async def test_a_gateway_that_has_no_new_session_does_not_bury_the_old_one(status: int) -> None:
    async with session() as scene:
        assert await scene.caller.current() == "session-1"
        scene.script.parts |= {"tools/call": refusal(404), "initialize": refusal(status)}
        first = await scene.caller.call()
        assert f"its answer was {status}" in first["error"]["message"]
        del scene.script.parts["tools/call"]

        assert [await scene.caller.current() for _ in range(3)] == ["session-1"] * 3
        assert "SessionRevived" in scene.told
        assert len(scene.server.seen("initialize")) == 2


async def test_many_who_wait_for_the_trial_of_a_session_are_all_answered() -> None:
    async with session() as scene:
        await scene.caller.current()
        scene.script.parts |= {"tools/call": refusal(404), "initialize": refusal(429)}
        await scene.caller.call()
        going_on = anyio.Event()

        async def wait(exchange: Exchange) -> None:
            await going_on.wait()
            await scene.script.usual(exchange)

        scene.script.parts["tools/call"] = wait
        answers: list[str] = []

        async def call() -> None:
            answers.append(await scene.caller.current())

        before = len(scene.server.seen("tools/call"))
        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(call)
                await scene.server.until(
                    lambda server: len(server.seen("tools/call")) == before + 1
                )
                await anyio.wait_all_tasks_blocked()
                going_on.set()

        assert answers == ["session-1"] * 10


@pytest.mark.parametrize("outcome", ["cancelled", "reset"])
async def test_a_trial_that_comes_to_nothing_lets_those_go_who_wait_for_it(outcome: str) -> None:
    async with session() as scene:
        await scene.caller.current()
        scene.script.parts |= {"tools/call": refusal(404), "initialize": refusal(429)}
        await scene.caller.call()
        going_on = anyio.Event()

        async def break_off(exchange: Exchange) -> None:
            scene.script.parts["tools/call"] = scene.script.usual
            await going_on.wait()
            exchange.reset()

        scene.script.parts["tools/call"] = break_off
        before = len(scene.server.seen("tools/call"))
        answers: list[str] = []
        trying = anyio.CancelScope()

        async def try_out() -> None:
            with trying:
                await scene.caller.call()

        async def call() -> None:
            answers.append(await scene.caller.current())

        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(try_out)
                await scene.server.until(
                    lambda server: len(server.seen("tools/call")) == before + 1
                )
                tasks.start_soon(call)
                await anyio.wait_all_tasks_blocked()
                if outcome == "cancelled":
                    trying.cancel()
                else:
                    going_on.set()

        assert answers == ["session-1"]


# 12: a refusal that says why.


@pytest.mark.parametrize("encoding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("status", [400, 429, 500, 502, 503, 504, 521])
async def test_a_json_rpc_error_of_a_refusal_reaches_the_caller_with_its_id(
    status: int, encoding: str | None
) -> None:
    import gzip  # noqa: PLC0415
    import zlib  # noqa: PLC0415

    error = {"code": -32050, "message": "quota exhausted", "data": {"left": 0}}
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()

    async def refuse(exchange: Exchange) -> None:
        headers, sent = dict(JSON), body
        if encoding is not None:
            headers["content-encoding"] = encoding
            sent = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
        await exchange.answer(status, sent, headers)

    async with session(status_shield=True) as shielded:
        shielded.script.parts["tools/call"] = refuse
        answer = answer_in(await shielded.caller.post(call_of("mine")))
        assert (answer["id"], answer["error"]) == ("mine", error)
    async with session(status_shield=False) as scene:
        scene.script.parts["tools/call"] = refuse
        response = await scene.caller.post(call_of("mine"))
        assert (response.status_code, response.content) == (status, body)


@pytest.mark.parametrize("kind", ["POST", "DELETE"])
async def test_a_refusal_that_is_slow_reaches_its_caller_with_what_came_of_it(kind: str) -> None:
    async def slow(exchange: Exchange) -> None:
        await exchange.begin(400)
        await exchange.send(b"because ")
        await exchange.until_left()

    async with session(status_shield=False) as scene:
        scene.script.parts |= {"tools/call": slow, "DELETE": slow}
        with anyio.fail_after(SOON_SECONDS):
            response = await scene.caller.send(kind, json=call_of(1) if kind == "POST" else None)

        assert (response.status_code, response.content) == (400, b"because ")


# 13: push.


@pytest.mark.parametrize("status", [400, 403, 404, 409, 429, 500, 502, 521, 530])
async def test_a_stream_that_had_been_open_waits_over_any_refusal(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_session._client.driver.random.uniform", always(0.02))

    async def stream(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send_event(NOTIFICATION)
        await exchange.finish()

    async with session() as scene:
        await scene.caller.current()
        scene.script.parts["GET"] = stream
        async with scene.caller.get() as response:
            await response.aread()
        for kind in ("GET", "initialize"):
            scene.script.parts[kind] = refusal(status)
        texts: list[str] = []

        async def read() -> None:
            async with scene.caller.get() as response:
                assert response.status_code == 200
                await response.aread()
                texts.append(response.text)

        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await scene.server.until(lambda server: len(server.seen("GET")) >= 4)
                scene.script.parts["GET"] = stream
                del scene.script.parts["initialize"]

        assert "list_changed" in texts[0]


async def test_a_stream_that_never_was_is_not_asked_for_more_often_than_without_us() -> None:
    for status in (400, 404, 405, 429, 500):
        async with session() as scene:
            scene.script.parts["GET"] = refusal(status)
            with anyio.fail_after(SOON_SECONDS):
                for _ in range(2):
                    async with scene.caller.get() as response:
                        assert response.status_code == status

            assert len(scene.server.seen("GET")) == 2


async def test_streams_that_die_young_are_asked_for_at_growing_intervals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    expected = [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 15.0, 60.0, 60.0]
    monkeypatch.setattr("mcp_session._client.driver.random.uniform", always(1.0))
    async with session() as scene:
        driver = scene.caller.http_client._driver  # noqa: SLF001  # nothing of it waits for this
        unpatched = driver.wire.library.waits.move_on_after

        def note(delay: float) -> Any:
            if delay in expected:
                waits.append(delay)
                delay = 0.01
            return unpatched(delay)

        waiting = replace(driver.wire.library.waits, move_on_after=note)
        library = copy(driver.wire.library)
        library.waits = waiting
        driver.wire = replace(driver.wire, library=library)
        scene.script.parts["GET"] = refusal(200, b"", **EVENTS)
        for _ in range(13):
            async with scene.caller.get() as response:
                await response.aread()

    assert waits == expected


async def test_a_server_whose_sessions_die_with_their_stream_is_not_asked_for_one_after_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mcp_session._client.driver.random.uniform", always(0.01))

    async def die(exchange: Exchange) -> None:
        if exchange.request.session not in scene.script.live:
            await scene.script.usual(exchange)
            return
        await exchange.begin_events()
        scene.script.forget()
        await exchange.finish()

    async with session() as scene:
        scene.script.parts["GET"] = die
        with anyio.move_on_after(2.0):
            while True:
                async with scene.caller.get() as response:
                    await response.aread()

        assert len(scene.server.seen("initialize")) <= 4


async def test_a_first_stream_is_not_given_up_over_a_404_while_its_session_is_doubted() -> None:
    async def refuse_the_trial(exchange: Exchange) -> None:
        # It tries out the old session, whose end is doubted; then the gateway is well again.
        scene.script.parts.clear()
        scene.script.parts["GET"] = refusal(200, b"", **EVENTS)
        await exchange.answer(404)

    async with session() as scene:
        scene.script.parts |= {
            "tools/call": refusal(404),
            "initialize": refusal(502),
            "GET": refuse_the_trial,
        }
        await scene.caller.post(call_of(1))
        with anyio.fail_after(SOON_SECONDS):
            async with scene.caller.get() as response:
                assert response.status_code == 200
        # The gateway is well again, and the session was never gone.
        assert [it.session for it in scene.server.seen("GET")] == ["session-1", "session-1"]


async def test_a_404_to_the_stream_of_a_session_that_was_closed_is_delivered() -> None:
    async with session() as scene:
        scene.script.parts |= {"DELETE": refusal(503), "GET": refusal(404)}
        await scene.caller.send("DELETE")
        with anyio.fail_after(SOON_SECONDS):
            async with scene.caller.get() as response:
                assert response.status_code == 404
        assert len(scene.server.seen("GET")) == 1


# 14: the bound.


async def test_past_the_bound_calls_end_at_once_and_one_may_lead_when_its_time_has_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("mcp_session._client.driver.time.monotonic", lambda: now)
    async with session() as scene:
        # As behind a balancer without affinity.
        scene.script.parts["tools/call"] = refusal(404)
        for _ in range(20):
            await scene.caller.post(call_of(1))
        made = len(scene.server.seen("initialize"))
        assert made <= 4
        answer = await scene.caller.call()
        assert answer["error"]["code"] == CONNECTION_CLOSED
        assert "affinity" in answer["error"]["message"]

        now += 61.0
        del scene.script.parts["tools/call"]
        assert (await scene.caller.current()).startswith("session-")
        assert len(scene.server.seen("initialize")) <= made + 1


async def test_past_the_bound_an_error_says_what_came_in_place_of_a_new_session() -> None:
    async with session() as scene:
        scene.script.parts["initialize"] = refusal(401, b"no")
        scene.script.forget()
        for _ in range(3):
            error = (await scene.caller.call())["error"]

        assert "affinity" not in error["message"]
        assert "its answer was 401" in error["message"]
        assert {it.reason for it in scene.events if hasattr(it, "reason")} >= {Reason.BOUND_REACHED}


async def test_the_time_without_new_sessions_begins_when_it_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("mcp_session._client.driver.time.monotonic", lambda: now)
    async with session() as scene:
        scene.script.parts["initialize"] = refusal(429)
        scene.script.forget()
        # The second is the last that may make one: nobody hears yet that none is made.
        for _ in range(2):
            await scene.caller.call()
        del scene.script.parts["initialize"]
        # Nobody calls meanwhile.
        now += 61.0

        assert await scene.caller.current() == "session-2"


async def test_a_404_of_one_tool_costs_no_session_while_others_succeed() -> None:
    async with session() as scene:

        async def unknown(exchange: Exchange) -> None:
            if exchange.request.message["params"]["name"] == "unknown":
                await exchange.answer(404, b'{"error":"no such tool"}', JSON)
            else:
                await scene.script.usual(exchange)

        scene.script.parts["tools/call"] = unknown
        for number in range(10):
            await scene.caller.current()
            message = call_of(f"u{number}")
            message["params"]["name"] = "unknown"
            response = await scene.caller.post(message)
            assert response.status_code in {200, 404}

        assert len(scene.server.seen("initialize")) <= 12


# 15: redirects.


async def test_a_re_initialize_takes_no_key_to_another_origin() -> None:
    async with (
        scripted_server(SmallServer()) as other,
        session(follow_redirects=True, headers={"x-api-key": "hunter2"}) as scene,
    ):
        await scene.caller.current()
        scene.script.parts["initialize"] = refusal(307, b"", location=other.url)
        scene.script.forget()

        answer = await scene.caller.call()

        assert answer["error"]["code"] == CONNECTION_CLOSED
        assert other.requests == []


# 16: whose request it is.


async def test_a_host_and_a_cookie_of_the_openers_go_out_with_the_re_initialize() -> None:
    own = {"host": "a.example", "authorization": "Bearer a", "cookie": "auth=tok"}
    async with session(cookies={"lb": "1"}) as scene:
        caller = Caller(scene.caller.http_client, scene.server.url)
        response = await caller.post(INITIALIZE, **own)
        caller.session = response.headers["mcp-session-id"]
        await caller.post(INITIALIZED, **own)
        before = len(scene.server.requests)
        scene.script.forget()

        answer = answer_in(await caller.post(call_of(1), **own))

        assert answer["result"]["content"][0]["text"] == "session-3"
        sent = scene.server.requests[before:]
        assert len(sent) == 4
        for name, value in own.items():
            assert {request.header(name) for request in sent} == {value}


async def test_a_dead_id_in_anothers_hands_opens_no_session_with_the_openers_credentials() -> None:
    async with session() as scene:
        caller = Caller(scene.caller.http_client, scene.server.url)
        alice, bob = {"authorization": "ALICE"}, {"authorization": "BOB"}
        caller.session = (await caller.post(INITIALIZE, **alice)).headers["mcp-session-id"]
        await caller.post(call_of(1), **alice)
        scene.script.forget()
        before = len(scene.server.requests)

        assert (await caller.post(call_of(2), **bob)).status_code == 404

        assert [it.header("authorization") for it in scene.server.requests[before:]] == ["BOB"]
        assert answer_in(await caller.post(call_of(3), **alice))["result"]
        before = len(scene.server.requests)
        assert (await caller.post(call_of(4), **bob)).status_code == 404
        assert scene.server.requests[-1].session == caller.session


async def test_a_token_that_was_renewed_keeps_its_session_once_its_server_accepted_it() -> None:
    async with session() as scene:
        caller = Caller(scene.caller.http_client, scene.server.url)
        opened = await caller.post(INITIALIZE, authorization="old")
        caller.session = opened.headers["mcp-session-id"]
        assert answer_in(await caller.post(call_of(1), authorization="new"))["result"]
        scene.script.forget()

        answer = answer_in(await caller.post(call_of(2), authorization="new"))

        assert answer["result"]["content"][0]["text"] == "session-3"


@pytest.mark.parametrize("form", ["auth", "userinfo", "instance"])
async def test_callers_whose_credentials_are_added_later_are_told_apart_as_well(form: str) -> None:
    async with session() as scene:
        client = scene.caller.http_client
        instances = {name: sdk.http.BasicAuth(name, "pw") for name in ("alice", "bob")}

        async def post(name: str, message: object, **headers: str) -> Any:
            url, options = scene.server.url, dict[str, Any]()
            if form == "userinfo":
                url = url.replace("//", f"//{name}:pw@")
            else:
                options["auth"] = (name, "pw") if form == "auth" else instances[name]
            return await client.post(url, json=message, headers=headers, **options)

        named = {"mcp-session-id": (await post("alice", INITIALIZE)).headers["mcp-session-id"]}
        assert (await post("alice", call_of(1), **named)).json()["result"]
        scene.script.forget()
        before = len(scene.server.requests)

        assert (await post("bob", call_of(2), **named)).status_code == 404

        assert len(scene.server.requests) == before + 1
        assert (await post("alice", call_of(3), **named)).json()["result"]
        assert (await post("bob", call_of(4), **named)).status_code == 404
        assert scene.server.requests[-1].session == named["mcp-session-id"]


async def test_servers_that_are_reached_under_one_host_are_two() -> None:
    async with (
        session(headers={"host": "mcp.example"}) as scene,
        scripted_server(SmallServer()) as other,
    ):
        scene.script.forget()
        assert await scene.caller.current() == "session-2"
        stranger = Caller(scene.caller.http_client, other.url)
        stranger.session = "session-1"

        assert (await stranger.post(call_of(1))).status_code == 404

        assert [it.session for it in other.requests] == ["session-1"]
        assert await scene.caller.current() == "session-2"


class AsksFirst(sdk.http.Auth):  # type: ignore[misc]  # of either library
    """An auth flow that asks for a token, and raises for a refusal of that, as they do."""

    def __init__(self) -> None:
        self.url: str | None = None

    def auth_flow(self, request: Any) -> Any:
        if self.url is not None:
            response = yield sdk.http.Request("POST", self.url)
            response.raise_for_status()
        yield request


@pytest.mark.parametrize("status", [400, 404, 503])
async def test_a_refusal_of_a_token_is_no_answer_to_the_call(status: int) -> None:
    auth = AsksFirst()
    async with (
        scripted_server(refusal(status, b"no such realm")) as tokens,
        session(auth=auth, status_shield=True) as scene,
    ):
        auth.url = tokens.url
        for _ in range(3):
            with pytest.raises(sdk.http.HTTPStatusError) as raised:
                await scene.caller.call()
            assert raised.value.response.status_code == status
        auth.url = None

        assert await scene.caller.current() == "session-1"
        assert scene.events == []


@pytest.mark.parametrize(
    ("status", "place"), [(302, "/login"), (302, "another origin"), (307, "another origin")]
)
async def test_a_page_that_is_not_there_ends_no_session_of_who_was_led_to_it(
    status: int, place: str
) -> None:
    async with (
        scripted_server(refusal(404, b"no such page")) as elsewhere,
        session(follow_redirects=True) as scene,
    ):
        url = elsewhere.url if place == "another origin" else place

        async def lead_on(exchange: Exchange) -> None:
            if exchange.request.target == "/login":
                await exchange.answer(404)
            else:
                await exchange.answer(status, headers={"location": url})

        scene.script.parts |= {"tools/call": lead_on, "GET": lead_on}
        client, headers = scene.caller.http_client, {"mcp-session-id": "session-1"}
        for _ in range(3):
            led = await client.post(scene.server.url, json=call_of(1), headers=headers)
            assert led.status_code == 404
        del scene.script.parts["tools/call"]

        assert await scene.caller.current() == "session-1"
        assert scene.events == []


async def test_a_session_is_made_anew_with_the_token_that_is_valid_now() -> None:
    valid = "old"
    async with session() as scene:

        async def only_valid(exchange: Exchange) -> None:
            if exchange.request.header("authorization") == valid:
                await scene.script(exchange)
            else:
                await exchange.answer(401)

        scene.server.script = only_valid
        caller = Caller(scene.caller.http_client, scene.server.url)
        caller.session = (await caller.post(INITIALIZE, authorization="old")).headers[
            "mcp-session-id"
        ]
        valid = "new"
        assert answer_in(await caller.post(call_of(1), authorization="new"))["result"]
        scene.script.forget()

        for number in (2, 3):
            answer = answer_in(await caller.post(call_of(number), authorization="new"))
            assert answer["result"]["content"][0]["text"] == "session-3"


async def test_a_caller_who_takes_the_newest_id_is_followed_as_well() -> None:
    async with session() as scene:
        scene.script.forget()
        assert await scene.caller.current() == "session-2"
        scene.caller.session = "session-2"
        assert await scene.caller.current() == "session-2"
        scene.script.forget()

        assert await scene.caller.current() == "session-3"


# 17: hooks that read, raw reading, answers made here.


async def test_a_hook_that_reads_responses_changes_nothing() -> None:
    async def read(response: Any) -> None:
        await response.aread()

    async def stream(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send_event(scene.script.result(exchange.request))
        await exchange.finish()

    async with session(status_shield=False) as scene:
        scene.caller.http_client.event_hooks = {"response": [read]}
        scene.script.parts["tools/call"] = refusal(400, b"because")
        response = await scene.caller.post(call_of(1))
        assert (response.status_code, response.content) == (400, b"because")

        async def slow(exchange: Exchange) -> None:
            await anyio.sleep(0.1)
            await scene.script.usual(exchange)

        for script in (slow, stream):
            scene.script.parts["tools/call"] = script
            assert await scene.caller.current() == "session-1"
        del scene.script.parts["tools/call"]
        scene.script.forget()
        assert await scene.caller.current() == "session-2"


@pytest.mark.parametrize("is_stream", [True, False])
async def test_raw_bytes_of_an_answer_are_read_once(*, is_stream: bool) -> None:
    body = b'data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n'

    async def stream(exchange: Exchange) -> None:
        await exchange.answer(200, body, EVENTS)

    async with session() as scene:
        if is_stream:
            scene.script.parts["tools/call"] = stream
        response = await scene.caller.begin("POST", json=call_of(1))
        raw = b"".join([chunk async for chunk in response.aiter_raw()])
        await response.aclose()

        assert (raw == body) if is_stream else json.loads(raw)["id"] == 1
        assert response.elapsed.total_seconds() > 0
        with pytest.raises(sdk.http.StreamError):
            async for _ in response.aiter_raw():
                pass


async def test_an_answer_made_here_is_a_response_like_any_other() -> None:
    async with session() as scene:
        scene.script.parts["tools/call"] = refusal(502)
        response = await scene.caller.begin("POST", json=call_of(1))
        raw = b"".join([chunk async for chunk in response.aiter_raw()])
        await response.aclose()

        assert json.loads(raw)["id"] == 1
        assert response.elapsed.total_seconds() >= 0
        assert response.request.method == "POST"
        assert response.history == []
        assert response.http_version
        assert (await scene.caller.post(call_of(2))).elapsed.total_seconds() >= 0


# 18: one body, one length.


async def test_a_streamed_body_that_is_sent_again_has_one_length() -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        yield json.dumps(call_of(1)).encode()

    async with session() as scene:
        scene.script.forget()

        response = await scene.caller.send("POST", content=pieces(), headers=JSON)

        assert response.status_code == 200
        for request in scene.server.seen("tools/call"):
            names = {name for name, _ in request.headers}
            assert len(names & {"content-length", "transfer-encoding"}) == 1


# 20: hooks that raise.


@pytest.mark.parametrize("reads", [True, False])
async def test_a_hook_that_raises_for_a_status_hides_no_end_of_a_session(*, reads: bool) -> None:
    async def hook(response: Any) -> None:
        if reads:
            await response.aread()
        response.raise_for_status()

    async with session(event_hooks={"response": [hook]}) as scene:
        scene.script.forget()
        assert await scene.caller.current() == "session-2"

        scene.script.parts["tools/call"] = refusal(401, b"who")
        with pytest.raises(sdk.http.HTTPStatusError):
            await scene.caller.post(call_of(1))


async def test_of_a_hook_that_hides_an_end_for_good_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def hook(response: Any) -> None:
        if response.status_code == 404:
            raise LookupError

    async with session(event_hooks={"response": [hook]}) as scene:
        scene.script.forget()
        for _ in range(3):
            with pytest.raises(LookupError):
                await scene.caller.call()

        said = [record.getMessage() for record in caplog.records if record.name == "mcp_session"]
        assert [text for text in said if "hook" in text] == [
            "an event hook that raises may keep sessions from being recovered"
        ]


async def test_an_error_that_is_null_beside_a_result_is_none() -> None:
    async with session() as scene:

        async def answer(exchange: Exchange) -> None:
            message = scene.script.initialize_result(exchange.request) | {"error": None}
            headers = {"mcp-session-id": scene.script.begin_session()}
            await exchange.answer_json(message, 200, headers)

        scene.script.parts["initialize"] = answer
        scene.script.forget()

        assert await scene.caller.current() == "session-2"


# 21: statuses that end a client.


@pytest.mark.parametrize("status", [400, 405, 409, 410, 422, 429, 500, 501, 521, 599])
async def test_with_the_status_shield_a_refused_message_ends_alone(status: int) -> None:
    async with session(status_shield=True) as scene:
        for kind in ("tools/call", NOTIFICATION["method"], "reply", "POST"):
            scene.script.parts[kind] = refusal(status, b"<html>")

        answer = answer_in(await scene.caller.post(call_of("mine")))
        assert answer["id"] == "mine"
        assert answer["error"]["code"] in {-32603, CONNECTION_CLOSED}
        assert str(status) in answer["error"]["message"]
        first, second = answer_in(await scene.caller.post([call_of(1), call_of(2)]))
        assert (first["id"], second["id"]) == (1, 2)
        for message in (NOTIFICATION, reply_to(3)):
            assert (await scene.caller.post(message)).status_code == 202


@pytest.mark.parametrize("status", [401, 403])
async def test_no_shield_stands_before_an_authorization(status: int) -> None:
    async with session(status_shield=True) as scene:
        scene.script.parts["tools/call"] = refusal(status, b"who")
        assert (await scene.caller.post(call_of(1))).status_code == status


@pytest.mark.parametrize("status", [400, 429, 500])
async def test_the_status_shield_holds_where_a_server_keeps_no_session(status: int) -> None:
    async def refuse(exchange: Exchange) -> None:
        await exchange.answer(status, b"<html>")

    async with (
        scripted_server(answer_of({"jsonrpc": "2.0", "id": 1, "result": {}})) as server,
        sdk.create_http_client(status_shield=True) as http_client,
    ):
        caller = Caller(http_client, server.url)
        assert (await caller.post(call_of(1))).status_code == 200
        server.script = refuse

        assert answer_in(await caller.post(call_of(1)))["error"]["code"] == -32603
        assert (await caller.post(INITIALIZE)).status_code == status


# 22: many sessions, many event loops.


async def test_closed_sessions_push_out_no_open_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_session._client.options.REMEMBERED", 4)
    async with session() as scene:
        for _ in range(20):
            other = Caller(scene.caller.http_client, scene.server.url)
            await other.open()
            await other.delete()
        scene.script.forget()

        assert (await scene.caller.current()).startswith("session-")


class CannedTransport(sdk.http.AsyncBaseTransport):  # type: ignore[misc]
    """A server without sockets, which any event loop can use."""

    def __init__(self) -> None:
        self.live = {"session-1"}
        self.made = 1
        self.going_on = threading.Event()

    async def handle_async_request(self, request: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        message = json.loads(request.content or b"{}")
        session_id = request.headers.get("mcp-session-id")
        if message.get("method") == "initialize":
            if session_id is None and self.made and not self.live:
                while not self.going_on.is_set():  # noqa: ASYNC110  # of another event loop
                    await anyio.sleep(0.005)
                self.made += 1
                self.live = {f"session-{self.made}"}
            result = {"protocolVersion": VERSION, "capabilities": {}, "serverInfo": {}}
            opened = {"jsonrpc": "2.0", "id": message["id"], "result": result}
            headers = {"mcp-session-id": f"session-{self.made}"}
            return sdk.http.Response(200, json=opened, headers=headers)
        if session_id not in self.live:
            return sdk.http.Response(404)
        if "id" not in message:
            return sdk.http.Response(202)
        content = [{"type": "text", "text": session_id}]
        return sdk.http.Response(
            200, json={"jsonrpc": "2.0", "id": message["id"], "result": {"content": content}}
        )


async def test_one_client_is_used_from_several_event_loops() -> None:
    transport = CannedTransport()
    async with sdk.create_http_client(transport=transport) as http_client:
        caller = Caller(http_client, "http://server/mcp")
        await caller.open()
        transport.live = set()
        answers: list[str] = []

        def in_a_loop_of_its_own(backend: str) -> None:
            async def call() -> None:
                answers.append(await caller.current())

            anyio.run(call, backend=backend)

        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                for number in range(4):
                    backend = sdk.BACKENDS[number % len(sdk.BACKENDS)]
                    tasks.start_soon(anyio.to_thread.run_sync, in_a_loop_of_its_own, backend)
                await anyio.sleep(0.3)
                transport.going_on.set()

        assert answers == ["session-2"] * 4


# The outage shield where there is no session.


@pytest.mark.parametrize("headers", [{}, {"mcp-protocol-version": "2026-07-28"}])
async def test_a_call_of_no_session_ends_alone_when_a_server_that_answered_is_gone(
    headers: dict[str, str],
) -> None:
    async with (
        scripted_server(answer_of({"jsonrpc": "2.0", "id": 1, "result": {}})) as server,
        sdk.create_http_client() as http_client,
    ):
        caller = Caller(http_client, server.url)
        discover = {"jsonrpc": "2.0", "id": 1, "method": "server/discover"}
        assert (await caller.post(discover, **headers)).status_code == 200
        server.down()
        await anyio.wait_all_tasks_blocked()

        answer = answer_in(await caller.post(call_of(2), **headers))
        assert (answer["id"], answer["error"]["code"]) == (2, CONNECTION_CLOSED)
        assert (await caller.post(NOTIFICATION, **headers)).status_code == 202
        for message in (discover, INITIALIZE):
            with pytest.raises(sdk.http.ConnectError):
                await caller.post(message, **headers)
        other = Caller(http_client, server.url.replace("/mcp", "/other"))
        with pytest.raises(sdk.http.ConnectError):
            await other.post(call_of(3), **headers)


# The hook.


async def test_those_who_wait_are_let_go_when_the_hook_has_set_up_the_new_session() -> None:
    scenes: list[Scene] = []
    logged_in: set[str | None] = set()

    async def on_event(event: object) -> None:
        if type(event).__name__ == "SessionReinitialized":
            await anyio.sleep(0.2)
            message = {"jsonrpc": "2.0", "id": "login", "method": "login"}
            answer_in(await scenes[0].caller.post(message))

    async def log_in(exchange: Exchange) -> None:
        logged_in.add(exchange.request.session)
        await exchange.answer_json({"jsonrpc": "2.0", "id": "login", "result": {}})

    async def only_logged_in(exchange: Exchange) -> None:
        if exchange.request.session in logged_in or exchange.request.session == "session-1":
            await scenes[0].script.usual(exchange)
        else:
            error = {"code": 1, "message": "not logged in"}
            await exchange.answer_json({"jsonrpc": "2.0", "id": 1, "error": error})

    async with session(on_event=on_event) as scene:
        scenes.append(scene)
        scene.script.parts |= {"login": log_in, "tools/call": only_logged_in}
        scene.script.forget()
        answers: list[Any] = []

        async def call(number: int) -> None:
            answers.append(answer_in(await scene.caller.post(call_of(number))))

        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(call, number)

        assert [answer for answer in answers if "error" in answer] == []


async def meet_a_cancellation() -> None:
    waited_for = asyncio.ensure_future(asyncio.sleep(3600))
    waited_for.cancel()
    await waited_for


async def test_a_hook_whose_own_calls_fail_is_told_of_them_from_within_no_more_than_a_bound() -> (
    None
):
    told: list[object] = []

    async def on_event(event: object) -> None:
        told.append(event)
        answer = await callers[0].call()
        assert answer["error"]["code"] == CONNECTION_CLOSED

    callers: list[Caller] = []
    async with session(on_event=on_event) as scene:
        callers.append(scene.caller)
        assert await scene.caller.current() == "session-1"
        scene.server.down()

        with anyio.fail_after(SOON_SECONDS):
            for number in (1, 2):
                assert (await scene.caller.call())["error"]["code"] == CONNECTION_CLOSED
                assert len(told) == number * FAILURES_TOLD_AT_ONCE


HARMS = ["hangs", "raises", "is cancelled"]
if sdk.BACKENDS == ("asyncio",):
    # Those of trio come from the scopes around a task only.
    HARMS.append("meets a cancellation")


@pytest.mark.parametrize("harm", HARMS)
async def test_a_hook_that_does_not_return_harms_nobody(harm: str) -> None:
    async def on_event(event: object) -> None:
        if type(event).__name__ != "SessionReinitialized":
            return
        if harm == "meets a cancellation":
            await meet_a_cancellation()
        if harm == "hangs":
            await anyio.sleep_forever()
        if harm == "raises":
            raise LookupError
        leading.cancel()
        await anyio.sleep_forever()

    leading = anyio.CancelScope()
    async with session(on_event=on_event, recovery_timeout=1.0) as scene:
        scene.script.forget()
        answers: list[str] = []
        going_on = anyio.Event()

        async def wait(exchange: Exchange) -> None:
            await going_on.wait()
            await scene.script.usual(exchange)

        scene.script.parts["initialize"] = wait

        async def lead() -> None:
            with leading:
                await scene.caller.call()

        async def call() -> None:
            answers.append(await scene.caller.current())

        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lead)
                await scene.server.until(lambda server: len(server.seen("initialize")) == 2)
                for _ in range(5):
                    tasks.start_soon(call)
                await anyio.wait_all_tasks_blocked()
                going_on.set()

        assert answers == ["session-2"] * 5


@pytest.mark.parametrize("ends", ["in time", "by its caller"])
async def test_a_new_session_stands_though_its_last_answer_never_ends(ends: str) -> None:
    async def never_end(exchange: Exchange) -> None:
        await exchange.begin(202)
        await exchange.send(b"x")
        await exchange.until_left()

    async def stream(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.until_left()

    async with session(recovery_timeout=0.5) as scene:
        leading, answers = anyio.CancelScope(), list[Any]()

        async def lead() -> None:
            with leading:
                answers.append(await scene.caller.call())

        scene.script.parts["GET"] = stream
        async with scene.caller.get() as pushed:
            scene.script.parts["notifications/initialized"] = never_end
            scene.script.forget()
            with anyio.fail_after(SOON_SECONDS):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(lead)
                    if ends == "by its caller":
                        await scene.server.until(
                            lambda server: len(server.seen("notifications/initialized")) == 2
                        )
                        await anyio.wait_all_tasks_blocked()
                        leading.cancel()
                # The stream of the dead session ends, so that its reader opens the next.
                await pushed.aread()
        if ends == "in time":
            assert answers[0]["result"]["content"][0]["text"] == "session-2"
        assert await scene.caller.current() == "session-2"


async def test_a_broken_connection_costs_one_restore() -> None:
    async with session() as scene:
        for number, uri in enumerate(("a://", "b://", "c://")):
            subscribe = {"jsonrpc": "2.0", "id": number, "method": "resources/subscribe"}
            await scene.caller.post(subscribe | {"params": {"uri": uri}})
        scene.script.forget()
        before = len(scene.server.seen("resources/subscribe"))

        async def break_the_first(exchange: Exchange) -> None:
            if len(scene.server.seen("resources/subscribe")) == before + 1:
                exchange.reset()
            else:
                await scene.script.usual(exchange)

        scene.script.parts["resources/subscribe"] = break_the_first
        assert await scene.caller.current() == "session-2"

        assert len(scene.server.seen("resources/subscribe")) == before + 3
        assert scene.events[-1].refused == ("resources/subscribe",)


# Restores.


async def test_a_new_session_is_told_what_the_old_one_was_told_before_anyone_is_let_go() -> None:
    async with session() as scene:
        level = {"jsonrpc": "2.0", "id": 1, "method": "logging/setLevel"}
        await scene.caller.post(level | {"params": {"level": "debug"}})
        subscribe = {"jsonrpc": "2.0", "id": 2, "method": "resources/subscribe"}
        for uri in ("a://", "b://"):
            await scene.caller.post(subscribe | {"params": {"uri": uri}})
        unsubscribe = {"jsonrpc": "2.0", "id": 3, "method": "resources/unsubscribe"}
        await scene.caller.post(unsubscribe | {"params": {"uri": "a://"}})
        error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32601, "message": "no"}}
        scene.script.forget()
        before = len(scene.server.requests)

        async def refuse(exchange: Exchange) -> None:
            await exchange.answer_json(error | {"id": exchange.request.message["id"]})

        scene.script.parts["resources/subscribe"] = refuse
        assert await scene.caller.current() == "session-2"

        sent = [(it.kind, it.session) for it in scene.server.requests[before:]]
        assert sent == [
            ("tools/call", "session-1"),
            ("initialize", None),
            ("notifications/initialized", "session-2"),
            ("logging/setLevel", "session-2"),
            ("resources/subscribe", "session-2"),
            ("tools/call", "session-2"),
        ]
        assert scene.events[-1].refused == ("resources/subscribe",)


# Misreports.


@pytest.mark.parametrize(
    ("status", "text", "headers"),
    [
        (400, "Bad Request: No valid session ID provided", {}),
        (400, "Invalid or missing session ID", {}),
        (400, "Session   expired.", {}),
        (400, "Server not initialized", {}),
        (401, "Session not found", {}),
    ],
)
@pytest.mark.parametrize("form", ["text", "message", "error", "json-rpc"])
@pytest.mark.parametrize("encoding", [None, "gzip"])
async def test_a_misreport_in_any_form_is_the_end_of_a_session(
    status: int, text: str, headers: dict[str, str], form: str, encoding: str | None
) -> None:
    import gzip  # noqa: PLC0415

    forms: dict[str, Any] = {"message": {"message": text}, "error": {"error": text}}
    forms["json-rpc"] = {"jsonrpc": "2.0", "error": {"code": -32000, "message": text}, "id": None}
    body = text.encode() if form == "text" else json.dumps(forms[form]).encode()
    sent = body if encoding is None else gzip.compress(body)
    encoded = {} if encoding is None else {"content-encoding": encoding}

    async with session() as scene:

        async def misreport(exchange: Exchange) -> None:
            if exchange.request.session == "session-1":
                await exchange.answer(status, sent, headers | encoded)
            else:
                await scene.script.usual(exchange)

        scene.script.parts["tools/call"] = misreport

        assert await scene.caller.current() == "session-2"


async def test_a_misreport_of_the_callers_own_counts_with_quirks_or_without() -> None:
    for quirks in (True, False):
        own = [(409, "Worker has forgotten you")]
        async with session(quirks=quirks, misreports=own) as scene:

            async def misreport(exchange: Exchange, scene: Scene = scene) -> None:
                if exchange.request.session == "session-1":
                    await exchange.answer(409, b'{"error":"worker has forgotten you."}', JSON)
                else:
                    await scene.script.usual(exchange)

            scene.script.parts["tools/call"] = misreport

            assert await scene.caller.current() == "session-2"
