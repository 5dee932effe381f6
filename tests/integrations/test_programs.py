"""Programs that take a URL and no HTTP client, under `mcp-session run`, through a restart."""

import json
import os
import socket
import subprocess
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.to_thread
import httpx
import pytest
from mcp_session.testing import free_port

from catalogue import PROGRAMS
from gate import gate
from peer_servers import AnyServer, PeerServers
from servers import ROOT

LIMIT_SECONDS = 120.0
OPENING: list[dict[str, Any]] = [
    {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "0"},
        },
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
]
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "echo", "arguments": {"text": "still here"}},
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    named = metafunc.config.getoption("client")
    programs = [
        it.label
        for it in PROGRAMS
        if (it.label in named if named else python_of(it.label).exists())
    ]
    metafunc.parametrize("program", programs)


@pytest.mark.anyio
async def test_a_program_answers_after_its_server_was_restarted(
    program: str, servers: PeerServers
) -> None:
    with anyio.fail_after(LIMIT_SECONDS):
        async with (
            servers.use("mcp1") as server,
            gate(server.port, server.restart) as port,
        ):
            said = await CALLS[program](f"http://127.0.0.1:{port}/mcp")

            assert "still here" in said
            assert statuses(server) == [404, 200]


def statuses(server: AnyServer) -> list[int]:
    return [seen.status for seen in server.wire() if seen.tool == "echo"]


async def over_standard_streams(url: str) -> str:
    """mcp-proxy speaks stdio to its client, and HTTP to the server."""
    async with running("mcp-proxy", ["--transport", "streamablehttp", url]) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        received = b""
        for message in (*OPENING, CALL):
            await process.stdin.send(json.dumps(message).encode() + b"\n")
            while "id" in message and f'"id":{message["id"]}'.encode() not in received:
                received += await process.stdout.receive()
        return received.decode()


async def over_http(url: str) -> str:
    """mcpo speaks OpenAPI to its clients."""
    port = free_port()
    arguments = ["--port", str(port), "--server-type", "streamable-http", "--", url]
    async with running("mcpo", arguments):
        await anyio.to_thread.run_sync(wait_for, port)
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            response = await client.post(
                f"http://127.0.0.1:{port}/echo", json={"text": "still here"}
            )
        return str(response.text)


CALLS = {"mcp-proxy": over_standard_streams, "mcpo": over_http}


@asynccontextmanager
async def running(program: str, arguments: Sequence[str]) -> AsyncGenerator[anyio.abc.Process]:
    command = [
        *(str(python_of(program)), "-W", "ignore", "-m", "mcp_session", "run"),
        *(program, *arguments),
    ]
    environment = os.environ | {"NO_PROXY": "127.0.0.1"}
    async with await anyio.open_process(
        command, env=environment, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(port: int) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            continue
        return


def python_of(program: str) -> Path:
    return ROOT / ".environments" / program / "bin" / "python"
