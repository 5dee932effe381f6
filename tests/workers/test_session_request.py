"""One request around a table, in this process: what the application sees, and what goes out."""

import asyncio
import json
from typing import Any

import anyio
import pytest
from mcp_session.asgi import SessionMiddleware
from mcp_session.sessions import (
    MemorySessions,
    SessionEntry,
    SessionTableError,
    TableFault,
)

pytestmark = pytest.mark.anyio

JSON = (b"content-type", b"application/json")
EVENTS = (b"content-type", b"text/event-stream")
ACCEPT = (b"accept", b"application/json, text/event-stream")
RESULT = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "x"}}


def message(method: str, number: int | None = None) -> bytes:
    given = {} if number is None else {"id": number}
    return json.dumps({"jsonrpc": "2.0", **given, "method": method, "params": {}}).encode()


def result(number: int, value: Any = None) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "result": value or {}}).encode()


class Application:
    """A server with sessions; what it was asked stands in `seen`: method, message, ID, name."""

    def __init__(self) -> None:
        self.opened = 0
        self.sessions = set[str]()
        self.seen: list[tuple[str, str, str | None, str | None]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            got = await receive()
            body, more = body + got["body"], got["more_body"]
        session_id = dict(scope["headers"]).get(b"mcp-session-id")
        named = None if session_id is None else session_id.decode()
        asked = json.loads(body)["method"] if body else ""
        told = scope["extensions"]["mcp_session"]["session_id"]
        self.seen.append((scope["method"], asked, named, told))
        await self.answer(scope, asked, named, send)

    async def answer(self, scope: Any, asked: str, named: str | None, send: Any) -> None:
        if asked == "initialize":
            self.opened += 1
            session_id = f"session-{self.opened}"
            self.sessions.add(session_id)
            headers = [JSON, (b"mcp-session-id", session_id.encode())]
            await self.reply(send, 200, headers, result(0, RESULT))
        elif named is not None and named not in self.sessions:
            await self.reply(send, 404, [JSON], b"Session not found")
        elif scope["method"] == "DELETE":
            self.sessions.discard(named or "")
            await self.reply(send, 200, [], b"")
        elif asked.startswith("notifications/"):
            await self.reply(send, 202, [], b"")
        else:
            await self.call(send)

    async def call(self, send: Any) -> None:
        await self.reply(send, 200, [JSON], result(7))

    @staticmethod
    async def reply(send: Any, status: int, headers: Any, body: bytes) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Answer:
    """What went out."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.messages[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(it["body"] for it in self.messages[1:])


async def ask(
    middleware: Any,
    method: str,
    body: bytes = b"",
    *,
    session_id: str | None = None,
    user: str = "alice",
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> Answer:
    answer, pieces = Answer(), [body]

    async def receive() -> Any:
        if not pieces:
            await anyio.sleep_forever()
        return {"type": "http.request", "body": pieces.pop(), "more_body": False}

    async def send(sent: Any) -> None:
        # A server writes at once, and an application may go on with its buffer.
        answer.messages.append({**sent, "body": bytes(sent.get("body", b""))})

    attached = () if session_id is None else ((b"mcp-session-id", session_id.encode()),)
    credential = (b"authorization", b"Bearer " + user.encode())
    scope: dict[str, Any] = {"type": "http", "method": method, "path": "/mcp", "query_string": b""}
    scope["headers"] = [ACCEPT, credential, *attached, *headers]
    with anyio.fail_after(60):
        await middleware(scope, receive, send)
    return answer


async def opened(middleware: Any) -> str:
    answer = await ask(middleware, "POST", message("initialize", 0))
    assert answer.status == 200
    session_id = answer.headers[b"mcp-session-id"].decode()
    initialized = message("notifications/initialized")
    assert (await ask(middleware, "POST", initialized, session_id=session_id)).status == 202
    return session_id


@pytest.mark.parametrize(
    ("method", "body", "headers"),
    [
        ("POST", message("initialize", 0), ()),
        ("POST", message("tools/call", 7), ((b"mcp-protocol-version", b"2026-07-28"),)),
        ("PUT", b"", ()),
    ],
)
async def test_a_session_is_named_to_the_application_only_where_it_is_the_callers(
    method: str, body: bytes, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    application = Application()
    middleware = SessionMiddleware(application, sessions=MemorySessions())
    session_id = await opened(middleware)

    await ask(middleware, method, body, session_id=session_id, user="eve", headers=headers)

    assert application.seen[-1][2:] == (None, None)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PATCH", "PUT"])
async def test_of_a_request_of_another_method_a_table_leaves_out_the_id_and_nothing_else(
    method: str,
) -> None:
    seen: list[tuple[list[tuple[bytes, bytes]], bytes]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["headers"], (await receive())["body"]))
        await Application.reply(send, 404, [(b"x-answer", b" 1 "), (b"x-answer", b"2")], b"body")

    plain = SessionMiddleware(application)
    shared = SessionMiddleware(application, sessions=MemorySessions())
    other = ((b"x-other", b" 1 "), (b"x-other", b"2"))
    answers = [
        await ask(middleware, method, b"\x00 body", session_id="session-1", headers=other)
        for middleware in (plain, shared)
    ]

    (with_id, body), (without, same_body) = seen
    assert without == [it for it in with_id if it[0] != b"mcp-session-id"] != with_id
    assert body == same_body
    assert answers[0].messages == answers[1].messages


async def test_a_session_has_one_name_however_its_id_is_spelled() -> None:
    application = Application()
    middleware = SessionMiddleware(application, sessions=MemorySessions())
    session_id = await opened(middleware)

    again = ((b"mcp-session-id", session_id.encode()),)
    call = message("tools/call", 7)
    await ask(middleware, "POST", call, session_id=f" {session_id}", headers=again)

    assert application.seen[-1][3] == session_id


async def test_whoever_fills_a_restored_session_is_done_before_anything_runs_in_it() -> None:
    application, order = Application(), list[str]()
    begun, may_end = anyio.Event(), anyio.Event()

    async def fill(_restored: Any) -> None:
        order.append("begins")
        begun.set()
        await may_end.wait()
        order.append("is done")

    async def call() -> None:
        answer = await ask(middleware, "POST", message("tools/call", 7), session_id=session_id)
        order.append(f"answered {answer.status}")

    middleware = SessionMiddleware(application, sessions=MemorySessions(), on_restored=fill)
    session_id = await opened(middleware)
    application.sessions.clear()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await begun.wait()
        tasks.start_soon(call)
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert order == ["begins"]
        may_end.set()
    assert order == ["begins", "is done", "answered 200", "answered 200"]


async def test_what_no_process_could_be_sent_is_refused_for_itself() -> None:
    table = MemorySessions()
    applications = [Application(), Application()]
    owner, other = [SessionMiddleware(it, sessions=table) for it in applications]
    session_id = await opened(owner)
    call = message("tools/call", 7)

    assert (await ask(other, "POST", call, session_id=session_id)).status == 200
    two_hosts = ((b"host", b"one"), (b"host", b"two"))
    refused = await ask(other, "POST", call, session_id=session_id, headers=two_hosts)

    assert (refused.status, refused.body) == (400, b"")
    assert len([asked for _, asked, _, _ in applications[0].seen if asked == "tools/call"]) == 1


class Streaming(Application):
    """Answers `initialize` by a stream, and leaves that open."""

    async def reply(self, send: Any, status: int, headers: Any, body: bytes) -> None:  # type: ignore[override] # it waits
        if JSON not in headers:
            await super().reply(send, status, headers, body)
            return
        headers = [EVENTS, *(it for it in headers if it != JSON)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        event = b"data: " + body + b"\n\n"
        await send({"type": "http.response.body", "body": event, "more_body": True})
        if b"protocolVersion" in body:
            await anyio.sleep_forever()
        await send({"type": "http.response.body", "body": b""})


async def test_a_session_is_restored_though_the_stream_of_its_answer_stays_open() -> None:
    application = Streaming()
    middleware = SessionMiddleware(application, sessions=MemorySessions())
    async with anyio.create_task_group() as tasks:
        answers = list[Answer]()

        async def open_() -> None:
            answers.append(await ask(middleware, "POST", message("initialize", 0)))

        # Its client goes once it has read the answer.
        tasks.start_soon(open_)
        with anyio.fail_after(60):
            while not application.sessions:  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
        tasks.cancel_scope.cancel()
    application.sessions.clear()

    call = message("tools/call", 7)
    with anyio.fail_after(8):
        answer = await ask(middleware, "POST", call, session_id="session-1")
    assert answer.status == 200
    assert application.opened == 2


class Refusing(Application):
    """Refuses requests of one host, before it looks at anything else."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if (b"host", b"wrong") in scope["headers"]:
            await self.reply(send, 421, [], b"Invalid Host header")
        else:
            await super().__call__(scope, receive, send)


async def test_a_request_that_is_refused_for_itself_ends_no_session_that_has_to_be_restored() -> (
    None
):
    application, call = Refusing(), message("tools/call", 7)
    middleware = SessionMiddleware(application, sessions=MemorySessions())
    session_id = await opened(middleware)
    application.sessions.clear()

    wrong = await ask(
        middleware, "POST", call, session_id=session_id, headers=((b"host", b"wrong"),)
    )
    right = await ask(middleware, "POST", call, session_id=session_id)

    assert (wrong.status, wrong.body) == (421, b"Invalid Host header")
    assert right.status == 200


class Unwritable(MemorySessions):
    """A table that has no room for entries."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = True

    async def swap(
        self, key: bytes, *, expected: int | None, entry: SessionEntry, seconds: float
    ) -> bool:
        if self.is_full:
            raise SessionTableError(TableFault.FULL)
        return await super().swap(key, expected=expected, entry=entry, seconds=seconds)


class Grouping(Application):
    """Sends from within a group of tasks, as sse-starlette does."""

    async def answer(self, scope: Any, asked: str, named: str | None, send: Any) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(super().answer, scope, asked, named, send)


@pytest.mark.parametrize("kind", [Application, Grouping])
async def test_an_initialize_that_the_table_does_not_know_leaves_no_session_behind(
    kind: type[Application],
) -> None:
    application, table = kind(), Unwritable()
    middleware = SessionMiddleware(application, sessions=table)

    answer = await ask(middleware, "POST", message("initialize", 0))

    assert answer.status == 503
    assert b"mcp-session-id" not in answer.headers
    assert application.sessions == set()
    assert application.seen[-1] == ("DELETE", "", "session-1", None)
    table.is_full = False
    assert await opened(middleware) == "session-2"


@pytest.mark.parametrize("kind", [Application, Grouping])
async def test_an_application_whose_answer_is_not_sent_ends_as_if_its_client_had_left(
    kind: type[Application],
) -> None:
    inner, ended = kind(), list[str]()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        try:
            await inner(scope, receive, send)
        except BaseException as error:
            ended.append(type(error).__name__)
            raise

    middleware = SessionMiddleware(application, sessions=Unwritable())

    assert (await ask(middleware, "POST", message("initialize", 0))).status == 503
    assert ended == ["CancelledError"]


class Reusing(Application):
    """Sends each piece from the same buffer."""

    async def reply(self, send: Any, status: int, headers: Any, body: bytes) -> None:  # type: ignore[override] # it is a method
        await send({"type": "http.response.start", "status": status, "headers": headers})
        buffer = bytearray()
        for at in range(0, len(body), 5):
            buffer[:] = body[at : at + 5]
            await send({"type": "http.response.body", "body": buffer, "more_body": True})
        buffer.clear()
        await send({"type": "http.response.body", "body": buffer})


async def test_what_is_kept_back_goes_out_as_it_was() -> None:
    middleware = SessionMiddleware(Reusing(), sessions=MemorySessions())

    answer = await ask(middleware, "POST", message("initialize", 0))

    assert answer.body == result(0, RESULT)


class Breaking(Application):
    """Fails within the body of its answers."""

    async def reply(self, send: Any, status: int, headers: Any, body: bytes) -> None:  # type: ignore[override] # it is a method
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body[:5], "more_body": True})
        raise RuntimeError


async def test_what_is_kept_back_goes_out_before_an_error() -> None:
    middleware = SessionMiddleware(Breaking(), sessions=MemorySessions())
    answer = Answer()

    async def receive() -> Any:
        return {"type": "http.request", "body": message("initialize", 0), "more_body": False}

    async def send(sent: Any) -> None:
        answer.messages.append(sent)

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/mcp", "headers": [ACCEPT]}
    with pytest.raises(RuntimeError):
        await middleware(scope, receive, send)
    assert (answer.status, answer.body) == (200, result(0, RESULT)[:5])


class Filing(Application):
    """Answers by the path of a file."""

    async def reply(self, send: Any, status: int, headers: Any, body: bytes) -> None:  # type: ignore[override] # it is a method
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.pathsend", "path": "/file"})
        del body


async def test_a_message_of_another_kind_does_not_overtake_what_is_kept_back() -> None:
    middleware = SessionMiddleware(Filing(), sessions=MemorySessions())

    answer = await ask(middleware, "POST", message("initialize", 0))

    kinds = [it["type"] for it in answer.messages]
    assert kinds == ["http.response.start", "http.response.pathsend"]


class Silent(Application):
    """Ends its streams without an answer; with an event ID if it is asked to."""

    event = b": ping\n\n"
    leaves_open = False

    async def call(self, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [EVENTS]})
        await send({"type": "http.response.body", "body": self.event, "more_body": True})
        if not self.leaves_open:
            await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("leaves_open", [False, True])
async def test_a_stream_that_ends_without_the_answer_ends_with_an_error(
    leaves_open: bool,  # noqa: FBT001
) -> None:
    application = Silent()
    application.leaves_open = leaves_open
    middleware = SessionMiddleware(application, sessions=MemorySessions())
    session_id = await opened(middleware)

    answer = await ask(middleware, "POST", message("tools/call", 7), session_id=session_id)

    assert answer.body.startswith(b": ping\n\nevent: message\ndata: {")
    assert answer.body.endswith(b'"id":7}\n\n')
    assert not answer.messages[-1].get("more_body", False)


async def test_a_stream_that_can_be_resumed_may_end_without_the_answer() -> None:
    application = Silent()
    application.event = b"id: 1\ndata:\n\n"
    middleware = SessionMiddleware(application, sessions=MemorySessions())
    session_id = await opened(middleware)

    answer = await ask(middleware, "POST", message("tools/call", 7), session_id=session_id)

    assert answer.body == application.event


class Forgetting(MemorySessions):
    """A table that can throw away what it has."""

    def throw_away(self) -> None:
        with self._lock:
            self._entries.clear()
            self._ends.clear()

    @property
    def count(self) -> int:
        return len(self._entries)


async def test_what_the_table_has_thrown_away_its_owner_writes_again() -> None:
    table = Forgetting()
    middleware = SessionMiddleware(Application(), sessions=table, lease=0.5)
    session_id = await opened(middleware)
    table.throw_away()
    assert (await ask(middleware, "POST", message("ping", 7), session_id=session_id)).status == 200

    with anyio.fail_after(60):
        while not table.count:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.05)


async def test_a_session_of_which_a_stream_is_open_is_in_use() -> None:
    table = Forgetting()
    application = Silent()

    async def wait(send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [EVENTS]})
        await anyio.sleep_forever()

    application.call = wait  # type: ignore[method-assign] # for this test alone
    middleware = SessionMiddleware(application, sessions=table, lease=0.5)
    session_id = await opened(middleware)
    async with anyio.create_task_group() as tasks:

        async def listen() -> None:
            await ask(middleware, "GET", session_id=session_id)

        tasks.start_soon(listen)
        with anyio.fail_after(60):
            for _ in range(2):
                # Nothing is sent, and it is written again each time.
                table.throw_away()
                while not table.count:  # noqa: ASYNC110 - nobody tells of it
                    await asyncio.sleep(0.05)
        tasks.cancel_scope.cancel()


async def test_what_nobody_foresaw_ends_no_watch_over_those_that_are_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks, looked_again = 0, anyio.Event()

    async def look_after(_lease: Any) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            text = "an ID"
            raise ValueError(text)
        looked_again.set()

    monkeypatch.setattr("mcp_session._asgi._heartbeat.Lease.look_after", look_after)
    await opened(SessionMiddleware(Application(), sessions=MemorySessions(), lease=0.5))
    with anyio.fail_after(60):
        await looked_again.wait()

    assert "ValueError" in caplog.text
    assert "an ID" not in caplog.text
