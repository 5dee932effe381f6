"""Each ASGI server and each framework, to the byte: bare, and behind the middleware.

Needs the environment `asgi-servers`; skipped, aloud, in those of the SDKs.
"""

import importlib.util
import os
import re
import socket
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from mcp_session.testing import CommandServer

from frameworks import FRAMEWORKS, LOST_ROUTES, PATHS
from in_process import BODY, corrected
from many_answers import ANSWERS, LEAKS, LOST, PLACE, SESSION
from serving import TIMEOUT, message, serving

MISSING = [
    name
    for name in ("daphne", "fastapi", "granian", "httptools", "hypercorn", "litestar", "quart")
    if importlib.util.find_spec(name) is None
]
if MISSING:
    pytest.skip(f"{', '.join(MISSING)} are missing", allow_module_level=True)

UVICORN = ("uvicorn", "--port", "{port}", "--ws", "none")
SERVERS: dict[str, tuple[str, ...]] = {
    "uvicorn h11": (*UVICORN, "--http", "h11"),
    "uvicorn httptools": (*UVICORN, "--http", "httptools"),
    "uvicorn workers": (*UVICORN, "--workers", "2"),
    "hypercorn": ("hypercorn", "--bind", "127.0.0.1:{port}"),
    "daphne": ("daphne", "-b", "127.0.0.1", "-p", "{port}"),
    "granian": (
        *("granian", "--interface", "asgi", "--no-ws", "--host", "127.0.0.1"),
        *("--port", "{port}", "--loop", "asyncio"),
    ),
}
METHODS = ("POST", "GET", "DELETE", "HEAD", "OPTIONS")
OF_SESSIONS = {"POST", "GET", "DELETE"}
ATTACHED = ("mcp-session-id", "1868a90c")
CLOSE = ("connection", "close")
STATUSES = {path: int(sent[0]["status"]) for path, sent in ANSWERS.items()} | {"/raising": 500}
# daphne takes its time to close a connection.
AT_ONCE = 8
# What goes with the body that a correction replaces, and the session.
REPLACED = re.compile(
    rb"(?i)(content-[a-z]+|transfer-encoding|trailer|etag|mcp-session-id): [^\r]*"
)


@pytest.fixture(scope="module", params=SERVERS)
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    command = [sys.executable, "-m", *SERVERS[request.param], "many_answers:app"]
    found = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", found)
        with CommandServer(command) as server:
            yield server.port


def test_each_server_sends_the_bytes_of_the_bare_application_or_the_canonical_answer(
    port: int,
) -> None:
    requests = every_request([*ANSWERS, "/echo", "/unread", "/raising"])
    bare = answers(port, (it.sent((PLACE, "bare")) for it in requests))
    behind = answers(port, (it.sent((PLACE, "behind")) for it in requests))

    for request, before, after in zip(requests, bare, behind, strict=True):
        assert statuses(before)[0] == STATUSES.get(request.path, 200), request
        assert_same_or_canonical(
            request, before, after, is_lost=request.path in LOST, leaks=request.path in LEAKS
        )


def test_each_server_keeps_its_connection_and_its_order(port: int) -> None:
    paths = ("/json", "/lost", "/events", "/misreported", "/accepted", "/echo")
    bare, behind = (
        answer(
            port,
            b"".join(message(it, BODY, (PLACE, place), ATTACHED) for it in paths[:-1])
            + message(paths[-1], BODY, (PLACE, place), ATTACHED, CLOSE),
        )
        for place in ("bare", "behind")
    )

    assert statuses(bare) == [200, 404, 200, 400, 202, 200]
    assert statuses(behind) == [200, 404, 200, 404, 202, 200]
    assert behind.count(corrected()) == 2
    assert behind.endswith(BODY)


def test_each_server_gives_the_application_all_of_a_body_that_comes_in_pieces(port: int) -> None:
    body = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":"%s"}' % (b"x" * 300_000)
    pieces = [body[at : at + 70_000] for at in range(0, len(body), 70_000)]
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(it), it) for it in [*pieces, b""])
    for place in ("bare", "behind"):
        head = message("/echo", b"", (PLACE, place), ATTACHED, CLOSE)
        head = head.replace(b"content-length: 0", b"transfer-encoding: chunked")

        assert answer(port, head + chunked).endswith(b"\r\n\r\n" + body), place


