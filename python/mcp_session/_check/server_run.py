"""Runs the checks of a server, one after the other."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp_session._check.results import Breach, NoAnswer, Outcome, Result, Skip
from mcp_session._check.server_table import TABLE
from mcp_session._check.subject import Subject
from mcp_session._check.wire import Wire
from mcp_session._errors import kinds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_session._check.server_table import ServerCheck
    from mcp_session._check.subject import Options
    from mcp_session.testing.processes import CommandServer

__all__ = ["Asked", "check_server"]

# What a check says that nothing came of: it may not pass.
NOTHING_SEEN = "it looked at no exchange"
UNREACHABLE = "the server does not answer"
# After so many checks that waited for an answer in vain, one after the other, none waits again.
MOST_SILENT = 5


@dataclass(frozen=True)
class Asked:
    """What is to be checked, and how."""

    url: str
    headers: tuple[tuple[str, bytes], ...]
    options: Options
    seconds: float
    most_requests: int
    process: CommandServer | None = None


async def check_server(asked: Asked, table: Sequence[ServerCheck] = TABLE) -> list[Result]:
    """Run every check, and return what came of each, in the order of the table."""
    wire = Wire(asked.url, asked.headers, asked.seconds, asked.most_requests)
    subject = Subject(wire, asked.options, asked.process)
    results: list[Result] = []
    silent = 0
    try:
        for check in table:
            if (results and not wire.seen) or silent >= MOST_SILENT:
                results.append(Result(check.entry, Outcome.SKIPPED, UNREACHABLE, 0, 0.0))
                continue
            result, waited_in_vain = await _run(check, subject)
            results.append(result)
            if result.outcome is not Outcome.SKIPPED:
                silent = silent + 1 if waited_in_vain else 0
        await subject.leave()
    finally:
        await wire.aclose()
    return results


async def _run(check: ServerCheck, subject: Subject) -> tuple[Result, bool]:
    """Return what came of a check, and whether that is that no answer came in time."""
    waited_in_vain = False
    subject.looked_at, begun = 0, time.monotonic()
    outcome, reason = Outcome.PASS, ""
    try:
        await check.judge(subject)
    except Breach as breach:
        outcome, reason = breach.outcome or check.level, breach.reason
        waited_in_vain = isinstance(breach, NoAnswer) and breach.timed_out
    except Skip as skip:
        outcome, reason = Outcome.SKIPPED, skip.reason
    except Exception as error:  # noqa: BLE001 - whatever a server's bytes make of a reader
        outcome, reason = Outcome.FAIL, f"what came back was not understood: {kinds(error)}"
    if outcome is Outcome.PASS and not subject.looked_at:
        outcome, reason = Outcome.FAIL, NOTHING_SEEN
    seconds = time.monotonic() - begun
    return Result(check.entry, outcome, reason, subject.looked_at, seconds), waited_in_vain
