"""Each line that the guide shows for a client, through the restart of a real server.

Every client runs in an environment of its own, as a program of its own; those whose environment
is not there are left out, unless they are named: `--client LABEL`, as often as you like.
"""

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest

from catalogue import CLIENTS, MINORS, Client
from gate import gate
from peer_servers import PeerServers
from servers import ROOT

LINE = Path(__file__).with_name("line.py")
SERVERS = ("mcp1", "mcp2")
LIMIT_SECONDS = 180.0
ENDED = "ended with"
"""How what came of a program begins that did not print an answer."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    named = metafunc.config.getoption("client")
    every = [*CLIENTS, *MINORS]
    clients = [it for it in every if (it.label in named if named else python_of(it).exists())]
    if "minor" in metafunc.fixturenames:
        minors = [it for it in clients if it in MINORS]
        metafunc.parametrize("minor", minors, ids=[it.label for it in minors])
        return
    if "opening" in metafunc.fixturenames:
        opening = [it for it in clients if it.opens_for_each_call]
        metafunc.parametrize("opening", opening, ids=[it.label for it in opening])
        return
    if "mode" not in metafunc.fixturenames:
        clients = clients[:1] if metafunc.config.getoption("part") else clients
        metafunc.parametrize("client", clients, ids=[it.label for it in clients])
        return
    cases = [
        (client, mode, server)
        for number, client in enumerate(clients)
        # Without a hook, the line is `install`.
        for mode in (("line", "install") if client.has_hook else ("line",))
        for server in SERVERS
        if not metafunc.config.getoption("part") or is_in_part(number, mode, server)
    ]
    names = [f"{client.label}-{mode}-{server}" for client, mode, server in cases]
    metafunc.parametrize(("client", "mode", "server_name"), cases, ids=names)


def is_in_part(number: int, mode: str, server: str) -> bool:
    """Whether a case is one of those in which every pair occurs."""
    return (number + (mode == "install") + SERVERS.index(server)) % 2 == 0


@pytest.mark.anyio
async def test_the_call_is_answered_by_the_restarted_server(
    client: Client, mode: str, server_name: str, servers: PeerServers
) -> None:
    # Between two that both know a revision without sessions, the newest that has them.
    options = ("--protocol", client.protocol) if server_name == "mcp2" else ()
    async with (
        servers.use(server_name, *options) as server,
        gate(server.port, server.restart) as port,
    ):
        said = await run(client, mode, f"http://127.0.0.1:{port}/mcp")

        assert "still here" in said
        assert not said.startswith(ENDED)
        calls = [seen for seen in server.wire() if seen.tool == "echo"]
        assert [seen.status for seen in calls] == [404, 200]
        executed = server.executions("echo")
        assert executed is not None
        assert [it.argument for it in executed] == ["still here"]


@pytest.mark.anyio
async def test_without_us_it_is_answered_only_where_the_guide_says_so(
    client: Client, servers: PeerServers
) -> None:
    async with (
        servers.use("mcp1") as server,
        gate(server.port, server.restart) as port,
    ):
        said = await run(client, "plain", f"http://127.0.0.1:{port}/mcp")

        # An error may quote what the tool was called with.
        is_answered = "still here" in said and not said.startswith(ENDED)
        assert is_answered == client.recovers_plain, said


@pytest.mark.anyio
async def test_a_session_for_each_call_has_none_to_lose_between_two(
    opening: Client, servers: PeerServers
) -> None:
    async with (
        servers.use("mcp1") as server,
        gate(server.port, server.restart, ("initialize", 2)) as port,
    ):
        said = await run(opening, "twice", f"http://127.0.0.1:{port}/mcp")

        assert "still here" in said
        assert not said.startswith(ENDED)
        calls = [seen for seen in server.wire() if seen.tool == "echo"]
        assert [seen.status for seen in calls] == [200, 200]
        # Else the restart was never reached.
        assert calls[0].pid != calls[1].pid


def test_the_factory_follows_redirects_where_the_sdks_own_does(minor: Client) -> None:
    library = "httpx2" if minor.block == "mcp2" else "httpx"
    code = (
        "import mcp.shared._httpx_utils as theirs, mcp_session." + library + " as ours;"
        "print(*(it.create_mcp_http_client().follow_redirects for it in (theirs, ours)))"
    )
    command: list[str | Path] = [python_of(minor), "-W", "ignore", "-c", code]
    theirs, ours = subprocess.check_output(command, encoding="utf-8").split()

    assert ours == theirs


async def run(client: Client, mode: str, url: str) -> str:
    """Run its block; return what came of the call, or of the program."""
    command: list[str | Path] = [python_of(client), "-W", "ignore", LINE]
    command += [client.block or client.label, mode, url]
    # None of them needs more than loopback, and some would tell their makers of their use.
    told = {"NO_PROXY": "127.0.0.1", "ANONYMIZED_TELEMETRY": "false", "OTEL_SDK_DISABLED": "true"}
    done = subprocess.CompletedProcess[bytes]([], 0, b"", b"")
    try:
        with anyio.fail_after(LIMIT_SECONDS):
            # Some write down what they do, in the folder that they are run in.
            with TemporaryDirectory() as folder:
                done = await anyio.run_process(
                    command, check=False, env=os.environ | told, cwd=folder
                )
    except TimeoutError:
        return "it does not end"
    lines = done.stdout.decode(errors="replace").splitlines()
    for line in reversed(lines):
        if line.startswith('{"text":'):
            answer: Any = json.loads(line)
            return str(answer["text"])
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return f"{ENDED} {done.returncode}: " + " | ".join(said[-12:])


def python_of(client: Client) -> Path:
    name = client.environment or client.label
    override = os.environ.get(f"MCP_SESSION_PYTHON_{name.upper()}")
    return Path(override or ROOT / ".environments" / name / "bin" / "python")
