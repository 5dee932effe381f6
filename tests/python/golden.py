"""Reads the files of expected verdicts that the Rust tests read too."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
EXCHANGES = TESTS / "exchanges"
STATUSES = range(100, 1000)


@dataclass(frozen=True)
class Line:
    """A line of `decisions.txt`: the cells it covers, and their decision."""

    fields: tuple[str, ...]
    action: str
    rule: str
    forwards: bool

    def covers(self, *values: str) -> bool:
        return all(map(field_matches, self.fields, values))


def decisions(table: str) -> list[Line]:
    lines: list[Line] = []
    for line in data_lines(TESTS / "decisions.txt"):
        if line.startswith("text"):
            continue
        cells, decision = line.split("=>")
        name, *fields = (field.strip() for field in cells.split("|"))
        action, rule, *withhold = decision.split()
        if name == table:
            lines.append(Line(tuple(fields), action, rule, withhold != ["withhold"]))
    return lines


def wordings() -> dict[str, str]:
    """The texts of misreports, by their body class."""
    lines = (line.removeprefix("text |") for line in data_lines(TESTS / "decisions.txt"))
    pairs = (line.split("=>") for line in lines if "|" not in line)
    return {name.strip(): wording.strip() for name, wording in pairs}


def expected_exchanges() -> Iterator[tuple[str, list[str]]]:
    for line in data_lines(TESTS / "exchanges.expected"):
        name, *verdicts = line.split()
        yield name, verdicts


def recorded(name: str) -> tuple[bytes, bytes]:
    pair = (EXCHANGES / f"{name}.{message}" for message in ("request", "response"))
    request, response = (path.read_bytes() for path in pair)
    return request, response


def data_lines(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def field_matches(field: str, value: str) -> bool:
    if field.startswith("!"):
        return value not in field[1:].split(",")
    return field == "*" or value in field.split(",")


def statuses(field: str) -> set[int]:
    if field == "*":
        return set(STATUSES)
    if field.startswith("!"):
        return set(STATUSES) - statuses(field[1:])
    covered: set[int] = set()
    for part in field.split(","):
        first, _, last = part.partition("-")
        covered |= set(range(int(first), int(last or first) + 1))
    return covered
