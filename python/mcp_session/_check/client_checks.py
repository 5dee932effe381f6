"""What a client is judged by: the turns that a stage wrote down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_session import Action, Rule
from mcp_session._check.messages import as_object
from mcp_session._check.results import Outcome, breach, skip
from mcp_session._check.stage import is_at_endpoint, ping_of

if TYPE_CHECKING:
    from mcp_session._check.stage import Stage, Turn

__all__ = [
    "adopts_nothing_from_errors",
    "answers_what_is_pushed",
    "bears_no_id",
    "bears_the_version",
    "begins_anew_once",
    "continues",
    "does_not_begin_anew",
    "does_not_loop",
    "ends_without_stream",
    "forgets_event_ids",
    "initializes_without_id",
    "keeps_the_fresh_session",
    "keeps_to_itself",
    "opens_the_stream_again",
    "recovers",
    "says_initialized_first",
    "sends_again_once",
    "settles_on_the_new_version",
    "stays_untouched",
    "terminates_what_lives",
    "uses_the_new_id",
]

# The header is of 2025-06-18: https://modelcontextprotocol.io/specification/2025-06-18/changelog
HEADLESS = ("2025-03-26",)

# New sessions that a client may begin for one call before it counts as endless.
MOST_FOR_A_CALL = 2


# ---- After a session was lost


def recovers(stage: Stage) -> None:
    """See that a new session was begun, without an ID, because of the 404."""
    lost, later = _lost(stage), _begun(stage)
    if not later:
        sent = len([it for it in stage.turns if it.number > lost.number])
        breach(f"no `initialize` came after the 404, but {_plural(sent, 'other request')}")
    if all(it.session for it in later):
        breach("the new `initialize` bore the ID of the session that is gone")


def begins_anew_once(stage: Stage) -> None:
    """See that one loss made one session."""
    recovers(stage)
    begun, lost = len(_begun(stage)), len(_told_dead(stage))
    if begun > lost:
        those = "one that was" if lost == 1 else f"{lost} that were"
        breach(f"{begun} sessions were begun for {those} lost")


def initializes_without_id(stage: Stage) -> None:
    """See that no `initialize` bears an ID."""
    _lost(stage)
    for turn in _begun(stage) or skip("no new `initialize` came"):
        if turn.session or turn.request.header("last-event-id"):
            breach("it bore an ID, of the session or of an event")


def says_initialized_first(stage: Stage) -> None:
    """See that the handshake is whole before anything else is sent in the new session."""
    second = _second(stage)
    inside = [it for it in _came(stage) if it.session == second.given]
    if not inside:
        breach("nothing was sent in the new session")
    if inside[0].kind != "notifications/initialized":
        breach(f"{inside[0].kind} came first in the new session")


def uses_the_new_id(stage: Stage) -> None:
    """See that the dead ID is never sent again once the new one is in use."""
    second = _second(stage)
    begun = [it for it in _came(stage) if it.session == second.given]
    if not begun:
        breach("the new ID was never attached")
    dead = _told_dead(stage)
    for turn in _came(stage):
        if turn.number > begun[0].number and turn.kind != "initialize":
            if turn.session is None:
                breach(f"a {turn.kind} bore no ID")
            # Of another session of its own it may not have been told yet that it is gone.
            if dead.get(turn.session, turn.number) < turn.number:
                breach(f"a {turn.kind} bore the ID of the session that is gone")


def bears_the_version(stage: Stage) -> None:
    """See that every request after the handshake names the version."""
    later = [it for it in _came(stage) if it.kind != "initialize" and it.session]
    if not later:
        skip("nothing came after `initialize`")
    named = [it for it in later if stage.settled.get(it.session or "") not in HEADLESS]
    for turn in named or skip("the client speaks a version that has no header for it"):
        if not turn.request.header("mcp-protocol-version"):
            breach(f"a {turn.kind} names no version")


def sends_again_once(stage: Stage) -> None:
    """See that a call comes a second time at most."""
    _lost(stage)
    counts = _counts(stage)
    if counts and max(counts.values()) > 2:  # noqa: PLR2004 - once, and once again
        breach(f"one call came {max(counts.values())} times")


def continues(stage: Stage) -> None:
    """See that calls are answered in the new session."""
    second = _second(stage)
    served = [it for it in stage.turns if it.session == second.given and it.tool]
    if not any(it.status == 200 for it in served):  # noqa: PLR2004 - HTTP's
        breach("no call was made in the new session")


def opens_the_stream_again(stage: Stage) -> None:
    """See that the server can reach the client in the new session."""
    lost = _lost(stage)
    streams = [it for it in _came(stage) if it.kind == "GET"]
    if not [it for it in streams if it.number < lost.number]:
        skip("the client opens no stream")
    second = _second(stage)
    if not any(it.session == second.given for it in streams):
        breach("no GET came in the new session", Outcome.WARNING)


def answers_what_is_pushed(stage: Stage) -> None:
    """See that what the server asks in the new session reaches the client, and its answer back."""
    second = _second(stage)
    streams = [it for it in _came(stage) if it.kind == "GET" and it.session == second.given]
    if not streams:
        skip("the client opens no stream in the new session")
    asked = ping_of(second.given or "")
    replies = [it for it in _came(stage) if it.kind == "reply"]
    answers = [it for it in replies if as_object(it.request.message).get("id") == asked]
    if not answers:
        breach("a ping on the stream of the new session was not answered")
    if "result" not in as_object(answers[0].request.message):
        breach("a ping on the stream of the new session was answered with an error")
    if any(it.session != second.given for it in answers):
        breach("a ping of the new session was answered in another")


def forgets_event_ids(stage: Stage) -> None:
    """See that an event ID stays with its session."""
    second = _second(stage)
    if not any(it.kind == "GET" for it in stage.turns):
        skip("the client opens no stream, so it got no event ID")
    for turn in _came(stage):
        event = turn.request.header("last-event-id")
        if turn.session == second.given and event and not event.endswith(second.given or ""):
            breach(f"a {turn.kind} in the new session resumes an event of the old one")


def terminates_what_lives(stage: Stage) -> None:
    """See that the end of the client ends the session that stands then."""
    _second(stage)
    deletes = [it for it in _came(stage) if it.kind == "DELETE"]
    if not deletes:
        breach("no DELETE came", Outcome.WARNING)
    last = stage.sessions[-1]
    if not any(it.session == last for it in deletes):
        breach("DELETE came for a session that is gone, and not for the one that stands")


def settles_on_the_new_version(stage: Stage) -> None:
    """See that the version of the new session is named, not that of the old one."""
    second = _second(stage)
    wanted = stage.then or ""
    if stage.settled.get(_lost(stage).session or "", "") <= wanted:
        skip(f"the client speaks nothing later than {wanted}, so that there is no change to see")
    inside = [it for it in _came(stage) if it.session == second.given]
    others = [it for it in inside if it.kind != "DELETE"]
    if not others:
        skip("the client did not take the older version: it sent nothing in the new session")
    for turn in inside:
        if turn.request.header("mcp-protocol-version") != wanted:
            breach(f"a {turn.kind} names another version than was settled on")


# ---- What is no loss


def does_not_begin_anew(stage: Stage) -> None:
    """See that an answer that the core lets pass begins no session."""
    refused = _refused(stage)
    if refused.verdict().action is not Action.PASS_THROUGH:
        breach("the scenario does not fit the core's verdict")
    if any(it.number > refused.number for it in _initializes(stage)):
        breach(f"a new `initialize` came after {refused.status}")


def adopts_nothing_from_errors(stage: Stage) -> None:
    """See that an ID on an answer that is no `initialize`'s success is not taken."""
    refused = _refused(stage)
    later = [it for it in _came(stage) if it.number > refused.answered]
    if any(it.session == refused.given for it in later):
        breach("the ID that came with the error was attached afterwards")
    if not later:
        skip("nothing came after the error")


