"""The middleware, message by message."""

import doctest
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any

import anyio
import pytest
from mcp_session import Action, Rule
from mcp_session.asgi import SessionMiddleware, VerdictEvent

from in_process import BODY, JSON, TEXT, Client, answering, body, corrected, scope, start
from recordings import TESTS

pytestmark = pytest.mark.anyio

NOT_FOUND = (start(404, TEXT), body(b"Session not found"))


def correcting() -> Iterator[str]:
    """The rules that correct something on the side of servers, by the whole table."""
    for line in (TESTS / "decisions.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("exchange") and "server" in line.split("|")[1]:
            action, rule, *withhold = line.split("=>")[1].split()
            yield from [rule] if action != "PassThrough" else []
            yield from ["SessionIdOnError"] if withhold else []


# What a caller lists itself is in no table.
CORRECTING = frozenset(correcting()) | {"MisreportOfCaller"}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def run(middleware: SessionMiddleware, client: Client, **request: Any) -> Client:
    with anyio.fail_after(30):
        await middleware(scope(**request), client.receive, client.send)
    return client


# ---- What is corrected


async def test_a_lost_session_is_answered_canonically() -> None:
    client = await run(SessionMiddleware(answering(*NOT_FOUND)), Client(BODY))

    assert client.status == 404
    assert client.headers == {
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(client.body),
    }
    assert client.body == corrected()


async def test_the_answer_goes_out_before_the_application_sends_its_body() -> None:
    client = Client(BODY)
    seen: list[int] = []

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send(NOT_FOUND[0])
        seen.append(len(client.sent))
        await send(NOT_FOUND[1])

    await run(SessionMiddleware(application), client)

    assert seen == [2]
    assert len(client.sent) == 2


async def test_headers_that_are_not_of_the_replaced_body_stay() -> None:
    head = start(
        401,
        (b"Access-Control-Allow-Origin", b"*"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"traceparent", b"00-1"),
        (b"Content-Type", b"text/plain"),
        (b"Content-Length", b"31"),
        (b"etag", b"x"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Mcp-Session-Id", b"fresh"),
        trailers=True,
    )
    middleware = SessionMiddleware(answering(head, body(b"Unauthorized: Session not found")))

    client = await run(middleware, Client(BODY))

    assert client.sent[0] == {
        "type": "http.response.start",
        "status": 404,
        "trailers": False,
        "headers": [
            (b"Access-Control-Allow-Origin", b"*"),
            (b"set-cookie", b"a=1"),
            (b"set-cookie", b"b=2"),
            (b"traceparent", b"00-1"),
            (b"content-type", b"application/json"),
            (b"content-length", b"78"),
        ],
    }


@pytest.mark.parametrize("name", [b"session_id", b"sessionId", b"sessionid"])
async def test_the_session_of_http_sse_stands_in_the_query(name: bytes) -> None:
    middleware = SessionMiddleware(answering(*NOT_FOUND))
    query = b"a=b&" + name + b"=889dd8e2"

    posted = await run(middleware, Client(BODY), session_id=None, query=query)
    opened = await run(middleware, Client(b""), session_id=None, query=query, method="GET")

    no_text = await run(middleware, Client(BODY), session_id=None, query=query + b"\xff&\xfe=1")

    assert posted.body == no_text.body == corrected()
    assert tuple(opened.sent) == NOT_FOUND


async def test_a_session_id_on_an_error_does_not_go_out() -> None:
    head = start(400, JSON, (b"Mcp-Session-Id", b"fresh"), (b"vary", b"origin"))
    middleware = SessionMiddleware(answering(head, body(b"{}")))

    client = await run(middleware, Client(BODY), session_id=None)

    assert client.sent == [start(400, JSON, (b"vary", b"origin")), body(b"{}")]
    assert middleware.counts == {Rule.SESSION_ID_ON_ERROR: 1}


async def test_a_modern_exchange_is_left_as_it_is_but_for_an_id_on_a_refusal() -> None:
    modern = b'{"id":7,"method":"m","params":{"_meta":{"VERSION":"2026-07-28"}}}'
    modern = modern.replace(b"VERSION", b"io.modelcontextprotocol/protocolVersion")
    middleware = SessionMiddleware(answering(*NOT_FOUND))

    by_body = await run(middleware, Client(modern))
    version = (b"mcp-protocol-version", b"2026-07-28")
    by_header = await run(middleware, Client(BODY), headers=[version])
    with_id = [start(400, TEXT, (b"mcp-session-id", b"x")), body(b"?")]
    accepted = [start(200, TEXT, (b"mcp-session-id", b"x")), body(b"?")]
    opened = await run(SessionMiddleware(answering(*accepted)), Client(modern), session_id=None)
    refused = await run(SessionMiddleware(answering(*with_id)), Client(modern), session_id=None)

    assert tuple(by_body.sent) == tuple(by_header.sent) == NOT_FOUND
    assert opened.sent == accepted
    # But for the ID, which the requester must not be able to ask for.
    assert refused.sent == [start(400, TEXT), body(b"?")]


async def test_the_id_is_left_out_on_request() -> None:
    middleware = SessionMiddleware(answering(*NOT_FOUND), echo_id=False)

    assert (await run(middleware, Client(BODY))).body == corrected(None)


# ---- The id of the request


async def test_the_id_is_learned_from_what_the_application_reads() -> None:
    read: list[bytes] = []

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        while b"".join(read) != BODY:
            read.append((await receive())["body"])
        for sent in NOT_FOUND:
            await send(sent)

    client = Client(BODY[:9], BODY[9:20], BODY[20:])
    await run(SessionMiddleware(application), client)

    assert read == [BODY[:9], BODY[9:20], BODY[20:]]
    assert client.body == corrected()


@pytest.mark.parametrize("before", [0, 1, 2])
async def test_an_application_reads_after_all_what_it_had_left(before: int) -> None:
    read: list[bytes] = []
    client = Client(BODY[:9], BODY[9:20], BODY[20:], disconnects=True)

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        read.extend([(await receive())["body"] for _ in range(before)])
        for sent in NOT_FOUND:
            await send(sent)
        while (received := await receive())["type"] == "http.request":
            read.append(received["body"])
            if not received["more_body"]:
                break
        assert (await receive())["type"] == "http.disconnect"

    await run(SessionMiddleware(application), client)

    assert client.body == corrected()
    assert b"".join(read) == BODY


@pytest.mark.parametrize("first", ["reads", "answers"])
async def test_an_application_that_reads_and_answers_at_once_loses_nothing(first: str) -> None:
    pieces = [BODY[start : start + 9] for start in range(0, len(BODY), 9)]
    outgoing, incoming = anyio.create_memory_object_stream[dict[str, Any]](0)
    client, read = Client(b""), [b""]
    turn = anyio.Lock()

    async def receive() -> dict[str, Any]:
        # Servers do not promise that two may ask at once.
        turn.acquire_nowait()
        try:
            return await incoming.receive()
        finally:
            turn.release()

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        async def listen() -> None:
            while (received := await receive())["type"] == "http.request":
                read.append(received["body"])

        async def answer() -> None:
            for sent in NOT_FOUND:
                await send(sent)

        async with anyio.create_task_group() as tasks:
            for task in (listen, answer) if first == "reads" else (answer, listen):
                tasks.start_soon(task)
                await anyio.wait_all_tasks_blocked()
            tasks.start_soon(feed)

    async def feed() -> None:
        for piece in pieces:
            more = piece is not pieces[-1]
            await outgoing.send({"type": "http.request", "body": piece, "more_body": more})
        await outgoing.send({"type": "http.disconnect"})

    middleware = SessionMiddleware(application, request_timeout=0.05)
    with anyio.fail_after(30), outgoing, incoming:
        await middleware(scope(), receive, client.send)

    # The time was over before the first piece came.
    assert client.body == corrected(None)
    assert b"".join(read) == BODY


async def test_a_body_that_never_ends_is_waited_for_so_long() -> None:
    middleware = SessionMiddleware(answering(*NOT_FOUND), request_timeout=0.01)

    # The default is longer.
    with anyio.fail_after(4):
        client = await run(middleware, Client(BODY[:9], more=True))

    assert client.status == 404
    assert client.body == corrected(None)


async def test_a_body_that_is_always_there_is_waited_for_so_long() -> None:
    client = Client(b"")

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": True}

    middleware = SessionMiddleware(answering(*NOT_FOUND), request_timeout=0.05)
    with anyio.fail_after(30):
        await middleware(scope(), receive, client.send)

    assert client.body == corrected(None)


async def test_a_body_beyond_the_limit_is_read_no_further() -> None:
    middleware = SessionMiddleware(answering(*NOT_FOUND), max_request_bytes=len(BODY) - 1)
    whole = await run(
        SessionMiddleware(answering(*NOT_FOUND), max_request_bytes=len(BODY)), Client(BODY)
    )

    client = Client(BODY, b" " * 10, b" " * 10)
    await run(middleware, client)

    assert whole.body == corrected()
    assert client.body == corrected(None)
    assert client.given == 1


async def test_a_client_that_is_gone_is_answered_and_the_application_told() -> None:
    read: list[dict[str, Any]] = []

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        for sent in NOT_FOUND:
            await send(sent)
        read.extend([await receive() for _ in range(2)])

    client = Client(BODY[:9], more=True, disconnects=True)
    await run(SessionMiddleware(application), client)

    assert client.body == corrected(None)
    assert read == [
        {"type": "http.request", "body": BODY[:9], "more_body": True},
        {"type": "http.disconnect"},
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_request_is_not_kept_while_its_answer_streams() -> None:
    kept: list[int] = []

    def resident() -> int:
        statm = Path("/proc/self/statm").read_text(encoding="ascii")
        return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        before = resident()
        await send(start(200))
        await send(body(b"", more=True))
        kept.append(resident() - before)
        await send(body(b""))

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{" + b" " * 2**26, "more_body": False}

    client = Client(b"")
    await SessionMiddleware(application, max_request_bytes=2**27)(scope(), receive, client.send)

    assert kept[0] < -(2**25)


@pytest.mark.parametrize("request_of", [{"session_id": None}, {"method": "GET"}])
async def test_nothing_is_read_where_the_answer_does_not_depend_on_it(
    request_of: dict[str, Any],
) -> None:
    middleware = SessionMiddleware(answering(start(404), body(b"?")))

    client = await run(middleware, Client(BODY), **request_of)

    assert client.given == 0


# ---- What is held back


@pytest.mark.parametrize(
    ("status", "first", "held"),
    [
        (200, b"{", False),
        (202, b"", False),
        (400, b"unknown ses", True),
        (400, b"unknown tool", False),
        (400, b"<html>", False),
        (400, b'{"jsonrpc":', True),
        (400, b" " * 5000, False),
        (401, b"Unauthorized: ", True),
        (401, b"<html>", False),
        (403, b"Unauthorized: ", False),
        (405, b"", False),
        (500, b"Encounter an error when resume session: Session ", True),
        (500, b"Encounter an error when check session: ", False),
        (503, b"unknown session", False),
    ],
)
async def test_an_answer_is_held_back_only_while_it_may_report_a_lost_session(
    status: int,
    first: bytes,
    held: bool,  # noqa: FBT001 - a column of the table
) -> None:
    client = Client(BODY)
    sent_at_once: list[Any] = []
    messages = [start(status, TEXT), body(first, more=True), body(b"!", more=True), body(b"")]

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send(messages[0])
        await send(messages[1])
        sent_at_once.extend(client.sent)
        await send(messages[2])
        await send(messages[3])

    await run(SessionMiddleware(application), client)

    assert sent_at_once == ([] if held else messages[:2])
    assert client.sent == messages


async def test_an_answer_goes_out_with_the_piece_that_settles_it() -> None:
    client = Client(BODY)
    sent: list[int] = []

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start(400, TEXT))
        for piece in (b"u", b"nlikely", b" to matter"):
            await send(body(piece, more=True))
            sent.append(len(client.sent))
        await send(body(b""))

    await run(SessionMiddleware(application), client)

    assert sent == [0, 3, 4]


async def test_an_answer_beyond_the_limit_counts_as_not_known() -> None:
    canonical = corrected()
    padded = [body(b" " * 100, more=True), body(canonical)]

    async def answer(limit: int, status: int) -> Client:
        app = answering(start(status, JSON), *padded)
        return await run(SessionMiddleware(app, max_response_bytes=limit), Client(BODY))

    assert (await answer(1000, 404)).sent[1:] == padded
    assert (await answer(99, 404)).body == canonical
    assert (await answer(99, 400)).sent[1:] == padded


async def test_many_small_pieces_fill_the_limit_too() -> None:
    client = Client(BODY)
    sent: list[int] = []

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start(400, TEXT))
        for _ in range(2000):
            await send(body(b"", more=True))
            sent.append(len(client.sent))
        await send(body(b""))

    await run(SessionMiddleware(application), client)

    assert sent.index(next(filter(None, sent))) == 64 * 1024 // 64
    assert len(client.sent) == 2002


async def test_what_is_held_back_is_looked_at_in_linear_time() -> None:
    pieces = [body(b'{"jsonrpc":"2.0","error":{"message":"', more=True)]
    pieces += [body(b"x", more=True)] * 100_000
    middleware = SessionMiddleware(
        answering(start(400, JSON), *pieces, body(b'"}}')), max_response_bytes=2**30
    )

    # Four kilobytes settle it, and were each of their bytes a look, that would be eight million.
    begun = process_time()
    client = await run(middleware, Client(BODY))

    assert client.body.endswith(b'"}}')
    assert process_time() - begun < 5


async def test_the_canonical_answer_of_an_application_passes_as_it_is() -> None:
    messages = [start(404, JSON), body(b'{ "id": 7, "error": {"code": -32001, ', more=True)]
    messages.append(body(b'"message": "gone"}, "jsonrpc": "2.0"}'))
    middleware = SessionMiddleware(answering(*messages))

    assert (await run(middleware, Client(BODY))).sent == messages
    assert middleware.counts == {Rule.CANONICAL_NOT_FOUND: 1}
    other_id = BODY.replace(b"7", b"8")
    assert (await run(middleware, Client(other_id))).body.endswith(b'"id":8}')


async def test_an_encoded_body_matches_nothing() -> None:
    gzip = (b"content-encoding", b"gzip")
    misreport = [start(400, TEXT, gzip), body(b"unknown session")]
    canonical = answering(start(404, JSON, gzip), body(corrected()))

    assert (await run(SessionMiddleware(answering(*misreport)), Client(BODY))).sent == misreport
    client = await run(SessionMiddleware(canonical), Client(BODY))
    assert client.body == corrected()
    assert b"content-encoding" not in client.headers


@pytest.mark.parametrize("before", [(), (body(b"unknown session", more=True),)])
async def test_what_is_no_body_ends_the_hold(before: tuple[Any]) -> None:
    client = Client(BODY)
    messages = [start(400, TEXT), *before]
    messages.append({"type": "http.response.zerocopysend", "file": object(), "more_body": True})
    sent_at_once: list[Any] = []

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        for one in messages:
            await send(one)
        sent_at_once.extend(client.sent)
        await send(body(b""))

    await run(SessionMiddleware(application), client)

    assert sent_at_once == messages
    assert client.sent == [*messages, body(b"")]
    messages[-1] = {"type": "http.response.pathsend", "path": "/some/file"}
    assert (await run(SessionMiddleware(answering(*messages)), Client(BODY))).sent == messages


async def test_what_an_application_leaves_unfinished_goes_out_as_far_as_it_came() -> None:
    messages = [start(400, TEXT), body(b"unknown", more=True)]
    middleware = SessionMiddleware(answering(*messages))

    assert (await run(middleware, Client(BODY))).sent == messages
    assert middleware.counts == {Rule.NOTHING_TO_CORRECT: 1}


# ---- What passes


async def test_trailers_hints_and_pushes_pass() -> None:
    messages: list[Any] = [
        {"type": "http.response.early_hint", "links": [b"</a.css>"]},
        {"type": "http.response.push", "path": "/a.css", "headers": []},
        start(200, TEXT, trailers=True),
        body(b"x", more=True),
        body(b""),
        {"type": "http.response.trailers", "headers": [(b"a", b"b")], "more_trailers": False},
    ]

    client = await run(SessionMiddleware(answering(*messages)), Client(BODY))

    assert [id(it) for it in client.sent] == [id(it) for it in messages]


@pytest.mark.parametrize("kind", ["http.response.pathsend", "http.response.zerocopysend", "x.y"])
async def test_messages_of_extensions_pass_before_and_in_an_answer(kind: str) -> None:
    messages: list[Any] = [
        {"type": "http.response.debug", "info": {"template": "a.html"}},
        start(200, TEXT),
        {"type": kind, "path": "/some/file", "file": object()},
        body(b""),
    ]

    client = await run(SessionMiddleware(answering(*messages)), Client(BODY))

    assert [id(it) for it in client.sent] == [id(it) for it in messages]


async def test_nothing_of_a_replaced_answer_goes_out() -> None:
    trailers = {"type": "http.response.trailers", "headers": [(b"a", b"b")]}
    middleware = SessionMiddleware(answering(start(404, TEXT, trailers=True), body(b"x"), trailers))

    client = await run(middleware, Client(BODY))

    assert [it["type"] for it in client.sent] == ["http.response.start", "http.response.body"]
    assert client.sent[0]["trailers"] is False


async def test_what_asgi_lets_out_may_be_left_out() -> None:
    def application(status: int) -> Any:
        head = {"type": "http.response.start", "status": status}
        return SessionMiddleware(answering(head, {"type": "http.response.body"}))

    client, bare = Client(BODY), scope()
    bare.pop("query_string")
    await application(404)(bare, client.receive, client.send)

    assert client.body == corrected()
    assert (await run(application(200), Client(BODY))).sent[0] == {
        "type": "http.response.start",
        "status": 200,
    }
    assert len((await run(application(400), Client(BODY))).sent) == 2


async def test_headers_count_in_any_case_and_without_the_space_around_them() -> None:
    client = Client(BODY)
    spaced = scope(session_id=None, headers=[(b"MCP-Session-Id", b" 1868a90c ")])
    head = start(404, (b"Content-Type", b" application/json "))
    middleware = SessionMiddleware(answering(head, body(corrected())))

    await middleware(spaced, client.receive, client.send)

    assert client.sent == [head, body(corrected())]
    assert middleware.counts == {Rule.CANONICAL_NOT_FOUND: 1}
    events: list[VerdictEvent] = []
    for session_id in (b"1868a90c", b" 1868a90c\t"):
        middleware = SessionMiddleware(answering(*NOT_FOUND), on_verdict=events.append)
        await run(middleware, Client(BODY), session_id=session_id)
    assert events[0] == events[1]


@pytest.mark.parametrize("types", [(JSON, TEXT), (TEXT, JSON)])
async def test_a_header_that_is_repeated_has_all_its_values(types: tuple[Any, Any]) -> None:
    middleware = SessionMiddleware(answering(start(404, *types), body(corrected())))

    client = await run(middleware, Client(BODY))

    assert client.headers[b"content-type"] == b"application/json"
    assert middleware.counts == {Rule.UNCANONICAL_NOT_FOUND: 1}


async def test_headers_may_be_any_iterable_of_pairs() -> None:
    head = start(200)
    head["headers"] = iter([[b"a", b"b"]])

    client = await run(SessionMiddleware(answering(head, body(b""))), Client(BODY))

    assert client.sent[0]["headers"] == [[b"a", b"b"]]


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
async def test_other_scopes_reach_the_application_untouched(kind: str) -> None:
    got: list[Any] = []

    async def application(*arguments: Any) -> None:
        got.extend(arguments)

    client, given = Client(b""), scope(kind=kind)
    receive, send = client.receive, client.send
    await SessionMiddleware(application)(given, receive, send)

    assert got == [given, receive, send]


@pytest.mark.parametrize(
    ("path", "applies"),
    [
        ("/mcp", True),
        ("/mcp/", True),
        ("/mcp//", False),
        ("/x/mcp", False),
        ("/tenants/a/b", True),
        ("/tenants", False),
    ],
)
async def test_paths_that_are_not_named_are_not_looked_at(path: str, applies: bool) -> None:  # noqa: FBT001 - a column
    middleware = SessionMiddleware(answering(*NOT_FOUND), paths=["/mcp", "/tenants/*"])

    client = await run(middleware, Client(BODY), path=path)

    assert (tuple(client.sent) != NOT_FOUND) == applies
    assert bool(middleware.counts) == applies


async def test_disconnects_reach_the_application() -> None:
    received: list[str] = []

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        await send(start(200))
        received.extend([(await receive())["type"] for _ in range(2)])

    await run(SessionMiddleware(application), Client(BODY, disconnects=True))

    assert received == ["http.request", "http.disconnect"]


async def test_a_slow_client_slows_the_application_down() -> None:
    may_go_on = anyio.Event()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) == 3:
            await may_go_on.wait()

    middleware = SessionMiddleware(answering(start(200), *[body(b"x", more=True)] * 9))
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(middleware, scope(), Client(BODY).receive, send)
            await anyio.wait_all_tasks_blocked()
            assert len(sent) == 3
            may_go_on.set()

    assert len(sent) == 10


@pytest.mark.parametrize(
    "sent", [(), (start(200),), (start(400, TEXT), body(b"unknown", more=True))]
)
async def test_an_error_of_the_application_comes_out_after_what_it_sent(sent: tuple[Any]) -> None:
    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        for one in sent:
            await send(one)
        message = "of the application"
        raise ValueError(message)

    client = Client(BODY)
    with pytest.raises(ValueError, match="of the application"):
        await run(SessionMiddleware(application), client)

    assert tuple(client.sent) == sent


async def test_an_application_that_sends_for_ever_does_not_stop_the_others() -> None:
    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start(404, TEXT))
        while True:
            await send(body(b"x", more=True))

    client = Client(BODY)
    with anyio.move_on_after(0.05) as scope_of_time:
        await SessionMiddleware(application)(scope(), client.receive, client.send)

    assert scope_of_time.cancelled_caught
    assert client.body == corrected()


