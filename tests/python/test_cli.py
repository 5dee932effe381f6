"""The command line, as a user calls it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from golden import EXCHANGES, expected_exchanges

REQUEST = b"POST /mcp HTTP/1.1\r\nMcp-Session-Id: 1868a90c\r\n\r\n"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-m", "mcp_session", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        check=False,
        encoding="utf-8",
        env=os.environ | environment,
    )


def record(folder: Path, name: str, request: bytes, response: bytes) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.request").write_bytes(request)
    (folder / f"{name}.response").write_bytes(response)


@pytest.mark.parametrize(
    ("options", "column"), [((), 0), (("--quirks",), 1), (("--side", "server"), 2)]
)
def test_the_recorded_exchanges_are_classified_as_expected(
    options: tuple[str, ...], column: int
) -> None:
    result = run("classify", EXCHANGES, "--json", *options)

    objects = [json.loads(line) for line in result.stdout.splitlines()]
    verdicts = {
        f"{it['server']}/{it['case']}": f"{it['action']}/{it['rule']}"
        + ("" if it["forward_session_id"] else "+withhold")
        for it in objects
    }
    assert verdicts == {name: expected[column] for name, expected in expected_exchanges()}
    assert (result.returncode, result.stderr) == (0, "")


def test_the_table_names_server_case_attached_status_action_and_rule() -> None:
    result = run("classify", EXCHANGES / "mcp2.3.0")

    lines = result.stdout.splitlines()
    assert lines[0].split() == [
        "server",
        "case",
        "attached",
        "status",
        "→",
        "action",
        "rule",
        "remarks",
    ]
    row = "mcp2.3.0 04-post-bogus-session yes 404 → ClearAndReinit TerminatedPost"
    assert row in [" ".join(line.split()) for line in lines]
    assert lines[-1] == "43 exchanges"
    assert result.returncode == 0


def test_explain_adds_the_sentence_of_the_specification_and_its_url() -> None:
    result = run("classify", EXCHANGES / "mcp2.3.0" / "04-post-bogus-session", "--explain")

    assert "it **MUST** start a new session by sending a new `InitializeRequest`" in result.stdout
    assert "/2025-11-25/basic/transports#session-management" in result.stdout
    as_json = run("classify", EXCHANGES / "mcp2.3.0", "--explain", "--json").stdout.splitlines()
    assert all(json.loads(line)["quote"] for line in as_json)


def test_a_server_is_shown_the_canonical_answer() -> None:
    result = run("classify", EXCHANGES / "mcp2.3.0", "--side", "server")

    answer = '404 {"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":7}'
    assert answer in result.stdout
    assert "session header withheld" in result.stdout


def test_a_file_that_is_no_recording_is_named_with_the_byte_and_the_others_are_classified(
    tmp_path: Path,
) -> None:
    record(tmp_path, "good", REQUEST, NOT_FOUND)
    record(tmp_path, "broken", b"POST /mcp HTTP/1.1\r\nno colon\r\n\r\n", NOT_FOUND)
    record(tmp_path, "cut", REQUEST, b"HTTP/1.1 404 Not")
    (tmp_path / "lonely.request").write_bytes(REQUEST)
    (tmp_path / "notes.txt").write_text("x")

    result = run("classify", tmp_path)

    assert result.stderr.splitlines() == [
        f"mcp-session: {tmp_path}/broken.request: byte 22: invalid header name",
        f"mcp-session: {tmp_path}/cut.response: byte 16: the head ends before its empty line",
        f"mcp-session: {tmp_path}/lonely.request: byte 0: there is no lonely.response beside it",
        f"mcp-session: {tmp_path}/notes.txt: byte 0: neither NAME.request nor NAME.response",
    ]
    assert "404 → ClearAndReinit" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 exchange"
    assert result.returncode == 1


def test_a_path_that_is_not_there_and_a_folder_without_recordings_are_named(
    tmp_path: Path,
) -> None:
    result = run("classify", tmp_path, tmp_path / "nothing")

    assert result.stderr.splitlines() == [
        f"mcp-session: {tmp_path}: byte 0: no recorded exchange in this folder",
        f"mcp-session: {tmp_path}/nothing: byte 0: no such file or folder",
    ]
    assert result.returncode == 1


@pytest.mark.parametrize(
    ("response", "remark"),
    [
        (b"content-length: 9\r\n\r\nabc", "response: body cut off: 3 of 9 bytes"),
        (b"transfer-encoding: chunked\r\n\r\n3\r\nab", "response: body cut off: no last chunk"),
        (
            b"transfer-encoding: chunked\r\n\r\nzz\r\n",
            "response: body broken: a chunk that is none",
        ),
        (b"\r\nabc", "response: body delimited by close: whole and cut off look the same"),
        (b"content-length: 1\r\n\r\nabc", "response: 2 bytes after the message"),
    ],
)
def test_what_is_odd_about_a_body_is_said_and_the_exchange_is_classified(
    tmp_path: Path, response: bytes, remark: str
) -> None:
    record(tmp_path, "odd", REQUEST, b"HTTP/1.1 404 Not Found\r\n" + response)

    result = run("classify", tmp_path / "odd.request", "--json")

    shown = json.loads(result.stdout)
    assert shown["action"] == "ClearAndReinit"
    assert shown["remarks"] == [remark]
    assert result.returncode == 0
    assert remark in run("classify", tmp_path / "odd").stdout


def test_a_session_id_is_never_printed(tmp_path: Path) -> None:
    initialize = b'{"jsonrpc":"2.0","id":0,"method":"initialize"}'
    head = b"POST /mcp HTTP/1.1\r\nMcp-Session-Id: secret-1\r\nContent-Length: %d\r\n\r\n"
    response = b"HTTP/1.1 200 OK\r\nMcp-Session-Id: secret-2\r\nContent-Length: 0\r\n\r\n"
    record(tmp_path, "initialize", head % len(initialize) + initialize, response)

    for options in ([], ["--json", "--explain"], ["--side", "server"]):
        result = run("classify", tmp_path, *options)

        assert "initialize" in result.stdout
        assert "secret" not in result.stdout + result.stderr


def test_the_same_pair_named_twice_over_is_classified_once(tmp_path: Path) -> None:
    record(tmp_path, "pair", REQUEST, NOT_FOUND)

    assert run("classify", tmp_path).stdout.splitlines()[-1] == "1 exchange"
    assert run("classify", tmp_path / "pair.response").stdout.splitlines()[-1] == "1 exchange"


def test_a_terminal_that_cannot_show_an_arrow_gets_ascii(tmp_path: Path) -> None:
    record(tmp_path, "pair", REQUEST, NOT_FOUND)

    command = [sys.executable, "-m", "mcp_session", "classify", str(tmp_path)]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    result = subprocess.run(command, capture_output=True, check=False, env=environment)

    assert b"404 -> ClearAndReinit" in result.stdout


def test_without_its_extra_the_command_line_says_what_it_needs(tmp_path: Path) -> None:
    """An empty `click` in the way stands for one that is not installed."""
    (tmp_path / "click.py").write_text("raise ModuleNotFoundError(name='click')")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r});"
        "import mcp_session.__main__ as m; m.main()"
    )

    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, encoding="utf-8"
    )

    assert result.stderr == (
        "mcp-session: the command line needs click: pip install 'mcp-session[cli]'\n"
    )
    assert result.returncode == 1
