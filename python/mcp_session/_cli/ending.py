"""Commands that leave nothing of what they started, however they are ended."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["whatever_ends_it"]

# What a shell says of a program that a signal ended is this and the signal's number.
_BY_SIGNAL = 128


@contextmanager
def whatever_ends_it() -> Generator[None]:
    """Let SIGTERM and SIGHUP end what was started as well, and the command with their status."""
    # The command line runs without the extra that this is of.
    from mcp_session.testing._ending import ended_as_by_ctrl_c  # noqa: PLC0415 - see above

    with ended_as_by_ctrl_c() as came:
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            if not came:
                raise
    if came:
        click.echo(f"mcp-session: ended by {came[0].name}", err=True)
        sys.exit(_BY_SIGNAL + came[0])
