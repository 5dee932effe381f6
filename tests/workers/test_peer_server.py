"""What the private socket of a process does for an application, whatever that does."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_session._asgi._forward import ClientLeft, CutOff, Exchange, Lost, Unreached, Upstream
from mcp_session._asgi._listener import PeerListener
from mcp_session._core import PeerReader, peer_piece, peer_request
from test_forwarding import Sent, receiving

pytestmark = pytest.mark.anyio

HEADERS = [(b"host", b"peer")]
START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
END: dict[str, Any] = {"type": "http.response.body", "body": b"done"}
SECONDS = 60


@asynccontextmanager
async def serving(application: Any) -> AsyncGenerator[Upstream]:
    listener = PeerListener(application)
    path = await listener.open()
    assert path is not None
    upstream = Upstream("http://peer", socket_path=path)
    try:
        with anyio.fail_after(SECONDS):
            yield upstream
    finally:
        await upstream.aclose()
        await listener.aclose(1)


async def relayed(exchange: Exchange) -> None:
    async with exchange as answer:
        await answer.relay(Sent())


async def answered(upstream: Upstream, *pieces: bytes) -> Sent:
    sent = Sent()
    async with upstream.exchange("POST", b"/", HEADERS, receiving(*pieces or (b"",))) as answer:
        sent.messages.append({"status": answer.status})
        await answer.relay(sent)
    return sent


async def test_an_application_gets_the_request_as_the_first_process_had_it() -> None:
    scopes = list[Any]()

    async def application(scope: Any, _receive: Any, send: Any) -> None:
        scopes.append(scope)
        await send(START)
        await send(END)

    headers = [(b"connection", b"keep-alive"), (b"X-Odd", b" \xff\t "), (b"host", b"")]
    async with serving(application) as upstream:
        exchange = upstream.exchange("PUT", b"/a%20b/%41?c=%41", headers, receiving(b""))
        await relayed(exchange)
    [scope] = scopes
    assert (scope["method"], scope["path"], scope["raw_path"]) == ("PUT", "/a b/A", b"/a%20b/%41")
    assert (scope["query_string"], scope["headers"]) == (b"c=%41", headers)


async def test_the_head_of_an_answer_does_not_wait_for_its_body() -> None:
    go_on = asyncio.Event()

    async def stream(_scope: Any, _receive: Any, send: Any) -> None:
        await send(START)
        await go_on.wait()
        await send(END)

    async with serving(stream) as upstream:
        sent = Sent()
        async with upstream.exchange("GET", b"/", HEADERS, receiving(b"")) as answer:
            assert answer.status == 200
            go_on.set()
            await answer.relay(sent)
        assert sent.body == b"done"


async def test_what_an_application_raises_before_it_answers_is_a_500_and_stands_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
        raise ZeroDivisionError

    async with serving(broken) as upstream:
        for _ in range(2):
            sent = await answered(upstream)
            assert (sent.messages[0]["status"], sent.body) == (500, b"Internal Server Error")
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "ZeroDivisionError" in caplog.text


async def test_what_an_application_leaves_unanswered_is_a_500() -> None:
    async def silent(_scope: Any, _receive: Any, _send: Any) -> None:
        """Answer nothing."""

    async with serving(silent) as upstream:
        assert (await answered(upstream)).messages[0]["status"] == 500


@pytest.mark.parametrize("raises", [True, False])
async def test_what_an_application_leaves_unfinished_does_not_look_whole(raises: bool) -> None:  # noqa: FBT001
    async def unfinished(_scope: Any, _receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        if raises:
            raise ZeroDivisionError

    async with serving(unfinished) as upstream:
        sent = Sent()
        async with upstream.exchange("GET", b"/", HEADERS, receiving(b"")) as answer:
            with pytest.raises(CutOff):
                await answer.relay(sent)
        assert sent.body == b"begun"


async def test_an_application_is_told_what_it_sends_in_a_wrong_order() -> None:
    raised = list[str]()

    async def wrong(_scope: Any, _receive: Any, send: Any) -> None:
        for message in (END, START, START, END, END):
            try:
                await send(message)
            except RuntimeError as error:
                raised.append(str(error))

    async with serving(wrong) as upstream:
        assert (await answered(upstream)).body == b"done"
        assert [text.split("'")[1] for text in raised] == [
            "http.response.body",
            "http.response.start",
            "http.response.body",
        ]


async def test_an_answer_that_http_cannot_say_is_refused_where_it_is_sent() -> None:
    async def forging(_scope: Any, _receive: Any, send: Any) -> None:
        forged = {**START, "headers": [(b"x", b"a\r\nset-cookie: b")]}
        with pytest.raises(ValueError, match="no message of HTTP"):
            await send(forged)
        await send({**START, "headers": [(bytearray(b"x"), memoryview(b"a"))]})
        await send(END)

    async with serving(forging) as upstream:
        sent = await answered(upstream)
        assert sent.messages[1]["headers"] == [(b"x", b"a")]


async def test_each_that_waits_for_a_client_to_leave_is_told_though_another_gave_up() -> None:
    told, left = asyncio.Event(), asyncio.Event()

    async def waiting(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(START)
        await send({**END, "more_body": True})
        both = [asyncio.ensure_future(receive()) for _ in range(2)]
        await asyncio.wait(both, timeout=0.1)
        both.pop().cancel()
        left.set()
        assert (await both.pop())["type"] == "http.disconnect"
        assert (await receive())["type"] == "http.disconnect"
        # Nobody is there for it.
        await send(END)
        told.set()

    async with serving(waiting) as upstream:
        exchange = upstream.exchange("GET", b"/", HEADERS, receiving(b"", left=left))
        async with exchange as answer, anyio.create_task_group() as tasks:

            async def relay() -> None:
                with pytest.raises(ClientLeft):
                    await answer.relay(Sent())

            tasks.start_soon(relay)
            await told.wait()


async def test_a_body_that_nobody_reads_is_not_collected() -> None:
    taken, go_on, whole = 0, asyncio.Event(), 64 * 1024 * 1024

    async def late(_scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message["body"]), message["more_body"]
        await send(START)
        await send({**END, "body": b"%d" % size})

    async def receive() -> dict[str, Any]:
        nonlocal taken
        await asyncio.sleep(0)
        taken += 65536
        return {"type": "http.request", "body": bytes(65536), "more_body": taken < whole}

    async with serving(late) as upstream:
        sent = Sent()

        async def carry() -> None:
            async with upstream.exchange("POST", b"/", HEADERS, receive) as answer:
                await answer.relay(sent)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(carry)
            before = -1
            while before != taken:
                before = taken
                await asyncio.sleep(0.3)
            # What is on the way has a bound: the buffers of the system, and two of ours.
            assert taken < whole // 8
            go_on.set()
        assert sent.body == b"%d" % whole


async def test_the_next_request_is_served_after_one_that_was_answered_before_it_was_read() -> None:
    async def refusing(scope: Any, _receive: Any, send: Any) -> None:
        await send({**START, "status": 413 if scope["method"] == "PUT" else 200})
        await send(END)

    async with serving(refusing) as upstream:
        for _ in range(3):
            long = [bytes(65536)] * 64
            async with upstream.exchange("PUT", b"/", HEADERS, receiving(*long)) as answer:
                await answer.relay(Sent())
            assert answer.status == 413
            assert (await answered(upstream)).messages[0]["status"] == 200


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        peer_piece(b"", more=False),
        2 * (peer_request("GET", b"/", []) + peer_piece(b"", more=False)),
    ],
    ids=["HTTP", "a body without a head", "a request before the last was answered"],
)
async def test_who_says_what_nobody_of_ours_says_is_cut_off(said: bytes) -> None:
    async def waiting(_scope: Any, receive: Any, _send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    listener = PeerListener(waiting)
    path = await listener.open()
    assert path is not None
    with anyio.fail_after(SECONDS):
        async with await anyio.connect_unix(path) as stranger:
            await stranger.send(said)
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await stranger.receive()
    await listener.aclose(1)


async def test_an_answer_of_nobody_of_ours_breaks_the_exchange(tmp_path: Path) -> None:
    path = str(tmp_path / "peer")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked, request = PeerReader(), list[Any]()
        while len(request) < 2:
            request += asked.read(await reader.read(65536))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(serve, path):
        upstream = Upstream("http://peer", socket_path=path)
        with pytest.raises(Lost):
            await answered(upstream, b"hello")
        await upstream.aclose()


async def test_at_the_end_what_runs_is_answered_and_what_takes_too_long_is_cancelled() -> None:
    begun, cancelled = asyncio.Semaphore(0), asyncio.Event()

    async def slow(scope: Any, _receive: Any, send: Any) -> None:
        begun.release()
        if scope["path"] == "/quick":
            await asyncio.sleep(0.2)
            await send(START)
            await send(END)
            return
        try:
            await asyncio.sleep(SECONDS)
        finally:
            cancelled.set()

    listener = PeerListener(slow)
    path = await listener.open()
    upstreams = [Upstream("http://peer", socket_path=path) for _ in range(3)]
    statuses = dict[bytes, int]()

    async def ask(upstream: Upstream, target: bytes) -> None:
        async with upstream.exchange("GET", target, HEADERS, receiving(b"")) as answer:
            await answer.relay(Sent())
            statuses[target] = answer.status

    with anyio.fail_after(SECONDS):
        await ask(upstreams[0], b"/quick")
        await begun.acquire()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, upstreams[1], b"/quick")
            tasks.start_soon(ask, upstreams[2], b"/slow")
            for _ in range(2):
                await begun.acquire()
            ended = anyio.current_time()
            await listener.aclose(2)
        assert cancelled.is_set()
        assert anyio.current_time() - ended >= 2
        assert statuses == {b"/quick": 200, b"/slow": 500}
        # Nothing goes to a connection that was closed because nobody used it.
        with pytest.raises(Unreached):
            await ask(upstreams[0], b"/quick")


async def test_at_the_end_nobody_waits_for_connections_that_are_not_in_use() -> None:
    async def quick(_scope: Any, _receive: Any, send: Any) -> None:
        await send(START)
        await send(END)

    listener = PeerListener(quick)
    path = await listener.open()
    upstream = Upstream("http://peer", socket_path=path)
    with anyio.fail_after(SECONDS):
        await answered(upstream)
        await listener.aclose(2 * SECONDS)
        await upstream.aclose()
