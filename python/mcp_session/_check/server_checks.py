"""What the checks of a server do: each returns if it passes, and raises otherwise."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import anyio

from mcp_session import Action, Rule, Side
from mcp_session._check.results import Breach, Outcome, Skip
from mcp_session._check.subject import (
    INITIALIZED,
    MODERN,
    NOT_OFFERED,
    PING,
    Who,
    encoded,
    request,
)

if TYPE_CHECKING:
    from mcp_session._check.subject import Session, Subject
    from mcp_session._check.wire import Seen

ORIGIN = ("origin", b"http://localhost:6274")

UNSUPPORTED = 400
ACCEPTED = 202
SERVER_ERRORS = 500

# How long a call may need until it is under way.
UNDER_WAY_SECONDS = 0.2

KEEPING_REDIRECTS, OTHER_REDIRECTS = {307, 308}, {301, 302, 303}


# ---- A session begins


async def initialize(subject: Subject) -> None:
    """A session, or at least a server, is there."""
    seen = await subject.initialize()
    if seen.is_success and "result" in (seen.answer_to(1) or {}):
        return
    if not seen.is_success and await subject.serves_modern():
        reason = f"it speaks 2026-07-28 alone: answered {subject.shown(seen)}"
        raise Skip(reason)
    verdict = seen.verdict(Side.CLIENT)
    why = f": {verdict.rule.summary}" if verdict.rule is Rule.OPENING_NOT_FOUND else ""
    reason = f"answered {subject.shown(seen)}{why}"
    raise Breach(reason)


async def session_id_assigned(subject: Subject) -> None:
    """An ID came."""
    seen = await subject.initialize()
    if seen.verdict(Side.CLIENT).rule is not Rule.ILL_FORMED_SESSION_ID:
        subject.session_of(seen)


async def session_id_well_formed(subject: Subject) -> None:
    """An ID that came is one."""
    seen = await subject.initialize()
    if seen.verdict(Side.CLIENT).rule is Rule.ILL_FORMED_SESSION_ID:
        reason = "it has characters that are no visible ASCII, or came in two headers"
        raise Breach(reason)
    subject.session_of(seen)


async def session_ids_differ(subject: Subject) -> None:
    """Three clients get three IDs."""
    ids = [(await subject.open()).id for _ in range(3)]
    if len(set(ids)) < len(ids):
        reason = "the same ID was given out twice"
        raise Breach(reason)


async def initialized(subject: Subject) -> None:
    """The handshake is accepted in the session it began."""
    session = subject.session_of(await subject.initialize())
    seen = await subject.send(
        "POST", session=session.id, message=INITIALIZED, version=session.version
    )
    _not_dead(subject, seen)
    if seen.status != ACCEPTED:
        outcome = Outcome.WARNING if seen.is_success else None
        raise Breach(f"answered {subject.shown(seen)}", outcome)


async def session_serves(subject: Subject) -> None:
    """A request is answered in the session."""
    await _must_be_served(subject, await subject.session(), "answered")


async def get_stream(subject: Subject) -> None:
    """GET is what it must be in a live session."""
    session = await subject.open()
    async with subject.opened("GET", session=session.id, version=session.version) as opened:
        seen = opened.seen
    _not_dead(subject, seen)
    if not (seen.is_success and seen.is_stream) and seen.status != NOT_OFFERED:
        reason = f"answered {subject.shown(seen)}"
        raise Breach(reason)


# ---- The form of a 404


async def not_found_form(subject: Subject) -> None:
    """The form that every client in the field understands."""
    seen = await _not_found(subject, 7)
    if not _is_canonical(_without_id(seen)):
        canonical = seen.verdict(Side.SERVER).response
        form = canonical.body.decode() if canonical else ""
        reason = f"answered {subject.shown(seen)}; {form} is understood by all"
        raise Breach(reason)


async def not_found_id(subject: Subject) -> None:
    """The id lets a client say which of its calls failed."""
    for request_id in (7, "seven"):
        seen = await _not_found(subject, request_id)
        if _object(seen.body) is None:
            reason = "its 404 is no JSON-RPC error, so it has no id"
            raise Skip(reason)
        if not _is_canonical(_with_canonical_error(seen)):
            said = json.dumps((_object(seen.body) or {}).get("id"))[:80]
            reason = f"the id of the error is {said}, that of the request {json.dumps(request_id)}"
            raise Breach(reason)


async def _not_found(subject: Subject, request_id: object) -> Seen:
    stranger = await subject.attached(Who.UNKNOWN)
    seen = await subject.send("POST", session=stranger, message=request("ping", request_id))
    if seen.verdict(Side.CLIENT).action is not Action.CLEAR_AND_REINIT:
        reason = f"it answers no 404, but {subject.shown(seen)}"
        raise Skip(reason)
    return seen


def _is_canonical(seen: Seen) -> bool:
    return seen.verdict(Side.SERVER).rule is Rule.CANONICAL_NOT_FOUND


def _without_id(seen: Seen) -> Seen:
    """Return the exchange with no id in the answer: the form alone is asked about."""
    parsed = _object(seen.body)
    if parsed is None:
        return seen
    return seen.with_body(encoded({key: it for key, it in parsed.items() if key != "id"}))


def _with_canonical_error(seen: Seen) -> Seen:
    """Return the exchange with the error as it should be: the id alone is asked about."""
    parsed = _object(seen.body) or {}
    error = {"code": -32001, "message": "Session not found"}
    body = {"jsonrpc": "2.0", "error": error} | ({"id": parsed["id"]} if "id" in parsed else {})
    headers = tuple(it for it in seen.headers if it[0] not in {"content-type", "mcp-session-id"})
    return replace(
        seen, headers=(*headers, ("content-type", "application/json")), body=encoded(body)
    )


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


# ---- A session ends


async def delete(subject: Subject) -> None:
    """A client may end its session, or is told that it may not."""
    session = await subject.open()
    seen = await subject.send("DELETE", session=session.id, version=session.version)
    if seen.verdict(Side.CLIENT).action is not Action.CLEAR:
        reason = f"answered {subject.shown(seen)}"
        raise Breach(reason)
    if not seen.is_success and seen.status != NOT_OFFERED:
        reason = f"a live session was answered {subject.shown(seen)}"
        raise Breach(reason)


async def delete_ends_its_own(subject: Subject) -> None:
    """One client's leaving is no other's end."""
    mine, other = await subject.open(), await subject.open()
    await subject.terminate(mine)
    await _must_be_served(subject, other, "after the other's DELETE it was answered")


async def delete_ends_streams(subject: Subject) -> None:
    """Nobody waits at a stream that nothing can come on."""
    session = await subject.open()
    async with subject.opened("GET", session=session.id, version=session.version) as opened:
        if not opened.seen.is_success:
            reason = f"there is no stream: answered {subject.shown(opened.seen)}"
            raise Skip(reason)
        await subject.terminate(session)
        if not await opened.has_ended():
            reason = f"it is still open {opened.seconds:g} s later"
            raise Breach(reason)


# ---- `initialize` with an ID


async def initialize_with_stale_id(subject: Subject) -> None:
    """A new session begins whatever ID the client has left."""
    seen = await _with_stranger(subject)
    if not seen.is_success:
        reason = f"answered {subject.shown(seen)}{subject.misreport(seen)}"
        raise Breach(reason)


async def stale_id_not_adopted(subject: Subject) -> None:
    """Nobody chooses the ID of a session but the server."""
    seen = await _with_stranger(subject)
    if not seen.is_success:
        reason = f"no session began: answered {subject.shown(seen)}"
        raise Skip(reason)
    if seen.session_id and seen.session_id == _sent_id(seen):
        reason = "the new session has the ID that the client sent"
        raise Breach(reason)


async def _with_stranger(subject: Subject) -> Seen:
    stranger = await subject.attached(Who.UNKNOWN)
    return await subject.initialize(stranger if isinstance(stranger, str) else None)


def _sent_id(seen: Seen) -> str:
    return next(it.decode("latin-1") for name, it in seen.ask.headers if name == "mcp-session-id")


# ---- Versions


async def version_unknown(subject: Subject) -> None:
    """A version that nobody speaks is refused."""
    session = await subject.session()
    seen = await subject.send("POST", session=session.id, message=PING, version="1999-01-01")
    _is_unsupported(subject, seen)


async def version_missing(subject: Subject) -> None:
    """Clients of 2025-03-26 send no version."""
    session = await subject.session()
    seen = await subject.send("POST", session=session.id, message=PING, version=None)
    if not seen.is_success:
        reason = f"answered {subject.shown(seen)}"
        raise Breach(reason)


async def version_modern_refused(subject: Subject) -> None:
    """A server that does not speak 2026-07-28 says so, and ends no session over it."""
    session = await subject.session()
    if await subject.serves_modern():
        raise Skip("it speaks 2026-07-28")
    seen = await subject.send("POST", session=session.id, message=PING, version=MODERN)
    _is_unsupported(subject, seen)


def _is_unsupported(subject: Subject, seen: Seen) -> None:
    if seen.status != UNSUPPORTED:
        reason = f"answered {subject.shown(seen)}"
        raise Breach(reason)


async def version_legacy_refused(subject: Subject) -> None:
    """A server without sessions tells a client that begins one what it speaks."""
    seen = await subject.initialize()
    if seen.is_success:
        raise Skip("it speaks a revision that has `initialize`")
    if not await subject.serves_modern():
        raise Skip("it does not speak 2026-07-28")
    # The row is about a request with an ID: the answer, not the request, is asked about.
    attached = replace(
        seen.ask, headers=(*seen.ask.headers, ("mcp-session-id", b"1868a90c")), body=None
    )
    if replace(seen, ask=attached).verdict(Side.CLIENT).rule is not Rule.MODERN_ONLY_SERVER:
        reason = f"answered {subject.shown(seen)}"
        raise Breach(reason)


async def modern_ignores_session_id(subject: Subject) -> None:
    """An ID means nothing where there are no sessions."""
    without, attached = await _modern_pair(subject)
    if attached.status != without.status:
        reason = f"answered {subject.shown(attached)}, without the ID {subject.shown(without)}"
        raise Breach(reason)


async def modern_mints_no_session_id(subject: Subject) -> None:
    """No ID comes where there are no sessions."""
    for seen in await _modern_pair(subject):
        if seen.session_id:
            raise Breach("the answer bears a session ID")


async def _modern_pair(subject: Subject) -> tuple[Seen, Seen]:
    await _needs_modern(subject)
    without = await subject.modern("server/discover")
    return without, await subject.modern("server/discover", session="1868a90c-5f2e-4c0d")


async def modern_unknown_method(subject: Subject) -> None:
    """The one 404 that is about no session."""
    await _needs_modern(subject)
    seen = await subject.modern("mcp-session/no-such-method")
    error = (_object(seen.body) or {}).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    if (seen.status, code) != (404, -32601):
        reason = f"answered {subject.shown(seen)}, code {code}"
        raise Breach(reason)
    if seen.verdict(Side.CLIENT).rule is not Rule.MODERN_EXCHANGE:
        raise Breach("a client takes it for the end of its session")


async def modern_get_delete(subject: Subject) -> None:
    """There is no stream to open, and no session to end."""
    await _needs_modern(subject)
    for method in ("GET", "DELETE"):
        asked = {"session": "1868a90c-5f2e-4c0d", "version": MODERN}
        async with subject.opened(method, **asked) as opened:
            seen = opened.seen
        if seen.status != NOT_OFFERED:
            reason = f"{method} was answered {subject.shown(seen)}"
            raise Breach(reason)


async def _needs_modern(subject: Subject) -> None:
    if not await subject.serves_modern():
        raise Skip("it does not speak 2026-07-28")


# ---- Other methods, browsers, spellings


async def head_options(subject: Subject) -> None:
    """What is no matter of sessions touches none."""
    session = await subject.open()
    for method in ("HEAD", "OPTIONS"):
        seen = await subject.send(method, session=session.id, version=session.version)
        if seen.status >= SERVER_ERRORS:
            reason = f"{method} was answered {subject.shown(seen)}"
            raise Breach(reason)
    await _must_be_served(subject, session, "after HEAD and OPTIONS it was answered")


async def cors_allows_session_id(subject: Subject) -> None:
    """A browser may send the session header."""
    headers = (
        ORIGIN,
        ("access-control-request-method", b"POST"),
        ("access-control-request-headers", b"content-type,mcp-session-id,mcp-protocol-version"),
    )
    seen = await subject.send("OPTIONS", headers=headers, version=None)
    if seen.header("access-control-allow-origin") is None:
        reason = f"it lets no browser in: answered {subject.shown(seen)}"
        raise Skip(reason)
    _is_listed(seen, "access-control-allow-headers")


async def cors_exposes_session_id(subject: Subject) -> None:
    """A browser's client may read the session header."""
    message = request(
        "initialize",
        1,
        protocolVersion="2025-11-25",
        capabilities={},
        clientInfo={"name": "mcp-session-check", "version": "1"},
    )
    seen = await subject.send("POST", message=message, headers=(ORIGIN,), version=None)
    if seen.header("access-control-allow-origin") is None or not seen.is_success:
        reason = f"it lets no browser in: answered {subject.shown(seen)}"
        raise Skip(reason)
    subject.session_of(seen)
    _is_listed(seen, "access-control-expose-headers")