@pytest.mark.parametrize(("method", "status"), [("G T", 404), ("POST", 99), ("POST", 1000)])
@pytest.mark.parametrize("reads", [0, 1])
async def test_what_is_no_http_is_left_to_the_server(method: str, status: int, reads: int) -> None:
    messages = [start(status, TEXT), body(b"")]

    client = await run(
        SessionMiddleware(answering(*messages, reads=reads)), Client(BODY), method=method
    )

    assert client.sent == messages


# ---- Options


async def test_a_rule_that_is_switched_off_corrects_nothing_and_is_told_of() -> None:
    events: list[VerdictEvent] = []
    messages = [start(400, TEXT), body(b"unknown session")]
    middleware = SessionMiddleware(
        answering(*messages),
        disabled_rules=["MisreportUnknownSession", Rule.SESSION_ID_ON_ERROR],
        on_verdict=events.append,
    )

    client = await run(middleware, Client(BODY))

    assert client.sent == messages
    assert [(it.rule, it.applied) for it in events] == [(Rule.MISREPORT_UNKNOWN_SESSION, False)]


@pytest.mark.parametrize("rule", sorted(CORRECTING))
async def test_an_id_is_withheld_although_another_correction_is_switched_off(rule: str) -> None:
    head = start(404, JSON, (b"mcp-session-id", b"fresh"))
    refused = start(400, TEXT, (b"mcp-session-id", b"fresh"))

    async def answered(*messages: Any, disabled: set[str]) -> Client:
        middleware = SessionMiddleware(answering(*messages), disabled_rules=disabled)
        return await run(middleware, Client(BODY))

    is_kept = rule == "SessionIdOnError"
    lost = await answered(head, body(b"{}"), disabled={"UncanonicalNotFound", rule})
    error = await answered(refused, body(b"?"), disabled={rule})

    assert lost.sent == [head if is_kept else start(404, JSON), body(b"{}")]
    assert error.sent == [refused if is_kept else start(400, TEXT), body(b"?")]


