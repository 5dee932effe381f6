"""Many streams and long ones: what the middleware costs in memory, beside the bare application."""

import resource
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from in_process import BODY
from serving import TIMEOUT, exchange, message

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

KIB = 1024
MIB = 1024 * KIB
SESSION = ("mcp-session-id", "1868a90c")


def test_a_stream_costs_no_more_than_a_few_kib(whole: bool) -> None:  # noqa: FBT001 - a fixture
    streams = 1000 if whole else 250
    bare, behind = (growth_of_each(server, streams) for server in ("bare", "middleware"))
    print(f"{streams} streams: {bare:.1f} KiB each, behind the middleware {behind:.1f} KiB")

    assert behind - bare < 4


@pytest.mark.parametrize("status", [200, 400, 404, 500])
def test_a_long_answer_passes_at_constant_memory(status: int, whole: bool) -> None:  # noqa: FBT001 - see above
    mebibytes = 1024 if whole else 64
    with running("middleware") as port:
        received(port, f"/long?{status}-1")
        _, before = memory(port)
        length = received(port, f"/long?{status}-{mebibytes}")
        _, after = memory(port)
    print(f"{mebibytes} MiB with {status}: {(after - before) // KIB} KiB more at most")

    # What is replaced is thrown away as it comes, and not a byte of it kept.
    assert length == (78 if status == 404 else mebibytes * MIB)
    assert after - before < 8 * MIB


@pytest.mark.parametrize(
    ("server", "headers"),
    [("middleware", ()), ("paths", (SESSION,))],
    ids=["without a session ID", "with one at another path"],
)
def test_uploads_to_another_route_are_not_kept_while_they_go_on(
    server: str,
    headers: tuple[tuple[str, str], ...],
    whole: bool,  # noqa: FBT001 - see above
) -> None:
    uploads = 100 if whole else 16
    bare, behind = (growth_by_uploads(it, headers, uploads) for it in ("bare", server))
    print(f"{uploads} uploads: {bare:.1f} MiB, behind the middleware {behind:.1f} MiB")

    # Kept, each would take 4 MiB; what uvicorn has of each at hand differs by some 100 KiB.
    assert behind - bare < uploads


def growth_by_uploads(server: str, headers: tuple[tuple[str, str], ...], uploads: int) -> float:
    """Return by how many MiB the server grows at most with uploads of 4 MiB that lack their end."""
    # As long as a message goes on, its id may come.
    begun, piece = b'{"jsonrpc":"2.0","method":"m","params":"', b"x" * (MIB // 4)
    length = b"content-length: %d" % (len(begun) + 16 * len(piece) + 1)
    head = message("/upload", b"", *headers).replace(b"content-length: 0", length)
    with running(server) as port, ExitStack() as stack:
        _, before = memory(port)
        opened = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT))
            for _ in range(uploads)
        ]
        for connection in opened:
            connection.sendall(head + begun)
        for connection in opened * 16:
            connection.sendall(piece)
        wait_for_uploads(port, uploads * (len(begun) + 16 * len(piece)))
        _, after = memory(port)
        for connection in opened:
            connection.sendall(b"x")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    return (after - before) / MIB


def wait_for_uploads(port: int, length: int) -> None:
    """Wait until the application has read so many bytes."""
    ends = time.monotonic() + 4 * TIMEOUT
    while int(exchange(port, message("/uploaded", b"", method="GET")).body) < length:
        assert time.monotonic() < ends, "the uploads are not read"
        time.sleep(0.05)


def growth_of_each(server: str, streams: int) -> float:
    """Return by how many KiB the server grows with each open stream."""
    with running(server) as port, ExitStack() as stack:
        # The first streams pay for what all of them share.
        for _ in range(50):
            stack.enter_context(opened(port))
        before, _ = memory(port)
        for _ in range(streams):
            stack.enter_context(opened(port))
        after, _ = memory(port)
    return (after - before) / KIB / streams


@contextmanager
def running(server: str) -> Generator[int]:
    allow_many_files()
    script = Path(__file__).with_name("stream_server.py")
    command = [sys.executable, "-W", "ignore", str(script), server]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="ascii") as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def allow_many_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def opened(port: int) -> socket.socket:
    """Open a stream, and wait for its first event."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
    connection.sendall(message("/events", BODY, SESSION))
    begun = b""
    while b"data: 1\n\n" not in begun:
        begun += connection.recv(65536)
    return connection


def memory(port: int) -> tuple[int, int]:
    resident, most = exchange(port, message("/memory", b"", method="GET")).body.split()
    return int(resident), int(most)


def received(port: int, path: str) -> int:
    """Return how many bytes of a body came, of which none are kept."""
    request = message(path, BODY, SESSION, ("connection", "close"))
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as stream:
            head = b"".join(iter(stream.readline, b"\r\n")).lower()
            if b"transfer-encoding: chunked" not in head:
                return len(stream.read())
            length = 0
            while size := int(stream.readline(), 16):
                length += size
                left = size + 2
                while left:
                    left -= len(stream.read(min(left, MIB)))
            return length
