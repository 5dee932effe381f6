"""The entry of the command line, which is the extra `cli`."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, TextIO

from mcp_session._extras import how_to_install

__all__ = ["main"]

# What a shell says of a program that Ctrl-C ended, and of one whose reader has gone.
INTERRUPTED, BROKEN_PIPE = 130, 141


def main() -> NoReturn:
    """Run the command line, or say what it needs. It ends with no traceback, whatever is read.

    A program that was to be run ends as it does by itself.
    """
    try:
        outcome = _run()
        stdout: TextIO | None = sys.stdout
        # It is `None` where it was closed before.
        if stdout is not None:
            stdout.flush()
    except KeyboardInterrupt:
        _leave("interrupted", INTERRUPTED)
    except BrokenPipeError:
        _leave("", BROKEN_PIPE)
    except MemoryError:
        _leave("there is not enough memory for that", 1)
    except OSError as error:
        _leave(f"standard output: {error.strerror or type(error).__name__}", 1)
    sys.exit(outcome if isinstance(outcome, int) else outcome())


def _run() -> int | Callable[[], NoReturn]:
    """Return the exit status, or the program to run."""
    try:
        from mcp_session._cli.commands import main as commands  # noqa: PLC0415 - may be missing
    except ModuleNotFoundError as error:
        if error.name not in {"click", "rich"}:
            raise
        sys.exit(f"mcp-session: the command line needs {error.name}: {how_to_install('cli')}")
    from click import Abort, ClickException  # noqa: PLC0415 - as above

    errors = [getattr(stream, "errors", "strict") for stream in (sys.stdout, sys.stderr)]
    # What the terminal cannot show is shown as what it is.
    _show_unshown("backslashreplace", "backslashreplace")
    try:
        # Of a command that ends by itself, the status; of `run`, the program.
        outcome = commands.main(prog_name="mcp-session", standalone_mode=False) or 0
    except ClickException as error:
        error.show()
        return error.exit_code
    except Abort:
        raise KeyboardInterrupt from None
    if isinstance(outcome, int):
        return outcome
    _show_unshown(*errors)
    program: Callable[[], NoReturn] = outcome
    return program


def _show_unshown(*errors: str) -> None:
    for stream, how in zip((sys.stdout, sys.stderr), errors, strict=True):
        getattr(stream, "reconfigure", _nothing)(errors=how)


def _leave(what: str, status: int) -> NoReturn:
    """End here: what is still to be written has nowhere to go."""
    if what:
        with suppress(OSError):
            print(f"mcp-session: {what}", file=sys.stderr, flush=True)  # noqa: T201 - the last word
    # Python flushes once more as it ends, and would say that this failed, too.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(status)


def _nothing(**_: str) -> None:
    """Leave a stream as it is: it is none that can be told."""


if __name__ == "__main__":
    main()
