"""Looks for cases that fail, and shrinks them: hypothesis, bounded by time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from hypothesis.strategies import SearchStrategy

__all__ = ["Bounds", "CannotGoOnError", "Finding", "Search", "UnjudgedError", "search"]

T = TypeVar("T")

MANY = 1_000_000
SILENT = [
    *(HealthCheck.data_too_large, HealthCheck.filter_too_much),
    *(HealthCheck.large_base_example, HealthCheck.too_slow),
]


@dataclass(frozen=True)
class Finding:
    """What a peer did wrong, and the raw exchanges that show it."""

    kind: str
    """The fault in a word or two: findings of one kind are one."""
    what: str
    exchanges: Sequence[tuple[bytes, bytes]]
    case: str = ""
    """The steps that led to it."""
    size: int = 0


@dataclass(frozen=True)
class Bounds:
    """Where a search begins, and where it ends."""

    seed: int
    seconds: float
    """How long to look for what fails."""
    shrink_seconds: float
    """How long to make the case of each finding small."""
    most: int = 20
    """How many findings end it."""


@dataclass
class Search:
    """What came of a search."""

    findings: list[Finding] = field(default_factory=list[Finding])
    cases: int = 0
    unjudged: int = 0
    """How many of them said nothing: the server would take no more requests for now."""
    is_interrupted: bool = False
    """Whether Ctrl-C ended it; what was found until then is here."""
    ended_by: str | None = None
    """Why no further case could be run, where none could."""


class UnjudgedError(Exception):
    """A case said nothing, for good or ill."""


class _FoundError(Exception):
    """A case failed."""


# What hypothesis lets through, and does not take for a case that fails.
class _TimeOver(KeyboardInterrupt):
    """No time is left."""


class CannotGoOnError(KeyboardInterrupt):
    """No further case can be run; the text says why."""


def search(
    cases: SearchStrategy[T],
    run: Callable[[T, Collection[str]], Finding | None],
    bounds: Bounds,
) -> Search:
    """Run cases; return one finding of each kind, shrunk.

    `run` is told which kinds are known already, and says nothing of these.
    """
    told = Search()
    until = time.monotonic() + bounds.seconds
    for number in range(MANY):
        left = until - time.monotonic()
        if left <= 0 or len(told.findings) >= bounds.most:
            break
        one = replace(bounds, seed=bounds.seed + number, seconds=left)
        found, is_over = _one(cases, run, told, one)
        if found is not None:
            told.findings.append(found)
            # What it took to shrink is not taken from the time to search.
            until = max(until, time.monotonic())
        if told.is_interrupted or told.ended_by is not None or (is_over and found is None):
            break
    return told


def _one(
    cases: SearchStrategy[T],
    run: Callable[[T, Collection[str]], Finding | None],
    told: Search,
    bounds: Bounds,
) -> tuple[Finding | None, bool]:
    """Return the next finding, and whether the time is over."""
    best: list[Finding] = []
    is_over = True
    try:
        _look(cases, run, told, bounds, best)
        is_over = False
    except CannotGoOnError as error:
        told.cases -= 1
        told.ended_by = str(error)
    except _TimeOver:
        pass
    except KeyboardInterrupt:
        told.is_interrupted = True
    except BaseException as error:
        if not best or isinstance(error, SystemExit):
            raise
        is_over = False
    return (best[0] if best else None), is_over


def _look(
    cases: SearchStrategy[T],
    run: Callable[[T, Collection[str]], Finding | None],
    told: Search,
    bounds: Bounds,
    best: list[Finding],
) -> None:
    """Run cases until one fails, and then those that are smaller; keep the smallest in `best`."""
    known = {finding.kind for finding in told.findings}
    deadline = [time.monotonic() + bounds.seconds]

    @seed(bounds.seed)
    @settings(
        max_examples=MANY,
        database=None,
        deadline=None,
        derandomize=False,
        phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
        suppress_health_check=SILENT,
    )
    @given(cases)
    def test(case: T) -> None:
        if time.monotonic() > deadline[0]:
            raise _TimeOver
        told.cases += 1
        try:
            finding = run(case, known)
        except UnjudgedError:
            told.unjudged += 1
            return
        if finding is None or (best and finding.kind != best[0].kind):
            return
        if not best:
            deadline[0] = time.monotonic() + bounds.shrink_seconds
            best.append(finding)
        elif finding.size <= best[0].size:
            best[0] = finding
        raise _FoundError

    test()
