"""What commands about a live server are given: where it is, what is sent with each request."""

from __future__ import annotations

import math
import os
import re
from typing import TYPE_CHECKING, Any

import click

from mcp_session._cli.files import reason
from mcp_session._urls import server_url_parts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Seconds", "checked_headers", "checked_url", "must_be_writable"]

# https://www.rfc-editor.org/rfc/rfc9110.html#name-tokens and #name-field-values
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

# Those that say what a message is, which a command knows, and of which session.
_RESERVED = frozenset(
    {
        *("accept", "connection", "content-length", "content-type", "last-event-id"),
        *("mcp-protocol-version", "mcp-session-id", "transfer-encoding"),
    }
)


class Seconds(click.FloatRange):
    """A number of seconds; what is no number bounds nothing."""

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's own
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """Return the number, if it is one within the range."""
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


def must_be_writable(file: Path, option: str) -> None:
    """Raise `click.UsageError` for a file that nothing could be written to after a long run."""
    is_new = not file.exists()
    try:
        with file.open("ab"):
            pass
        if is_new:
            file.unlink()
    except OSError as error:
        message = f"{option}: {reason(error)}"
        raise click.UsageError(message) from None


def checked_url(url: str) -> str:
    """Return the URL of an MCP endpoint as it is, or raise `click.UsageError`."""
    if server_url_parts(url) is None:
        message = "URL must begin with http:// or https://, and name a host and a port that can be"
        raise click.UsageError(message)
    return url


def checked_headers(headers: Iterable[str], bearer: str | None = None) -> list[tuple[str, str]]:
    """Return names and values of `--header` and `--bearer`, or raise `click.UsageError`.

    `${NAME}` in a value is a variable of the environment, so that no credential has to stand on a
    command line. No message shows a value.
    """
    named = [_named(it) for it in headers]
    if bearer is not None:
        named.append(("authorization", f"Bearer {_value(bearer, '--bearer')}"))
    return named


def _named(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not _TOKEN.fullmatch(name):
        message = "--header must be 'NAME: VALUE', with a name that HTTP allows"
        raise click.UsageError(message)
    if name.lower() in _RESERVED:
        message = f"--header: {name} is set by this command"
        raise click.UsageError(message)
    return name, _value(value, f"--header {name}")


def _value(text: str, option: str) -> str:
    def variable(match: re.Match[str]) -> str:
        if (value := os.environ.get(match[1])) is None:
            message = f"{option}: the environment has no variable {match[1]}"
            raise click.UsageError(message)
        return value

    value = _VARIABLE.sub(variable, text).strip()
    if not _VALUE.fullmatch(value):
        message = f"{option}: the value is empty, or has characters that HTTP forbids"
        raise click.UsageError(message)
    return value