async def test_reporting_only_changes_nothing_and_waits_for_nothing() -> None:
    events: list[VerdictEvent] = []
    client = Client(BODY, more=True)
    at_once: list[int] = []

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start(400, TEXT))
        await send(body(b"unknown", more=True))
        at_once.append(len(client.sent))
        await send(body(b" session"))

    middleware = SessionMiddleware(application, report_only=True, on_verdict=events.append)
    await run(middleware, client)
    await run(middleware, ok := Client(BODY), path="/other", session_id=None)

    assert at_once[0] == 2
    assert client.given == 0
    assert client.body == ok.body == b"unknown session"
    assert [it["type"] for it in client.sent] == [
        "http.response.start",
        *["http.response.body"] * 2,
    ]
    assert [(it.rule, it.action, it.applied) for it in events] == [
        (Rule.MISREPORT_UNKNOWN_SESSION, Action.NOT_FOUND_RESPONSE, False),
        (Rule.NOTHING_TO_CORRECT, Action.PASS_THROUGH, False),
    ]
    assert middleware.counts.total() == 2


async def test_an_event_says_what_was_corrected_without_the_id() -> None:
    events: list[VerdictEvent] = []
    middleware = SessionMiddleware(answering(*NOT_FOUND), on_verdict=events.append)

    for _ in range(2):
        await run(middleware, Client(BODY))
    await run(middleware, Client(BODY), session_id=b"another")

    first, again, another = events
    assert first == again
    assert first.fingerprint != another.fingerprint
    assert (first.rule, first.method, first.path) == (Rule.UNCANONICAL_NOT_FOUND, "POST", "/mcp")
    assert (first.status, first.applied) == (404, True)
    assert "1868a90c" not in repr(first)


