"""Finds the recordings that the arguments of a command stand for."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_session._cli import curl, har
from mcp_session._cli.files import (
    MOST_PLACES,
    Reader,
    UnreadableError,
    is_file,
    is_folder,
    reason,
)
from mcp_session._cli.recorded import Draft, MalformedError, Problem, in_time
from mcp_session._cli.terminal import escaped
from mcp_session._core import RecordedExchange

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mcp_session._cli.recorded import Exchange, Item

__all__ = ["recorded"]

REQUEST, RESPONSE = ".request", ".response"

STANDARD_INPUT = Path("-")

_NOTHING_KNOWN = (
    f"neither a HAR, nor what `curl -v` or `curl -i` prints, nor NAME{REQUEST} or NAME{RESPONSE}"
)


def recorded(paths: Iterable[Path]) -> list[Exchange | Problem]:
    """Return every exchange of these files and folders, and what is no exchange."""
    reader = Reader()
    return in_time([items for path in paths for items in _files(path, reader)])


def _files(path: Path, reader: Reader) -> Iterator[list[Item]]:
    if path == STANDARD_INPUT:
        yield _standard_input(reader)
    elif is_folder(path):
        yield from _folder(path, reader)
    elif path.suffix in {REQUEST, RESPONSE}:
        yield from _pairs([path], reader)
    elif not is_file(path) and is_file(path.with_name(path.name + REQUEST)):
        yield from _pairs([path.with_name(path.name + REQUEST)], reader)
    else:
        yield _file(path, reader)


def _folder(folder: Path, reader: Reader) -> Iterator[list[Item]]:
    found: list[Path] = []
    problems: list[Item] = []

    def note(error: OSError) -> None:
        problems.append(_unreadable(Path(error.filename), reason(error)))

    places = 0
    for place, folders, names in os.walk(folder, onerror=note):
        found += [Path(place, name) for name in names if not name.startswith(".")]
        places += len(folders) + len(names)
        if places > MOST_PLACES:
            what = f"more than the {MOST_PLACES:,} files and folders that are looked at"
            yield [*problems, _unreadable(folder, what)]
            return
    if problems:
        yield problems
    elif not found:
        yield [_malformed(folder, "", "no recorded exchange in this folder")]
    found.sort()
    yield from _pairs((path for path in found if path.suffix in {REQUEST, RESPONSE}), reader)
    for path in found:
        if path.suffix not in {REQUEST, RESPONSE}:
            yield _file(path, reader)


def _pairs(files: Iterable[Path], reader: Reader) -> Iterator[list[Item]]:
    """Put requests and responses together, each pair once, those of a folder in one story."""
    seen: set[Path] = set()
    items: list[Item] = []
    for file in files:
        request, response = file.with_suffix(REQUEST), file.with_suffix(RESPONSE)
        other = response if file.suffix == REQUEST else request
        if is_file(file) and not is_file(other):
            items.append(_malformed(file, "", f"there is no {escaped(other.name)} beside it"))
        elif request not in seen:
            seen.add(request)
            items.append(_pair(request, response, reader))
    yield items


def _pair(request: Path, response: Path, reader: Reader) -> Item:
    path = request
    try:
        request_bytes = reader.read(request)
        path = response
        response_bytes = reader.read(response)
    except UnreadableError as error:
        return _unreadable(path, str(error))
    folder = request.parent.absolute()
    # The recordings of two servers that listened on one port are in two folders.
    place = f"{folder.name} "

    def make(*, sent: int, answered: int) -> RecordedExchange:
        try:
            return RecordedExchange.parse(
                request_bytes, response_bytes, place=place, sent=sent, answered=answered
            )
        except ValueError as error:
            part, offset, what = error.args
            raise MalformedError(what, f"byte {offset}", part) from None

    paths = (_shown(request), _shown(response))
    return Draft(escaped(folder.name), escaped(request.stem), paths, None, make)


def _file(path: Path, reader: Reader) -> list[Item]:
    if not is_file(path):
        # Of a name that is too long, the system says so.
        return [_unreadable(path, _why_missing(path))]
    try:
        data = reader.read(path)
    except UnreadableError as error:
        return [_unreadable(path, str(error))]
    return _items(_shown(path), escaped(path.name), data)


def _standard_input(reader: Reader) -> list[Item]:
    try:
        data = reader.read_standard_input()
    except UnreadableError as error:
        return [Problem("standard input", "", str(error), is_malformed=False)]
    return _items("standard input", "-", data)


def _items(path: str, source: str, data: bytes) -> list[Item]:
    """Tell by its beginning what a file is."""
    if re.match(rb"(\xef\xbb\xbf)?\s*\{", data):
        return list(har.read(path, source, data))
    if curl.is_output(data):
        return list(curl.read(path, source, data))
    return [Problem(path, "", _NOTHING_KNOWN, is_malformed=True)]


def _why_missing(path: Path) -> str:
    try:
        path.stat()
    except FileNotFoundError:
        return "no such file or folder"
    except OSError as error:
        return reason(error)
    return "it has just come"


def _shown(path: Path) -> str:
    return escaped(str(path))


def _unreadable(path: Path, what: str) -> Problem:
    return Problem(_shown(path), "", what, is_malformed=False)


def _malformed(path: Path, place: str, what: str) -> Problem:
    return Problem(_shown(path), place, what, is_malformed=True)
