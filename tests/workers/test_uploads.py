"""What many bodies cost that come slowly, where it is not known yet who runs their requests."""

from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from mcp_session.asgi import SessionMiddleware
from mcp_session.sessions import MemorySessions
from test_admission import CALL, OPENING, Application, ask

pytestmark = pytest.mark.anyio

PIECE = 64 * 1024
BOUND = 16 * PIECE
UPLOADS = 100
EVENTS = (b"accept", b"application/json, text/event-stream")


class Upload:
    """A request whose body comes a piece at a time, until it is answered or told to end."""

    def __init__(self, *headers: tuple[bytes, bytes], pieces: int = 4) -> None:
        self.headers, self.pieces = list(headers), pieces
        self.goes_on = anyio.Event()
        self.taken = 0
        self.status: int | None = None
        self.answer: dict[bytes, bytes] = {}

    async def receive(self) -> Any:
        if self.taken < self.pieces:
            await anyio.lowlevel.checkpoint()
            self.taken += 1
            return {"type": "http.request", "body": b" " * PIECE, "more_body": True}
        await self.goes_on.wait()
        return {"type": "http.request", "body": CALL, "more_body": False}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.answer = message["status"], dict(message["headers"])

    async def run(self, middleware: Any) -> None:
        scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b""}
        await middleware({**scope, "headers": self.headers}, self.receive, self.send)


async def opened(middleware: Any) -> tuple[bytes, bytes]:
    """The header of a session that was opened."""
    _, session_id = await ask(middleware, "POST", EVENTS, body=OPENING)
    assert session_id is not None
    return b"mcp-session-id", session_id.encode()


async def settled(uploads: list[Upload]) -> None:
    """Wait until each is answered, or waits for its client."""
    with anyio.fail_after(60):
        while not all(it.status is not None or it.taken == it.pieces for it in uploads):  # noqa: ASYNC110
            await anyio.sleep(0.01)
        # The last piece is taken before it is known whether there is room for it.
        await anyio.sleep(0.05)


def middleware(
    application: Any, *, bound: int = BOUND, request_timeout: float = 60.0
) -> SessionMiddleware:
    return SessionMiddleware(
        application,
        sessions=MemorySessions(),
        max_request_bytes=PIECE,
        max_remembered_bytes=bound,
        request_timeout=request_timeout,
    )


async def test_bodies_of_all_requests_are_bounded_together_and_the_rest_comes_again() -> None:
    application = Application()
    around = middleware(application)
    await ask(around, "POST", EVENTS, body=OPENING)
    uploads = [Upload() for _ in range(UPLOADS)]

    async with anyio.create_task_group() as tasks:
        for upload in uploads:
            tasks.start_soon(upload.run, around)
        await settled(uploads)

        waiting = [it for it in uploads if it.status is None]
        refused = [it for it in uploads if it.status is not None]
        # The longest body that is of use always fits.
        assert sum(it.taken for it in waiting) * PIECE <= max(BOUND, 4 * 1024 * 1024)
        assert {(it.status, it.answer[b"retry-after"]) for it in refused} == {(503, b"1")}
        assert refused
        tasks.cancel_scope.cancel()

    # What was let go makes room again.
    assert (await ask(around, "POST", EVENTS, body=OPENING))[0] == 200


async def test_a_few_long_uploads_that_never_end_keep_no_new_session_out() -> None:
    # Four would take all the room that there is.
    around = middleware(Application(), bound=4 * 48 * PIECE)
    uploads = [Upload(pieces=48) for _ in range(16)]

    async with anyio.create_task_group() as tasks:
        for upload in uploads:
            tasks.start_soon(upload.run, around)
        await settled(uploads)

        assert any(it.status == 503 for it in uploads)
        for _ in range(20):
            assert (await ask(around, "POST", EVENTS, body=OPENING))[0] == 200
        tasks.cancel_scope.cancel()


