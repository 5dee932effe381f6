"""The commands that the pages show are run, with real peers in the place of those they name.

Nothing else of a line is changed, but how long it searches and waits, and where it listens.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_session.testing import (
    CommandServer,
    Response,
    ScriptedClient,
    SmallServer,
    scripted_server,
)

import page_blocks

TESTS = Path(__file__).resolve().parents[1]
LINES = page_blocks.RUN["check"]
GATEWAYS = [line for line in LINES if line.startswith("mcp-session gateway ")]
OTHERS = [line for line in LINES if line not in GATEWAYS]
LIMIT_SECONDS = 600.0
FUZZING = "--seed 1 --seconds 1 --shrink-seconds 1 --memory 512"
PATIENCE = {
    "check": "--timeout 60",
    "check-client": "--timeout 300",
    "fuzz": f"{FUZZING} --answer-seconds 120",
    # What it takes beside a good server is not seen if that run is over before the first look.
    "fuzz-client": f"{FUZZING} --limit 300",
}
"""What is given besides, by command: a short search, and all the time that a busy machine needs."""
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"},
    },
}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.fixture(autouse=True)
def in_a_folder_with_peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There `python` and `mcp-session` are those of this environment, as a user has them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TOKEN", "a-token")
    # The healthy ones of either suite; the port and the URL come last, behind no fault.
    for folder, name in (("check", "checked"), ("python", "fuzzed")):
        for peer, arguments in (("server", "[sys.argv[-1], '']"), ("client", "['', sys.argv[-1]]")):
            program = TESTS / folder / f"faulty_{peer}.py"
            Path(f"{name}_{peer}.py").write_text(
                f"import runpy, sys\nsys.argv[1:] = {arguments}\n"
                f"sys.path.insert(0, {str(program.parent)!r})\n"
                f"runpy.run_path({str(program)!r}, run_name='__main__')\n",
                encoding="utf-8",
            )


@pytest.fixture
def server() -> Generator[CommandServer]:
    with CommandServer([sys.executable, "checked_server.py", "{port}"]) as started:
        yield started


def with_peers(line: str, url: str) -> str:
    """A line that names what is there, searches for no minute, and lets a machine take some."""
    peers = "fuzzed" if " fuzz" in line else "checked"
    line = re.sub(r"https://mcp\.example/mcp|http://127\.0\.0\.1:8000/mcp", url, line)
    line = re.sub(r"(?<=python )(?=server\.py|client\.py)", f"{peers}_", line)
    for name, options in PATIENCE.items():
        line = line.replace(f"mcp-session {name} ", f"mcp-session {name} {options} ")
    return line


def run(line: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S602 - it is our own
        line, shell=True, capture_output=True, check=False, encoding="utf-8", timeout=LIMIT_SECONDS
    )


@pytest.mark.parametrize("line", OTHERS)
def test_a_line_that_judges_or_fuzzes_finds_nothing_in_a_healthy_peer(
    line: str, server: CommandServer
) -> None:
    done = run(with_peers(line, server.url))

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()


def test_the_steps_of_a_workflow_write_what_ci_reads(tmp_path: Path) -> None:
    (block,) = (it for it in page_blocks.blocks("yaml") if it.page == "docs/check.md")
    folded = re.sub(r"\n +", " ", re.sub(r"run: >\n +", "run: ", block.text))
    steps = re.findall(r"- run: (.*?)(?= #|\n|- run|$)", folded)
    ours = [line for line in steps if line.startswith("mcp-session ")]

    done = [run(with_peers(line, "")) for line in ours]

    assert [it.returncode for it in done] == [0, 0], done
    for name in ("server.xml", "client.xml"):
        assert (tmp_path / name).read_text(encoding="utf-8").startswith("<?xml")


def test_a_gateway_serves_the_server_that_its_line_names(server: CommandServer) -> None:
    (line,) = (it for it in GATEWAYS if "--port" not in it)
    with CommandServer(f"{with_peers(line, server.url)} --port {{port}}") as gateway:
        session_id = opened(gateway)

        assert answered(gateway, session_id) == {"jsonrpc": "2.0", "id": 1, "result": {}}


def test_the_gateways_whose_lines_name_one_table_serve_each_others_sessions() -> None:
    lines = [it for it in GATEWAYS if "--sessions" in it]
    with ExitStack() as running:
        for number in (1, 2):
            upstream = CommandServer([sys.executable, "checked_server.py", "{port}"])
            url = running.enter_context(upstream).url
            lines = [line.replace(f"http://server-{number}:8000/mcp", url) for line in lines]
        one, other = (
            running.enter_context(CommandServer(re.sub(r"(?<=--port )\d+", "{port}", line)))
            for line in lines
        )
        session_id = opened(one)

        assert answered(other, session_id) == {"jsonrpc": "2.0", "id": 1, "result": {}}


def opened(gateway: CommandServer) -> str:
    return asked(gateway, INITIALIZE).headers["mcp-session-id"]


def answered(gateway: CommandServer, session_id: str) -> Any:
    return json.loads(asked(gateway, PING, session_id).body)


def asked(gateway: CommandServer, message: object, session_id: str | None = None) -> Response:
    """Send a message until a gateway has its table and its server, which it needs a moment for."""
    until = time.monotonic() + LIMIT_SECONDS
    while True:
        response = ScriptedClient(gateway.url, seconds=LIMIT_SECONDS).send(
            "POST",
            json.dumps(message).encode(),
            [("accept", "application/json, text/event-stream")],
            session_id=session_id,
            protocol_version=session_id and "2025-11-25",
        )
        if response.status != 503 or time.monotonic() > until:
            assert response.status == 200, response.raw
            return response
        time.sleep(0.2)


@pytest.mark.parametrize("block", page_blocks.blocks("json"), ids=lambda it: str(len(it.text)))
@pytest.mark.anyio
async def test_a_bridge_as_it_is_configured_speaks_for_its_client(block: page_blocks.Block) -> None:
    settings = json.loads(block.text)
    ((_, configured),) = (settings.get("mcpServers") or settings["servers"]).items()
    small = SmallServer()
    async with scripted_server(small) as server:
        arguments = [it.replace("https://mcp.example/mcp", server.url) for it in configured["args"]]
        command = [configured["command"], *arguments]
        said = b""
        environment = os.environ | configured["env"]
        async with await anyio.open_process(command, env=environment, stderr=None) as bridge:
            assert bridge.stdin is not None
            assert bridge.stdout is not None
            await bridge.stdin.send(json.dumps(INITIALIZE).encode() + b"\n")
            while b"\n" not in said:
                said += await bridge.stdout.receive()
            await bridge.stdin.aclose()
            await bridge.wait()

    assert json.loads(said)["result"]["protocolVersion"] == "2025-11-25"
    bearers = {request.header("authorization") for request in server.requests}
    assert bearers == {f"Bearer {configured['env']['MCP_TOKEN']}"}