@pytest.mark.parametrize("port", ["hypercorn"], indirect=True)
def test_over_http2_the_trailers_go_out_and_no_session_with_them(port: int) -> None:
    for path in ("/json", "/events", "/trailers", "/leaking-in-trailers", "/lost-in-pieces"):
        bare, behind = (over_http2(port, path, place) for place in ("bare", "behind"))

        if path == "/lost-in-pieces":
            assert behind[0][b":status"] == b"404"
            assert behind[1] == corrected()
        elif path == "/leaking-in-trailers":
            assert bare[2] == {b"x-sum": b"7", SESSION[0]: SESSION[1]}
            assert behind == (*bare[:2], {b"x-sum": b"7"})
        else:
            assert behind == bare
            assert (b"x-sum" in bare[2]) == (path == "/trailers")


@pytest.mark.parametrize("place", ["around", "within"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_each_framework_answers_the_bytes_of_the_bare_one_or_canonically(
    framework: str, place: str
) -> None:
    make = FRAMEWORKS[framework]
    # What has no route, Litestar answers outside of its middleware.
    requests = every_request([*PATHS, *(["/nowhere"] if place == "around" else [])])
    with serving(make("bare")) as port:
        bare = answers(port, (it.sent() for it in requests))
    with serving(make(place)) as port:
        behind = answers(port, (it.sent() for it in requests))

    for request, before, after in zip(requests, bare, behind, strict=True):
        is_lost, leaks = request.path in LOST_ROUTES, request.path == "/lost"
        if is_lost and request.method in OF_SESSIONS:
            assert statuses(before)[0] in {400, 404}, request
        assert_same_or_canonical(request, before, after, is_lost=is_lost, leaks=leaks)


@dataclass(frozen=True)
class Request:
    path: str
    method: str
    is_attached: bool

    def sent(self, *headers: tuple[str, str]) -> bytes:
        more = [*headers, *([ATTACHED] if self.is_attached else []), CLOSE]
        body = BODY if self.method == "POST" else b""
        return message(self.path, body, *more, method=self.method)


def every_request(paths: list[str]) -> list[Request]:
    return [Request(*it) for it in product(paths, METHODS, (False, True))]


def assert_same_or_canonical(
    request: Request, bare: bytes, behind: bytes, *, is_lost: bool, leaks: bool
) -> None:
    if not (is_lost and request.is_attached and request.method in OF_SESSIONS):
        expected = re.sub(rb"(?im)^mcp-session-id: [^\r\n]*\r\n", b"", bare) if leaks else bare
        assert behind == expected, request
        return
    canonical = corrected() if request.method == "POST" else corrected(None)
    described = [b"content-type: application/json", b"content-length: %d" % len(canonical)]
    head, _, body = behind.partition(b"\r\n\r\n")
    kept = [it for it in header_lines(bare) if not REPLACED.fullmatch(it)]
    assert head.startswith(b"HTTP/1.1 404 "), request
    assert sorted(header_lines(behind)) == sorted(kept + described), request
    assert body == canonical, request


def header_lines(answer: bytes) -> list[bytes]:
    """Give the lines of a head; servers spell the names in their own cases."""
    lines = (it.partition(b": ") for it in answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:])
    return [name.lower() + colon + value for name, colon, value in lines]


def statuses(answers: bytes) -> list[int]:
    return [int(it) for it in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


def answer(port: int, request: bytes) -> bytes:
    """Return all that comes back until the connection is closed, but for the time of day."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
        connection.sendall(request)
        came = b""
        while some := connection.recv(65536):
            came += some
    return re.sub(rb"(?im)^date: [^\r\n]*", b"date: now", came)


def answers(port: int, requests: Iterable[bytes]) -> list[bytes]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [*pool.map(partial(answer, port), requests)]


Fields: TypeAlias = dict[bytes, bytes]


def over_http2(port: int, path: str, place: str) -> tuple[Fields, bytes, Fields]:
    """Return the head of the answer without the time of day, its body, and its trailers."""
    h2: Any = import_module("h2.connection")
    client = h2.H2Connection()
    client.initiate_connection()
    pseudo = {":method": "POST", ":path": path, ":scheme": "http", ":authority": "127.0.0.1"}
    client.send_headers(1, [*pseudo.items(), ATTACHED, (PLACE, place), ("te", "trailers")])
    client.send_data(1, BODY, end_stream=True)
    head: Fields = {}
    trailers: Fields = {}
    body = b""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
        while True:
            connection.sendall(client.data_to_send())
            came = connection.recv(65536)
            assert came, (head, body)
            for event in client.receive_data(came):
                kind = type(event).__name__
                if kind == "ResponseReceived":
                    head = {name: value for name, value in event.headers if name != b"date"}
                elif kind == "DataReceived":
                    body += event.data
                elif kind == "TrailersReceived":
                    trailers = dict(event.headers)
                elif kind == "StreamEnded":
                    return head, body, trailers
