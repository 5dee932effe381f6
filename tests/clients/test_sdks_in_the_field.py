"""The official SDKs, over our client, in what the field reported of them."""

import functools
import json
from typing import Any

import anyio
import pytest
from mcp_session._client import recovery
from mcp_session.testing import Exchange, Script, SmallServer, scripted_server

import sdk
from callers import CONNECTION_CLOSED
from servers import GENERATIONS, RealServer, Servers

pytestmark = pytest.mark.anyio

SOON_SECONDS = 20.0
KINDS = [kind for kind in sdk.KINDS if kind != sdk.AUTO]
EVENTS = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


async def call_and_fail(client: sdk.Connected) -> sdk.CallError:
    with anyio.fail_after(SOON_SECONDS), pytest.raises(sdk.CallError) as raised:
        await client.call("session")
    return raised.value


async def until_answered(client: sdk.Connected) -> None:
    while True:
        try:
            assert (await client.call("session")).startswith("session-")
        except sdk.CallError:
            await anyio.sleep(0.1)
        else:
            return


def with_id(body: str) -> Script:
    """Answer with this body; `$id` is the request's."""

    async def answer(exchange: Exchange) -> None:
        request_id = json.dumps(exchange.request.message["id"])
        headers = EVENTS if body.startswith("data") else JSON
        await exchange.answer(200, body.replace("$id", request_id).encode(), headers)

    return answer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "body",
    [
        '{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"not now"}}',
        '{"jsonrpc":"2.0","id":"server-error","error":{"code":-32000,"message":"not now"}}',
        '{"jsonrpc":"2.0","id":999,"result":{}}',
        '""',
        "",
        'data: {"error":"not now"}\n\n',
        'data: {"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"not now"}}\n\n',
        'data: {"jsonrpc":"2.0","id":"server-error","error":{"code":1,"message":"not now"}}\n\n',
        'data: {"jsonrpc":"2.0","id":999,"result":{}}\n\n',
    ],
)
async def test_no_call_hangs_because_its_answer_is_for_another(kind: str, body: str) -> None:
    small = SmallServer()
    async with (
        scripted_server(small) as server,
        sdk.connect(kind, server.url, sdk.create_http_client) as client,
    ):
        await client.call("session")
        small.parts["tools/call"] = with_id(body)
        error = await call_and_fail(client)
        assert error.code == CONNECTION_CLOSED
        assert "not now" in error.message or "not now" not in body

        del small.parts["tools/call"]
        assert await client.call("session") == "session-1"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_gets_its_own_answer_whatever_else_is_in_its_stream(kind: str) -> None:
    small = SmallServer()

    async def answer(exchange: Exchange) -> None:
        wrong = {"content": [{"type": "text", "text": "another's"}]}
        await exchange.begin_events()
        await exchange.send_event({"jsonrpc": "2.0", "id": 999, "result": wrong}, "e1")
        await exchange.send_event(small.result(exchange.request), "e2")
        await exchange.finish()

    async with (
        scripted_server(small) as server,
        sdk.connect(kind, server.url, sdk.create_http_client) as client,
    ):
        small.parts["tools/call"] = answer
        with anyio.fail_after(SOON_SECONDS):
            for _ in range(3):
                assert await client.call("session") == "session-1"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_client_is_closed_in_time_though_its_delete_is_never_answered(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recovery.DELETE_SECONDS == 5.0
    monkeypatch.setattr(recovery, "DELETE_SECONDS", 0.3)

    async def never_answer(exchange: Exchange) -> None:
        await exchange.until_left()

    small = SmallServer({"DELETE": never_answer})
    async with scripted_server(small) as server:
        # The SDK would wait for as long as it waits for an answer to a call, and raises nothing.
        with anyio.fail_after(SOON_SECONDS):
            async with sdk.connect(kind, server.url, sdk.create_http_client) as client:
                assert await client.call("session") == "session-1"
        assert len(server.seen("DELETE")) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [202, 204, 400, 405, 409, 429, 500, 502, 503, 521, 530])
async def test_no_status_of_one_call_ends_a_client(kind: str, status: int) -> None:
    async def refuse(exchange: Exchange) -> None:
        if status == 204:
            await exchange.begin(204)
            await exchange.finish()
        else:
            await exchange.answer(status, b"<html>")

    small = SmallServer()
    async with (
        scripted_server(small) as server,
        sdk.connect(kind, server.url, sdk.create_http_client) as client,
    ):
        assert await client.call("session") == "session-1"
        small.parts["tools/call"] = refuse
        await call_and_fail(client)
        small.parts["notifications/progress"] = refuse
        await client.notify()

        del small.parts["tools/call"]
        assert await client.call("session") == "session-1"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [400, 429, 500, 502, 503, 504])
