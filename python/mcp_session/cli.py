"""The command line: looks at recorded traffic and says what each exchange means.

It reads files, asks the core, and prints; it decides nothing.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mcp_session import Rule, Side, Verdict, __version__, classify_exchange
from mcp_session._core import ExchangeFacts, exchange_facts

__all__ = ["main"]

REQUEST, RESPONSE = ".request", ".response"

# Wide enough for any row: what is piped into a file or another program is not folded.
UNFOLDED = 100_000

# What the extra `demo` brings, by the names of the modules.
DEMO = {"anyio": "anyio", "httpx2": "httpx2", "mcp": "mcp 2.3 or newer", "uvicorn": "uvicorn"}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Get the expiry of MCP sessions right."""


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--side",
    type=click.Choice([side.value for side in Side]),
    default=Side.CLIENT.value,
    show_default=True,
    help="Whose eyes to look with. A server's show the answer to give.",
)
@click.option("--quirks", is_flag=True, help="As a client, also act on known misreports.")
@click.option("--explain", is_flag=True, help="Add what each rule rests on.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def classify(
    paths: tuple[Path, ...],
    side: str,
    *,
    quirks: bool,
    explain: bool,
    as_json: bool,
) -> None:
    """Say what recorded exchanges mean for their sessions.

    PATHS are pairs NAME.request and NAME.response of raw HTTP/1.1 bytes (either of the two,
    or NAME), and folders of them. A file that is neither is named on stderr with the byte at
    which it is broken; the others are still classified, and the exit status is 1.
    """
    findings = [
        look(recording, Side(side), quirks=quirks)
        if isinstance(recording, Recording)
        else recording
        for path in paths
        for recording in recordings(path)
    ]
    exchanges = [finding for finding in findings if isinstance(finding, Exchange)]
    problems = [finding for finding in findings if isinstance(finding, Problem)]
    if as_json:
        for exchange in exchanges:
            click.echo(json.dumps(exchange.as_json(explain=explain), ensure_ascii=False))
    else:
        show(exchanges, Side(side), explain=explain)
    for problem in problems:
        name = click.format_filename(problem.path)
        click.echo(f"mcp-session: {name}: byte {problem.offset}: {problem.what}", err=True)
    if problems:
        sys.exit(1)


@main.command()
def demo() -> None:
    """Kill a real server under two real clients, and show both timelines.

    Takes less than a minute, and needs the extra `demo`. The exit status is 0 if the client of
    mcp_session recovered and the plain one did not, else 1.
    """
    try:
        from mcp_session.demo import main as run  # noqa: PLC0415 - an extra may be missing
    except ImportError as error:
        needed = (error.name or "").partition(".")[0]
        if needed not in DEMO:
            raise
        sys.exit(f"mcp-session: the demo needs {DEMO[needed]}: pip install 'mcp-session[demo]'")
    sys.exit(0 if run(console_for_output()) else 1)


@dataclass(frozen=True)
class Recording:
    """A pair of files: raw HTTP/1.1 bytes of a request and of its response."""

    request: Path
    response: Path


@dataclass(frozen=True)
class Problem:
    """A file that is no part of a recording, and where it goes wrong."""

    path: Path
    offset: int
    what: str


@dataclass(frozen=True)
class Exchange:
    """A recording that was looked at."""

    server: str
    case: str
    facts: ExchangeFacts
    verdict: Verdict

    def as_json(self, *, explain: bool) -> dict[str, Any]:
        """Return what `--json` prints of it; the IDs stay out, they are credentials."""
        answer, rule = self.verdict.response, self.verdict.rule
        shown: dict[str, Any] = {
            "server": self.server,
            "case": self.case,
            "method": self.facts.method,
            "attached": self.facts.attached,
            "status": self.facts.status,
            "action": self.verdict.action.value,
            "rule": rule.value,
            "forward_session_id": self.verdict.forward_session_id,
            "answer": answer
            and {
                "status": answer.status,
                "headers": dict(answer.headers),
                "body": answer.body.decode(),
            },
            "remarks": self.facts.remarks,
        }
        if explain:
            shown |= {
                "summary": rule.summary,
                "quote": rule.quote,
                "url": rule.url,
                "revision": rule.revision,
                "source": rule.source,
            }
        return shown


