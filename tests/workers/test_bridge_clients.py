"""The bridge under stdio clients of other makers, before a plain server that is restarted."""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio.to_thread
import pytest
from other_clients import fastmcp, there, typescript

from places import Place, all_serve, kill, replicas
from served import GENERATION

pytestmark = pytest.mark.anyio

CLIENTS = {"fastmcp 4": fastmcp("stdio"), "TypeScript 2.4": typescript("stdio")}


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_restart_of_the_server_does_not_get_through_to_the_client(
    name: str,
    whole: bool,  # noqa: FBT001 - a fixture
) -> None:
    if not (whole or (GENERATION, name) == ("mcp2", "TypeScript 2.4")):
        pytest.skip("of the whole run")
    await anyio.to_thread.run_sync(play, there(CLIENTS[name]))


def play(command: list[str]) -> None:
    with replicas("", count=1) as place, client(command, place) as process:
        for number in range(2):
            assert asked(process, f"round-{number}") == [
                f"round-{number}",
                f"answer:said round-{number}",
                f"answer:heard round-{number}",
            ]
            kill(place, place.processes[0].pid)
            all_serve(place)
        assert place.noted("runs") == ["round-0", "round-1"]


@contextmanager
def client(command: list[str], place: Place) -> "Generator[subprocess.Popen[str]]":
    bridge = [sys.executable, "-m", "mcp_session", "bridge", place.url]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*command, *bridge], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, encoding="utf-8"
    ) as process:
        try:
            yield process
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(60) == 0
        finally:
            process.kill()


def asked(process: "subprocess.Popen[str]", text: str) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{text}\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())
