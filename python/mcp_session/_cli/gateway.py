"""The command `gateway`: what its arguments mean, and how it ends."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from mcp_session._extras import how_to_install, missing_module

if TYPE_CHECKING:
    from mcp_session.sessions import SessionTable

__all__ = ["gateway"]

# What the extra `gateway` brings, by the names of the modules.
_NEEDED = {"anyio", "h11", "prometheus_client", "starlette", "uvicorn"}


_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


@click.command()
@click.argument("upstreams", nargs=-1, required=True, metavar="UPSTREAM...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Where to listen; 0 is any that is free.",
)
@click.option(
    "--sessions",
    "table",
    default="memory",
    show_default=True,
    metavar="TABLE",
    help="Who has which session: memory, sqlite:PATH, redis://... Gateways that share it are one.",
)
@click.option("--peer-url", metavar="URL", help="How gateways of other hosts reach this one.")
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    help="A web page that may call, by its origin, or *. Without it, CORS is the servers' own.",
)
@click.option(
    "--trusted-proxy",
    "proxies",
    multiple=True,
    default=("127.0.0.1", "::1"),
    show_default=True,
    metavar="ADDRESS",
    help="A proxy in front whose X-Forwarded-... is believed: an address, a network, or *.",
)
@click.option(
    "--no-restore",
    is_flag=True,
    help="Answer 404 for a session that its server has lost, and make none anew.",
)
@click.option(
    "--drain",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="How many seconds are waited for what runs, at the end.",
)
@click.option(
    "--log-level",
    type=click.Choice(list(_LEVELS)),
    default="info",
    show_default=True,
    help="What is logged, as lines of JSON on standard error; info is each request.",
)
def gateway(  # noqa: PLR0913, PLR0917 - what there is to choose
    upstreams: tuple[str, ...],
    host: str,
    port: int,
    table: str,
    peer_url: str | None,
    origins: tuple[str, ...],
    proxies: tuple[str, ...],
    no_restore: bool,  # noqa: FBT001 - by name
    drain: float,
    log_level: str,
) -> None:
    """Keep the sessions of MCP servers in any language, behind one address.

    UPSTREAM is the URL of a server; several serve the same. What is at http://server:8000/mcp is
    at /mcp here. A URL with a last slash stands before each path. GET /healthz and GET /metrics
    are answered here.

    The exit status is 0 after SIGTERM, 1 if the address is taken, 2 if the command is not
    understood, 130 after Ctrl-C. Needs the extra `gateway`, and for Redis the extra `redis`.
    """
    try:
        from mcp_session._gateway.serve import log_as_json, serve  # noqa: PLC0415 - an extra
        from mcp_session.gateway import Gateway  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        lacks = missing_module(error, _NEEDED)
        sys.exit(f"mcp-session: the gateway needs {lacks}: {how_to_install('gateway')}")
    log_as_json(_LEVELS[log_level])
    try:
        application = Gateway(
            upstreams,
            sessions=_table(table),
            peer_url=peer_url,
            restore=not no_restore,
            allow_origins=origins,
            trusted_proxies=proxies,
            drain_timeout=drain,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        serve(application, host, port, drain)
    except OSError:
        sys.exit(f"mcp-session: {host}:{port}: the address is taken, or none of this host")


def _table(name: str) -> SessionTable:
    kind, _, place = name.partition(":")
    if kind == "memory" and not place:
        from mcp_session.sessions import MemorySessions  # noqa: PLC0415 - an extra

        return MemorySessions()
    if kind == "sqlite" and place:
        from mcp_session.sessions import SqliteSessions  # noqa: PLC0415 - an extra

        return SqliteSessions(place)
    if kind in {"redis", "rediss", "unix"} and urlsplit(name).netloc + urlsplit(name).path:
        try:
            from mcp_session.sessions import RedisSessions  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            sys.exit(f"mcp-session: {error}")
        return RedisSessions(name)
    message = "--sessions must be memory, sqlite:PATH or redis://..."
    raise click.UsageError(message)
