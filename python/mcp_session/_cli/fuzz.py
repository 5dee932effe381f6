"""The commands `fuzz` and `fuzz-client`."""

from __future__ import annotations

import secrets
import ssl
import sys
import tempfile
import warnings
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mcp_session._cli.ending import whatever_ends_it
from mcp_session._cli.files import reason
from mcp_session._cli.given import Seconds, checked_headers, checked_url
from mcp_session._extras import how_to_install

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp_session._fuzz.search import Bounds as BoundsType
    from mcp_session._fuzz.search import Search
    from mcp_session._fuzz.server import Target

__all__ = ["fuzz", "fuzz_client"]

CommandType = TypeVar("CommandType", bound="Callable[..., object]")

FOUND_SOMETHING, MISUSED = 1, 2
MEBIBYTE = 1024 * 1024
# What the extra `check` brings, by the names of the modules.
NEEDED = ("anyio", "h11", "httpx2", "hypothesis")

_SECONDS = click.option(
    "--seconds",
    type=Seconds(min=1),
    default=60.0,
    show_default=True,
    help="How long to look for faults.",
)
_SHRINK = click.option(
    "--shrink-seconds",
    type=Seconds(min=1),
    default=30.0,
    show_default=True,
    help="How long to make the case of each fault small.",
)
_MOST = click.option(
    "--most",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many kinds of faults end the search.",
)
_SEED = click.option("--seed", type=int, help="The seed of an earlier run, to do it again.")
_OUT = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("mcp-session-fuzz"),
    show_default=True,
    help="Where to write the exchanges of what fails.",
)
_MEMORY = click.option(
    "--memory",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    metavar="MIB",
    help="How much what is tested may grow.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def _bounded(command: CommandType) -> CommandType:
    """Add the options that both commands have."""
    for option in (_JSON, _MEMORY, _OUT, _SEED, _MOST, _SHRINK, _SECONDS):
        command = option(command)
    return command


@click.command()
@click.argument("url")
@click.option("--command", help="Starts the server; {port} in it, and in URL, becomes a free port.")
@click.option(
    "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="On each request."
)
@click.option("--bearer", help="A token to put on each request.")
@click.option(
    "--answer-seconds",
    type=Seconds(min=1),
    default=20.0,
    show_default=True,
    help="How long an answer may take.",
)
@_bounded
def fuzz(  # noqa: PLR0913, PLR0917 - options come by name
    url: str,
    command: str | None,
    headers: tuple[str, ...],
    bearer: str | None,
    answer_seconds: float,
    memory: int,
    **options: Any,  # noqa: ANN401 - those of both commands
) -> None:
    """Send a live server malformed bodies, heads and orderings.

    It must answer, stay up, keep its sessions right and, started by --command, not grow. No tool
    is called. What fails is shrunk, and written as pairs NAME.request and NAME.response, which
    `classify` and `diagnose` read. The seed is printed. Needs the extra `check`.

    The exit status is 0 if nothing was found, 1 if something was, 2 if the server cannot be
    started or reached.
    """
    with _extra():
        import httpx2  # noqa: PLC0415 - an extra

        from mcp_session._fuzz.server import Target, fuzz_server  # noqa: PLC0415 - an extra
        from mcp_session.testing.processes import CommandServer  # noqa: PLC0415 - an extra

    ours = checked_headers(headers, bearer)
    checked_url(url if command is None else url.replace("{port}", "1"))
    # Who certifies a server is the same as for `check`.
    trusted = httpx2.create_ssl_context()
    trusted.set_alpn_protocols(["http/1.1"])
    with whatever_ends_it(), ExitStack() as stack:
        started = None
        if command is not None:
            try:
                started = stack.enter_context(CommandServer(command, url=url))
            except OSError as error:
                _misused(f"--command: {reason(error)}")
            except (RuntimeError, ValueError) as error:
                _misused(f"--command: {error}")
        target = Target(
            started.url if started else url,
            started,
            tuple(ours),
            answer_seconds,
            memory * MEBIBYTE,
            trusted,
        )
        _check_reached(target)
        _run(partial(fuzz_server, target), options)


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "--limit",
    type=Seconds(min=1),
    default=60.0,
    show_default=True,
    help="How many seconds the command may take each time.",
)
@_bounded
def fuzz_client(
    command: tuple[str, ...],
    limit: float,
    memory: int,
    **options: Any,  # noqa: ANN401 - those of both commands
) -> None:
    """Answer a client malformed bodies, heads and orderings.

    For each case a scripted server listens on loopback, and COMMAND is run with its URL
    appended. It must end, by itself and not by a signal, must not ask for ever, must keep to what
    the specification says of session IDs, and must not grow. What fails is shrunk, and written
    as for `fuzz`. Needs the extra `check`.
    """
    with _extra():
        from mcp_session._fuzz.client import CannotFuzzError  # noqa: PLC0415 - an extra
        from mcp_session._fuzz.client import fuzz_client as run  # noqa: PLC0415 - an extra

    try:
        with whatever_ends_it():
            _run(partial(run, command, limit=limit, growth=memory * MEBIBYTE), options)
    except CannotFuzzError as error:
        _misused(f"COMMAND {error}")


