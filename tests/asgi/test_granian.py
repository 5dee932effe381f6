"""The real granian, whose `receive` loses a piece of the body where it is cancelled.

Needs `granian` beside the SDK; skipped, aloud, where it is not.
"""

import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from serving import TIMEOUT
from slow_reader import REQUEST_TIMEOUT

if importlib.util.find_spec("granian") is None:
    pytest.skip("granian is missing", allow_module_level=True)

FOLDER = Path(__file__).parent
PIECES = [b"{%010d," % number for number in range(12)]
UPLOADS = 120
AT_ONCE = 20


def test_no_piece_of_a_slow_body_is_lost_where_the_time_is_over(tmp_path: Path) -> None:
    with granian(tmp_path) as port, ThreadPoolExecutor(AT_ONCE) as pool:
        answers = [*pool.map(partial(upload, port), range(UPLOADS))]

    assert [it for it in answers if it != b"".join(PIECES)] == []


@contextmanager
def granian(folder: Path) -> Generator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = (sys.executable, "-m", "granian", "--interface", "asgi", "--no-ws")
    served = ("--host", "127.0.0.1", "--port", str(port), "--loop", "asyncio")
    with (folder / "granian.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *served, "--working-dir", str(FOLDER), "slow_reader:app"],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        ends = time.monotonic() + TIMEOUT
        while not listens(port):
            assert process.poll() is None, "granian ended"
            assert time.monotonic() < ends, "granian does not listen"
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(TIMEOUT)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def upload(port: int, number: int) -> bytes:
    """Send the pieces apart; return what the application read, which it answers with.

    One of the pieces comes about when the time is over, in each upload a little later.
    """
    apart = (REQUEST_TIMEOUT + 0.0001 * (number - UPLOADS // 2)) / 3
    head = b"POST /mcp HTTP/1.1\r\nhost: x\r\nmcp-session-id: 1868a90c\r\nconnection: close\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(head + b"content-length: %d\r\n\r\n" % (12 * len(PIECES)))
        for piece in PIECES:
            time.sleep(apart)
            connection.sendall(piece)
        answer = b""
        while some := connection.recv(65536):
            answer += some
    # Granian may send it in chunks.
    return b"".join(piece for piece in PIECES if piece in answer)
