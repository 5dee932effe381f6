"""The command `bridge`: what its arguments mean, what it prints, how it ends."""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import NoReturn
from urllib.parse import urlsplit

import click

from mcp_session._extras import how_to_install, missing_module

__all__ = ["bridge"]

# What the extra `bridge` brings, by the names of the modules.
_NEEDED = {"anyio", "httpx", "httpx2", "mcp"}

# https://www.rfc-editor.org/rfc/rfc9110.html#name-tokens and #name-field-values
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

# Those that say what a message is, which the transport knows, and of which session.
_RESERVED = frozenset(
    {
        *("accept", "connection", "content-length", "content-type", "last-event-id"),
        *("mcp-protocol-version", "mcp-session-id", "transfer-encoding"),
    }
)


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
    parts = _checked_url(url)
    named = dict(map(_checked_header, headers))
    try:
        from mcp_session._bridge.run import End, Options, run  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        _say_what_is_missing(error)
    _log_to_stderr()
    options = Options(parts, named, read_timeout, drain)
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


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        is_usable = is_usable and (parts.port is None or parts.port > 0)
    except ValueError:
        is_usable = False
    if not is_usable or not url.isprintable():
        message = "URL must be one of http:// or https:// with a host"
        raise click.UsageError(message)
    return url


def _checked_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    value = _VARIABLE.sub(_variable, value).strip()
    if not colon or not _TOKEN.fullmatch(name):
        message = "--header must be 'NAME: VALUE', with a name that HTTP allows"
        raise click.UsageError(message)
    if name.lower() in _RESERVED:
        message = f"--header: {name} is set by the transport"
        raise click.UsageError(message)
    if not _VALUE.fullmatch(value):
        message = f"--header: the value of {name} is empty, or has characters that HTTP forbids"
        raise click.UsageError(message)
    return name, value


def _variable(match: re.Match[str]) -> str:
    value = os.environ.get(match[1])
    if value is None:
        message = f"--header: the environment has no variable {match[1]}"
        raise click.UsageError(message)
    return value


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
