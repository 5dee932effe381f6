"""Ports of the kit: whoever is given one has it to himself."""

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from mcp_session.testing import free_port, ports

GIVE = """
import sys
from mcp_session.testing import free_port
print(*(free_port() for _ in range(150)), flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="others have no names of this kind")
def test_processes_that_run_at_once_are_given_ports_of_their_own() -> None:
    with ExitStack() as stack:
        given = [free_port() for _ in range(150)]
        for _ in range(2):
            process = subprocess.Popen(
                [sys.executable, "-c", GIVE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
            )
            stack.enter_context(process)
            assert process.stdout is not None
            given += map(int, process.stdout.readline().split())

    assert len(set(given)) == len(given) == 450
    begin = int(ports.GIVEN_TO_ANYBODY.read_text(encoding="ascii").split()[0])
    # Else the system may give them to one that asks for any.
    assert max(given) < begin


@pytest.mark.skipif(sys.platform != "linux", reason="others have no names of this kind")
def test_a_process_that_is_forked_is_given_others_than_the_one_that_it_came_of() -> None:
    code = (
        "import os\n"
        "from mcp_session.testing import free_port\n"
        "free_port()\n"
        "child = os.fork()\n"
        "os.write(1, b'%d\\n' % free_port())\n"
        "child and os.waitpid(child, 0)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE).stdout

    first, second = told.split()
    assert first != second


def test_a_port_on_which_somebody_listens_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        taken, other = (it.getsockname()[1] for it in (listener, free))
        free.close()
        monkeypatch.setattr(ports, "_reserved", {os.getpid(): iter((taken, other))})

        assert free_port() == other


def test_where_the_system_leaves_none_to_reserve_there_is_one_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "range"
    path.write_text("1024\t65535\n", encoding="ascii")
    monkeypatch.setattr(ports, "GIVEN_TO_ANYBODY", path)
    monkeypatch.setattr(ports, "_reserved", {})

    with socket.create_server(("127.0.0.1", free_port())) as listener:
        assert listener.getsockname()[1] in ports.PORTS
