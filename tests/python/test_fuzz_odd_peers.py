"""The fuzzers accuse no peer that is right in its own way, and say so where they cannot judge."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mcp_session._fuzz.client import CannotFuzzError, fuzz_client
from mcp_session._fuzz.search import Bounds, Finding, Search, search
from mcp_session._fuzz.server import Target, fuzz_server
from mcp_session.testing import CommandServer

from golden import TESTS

PROGRAM = str(Path(sys.executable).parent / "mcp-session")
SERVER = [sys.executable, "-I", str(TESTS / "python" / "odd_server.py"), "{port}"]
CLIENT = [sys.executable, "-I", str(TESTS / "python" / "odd_client.py")]
LONG_SECONDS = 120.0
MEMORY = 150 << 20


def fuzzed(oddity: str, *, seconds: float = 4.0) -> Search:
    with CommandServer([*SERVER, oddity]) as server:
        return fuzz_server(Target(server.url, server), Bounds(1, seconds, 1.0, 1))


def test_a_server_without_a_stream_may_answer_405_to_any_get() -> None:
    told = fuzzed("no stream")

    assert told.findings == []
    assert told.cases > told.unjudged == 0


def test_a_server_that_limits_its_clients_is_judged_by_the_cases_that_it_serves() -> None:
    told = fuzzed("limits its clients", seconds=6.0)

    assert told.findings == []
    assert told.cases > told.unjudged > 0


@pytest.mark.parametrize(
    ("oddity", "said"),
    [
        ("is elsewhere", b"the endpoint is at another URL"),
        ("wants credentials", b"it wants credentials"),
        ("limits all", b"no case could be run"),
    ],
)
def test_a_server_that_serves_nothing_of_the_kind_is_misuse(oddity: str, said: bytes) -> None:
    with CommandServer([*SERVER, oddity]) as server:
        done = subprocess.run(
            [PROGRAM, "fuzz", server.url, "--seconds", "2"], capture_output=True, check=False
        )

    assert done.returncode == 2, done.stdout
    assert said in done.stderr


def test_a_server_that_starts_once_ends_the_search_and_what_was_found_is_written(
    tmp_path: Path,
) -> None:
    command = [*SERVER, "starts once", str(tmp_path / "started")]
    with CommandServer(command) as server:
        told = fuzz_server(Target(server.url, server), Bounds(1, LONG_SECONDS, 1.0, 20))

    assert "crashed" in {it.kind for it in told.findings}
    assert "could not be started again" in (told.ended_by or "")


def test_a_client_that_asks_at_once_is_not_blamed_for_what_it_had_sent_already() -> None:
    told = fuzz_client([*CLIENT, "at once"], Bounds(1, 6.0, 1.0, 1), limit=60.0, growth=MEMORY)

    assert told.findings == []
    assert told.cases


def test_a_client_that_takes_404_to_get_for_no_stream_keeps_its_session() -> None:
    command = [*CLIENT, "one by one, with a stream"]
    told = fuzz_client(command, Bounds(1, 6.0, 1.0, 1), limit=60.0, growth=MEMORY)

    assert told.findings == []
    assert told.cases


def test_a_client_that_sends_head_first_is_answered_without_a_body() -> None:
    told = fuzz_client([*CLIENT, "head"], Bounds(1, 4.0, 1.0, 1), limit=60.0, growth=MEMORY)

    assert told.findings == []
    assert told.cases


def test_a_command_that_sends_nothing_cannot_be_fuzzed() -> None:
    command = [sys.executable, "-I", "-c", "import sys; sys.exit(3)"]

    with pytest.raises(CannotFuzzError, match=r"sends nothing to a good server.*status 3"):
        fuzz_client(command, Bounds(1, LONG_SECONDS, 1.0, 1), limit=60.0, growth=MEMORY)


def test_what_was_found_before_ctrl_c_is_kept() -> None:
    from hypothesis import strategies as st  # noqa: PLC0415 - an extra

    def run(case: int, known: object) -> Finding | None:
        if known:
            raise KeyboardInterrupt
        return Finding("odd", "it is odd", []) if case % 2 else None

    told = search(st.integers(0, 9), run, Bounds(1, LONG_SECONDS, 5.0))

    assert [it.kind for it in told.findings] == ["odd"]
    assert told.is_interrupted


@pytest.mark.parametrize("out", ["/proc/nowhere", "{file}/below"])
def test_a_folder_that_cannot_be_written_is_misuse_before_anything_is_sent(
    out: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    place = out.format(file=tmp_path / "file")

    done = subprocess.run(
        [PROGRAM, "fuzz-client", "--out", place, "--", *CLIENT, "at once"],
        capture_output=True,
        check=False,
    )

    assert done.returncode == 2
    assert b"--out: " in done.stderr


def test_the_command_leaves_nothing_but_what_it_found(tmp_path: Path) -> None:
    with CommandServer([*SERVER, "no stream"]) as server:
        done = subprocess.run(
            [PROGRAM, "fuzz", server.url, "--seconds", "3", "--seed", "5"],
            capture_output=True,
            check=False,
            cwd=tmp_path,
        )

    assert (done.returncode, done.stderr) == (0, b"mcp-session: seed 5\n")
    assert list(tmp_path.iterdir()) == []


def test_the_exchanges_of_a_long_case_are_read_in_their_order(tmp_path: Path) -> None:
    options = ["--seconds", "120", "--shrink-seconds", "1", "--most", "1", "--json"]

    done = subprocess.run(
        [PROGRAM, "fuzz-client", *options, "--out", str(tmp_path), *CLIENT, "asks for ever"],
        capture_output=True,
        check=False,
    )

    assert done.returncode == 1, done.stderr
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["kind"] == "asks for ever"
    assert finding["exchanges"] > 100
    names = sorted(it.stem for it in Path(finding["folder"]).glob("*.request"))
    assert [int(it) for it in names] == sorted(int(it) for it in names)
