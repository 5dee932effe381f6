"""What a check is, what it rests on, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn

from mcp_session._cli.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_session import Rule

__all__ = [
    "Breach",
    "Entry",
    "NoAnswer",
    "Outcome",
    "Result",
    "Sentence",
    "Skip",
    "breach",
    "count",
    "skip",
]


# A reason is longer only by what a peer said.
_LONGEST_REASON = 500


class Outcome(str, Enum):
    """What came of a check."""

    PASS = "pass"  # noqa: S105 - no password
    """It was looked at, and is as the sentence says."""
    FAIL = "fail"
    """A MUST is broken, or no answer came."""
    WARNING = "warning"
    """A SHOULD is broken, or what clients in the field rely upon."""
    SKIPPED = "skipped"
    """It does not arise; the reason says why."""


@dataclass(frozen=True)
class Sentence:
    """A sentence of the specification, and where it stands."""

    text: str
    url: str
    revision: str

    @classmethod
    def of(cls, rule: Rule) -> Sentence:
        """Return the sentence that a row of the core rests on."""
        return cls(rule.quote, rule.url, rule.revision)


@dataclass(frozen=True)
class Entry:
    """A check, as far as it can be told without running it."""

    id: str
    sentence: Sentence
    rule: Rule | None
    """The row of the core that says what is right; `None` where the core has none."""
    sends: str
    wants: str


class Breach(Exception):  # noqa: N818 - an outcome
    """The check found that the sentence is broken, and how."""

    def __init__(self, reason: str, outcome: Outcome | None = None) -> None:
        """Take the reason, and the outcome if it is not the entry's own."""
        super().__init__(reason)
        self.reason = reason
        self.outcome = outcome


class NoAnswer(Breach):
    """No answer came, whatever the check is about."""

    def __init__(self, reason: str, *, timed_out: bool = False) -> None:
        """Take the reason, and whether it was waited for in vain."""
        super().__init__(reason, Outcome.FAIL)
        self.timed_out = timed_out


class Skip(Exception):  # noqa: N818 - as above
    """The check does not arise, and why."""

    def __init__(self, reason: str) -> None:
        """Take the reason."""
        super().__init__(reason)
        self.reason = reason


def breach(reason: str, outcome: Outcome | None = None) -> NoReturn:
    """End the check at hand: the sentence is broken."""
    raise Breach(reason, outcome)


def skip(reason: str) -> NoReturn:
    """End the check at hand: it does not arise."""
    raise Skip(reason)


@dataclass(frozen=True)
class Result:
    """What came of one check.

    In its reason may stand what a peer said, so it is escaped: for terminals, for XML, for UTF-8.
    """

    entry: Entry
    outcome: Outcome
    reason: str
    exchanges: int
    """How many exchanges it looked at."""
    seconds: float

    def __post_init__(self) -> None:
        """Escape the reason, and cut what is too long."""
        object.__setattr__(self, "reason", escaped(self.reason[:_LONGEST_REASON]))

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints of it."""
        entry = self.entry
        return {
            "check": entry.id,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "sends": entry.sends,
            "wants": entry.wants,
            "rule": entry.rule and entry.rule.value,
            "quote": entry.sentence.text,
            "url": entry.sentence.url,
            "revision": entry.sentence.revision,
            "exchanges": self.exchanges,
            "seconds": round(self.seconds, 3),
        }


def count(results: Sequence[Result]) -> dict[str, int]:
    """Return how many checks came to each outcome."""
    outcomes = [it.outcome for it in results]
    return {outcome.value: outcomes.count(outcome) for outcome in Outcome}
