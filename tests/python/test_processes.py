"""Nothing that the kit starts outlives it: whatever it forks, ignores or leaves behind."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import anyio
import pytest
from mcp_session._check.client_run import AskedClient, check_client
from mcp_session._check.client_table import TABLE
from mcp_session._check.results import Outcome
from mcp_session._fuzz.client import CannotFuzzError, fuzz_client
from mcp_session._fuzz.search import Bounds
from mcp_session.testing.processes import CommandServer, kill_all

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="what a process started is told by /proc"
)

# Ends by no signal that can be ignored, and starts others: one as it is, one in a process group
# and one in a session of its own. Writes down who they are.
STUBBORN = """
import os, signal, sys, time
for it in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(it, signal.SIG_IGN)
for leave in (lambda: None, lambda: os.setpgid(0, 0), os.setsid):
    if not os.fork():
        leave()
        with open(sys.argv[1], "a") as file:
            file.write(f"{os.getpid()} {os.getsid(0)}\\n")
        time.sleep(600)
while not os.path.exists(sys.argv[1]) or len(open(sys.argv[1]).readlines()) < 3:
    time.sleep(0.01)
if sys.argv[2] == "ends":
    sys.exit(3)
time.sleep(600)
"""


def stubborn(pids: Path, what: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-E", "-c", STUBBORN, str(pids), what)


def is_alive(pid: int) -> bool:
    try:
        told = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return told.rpartition(b") ")[2][:1] not in {b"Z", b"X"}


def until(reached: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while not reached() and time.monotonic() < end:
        time.sleep(0.02)
    return reached()


def started(pids: Path) -> list[int]:
    return [int(line.split()[0]) for line in pids.read_text(encoding="ascii").splitlines()]


def left_the_session(pids: Path) -> int:
    """The one that did."""
    lines = [line.split() for line in pids.read_text(encoding="ascii").splitlines()]
    (pid,) = [int(pid) for pid, session in lines if pid == session]
    return pid


def test_a_client_that_never_ends_and_what_it_started_are_ended_in_time(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    scenarios = [it for it in TABLE if it.name == "recovery"]
    begun = time.monotonic()

    results = anyio.run(check_client, AskedClient(stubborn(pids, "stays"), 5.0, 1), scenarios)

    assert time.monotonic() - begun < 60
    assert {(it.outcome, it.reason) for it in results} == {
        (Outcome.FAIL, "the command sent nothing")
    }
    assert len(started(pids)) == 3
    assert until(lambda: not any(map(is_alive, started(pids))))


def test_a_fuzzed_client_that_never_ends_is_found_to_hang_and_leaves_nobody(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    told = fuzz_client(stubborn(pids, "stays"), Bounds(1, 30.0, 1.0, 1), limit=5.0, growth=1 << 30)

    assert [it.kind for it in told.findings] == ["hangs"]
    assert len(started(pids)) == 3
    assert until(lambda: not any(map(is_alive, started(pids))))


def test_a_server_that_ends_while_it_starts_leaves_none_of_its_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    server = CommandServer([*stubborn(pids, "ends"), "{port}"])

    with pytest.raises(RuntimeError, match="exit status 3"):
        server.start()

    # Who left the session when its parent had ended is nobody's any more.
    gone = left_the_session(pids)
    assert until(lambda: not any(is_alive(it) for it in started(pids) if it != gone))
    kill_all(gone)
    assert until(lambda: not is_alive(gone))


def test_a_client_that_is_no_program_cannot_be_fuzzed() -> None:
    with pytest.raises(CannotFuzzError, match="No such file"):
        fuzz_client(["/no/such/program"], Bounds(1, 5.0, 1.0, 1), limit=5.0, growth=1)


@pytest.fixture(params=["Ctrl-C as usual", "Ctrl-C ignored, as in the background"])
def ctrl_c(request: pytest.FixtureRequest) -> Generator[None]:
    usual = "usual" in request.param
    before = signal.signal(signal.SIGINT, signal.default_int_handler if usual else signal.SIG_IGN)
    # Whoever runs the tests by `nohup` has it ignored by all that they start.
    hung_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, before)
    signal.signal(signal.SIGHUP, hung_up)


COMMANDS: dict[str, Callable[[tuple[str, ...]], list[str]]] = {
    "check": lambda it: ["check", "http://127.0.0.1:{port}/mcp", "--command", by_port(it)],
    "fuzz": lambda it: ["fuzz", "http://127.0.0.1:{port}/mcp", "--command", by_port(it)],
    "check-client": lambda it: ["check-client", "--scenario", "recovery", "--", *it],
    "fuzz-client": lambda it: ["fuzz-client", "--", *it],
}


def by_port(command: tuple[str, ...]) -> str:
    return f"{shlex.join(command)} {{port}}"


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_a_signal_ends_leaves_nobody(
    command: str, ending: signal.Signals, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    program = Path(sys.executable).parent / "mcp-session"
    arguments = COMMANDS[command](stubborn(pids, "stays"))
    # Each in a group of its own, so that the signal meets the command alone.
    process = subprocess.Popen(
        [program, *arguments], stderr=subprocess.PIPE, cwd=tmp_path, start_new_session=True
    )
    assert until(lambda: pids.exists() and len(started(pids)) == 3)

    os.kill(process.pid, ending)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 128 + ending
    assert said.decode().splitlines()[-1] == f"mcp-session: ended by {ending.name}"
    assert b"Traceback" not in said
    assert until(lambda: not any(map(is_alive, started(pids))))


# It comes while a task group's own body runs, which happens to a command by chance.
WITHIN_A_TASK_GROUP = """
import os, signal, sys
import anyio
from mcp_session._cli import event_loop
from mcp_session._cli.ending import whatever_ends_it

async def main():
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 600)
        await anyio.sleep(0)
        os.kill(os.getpid(), int(sys.argv[1]))
        await anyio.sleep(600)

with whatever_ends_it():
    event_loop.run(main)
"""


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_comes_within_a_task_group_ends_a_command_without_a_traceback(
    ending: signal.Signals,
) -> None:
    told = subprocess.run(
        [sys.executable, "-c", WITHIN_A_TASK_GROUP, str(int(ending))],
        capture_output=True,
        check=False,
        timeout=60,
    )

    assert told.stderr.decode() == f"mcp-session: ended by {ending.name}\n"
    assert told.returncode == 128 + ending


@pytest.mark.usefixtures("interruptible")
def test_pytest_is_ended_by_ctrl_c_while_a_check_waits_for_its_server(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(60)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--mcp-session-url", url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path)
    asked, _ = listener.accept()
    with listener, asked:
        assert asked.recv(1)

        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=300)

    assert process.returncode == pytest.ExitCode.INTERRUPTED, told.decode()


def test_pytest_that_a_signal_ends_leaves_no_server(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    arguments = ["--mcp-session-command", by_port(stubborn(pids, "stays"))]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tmp_path)
    assert until(lambda: pids.exists() and len(started(pids)) == 3)

    process.terminate()
    process.communicate(timeout=60)

    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert until(lambda: not any(map(is_alive, started(pids))))
