"""`mcp-session fuzz` finds each planted fault, shrinks it, and finds none in a healthy server."""

import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from faulty_server import FAULTS
from mcp_session import Action, classify_exchange
from mcp_session._cli import commands
from mcp_session._fuzz.report import write
from mcp_session._fuzz.requests import calls_nothing
from mcp_session._fuzz.search import Bounds, Search
from mcp_session._fuzz.server import Target, fuzz_server
from mcp_session.testing import CommandServer

from golden import TESTS

# By `FUZZ_WHOLE=1`, all of them: some minutes.
QUICK = (
    *("crashes on a batch", "puts an ID on errors", "serves without an ID", "serves the unknown"),
    "says a header too often",
)
PLANTED = tuple(FAULTS) if "FUZZ_WHOLE" in os.environ else QUICK
SERVER = str(TESTS / "python" / "faulty_server.py")


def fuzzed(fault: str, seconds: float, seed: int = 1) -> Search:
    with CommandServer([sys.executable, SERVER, "{port}", fault]) as server:
        # As long as a busy machine may need, but for what never answers.
        patience = 3.0 if "silent" in fault else 30.0
        target = Target(server.url, server, answer_seconds=patience, growth=16 * 1024 * 1024)
        return fuzz_server(target, Bounds(seed, seconds, 1.0, 1))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://[::1", "URL must begin"),
        ("http://127.0.0.1:99999/", "URL must begin"),
        (f"http://{'n' * 300}.example/", "URL must begin"),
        ("ftp://a.example/", "URL must begin"),
        # Nobody can listen there.
        ("http://127.0.0.1:1/mcp", "the server cannot be reached (ConnectionRefusedError)"),
        ("https://127.0.0.1:1/mcp", "the server cannot be reached (ConnectionRefusedError)"),
    ],
)
def test_what_is_no_server_that_can_be_reached_is_misuse(url: str, said: str) -> None:
    result = CliRunner().invoke(commands.main, ["fuzz", url])

    assert result.exit_code == 2
    assert said in result.stderr


def test_nothing_is_found_in_a_healthy_server() -> None:
    cases = seed = 0
    # A busy machine may need long for one.
    while cases <= 5:
        seed += 1
        told = fuzzed("", 3.0, seed)
        assert told.findings == []
        cases += told.cases


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found_and_written_as_pairs(fault: str, tmp_path: Path) -> None:
    told = fuzzed(fault, 120.0)

    assert [finding.kind for finding in told.findings] == [FAULTS[fault]]
    (folder,) = write(told.findings, tmp_path, 1)
    assert FAULTS[fault] in folder.with_suffix(".txt").read_text(encoding="utf-8")
    requests = list(folder.glob("*.request"))
    # What is no exchange stands in the text alone.
    assert requests or fault in {"grows", "says a header too often"}
    for request in requests:
        classify_exchange(request.read_bytes(), request.with_suffix(".response").read_bytes())


def test_no_file_of_what_was_found_bears_the_credentials(tmp_path: Path) -> None:
    with CommandServer([sys.executable, SERVER, "{port}", "puts an ID on errors"]) as server:
        credentials = (("authorization", "Bearer TOP-SECRET"), ("x-key", "HIDDEN"))
        target = Target(f"{server.url}?key=QUERY-SECRET", server, credentials)
        told = fuzz_server(target, Bounds(1, 120.0, 1.0, 1))
    (folder,) = write(told.findings, tmp_path, 1)

    written = [it.read_bytes() for it in (*folder.iterdir(), folder.with_suffix(".txt"))]
    assert any(b"authorization: ****" in it for it in written)
    assert not [it for it in written if b"SECRET" in it or b"HIDDEN" in it]
    assert Action.PASS_THROUGH in {
        classify_exchange(it.read_bytes(), it.with_suffix(".response").read_bytes()).action
        for it in folder.glob("*.request")
    }


def test_what_is_sent_with_each_request_changes_no_verdict() -> None:
    with CommandServer([sys.executable, SERVER, "{port}", ""]) as server:
        # Words of the protocol's own.
        sent = (("x-of", "session"), ("x-kind", "application/json"), ("x-to", "HTTP/1.1"))
        target = Target(server.url, server, sent, answer_seconds=60.0)
        cases = seed = 0
        while cases <= 5:
            seed += 1
            told = fuzz_server(target, Bounds(seed, 3.0, 1.0, 1))
            assert told.findings == []
            cases += told.cases


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools\\/call"}',
        b'{"jsonrpc":"2.0","id":1,"\\u006dethod":"\\u0074ools\\u002Fcall"}',
        b'[{"jsonrpc":"2.0","id":1,"method":"tools\\u002fcall"}]',
        '[{"jsonrpc":"2.0","id":1,"method":"tools/call"}]'.encode("utf-16"),
        '[{"jsonrpc":"2.0","id":1,"method":"tools/call"}]'.encode("utf-32-be"),
    ],
)
def test_what_calls_a_tool_is_never_sent_however_it_is_spelled(body: bytes) -> None:
    assert json.loads(body)

    assert not calls_nothing(body)