def _is_listed(seen: Seen, header: str) -> None:
    listed = [it.strip().lower() for it in (seen.header(header) or "").split(",")]
    if not {"mcp-session-id", "*"} & set(listed):
        reason = f"{header} is {seen.header(header) or 'not there'}"
        raise Breach(reason[:200])


async def slash(subject: Subject) -> None:
    """The other spelling leads to the endpoint, or to nothing."""
    url = urlsplit(subject.wire.url)
    path = url.path.removesuffix("/") if url.path.endswith("/") else f"{url.path}/"
    if path in {"", "/"}:
        raise Skip("the endpoint is the root")
    other = urlunsplit(url._replace(path=path))
    message = request(
        "initialize",
        1,
        protocolVersion="2025-11-25",
        capabilities={},
        clientInfo={"name": "mcp-session-check", "version": "1"},
    )
    seen = await subject.send("POST", message=message, url=other, version=None)
    if seen.status >= SERVER_ERRORS:
        reason = f"answered {subject.shown(seen)}"
        raise Breach(reason)
    if seen.status in OTHER_REDIRECTS:
        reason = f"{seen.status} makes many clients repeat the request as GET"
        raise Breach(reason)
    if seen.status in KEEPING_REDIRECTS:
        target = urlsplit(urljoin(other, seen.header("location") or ""))
        if (target.scheme, target.netloc) != (url.scheme, url.netloc):
            raise Breach("it redirects to another origin, where no client sends its credentials")


