"""What the field and an attacker found, each with the input it was found by."""

import base64
import logging
from html import escape
from typing import Any
from urllib.parse import quote

import anyio
import anyio.lowlevel
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mcp_session import Rule
from mcp_session.asgi import SessionMiddleware, VerdictEvent

from in_process import BODY, JSON, TEXT, Client, answering, body, corrected, scope, start

pytestmark = pytest.mark.anyio

NOT_FOUND = (start(404, TEXT), body(b"Session not found"))
ID = (b"mcp-session-id", b"fresh")
INITIALIZE = b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}'


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def run(middleware: SessionMiddleware, client: Client, **request: Any) -> Client:
    with anyio.fail_after(30):
        await middleware(scope(**request), client.receive, client.send)
    return client


# ---- 1: what is held back is copied


async def test_what_an_application_does_to_its_own_bytearray_changes_no_answer() -> None:
    piece = bytearray(b"Unknown tool")

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        piece[:] = b"unkn"
        await send(start(400, TEXT))
        await send(body(piece, more=True))  # type: ignore[arg-type]
        piece[:] = b"XXXX"
        await send(body(b"own tool"))

    client = await run(SessionMiddleware(application), Client(BODY))

    assert client.body == b"unknown tool"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_pieces_of_any_kind_go_out_once_and_as_they_were(kind: Any) -> None:
    pieces = [b"unknown ", b"sess", b"ions are fine"]
    messages = [body(kind(piece), more=True) for piece in pieces]

    client = await run(
        SessionMiddleware(answering(start(400, TEXT), *messages, body(b""))), Client(BODY)
    )

    assert client.body == b"".join(pieces)
    assert [bytes(it["body"]) for it in messages] == pieces


async def test_a_message_that_is_used_again_goes_out_as_it_was_each_time() -> None:
    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        head = start(400, TEXT)
        await send(head)
        head["status"], head["headers"][:] = 500, []
        message = body(b"unknown ", more=True)
        await send(message)
        message["body"] = b"sessions"
        await send(message)
        message["body"], message["more_body"] = b"!", False
        await send(message)

    client = Client(BODY)

    async def send(message: Any) -> None:
        # As it is when it is sent.
        await client.send(dict(message))

    await SessionMiddleware(application)(scope(), client.receive, send)

    assert client.sent[0] == start(400, TEXT)
    assert client.body == b"unknown sessions!"


# ---- 2: the server's receive is never cancelled


@pytest.mark.parametrize("status", [200, 400, 404])
@pytest.mark.parametrize("pieces", [0, 1, 3])
async def test_no_read_is_cancelled_and_no_piece_lost_when_the_time_is_over(
    status: int, pieces: int
) -> None:
    sent = [BODY[number : number + 9] for number in range(0, len(BODY), 9)]
    cancelled: list[int] = []
    read: list[bytes] = []
    left = [*sent]

    async def receive() -> dict[str, Any]:
        number = len(sent) - len(left)
        try:
            # Those at hand, then one in longer than is waited for.
            await anyio.sleep(0 if number < pieces else 0.04)
        except anyio.get_cancelled_exc_class():
            cancelled.append(number)
            raise
        piece = left.pop(0) if left else b""
        return {"type": "http.request", "body": piece, "more_body": number < len(sent) - 1}

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        await send(start(status, TEXT))
        while (message := await receive())["body"] or message["more_body"]:
            read.append(message["body"])
            if not message["more_body"]:
                break
        await send(body(b"?"))

    client = Client(b"")
    middleware = SessionMiddleware(application, request_timeout=0.02)
    with anyio.fail_after(30):
        await middleware(scope(), receive, client.send)

    assert cancelled == []
    assert b"".join(read) == BODY
    assert client.status == status


async def test_a_read_that_opened_a_scope_of_its_own_goes_on_where_it_began() -> None:
    read: list[bytes] = []

    async def receive() -> dict[str, Any]:
        # As Starlette's BaseHTTPMiddleware reads.
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        await send(NOT_FOUND[0])
        read.append((await receive())["body"])
        await send(NOT_FOUND[1])

    for seconds in (0.01, 5):
        client = Client(b"")
        middleware = SessionMiddleware(application, request_timeout=seconds)
        with anyio.fail_after(30):
            await middleware(scope(), receive, client.send)
        assert client.body == corrected(BODY if seconds == 5 else None)

    assert read == [BODY, BODY]