async def test_a_hook_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def hook(_event: VerdictEvent) -> None:
        raise ZeroDivisionError

    client = await run(SessionMiddleware(answering(*NOT_FOUND), on_verdict=hook), Client(BODY))

    assert client.body == corrected()
    assert "on_verdict" in caplog.text


async def test_corrections_are_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "mcp_session")

    await run(SessionMiddleware(answering(*NOT_FOUND)), Client(BODY))

    (record,) = caplog.records
    assert record.name == "mcp_session.asgi"
    assert record.getMessage().startswith(
        "UncanonicalNotFound: POST /mcp was answered 404; session "
    )
    assert "1868a90c" not in record.getMessage()


async def test_what_is_only_reported_is_logged_a_level_higher(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "mcp_session")

    for report_only in (False, True):
        middleware = SessionMiddleware(answering(*NOT_FOUND), report_only=report_only)
        await run(middleware, Client(BODY))

    corrected_record, reported = caplog.records
    assert (corrected_record.levelno, reported.levelno) == (logging.DEBUG, logging.INFO)
    assert corrected_record.getMessage().endswith("; corrected")
    assert reported.getMessage().endswith("; left as it is")


async def test_nothing_is_told_of_what_passes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "mcp_session")
    events: list[VerdictEvent] = []
    middleware = SessionMiddleware(answering(start(200), body(b"")), on_verdict=events.append)

    await run(middleware, Client(BODY))

    assert middleware.counts == {Rule.NOTHING_TO_CORRECT: 1}
    assert events == []
    assert caplog.records == []