# ---- Several sessions


async def sessions_apart(subject: Subject) -> None:
    """Sessions do not mix, whatever their ids."""
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
        raise Breach(wrong[0])


# ---- What runs


def _call(subject: Subject, request_id: int) -> dict[str, Any]:
    allowed = subject.options.tool
    if allowed is None:
        raise Skip("no tool may be called: --tool names none")
    return request("tools/call", request_id, name=allowed.name, arguments=allowed.arguments)


async def tool(subject: Subject) -> None:
    """A call is answered in its session."""
    message = _call(subject, 21)
    session = await subject.session()
    seen = await subject.send(
        "POST", session=session.id, message=message, version=session.version
    )
    if not seen.is_success or seen.answer_to(21) is None:
        reason = f"answered {subject.shown(seen)}"
        raise Breach(reason)


async def in_flight(subject: Subject) -> None:
    """A call does not outlast its session in silence."""
    message = _call(subject, 22)
    session = await subject.open()
    ended: list[str] = []

    async def call() -> None:
        try:
            await subject.send(
                "POST", session=session.id, message=message, version=session.version
            )
        except Breach as error:
            ended.append(error.reason)
        else:
            ended.append("")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await anyio.sleep(UNDER_WAY_SECONDS)
        was_over = bool(ended)
        await subject.terminate(session)
    if was_over:
        raise Skip("the call was over before the session was: --tool should name a slow one")
    if ended[0].startswith("no answer within"):
        reason = "the call neither ended nor was it answered"
        raise Breach(reason)