async def test_what_the_servers_receive_raises_reaches_the_application() -> None:
    async def receive() -> dict[str, Any]:
        await anyio.lowlevel.checkpoint()
        raise ConnectionResetError

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(ConnectionResetError):
            await receive()
        for message in NOT_FOUND:
            await send(message)

    client = Client(b"")
    await SessionMiddleware(application)(scope(), receive, client.send)

    assert client.body == corrected(None)


@pytest.mark.parametrize("begun", [True, False])
async def test_whoever_cancels_the_request_cancels_the_application(begun: bool) -> None:  # noqa: FBT001 - a column
    states: list[str] = []

    async def application(_scope: Any, _receive: Any, _send: Any) -> None:
        states.append("begun")
        try:
            await anyio.sleep_forever()
        finally:
            states.append("ended")

    client = Client(BODY[:9], more=True)
    middleware = SessionMiddleware(application, request_timeout=0.01 if begun else 5)
    with anyio.move_on_after(0.1) as time:
        await middleware(scope(), client.receive, client.send)

    assert time.cancelled_caught
    assert states == (["begun", "ended"] if begun else [])


async def test_an_error_of_an_application_beside_a_read_comes_out_as_it_is() -> None:
    async def application(_scope: Any, _receive: Any, _send: Any) -> None:
        await anyio.lowlevel.checkpoint()
        message = "of the application"
        raise ValueError(message)

    client = Client(BODY[:9], more=True)
    with pytest.raises(ValueError, match="of the application"):
        await run(SessionMiddleware(application, request_timeout=0.01), client)


# ---- 3: an ID is given out by a success alone


MODERN = (b"mcp-protocol-version", b"2026-07-28")
MODERN_META = (
    b'{"jsonrpc":"2.0","id":7,"method":"m","params":'
    b'{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}'
)


@pytest.mark.parametrize("status", [199, 300, 400, 401, 404, 405, 500])
@pytest.mark.parametrize("attached", [None, b"1868a90c"])
@pytest.mark.parametrize("borne", [[ID], []])
@pytest.mark.parametrize(
    ("method", "sent", "headers"),
    [
        ("POST", BODY, [MODERN]),
        ("POST", MODERN_META, []),
        ("POST", INITIALIZE, [MODERN]),
        ("GET", b"", [MODERN]),
        ("OPTIONS", b"", [MODERN]),
        # A server hands on what it was sent, and a requester spells it as it likes.
        ("post", BODY, []),
        ("Get", b"", []),
        ("PURGE", BODY, []),
        ("POST", b"[]", []),
    ],
)
async def test_no_request_gets_an_id_out_of_an_error(
    status: int, attached: bytes | None, borne: Any, method: str, sent: bytes, headers: Any
) -> None:
    trailers = {"type": "http.response.trailers", "headers": [ID, (b"a", b"b")]}
    messages = [start(status, TEXT, *borne, trailers=True), body(b"!"), trailers]
    middleware = SessionMiddleware(answering(*messages))

    client = await run(
        middleware, Client(sent), method=method, session_id=attached, headers=headers
    )

    assert b"fresh" not in repr(client.sent).encode()
    assert client.sent[-1]["type"] != "http.response.trailers" or client.sent[-1]["headers"] == [
        (b"a", b"b")
    ]


async def test_trailers_of_a_success_pass_as_they_are() -> None:
    trailers = {"type": "http.response.trailers", "headers": [ID]}
    messages = [start(200, TEXT, trailers=True), body(b"x"), trailers]

    client = await run(SessionMiddleware(answering(*messages)), Client(BODY))

    assert [id(it) for it in client.sent] == [id(it) for it in messages]


# ---- 4: redaction


def encodings(session_id: str) -> "list[str]":
    """The spellings of an ID that something on the way may make."""
    everything = "".join(f"%{byte:02x}" for byte in session_id.encode())
    return [
        session_id,
        session_id.upper(),
        session_id.lower(),
        session_id.swapcase(),
        quote(session_id, safe=""),
        everything,
        everything.upper(),
        quote(everything, safe=""),
        escape(session_id),
        session_id.replace("-", ""),
        f"{session_id},",
        f" {session_id}",
        "".join(f"\\u{ord(character):04x}" for character in session_id),
        base64.b64encode(session_id.encode()).decode(),
        base64.urlsafe_b64encode(session_id.encode()).decode(),
        session_id.encode().hex(),
        "".join(f"&#{ord(character)};" for character in session_id),
        "\uff10".join(session_id),
    ]


