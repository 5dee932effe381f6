"""What the middleware with a table does before it looks a session up."""

import json
import logging
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from mcp_session.asgi import SessionMiddleware
from mcp_session.sessions import MemorySessions

pytestmark = pytest.mark.anyio

OPENING = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}'
CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}'
EVENTS = (b"accept", b"application/json, text/event-stream")


class Application:
    """Opens sessions, and answers 200 to whatever else it is asked."""

    def __init__(self) -> None:
        self.opened = 0
        self.paths: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        self.paths.append(scope["path"])
        headers, result = [(b"content-type", b"application/json")], b"{}"
        if b'"initialize"' in body:
            self.opened += 1
            headers.append((b"mcp-session-id", b"session-%d" % self.opened))
            version = {"protocolVersion": "2025-11-25"}
            result = json.dumps({"jsonrpc": "2.0", "id": 1, "result": version}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": result, "more_body": False})


async def ask(
    middleware: Any,
    method: str,
    *headers: tuple[bytes, bytes],
    path: str = "/mcp",
    body: bytes = b"",
    pause: float = 0.0,
    **more: Any,
) -> tuple[int, str | None]:
    """The status of the answer, and the session ID that it bears."""
    pieces = [body[:1], body[1:]]
    sent: list[Any] = []

    async def receive() -> Any:
        if not pieces:
            await anyio.sleep_forever()
        if len(pieces) == 1:
            await anyio.sleep(pause)
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "query_string": b""}
    await middleware({**scope, "headers": list(headers), **more}, receive, send)
    named = dict(sent[0]["headers"])
    session_id = named.get(b"mcp-session-id")
    return sent[0]["status"], None if session_id is None else session_id.decode()


@pytest.mark.parametrize(
    ("method", "headers", "body"),
    [
        ("GET", [], b""),
        ("GET", [(b"accept", b"text/html, */*")], b""),
        ("HEAD", [], b""),
        ("POST", [(b"content-type", b"application/x-www-form-urlencoded")], b"grant_type=code"),
        ("POST", [(b"content-type", b"application/json")], b'{"client_name":"registered"}'),
        ("POST", [], b""),
        ("DELETE", [], b""),
        ("OPTIONS", [], b""),
    ],
)
async def test_what_is_no_matter_of_mcp_is_the_applications(
    method: str, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    application = Application()
    middleware = SessionMiddleware(application, sessions=MemorySessions())

    status, _ = await ask(middleware, method, *headers, path="/elsewhere", body=body)

    assert (status, application.paths) == (200, ["/elsewhere"])


@pytest.mark.parametrize(
    ("method", "body"),
    [("GET", b""), ("POST", CALL), ("POST", b'[{"jsonrpc":"2.0","method":"a"}]')],
)
async def test_a_request_of_mcp_without_a_session_is_refused_unless_that_is_allowed(
    method: str, body: bytes
) -> None:
    application = Application()
    for requires_session, expected in ((True, 400), (False, 200)):
        middleware = SessionMiddleware(
            application, sessions=MemorySessions(), requires_session=requires_session
        )
        assert (await ask(middleware, method, EVENTS, body=body))[0] == expected


async def test_an_initialize_that_takes_its_time_opens_a_session_all_the_same() -> None:
    application = Application()
    middleware = SessionMiddleware(application, sessions=MemorySessions(), request_timeout=0.1)

    status, session_id = await ask(middleware, "POST", EVENTS, body=OPENING, pause=0.3)
    assert status == 200
    assert session_id is not None

    given = (b"mcp-session-id", session_id.encode())
    assert (await ask(middleware, "POST", EVENTS, given, body=CALL))[0] == 200


async def test_a_body_that_never_ends_is_the_applications_after_a_while() -> None:
    begun = anyio.Event()

    async def application(_scope: Any, receive: Any, _send: Any) -> None:
        assert (await receive())["body"] == OPENING[:1]
        begun.set()
        # An application that ends has to have answered.
        await anyio.sleep_forever()

    middleware = SessionMiddleware(application, sessions=MemorySessions(), request_timeout=0.02)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: ask(middleware, "POST", EVENTS, body=OPENING, pause=math.inf))
            await begun.wait()
            tasks.cancel_scope.cancel()


