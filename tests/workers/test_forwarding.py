"""A request that one process carries to another: to the byte, unbuffered, in both directions."""

import asyncio
import os
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_session._asgi._forward import ClientLeft, CutOff, Lost, NotHttp, Unreached, Upstream, tls
from mcp_session._asgi._listener import PeerListener

from places import folder

pytestmark = pytest.mark.anyio

Messages = list[dict[str, Any]]
HEADERS = [(b"host", b"peer"), (b"content-length", b"5")]


@asynccontextmanager
async def listening(application: Any) -> AsyncGenerator[str]:
    listener = PeerListener(application)
    path = await listener.open()
    assert path is not None
    try:
        yield path
    finally:
        await listener.aclose(1)


def receiving(*pieces: bytes, left: asyncio.Event | None = None) -> Callable[[], Awaitable[Any]]:
    """A client that sends these pieces, and stays until it is told to leave."""
    rest = list(pieces)

    async def receive() -> dict[str, Any]:
        if rest:
            piece = rest.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(rest)}
        await (left or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    return receive


class Sent:
    """What reached the client."""

    def __init__(self) -> None:
        self.messages: Messages = []
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def __call__(self, message: Any) -> None:
        self.messages.append(dict(message))
        if message["type"] == "http.response.body" and message["body"]:
            self.pieces.put_nowait(message["body"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the request as it came."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    shown = repr((scope["method"], scope["raw_path"], scope["query_string"], body)).encode()
    headers = [(b"x-twice", b"1"), (b"x-twice", b"2"), (b"connection", b"keep-alive")]
    await send({"type": "http.response.start", "status": 207, "headers": headers})
    await send({"type": "http.response.body", "body": shown})


async def test_only_this_user_reaches_the_socket_and_it_goes_with_the_listener() -> None:
    async with listening(echo) as path:
        folder = Path(path).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder.stat().st_uid == os.getuid()
    assert not folder.exists()


LISTEN_AS_ANOTHER_USER = """
import os, socket, sys
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    os.setuid(65534)
    listener.listen()
    os.write(1, b"listens\\n")
    os.write(1, repr(listener.accept()[0].recv(1000)).encode())
"""


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root has processes of another user"
)
async def test_nothing_goes_to_a_socket_of_another_user(tmp_path: Path) -> None:
    path = str(tmp_path / "peer")
    command = [sys.executable, "-c", LISTEN_AS_ANOTHER_USER, path]
    with anyio.fail_after(60):
        async with await anyio.open_process(command, stderr=None) as other:
            assert other.stdout is not None
            assert await other.stdout.receive() == b"listens\n"
            with pytest.raises(Unreached):
                await exchanged(path)
            assert await other.stdout.receive() == b"b''"


async def test_request_and_answer_are_the_same_on_the_other_side() -> None:
    async with listening(echo) as path:
        upstream, sent = Upstream("http://peer", socket_path=path), Sent()
        exchange = upstream.exchange("POST", b"/a%20b?c=%41", HEADERS, receiving(b"he", b"llo"))
        async with exchange as answer:
            await answer.relay(sent)
        assert sent.messages[0]["status"] == 207
        # Its own header stays; no date, no server and no framing of the hop comes with it.
        assert sent.messages[0]["headers"] == [
            (b"x-twice", b"1"),
            (b"x-twice", b"2"),
            (b"connection", b"keep-alive"),
        ]
        assert sent.body == repr(("POST", b"/a%20b", b"c=%41", b"hello")).encode()
        assert sent.messages[-1]["more_body"] is False
        await upstream.aclose()


async def test_a_connection_is_used_again() -> None:
    async with listening(echo) as path:
        upstream, clients = Upstream("http://peer", socket_path=path), set[int]()
        for _ in range(3):
            connection = await upstream.take()
            clients.add(id(connection))
            await upstream.give_back(connection)
            async with upstream.exchange("POST", b"/", HEADERS, receiving(b"hello")) as answer:
                await answer.relay(Sent())
            idle = vars(upstream)["_idle"]  # not to be seen from outside
            assert len(idle) == 1
        await upstream.aclose()


async def test_a_connection_that_the_other_side_may_be_closing_is_not_used_again() -> None:
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"hello"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    upstream = Upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    for expected in (1, 2):
        # That is what gunicorn keeps one for.
        await asyncio.sleep(2 * (expected - 1))
        async with upstream.exchange("POST", b"/", HEADERS, receiving(b"hello")) as given:
            await given.relay(Sent())
        assert connections == expected
    await upstream.aclose()
    server.close()


async def test_each_piece_goes_on_as_it_comes_in_both_directions() -> None:
    arrived: asyncio.Queue[bytes] = asyncio.Queue()
    go_on = asyncio.Event()

    async def pieces(_scope: Any, receive: Any, send: Any) -> None:
        for _ in range(2):
            arrived.put_nowait((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"one", b"two"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await go_on.wait()
        await send({"type": "http.response.body", "body": b""})

    to_send: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    async with listening(pieces) as path:
        upstream, sent = Upstream("http://peer", socket_path=path), Sent()
        headers = [(b"host", b"peer"), (b"transfer-encoding", b"chunked")]

        async def carry() -> None:
            async with upstream.exchange("POST", b"/", headers, to_send.get) as answer:
                await answer.relay(sent)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(carry)
            with anyio.fail_after(10):
                to_send.put_nowait({"type": "http.request", "body": b"a", "more_body": True})
                assert await arrived.get() == b"a"
                to_send.put_nowait({"type": "http.request", "body": b"b", "more_body": False})
                assert await arrived.get() == b"b"
                assert await sent.pieces.get() == b"one"
                go_on.set()
                assert await sent.pieces.get() == b"two"
        await upstream.aclose()


async def test_a_client_that_leaves_ends_the_request_there() -> None:
    ended, left, sent = asyncio.Event(), asyncio.Event(), Sent()

    async def stream(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        ended.set()

    async with listening(stream) as path:
        upstream = Upstream("http://peer", socket_path=path)

        async def leave() -> None:
            await sent.pieces.get()
            left.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(leave)
            receive = receiving(b"hello", left=left)
            with anyio.fail_after(10):
                async with upstream.exchange("POST", b"/", HEADERS, receive) as answer:
                    with pytest.raises(ClientLeft):
                        await answer.relay(sent)
                await ended.wait()


async def test_a_client_that_leaves_before_the_answer_ends_the_request_there() -> None:
    ended, left, begun = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def silent(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        begun.set()
        assert (await receive())["type"] == "http.disconnect"
        ended.set()

    async with listening(silent) as path:
        upstream = Upstream("http://peer", socket_path=path)

        async def leave() -> None:
            await begun.wait()
            left.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(leave)
            with anyio.fail_after(10):
                with pytest.raises(ClientLeft):
                    await upstream.exchange(
                        "POST", b"/", HEADERS, receiving(b"hello", left=left)
                    ).__aenter__()
                await ended.wait()


async def test_a_slow_client_slows_the_other_side() -> None:
    written = 0

    async def flood(_scope: Any, receive: Any, send: Any) -> None:
        nonlocal written
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
            written += 65536
        await send({"type": "http.response.body", "body": b""})

    read = 0
    async with listening(flood) as path:
        upstream = Upstream("http://peer", socket_path=path)
        settled = asyncio.Event()

        async def slow(message: Any) -> None:
            nonlocal read
            if message["type"] == "http.response.body":
                read += len(message["body"])
                if not settled.is_set():
                    # Until nothing is written any more: what is on the way has a bound.
                    before = -1
                    while before != written:
                        before = written
                        await asyncio.sleep(0.2)
                    assert written < 4 * 1024 * 1024
                    settled.set()

        async with upstream.exchange("POST", b"/", HEADERS, receiving(b"hello")) as answer:
            await answer.relay(slow)
        assert read == 1000 * 65536
        await upstream.aclose()


async def test_what_processes_that_were_killed_have_left_is_removed_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with folder() as parent, socket.socket(socket.AF_UNIX) as living:
        kept = {"mcp-session-young", "mcp-session-living", "another"}
        for name in (*kept, "mcp-session-dead", "mcp-session-empty"):
            made = parent / name
            made.mkdir(mode=0o700)
            if name == "mcp-session-living":
                living.bind(str(made / "peer"))
                living.listen()
            elif name != "mcp-session-empty":
                with socket.socket(socket.AF_UNIX) as dead:
                    dead.bind(str(made / "peer"))
            if name != "mcp-session-young":
                os.utime(made, (0, 0))
        monkeypatch.setattr("tempfile.tempdir", str(parent))
        async with listening(echo) as path:
            left = {it.name for it in parent.iterdir()}
            assert left == {*kept, Path(path).parent.name}


async def test_where_nobody_listens_nothing_was_sent() -> None:
    async with listening(echo) as path:
        gone = path
    left_behind = socket.socket(socket.AF_UNIX)
    Path(gone).parent.mkdir(mode=0o700)
    left_behind.bind(gone)
    left_behind.close()
    try:
        with pytest.raises(Unreached) as refused:
            await (
                Upstream("http://peer", socket_path=gone)
                .exchange("POST", b"/", HEADERS, receiving(b"hello"))
                .__aenter__()
            )
        assert refused.value.is_refused
    finally:
        await anyio.Path(gone).unlink()
        await anyio.Path(gone).parent.rmdir()


@pytest.mark.skipif(sys.platform != "linux", reason="others do not say so")
@pytest.mark.parametrize("is_accepted", [True, False])
async def test_what_was_not_read_was_not_processed(tmp_path: Path, is_accepted: bool) -> None:  # noqa: FBT001
    path = str(tmp_path / "peer")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    async def end() -> None:
        await anyio.sleep(0.2)
        if is_accepted:
            listener.accept()[0].close()
        listener.close()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(end)
        with pytest.raises(Unreached):
            await exchanged(path)


@pytest.mark.parametrize("bytes_read", [1, 1000])
async def test_what_was_read_whole_may_have_been_processed(tmp_path: Path, bytes_read: int) -> None:
    path = str(tmp_path / "peer")
    expected: type[Exception] = Lost
    if sys.platform == "linux" and bytes_read == 1:
        expected = Unreached

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    async def read_and_end() -> None:
        await anyio.sleep(0.2)
        connection = listener.accept()[0]
        connection.recv(bytes_read)
        connection.close()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read_and_end)
        with pytest.raises(expected):
            await exchanged(path)
    listener.close()


async def exchanged(path: str) -> None:
    upstream = Upstream("http://peer", socket_path=path)
    async with upstream.exchange("POST", b"/", HEADERS, receiving(b"hello")):
        pass


async def test_what_ends_without_an_answer_may_have_been_processed() -> None:
    async def dead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"hello")
        writer.close()

    server = await asyncio.start_server(dead, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(Lost):
            await (
                Upstream(f"http://127.0.0.1:{port}")
                .exchange("POST", b"/", HEADERS, receiving(b"hello"))
                .__aenter__()
            )


async def test_an_answer_that_breaks_off_does_not_look_whole() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"hello")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    port, sent = server.sockets[0].getsockname()[1], Sent()
    async with server:
        upstream = Upstream(f"http://127.0.0.1:{port}")
        async with upstream.exchange("POST", b"/", HEADERS, receiving(b"hello")) as answer:
            with pytest.raises(CutOff):
                await answer.relay(sent)
    assert sent.body == b"abc"
    assert sent.messages[-1]["more_body"] is True


async def relayed(answer_of_peer: bytes) -> Sent:
    """What a client gets where a server answers so, and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"hello")
        writer.write(answer_of_peer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    sent = Sent()
    async with server:
        to = Upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with to.exchange("POST", b"/", HEADERS, receiving(b"hello")) as answer:
            await answer.relay(sent)
        await to.aclose()
    return sent


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcde",
        b"HTTP/1.0 200 OK\r\n\r\nabcde",
    ],
)
async def test_what_has_come_together_goes_on_whole(answer: bytes) -> None:
    sent = await relayed(answer)
    assert sent.messages[0]["status"] == 200
    assert sent.body == b"abcde"
    assert [it["more_body"] for it in sent.messages[1:]][-1] is False


async def test_of_an_answer_that_is_no_http_what_came_before_goes_on() -> None:
    with pytest.raises(CutOff):
        await relayed(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n"
        )
    with pytest.raises(Lost):
        await relayed(b"nonsense\r\n\r\n")


async def test_what_comes_behind_an_answer_is_not_taken_for_the_next_one() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"hello"):
                own = b"%d" % connections
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n" + own)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nX")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    upstream = Upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        for expected in (b"1", b"2", b"3"):
            sent = Sent()
            async with upstream.exchange("POST", b"/", HEADERS, receiving(b"hello")) as answer:
                await answer.relay(sent)
            assert sent.body == expected
        await upstream.aclose()


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        (b"/", [*HEADERS, (b"x-forged", b"a\r\nmcp-session-hop: b")]),
        (b"/ HTTP/1.1\r\nx: ", HEADERS),
        (b"/", [*HEADERS, (b"host", b"another")]),
    ],
)
async def test_a_request_that_is_no_http_goes_to_nobody(
    tmp_path: Path, target: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    path = str(tmp_path / "peer")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        upstream = Upstream("http://peer", socket_path=path)
        with pytest.raises(NotHttp):
            await upstream.exchange("POST", target, headers, receiving(b"hello")).__aenter__()
        await upstream.aclose()
        with listener.accept()[0] as connection:
            assert connection.recv(1) == b""


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[ssl.SSLContext]:
    """With what `localhost` serves over TLS; who certifies it is trusted meanwhile."""
    if shutil.which("openssl") is None:
        pytest.skip("nothing makes a certificate")
    made, key = str(tmp_path / "certificate"), str(tmp_path / "key")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", made]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made, key)
    monkeypatch.setenv("SSL_CERT_FILE", made)
    tls.cache_clear()
    yield context
    tls.cache_clear()


async def test_a_server_behind_tls_is_asked_if_its_certificate_is_right(
    trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"hello")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=trusted)
    at = f"localhost:{server.sockets[0].getsockname()[1]}"
    async with server:
        upstream, sent = Upstream(f"https://{at}"), Sent()
        async with upstream.exchange("POST", b"/", HEADERS, receiving(b"hello")) as answer:
            await answer.relay(sent)
        assert sent.body == b"ok"
        await upstream.aclose()

        monkeypatch.undo()
        tls.cache_clear()
        stranger = Upstream(f"https://{at}")
        with pytest.raises(Unreached):
            await stranger.exchange("POST", b"/", HEADERS, receiving(b"hello")).__aenter__()


async def test_an_address_that_is_slow_is_waited_for_where_another_leads_nowhere(
    trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, dead = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    is_dead = threading.Event()

    def refuse() -> None:
        dead.accept()[0].close()
        is_dead.set()

    def serve() -> None:
        connection, _ = slow.accept()
        # Until the other was tried in vain.
        is_dead.wait(60)
        with trusted.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(65536)
            wrapped.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async def both(*_: Any, **_more: Any) -> Any:
        tcp = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*tcp, it.getsockname()) for it in (slow, dead)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
    upstream, sent = Upstream("https://localhost:1", connect_seconds=60), Sent()
    with slow, dead, anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for thread in (refuse, serve):
                tasks.start_soon(anyio.to_thread.run_sync, thread)
            exchange = upstream.exchange("POST", b"/", HEADERS, receiving(b"hello"))
            async with exchange as answer:
                await answer.relay(sent)
    assert sent.body == b"ok"
    await upstream.aclose()


async def test_what_tls_sends_of_its_own_is_no_answer_that_came_unasked(
    trusted: ssl.SSLContext,
) -> None:
    listener, shaken = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve() -> None:
        with trusted.wrap_socket(listener.accept()[0], server_side=True) as connection:
            # The tickets of TLS 1.3 are at the client by now.
            shaken.set()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async def receive() -> dict[str, Any]:
        # The event loop does not see them before the request goes out.
        shaken.wait(60)
        return {"type": "http.request", "body": b"hello", "more_body": False}

    upstream, sent = Upstream(f"https://localhost:{listener.getsockname()[1]}"), Sent()
    exchange = upstream.exchange("POST", b"/", HEADERS, receive)
    with listener, anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, serve)
            async with exchange as answer:
                await answer.relay(sent)
    assert sent.body == b"ok"
    await upstream.aclose()
