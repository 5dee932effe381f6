"""Runs `check` and `check-client`, and shows what came of them."""

from __future__ import annotations

import json
import shutil
import sys
import time
from asyncio import CancelledError
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import click
from rich.table import Table
from rich.text import Text

from mcp_session._check import client_run as clients
from mcp_session._check.client_table import TABLE as SCENARIOS
from mcp_session._check.messages import as_object, parsed
from mcp_session._check.report import Report
from mcp_session._check.results import Outcome, count
from mcp_session._check.server_run import Asked, check_server
from mcp_session._check.subject import Options, Tool
from mcp_session._cli.terminal import console_for_output, named, route
from mcp_session.testing.processes import CommandServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from mcp_session._check.results import Result

__all__ = ["check", "check_client"]

FOUND_SOMETHING = 1

COLOURS = {
    Outcome.PASS: "green",
    Outcome.FAIL: "bold red",
    Outcome.WARNING: "yellow",
    Outcome.SKIPPED: "dim",
}


def check(  # noqa: PLR0913 - as it is typed
    url: str,
    *,
    bearer: str | None,
    headers: tuple[str, ...],
    tool: str | None,
    command: str | None,
    shows_output: bool,
    idle: float | None,
    seconds: float,
    most_requests: int,
    shown: dict[str, Any],
) -> None:
    """Check a server, show what came of it, and end with the exit status that says so."""
    options = Options(_tool(tool), idle)
    process = _process(url, command, shows_output=shows_output)
    asked = Asked(
        process.url if process else _endpoint(url),
        _headers(bearer, headers),
        options,
        seconds,
        most_requests,
        process,
    )
    begun = time.monotonic()
    try:
        if process is not None:
            process.start()
        results = _run(partial(check_server, asked))
    except RuntimeError as error:
        if process is None:
            raise
        raise click.UsageError(str(error)) from None
    finally:
        if process is not None:
            process.kill()
    parts = urlsplit(asked.url)
    target = route(f"{parts.netloc}{parts.path}")
    _finish(Report("check", target, results, time.monotonic() - begun), **shown)


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
    begun = time.monotonic()
    asked = clients.AskedClient(command, seconds, at_once, shows_output)
    results = _run(partial(clients.check_client, asked, chosen))
    # What stands in the arguments may be a credential.
    target = named(PurePath(command[0]).name)
    _finish(Report("check-client", target, results, time.monotonic() - begun), **shown)


def _run(checking: Callable[[], Awaitable[list[Result]]]) -> list[Result]:
    try:
        return anyio.run(checking)
    except CancelledError:
        # How Ctrl-C arrives from the event loops of CPython 3.10.
        raise KeyboardInterrupt from None


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = "URL has to begin with http:// or https:// and name a host"
        raise click.UsageError(message)
    return url


def _process(url: str, command: str | None, *, shows_output: bool) -> CommandServer | None:
    if command is None:
        return None
    _endpoint(url.replace("{port}", "0"))
    try:
        # The report alone is on standard output.
        output = sys.stderr.fileno() if shows_output else None
        return CommandServer(command, url=url, output=output)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _headers(bearer: str | None, headers: tuple[str, ...]) -> tuple[tuple[str, bytes], ...]:
    sent = [("authorization", f"Bearer {bearer}".encode())] if bearer else []
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip() or not (name + value).isprintable():
            # What stands in it may be a credential.
            message = "--header has to be NAME:VALUE"
            raise click.UsageError(message)
        sent.append((name.strip().lower(), value.strip().encode()))
    return tuple(sent)


def _tool(tool: str | None) -> Tool | None:
    if tool is None:
        return None
    name, _, arguments = tool.partition("=")
    read = parsed(arguments or "{}")
    if not name or as_object(read) is not read:
        message = "--tool has to be NAME or NAME={...}"
        raise click.UsageError(message)
    return Tool(name, as_object(read))


def _finish(
    report: Report, *, as_json: bool, junit: Path | None, explain: bool, strict: bool
) -> None:
    if junit is not None:
        try:
            junit.write_bytes(report.as_junit())
        except OSError as error:
            message = f"--junit: {error.strerror or type(error).__name__}"
            raise click.UsageError(message) from None
    if as_json:
        click.echo(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        _show(report, explain=explain)
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
