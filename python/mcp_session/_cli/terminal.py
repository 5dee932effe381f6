"""How things are shown: on a terminal, in a pipe, in JSON."""

import re
from collections.abc import Container
from urllib.parse import unquote

from rich.console import Console

from mcp_session._fingerprint import fingerprint
from mcp_session._secrets import may_be_credential

__all__ = ["arrow", "console_for_output", "escaped", "named", "route", "shortened", "shown_id"]

# Wide enough for any row: what is piped into a file or another program is not folded.
_UNFOLDED = 100_000

_FINGERPRINT_DIGITS = 6

_LONGEST = 200

# As in `mcp;session=1868a90c`.
_VALUES = re.compile("[;=,&:]")


def console_for_output() -> Console:
    """Return a console that folds nothing but for a terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_UNFOLDED)


def arrow(console: Console) -> str:
    """Return an arrow that the output can show."""
    return "→" if console.encoding.startswith("utf") else "->"


def escaped(text: str) -> str:
    r"""Return a text that moves no cursor and hides nothing.

    >>> print(escaped("a\x1b[2J\u202e\n"))
    a\x1b[2J\u202e\n
    """
    if text.isprintable():
        return text
    return "".join(it if it.isprintable() else it.encode("unicode_escape").decode() for it in text)


def named(text: str) -> str:
    """Return a name that somebody else chose: escaped, and not without end."""
    text = escaped(text[: _LONGEST + 1])
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def route(endpoint: str, session_ids: Container[str] = ()) -> str:
    """Return an endpoint without what may be a credential in its path.

    What is one of these session IDs, in small letters, is none of the route, however short.

    >>> route("server.example/sessions/1868a90c-5f2e-4c0d/mcp")
    'server.example/sessions/*/mcp'
    >>> route("server.example/sessions/1868A90C/mcp", {"1868a90c"})
    'server.example/sessions/*/mcp'
    """
    host, *parts = endpoint.split("/")
    shown = ("*" if _is_telling(unquote(it), session_ids) else it for it in parts)
    return named("/".join([host.rpartition("@")[2], *shown]))


def _is_telling(part: str, session_ids: Container[str]) -> bool:
    if may_be_credential(part):
        return True
    return any(it in session_ids for it in _VALUES.split(part.lower()))


def shown_id(session_id: str) -> str:
    """Return what stands for an ID, which is a credential."""
    return shortened(fingerprint(session_id))


def shortened(whole: str) -> str:
    """Return as much of a fingerprint as tells the sessions of one recording apart."""
    return whole[:_FINGERPRINT_DIGITS]
