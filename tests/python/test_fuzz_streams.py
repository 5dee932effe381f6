"""`mcp-session fuzz` finds the answer in an event stream, however it comes, and misses none."""

import sys

import pytest
from mcp_session import Action, classify_exchange
from mcp_session._fuzz.search import Bounds, Search
from mcp_session._fuzz.server import Target, fuzz_server
from mcp_session.testing import CommandServer
from streaming_server import WAYS

from golden import TESTS

SERVER = str(TESTS / "python" / "streaming_server.py")
SILENT = "silence after an event"
ENDING = [way for way, kind in WAYS.items() if kind and way != SILENT]
HEALTHY = [way for way, kind in WAYS.items() if not kind]


def fuzzed(way: str, seconds: float, patience: float) -> Search:
    with CommandServer([sys.executable, SERVER, "{port}", way]) as server:
        target = Target(server.url, server, answer_seconds=patience)
        return fuzz_server(target, Bounds(1, seconds, 0.5, 1))


@pytest.mark.parametrize("way", HEALTHY)
def test_nothing_is_found_where_the_answer_is_in_a_stream(way: str) -> None:
    cases, seconds = 0, 1.0
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
