"""The command `bridge`: what its arguments mean, what it prints, how it ends."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

import click

from mcp_session._cli.given import checked_headers, checked_url
from mcp_session._extras import how_to_install, missing_module

__all__ = ["bridge"]

# What the extra `bridge` brings, by the names of the modules.
_NEEDED = {"anyio", "httpx", "httpx2", "mcp"}


@click.command()
@click.argument("url")
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="Send this header with every request. ${NAME} is a variable of the environment.",
)
@click.option(
    "--read-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=300.0,
    show_default=True,
    help="How many seconds an answer or a stream may be silent.",
)
@click.option(
    "--drain",
    type=click.FloatRange(min=0),
    # A client waits two seconds before it sends a signal; DELETE has to be out by then.
    default=1.0,
    show_default=True,
    help="How many seconds what was asked for is waited for once standard input has ended.",
)
def bridge(url: str, headers: tuple[str, ...], read_timeout: float, drain: float) -> None:
    """Serve a client that has only a configuration file: stdio here, HTTP there.

    URL is that of an MCP server which speaks Streamable HTTP. The client starts this command and
    speaks to it on standard input and output; no end of a session, no restart of the server gets
    through to it. What goes wrong is said on standard error, without the URL and without the
    value of any header.

    The exit status is 0 when the client has left or has sent SIGTERM, 1 if the server was lost,
    2 if the command is not understood, 130 after Ctrl-C. Needs the extra `bridge`.
    """
    named = dict(checked_headers(headers))
    try:
        from mcp_session._bridge.run import End, Options, run  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        _say_what_is_missing(error)
    _log_to_stderr()
    options = Options(checked_url(url), named, read_timeout, drain)
    try:
        end = run(options, _say)
    except ModuleNotFoundError as error:
        _say_what_is_missing(error)
    except KeyboardInterrupt:
        end = End.INTERRUPTED
    status = {
        End.CLIENT_LEFT: 0,
        End.TERMINATED: 0,
        End.SERVER_LOST: 1,
        End.INTERRUPTED: 130,
    }[end]
    sys.stderr.flush()
    # A thread may still wait for a line of the client's. Nothing but this ends it.
    os._exit(status)


def _log_to_stderr() -> None:
    """Show what became of sessions. What other libraries log may show a URL or an ID."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("mcp-session: %(message)s"))
    ours = logging.getLogger("mcp_session")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    ours.propagate = False
    logging.getLogger().addHandler(logging.NullHandler())


def _say(text: str) -> None:
    click.echo(f"mcp-session: {text}", err=True)


def _say_what_is_missing(error: ModuleNotFoundError) -> NoReturn:
    lacks = missing_module(error, _NEEDED)
    sys.exit(f"mcp-session: the bridge needs {lacks}: {how_to_install('bridge')}")
