"""`mcp-session check` and `check-client`, as a user calls them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import anyio
import pytest
from mcp_session import Rule
from mcp_session._check.client_table import TABLE as SCENARIOS
from mcp_session._check.results import Outcome
from mcp_session._check.server_run import Asked, check_server
from mcp_session._check.server_table import TABLE
from mcp_session._check.subject import Options
from mcp_session.testing.processes import CommandServer

HERE = Path(__file__).parent
SERVER = HERE / "faulty_server.py"
CLIENT = (sys.executable, "-S", "-E", str(HERE / "faulty_client.py"))


def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mcp_session", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, encoding="utf-8", timeout=120)


def serving(fault: str) -> CommandServer:
    return CommandServer([sys.executable, str(SERVER), "{port}", fault])


@pytest.fixture(scope="module")
def healthy() -> Generator[CommandServer]:
    with serving("") as server:
        yield server


def test_a_healthy_server_exits_with_0_and_shows_a_line_for_each_check(
    healthy: CommandServer,
) -> None:
    result = run("check", healthy.url)

    lines = result.stdout.splitlines()
    assert (result.returncode, result.stderr) == (0, "")
    assert [line.split()[0] for line in lines[1:-1]] == [it.entry.id for it in TABLE]
    assert lines[-1].startswith(f"127.0.0.1:{healthy.port}/mcp: ")


def test_a_failure_exits_with_1_and_explain_shows_the_sentence_it_rests_on() -> None:
    with serving("unknown POST") as server:
        result = run("check", server.url, "--explain")

    assert result.returncode == 1
    assert f"  > {Rule.SESSION_UNKNOWN.quote}" in result.stdout.splitlines()
    assert "that is MisreportNoValidSessionId" in result.stdout


def test_a_warning_exits_with_0_and_with_strict_with_1() -> None:
    with serving("a 404 with the id null") as server:
        relaxed, strict = run("check", server.url), run("check", server.url, "--strict")

    assert (relaxed.returncode, strict.returncode) == (0, 1)


def test_json_has_the_entry_of_each_check_and_what_came_of_it(healthy: CommandServer) -> None:
    report = json.loads(run("check", healthy.url, "--json").stdout)

    assert report["command"] == "check"
    assert sum(report["counts"].values()) == len(report["checks"]) == len(TABLE)
    checks: dict[str, dict[str, Any]] = {it["check"]: it for it in report["checks"]}
    for name in ("unknown-post", "terminated-get", "missing-delete"):
        found = checks[name]
        assert found["outcome"] == "pass"
        assert (found["quote"], found["url"]) == (
            Rule(found["rule"]).quote,
            Rule(found["rule"]).url,
        )
    assert checks["version-unknown"]["rule"] is None
    assert "**MUST** respond with `400 Bad Request`" in checks["version-unknown"]["quote"]


def test_junit_has_a_case_for_each_check_and_a_failure_for_each_that_failed(
    tmp_path: Path,
) -> None:
    report = tmp_path / "report.xml"
    with serving("unknown POST") as server:
        run("check", server.url, "--junit", report)

    suite = ET.parse(report).getroot()[0]  # noqa: S314 - our own
    assert [it.get("name") for it in suite] == [it.entry.id for it in TABLE]
    failed = [it.get("name") for it in suite if it.find("failure") is not None]
    assert failed == ["unknown-post"]
    assert suite.get("failures") == "1"


def test_credentials_go_with_each_request_and_show_nowhere(tmp_path: Path) -> None:
    echo = tmp_path / "echo.py"
    echo.write_text(
        "import sys, http.server as h\n"
        "class H(h.BaseHTTPRequestHandler):\n"
        "    def answer(self):\n"
        "        print(self.headers['authorization'], self.headers['x-key'], flush=True)\n"
        "        body = f\"{self.headers['authorization']}\".encode()\n"
        "        self.send_response(401); self.send_header('content-length', str(len(body)))\n"
        "        self.end_headers(); self.wfile.write(body)\n"
        "    do_POST = do_GET = do_DELETE = do_HEAD = do_OPTIONS = answer\n"
        "    def log_message(self, *_): pass\n"
        "h.HTTPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()\n",
        encoding="utf-8",
    )
    out = tmp_path / "out"
    with (
        out.open("wb") as written,
        CommandServer([sys.executable, str(echo), "{port}"], output=written.fileno()) as server,
    ):
        options = ("--bearer", "TOP-SECRET-TOKEN", "--header", "X-Key: HIDDEN-KEY")
        result = run("check", server.url, *options, "--explain")

    seen = out.read_text(encoding="utf-8").splitlines()
    assert len(seen) > 5
    assert set(seen) == {"Bearer TOP-SECRET-TOKEN HIDDEN-KEY"}
    assert "answered 401" in result.stdout
    assert "SECRET" not in result.stdout + result.stderr
    assert result.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "ftp://a.example"), "URL must begin with http:// or https://"),
        (("check", "http://127.0.0.1:1/mcp", "--header", "nothing"), "--header must be"),
        (("check", "http://127.0.0.1:1/mcp", "--tool", "x=[]"), "--tool has to be NAME"),
        (("check", "http://127.0.0.1:1/mcp", "--command", "false"), "ended with exit status 1"),
        (("check", "http://127.0.0.1:{port}/mcp"), "URL must begin"),
        (("check", "http://127.0.0.1:99999/mcp"), "URL must begin"),
        (("check", "http://[::1"), "URL must begin"),
        (("check", "http://127.0.0.1:1/mcp", "--header", "x-\u00e9: y"), "--header must be"),
        (
            ("check", "http://127.0.0.1:1/mcp", "--bearer", "a\nb"),
            "--bearer: the value is empty, or",
        ),
        (("check", "http://127.0.0.1:1/mcp", "--command", "'"), "No closing quotation"),
        (("check", "http://127.0.0.1:1/mcp", "--command", "no-such-program"), "No such file"),
        (("check-client", "--", "no-such-program-anywhere"), "no program that can be run"),
        (("check-client", "--scenario", "none", "--", "true"), "no scenario none"),
        (("check-client", "--junit", "/proc/no/file", "--", "true"), "--junit: "),
        (("check", "http://127.0.0.1:1/mcp", "--junit", "/proc/no/file"), "--junit: "),
        (("check", "http://127.0.0.1:1/mcp", "--timeout", "nan"), "is not a number of seconds"),
        (("fuzz-client", "--seconds", "nan", "--", "true"), "is not a number of seconds"),
        (("check", "http://h:{port}/mcp", "--command", "true"), "it needs {port}, too"),
    ],
)
def test_what_is_not_understood_exits_with_2_and_says_why(
    arguments: tuple[str, ...], said: str
) -> None:
    result = run(*arguments)

    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_server_that_is_not_there_exits_with_1() -> None:
    with serving("") as server:
        url = server.url

    result = run("check", url)

    assert result.returncode == 1
    assert "the server does not answer" in result.stdout


def test_a_command_is_started_restarted_and_ended() -> None:
    command = f"{sys.executable} {SERVER} {{port}}"
    result = run("check", "http://127.0.0.1:{port}/mcp", "--command", command, "--json")

    report = json.loads(result.stdout)
    found = {it["check"]: it["outcome"] for it in report["checks"]}
    assert {found[it] for it in found if it.startswith("restart")} == {"pass"}
    assert result.returncode == 0
    # Nobody listens there any more.
    assert run("check", f"http://{report['target']}").returncode == 1


@pytest.fixture
def interruptible() -> Generator[None]:
    """What a shell runs in its background begins with SIGINT ignored, and hands that on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_exits_with_130_and_ends_the_command(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    # It listens, and answers nothing.
    program = (
        "import pathlib, socket, sys, time\n"
        "listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "pathlib.Path(sys.argv[2]).write_text(sys.argv[1])\n"
        "time.sleep(600)\n"
    )
    script = tmp_path / "silent.py"
    script.write_text(program, encoding="utf-8")
    arguments = ("check", "http://127.0.0.1:{port}/mcp", "--timeout", "300", "--command")
    command = f"{sys.executable} {script} {{port}} {begun}"
    process = subprocess.Popen(
        [sys.executable, "-m", "mcp_session", *arguments, command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    until(lambda: begun.exists() and begun.read_text(encoding="utf-8"))
    port = int(begun.read_text(encoding="utf-8"))
    # It is connected to once it is waited for, and once for the first request.
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert (process.returncode, said.strip()) == (130, b"mcp-session: interrupted")
    with pytest.raises(OSError):  # noqa: PT011 - whichever way nobody is there
        socket.create_connection(("127.0.0.1", port), timeout=1)


# Ends once what it started, which is in a session of its own, listens.
LEAVES = """
import pathlib, socket, subprocess, sys, time
started = subprocess.Popen(sys.argv[3:], start_new_session=True)
pathlib.Path(sys.argv[1]).write_text(str(started.pid))
while True:
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[2]))).close()
        break
    except OSError:
        time.sleep(0.02)
"""


def test_a_server_that_outlives_its_command_was_not_restarted(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = (sys.executable, "-c", LEAVES, str(pid), "{port}", sys.executable, str(SERVER))
    process = CommandServer([*command, "{port}", ""])
    asked = Asked(process.url, (), Options(), 5.0, 300, process)
    needed = {"restart", "restart-initialize", "restart-in-flight"}
    table = [it for it in TABLE if it.entry.id in needed]
    try:
        # It may have ended before it is seen that somebody listens.
        with suppress(RuntimeError):
            process.start()
        until(lambda: not process.is_running)
        results = anyio.run(check_server, asked, table)
    finally:
        process.kill()
        os.kill(int(pid.read_text(encoding="ascii")), signal.SIGKILL)

    assert {it.entry.id for it in results} == needed
    told = "it could not be killed: what --command starts ends, and the server does not"
    assert {(it.outcome, it.reason) for it in results} == {(Outcome.SKIPPED, told)}


def until(reached: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_client_is_run_in_the_scenarios_that_are_named() -> None:
    options = ("--scenario", "recovery", "--scenario", "modern", "--json")
    good = run("check-client", *options, "--", *CLIENT, "")
    bad = run("check-client", *options, "--", *CLIENT, "never begins anew")

    report = json.loads(good.stdout)
    named = [it for it in SCENARIOS if it.name in {"recovery", "modern"}]
    ids = [check.entry.id for it in named for check in it.checks]
    assert [it["check"] for it in report["checks"]] == ids
    assert (good.returncode, bad.returncode) == (0, 1)
    failed = [it["check"] for it in json.loads(bad.stdout)["checks"] if it["outcome"] == "fail"]
    assert failed == ["recovers", "begins-anew-once"]


def test_what_a_client_writes_shows_only_where_it_is_asked_for() -> None:
    program = "import sys; print('out'); print('said', file=sys.stderr)"
    command = (sys.executable, "-c", program)

    silent = run("check-client", "--scenario", "recovery", "--", *command)
    shown = run("check-client", "--scenario", "recovery", "--output", "--", *command)

    assert (silent.stderr, shown.stderr) == ("", "said\n")
    assert "out\n" not in shown.stdout


def test_each_check_has_a_name_of_its_own_a_sentence_and_its_place() -> None:
    entries = [it.entry for it in TABLE]
    entries += [check.entry for it in SCENARIOS for check in it.checks]

    assert len({it.id for it in entries}) == len(entries)
    for entry in entries:
        assert entry.sentence.text
        assert entry.sentence.url.startswith("https://modelcontextprotocol.io/specification/")
        assert entry.sentence.revision in entry.sentence.url
        assert entry.rule is None or entry.rule.quote == entry.sentence.text
        assert entry.sends
        assert entry.wants
