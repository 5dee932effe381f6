"""Many streams and long ones: what the middleware costs in memory, beside the bare application."""

import resource
import socket
import subprocess
import sys
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