@settings(max_examples=300, deadline=None)
@example("000000/.", 0, "once")
@example("abcdefgh", 0, "upper")
@given(
    st.from_regex(r"[!-+\--~]{8,40}", fullmatch=True),
    st.integers(0, 17),
    st.sampled_from(["once", "twice", "comma", "query", "answer", "upper"]),
)
def test_an_id_in_a_path_is_shown_in_no_case_and_no_encoding(
    session_id: str, encoding: int, known_by: str
) -> None:
    shown = encodings(session_id)[encoding]
    attached = session_id.encode()
    header = (b"mcp-session-id", attached)
    request: dict[str, Any] = {"session_id": None, "headers": [header]}
    answered = [start(400, TEXT, ID), body(b"?")]
    if known_by == "twice":
        request["headers"] = [header, header]
    elif known_by == "comma":
        request["headers"] = [(b"mcp-session-id", b"other, " + attached + b",")]
    elif known_by == "query":
        request["query"] = b"session_id=" + attached
        request["headers"] = [(b"mcp-session-id", b"other")]
    elif known_by == "answer":
        request["headers"] = []
        answered[0] = start(400, TEXT, header)
    elif known_by == "upper":
        request["headers"] = [(b"MCP-SESSION-ID", attached.upper())]
    events: list[VerdictEvent] = []
    middleware = SessionMiddleware(answering(*answered), on_verdict=events.append)

    anyio.run(run_with, middleware, f"/sessions/{shown}/mcp", request)

    (event,) = events
    # The words of the route are shown, unless they could be a part of an ID.
    assert set(event.path.split("/")) <= {"", "*", "...", "sessions", "mcp"}


async def run_with(middleware: SessionMiddleware, path: str, request: dict[str, Any]) -> None:
    client = Client(BODY)
    await middleware(scope(path=path, **request), client.receive, client.send)


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/mcp", "/mcp"),
        ("/mcp/", "/mcp/"),
        ("/api/v1/mcp", "/api/v1/mcp"),
        ("/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource/mcp"),
        ("/sessions/c0ffee00-1234", "/sessions/*"),
        ("/sessions/C0FFEE", "/sessions/*"),
        ("/a\r\nb", "/*"),
        ("/" + "x" * 33, "/*"),
        ("/x" * 9, "/x" * 8 + "/..."),
        ("", "/"),
    ],
)
async def test_of_a_path_its_route_like_shape_is_shown(path: str, shape: str) -> None:
    events: list[VerdictEvent] = []
    middleware = SessionMiddleware(answering(*NOT_FOUND), on_verdict=events.append)

    await run(middleware, Client(BODY), path=path)

    assert events[0].path == shape


# ---- 5: remembered only where it matters


@pytest.mark.parametrize(
    ("request_of", "sent"),
    [
        ({"session_id": None}, b"{" + b" " * 2**20),
        ({"method": "PUT"}, b"{" + b" " * 2**20),
        ({}, b"--boundary" + b"x" * 2**20),
        ({"headers": [(b"content-length", b"999999999")]}, b"{" + b" " * 2**20),
    ],
)
async def test_an_upload_that_can_have_no_id_is_not_remembered(
    request_of: dict[str, Any], sent: bytes
) -> None:
    from mcp_session._core import AsgiMachine, ServerPolicy  # noqa: PLC0415 - not in every version

    machine = AsgiMachine.of(ServerPolicy(), scope(**request_of))

    assert machine is not None
    machine.request({"type": "http.request", "body": sent, "more_body": True})
    assert not machine.remembers_request


async def test_a_hundred_slow_uploads_are_remembered_up_to_the_sum() -> None:
    from mcp_session._core import AsgiMachine, ServerPolicy  # noqa: PLC0415 - not in every version

    policy = ServerPolicy()
    own = [AsgiMachine.of(policy, scope(path="/uploads", session_id=None)) for _ in range(100)]
    mcp = [AsgiMachine.of(policy, scope()) for _ in range(100)]
    piece = {"type": "http.request", "body": b"{" + b" " * (2**20 - 1), "more_body": True}

    for _ in range(4):
        for machine in [*own, *mcp]:
            assert machine is not None
            if machine.remembers_request:
                machine.request(piece)

    assert [it for it in own if it is not None and it.remembers_request] == []
    # Together 64 MiB; of the others no byte is kept.
    assert len([it for it in mcp if it is not None and it.remembers_request]) <= 64


# ---- 6: initialize with a dead ID


