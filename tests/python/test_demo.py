"""The demonstration, as a user runs it: a real server, killed, and two real clients."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from io import StringIO
from itertools import pairwise, takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import httpx2
import pytest
from click.testing import CliRunner, Result
from mcp_session import Rule, _fingerprint
from mcp_session._cli import commands, terminal
from mcp_session._demo import perform, process, show
from mcp_session._demo.application import Line
from mcp_session.httpx2 import AsyncClient
from rich.console import Console

from golden import TESTS

# What does not end is a failure, not a stuck run; the demonstration itself ends within 60.
LIMIT_SECONDS = 120

COMMAND = [sys.executable, "-I", "-m", "mcp_session", "demo"]

PLAIN, OURS = "httpx2.AsyncClient", "mcp_session.httpx2.AsyncClient"
SESSION = r"\(([0-9a-f]{6})\)"
RECOVERED = f"{OURS}: 4 of 4 calls that had a server were answered: recovered"
NOT_FOUND = "app: MCPError: Session not found"
NOT_RECOVERED = f"{PLAIN}: 1 of 4 calls that had a server were answered: did not recover"


@pytest.fixture(scope="module")
def shown() -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        COMMAND,
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=LIMIT_SECONDS,
    )


def test_it_ends_well_when_ours_alone_recovered(
    shown: subprocess.CompletedProcess[str],
) -> None:
    assert shown.stdout.splitlines()[-2:] == [NOT_RECOVERED, RECOVERED]
    assert shown.returncode == 0


def test_the_plain_client_keeps_the_dead_session_and_then_dies(
    shown: subprocess.CompletedProcess[str],
) -> None:
    plain, _ = timelines(shown.stdout)

    seen = [line for line in plain if line.startswith("app: ")]
    assert seen[:4] == ["app: connected", "app: answered: call 1", *[NOT_FOUND] * 2]
    assert seen[4].startswith("app: the client has died: ExceptionGroup:")
    assert seen[5].startswith("app: MCPError")
    assert len(seen) == 6
    assert len({session for line in plain for session in re.findall(SESSION, line)}) == 1


def test_ours_has_every_answer_that_there_was_a_server_for(
    shown: subprocess.CompletedProcess[str],
) -> None:
    _, ours = timelines(shown.stdout)

    seen = [line for line in ours if line.startswith("app: ")]
    assert seen[:4] == ["app: connected", *(f"app: answered: call {n}" for n in (1, 2, 3))]
    assert seen[4].startswith("app: MCPError: the server could not be")
    assert seen[5:] == ["app: answered: call 5", "app: closed"]


def test_a_session_that_ended_is_followed_by_another_on_the_wire(
    shown: subprocess.CompletedProcess[str],
) -> None:
    _, ours = timelines(shown.stdout)

    sessions = re.findall(rf"POST initialize → 200 {SESSION}", "\n".join(ours))
    assert len(set(sessions)) == 3
    for before, after in pairwise(sessions):
        ended = position(ours, rf"(POST tools/call|GET) \({before}\) → 404")
        begun = position(ours, rf"POST initialize → 200 \({after}\)")
        answered = position(ours, rf"POST tools/call \({after}\) → 200")
        assert ended < begun < answered
    assert f"DELETE ({sessions[-1]}) → 200" in ours


def test_each_application_has_the_story_that_diagnose_would_tell(
    shown: subprocess.CompletedProcess[str],
) -> None:
    _, plain, ours = shown.stdout.split(", as `mcp-session diagnose` tells it:")

    assert "client: KeptDeadId, session 1" in plain
    assert "what to do: from mcp_session.httpx2 import create_mcp_http_client" in plain
    assert "1 session, 1 finding" in plain
    assert re.search(r"\n\d+ exchanges, 3 sessions, 0 findings\n", ours)
    assert ours.count("  followed by [") == 2


def test_it_can_be_read_at_60_columns() -> None:
    async def make() -> perform.Demonstration:
        return perform.Demonstration()

    demonstration = anyio.run(make)
    for number in range(3):
        act = perform.Act(f"call {number}", 59.9)
        for lines in (act.plain, act.ours):
            lines += [Line("POST notifications/initialized (28d1fd)", "dim", "202")]
            lines += [Line("app: the client has died: " + "a word " * 20, "bold red")]
        demonstration.acts.append(act)
    console = Console(width=60, record=True, file=StringIO())

    show.show(demonstration, console)

    printed = console.export_text().splitlines()
    assert max(map(len, printed)) <= 60
    assert "    POST notifications/initialized (28d1fd) → 202" in [it.rstrip() for it in printed]
    assert printed.count("59.9 s call 1") == 2


def test_the_rule_that_decided_is_named_with_its_sentence(
    shown: subprocess.CompletedProcess[str],
) -> None:
    _, ours = timelines(shown.stdout)

    rules = re.findall(
        r"^hook: SessionTerminated, rule (\w+)$", "\n".join(ours), flags=re.MULTILINE
    )
    assert len(rules) == 2
    for rule in rules:
        assert rule in {"TerminatedPost", "TerminatedGet"}
        assert f"> {Rule(rule).quote}" in shown.stdout


def test_it_says_what_it_is_waiting_for(shown: subprocess.CompletedProcess[str]) -> None:
    lines = shown.stderr.splitlines()

    assert all(line.startswith("mcp-session: ") for line in lines)
    assert sum("to listen, at most" in line for line in lines) == 3
    for number in range(1, 6):
        assert f"mcp-session: call {number}: waiting for both applications, at most 10 s" in lines


def test_the_page_of_the_commands_shows_what_it_prints(
    shown: subprocess.CompletedProcess[str],
) -> None:
    """The order in which streams and answers come is no two times the same."""
    page = (TESTS.parent / "docs" / "command-line.md").read_text(encoding="utf-8")
    (excerpt,) = (
        it for it in re.findall(r"^```text\n([^`]*)^```$", page, re.MULTILINE) if OURS in it
    )

    for written, real in zip(timelines(excerpt), timelines(shown.stdout), strict=True):
        said = {re.sub(SESSION, "(*)", line) for line in real}
        lasting = {
            re.sub(SESSION, "(*)", it) for it in written if not re.search("GET|hook|404", it)
        }
        assert len(lasting) > 3
        assert lasting <= said
    assert excerpt.splitlines()[-2:] == [NOT_RECOVERED, RECOVERED]


def test_no_session_id_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    ids: set[str] = set()

    def record(session_id: str) -> str:
        ids.add(session_id)
        return _fingerprint.fingerprint(session_id)

    monkeypatch.setattr(terminal, "fingerprint", record)

    result = run_here()

    assert result.exit_code == 0
    assert len(ids) == 4
    assert not any(session_id in result.output for session_id in ids)
    for session_id in ids:
        assert f"({_fingerprint.fingerprint(session_id)[:6]})" in result.output


@pytest.mark.parametrize("client", [httpx2.AsyncClient, AsyncClient])
def test_it_ends_badly_when_both_fare_the_same(
    monkeypatch: pytest.MonkeyPatch, client: type[httpx2.AsyncClient]
) -> None:
    def make(**options: Any) -> httpx2.AsyncClient:
        if client is httpx2.AsyncClient:
            options.pop("on_event", None)
        return client(**options)

    monkeypatch.setattr(perform, "AsyncClient", make)
    monkeypatch.setattr(perform, "httpx2", SimpleNamespace(AsyncClient=make))

    result = run_here()

    how = RECOVERED if client is AsyncClient else NOT_RECOVERED
    assert [line.partition(": ")[2] for line in result.output.splitlines()[-2:]] == [
        how.partition(": ")[2]
    ] * 2
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("limit", "what"),
    [
        ("LONGEST_SECONDS", "waiting for a server of mcp"),
        ("START_SECONDS", "waiting for a server of mcp"),
        ("ORDER_SECONDS", "connect: waiting for both applications"),
    ],
)
def test_what_takes_too_long_is_given_up_and_said(
    monkeypatch: pytest.MonkeyPatch, limit: str, what: str
) -> None:
    monkeypatch.setattr(process if limit == "START_SECONDS" else perform, limit, 0.001)

    result = run_here()

    said = result.stderr.splitlines()
    assert said[-1].startswith(f"mcp-session: given up, {what}")
    assert result.exit_code == 1
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_server_that_does_not_start_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "false")

    result = run_here()

    assert "mcp-session: given up, waiting for a server of mcp" in result.stderr
    assert result.exit_code == 1


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    "while_waiting", ["to listen", "connect:", "killing", "call 4:", "call 5:"]
)
def test_ctrl_c_leaves_nothing_running(while_waiting: str) -> None:
    """Whoever inherited stderr holds it open: that it ends says that nobody is left."""
    with running() as process:
        said = read_until(process, while_waiting)

        process.send_signal(signal.SIGINT)
        output, more = process.communicate(timeout=LIMIT_SECONDS)

    said += more
    for server in servers(said):
        assert not is_running(server)
    assert said.endswith("\nmcp-session: interrupted\n")
    assert "Traceback" not in said
    assert output == ""
    assert process.returncode == 130


def test_a_demonstration_that_is_killed_itself_leaves_nothing_running() -> None:
    with running() as process:
        said = read_until(process, "call 1:")

        process.kill()
        _, more = process.communicate(timeout=LIMIT_SECONDS)

    assert len(servers(said + more)) == 1


@pytest.mark.parametrize(
    ("module", "content", "needed"),
    [
        ("mcp", "raise ModuleNotFoundError(name='mcp')", "mcp 2.3 or newer"),
        ("mcp", "", "mcp 2.3 or newer"),
        ("httpx2", "raise ModuleNotFoundError(name='httpx2')", "httpx2"),
        ("uvicorn", "raise ModuleNotFoundError(name='uvicorn')", "uvicorn"),
        ("anyio", "raise ModuleNotFoundError(name='anyio')", "anyio"),
    ],
)
def test_without_its_extra_it_says_what_it_needs(
    tmp_path: Path, module: str, content: str, needed: str
) -> None:
    """A module in the way stands for one that is not installed, or is an older one."""
    (tmp_path / f"{module}.py").write_text(content)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[1:] = ['demo'];"
        "import mcp_session.__main__ as m; m.main()"
    )

    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, encoding="utf-8"
    )

    assert result.stderr == (
        f"mcp-session: the demo needs {needed}: pip install '.[demo]' in a clone of mcp_session\n"
    )
    assert result.returncode == 1


def run_here() -> Result:
    return CliRunner().invoke(commands.main, ["demo"], catch_exceptions=False)


@contextmanager
def running() -> Generator[subprocess.Popen[str]]:
    with subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], what: str) -> str:
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if what in line:
            return said
    message = f"it ended before it said {what!r}"
    raise AssertionError(message)


def servers(said: str) -> set[int]:
    return {int(process) for process in re.findall(r"the server, process (\d+)", said)}


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def timelines(output: str) -> tuple[list[str], list[str]]:
    """Cut a table into the lines of its two timelines."""
    lines = output.splitlines()
    header = next(number for number, line in enumerate(lines) if OURS in line)
    first, second = lines[header].index(PLAIN), lines[header].index(OURS)
    rows = list(takewhile(str.strip, lines[header + 1 :]))
    columns = ([row[first:second] for row in rows], [row[second:] for row in rows])
    plain, ours = ([cell.strip() for cell in column if cell.strip()] for column in columns)
    return plain, ours


def position(lines: list[str], pattern: str) -> int:
    return next(number for number, line in enumerate(lines) if re.fullmatch(pattern, line))
