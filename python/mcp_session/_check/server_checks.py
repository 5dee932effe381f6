"""What the checks of a server do: each returns if it passes, and raises otherwise."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from mcp_session import Action, Rule, Side
from mcp_session._check.messages import as_object, encoded, parsed, request
from mcp_session._check.results import Breach, NoAnswer, Outcome, Skip, breach, skip
from mcp_session._check.subject import (
    INITIALIZED,
    NOT_OFFERED,
    PING,
    Who,
)
from mcp_session._cli.files import reason
from mcp_session.testing.processes import PortTakenError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from mcp_session._check.subject import Session, Subject
    from mcp_session._check.wire import Seen

ORIGIN = ("origin", b"http://localhost:6274")

UNSUPPORTED = 400
ACCEPTED = 202
REFUSALS = range(400, 500)
SERVER_ERRORS = 500

# How long a call may need until it is under way.
UNDER_WAY_SECONDS = 0.2

KEEPING_REDIRECTS, OTHER_REDIRECTS = {307, 308}, {301, 302, 303}


# ---- A session begins


async def initialize(subject: Subject) -> None:
    """See that a session, or at least a server, is there."""
    seen = await subject.first()
    if seen.is_success and "result" in (seen.answer_to(1) or {}):
        return
    if seen.status in REFUSALS and await subject.serves_modern():
        skip(f"it speaks 2026-07-28 alone: answered {subject.shown(seen)}")
    verdict = seen.verdict(Side.CLIENT)
    why = f": {verdict.rule.summary}" if verdict.rule is Rule.OPENING_NOT_FOUND else ""
    breach(f"answered {subject.shown(seen)}{why}")


async def session_id_assigned(subject: Subject) -> None:
    """See that an ID came."""
    seen = await subject.first()
    if seen.verdict(Side.CLIENT).rule is not Rule.ILL_FORMED_SESSION_ID:
        subject.session_of(seen)


async def session_id_well_formed(subject: Subject) -> None:
    """See that an ID that came is one."""
    seen = await subject.first()
    if seen.verdict(Side.CLIENT).rule is Rule.ILL_FORMED_SESSION_ID:
        breach("it has characters that are no visible ASCII, or came in two headers")
    subject.session_of(seen)


async def session_ids_differ(subject: Subject) -> None:
    """See that three clients get three IDs."""
    ids = [(await subject.open()).id for _ in range(3)]
    if len(set(ids)) < len(ids):
        breach("the same ID was given out twice")


async def initialized(subject: Subject) -> None:
    """See that the handshake is accepted in the session it began."""
    session = subject.session_of(await subject.initialize())
    seen = await subject.send(
        "POST", session=session.id, message=INITIALIZED, version=session.version
    )
    _not_dead(subject, seen)
    if seen.status != ACCEPTED:
        outcome = Outcome.WARNING if seen.is_success else None
        breach(f"answered {subject.shown(seen)}", outcome)


async def session_serves(subject: Subject) -> None:
    """See that a request is answered in the session."""
    await must_be_served(subject, await subject.session(), "answered")


async def get_stream(subject: Subject) -> None:
    """See that GET is what it must be in a live session."""
    session = await subject.open()
    async with subject.opened("GET", session=session.id, version=session.version) as opened:
        seen = opened.seen
    _not_dead(subject, seen)
    if not (seen.is_success and seen.is_stream) and seen.status != NOT_OFFERED:
        breach(f"answered {subject.shown(seen)}")


# ---- The form of a 404


async def not_found_form(subject: Subject) -> None:
    """See that the form that every client in the field understands."""
    seen = await _not_found(subject, 7)
    if not _is_canonical(_without_id(seen)):
        canonical = seen.verdict(Side.SERVER).response
        form = canonical.body.decode() if canonical else ""
        breach(f"answered {subject.shown(seen)}; {form} is understood by all")


async def not_found_id(subject: Subject) -> None:
    """See that the id lets a client say which of its calls failed."""
    for request_id in (7, "seven"):
        seen = await _not_found(subject, request_id)
        if not as_object(parsed(seen.body)):
            skip("its 404 is no JSON-RPC error, so it has no id")
        if not _is_canonical(_with_canonical_error(seen)):
            said = json.dumps(as_object(parsed(seen.body)).get("id"))
            said = subject.without_secrets(said)[:80]
            breach(f"the id of the error is {said}, that of the request {json.dumps(request_id)}")


async def _not_found(subject: Subject, request_id: object) -> Seen:
    stranger = await subject.attached(Who.UNKNOWN)
    seen = await subject.send("POST", session=stranger, message=request("ping", request_id))
    if seen.verdict(Side.CLIENT).action is not Action.CLEAR_AND_REINIT:
        skip(f"it answers no 404, but {subject.shown(seen)}")
    return seen


def _is_canonical(seen: Seen) -> bool:
    return seen.verdict(Side.SERVER).rule is Rule.CANONICAL_NOT_FOUND


def _without_id(seen: Seen) -> Seen:
    """Return the exchange with no id in the answer: the form alone is asked about."""
    answer = as_object(parsed(seen.body))
    if not answer:
        return seen
    return seen.with_body(encoded({key: it for key, it in answer.items() if key != "id"}))


def _with_canonical_error(seen: Seen) -> Seen:
    """Return the exchange with the error as it should be: the id alone is asked about."""
    answer = as_object(parsed(seen.body))
    error = {"code": -32001, "message": "Session not found"}
    body = {"jsonrpc": "2.0", "error": error} | ({"id": answer["id"]} if "id" in answer else {})
    headers = tuple(it for it in seen.headers if it[0] not in {"content-type", "mcp-session-id"})
    return replace(
        seen, headers=(*headers, ("content-type", "application/json")), body=encoded(body)
    )


# ---- A session ends


async def delete(subject: Subject) -> None:
    """See that a client may end its session, or is told that it may not."""
    session = await subject.open()
    seen = await subject.send("DELETE", session=session.id, version=session.version)
    if seen.verdict(Side.CLIENT).action is not Action.CLEAR:
        breach(f"answered {subject.shown(seen)}")
    if not seen.is_success and seen.status != NOT_OFFERED:
        breach(f"a live session was answered {subject.shown(seen)}")


async def delete_ends_its_own(subject: Subject) -> None:
    """See that one client's leaving is no other's end."""
    mine, other = await subject.open(), await subject.open()
    await subject.terminate(mine)
    await must_be_served(subject, other, "after the other's DELETE it was answered")


async def delete_ends_streams(subject: Subject) -> None:
    """See that nobody waits at a stream that nothing can come on."""
    session = await subject.open()
    async with subject.opened("GET", session=session.id, version=session.version) as opened:
        if not opened.seen.is_success:
            skip(f"there is no stream: answered {subject.shown(opened.seen)}")
        await subject.terminate(session)
        if not await opened.has_ended():
            breach(f"it is still open {opened.seconds:g} s later")


# ---- `initialize` with an ID


async def initialize_with_stale_id(subject: Subject) -> None:
    """See that a new session begins whatever ID the client has left."""
    seen = await _with_stranger(subject)
    if not seen.is_success:
        breach(f"answered {subject.shown(seen)}{subject.misreport(seen)}")


async def stale_id_not_adopted(subject: Subject) -> None:
    """See that nobody chooses the ID of a session but the server."""
    seen = await _with_stranger(subject)
    if not seen.is_success:
        skip(f"no session began: answered {subject.shown(seen)}")
    if seen.session_id and seen.session_id == _sent_id(seen):
        breach("the new session has the ID that the client sent")


async def _with_stranger(subject: Subject) -> Seen:
    stranger = await subject.attached(Who.UNKNOWN)
    return await subject.initialize(stranger if isinstance(stranger, str) else None)


def _sent_id(seen: Seen) -> str:
    return next(it.decode("latin-1") for name, it in seen.ask.headers if name == "mcp-session-id")


# ---- Several sessions


async def sessions_apart(subject: Subject) -> None:
    """See that sessions do not mix, whatever their ids."""
    sessions = [await subject.open(), await subject.open()]
    wrong: list[str] = []

    async def ask(session: Session, request_id: int) -> None:
        message = request("ping", request_id)
        try:
            seen = await subject.send(
                "POST", session=session.id, message=message, version=session.version
            )
        except Breach as error:
            wrong.append(error.reason)
            return
        if not seen.is_success or seen.answer_to(request_id) is None:
            wrong.append(f"a ping was answered {subject.shown(seen)}")

    async with anyio.create_task_group() as tasks:
        for request_id in (1, 2, 3):
            for session in sessions:
                tasks.start_soon(ask, session, request_id)
    for session in (*sessions, *sessions):
        await ask(session, 9)
    if wrong:
        breach(wrong[0])


# ---- What runs


def _call(subject: Subject, request_id: int) -> dict[str, Any]:
    allowed = subject.options.tool
    if allowed is None:
        skip("no tool may be called: --tool names none")
    return request("tools/call", request_id, name=allowed.name, arguments=allowed.arguments)


async def tool(subject: Subject) -> None:
    """See that a call is answered in its session."""
    message = _call(subject, 21)
    session = await subject.session()
    seen = await subject.send("POST", session=session.id, message=message, version=session.version)
    if not seen.is_success or seen.answer_to(21) is None:
        breach(f"answered {subject.shown(seen)}")


async def in_flight(subject: Subject) -> None:
    """See that a call does not outlast its session in silence."""
    message = _call(subject, 22)
    session = await subject.open()
    ended: list[NoAnswer | None] = []
    was_over: list[NoAnswer | None] = []
    why: Breach | Skip | None = None

    async def call() -> None:
        try:
            await subject.send("POST", session=session.id, message=message, version=session.version)
        except NoAnswer as error:
            ended.append(error)
        else:
            ended.append(None)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await anyio.sleep(UNDER_WAY_SECONDS)
        was_over += ended
        # A task group would wrap what is raised in it.
        why = await _caught(subject.terminate(session))
        if why is not None:
            tasks.cancel_scope.cancel()
    if why is not None:
        raise why
    if was_over:
        skip("the call was over before the session was: --tool should name a slow one")
    if ended[0] is not None and ended[0].timed_out:
        breach("the call neither ended nor was it answered")


# ---- All that came


async def no_session_id_on_errors(subject: Subject) -> None:
    """See that IDs come with successes alone."""
    errors = [seen for seen in subject.wire.seen if not seen.is_success]
    subject.looked_at += len(errors)
    if not errors:
        skip("nothing was refused")
    bearing = [
        seen for seen in errors if seen.verdict(Side.SERVER).header_rule is Rule.SESSION_ID_ON_ERROR
    ]
    if bearing:
        first = bearing[0]
        breach(f"{len(bearing)} of {len(errors)} bear one, as {first.ask.method} {first.status}")


async def session_survives(subject: Subject) -> None:
    """See that nothing of all this ended the first session."""
    await must_be_served(subject, await subject.session(), "answered")


# ---- Time, and a restart


async def idle_keeps_the_busy(subject: Subject) -> None:
    """See that a time-out ends a session that is idle, and no other."""
    seconds = _idle(subject)
    idle, busy = await subject.open(), await subject.open()
    for _ in range(3):
        await anyio.sleep(seconds / 2)
        await must_be_served(subject, busy, "while it was used, it was answered")
    await anyio.sleep(seconds)
    subject.keep(Who.IDLE, idle)


def _idle(subject: Subject) -> float:
    if subject.options.idle is None:
        skip("--idle does not say after how many seconds the server ends a session")
    return subject.options.idle


async def restart(subject: Subject) -> None:
    """See that a session that a restart ended is answered as one that ended."""
    try:
        session = await subject.open()
    except Skip:
        # Some have room for one.
        session = await subject.session()
    await _restarted(subject)
    await _ended_or_kept(subject, session)


async def restart_initialize(subject: Subject) -> None:
    """See that after a restart a new session begins."""
    if not subject.was_restarted:
        await _restarted(subject)
    seen = await subject.initialize()
    if not seen.is_success and (await subject.first()).is_success:
        breach(f"answered {subject.shown(seen)}, and before the restart a session began")
    session = await subject.begun(subject.session_of(seen))
    await must_be_served(subject, session, "the new session was answered")


async def restart_in_flight(subject: Subject) -> None:
    """See that a stream that a restart cut is over, and its session answered as one that ended."""
    if subject.process is None:
        skip("--command does not say how the server is started")
    session = await subject.open()
    asked: dict[str, Any] = {"session": session.id, "version": session.version}
    if subject.options.tool is not None:
        opening = partial(subject.opened, "POST", message=_call(subject, 23), **asked)
    else:
        opening = partial(subject.opened, "GET", **asked)
    cut: list[bool] = []
    why: Breach | Skip | None = None

    async def follow() -> None:
        try:
            async with opening() as opened:
                cut.append(await opened.has_ended())
        except NoAnswer as error:
            cut.append(not error.timed_out)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        await anyio.sleep(UNDER_WAY_SECONDS)
        why = await _caught(_restarted(subject))
    if why is not None:
        raise why
    if not all(cut):
        breach("the stream outlasted the server")
    await _ended_or_kept(subject, session)


async def _caught(step: Awaitable[object]) -> Breach | Skip | None:
    """Return what a step raises."""
    try:
        await step
    except (Breach, Skip) as why:
        return why
    return None


async def _restarted(subject: Subject) -> None:
    if subject.process is None:
        skip("--command does not say how the server is started")
    try:
        await anyio.to_thread.run_sync(subject.process.restart)
    except PortTakenError:
        skip("it could not be killed: what --command starts ends, and the server does not")
    except (OSError, RuntimeError) as error:
        breach(f"it could not be restarted: {reason(error)}")
    await subject.restarted()


async def _ended_or_kept(subject: Subject, session: Session) -> None:
    seen = await subject.send("POST", session=session.id, message=PING, version=session.version)
    if seen.is_success and seen.answer_to(PING["id"]) is not None:
        return
    subject.keep(Who.RESTARTED, session)
    if seen.verdict(Side.CLIENT).action is not Action.CLEAR_AND_REINIT:
        breach(f"answered {subject.shown(seen)}{subject.misreport(seen)}")


# ---- What several ask


def _not_dead(subject: Subject, seen: Seen) -> None:
    if seen.verdict(Side.CLIENT).action is Action.CLEAR_AND_REINIT:
        breach(f"a live session was answered {subject.shown(seen)}: clients give it up")


async def must_be_served(subject: Subject, session: Session, what: str) -> None:
    message = request("ping", 71)
    seen = await subject.send("POST", session=session.id, message=message, version=session.version)
    _not_dead(subject, seen)
    if not seen.is_success:
        breach(f"{what} {subject.shown(seen)}")
    if seen.answer_to(71) is None:
        breach("the answer is not for the request's id")
