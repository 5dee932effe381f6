"""The command line, as a user calls it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from golden import EXCHANGES, expected_exchanges

SAMPLES = EXCHANGES.parent / "diagnose"
REQUEST = b"POST /mcp HTTP/1.1\r\nMcp-Session-Id: 1868a90c\r\n\r\n"
NOTHING_KNOWN = (
    "neither a HAR, nor what `curl -v` or `curl -i` prints, nor NAME.request or NAME.response"
)
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


def test_a_misreport_is_named_whether_it_is_acted_on_or_not(tmp_path: Path) -> None:
    misreported = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 15\r\n\r\nunknown session"
    record(tmp_path, "misreported", REQUEST, misreported)

    plain = json.loads(run("classify", tmp_path, "--json").stdout)
    acting = json.loads(run("classify", tmp_path, "--json", "--quirks").stdout)

    assert plain["misreport"] == acting["misreport"] == "MisreportUnknownSession"
    assert (plain["action"], plain["rule"]) == ("PassThrough", "NotTermination")
    assert plain["remarks"] == ["MisreportUnknownSession: acted on with --quirks"]
    assert (acting["action"], acting["rule"]) == ("ClearAndReinit", "MisreportUnknownSession")
    assert acting["remarks"] == []
    assert "MisreportUnknownSession: acted on with --quirks" in run("classify", tmp_path).stdout


def test_a_misreport_that_no_client_acts_on_is_said_to_be_the_servers(tmp_path: Path) -> None:
    text = b"Encounter an error when resume session: Session error: Session service terminated"
    answer = b"HTTP/1.1 500 X\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text)
    record(tmp_path, "rmcp", REQUEST.replace(b"POST", b"GET"), answer)

    shown = json.loads(run("classify", tmp_path, "--json", "--quirks").stdout)

    assert shown["remarks"] == ["MisreportResumeServiceTerminated: acted on by servers alone"]


def test_what_classify_reads_is_what_diagnose_reads() -> None:
    shown = [
        json.loads(line)
        for line in run("classify", "--json", SAMPLES / "chrome.har").stdout.split("\n")
        if line
    ]

    assert [(it["case"], it["method"], it["status"]) for it in shown][3] == ("entry 4", "POST", 404)
    assert [it["rule"] for it in shown] == [
        "SessionAssigned",
        *["NotTermination"] * 2,
        *["TerminatedPost"] * 2,
        "SessionAssigned",
        *["NotTermination"] * 2,
        "DeleteAcknowledged",
    ]


def test_help_says_why_classify_and_the_clients_differ() -> None:
    said = " ".join(run("classify", "--help").stdout.split())

    assert "a misreport is named, and not acted upon" in said
    assert "The clients of this package act on misreports, because" in said


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
        f"mcp-session: {tmp_path}/lonely.request: there is no lonely.response beside it",
        f"mcp-session: {tmp_path}/notes.txt: {NOTHING_KNOWN}",
    ]
    assert "404 → ClearAndReinit" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 exchange"
    assert result.returncode == 1


def test_a_path_that_is_not_there_and_a_folder_without_recordings_are_named(
    tmp_path: Path,
) -> None:
    result = run("classify", tmp_path, tmp_path / "nothing")

    assert result.stderr.splitlines() == [
        f"mcp-session: {tmp_path}: no recorded exchange in this folder",
        f"mcp-session: {tmp_path}/nothing: no such file or folder",
    ]
    assert result.returncode == 1


@pytest.mark.parametrize("command", ["classify", "diagnose"])
@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("/proc/self/mem", "Input/output error"),
        ("/dev/zero", "a device, not a file"),
        ("itself", "Too many levels of symbolic links"),
        ("FIFO", "a FIFO, not a file"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_for_what_it_is(
    tmp_path: Path, command: str, target: str, what: str
) -> None:
    (tmp_path / "m.response").write_bytes(NOT_FOUND)
    (tmp_path / "itself").symlink_to("itself")
    os.mkfifo(tmp_path / "FIFO")

    for path in ("m.request", "trace.har"):
        (tmp_path / path).symlink_to(target)
        result = run(command, tmp_path / path)

        assert result.stderr == f"mcp-session: {tmp_path}/{path}: {what}\n"
        assert result.returncode == 1


# As root everything can be read: all is imported, then the command is run as nobody.
AS_NOBODY = """
import os, sys
from click.testing import CliRunner
from mcp_session.__main__ import main
from mcp_session._cli import commands
for command in ("classify", "diagnose"):
    CliRunner().invoke(commands.main, [command, "readable"], catch_exceptions=False)
if os.geteuid() == 0:
    try:
        os.setuid(65534)
    except OSError as error:
        sys.exit(f"cannot be nobody: {error}")