def bears_no_id(stage: Stage) -> None:
    """See that no ID is attached where none was given out that is one."""
    if not _initializes(stage):
        breach("no `initialize` came")
    bearing = [it for it in stage.turns if it.session]
    if bearing:
        breach(f"a {bearing[0].kind} bore an ID")
    if len(stage.turns) < 2:  # noqa: PLR2004 - the first, and something to judge
        skip("nothing came after `initialize`")


# ---- Many at once


def keeps_the_fresh_session(stage: Stage) -> None:
    """See that a 404 of the old session that comes late ends no new one."""
    late = [it for it in stage.turns if _is_loss(it) and it.session == stage.old]
    second = _second(stage)
    if not [it for it in late if it.answered > second.answered]:
        skip("no 404 came late: the client waits for what is under way before it begins anew")
    begun = len(_begun(stage))
    if begun > 1:
        breach(f"{begun} sessions were begun: the late 404 ended a fresh one")
    if any(it.session is None and it.tool for it in stage.turns):
        breach("a call bore no ID after the late 404")


def keeps_to_itself(stage: Stage) -> None:
    """See that calls that fail together begin one session together."""
    lost = [it for it in stage.turns if _is_loss(it) and it.tool]
    if len(lost) < 2:  # noqa: PLR2004 - together
        _lost(stage)
        skip("no two calls were under way at once")
    begun = len(_begun(stage))
    if begun != 1:
        breach(f"{begun} sessions were begun for {len(lost)} calls that failed together")