class Sessions:
    """An application that refuses every ID it was not told of, before it reads."""

    def __init__(self) -> None:
        self.attached: list[bytes | None] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        attached = dict(scope["headers"]).get(b"mcp-session-id")
        self.attached.append(attached)
        if attached is not None:
            for message in NOT_FOUND:
                await send(message)
            return
        received, more = b"", True
        while more:
            message = await receive()
            received, more = received + message["body"], message["more_body"]
        self.bodies.append(received)
        await send(start(200, JSON, ID))
        await send(body(b"{}"))


@pytest.mark.parametrize("headers", [[], [MODERN], [(b"Mcp-Session-Id", b"dead too")]])
@pytest.mark.parametrize("cuts", [(), (9,), (0, 9, 20)])
async def test_an_initialize_with_a_dead_id_begins_a_session(
    headers: Any, cuts: tuple[int, ...]
) -> None:
    app = Sessions()
    ends = [*cuts, len(INITIALIZE)]
    pieces = [INITIALIZE[a:b] for a, b in zip([0, *cuts], ends, strict=True)]
    given = scope(headers=headers)
    before = {**given, "headers": [*given["headers"]]}
    client = Client(*pieces)

    with anyio.fail_after(30):
        await SessionMiddleware(app)(given, client.receive, client.send)

    assert app.attached == [None]
    assert app.bodies == [INITIALIZE]
    assert client.sent == [start(200, JSON, ID), body(b"{}")]
    # The server's own scope is not touched.
    assert given == before


async def test_an_initialize_that_is_refused_without_an_id_is_no_lost_session() -> None:
    middleware = SessionMiddleware(answering(*NOT_FOUND))

    client = await run(middleware, Client(INITIALIZE))

    assert tuple(client.sent) == NOT_FOUND
    assert middleware.counts == {Rule.NOTHING_TO_CORRECT: 1}


async def test_any_other_request_keeps_its_id() -> None:
    for sent in (BODY, b"[%s]" % INITIALIZE, INITIALIZE[:-1], INITIALIZE.replace(b'"id":0,', b"")):
        app = Sessions()
        await run(SessionMiddleware(app), Client(sent))
        assert app.attached == [b"1868a90c"]
    app = Sessions()
    await run(SessionMiddleware(app, report_only=True), Client(INITIALIZE))
    assert app.attached == [b"1868a90c"]


# ---- 7: paths


@pytest.mark.parametrize(
    ("names", "path", "root_path", "applies"),
    [
        (["/mcp"], "/mcp/", "", True),
        (["/mcp/"], "/mcp", "", True),
        (["/mcp"], "/api/mcp", "/api", True),
        (["/mcp"], "/api/mcp/", "/api/", True),
        (["/api/mcp"], "/api/mcp", "/api", True),
        (["/mcp"], "/api/mcp", "", False),
        (["/mcp"], "/apimcp", "/api", False),
        (["/mcp"], "/mcp", "/api", True),
        (["/tenants/*"], "/api/tenants/a", "/api", True),
        (["/*"], "/anything", "", True),
        (["/"], "/", "", True),
        (["/"], "/mcp", "/mcp", False),
        (["/"], "/mcp/", "/mcp", True),
    ],
)
async def test_paths_are_known_with_a_last_slash_without_it_and_below_a_mount(
    names: list[str],
    path: str,
    root_path: str,
    applies: bool,  # noqa: FBT001 - a column
) -> None:
    client = Client(BODY)
    middleware = SessionMiddleware(answering(*NOT_FOUND), paths=names)

    await middleware(scope(path=path) | {"root_path": root_path}, client.receive, client.send)

    assert (client.body == corrected()) == applies


async def test_a_request_with_a_session_off_the_paths_is_warned_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    middleware = SessionMiddleware(answering(*NOT_FOUND), paths=["/sse"])
    client = Client(BODY)

    for _ in range(3):
        await run(middleware, Client(BODY), session_id=None, path="/messages/")
        sse = {"session_id": None, "query": b"session_id=889dd8e2"}
        client = await run(middleware, Client(BODY), path="/messages/", **sse)

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "`paths`" in record.getMessage()
    assert "/messages/" in record.getMessage()
    assert "889dd8e2" not in record.getMessage()
    assert [id(it) for it in client.sent] == [id(it) for it in NOT_FOUND]
    assert middleware.counts == {}