def recordings(path: Path) -> Iterator[Recording | Problem]:
    """Find the pairs that a path of the command line stands for."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        visible = [file for file in files if not file.name.startswith(".")]
        if not visible:
            yield Problem(path, 0, "no recorded exchange in this folder")
        yield from pairs(visible)
    elif path.is_file():
        yield from pairs([path])
    elif path.with_name(path.name + REQUEST).is_file():
        yield from pairs([path.with_name(path.name + REQUEST)])
    else:
        yield Problem(path, 0, "no such file or folder")


def pairs(files: Iterable[Path]) -> Iterator[Recording | Problem]:
    """Put requests and responses together, each pair once."""
    seen: set[Path] = set()
    for file in files:
        if file.suffix not in {REQUEST, RESPONSE}:
            yield Problem(file, 0, f"neither NAME{REQUEST} nor NAME{RESPONSE}")
            continue
        pair = Recording(file.with_suffix(REQUEST), file.with_suffix(RESPONSE))
        other = pair.response if file.suffix == REQUEST else pair.request
        if not other.is_file():
            yield Problem(file, 0, f"there is no {other.name} beside it")
        elif pair.request not in seen:
            seen.add(pair.request)
            yield pair


def look(recording: Recording, side: Side, *, quirks: bool) -> Exchange | Problem:
    """Read a recording and ask the core what it means."""
    try:
        request, response = recording.request.read_bytes(), recording.response.read_bytes()
    except OSError as error:
        return Problem(Path(error.filename), 0, error.strerror or str(error))
    try:
        verdict = classify_exchange(request, response, side=side, quirks=quirks)
        facts = exchange_facts(request, response, side=side)
    except ValueError as error:
        # The message reads like: request: byte 21: invalid header name
        which, where, what = str(error).split(": ", 2)
        path = recording.request if which == "request" else recording.response
        return Problem(path, int(where.removeprefix("byte ")), what)
    server = click.format_filename(recording.request.resolve().parent.name)
    case = click.format_filename(recording.request.stem)
    return Exchange(server, case, facts, verdict)


def show(exchanges: list[Exchange], side: Side, *, explain: bool) -> None:
    """Print a table of the exchanges, and below it what the rules rest on."""
    console = console_for_output()
    arrow = "→" if console.encoding.startswith("utf") else "->"
    table = Table(box=None, pad_edge=False)
    with_remarks = any(exchange.facts.remarks for exchange in exchanges)
    for title in (
        *("server", "case", "attached", f"status {arrow} action", "rule"),
        *(["answer"] if side is Side.SERVER else []),
        *(["remarks"] if with_remarks else []),
    ):
        table.add_column(title, overflow="fold")
    for exchange in exchanges:
        facts, verdict = exchange.facts, exchange.verdict
        table.add_row(
            *map(
                Text,
                (
                    exchange.server,
                    exchange.case,
                    facts.attached,
                    f"{facts.status} {arrow} {verdict.action.value}",
                    verdict.rule.value,
                    *([answer_of(verdict)] if side is Side.SERVER else []),
                    *(["; ".join(facts.remarks)] if with_remarks else []),
                ),
            )
        )
    if exchanges:
        console.print(table)
    if explain:
        rules = {exchange.verdict.rule for exchange in exchanges}
        for rule in Rule:
            if rule in rules:
                console.print(*(Text(line) for line in explanation(rule)), sep="\n")
    console.print(Text(f"{len(exchanges)} exchange{'s' * (len(exchanges) != 1)}"))


def console_for_output() -> Console:
    """Return a console that folds nothing but for a terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=UNFOLDED)


def answer_of(verdict: Verdict) -> str:
    """Say what a server sends in place of what it had."""
    parts: list[str] = []
    if verdict.response is not None:
        parts.append(f"{verdict.response.status} {verdict.response.body.decode()}")
    if not verdict.forward_session_id:
        parts.append("session header withheld")
    return ", ".join(parts)


def explanation(rule: Rule) -> list[str]:
    """Say what a rule rests on."""
    return [
        "",
        rule.value,
        f"  {rule.summary}",
        f"  > {rule.quote}",
        f"  {rule.url} (revision {rule.revision})",
    ]
