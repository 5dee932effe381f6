"""The commands `check` and `check-client`, as they are typed; `checking` runs them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcp_session._cli.ending import whatever_ends_it
from mcp_session._cli.given import Seconds
from mcp_session._extras import how_to_install, missing_module

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["check", "check_client"]

# What the extra `check` brings.
NEEDED = {"anyio", "h11", "httpx2"}

# For how long an answer is waited for, unless it is said.
ANSWER_SECONDS = 5.0
# More than all checks together send.
MOST_REQUESTS = 300


def reporting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a run is shown."""
    for option in reversed(
        (
            click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
            click.option(
                "--junit",
                type=click.Path(path_type=Path, dir_okay=False),
                help="Also write XML as JUnit does.",
            ),
            click.option("--explain", is_flag=True, help="Add the sentence behind each finding."),
            click.option("--strict", is_flag=True, help="A warning is found as well."),
        )
    ):
        command = option(command)
    return command


@click.command()
@click.argument("url")
@click.option("--bearer", metavar="TOKEN", help="Sent as Authorization: Bearer with each request.")
@click.option(
    "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Sent with each request."
)
@click.option(
    "--tool",
    metavar="NAME[=JSON]",
    help="The one tool that may be called, and its arguments; slow enough to be interrupted.",
)
@click.option(
    "--command",
    help="Starts the server; then it is killed and restarted, too. {port} in it, and in URL, is "
    "a free port.",
)
@click.option("--output", is_flag=True, help="Show what COMMAND writes on standard error.")
@click.option(
    "--idle",
    type=Seconds(min=0.1),
    metavar="SECONDS",
    help="When the server ends idle sessions.",
)
@click.option(
    "--timeout",
    "seconds",
    type=Seconds(min=0.1),
    default=ANSWER_SECONDS,
    show_default=True,
    help="How many seconds an answer may take.",
)
@click.option(
    "--max-requests", type=click.IntRange(min=1), default=MOST_REQUESTS, show_default=True
)
@reporting
def check(  # noqa: PLR0913 - click's way to say what is asked
    url: str,
    *,
    bearer: str | None,
    headers: tuple[str, ...],
    tool: str | None,
    command: str | None,
    output: bool,
    idle: float | None,
    seconds: float,
    max_requests: int,
    **shown: Any,  # noqa: ANN401 - as above
) -> None:
    """Judge a live server by what the specification says of sessions.

    URL is the MCP endpoint. Each check rests on a sentence of the specification (`--explain`
    shows it). Sessions are opened, pinged and deleted; no tool is called but the one that --tool
    names, and no credential or session ID shows.

    The exit status is 0 if no check failed, 1 if one did, 2 where the command is not understood.
    """
    checking = _checking()
    asked = checking.asked_of(
        url,
        bearer=bearer,
        headers=headers,
        tool=tool,
        command=command,
        shows_output=output,
        idle=idle,
        seconds=seconds,
        most_requests=max_requests,
    )
    with whatever_ends_it():
        checking.check(asked, **shown)


@click.command(
    "check-client",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("command", nargs=-1, required=True)
@click.option("--scenario", "scenarios", multiple=True, help="Only this one; may be repeated.")
@click.option(
    "--timeout",
    "seconds",
    type=Seconds(min=0.1),
    default=30.0,
    show_default=True,
    help="How many seconds the client may take for one scenario.",
)
@click.option(
    "--at-once",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="How many scenarios run side by side.",
)
@click.option("--output", is_flag=True, help="Show what the client writes on standard error.")
@reporting
def check_client(
    command: tuple[str, ...],
    *,
    scenarios: tuple[str, ...],
    seconds: float,
    at_once: int,
    output: bool,
    **shown: Any,  # noqa: ANN401 - as above
) -> None:
    """Judge a client by what it does when its session is lost.

    COMMAND is run once for each scenario, with the URL of a scripted server on loopback as its
    last argument. It is a program in any language that connects, lists the tools, calls each of
    them without arguments, one after the other (all at once if MCP_SESSION_TOGETHER is set), goes
    on when a call fails, and closes. It is judged from the wire. MCP_SESSION_SCENARIO names the
    scenario.

    The exit status is 0 if no check failed, 1 if one did, 2 where the command is not understood.
    """
    checking = _checking()
    with whatever_ends_it():
        checking.check_client(
            command,
            scenarios=scenarios,
            seconds=seconds,
            at_once=at_once,
            shows_output=output,
            shown=shown,
        )


def _checking() -> ModuleType:
    """Return the module that runs the commands, which an extra is needed for."""
    try:
        from mcp_session._cli import checking  # noqa: PLC0415 - an extra may be missing
    except ModuleNotFoundError as error:
        lacks = missing_module(error, NEEDED)
        sys.exit(f"mcp-session: this needs {lacks}: {how_to_install('check')}")
    return checking
