"""What faults of others do not do to a middleware with a table: hooks, methods, addresses."""

import asyncio
import json
import logging
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from mcp_session._asgi import _session_request, _shared
from mcp_session._asgi._addresses import PeerAddresses
from mcp_session._gateway.upstreams import Upstreams
from mcp_session.asgi import SessionMiddleware
from mcp_session.gateway import Gateway
from mcp_session.sessions import MemorySessions, SessionTableError, TableFault

pytestmark = pytest.mark.anyio

OPENING = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}'
CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}'
UNUSABLE = [
    *("10.0.3.7:8000", "nonsense", "ftp://x", "http://", "http://[::1", "http://h:99999"),
    *("http://é:1", " http://h", "http://h/base", f"http://{'x' * 64}.example", "http://a..b"),
]

REFUSED = (
    "^peer_url must be a URL (of http:// or https:// with a host"
    "|without a path: each request brings its own)$"
)


class Application:
    """Opens sessions, which it can forget, and notes what it was asked."""

    def __init__(self) -> None:
        self.live: set[bytes] = set()
        self.opened = 0
        self.asked: list[tuple[str, dict[bytes, bytes]]] = []
        self.hangs = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        own = dict(scope["headers"])
        self.asked.append((scope["method"], own))
        headers, status, result = [(b"content-type", b"application/json")], 200, b"{}"
        if b'"initialize"' in body:
            if self.hangs:
                await anyio.sleep_forever()
            self.opened += 1
            self.live.add(session := b"session-%d" % self.opened)
            headers.append((b"mcp-session-id", session))
            version = {"protocolVersion": "2025-11-25"}
            result = json.dumps({"jsonrpc": "2.0", "id": 1, "result": version}).encode()
        elif own.get(b"mcp-session-id", b"session-1") not in self.live:
            status = 404
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": result, "more_body": False})


async def ask(
    application: Any, method: str = "POST", body: bytes = CALL, **headers: str
) -> tuple[int, bytes]:
    """The status and the body of the answer."""
    given, sent = [body], list[Any]()

    async def receive() -> Any:
        if not given:
            await anyio.sleep_forever()
        return {"type": "http.request", "body": given.pop(), "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = [(name.replace("_", "-").encode(), it.encode()) for name, it in headers.items()]
    scope = {"type": "http", "method": method, "path": "/mcp", "query_string": b""}
    await application({**scope, "headers": pairs}, receive, send)
    return sent[0]["status"], b"".join(it.get("body", b"") for it in sent[1:])


def raising(restored: Any) -> None:
    """A hook that looks up what it has not stored."""
    store: dict[str, str] = {}
    store[restored.session_id]


async def test_of_what_a_hook_raises_the_type_and_the_place_are_logged_and_no_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    application = Application()
    middleware = SessionMiddleware(application, sessions=MemorySessions(), on_restored=raising)
    assert (await ask(middleware, body=OPENING))[0] == 200
    application.live.clear()
    with caplog.at_level(logging.INFO, logger="mcp_session.asgi"):
        assert (await ask(middleware, mcp_session_id="session-1"))[0] == 200

    (line,) = [it for it in caplog.records if it.levelno == logging.ERROR]
    message = line.getMessage()
    assert message.startswith("The hook `on_restored` raised KeyError at test_resilience.py:")
    assert line.exc_info is None
    assert "session-1" not in caplog.text


async def test_a_hook_that_hangs_holds_its_session_only_so_long(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_restored: object) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr(_shared, "_HOOK_SECONDS", 0.05)
    application = Application()
    middleware = SessionMiddleware(application, sessions=MemorySessions(), on_restored=hang)
    assert (await ask(middleware, body=OPENING))[0] == 200
    application.live.clear()
    with anyio.fail_after(60):
        assert (await ask(middleware, mcp_session_id="session-1"))[0] == 200

    assert "The hook `on_restored` took longer than 0.05 s" in caplog.text


async def test_what_a_hook_for_verdicts_raises_is_logged_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def hook(_event: object) -> None:
        message = "SECRET"
        raise ValueError(message)

    middleware = SessionMiddleware(Application(), on_verdict=hook)
    assert (await ask(middleware, mcp_session_id="session-1"))[0] == 404

    assert "ValueError at test_resilience.py:" in caplog.text
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize("method", ["post", "Get", "dElEtE", "initialize", "A" * 5000])
async def test_a_method_in_whatever_letters_is_the_applications_matter(method: str) -> None:
    application = Application()
    middleware = SessionMiddleware(application, sessions=MemorySessions())
    assert (await ask(middleware, body=OPENING))[0] == 200
    assert (await ask(middleware, method))[0] == 200
    assert application.asked[-1][0] == method


async def test_a_method_in_small_letters_is_no_matter_of_a_table_that_is_down() -> None:
    application = Application()
    assert (await ask(SessionMiddleware(application, sessions=Down()), "delete"))[0] == 404
    assert application.asked[-1][0] == "delete"


async def test_without_a_table_no_id_and_no_mark_of_a_hop_gets_to_the_application() -> None:
    application = Application()
    middleware = SessionMiddleware(application, sessions=Down())
    given: Any = {"mcp_session_id": "stolen", "mcp_session_hop": "forged"}
    assert (await ask(middleware, mcp_protocol_version="2026-07-28", **given))[0] == 404
    for method in ("HEAD", "OPTIONS", "PUT"):
        assert (await ask(middleware, method, **given))[0] == 404
    assert len(application.asked) == 4
    for _, headers in application.asked:
        assert not {b"mcp-session-id", b"mcp-session-hop"} & headers.keys()


async def test_without_a_table_what_is_of_a_session_is_503_with_the_id_of_the_request() -> None:
    application = Application()
    middleware = SessionMiddleware(application, sessions=Down())
    status, body = await ask(middleware, mcp_session_id="session-1")
    assert (status, json.loads(body)["id"]) == (503, 7)
    assert (await ask(middleware, body=OPENING))[0] == 503
    assert (await ask(middleware, "DELETE", mcp_session_id="session-1"))[0] == 503
    assert application.asked == []


@pytest.mark.parametrize("url", UNUSABLE)
def test_a_url_that_no_process_could_be_reached_at_is_refused_when_it_is_given(url: str) -> None:
    makers: list[Callable[[], object]] = [
        lambda: SessionMiddleware(Application(), sessions=MemorySessions(), peer_url=url),
        lambda: Gateway(["http://127.0.0.1:9/mcp"], peer_url=url),
    ]
    for make in makers:
        with pytest.raises(ValueError, match=REFUSED):
            make()


@pytest.mark.parametrize("url", UNUSABLE)
def test_to_an_address_that_cannot_be_read_there_is_no_way(url: str) -> None:
    for path in (None, "/tmp/\0peer"):  # noqa: S108 - no file
        written = PeerAddresses("another host", path, url).encoded()
        read = PeerAddresses.decoded(written)
        assert (read.socket_path, read.url) == (None, None)


async def test_who_waited_for_a_restore_that_failed_shares_its_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_session_request, "_RESTORE_SECONDS", 1.0)
    application = Application()
    middleware = SessionMiddleware(application, sessions=MemorySessions())
    assert (await ask(middleware, body=OPENING))[0] == 200
    application.live.clear()
    application.hangs = True
    answers: list[tuple[int, bytes]] = []

    async def call() -> None:
        answers.append(await ask(middleware, mcp_session_id="session-1"))

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(call)

    assert [status for status, _ in answers] == [503] * 8
    # One asked for all of them; alone, each would have asked for itself.
    assert len([it for it in application.asked if b"mcp-session-id" not in it[1]]) == 2

    application.hangs = False
    assert (await ask(middleware, mcp_session_id="session-1"))[0] == 200


