"""Runs `check` and `check-client`, and shows what came of them."""

from __future__ import annotations

import json
import shutil
import sys
import time
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
import httpx2
from rich.table import Table
from rich.text import Text

from mcp_session._check import client_run as clients
from mcp_session._check.client_table import TABLE as SCENARIOS
from mcp_session._check.messages import as_object, parsed
from mcp_session._check.report import Report
from mcp_session._check.results import Outcome, count
from mcp_session._check.server_run import Asked, check_server
from mcp_session._check.subject import Options, Tool
from mcp_session._cli import event_loop
from mcp_session._cli.files import reason
from mcp_session._cli.given import checked_headers, checked_url, must_be_writable
from mcp_session._cli.terminal import console_for_output, named, route
from mcp_session.testing.processes import CommandServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from mcp_session._check.results import Result

__all__ = ["asked_of", "check", "check_client"]

FOUND_SOMETHING = 1

COLOURS = {
    Outcome.PASS: "green",
    Outcome.FAIL: "bold red",
    Outcome.WARNING: "yellow",
    Outcome.SKIPPED: "dim",
}


def check(asked: Asked, **shown: Any) -> None:  # noqa: ANN401 - how it is shown
    """Check a server, show what came of it, and end with the exit status that says so."""
    _must_be_writable(shown)
    process = asked.process
    begun = time.monotonic()
    try:
        if process is not None:
            process.start()
        results = event_loop.run(partial(check_server, asked))
    except (OSError, RuntimeError) as error:
        if process is None or process.is_running:
            raise
        message = f"--command: {reason(error)}"
        raise click.UsageError(message) from None
    finally:
        if process is not None:
            process.kill()
    parts = urlsplit(asked.url)
    target = route(f"{parts.netloc}{parts.path}")
    _finish(Report("check", target, results, time.monotonic() - begun), **shown)


def asked_of(  # noqa: PLR0913 - as it is typed
    url: str,
    *,
    bearer: str | None,
    headers: Iterable[str],
    tool: str | None,
    command: str | None,
    shows_output: bool,
    idle: float | None,
    seconds: float,
    most_requests: int,
) -> Asked:
    """Return what is to be checked; raise `click.UsageError` for what is not understood."""
    process = _process(url, command, shows_output=shows_output)
    sent = checked_headers(headers, bearer)
    return Asked(
        process.url if process else _usable(url),
        tuple((name.lower(), value.encode()) for name, value in sent),
        Options(_tool(tool), idle),
        seconds,
        most_requests,
        process,
    )


def check_client(  # noqa: PLR0913 - as above
    command: tuple[str, ...],
    *,
    scenarios: tuple[str, ...],
    seconds: float,
    at_once: int,
    shows_output: bool,
    shown: dict[str, Any],
) -> None:
    """Check a client, show what came of it, and end with the exit status that says so."""
    names = [scenario.name for scenario in SCENARIOS]
    if unknown := [it for it in scenarios if it not in names]:
        message = f"no scenario {named(unknown[0])}; there are: {', '.join(names)}"
        raise click.UsageError(message)
    chosen = [it for it in SCENARIOS if not scenarios or it.name in scenarios]
    if shutil.which(command[0]) is None:
        message = "COMMAND is no program that can be run"
        raise click.UsageError(message)
    _must_be_writable(shown)
    begun = time.monotonic()
    asked = clients.AskedClient(command, seconds, at_once, shows_output)
    results = event_loop.run(partial(clients.check_client, asked, chosen))
    # What stands in the arguments may be a credential.
    target = named(PurePath(command[0]).name)
    _finish(Report("check-client", target, results, time.monotonic() - begun), **shown)


def _usable(url: str) -> str:
    try:
        httpx2.URL(checked_url(url))
    except httpx2.InvalidURL:
        message = "URL has a host or characters that no URL may have"
        raise click.UsageError(message) from None
    return url


def _process(url: str, command: str | None, *, shows_output: bool) -> CommandServer | None:
    if command is None:
        return None
    _usable(url.replace("{port}", "1"))
    try:
        # The report alone is on standard output.
        output = sys.stderr.fileno() if shows_output else None
        return CommandServer(command, url=url, output=output)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _tool(tool: str | None) -> Tool | None:
    if tool is None:
        return None
    name, _, arguments = tool.partition("=")
    read = parsed(arguments or "{}")
    if not name or as_object(read) is not read:
        message = "--tool has to be NAME or NAME={...}"
        raise click.UsageError(message)
    return Tool(name, as_object(read))


def _must_be_writable(shown: dict[str, Any]) -> None:
    if shown["junit"] is not None:
        must_be_writable(shown["junit"], "--junit")


def _finish(
    report: Report, *, as_json: bool, junit: Path | None, explain: bool, strict: bool
) -> None:
    if as_json:
        click.echo(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        _show(report, explain=explain)
    if junit is not None:
        try:
            junit.write_bytes(report.as_junit())
        except OSError as error:
            message = f"--junit: {error.strerror or type(error).__name__}"
            raise click.UsageError(message) from None
    if report.has_failed(strict=strict):
        sys.exit(FOUND_SOMETHING)


def _show(report: Report, *, explain: bool) -> None:
    console = console_for_output()
    table = Table(box=None, pad_edge=False)
    for title in ("check", "verdict", ""):
        table.add_column(title, overflow="fold")
    for it in report.results:
        outcome = Text(it.outcome.value, COLOURS[it.outcome])
        said = it.entry.wants if it.outcome is Outcome.PASS else it.reason
        table.add_row(Text(it.entry.id), outcome, Text(named(said)))
    console.print(table)
    if explain:
        for line in _explanations(report.results):
            console.print(Text(line))
    counts = ", ".join(f"{number} {name}" for name, number in count(report.results).items())
    console.print(Text(f"{report.target}: {counts}, in {report.seconds:.1f} s"))


def _explanations(results: Sequence[Result]) -> list[str]:
    lines: list[str] = []
    for it in results:
        if it.outcome in {Outcome.FAIL, Outcome.WARNING}:
            entry = it.entry
            lines += ["", f"{entry.id}: {it.reason}", f"  sends {entry.sends}"]
            lines += [f"  wants {entry.wants}", f"  > {entry.sentence.text}"]
            lines += [f"  {entry.sentence.url} (revision {entry.sentence.revision})"]
    return lines