main()
"""


@pytest.mark.parametrize("command", ["classify", "diagnose"])
def test_folders_and_files_that_may_not_be_read_are_named_and_the_rest_is_read(
    tmp_path: Path, command: str
) -> None:
    for folder in ("locked", "readable"):
        record(tmp_path / folder, "pair", REQUEST, NOT_FOUND)
    secret = tmp_path / "readable" / "secret.har"
    secret.write_bytes((SAMPLES / "chrome.har").read_bytes())
    tmp_path.chmod(0o755)
    secret.chmod(0)
    (tmp_path / "locked").chmod(0)
    named = ("locked", "locked/pair", "locked/pair.request", "readable/secret.har")
    try:
        within = run_as_nobody(tmp_path, command, ".")
        alone = run_as_nobody(tmp_path, command, *named)
    finally:
        (tmp_path / "locked").chmod(0o700)

    assert within.stderr.splitlines() == [
        "mcp-session: locked: Permission denied",
        "mcp-session: readable/secret.har: Permission denied",
    ]
    assert within.returncode == 1
    assert "TerminatedPost" in within.stdout
    assert alone.stderr.splitlines() == [f"mcp-session: {it}: Permission denied" for it in named]
    assert alone.returncode == 1


def run_as_nobody(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-c", AS_NOBODY, *arguments]
    result = subprocess.run(command, capture_output=True, check=False, cwd=folder, encoding="utf-8")
    if result.stderr.startswith("cannot be nobody"):
        pytest.skip(result.stderr)
    return result


def test_names_of_300_characters_are_said_to_be_too_long(tmp_path: Path) -> None:
    for name in ("n" * 300, "n" * 300 + ".request", "n" * 300 + ".har"):
        result = run("classify", tmp_path / name)

        assert result.stderr.endswith(": File name too long\n")
        assert result.returncode == 1
    longest = tmp_path / ("n" * 247 + ".request")
    longest.write_bytes(REQUEST)
    assert "beside it" in run("classify", tmp_path).stderr


def test_a_sparse_giant_is_not_read(tmp_path: Path) -> None:
    giant = tmp_path / "giant.har"
    giant.touch()
    os.truncate(giant, 30 * 1024**3)
    limited = f"ulimit -v 2000000; exec {sys.executable} -I -m mcp_session diagnose {giant}"

    result = subprocess.run(
        ["/bin/sh", "-c", limited], capture_output=True, check=False, encoding="utf-8"
    )

    assert result.stderr == (
        f"mcp-session: {giant}: longer than the 128 MiB that are read of a file\n"
    )
    assert result.returncode == 1


@pytest.mark.parametrize("command", ["classify", "diagnose"])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_full_disk_is_said_without_a_traceback(command: str, options: list[str]) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - no path of ours
        result = subprocess.run(
            [sys.executable, "-I", "-m", "mcp_session", command, EXCHANGES, *options],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert result.stderr == b"mcp-session: standard output: No space left on device\n"
    assert result.returncode == 1


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["classify", "diagnose", "classify --json", "--version"])
def test_an_output_that_was_closed_before_is_no_traceback(command: str, closed: str) -> None:
    paths = "" if command == "--version" else f"{EXCHANGES}/mcp2.3.0"
    shell = f"{sys.executable} -I -m mcp_session {command} {paths} {closed}"

    result = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, check=False)

    assert b"Traceback" not in result.stderr
    assert result.returncode == (command == "diagnose")


@pytest.mark.parametrize("command", ["classify", "diagnose"])
def test_an_archive_that_takes_more_memory_than_there_is_is_no_traceback(
    tmp_path: Path, command: str
) -> None:
    path = tmp_path / "a.har"
    path.write_text('{"log":{"entries":[' + "[]," * 10_000_000 + "[]]}}")
    limited = f"ulimit -v 500000; exec {sys.executable} -I -m mcp_session {command} {path}"

    result = subprocess.run(["/bin/sh", "-c", limited], capture_output=True, check=False)

    assert result.stderr == b"mcp-session: there is not enough memory for that\n"
    assert (result.stdout, result.returncode) == (b"", 1)


def test_a_reader_that_has_gone_is_no_traceback() -> None:
    shell = f"{sys.executable} -I -m mcp_session classify {EXCHANGES} | head -n 1"

    result = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, check=False)

    assert result.stderr == b""
    assert result.stdout.startswith(b"server")


def test_control_characters_of_names_and_ids_are_escaped(tmp_path: Path) -> None:
    folder = tmp_path / "e\x1b[2J\u202e\x85"
    body = '{"jsonrpc":"2.0","id":"\x7f\u009b","method":"m\x9b"}'.encode()
    head = REQUEST.removesuffix(b"\r\n") + b"content-length: %d\r\n\r\n" % len(body)
    record(folder, "c\x1b]0;x\x07", head + body, NOT_FOUND)
    (folder / "n\x1b").write_text("x")

    as_a_server = ["classify", "--side", "server"]
    for arguments in (
        as_a_server,
        [*as_a_server, "--json"],
        ["classify", "--json"],
        ["diagnose"],
        ["diagnose", "--json"],
    ):
        result = run(*arguments, folder)

        shown = (result.stdout + result.stderr).replace("\n", "").replace("\\u001b", "?")
        assert shown.isprintable()
        assert "\\x1b" in shown
        assert "?" not in shown


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("command", ["classify", "diagnose"])
def test_ctrl_c_is_130_and_no_traceback(command: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-I", "-m", "mcp_session", command, "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        # It waits for the end of this, once it has begun to read.
        process.stdin.write(b" " * 1024 * 1024)
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        output, said = process.communicate(timeout=60)

    assert (output, said) == (b"", b"\nmcp-session: interrupted\n")
    assert process.returncode == 130


@pytest.mark.parametrize(
    "arguments", [["classify"], ["diagnose", "--sid", "x"], ["classify", "--side", "x", "y"]]
)
def test_a_misused_command_ends_with_2(arguments: list[str]) -> None:
    result = run(*arguments)

    assert "Usage: mcp-session" in result.stderr
    assert result.returncode == 2


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
        "mcp-session: the command line needs click: "
        "pip install '.[cli]' in a clone of mcp_session\n"
    )
    assert result.returncode == 1
