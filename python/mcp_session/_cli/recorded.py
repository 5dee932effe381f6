"""What the readers of all formats hand on: exchanges, and what is wrong with a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mcp_session._core import RecordedExchange

__all__ = ["Draft", "Exchange", "MalformedError", "Problem", "in_time"]


@dataclass(frozen=True)
class Problem:
    """A file, or a part of one, that is no recording."""

    path: str
    place: str
    """Where in the file: `byte 22`, `line 3`, `entry 4`; empty where it is the file itself."""
    what: str
    is_malformed: bool
    """Whether it was read and is none, or could not be read."""

    def __str__(self) -> str:
        """Return what is said on stderr."""
        return ": ".join(filter(None, (self.path, self.place, self.what)))


class MalformedError(Exception):
    """A part of a file is not what its format has there."""

    def __init__(self, what: str, place: str = "", part: str = "") -> None:
        """Take what is wrong, and where; `part` is the one of two files that it is in."""
        super().__init__(what)
        self.what = what
        self.place = place
        self.part = part


class Make(Protocol):
    """Makes an exchange of what its file has."""

    def __call__(self, *, sent: int, answered: int) -> RecordedExchange:
        """Make it, sent and answered at these times. Raises `MalformedError` or `ValueError`."""
        ...


@dataclass(frozen=True)
class Draft:
    """An exchange as its file has it, before it has its place in time."""

    source: str
    case: str
    paths: tuple[str, str]
    """Of the file with the request, and of the one with the response."""
    times: tuple[int, int] | None
    """When it was sent and answered, in microseconds, if the file says so."""
    make: Make


@dataclass(frozen=True)
class Exchange:
    """An exchange of a recording, and where it stands."""

    source: str
    case: str
    core: RecordedExchange


Item: TypeAlias = Draft | Problem


def in_time(files: Sequence[Sequence[Item]]) -> list[Exchange | Problem]:
    """Give every exchange its place in time.

    Where all of them say when they were, that counts. Otherwise one file is after the other, in
    the order in which they were named, and so is what says no time within a file.
    """
    drafts = [[item for item in file if isinstance(item, Draft)] for file in files]
    if all(draft.times for file in drafts for draft in file):
        return [_made(item) for file in files for item in file]
    made: list[Exchange | Problem] = []
    now = 0
    for file, within in zip(files, drafts, strict=True):
        times = [draft.times for draft in within if draft.times]
        if len(times) == len(within):
            # Their order alone counts: a file may say that it lasted for thousands of years.
            moments = sorted({moment for both in times for moment in both})
            # Between two of them there is one more: an `initialize` takes at least that long.
            numbers = {moment: now + 2 * number for number, moment in enumerate(moments)}
            made += [_made(_moved(item, numbers)) for item in file]
            now += 2 * len(moments)
        else:
            made += [_made(_moved(item, now + 2 * index)) for index, item in enumerate(file)]
            now += 2 * len(file)
    return made


def _moved(item: Item, to: Mapping[int, int] | int) -> Item:
    """Give an exchange other times: what its own stand for, or this one and the next."""
    if isinstance(item, Problem):
        return item
    if isinstance(to, int):
        return replace(item, times=(to, to + 1))
    if item.times is None:
        return item
    sent, answered = item.times
    return replace(item, times=(to[sent], to[answered]))


def _made(item: Item) -> Exchange | Problem:
    if isinstance(item, Problem):
        return item
    sent, answered = item.times or (0, 1)
    try:
        core = item.make(sent=sent, answered=answered)
    except MalformedError as error:
        path = item.paths[error.part == "response"]
        return Problem(path, error.place, error.what, is_malformed=True)
    except ValueError as error:
        return Problem(item.paths[0], item.case, str(error), is_malformed=True)
    return Exchange(item.source, item.case, core)


def texts(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return headers that are UTF-8: what JSON can say and UTF-8 cannot is replaced."""
    return [(utf8(name), utf8(value)) for name, value in headers]


def utf8(text: str) -> str:
    """Return a text that is UTF-8."""
    return text.encode(errors="replace").decode()
