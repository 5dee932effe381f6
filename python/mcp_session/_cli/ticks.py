"""Puts exchanges in order whose recorder had a clock that ticks too slowly for that."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["in_order"]

_SECOND, _MILLISECOND = 1_000_000, 1_000
_TWO = 2


def in_order(times: Sequence[tuple[int, int] | None]) -> list[tuple[int, int] | None]:
    """Return when each was sent and answered, in microseconds, as far as their order says.

    What was sent in one tick was sent in the order in which it stands, and what stands behind
    another, and overlaps it by less than a tick, was sent when that was answered. Where all are the
    same second, nothing is known.

    > Sorting entries by startedDateTime (starting from the oldest) is preferred way how to export
    > data since it can make importing faster.

    http://www.softwareishard.com/blog/har-12-spec/#log
    """
    ordered = list(times)
    known = [it for it in times if it is not None]
    if len(known) < len(times) or len(known) < _TWO:
        return ordered
    tick = _tick([sent for sent, _ in known])
    if tick == _SECOND and len({sent for sent, _ in known}) == 1:
        return [None] * len(times)
    # When those before were answered: the latest that counts, and those that last too long yet.
    latest, lasting = 0, list[int]()
    for number in sorted(range(len(known)), key=lambda number: known[number][0]):
        sent, answered = known[number]
        while lasting and lasting[0] < sent + tick:
            latest = heapq.heappop(lasting)
        later = max(sent, latest + 1) if latest >= sent else sent
        ordered[number] = later, answered + later - sent
        heapq.heappush(lasting, answered + later - sent)
    return ordered


def _tick(moments: Sequence[int]) -> int:
    """Return the longest tick of a clock that shows all of these."""
    for tick in (_SECOND, _MILLISECOND):
        if all(moment % tick == 0 for moment in moments):
            return tick
    return 1