async def test_short_bodies_that_never_end_keep_no_new_session_out() -> None:
    around = middleware(Application(), bound=4 * 1024 * 1024)
    # As many as there is room for, and then as many again.
    uploads = [Upload(pieces=1) for _ in range(2 * 64)]

    async with anyio.create_task_group() as tasks:
        for upload in uploads:
            tasks.start_soon(upload.run, around)
        await settled(uploads)

        # The oldest have given way, and are told to come again.
        assert {it.status for it in uploads[:64]} == {503}
        assert {it.answer[b"retry-after"] for it in uploads[:64]} == {b"1"}
        assert {it.status for it in uploads[64:]} == {None}
        for _ in range(20):
            assert (await ask(around, "POST", EVENTS, body=OPENING))[0] == 200
        # Each took the place of what it needed, and no more.
        assert len([it for it in uploads if it.status is None]) >= 32
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("is_forged", [True, False])
async def test_bodies_that_name_a_session_and_never_end_keep_no_new_session_out(
    is_forged: bool,  # noqa: FBT001
) -> None:
    around = middleware(Application(), bound=4 * 1024 * 1024)
    attached = await opened(around)
    if is_forged:
        attached = (b"mcp-session-id", b"forged")
    uploads = [Upload(attached, pieces=1) for _ in range(2 * 64)]

    async with anyio.create_task_group() as tasks:
        for upload in uploads:
            tasks.start_soon(upload.run, around)
        await settled(uploads)

        # What was read of them is gone: no application can be given them.
        assert {(it.status, it.answer[b"retry-after"]) for it in uploads[:64]} == {(503, b"1")}
        for _ in range(20):
            assert (await ask(around, "POST", EVENTS, body=OPENING))[0] == 200
        tasks.cancel_scope.cancel()


async def test_bodies_that_an_application_waits_for_keep_no_new_session_out() -> None:
    inside = 0

    async def waits(scope: Any, receive: Any, send: Any) -> None:
        nonlocal inside
        if dict(scope["headers"]).get(b"x-waits") is None:
            await application(scope, receive, send)
            return
        while (await receive())["type"] == "http.request":
            inside += 1

    application = Application()
    around = middleware(waits, bound=4 * 1024 * 1024, request_timeout=0.05)
    attached = await opened(around)
    uploads = [Upload(attached, (b"x-waits", b"1"), pieces=1) for _ in range(64)]

    async with anyio.create_task_group() as tasks:
        for upload in uploads:
            tasks.start_soon(upload.run, around)
        with anyio.fail_after(60):
            # The time for their bodies is over, and the application has what has come.
            while inside < len(uploads):  # noqa: ASYNC110
                await anyio.sleep(0.01)
        for _ in range(20):
            assert (await ask(around, "POST", EVENTS, body=OPENING))[0] == 200
        tasks.cancel_scope.cancel()


async def test_what_gives_way_runs_in_the_context_of_its_own_request() -> None:
    seen: list[str | None] = []
    whose = ContextVar[str | None]("whose", default=None)
    around = middleware(Application(), bound=4 * 1024 * 1024)

    class Seen(Upload):
        async def send(self, message: Any) -> None:
            seen.append(whose.get())
            await super().send(message)

    async def run(upload: Upload, name: str) -> None:
        whose.set(name)
        await upload.run(around)

    first, rest = Seen(pieces=1), [Upload(pieces=1) for _ in range(64)]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, first, "first")
        await settled([first])
        for upload in rest:
            tasks.start_soon(run, upload, "another")
        await settled([first, *rest])
        assert first.status == 503
        tasks.cancel_scope.cancel()

    assert seen == ["first", "first"]


async def test_without_room_a_request_of_a_live_session_is_served_all_the_same() -> None:
    application = Application()
    around = middleware(application)
    attached = await opened(around)
    uploads = [Upload() for _ in range(UPLOADS)]

    async with anyio.create_task_group() as tasks:
        for upload in uploads:
            tasks.start_soon(upload.run, around)
        await settled(uploads)
        late = Upload(attached)
        late.goes_on.set()
        await late.run(around)
        tasks.cancel_scope.cancel()

    assert late.status == 200


async def test_a_body_counts_no_longer_once_its_answer_has_begun() -> None:
    inside = 0

    async def streams(scope: Any, receive: Any, send: Any) -> None:
        nonlocal inside
        if dict(scope["headers"]).get(b"x-streams") is None:
            await application(scope, receive, send)
            return
        await receive()
        inside += 1
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await anyio.sleep_forever()

    application = Application()
    around = middleware(streams)
    attached = await opened(around)
    call = CALL[:-1] + b" " * 512 * 1024 + b"}"

    async def stream() -> None:
        await ask(around, "POST", attached, EVENTS, (b"x-streams", b"1"), body=call)

    async with anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(stream)
            with anyio.fail_after(60):
                while inside <= number:  # noqa: ASYNC110
                    await anyio.sleep(0.01)
        # There would be no room for it, had they not been let go.
        opening = OPENING + b" " * 3 * 1024 * 1024
        assert (await ask(around, "POST", EVENTS, body=opening))[0] == 200
        tasks.cancel_scope.cancel()