# ---- All that came


async def no_session_id_on_errors(subject: Subject) -> None:
    """IDs come with successes alone."""
    errors = [seen for seen in subject.wire.seen if not seen.is_success]
    subject.looked_at += len(errors)
    if not errors:
        raise Skip("nothing was refused")
    bearing = [
        seen for seen in errors if seen.verdict(Side.SERVER).header_rule is Rule.SESSION_ID_ON_ERROR
    ]
    if bearing:
        first = bearing[0]
        reason = f"{len(bearing)} of {len(errors)} bear one, as {first.ask.method} {first.status}"
        raise Breach(reason)


async def session_survives(subject: Subject) -> None:
    """Nothing of all this ended the first session."""
    await _must_be_served(subject, await subject.session(), "answered")


# ---- Time, and a restart


async def idle_keeps_the_busy(subject: Subject) -> None:
    """A time-out ends a session that is idle, and no other."""
    seconds = _idle(subject)
    idle, busy = await subject.open(), await subject.open()
    for _ in range(3):
        await anyio.sleep(seconds / 2)
        await _must_be_served(subject, busy, "while it was used, it was answered")
    await anyio.sleep(seconds)
    subject.keep(Who.IDLE, idle)


def _idle(subject: Subject) -> float:
    if subject.options.idle is None:
        raise Skip("--idle does not say after how many seconds the server ends a session")
    return subject.options.idle


