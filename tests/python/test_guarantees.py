"""The guarantees as seen from outside say what the predicates of the session machine say.

`histories.jsonl` is what `cargo run -p mcp-session-testing --example histories -- 200 8` prints;
of a hundred thousand, `python tests/python/test_guarantees.py` reads as many from its input:
`cargo run --release -p mcp-session-testing --example histories -- 100000 2 | python ...`.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

from mcp_session.testing import events
from mcp_session.testing.events import EventSeen, Kind, Sent, Settled
from mcp_session.testing.guarantees import GuaranteeBrokenError, Guarantees

from golden import TESTS

HISTORIES = TESTS / "python" / "histories.jsonl"
EVENTS: dict[str, type[Any]] = {
    name: getattr(events, "".join(part.title() for part in name.split("_")))
    for name in (
        *("began", "sent", "answered", "lost", "event_seen", "ended", "cancelled"),
        *("passed", "rested"),
    )
}


def test_both_judges_say_the_same_of_every_generated_history() -> None:
    with HISTORIES.open(encoding="utf-8") as lines:
        told, differing = compared(lines)

    assert differing == []
    assert sum(told.values()) == 200
    assert {None, 1, 2, 3, 4, 5, 6, 7, 8, 9} == set(told)


def compared(lines: Iterable[str]) -> tuple[Counter[int | None], list[str]]:
    """Count the guarantees that were broken; return where the judges differ."""
    told: Counter[int | None] = Counter()
    differing: list[str] = []
    for number, line in enumerate(lines):
        history = json.loads(line)
        at, error = first_broken(history["events"], history["bound"])
        told[None if error is None else error.guarantee] += 1
        expected = history["broken"]
        agree = (
            at == expected[0] and error is not None and error.guarantee in expected[1]
            if expected
            else error is None
        )
        if not agree:
            differing.append(f"{number}: {expected}, not {at}: {error or history['events']}")
    return told, differing


def first_broken(
    history: list[list[dict[str, Any]]], bound: int
) -> tuple[int | None, GuaranteeBrokenError | None]:
    judge = Guarantees(bound=bound)
    for at, shown in enumerate(history):
        try:
            for facts in shown:
                judge.note(event_of(facts))
            judge.note(Settled())
        except GuaranteeBrokenError as error:
            return at, error
    return None, None


def event_of(facts: dict[str, Any]) -> Any:
    facts = dict(facts)
    kind = EVENTS[facts.pop("event")]
    if "kind" in facts:
        facts["kind"] = Kind(facts["kind"])
    if kind is Sent:
        facts.setdefault("request", None)
    if kind is EventSeen:
        facts.setdefault("session_id", None)
    return kind(**facts)


if __name__ == "__main__":
    counted, differences = compared(sys.stdin)
    print(*differences[:5], sep="\n\n")
    print(dict(sorted(counted.items(), key=str)), len(differences), "differ")
    sys.exit(bool(differences))
