"""`mcp-session fuzz` finds the answer in an event stream, however it comes, and misses none."""

import re
import sys

import pytest
from mcp_session import Action, classify_exchange
from mcp_session._fuzz.search import Bounds, Search
from mcp_session._fuzz.server import Target, fuzz_server
from mcp_session.testing import CommandServer
from streaming_server import SILENT, WAYS

from golden import TESTS

SERVER = str(TESTS / "python" / "streaming_server.py")
ENDING = [way for way, kind in WAYS.items() if kind and way != SILENT]
HEALTHY = [way for way, kind in WAYS.items() if not kind]


def fuzzed(
    way: str, seconds: float, patience: float, headers: tuple[tuple[str, str], ...] = ()
) -> Search:
    with CommandServer([sys.executable, SERVER, "{port}", way]) as server:
        target = Target(server.url, server, headers, answer_seconds=patience)
        return fuzz_server(target, Bounds(1, seconds, 0.5, 1))


@pytest.mark.parametrize("way", HEALTHY)
def test_nothing_is_found_where_the_answer_is_in_a_stream(way: str) -> None:
    cases, seconds = 0, 0.3
    # A busy machine may need long for one.
    while cases < 2:
        told = fuzzed(way, seconds, 120.0)
        assert [it.what for it in told.findings] == []
        cases, seconds = told.cases, seconds * 2


@pytest.mark.parametrize("way", ENDING)
def test_a_stream_without_the_answer_is_found_and_shown(way: str) -> None:
    told = fuzzed(way, 60.0, 120.0)

    (found,) = told.findings
    assert found.kind == WAYS[way]
    assert found.what == "a stream ended without the answer to its request"
    request, response = found.exchanges[0]
    assert b'"initialize"' in request
    assert b"text/event-stream" in response
    assert classify_exchange(request, response).action is Action.ADOPT_SESSION


def test_what_came_before_a_server_fell_silent_is_shown() -> None:
    # A busy machine may need long to begin.
    for patience in (1.0, 10.0, 60.0):
        told = fuzzed(SILENT, 60.0, patience)
        (found,) = told.findings
        response = found.exchanges[0][1]
        if b"id: e1" in response:
            break

    assert found.kind == WAYS[SILENT]
    assert found.what == f"no answer in {patience:.0f} s"
    assert b"id: e1" in response


def test_no_spelling_of_a_credential_is_in_what_is_shown_and_its_frames_stay() -> None:
    told = fuzzed("credentials in other spellings", 60.0, 120.0, AUTHORIZED)

    (found,) = told.findings
    request, response = found.exchanges[0]
    body = response.partition(b"\r\n\r\n")[2]
    assert classify_exchange(request, response).action is Action.ADOPT_SESSION
    assert b"".join(CHUNK.findall(body)) == SHOWN


AUTHORIZED = (("authorization", "TOP-SECRET/1"),)
CHUNK = re.compile(rb"[0-9a-f]+\r\n([^\r]*)\r\n")
# In base64, in JSON, and in a URL with each byte in a chunk of its own.
SHOWN = b": aXQgaXM" + b"*" * 17 + b"\n: " + b"*" * 72 + b"\n" + b"*" * len("TOP-SECRET/1")