async def test_an_event_of_a_withheld_id_has_the_fingerprint_of_that_id() -> None:
    events: list[VerdictEvent] = []
    refused = start(400, TEXT, (b"mcp-session-id", b"1868a90c"))
    for app in (answering(refused, body(b"?")), answering(*NOT_FOUND)):
        attached = None if not events else b"1868a90c"
        await run(
            SessionMiddleware(app, on_verdict=events.append), Client(BODY), session_id=attached
        )

    withheld, lost = events
    assert withheld.rule is Rule.SESSION_ID_ON_ERROR
    assert (withheld.status, withheld.method, withheld.applied) == (400, "POST", True)
    assert withheld.fingerprint == lost.fingerprint


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"paths": "/mcp"}, TypeError, "paths must be a collection, not str"),
        ({"paths": [b"/mcp"]}, TypeError, "paths must be str, not bytes"),
        ({"paths": ["mcp"]}, ValueError, "paths must begin with a slash: 'mcp'"),
        ({"paths": []}, ValueError, "paths must name at least one path"),
        ({"paths": ["/mcp*"]}, ValueError, r"no other wildcard than /\* at the end: '/mcp\*'"),
        ({"paths": ["/*/mcp"]}, ValueError, "no other wildcard"),
        ({"paths": ["/{tenant}/mcp"]}, ValueError, "no other wildcard"),
        ({"echo_id": 1}, TypeError, "echo_id must be a bool, not int"),
        ({"report_only": None}, TypeError, "report_only must be a bool, not NoneType"),
        ({"max_request_bytes": -1}, ValueError, "max_request_bytes must not be negative: -1"),
        ({"max_request_bytes": 1.5}, TypeError, "max_request_bytes must be an int, not float"),
        ({"max_response_bytes": True}, TypeError, "max_response_bytes must be an int, not bool"),
        (
            {"request_timeout": "5"},
            TypeError,
            "request_timeout must be a number of seconds, not str",
        ),
        ({"request_timeout": float("inf")}, ValueError, "request_timeout must be finite"),
        ({"disabled_rules": "X"}, TypeError, "disabled_rules must be a collection, not str"),
        ({"disabled_rules": ["X"]}, ValueError, "'X' is not a valid Rule"),
        (
            {"disabled_rules": [Rule.TERMINATED_POST]},
            ValueError,
            "correct something: TerminatedPost",
        ),
        ({"on_verdict": 1}, TypeError, "on_verdict must be callable, not int"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        SessionMiddleware(answering(), **options)


def test_options_are_keywords_and_the_application_is_callable() -> None:
    # For calls that type checkers rightly refuse.
    make: Any = SessionMiddleware
    with pytest.raises(TypeError):
        make(answering(), ["/mcp"])
    with pytest.raises(TypeError, match="app must be callable, not str"):
        make("application")


@pytest.mark.parametrize("documented", [SessionMiddleware, VerdictEvent])
def test_every_public_docstring_has_an_example_that_holds(documented: Any) -> None:
    examples = doctest.DocTestFinder(recurse=False).find(documented, "documented", globs={})

    assert examples[0].examples
    assert all(doctest.DocTestRunner().run(it).failed == 0 for it in examples)


def test_exactly_the_rules_that_correct_can_be_switched_off() -> None:
    def can_be_switched_off(rule: Rule) -> bool:
        try:
            SessionMiddleware(answering(), disabled_rules=[rule])
        except ValueError:
            return False
        return True

    assert {rule.value for rule in Rule if can_be_switched_off(rule)} == CORRECTING
    assert json.dumps(sorted(CORRECTING)).count("Misreport") == 28


def test_nothing_is_imported_but_anyio() -> None:
    code = "import sys, mcp_session.asgi; print(*{name.partition('.')[0] for name in sys.modules})"
    command = [sys.executable, "-W", "ignore", "-c", code]
    before, after = (
        set(subprocess.run(it, check=True, capture_output=True, text=True).stdout.split())
        for it in ([*command[:-1], code.replace(", mcp_session.asgi", ", anyio.lowlevel")], command)
    )

    assert after - before - sys.stdlib_module_names == {"mcp_session"}
