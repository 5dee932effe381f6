"""Whatever comes in: bounded memory and time, the right answer, and nothing of it in a log."""

import logging
import tracemalloc
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from mcp_session.asgi import SessionMiddleware, VerdictEvent

from in_process import BODY, TEXT, Client, answering, body, corrected, scope, start
from serving import Exchange, exchange, message, serving

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
NOT_FOUND = answering(start(404, TEXT), body(b"Session not found"))


class Stream:
    """A request whose pieces are made as they are asked for."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.given = 0
        self.client = Client(b"")

    async def receive(self) -> dict[str, Any]:
        piece = next(self._pieces, None)
        self.given += len(piece or b"")
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def run(self, middleware: SessionMiddleware, **request: Any) -> int:
        """Return the most memory that was in use meanwhile, in bytes."""
        tracemalloc.start()
        try:
            with anyio.fail_after(60):
                await middleware(scope(**request), self.receive, self.client.send)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("size", [1, 2, 4096, 65536])
async def test_an_id_of_10_mib_is_not_echoed_and_not_kept(size: int) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"jsonrpc":"2.0","method":"m","id":"'
        for _ in range(10 * MIB // size):
            yield b"x" * size
        yield b'"}'

    stream = Stream(pieces())
    # Every piece costs a turn of the loop; the smaller, the fewer are worth a test's time.
    limit = min(4 * MIB, 16384 * size)
    peak = await stream.run(SessionMiddleware(NOT_FOUND, max_request_bytes=limit))

    assert stream.client.body == corrected(None)
    assert stream.given <= limit + size + 64
    assert peak < 2.5 * limit + MIB


async def test_nesting_100_000_deep_hides_no_id() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    valid = b'{"jsonrpc":"2.0","id":7,"method":"m","params":%s}' % deep
    broken = valid.replace(b"]}", b"}")
    middleware = SessionMiddleware(NOT_FOUND)

    for sent, expected in ((valid, corrected()), (broken, corrected(None))):
        stream = Stream(iter([sent]))
        peak = await stream.run(middleware)

        assert stream.client.body == expected
        assert peak < 4 * MIB


async def test_an_answer_nested_100_000_deep_is_no_canonical_one() -> None:
    deep = b'{"error":' * 100_000 + b"1" + b"}" * 100_000
    json = (b"content-type", b"application/json")
    middleware = SessionMiddleware(
        answering(start(404, json), body(deep[:70], more=True), body(deep[70:])),
        max_response_bytes=4 * MIB,
    )
    stream = Stream(iter([BODY]))

    await stream.run(middleware)

    assert stream.client.body == corrected()


async def test_thousands_of_headers_are_read_once() -> None:
    headers = [(b"x-%d" % number, b"y") for number in range(20_000)]
    stream = Stream(iter([BODY]))

    await stream.run(SessionMiddleware(NOT_FOUND), headers=headers)

    assert stream.client.body == corrected()


async def test_a_session_id_that_is_repeated_thousands_of_times_is_one_that_is_not_known() -> None:
    headers = [(b"mcp-session-id", b"x" * 10) for _ in range(5_000)]
    stream = Stream(iter([BODY]))

    await stream.run(SessionMiddleware(NOT_FOUND), headers=headers)

    assert stream.client.body == corrected()


IDS = [
    pytest.param(b"secret" * (MIB // 6), id="1 MiB"),
    pytest.param(b"secret\r\nSet-Cookie: a=b\r\nINFO forged", id="injection"),
    pytest.param(b"secret\nINFO forged line", id="newline"),
    pytest.param(b"secret\xff\xfe\x00", id="no text"),
    pytest.param(b"secret%s%d%(x)s{}", id="format"),
]


@pytest.mark.parametrize("session_id", IDS)
async def test_no_id_and_no_line_of_an_attackers_comes_out(
    session_id: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    events: list[VerdictEvent] = []
    path = "/mcp/\r\nINFO forged\x1b[31m\u2028" + session_id.decode("latin-1") + "x" * 10_000
    stream = Stream(iter([BODY]))
    middleware = SessionMiddleware(NOT_FOUND, on_verdict=events.append)

    await stream.run(middleware, session_id=session_id, path=path, method="POST")

    assert stream.client.body == corrected()
    assert {name for name, _ in stream.client.sent[0]["headers"]} == {
        b"content-type",
        b"content-length",
    }
    (event,) = events
    # Whoever puts what the log calls an ID into a path does not get it out again.
    for shown in (caplog.text, repr(event), event.path):
        assert "secret" not in shown or not session_id.isascii()
        assert "\x1b" not in shown
        assert "\u2028" not in shown
        assert len(shown) < 5_000
    assert caplog.text.count("\n") == 1


async def test_of_a_method_that_nobody_registered_nothing_is_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    events: list[VerdictEvent] = []
    refusing = answering(start(400, TEXT, (b"mcp-session-id", b"fresh")), body(b"?"))
    stream = Stream(iter([BODY]))
    middleware = SessionMiddleware(refusing, on_verdict=events.append)

    await stream.run(middleware, session_id=b"secret", method="GET-secret-" + "X" * 10_000)

    (event,) = events
    assert event.method == "*"
    assert "secret" not in caplog.text


def test_a_request_that_lies_about_its_length_is_answered_in_time() -> None:
    middleware = SessionMiddleware(NOT_FOUND, request_timeout=0.2)
    short = message("/mcp", BODY, ("mcp-session-id", "x"), ("connection", "close"))
    head, _, _ = short.partition(b"\r\n\r\n")
    longer = head.replace(b"content-length: %d" % len(BODY), b"content-length: 99999")
    shorter = head.replace(b"content-length: %d" % len(BODY), b"content-length: 5")
    endless = head.replace(b"content-length: %d" % len(BODY), b"transfer-encoding: chunked")
    with serving(middleware) as port:
        for request, expected in (
            (longer + b"\r\n\r\n" + BODY, corrected(None)),
            (shorter + b"\r\n\r\n" + BODY, corrected(None)),
            (endless + b"\r\n\r\n5\r\n" + BODY[:5] + b"\r\n", corrected(None)),
            (short, corrected()),
        ):
            with Exchange(port, request) as running:
                response = running.read()

            assert response.status == 404
            assert response.body == expected


def test_a_new_line_in_a_path_is_none_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "mcp_session")
    with serving(SessionMiddleware(NOT_FOUND)) as port:
        request = message("/mcp%0d%0aINFO%20forged", BODY, ("mcp-session-id", "some-secret"))
        response = exchange(port, request)

    assert response.body == corrected()
    (record,) = [it for it in caplog.records if it.name == "mcp_session.asgi"]
    assert "\n" not in record.getMessage()
    assert "some-secret" not in record.getMessage()
    assert "UncanonicalNotFound: POST /* was answered 404" in record.getMessage()