async def test_a_refusal_that_says_why_reaches_the_application(kind: str, status: int) -> None:
    error = {"code": -32050, "message": "quota exhausted"}

    async def refuse(exchange: Exchange) -> None:
        message = {"jsonrpc": "2.0", "id": exchange.request.message["id"], "error": error}
        await exchange.answer_json(message, status)

    small = SmallServer()
    async with (
        scripted_server(small) as server,
        sdk.connect(kind, server.url, sdk.create_http_client) as client,
    ):
        await client.call("session")
        small.parts["tools/call"] = refuse

        raised = await call_and_fail(client)

        assert (raised.code, raised.message) == (-32050, "quota exhausted")


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_that_cannot_be_decoded_ends_the_call_alone(kind: str) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.answer(200, b"no gzip", JSON | {"content-encoding": "gzip"})

    small = SmallServer()
    async with (
        scripted_server(small) as server,
        sdk.connect(kind, server.url, sdk.create_http_client) as client,
    ):
        await client.call("session")
        small.parts["tools/call"] = answer
        assert (await call_and_fail(client)).code == CONNECTION_CLOSED
        del small.parts["tools/call"]
        assert await client.call("session") == "session-1"


@pytest.mark.parametrize("kind", KINDS)
async def test_two_replicas_that_misreport_sessions_of_each_other_end_no_client(kind: str) -> None:
    small = SmallServer()

    async def one_of_two(exchange: Exchange) -> None:
        # The one that does not know the session gets every second call.
        if len(exchange.server.seen("tools/call")) % 2:
            await small.usual(exchange)
        else:
            error = {"code": -32000, "message": "Bad Request: No valid session ID provided"}
            await exchange.answer_json({"jsonrpc": "2.0", "id": None, "error": error}, 400)

    small.parts["tools/call"] = one_of_two
    async with (
        scripted_server(small) as server,
        sdk.connect(kind, server.url, sdk.create_http_client) as client,
    ):
        for _ in range(6):
            try:
                await client.call("session")
            except sdk.CallError as error:
                # Which of the two it meets is not the point.
                assert error.message
        small.parts.clear()
        with anyio.fail_after(SOON_SECONDS):
            await until_answered(client)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_that_is_misreported_in_the_new_session_too_ends_alone(kind: str) -> None:
    error = {"code": -32000, "message": "Bad Request: No valid session ID provided"}

    async def misreport(exchange: Exchange) -> None:
        await exchange.answer_json({"jsonrpc": "2.0", "id": None, "error": error}, 400)

    small = SmallServer()
    async with (
        scripted_server(small) as server,
        sdk.connect(kind, server.url, sdk.create_http_client) as client,
    ):
        await client.call("session")
        small.parts["tools/call"] = misreport
        assert (await call_and_fail(client)).message
        assert [it.session for it in server.seen("tools/call")[1:]] == ["session-1", "session-2"]

        small.parts.clear()
        with anyio.fail_after(SOON_SECONDS):
            await until_answered(client)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_that_its_server_lets_be_polled_is_answered_whatever_comes_between(
    kind: str,
) -> None:
    quiet: list[bytes | int] = [b"", b"retry: 20\n\n", b": not yet\n\n", b"", b""]
    polls = [*quiet, 429, *quiet, 409, *quiet, 503, b""]
    asked: list[Any] = []

    async def prime(exchange: Exchange) -> None:
        asked.append(exchange.request.message["id"])
        await exchange.answer(200, b"id: e1\nretry: 20\ndata: \n\n", EVENTS)

    async def poll(exchange: Exchange) -> None:
        if exchange.request.header("last-event-id") is None:
            await small.usual(exchange)
        elif not polls:
            result = {"content": [{"type": "text", "text": "at last"}]}
            message = {"jsonrpc": "2.0", "id": asked[0], "result": result}
            await exchange.answer(200, f"data: {json.dumps(message)}\n\n".encode(), EVENTS)
        elif isinstance(answer := polls.pop(0), int):
            await exchange.answer(answer, b"not now")
        else:
            await exchange.answer(200, answer, EVENTS)

    small = SmallServer()
    async with (
        scripted_server(small) as server,
        sdk.connect(kind, server.url, sdk.create_http_client) as client,
    ):
        await client.call("session")
        small.parts |= {"tools/call": prime, "GET": poll}
        with anyio.fail_after(SOON_SECONDS):
            assert await client.call("session") == "at last"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_mounted_application_that_redirects_to_the_slash_is_reached(kind: str) -> None:
    small = SmallServer()

    async def mounted(exchange: Exchange) -> None:
        if exchange.request.target == "/mcp":
            await exchange.answer(307, headers={"location": "/mcp/"})
        else:
            await small(exchange)

    async with (
        scripted_server(mounted) as server,
        sdk.connect(kind, server.url, sdk.create_http_client) as client,
    ):
        for number in (1, 2):
            assert await client.call("session") == f"session-{number}"
            small.forget()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stray_404_and_a_server_that_knows_its_client_cost_one_call(kind: str) -> None:
    small = SmallServer()

    async def stray(exchange: Exchange) -> None:
        del small.parts["tools/call"]
        await exchange.answer(404, b"404 page not found")

    async def already(exchange: Exchange) -> None:
        error = {"code": -32600, "message": "Invalid Request: Server already initialized"}
        await exchange.answer_json({"jsonrpc": "2.0", "id": None, "error": error}, 400)

    async with (
        scripted_server(small) as server,
        sdk.connect(kind, server.url, sdk.create_http_client) as client,
    ):
        await client.call("session")
        small.parts |= {"tools/call": stray, "initialize": already}
        error = await call_and_fail(client)
        assert "Server already initialized" in error.message
        assert await client.call("session") == "session-1"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_question_of_the_new_session_is_answered_though_an_old_one_is_open(
    kind: str,
) -> None:
    small = SmallServer()
    going_on = anyio.Event()
    asked: list[str] = []

    async def question(exchange: Exchange) -> None:
        schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
        parameters = {"message": str(exchange.request.session), "requestedSchema": schema}
        message = {"jsonrpc": "2.0", "id": 0, "method": "elicitation/create"}
        await exchange.begin_events()
        await exchange.send_event(message | {"params": parameters})
        if exchange.request.session == "session-1":
            await exchange.until_left()
            return
        if not sdk.MODERN_SDK:
            # mcp 1.x reads on when the question before is answered.
            going_on.set()
        await exchange.server.until(lambda server: server.seen("reply"))
        await exchange.send_event(small.result(exchange.request))
        await exchange.finish()

    async def answer(text: str) -> str:
        asked.append(text)
        if text == "session-1":
            await going_on.wait()
        return "yes"

    async with (
        scripted_server(small) as server,
        sdk.connect(kind, server.url, sdk.create_http_client, answer=answer) as client,
    ):
        await client.call("session")
        small.parts["tools/call"] = question
        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.call, "session")
                while not asked:  # noqa: ASYNC110  # an event is no gain
                    await anyio.sleep(0.005)
                small.forget()
                small.parts["tools/call"] = functools.partial(only_live, small, question)
                assert await client.call("session") == "session-2"
                tasks.cancel_scope.cancel()

        replies = [(it.session, it.message["id"]) for it in server.seen("reply")]
        assert replies == [("session-2", 0)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("generation", GENERATIONS)
async def test_a_server_that_counts_its_questions_anew_is_answered(
    kind: str, generation: str, servers: Servers
) -> None:
    """As in the test before, with real servers: both questions have the id 0."""

    def asked_anew(server: RealServer) -> list[Any]:
        seen = [it for it in server.wire() if it.tool == "ask" and it.status == 200]
        return [it for it in seen if it.session != seen[0].session]

    async def answer(question: str) -> str:
        if question == "first":
            await server.until(asked_anew)
        return f"{question} answer"

    async with (
        servers.use(generation) as server,
        sdk.connect(kind, server.url, sdk.create_http_client, answer=answer) as client,
    ):
        with anyio.fail_after(2 * SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask_and_fail, client)
                await client.until(lambda client: client.questions)
                await server.restart()
                assert await client.call("ask", question="second") == "second answer"

        (call,) = asked_anew(server)
        replies = [(it.session, it.status) for it in server.wire() if it.is_reply]
        assert replies == [(call.session, 202)]


async def ask_and_fail(client: sdk.Connected) -> None:
    with pytest.raises(sdk.CallError):
        await client.call("ask", question="first")


async def only_live(small: SmallServer, script: Script, exchange: Exchange) -> None:
    await (script if exchange.request.session in small.live else small.usual)(exchange)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_idle_client_whose_stream_is_cut_at_once_asks_no_more_often_than_the_plain_one(
    kind: str,
) -> None:
    counts = []
    for create in (sdk.create_plain_http_client, sdk.create_http_client):
        small = SmallServer()

        async def cut(exchange: Exchange) -> None:
            await exchange.answer(200, b"", EVENTS)

        small.parts["GET"] = cut
        async with (
            scripted_server(small) as server,
            sdk.connect(kind, server.url, create) as client,
        ):
            await client.call("session")
            await anyio.sleep(5.0)
            counts.append(len(server.seen("GET")))
    plain, ours = counts
    # The plain one gives up for good; ours goes on, ever more slowly.
    assert ours <= max(plain, 4)


@pytest.mark.parametrize(("status", "was_open"), [(404, False), (404, True), (502, True)])
async def test_push_comes_though_a_gateway_refused_all_for_longer_than_the_sdk_asks(
    status: int, *, was_open: bool
) -> None:
    changed = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    small = SmallServer()

    async def refuse(exchange: Exchange) -> None:
        is_opening = exchange.request.kind == "initialize"
        await exchange.answer(502 if is_opening else status, b"<html>")

    async def stream(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.send_event(changed)
        await exchange.server.until(lambda _: small.parts["GET"] is refuse)
        await exchange.finish()

    def is_pushed(client: sdk.Connected) -> bool:
        return changed["method"] in client.notifications

    small.parts["GET"] = stream if was_open else refuse
    async with (
        scripted_server(small) as server,
        sdk.connect(sdk.SESSION, server.url, sdk.create_http_client) as client,
    ):
        with anyio.fail_after(2 * SOON_SECONDS):
            await server.until(lambda server: server.seen("GET"))
            if was_open:
                await client.until(is_pushed)
            small.parts |= dict.fromkeys(("GET", "initialize", "tools/call"), refuse)
            await call_and_fail(client)
            # Either SDK asks a second time after a second, and then never again.
            await anyio.sleep(2.5)
            await call_and_fail(client)
            client.notifications.clear()
            small.parts = {"GET": stream}
            await until_answered(client)
            await client.until(is_pushed)


@pytest.mark.skipif(not sdk.MODERN_SDK, reason="the default mode is one of mcp 2.x")
@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("options", [(), ("--stateless",)])
@pytest.mark.parametrize("kind", [sdk.AUTO, sdk.LEGACY])
async def test_a_call_while_the_server_is_down_ends_alone_sessions_or_none(
    generation: str, options: tuple[str, ...], kind: str, servers: Servers
) -> None:
    async with (
        servers.use(generation, *options) as server,
        sdk.connect(kind, server.url, sdk.create_http_client) as client,
    ):
        assert await client.call("echo", text="hello") == "hello"
        server.kill()
        for _ in range(2):
            with anyio.fail_after(SOON_SECONDS), pytest.raises(sdk.CallError) as raised:
                await client.call("echo", text="lost")
            assert raised.value.code == CONNECTION_CLOSED
        await server.start()
        assert await client.call("echo", text="again") == "again"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "body",
    [
        '{"jsonrpc":"2.0","id":"$id","result":{"content":[{"type":"text","text":"mine"}]}}',
        '{"jsonrpc":"2.0","id":$id.0,"result":{"content":[{"type":"text","text":"mine"}]}}',
        '{"jsonrpc":"2.0","id":" +$id ","result":{"content":[{"type":"text","text":"mine"}]}}',
        '[{"jsonrpc":"2.0","id":$id,"result":{"content":[{"type":"text","text":"mine"}]}}]',
        (
            '[{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}'
            ',{"jsonrpc":"2.0","id":999,"result":{"content":[]}}'
            ',{"jsonrpc":"2.0","id":$id,"result":{"content":[{"type":"text","text":"mine"}]}}]'
        ),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_in_another_form_is_understood(
    kind: str, body: str, *, streamed: bool
) -> None:
    small = SmallServer()
    async with (
        scripted_server(small) as server,
        sdk.connect(kind, server.url, sdk.create_http_client) as client,
    ):
        small.parts["tools/call"] = with_id(f"data: {body}\n\n" if streamed else body)

        assert await client.call("session") == "mine"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "body",
    [
        '{"id":$id,"result":{"content":[]}}',
        '{"jsonrpc":"2.0","id":$id,"result":5}',
        '{"jsonrpc":"2.0","id":$id,"error":{"code":"x","message":"no"}}',
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_what_the_sdk_cannot_read_as_an_answer_ends_the_call(
    kind: str, body: str, *, streamed: bool
) -> None:
    small = SmallServer()
    async with (
        scripted_server(small) as server,
        sdk.connect(kind, server.url, sdk.create_http_client) as client,
    ):
        small.parts["tools/call"] = with_id(f"data: {body}\n\n" if streamed else body)

        with anyio.fail_after(SOON_SECONDS), pytest.raises(sdk.CallError):
            await client.call("session")
        del small.parts["tools/call"]
        assert await client.call("session")