class Nameless:
    """As Starlette's `BaseUser`, which raises where a name is not made."""

    is_authenticated = True

    @property
    def identity(self) -> str:
        raise NotImplementedError

    display_name = identity


def with_token(token: str, **known: Any) -> Any:
    facts = {"client_id": "desktop", "subject": None, "claims": None, **known}
    return SimpleNamespace(
        is_authenticated=True, access_token=SimpleNamespace(**facts, token=token)
    )


@pytest.mark.parametrize(
    "user",
    [
        Nameless(),
        SimpleNamespace(is_authenticated=True),
        with_token("a", claims="none"),
        with_token("a", subject=5),
    ],
)
async def test_a_user_that_says_nothing_of_itself_harms_nobody(user: Any) -> None:
    middleware = SessionMiddleware(Application(), sessions=MemorySessions())
    credential = (b"authorization", b"Bearer a")

    status, session_id = await ask(middleware, "POST", credential, body=OPENING, user=user)
    assert status == 200
    assert session_id is not None

    given = (b"mcp-session-id", session_id.encode())
    assert (await ask(middleware, "POST", credential, given, body=CALL, user=user))[0] == 200


@pytest.mark.parametrize(
    ("ada", "eve"),
    [
        tuple(SimpleNamespace(is_authenticated=True, username=name) for name in ("ada", "eve")),
        tuple(with_token(name) for name in ("ada", "eve")),
        tuple(with_token(name, claims={"iss": "i", "sub": name}) for name in ("ada", "eve")),
        (Nameless(), Nameless()),
    ],
)
async def test_users_who_differ_in_what_is_known_of_them_share_no_session(
    ada: Any, eve: Any
) -> None:
    middleware = SessionMiddleware(Application(), sessions=MemorySessions())
    hers, others = (b"authorization", b"Bearer ada"), (b"authorization", b"Bearer eve")
    _, session_id = await ask(middleware, "POST", hers, body=OPENING, user=ada)
    assert session_id is not None
    given = (b"mcp-session-id", session_id.encode())

    assert (await ask(middleware, "POST", others, given, body=CALL, user=eve))[0] == 404
    assert (await ask(middleware, "POST", hers, given, body=CALL, user=ada))[0] == 200


def test_a_deep_folder_for_temporary_files_is_passed_by(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    program = (
        "import tempfile; from pathlib import Path; import asyncio\n"
        "from mcp_session._asgi._listener import PeerListener, host_fingerprint\n"
        "async def main():\n"
        "    listener = PeerListener(None)\n"
        "    path = await listener.open()\n"
        "    assert path and Path(path).exists() and tempfile.gettempdir() not in path\n"
        "    assert host_fingerprint()\n"
        "    await listener.aclose(1)\n"
        "asyncio.run(main())\n"
    )
    environment = {**os.environ, "TMPDIR": str(deep)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=False,
        encoding="utf-8",
        env=environment,
    )

    assert (done.returncode, done.stderr) == (0, "")


async def test_without_a_folder_for_a_socket_it_serves_on_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none() -> None:
        return None

    monkeypatch.setattr("mcp_session._asgi._listener._folder_for_sockets", none)
    for peer_url, warnings in ((None, 1), ("http://10.0.0.3:8080", 0)):
        caplog.clear()
        middleware = SessionMiddleware(Application(), sessions=MemorySessions(), peer_url=peer_url)
        with caplog.at_level(logging.WARNING, logger="mcp_session.asgi"):
            assert (await ask(middleware, "POST", EVENTS, body=OPENING))[0] == 200
        assert len(caplog.records) == warnings
