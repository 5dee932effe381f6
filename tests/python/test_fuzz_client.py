"""`mcp-session fuzz-client` finds each planted fault, and none in a client that has none."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from faulty_client import FAULTS
from mcp_session._fuzz.client import fuzz_client
from mcp_session._fuzz.search import Bounds, Search

from golden import TESTS

# By `FUZZ_WHOLE=1`, all of them: some minutes.
QUICK = ("initializes with its ID", "takes any ID")
PLANTED = tuple(FAULTS) if "FUZZ_WHOLE" in os.environ else QUICK
CLIENT = str(TESTS / "python" / "faulty_client.py")


def fuzzed(fault: str, seconds: float, seed: int = 1) -> Search:
    # As long as a busy machine may need, but for what never ends.
    limit = 8.0 if "hangs" in fault else 60.0
    client = [sys.executable, "-I", CLIENT, fault]
    bounds = Bounds(seed, seconds, 1.0, 1)
    return fuzz_client(client, bounds, limit=limit, growth=150 << 20)


def test_nothing_is_found_in_a_client_without_a_fault() -> None:
    cases = seed = 0
    # A busy machine may need long for one.
    while cases <= 2:
        seed += 1
        told = fuzzed("", 4.0, seed)
        assert told.findings == []
        cases += told.cases


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str) -> None:
    told = fuzzed(fault, 120.0)

    assert [finding.kind for finding in told.findings] == [FAULTS[fault]]


def test_the_command_prints_its_seed_and_writes_pairs_that_classify_and_diagnose_read(
    tmp_path: Path,
) -> None:
    program = str(Path(sys.executable).parent / "mcp-session")
    client = [sys.executable, "-I", CLIENT, "keeps the dead ID"]
    options = ["--seed", "7", "--seconds", "120", "--shrink-seconds", "1", "--most", "1", "--json"]

    done = subprocess.run(
        [program, "fuzz-client", *options, "--out", str(tmp_path), "--", *client],
        capture_output=True,
        check=False,
    )

    assert done.returncode == 1, done.stderr
    assert b"seed 7" in done.stderr
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["kind"] == "a dead ID"
    classified = subprocess.run(
        [program, "classify", finding["folder"]], capture_output=True, check=True
    )
    assert b"ClearAndReinit" in classified.stdout
    diagnosed = subprocess.run(
        [program, "diagnose", "--json", finding["folder"]], capture_output=True, check=False
    )
    # It found who was wrong: the client, which kept the ID of a session that had ended.
    assert diagnosed.returncode == 1, diagnosed.stderr
    story = json.loads(diagnosed.stdout)
    assert len(story["exchanges"]) >= 2
    assert "KeptDeadId" in {it["claim"] for it in story["findings"]}


POST = b"POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "brackets", "kind"),
    # CPython 3.14 reads 60,000 levels, as deep as its stack goes.
    [(b"\0 no HTTP\r\n\r\n", 0, "not HTTP"), (POST, 1_000_000, "too deep")],
    ids=["no HTTP", "a million levels"],
)
def test_a_client_that_sends_what_cannot_be_read_is_found_and_ends_nothing(
    sent: bytes, brackets: int, kind: str
) -> None:
    program = (
        "import socket, sys, urllib.parse\n"
        "parts = urllib.parse.urlsplit(sys.argv[-1])\n"
        "with socket.create_connection((parts.hostname, parts.port)) as opened:\n"
        "    opened.sendall(bytes.fromhex(sys.argv[1]) + b'[' * int(sys.argv[2]))\n"
        "    opened.recv(1)\n"
    )
    client = [sys.executable, "-I", "-c", program, sent.hex(), str(brackets)]
    bounds = Bounds(1, 120.0, 1.0, 1)

    told = fuzz_client(client, bounds, limit=60.0, growth=150 << 20)

    assert [finding.kind for finding in told.findings] == [kind]