async def restart(subject: Subject) -> None:
    """A session that a restart ended is answered as one that ended."""
    session = await subject.open()
    await _restarted(subject)
    await _ended_or_kept(subject, session)


async def restart_initialize(subject: Subject) -> None:
    """After a restart a new session begins."""
    if subject.process is None:
        raise Skip("--command does not say how the server is started")
    session = await subject.open()
    await _must_be_served(subject, session, "the new session was answered")


async def restart_in_flight(subject: Subject) -> None:
    """A stream that a restart cut is over, and its session answered as one that ended."""
    if subject.process is None:
        raise Skip("--command does not say how the server is started")
    session = await subject.open()
    asked: dict[str, Any] = {"session": session.id, "version": session.version}
    if subject.options.tool is not None:
        opening = partial(subject.opened, "POST", message=_call(subject, 23), **asked)
    else:
        opening = partial(subject.opened, "GET", **asked)
    async with anyio.create_task_group() as tasks:
        cut: list[bool] = []

        async def follow() -> None:
            try:
                async with opening() as opened:
                    cut.append(await opened.has_ended())
            except Breach as error:
                cut.append(not error.reason.startswith("no answer within"))

        tasks.start_soon(follow)
        await anyio.sleep(UNDER_WAY_SECONDS)
        await _restarted(subject)
    if not all(cut):
        raise Breach("the stream outlasted the server")
    await _ended_or_kept(subject, session)


async def _restarted(subject: Subject) -> None:
    if subject.process is None:
        raise Skip("--command does not say how the server is started")
    await subject.process.restart()


async def _ended_or_kept(subject: Subject, session: Session) -> None:
    seen = await subject.send("POST", session=session.id, message=PING, version=session.version)
    if seen.is_success and seen.answer_to(PING["id"]) is not None:
        return
    if seen.verdict(Side.CLIENT).action is not Action.CLEAR_AND_REINIT:
        reason = f"answered {subject.shown(seen)}{subject.misreport(seen)}"
        raise Breach(reason)
    subject.keep(Who.RESTARTED, session)


# ---- What several ask


def _not_dead(subject: Subject, seen: Seen) -> None:
    if seen.verdict(Side.CLIENT).action is Action.CLEAR_AND_REINIT:
        reason = f"a live session was answered {subject.shown(seen)}: clients give it up"
        raise Breach(reason)


async def _must_be_served(subject: Subject, session: Session, what: str) -> None:
    message = request("ping", 71)
    seen = await subject.send(
        "POST", session=session.id, message=message, version=session.version
    )
    _not_dead(subject, seen)
    if not seen.is_success:
        reason = f"{what} {subject.shown(seen)}"
        raise Breach(reason)
    if seen.answer_to(71) is None:
        raise Breach("the answer is not for the request's id")