async def test_a_success_off_the_paths_is_nothing_to_warn_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    middleware = SessionMiddleware(answering(start(200), body(b"ok")), paths=["/mcp"])

    await run(middleware, Client(BODY), path="/other")

    assert caplog.records == []


# ---- 8: headers of a replaced answer, repeated IDs, a send that fails


@pytest.mark.parametrize(
    "name",
    [
        *("Digest", "Content-Digest", "Repr-Digest", "Last-Modified", "Accept-Ranges"),
        *("Signature", "Signature-Input", "X-Accel-Redirect", "X-Sendfile", "Trailer"),
    ],
)
async def test_what_describes_the_replaced_body_does_not_describe_the_answer(name: str) -> None:
    middleware = SessionMiddleware(
        answering(start(404, TEXT, (name.encode(), b"x"), (b"vary", b"origin")), body(b"gone"))
    )

    client = await run(middleware, Client(BODY))

    assert set(client.headers) == {b"vary", b"content-type", b"content-length"}


async def test_identical_repetitions_of_the_session_header_are_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = b"Encounter an error when resume session: Session not found: 1868a90c"
    app = answering(start(500, TEXT), body(text))
    repeated = {"headers": [(b"Mcp-Session-Id", b" 1868a90c ")]}

    client = await run(SessionMiddleware(app), Client(BODY), **repeated)

    assert client.body == corrected()
    assert caplog.records == []


async def test_different_ids_in_one_message_are_warned_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    middleware = SessionMiddleware(answering(start(200), body(b"ok")))

    for _ in range(3):
        await run(middleware, Client(BODY), headers=[(b"mcp-session-id", b"other")])

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("ConflictingSessionIds: ")
    assert "other" not in record.getMessage()


@pytest.mark.parametrize("error", [OSError, RuntimeError, ValueError, KeyError])
async def test_a_send_that_fails_does_not_hide_the_error_of_the_application(
    error: type[Exception],
) -> None:
    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start(400, TEXT))
        await send(body(b"unknown", more=True))
        message = "of the application"
        raise LookupError(message)

    async def send(_message: Any) -> None:
        raise error

    with pytest.raises(LookupError, match="of the application"):
        await SessionMiddleware(application)(scope(), Client(BODY).receive, send)


# ---- 9: browsers, and a name that does not collide


ORIGIN = (b"Origin", b"https://app.example")


@pytest.mark.parametrize(
    ("exposed", "is_hidden"),
    [
        ([], True),
        ([(b"Access-Control-Expose-Headers", b"X-Request-Id")], True),
        ([(b"Access-Control-Expose-Headers", b"X-Request-Id, mcp-session-ID")], False),
        ([(b"access-control-expose-headers", b"*")], False),
    ],
)
async def test_an_id_that_a_browser_cannot_read_is_warned_of_once(
    exposed: Any,
    is_hidden: bool,  # noqa: FBT001 - a column
    caplog: pytest.LogCaptureFixture,
) -> None:
    middleware = SessionMiddleware(answering(start(200, JSON, ID, *exposed), body(b"{}")))

    for _ in range(3):
        await run(middleware, Client(INITIALIZE), session_id=None, headers=[ORIGIN])
        await run(middleware, Client(INITIALIZE), session_id=None)

    warned = [it.getMessage() for it in caplog.records]
    assert len(warned) == is_hidden
    assert all("Access-Control-Expose-Headers: Mcp-Session-Id" in it for it in warned)
    assert "fresh" not in "".join(warned)


def test_a_name_that_does_not_collide_is_the_same_class() -> None:
    from mcp_session.asgi import McpSessionMiddleware  # noqa: PLC0415 - not in every version

    assert McpSessionMiddleware is SessionMiddleware


# ---- An application's own words


@pytest.mark.parametrize("misreports", [(), [(400, "worker has forgotten you")]])
async def test_an_applications_own_misreport_is_corrected_if_it_is_told_of(
    misreports: list[tuple[int, str]],
) -> None:
    said = b"Worker has forgotten  you."
    application = answering(start(400, TEXT), body(said))

    client = await run(SessionMiddleware(application, misreports=misreports), Client(BODY))

    assert (client.status, client.body) == ((404, corrected()) if misreports else (400, said))


def test_misreports_that_make_no_sense_are_refused_by_name() -> None:
    application = answering(start(200), body(b""))

    with pytest.raises(TypeError, match="misreports must be"):
        SessionMiddleware(application, misreports=[400])  # type: ignore[list-item] # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="misreports: "):
        SessionMiddleware(application, misreports=[(400, "")])