def test_a_session_goes_on_where_each_request_has_an_event_loop_of_its_own() -> None:
    others = threading.enumerate()
    application = Application()
    middleware = SessionMiddleware(application, sessions=MemorySessions())
    assert asyncio.run(ask(middleware, body=OPENING))[0] == 200

    for _ in range(4):
        assert asyncio.run(ask(middleware, mcp_session_id="session-1"))[0] == 200

    # The thread of each but the last has ended.
    hearts = [it for it in threading.enumerate() if it.name == "mcp-session-lease"]
    (last,) = [it for it in hearts if it not in others]
    last.join(60)
    assert not last.is_alive()


class Down(MemorySessions):
    """A table that cannot be reached."""

    async def hashing_key(self) -> bytes:
        raise SessionTableError(TableFault.UNREACHABLE)


@pytest.mark.parametrize("pieces", [[CALL], [CALL[:9], CALL[9:]]])
async def test_what_one_server_has_begun_to_read_the_other_gets_from_its_beginning_or_not(
    pieces: list[bytes],
) -> None:
    reset, got = asyncio.Event(), list[bytes]()

    async def broken(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lingers_not_at_all = struct.pack("ii", 1, 0)
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingers_not_at_all)
        writer.transport.abort()
        await writer.wait_closed()
        reset.set()

    async def good(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        got.append(await reader.readexactly(len(CALL)))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        writer.close()

    servers = [await asyncio.start_server(it, "127.0.0.1", 0) for it in (broken, good)]
    urls = [f"http://127.0.0.1:{it.sockets[0].getsockname()[1]}/mcp" for it in servers]

    def counted(*_: object) -> None:
        """Nobody looks."""

    upstreams = Upstreams(urls, counted, ())
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    # One of these requests goes to the broken one first: they take turns.
    for turn in (1, 2):
        is_broken_first = sorted(urls)[turn % 2] == urls[0]
        left = list(pieces)

        async def receive(left: list[bytes] = left, waits: bool = is_broken_first) -> Any:  # noqa: FBT001 - as it is at hand
            if waits:
                await reset.wait()
            if not left:
                await anyio.sleep_forever()
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

        headers = [(b"content-length", b"%d" % len(CALL))]
        scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b""}
        await upstreams({**scope, "headers": headers}, receive, send)
        status = next(it["status"] for it in reversed(sent) if "status" in it)
        # What did not come whole cannot be given twice.
        assert status == (503 if is_broken_first and len(pieces) > 1 else 200)
    assert got == [CALL] * (2 if len(pieces) == 1 else 1)
    for server in servers:
        server.close()


async def test_a_target_that_no_server_takes_is_refused_and_the_servers_count_as_reached() -> None:
    got, sent = list[bytes](), list[Any]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read(1))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    outcomes = list[str]()

    def counted(_number: int, outcome: str) -> None:
        outcomes.append(outcome)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    upstreams = Upstreams([f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"], counted, ())
    scope = {"type": "http", "method": "GET", "raw_path": b"/\x80", "headers": []}
    with anyio.fail_after(60):
        await upstreams(scope, receive, send)
        while not got:  # noqa: ASYNC110 - nobody tells of it
            await anyio.sleep(0.01)
    server.close()

    assert (sent[0]["status"], got, outcomes) == (400, [b""], ["answered"])
