"""The commands, and how each of them ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from mcp_session import Side, __version__, install
from mcp_session._cli.bridge import bridge
from mcp_session._cli.check import check, check_client
from mcp_session._cli.classify import Classified, show, show_as_json
from mcp_session._cli.fuzz import fuzz, fuzz_client
from mcp_session._cli.gateway import gateway
from mcp_session._cli.inputs import recorded
from mcp_session._cli.program import NoSuchProgramError, Program, find_program
from mcp_session._cli.recorded import Exchange, Problem
from mcp_session._cli.story import Teller, print_lines
from mcp_session._cli.terminal import arrow, console_for_output
from mcp_session._extras import how_to_install

__all__ = ["main"]

# How a command ends. That of Ctrl-C is the shell's: 128 and the number of the signal.
FOUND_SOMETHING, MISUSED = 1, 2

# What the extra `demo` brings, by the names of the modules.
DEMO = {"anyio": "anyio", "httpx2": "httpx2", "mcp": "mcp 2.3 or newer", "uvicorn": "uvicorn"}


class _Place(click.Path):
    """A file or a folder, of which what cannot be read is said with all else that cannot.

    An empty name is neither, where a path would be the folder at hand.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - as it is overridden
        """Take a name as a path."""
        if value == "":
            self.fail("an empty name is no file and no folder", param, ctx)
        return super().convert(value, param, ctx)


_PATHS = click.argument(
    "paths", nargs=-1, required=True, type=_Place(path_type=Path, readable=False)
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Get the expiry of MCP sessions right.

    The exit status is 0 where nothing is wrong, 1 where something was found, 2 where the
    command or a file is not understood, 130 after Ctrl-C.
    """


@main.command()
@_PATHS
@click.option("--json", "as_json", is_flag=True, help="Print the whole story as one JSON object.")
def diagnose(paths: tuple[Path, ...], *, as_json: bool) -> None:
    """Tell the story of recorded sessions: what ended each, and who was wrong.

    PATHS are HTTP archives (HAR) of a browser, mitmproxy or Charles, what `curl -v` or `curl -i`
    printed, pairs NAME.request and NAME.response of raw HTTP/1.1 bytes, and folders of them;
    `-` is standard input. All of them are one story, told as a client that also acts on
    misreports would. Session IDs show as fingerprints, and nothing else of a header shows.

    The exit status is 0 if nothing is wrong, 1 if something is or a file cannot be read, 2 if a
    file is not what it should be.
    """
    exchanges, problems = _read(paths)
    teller = Teller(exchanges)
    if as_json:
        story = teller.as_json() | {"problems": [_problem_as_json(it) for it in problems]}
        click.echo(json.dumps(story, ensure_ascii=False))
    elif exchanges:
        console = console_for_output()
        print_lines(console, teller.lines(arrow(console)))
    _say(problems)
    if any(problem.is_malformed for problem in problems):
        sys.exit(MISUSED)
    if problems or teller.has_findings:
        sys.exit(FOUND_SOMETHING)


@main.command()
@_PATHS
@click.option(
    "--side",
    type=click.Choice([side.value for side in Side]),
    default=Side.CLIENT.value,
    show_default=True,
    help="Which side evaluates the exchanges. A server's shows the answer to give.",
)
@click.option(
    "--quirks",
    is_flag=True,
    help="As a client, also act on known misreports, as the clients of this package do.",
)
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
    """Say what each recorded exchange means for its session.

    PATHS are those of `diagnose`: HTTP archives, what curl printed, pairs NAME.request and
    NAME.response, and folders of them. Without --quirks a verdict is what the specification
    says, to be held beside it; a misreport is named, and not acted upon. The clients of this
    package act on misreports, because an application beside such a server fails otherwise.

    A file that is none of these is named on stderr, with the place at which it is broken; the
    others are still classified, and the exit status is 1.
    """
    exchanges, problems = _read(paths)
    evaluated = Side(side)
    classified = [Classified.of(it, evaluated, quirks=quirks) for it in exchanges]
    if as_json:
        show_as_json(classified, explain=explain)
    else:
        show(classified, evaluated, explain=explain)
    _say(problems)
    if problems:
        sys.exit(FOUND_SOMETHING)


@main.command()
def demo() -> None:
    """Kill a real server under two real clients, and show both timelines.

    Takes less than a minute, and needs the extra `demo`. The exit status is 0 if the client of
    mcp_session recovered and the plain one did not, else 1.
    """
    try:
        from mcp_session._demo.show import main as run  # noqa: PLC0415 - an extra may be missing
    except ImportError as error:
        needed = (error.name or "").partition(".")[0]
        if needed not in DEMO:
            raise
        sys.exit(f"mcp-session: the demo needs {DEMO[needed]}: {how_to_install('demo')}")
    sys.exit(0 if run(console_for_output()) else FOUND_SOMETHING)


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("program")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(program: str, arguments: tuple[str, ...]) -> Program:
    """Run a Python program whose MCP clients follow their sessions.

    PROGRAM is a file, a console script of this environment or a module; ARGUMENTS are its own,
    options too. `mcp_session.install()` is called before it begins, so that the clients of the
    official SDK, and of what is built on it, survive the end of a session. Processes that the
    program starts are not covered. The exit status is the program's.
    """
    try:
        found = find_program(program, arguments)
        install()
    except (NoSuchProgramError, ImportError, RuntimeError) as error:
        raise click.ClickException(str(error)) from None
    return found


for command in (bridge, check, check_client, fuzz, fuzz_client, gateway):
    main.add_command(command)


def _read(paths: tuple[Path, ...]) -> tuple[list[Exchange], list[Problem]]:
    found = recorded(paths)
    exchanges = [it for it in found if isinstance(it, Exchange)]
    return exchanges, [it for it in found if isinstance(it, Problem)]


def _say(problems: list[Problem]) -> None:
    for problem in problems:
        click.echo(f"mcp-session: {problem}", err=True)


def _problem_as_json(problem: Problem) -> dict[str, str]:
    return {"path": problem.path, "place": problem.place, "what": problem.what}
