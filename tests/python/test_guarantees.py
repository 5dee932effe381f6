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

import pytest
from mcp_session.testing import events
from mcp_session.testing.events import Answered, Began, Event, EventSeen, Kind, Sent, Settled
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


@pytest.mark.parametrize(
    ("deleted", "used", "broken"),
    [("A", "A", None), ("B", "B", None), ("A", "B", 7), ("B", "A", 7)],
)
def test_a_session_whose_handshake_a_delete_overtakes_is_the_deleted_one_or_is_none(
    deleted: str, used: str, broken: int | None
) -> None:
    lost_while_another_is_made: list[Event] = [
        *(Began(0, Kind.INITIALIZE), Sent(0, 0, Kind.INITIALIZE), Answered(0, 200, "A")),
        *(Began(1, Kind.CALL), Sent(1, 1, Kind.CALL, "A"), Answered(1, 404)),
        *(Sent(2, None, Kind.INITIALIZE, cause=1), Answered(2, 200, "B")),
        Sent(3, None, Kind.INITIALIZED, "B", cause=1),
    ]
    ended: list[Event] = [Began(2, Kind.DELETE), Sent(4, 2, Kind.DELETE, deleted), Answered(3, 202)]
    goes_on: list[Event] = [Began(3, Kind.CALL), Sent(5, 3, Kind.CALL, used)]
    judge = Guarantees()

    for event in (*lost_while_another_is_made, *ended, goes_on[0]):
        judge.note(event)

    if broken is None:
        judge.note(goes_on[1])
    else:
        with pytest.raises(GuaranteeBrokenError) as raised:
            judge.note(goes_on[1])
        assert raised.value.guarantee == broken


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