# ---- Servers that do not get better


def does_not_loop(stage: Stage) -> None:
    """See that a client ends against a server that forgets all."""
    if not any(_is_loss(it) for it in stage.turns):
        breach("no request of the client met its 404")
    begun = len(_begun(stage))
    calls = max(1, len(_counts(stage)))
    if begun > MOST_FOR_A_CALL * calls:
        breach(f"{begun} sessions were begun for {_plural(calls, 'call')}")


def ends_without_stream(stage: Stage) -> None:
    """See that a GET that is answered 404 makes no endless number of sessions."""
    if not any(it.kind == "GET" for it in stage.turns):
        skip("the client opens no stream")
    does_not_loop(stage)


# ---- 2026-07-28


def stays_untouched(stage: Stage) -> None:
    """See that nothing of sessions comes near a modern peer."""
    modern = [it for it in stage.turns if it.verdict().rule is Rule.MODERN_EXCHANGE]
    if not modern:
        skip("the client does not speak 2026-07-28")
    refused = [it for it in modern if it.status == 404]  # noqa: PLR2004 - the scenario's
    if not refused:
        skip("the client called no tool by 2026-07-28")
    if any(it.session for it in modern):
        breach("a request bore the ID that came with an answer")
    if any(it.number > refused[0].number for it in _initializes(stage)):
        breach('an `initialize` came after "method not found"')


# ---- What several ask


def _came(stage: Stage) -> list[Turn]:
    return sorted(stage.turns, key=lambda it: it.number)


def _initializes(stage: Stage) -> list[Turn]:
    return [it for it in _came(stage) if it.kind == "initialize"]


def _is_loss(turn: Turn) -> bool:
    return is_at_endpoint(turn.request) and turn.verdict().action is Action.CLEAR_AND_REINIT


def _lost(stage: Stage) -> Turn:
    """Return the first answer that, as the core says, ended a session of the client's."""
    lost = [it for it in _came(stage) if _is_loss(it)]
    return lost[0] if lost else breach("no request of the client met the 404")


def _told_dead(stage: Stage) -> dict[str | None, int]:
    """Return when the client was first told of the end of each session that ended."""
    ended = (it for it in stage.turns if it.session in stage.sessions and _is_loss(it))
    losses = sorted(ended, key=lambda it: it.answered)
    return {it.session: it.answered for it in reversed(losses)}


def _begun(stage: Stage) -> list[Turn]:
    """Return each `initialize` that came after the session was lost."""
    lost = _lost(stage)
    return [it for it in _initializes(stage) if it.number > lost.number]


def _second(stage: Stage) -> Turn:
    """Return the `initialize` that brought the new session."""
    later = [it for it in _begun(stage) if it.given]
    return later[0] if later else skip("no new session was begun")


def _refused(stage: Stage) -> Turn:
    """Return the call that was refused, and ended no session."""
    refused = [it for it in _came(stage) if it.tool and it.status >= 400]  # noqa: PLR2004 - HTTP's
    return refused[0] if refused else breach("no call of the client met the refusal")


def _counts(stage: Stage) -> dict[str, int]:
    called = [it.tool for it in stage.turns if it.tool]
    return {tool: called.count(tool) for tool in called}


def _plural(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
