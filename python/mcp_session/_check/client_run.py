"""Runs a client against each scenario, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from mcp_session._check.client_table import TABLE
from mcp_session._check.results import Breach, Outcome, Result, Skip
from mcp_session._check.stage import MOST_REQUESTS
from mcp_session._errors import kinds
from mcp_session.testing.processes import kill_all
from mcp_session.testing.scripted import scripted_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_session._check.client_table import ClientCheck, Scenario
    from mcp_session._check.stage import Stage

__all__ = ["AskedClient", "check_client"]

# What the client is told of the scenario.
SCENARIO, TOGETHER = "MCP_SESSION_SCENARIO", "MCP_SESSION_TOGETHER"

END_SECONDS = 10.0

NOTHING_SEEN = "the command sent nothing"
BATCHING = "2025-03-26"
BATCHES = "the client sends batches, as 2025-03-26 lets it; they are not played here"


@dataclass(frozen=True)
class AskedClient:
    """What is to be run, and how."""

    command: tuple[str, ...]
    seconds: float
    """How long the client may take for one scenario."""
    at_once: int
    """How many scenarios run side by side."""
    shows_output: bool = False


async def check_client(asked: AskedClient, table: Sequence[Scenario] = TABLE) -> list[Result]:
    """Run the client in every scenario, and return what came of each check, in their order."""
    results: dict[str, list[Result]] = {}
    limiter = anyio.CapacityLimiter(asked.at_once)

    async def play(scenario: Scenario) -> None:
        async with limiter:
            begun = time.monotonic()
            try:
                results[scenario.name] = await _play(scenario, asked)
            except Exception as error:  # noqa: BLE001 - whatever a client's bytes make of a reader
                reason = f"what the command sent was not understood: {kinds(error)}"
                seconds = time.monotonic() - begun
                results[scenario.name] = [
                    Result(check.entry, Outcome.FAIL, reason, 0, seconds)
                    for check in scenario.checks
                ]

    async with anyio.create_task_group() as tasks:
        for scenario in table:
            tasks.start_soon(play, scenario)
    return [result for scenario in table for result in results[scenario.name]]


async def _play(scenario: Scenario, asked: AskedClient) -> list[Result]:
    stage, begun = scenario.make(), time.monotonic()
    async with scripted_server(stage) as server:
        process = await anyio.to_thread.run_sync(_start, scenario, asked, server.url)
        try:
            with anyio.move_on_after(asked.seconds):
                while process.poll() is None:  # noqa: ASYNC110 - a process tells nobody
                    await anyio.sleep(0.02)
        finally:
            kill_all(process.pid)
            process.wait(END_SECONDS)
        # What it sent last may still be on its way.
        await anyio.sleep(0.05)
    seconds = time.monotonic() - begun
    return [_judge(check, stage, seconds) for check in scenario.checks]


def _start(scenario: Scenario, asked: AskedClient, url: str) -> subprocess.Popen[bytes]:
    # The report alone is on standard output.
    output = None if asked.shows_output else subprocess.DEVNULL
    environment = os.environ | {SCENARIO: scenario.name}
    environment.pop(TOGETHER, None)
    if scenario.is_together:
        environment[TOGETHER] = "1"
    return subprocess.Popen(  # noqa: S603 - what the user asked to run
        [*asked.command, url],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=output,
        env=environment,
        start_new_session=True,
    )


def _judge(check: ClientCheck, stage: Stage, seconds: float) -> Result:
    if not any(it.method == "POST" for it in stage.came):
        return Result(check.entry, Outcome.FAIL, NOTHING_SEEN, len(stage.turns), seconds)
    if len(stage.came) >= MOST_REQUESTS:
        reason = f"it asks for ever: {MOST_REQUESTS} requests came"
        return Result(check.entry, Outcome.FAIL, reason, len(stage.turns), seconds)
    if _sends_batches(stage):
        return Result(check.entry, Outcome.SKIPPED, BATCHES, len(stage.turns), seconds)
    outcome, reason = Outcome.PASS, ""
    try:
        check.judge(stage)
    except Breach as breach:
        outcome, reason = breach.outcome or check.level, breach.reason
    except Skip as skip:
        outcome, reason = Outcome.SKIPPED, skip.reason
    return Result(check.entry, outcome, reason, len(stage.turns), seconds)


def _sends_batches(stage: Stage) -> bool:
    """Whether the client sends them where they are allowed; no later version has them."""
    batches = [it for it in stage.came if isinstance(it.message, list)]
    return any(stage.settled.get(it.session or "") == BATCHING for it in batches)
