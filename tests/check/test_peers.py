"""The checks of real servers and clients come to what the rulings say.

A part runs with the servers and clients of the SDK in this environment; `--whole` runs every one
that `peers.py` names, which have to be there.
"""

import json
import sys
from pathlib import Path

import anyio
import pytest
from mcp_session._check.client_run import AskedClient, check_client
from mcp_session._check.client_table import TABLE as SCENARIOS
from mcp_session._check.results import Outcome, Result
from mcp_session._check.server_run import Asked, check_server
from mcp_session._check.server_table import TABLE
from mcp_session._check.subject import Options, Tool
from mcp_session.testing.processes import CommandServer
from peers import CLIENTS, SERVERS, Server

VERDICTS = Path(__file__).with_name("verdicts.txt")

# Of this environment, which is also that of mcp 2.x.
PART = ("mcp2.3.0",)


def expected(server: str) -> dict[str, str]:
    """What the file says of a server, by check."""
    found = {check.entry.id: "pass" for check in TABLE}
    for line in VERDICTS.read_text(encoding="utf-8").splitlines():
        name, _, rest = line.partition(" ")
        if name != server:
            continue
        outcome, _, checks = rest.partition(":")
        for check in checks.split():
            assert found[check] == "pass", (server, check)
            found[check] = outcome
    return found


def played(server: Server, *, is_of_part: bool = False) -> list[Result]:
    name, _, arguments = (server.tool or "").partition("=")
    options = Options(Tool(name, json.loads(arguments)) if name else None, server.idle)
    command = list(server.command)
    if is_of_part:
        command[0] = sys.executable
    with CommandServer(command, url=server.url) as process:
        asked = Asked(process.url, (), options, 20.0, 300, process)
        return anyio.run(check_server, asked)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        is_whole = metafunc.config.getoption("--whole")
        metafunc.parametrize("server", SERVERS if is_whole else PART)


def test_the_verdicts_on_a_real_server_are_those_of_the_rulings(
    server: str, *, whole: bool
) -> None:
    results = played(SERVERS[server], is_of_part=not whole)

    found = {it.entry.id: it.outcome.value for it in results}
    reasons = {it.entry.id: it.reason for it in results}
    right = expected(server)
    assert {it: (found[it], reasons[it]) for it in found if found[it] != right[it]} == {}


# What the official SDK of Python does about a lost session: nothing; and with our client all of it.
PLAIN = {
    "recovers": "fail",
    "begins-anew-once": "fail",
    "initializes-without-id": "skipped",
    "initialized-first": "skipped",
    "new-id-on-everything": "skipped",
    "continues": "skipped",
    "stream-reopened": "skipped",
    "no-dead-event-ids": "skipped",
    "deletes-the-live-one": "skipped",
}


@pytest.mark.parametrize("is_ours", [False, True])
def test_the_sdk_of_this_environment_recovers_with_our_client_and_not_without(
    *, is_ours: bool
) -> None:
    name = "mcp 2.3, ours" if is_ours else "mcp 2.3"
    command = (sys.executable, *CLIENTS[name][1:])
    part = ("recovery", "late", "modern") if is_ours else ("recovery",)
    scenarios = [it for it in SCENARIOS if it.name in part]

    results = anyio.run(check_client, AskedClient(command, 60.0, 2), scenarios)

    found = {it.entry.id: it.outcome.value for it in results}
    wrong = {} if is_ours else PLAIN
    assert {it: (found[it], wrong.get(it, "pass")) for it in found} == {
        it: (wrong.get(it, "pass"),) * 2 for it in found
    }


def test_every_server_and_check_that_the_file_names_is_one() -> None:
    servers: set[str] = set()
    for line in VERDICTS.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, outcome, *checks = line.split()
            servers.add(name)
            assert Outcome(outcome.removesuffix(":")) is not Outcome.PASS
            assert set(checks) <= {it.entry.id for it in TABLE}

    assert servers == set(SERVERS)