def _check_reached(target: Target) -> None:
    """End where nobody takes a connection: that is no fault of a server."""
    try:
        target.client().begin(b"").close()
    except ssl.SSLCertVerificationError:
        _misused("the server's certificate is not of an authority that is trusted: SSL_CERT_FILE")
    except OSError as error:
        _misused(f"the server cannot be reached ({type(error).__name__})")


def _run(search: Callable[[BoundsType], Search], options: dict[str, Any]) -> None:
    from hypothesis.configuration import set_hypothesis_home_dir  # noqa: PLC0415 - as below
    from hypothesis.errors import HypothesisWarning  # noqa: PLC0415 - as below

    from mcp_session._fuzz import report  # noqa: PLC0415 - an extra may be missing
    from mcp_session._fuzz.search import Bounds  # noqa: PLC0415 - as above

    out: Path = options["out"]
    _check_writable(out)
    seed: int = secrets.randbits(32) if options["seed"] is None else options["seed"]
    click.echo(f"mcp-session: seed {seed}", err=True)
    bounds = Bounds(seed, *(options[name] for name in ("seconds", "shrink_seconds", "most")))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # What it keeps for the next run, and says to who writes tests, is of no use here.
        set_hypothesis_home_dir(folder)
        warnings.simplefilter("ignore", HypothesisWarning)
        told = search(bounds)
    folders = report.write(told.findings, out, seed)
    if options["as_json"]:
        click.echo(report.as_json(told, folders, seed))
    else:
        click.echo("\n".join(report.lines(told, folders, seed)))
    if told.is_interrupted:
        raise KeyboardInterrupt
    if told.ended_by is not None:
        click.echo(f"mcp-session: {told.ended_by}", err=True)
    if told.findings:
        sys.exit(FOUND_SOMETHING)
    if told.ended_by is not None:
        sys.exit(MISUSED)
    if told.cases <= told.unjudged:
        _misused("no case could be run")


def _check_writable(out: Path) -> None:
    """End now where what is found could not be written, and not when it is found."""
    is_new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
        if is_new:
            out.rmdir()
    except OSError as error:
        _misused(f"--out: {reason(error)}")


def _misused(what: str) -> None:
    click.echo(f"mcp-session: {what}", err=True)
    sys.exit(MISUSED)


class _extra:  # noqa: N801 - reads as the statement that it is
    """Says which extra is missing, where one is."""

    def __enter__(self) -> None:
        """Begin to import."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """End with the command that installs it."""
        if isinstance(error, ModuleNotFoundError) and error.name in NEEDED:
            sys.exit(f"mcp-session: this needs {error.name}: {how_to_install('check')}")
