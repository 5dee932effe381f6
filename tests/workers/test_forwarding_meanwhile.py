"""What happens while a request is on its way to another process: answers, ends, clients that go."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from typing import Any

import anyio
import pytest
from mcp_session._asgi._forward import ClientLeft, Unreached, Upstream
from test_forwarding import HEADERS, Sent, receiving

pytestmark = pytest.mark.anyio

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
# More than all buffers between two processes take.
LONG = 64 * 1024 * 1024
PIECE = bytes(64 * 1024)
LONG_HEADERS = [(b"host", b"peer"), (b"content-length", b"%d" % LONG)]
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno"
SECONDS = 60


@asynccontextmanager
async def serving(serve: Serve) -> AsyncGenerator[Upstream]:
    """An upstream at which each connection is served so, until the test is over."""
    tasks = set[asyncio.Task[None]]()

    async def serve_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError), closing(writer):
            await serve(reader, writer)
            await writer.drain()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(serve_and_close(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=1024)
    upstream = Upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        with anyio.fail_after(SECONDS):
            yield upstream
    finally:
        await upstream.aclose()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # The event loop has to turn for what was closed.
        await asyncio.sleep(0)


def long_body(left: asyncio.Event | None = None) -> Callable[[], Awaitable[Any]]:
    """A client that has sent a long body, all but the last of it, until it leaves."""
    rest = LONG // len(PIECE)

    async def receive() -> dict[str, Any]:
        nonlocal rest
        await asyncio.sleep(0)
        if rest:
            rest -= 1
            return {"type": "http.request", "body": PIECE, "more_body": bool(rest)}
        await (left or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    return receive


def sending_late(connected: asyncio.Event, until: asyncio.Event) -> Callable[[], Awaitable[Any]]:
    """A client that tells when it is waited for, and sends once something has happened."""

    async def receive() -> dict[str, Any]:
        connected.set()
        await until.wait()
        # Until the event loop has seen it as well.
        await asyncio.sleep(0.1)
        return {"type": "http.request", "body": b"hello", "more_body": False}

    return receive


@pytest.mark.parametrize("closes", [False, True])
async def test_an_answer_that_comes_before_the_request_was_read_goes_on(closes: bool) -> None:  # noqa: FBT001
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(TOO_LARGE)
        await writer.drain()
        if closes:
            writer.close()
        else:
            await asyncio.sleep(SECONDS)

    async with serving(refuse) as upstream:
        sent = Sent()
        async with upstream.exchange("POST", b"/", LONG_HEADERS, long_body()) as answer:
            await answer.relay(sent)
        assert (sent.messages[0]["status"], sent.body) == (413, b"no")
        # The rest of the request is in front of whatever is written to it.
        assert vars(upstream)["_idle"] == []


async def test_an_answer_streams_while_its_request_does() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % LONG)
        while data := await reader.read(65536):
            writer.write(data)
            # It reads no more as long as nobody reads of it.
            await writer.drain()

    async with serving(echo) as upstream:
        size = 0

        async def count(message: Any) -> None:
            nonlocal size
            size += len(message.get("body", b""))

        async with upstream.exchange("POST", b"/", LONG_HEADERS, long_body()) as answer:
            await answer.relay(count)
        assert size == LONG


async def test_a_client_that_leaves_while_its_request_is_written_ends_it_there() -> None:
    begun, left, seen, ended = [asyncio.Event() for _ in range(4)]

    async def stall(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        begun.set()
        await seen.wait()
        with suppress(ConnectionError):
            while await reader.read(65536):
                """Until it ends."""
        ended.set()

    async def leave() -> None:
        await begun.wait()
        left.set()

    async with serving(stall) as upstream, anyio.create_task_group() as tasks:
        tasks.start_soon(leave)
        whole = receiving(bytes(LONG), left=left)
        with pytest.raises(ClientLeft):
            await upstream.exchange("POST", b"/", LONG_HEADERS, whole).__aenter__()
        seen.set()
        await ended.wait()


async def test_a_client_that_leaves_a_stream_is_seen_though_nobody_reads_its_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mcp_session._asgi._forward._STALLED_SECONDS", 0.05)
    left, sent = asyncio.Event(), Sent()

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
        await asyncio.sleep(SECONDS)

    async def leave() -> None:
        await sent.pieces.get()
        left.set()

    async with serving(stream) as upstream, anyio.create_task_group() as tasks:
        tasks.start_soon(leave)
        async with upstream.exchange("GET", b"/", LONG_HEADERS, long_body(left)) as answer:
            with pytest.raises(ClientLeft):
                await answer.relay(sent)


@pytest.mark.parametrize("unasked", [b"", TOO_LARGE])
async def test_to_a_connection_that_ends_before_its_client_sends_nothing_goes(
    unasked: bytes,
) -> None:
    connected, ended, received = asyncio.Event(), asyncio.Event(), list[bytes]()

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await connected.wait()
        writer.write(unasked)
        writer.write_eof()
        received.append(await reader.read(65536))
        ended.set()

    async with serving(end) as upstream:
        receive = sending_late(connected, ended)
        with pytest.raises(Unreached) as unreached:
            await upstream.exchange("POST", b"/", HEADERS, receive).__aenter__()
        assert not unreached.value.is_refused
        assert received == [b""]


async def test_what_is_answered_before_it_is_asked_answers_nothing() -> None:
    connected, spoken = asyncio.Event(), asyncio.Event()

    async def speak_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await connected.wait()
        writer.write(TOO_LARGE)
        await writer.drain()
        spoken.set()
        await reader.read()

    async with serving(speak_first) as upstream:
        receive = sending_late(connected, spoken)
        with pytest.raises(Unreached):
            await upstream.exchange("POST", b"/", HEADERS, receive).__aenter__()


async def test_of_an_answer_with_two_lengths_the_wrong_one_does_not_go_on() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"hello")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"5\r\nabcde\r\n0\r\n\r\n")

    async with serving(serve) as upstream:
        sent = Sent()
        async with upstream.exchange("POST", b"/", HEADERS, receiving(b"hello")) as answer:
            await answer.relay(sent)
        assert (sent.messages[0]["headers"], sent.body) == ([], b"abcde")


@pytest.mark.parametrize("pieces", [[b"hello"], [b"he", b"llo"], [b""]])
async def test_a_body_of_which_http_2_says_no_length_goes_on_in_any_method(
    pieces: list[bytes],
) -> None:
    heads = list[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        if any(pieces):
            await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with serving(serve) as upstream:
        sent = Sent()
        async with upstream.exchange("PUT", b"/", HEADERS[:1], receiving(*pieces)) as answer:
            await answer.relay(sent)
        assert sent.messages[0]["status"] == 204
        assert (b"chunked" in heads[0]) == any(pieces)
