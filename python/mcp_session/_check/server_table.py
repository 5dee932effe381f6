"""The checks of a server, one entry each.

An entry says what is sent, what is wanted, and the sentence that wants it. Where the core has a
row for it, sentence and wanted answer are that row's: `admitted` asks `admit` what a server that
knows its sessions would answer, and the answer that came is judged by `classify`.

A MUST that is broken fails. A SHOULD, and a MUST whose breach leaves a client where the right
answer would have left it, is a warning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from mcp_session import Lookup, Rule, Side, admit
from mcp_session._check import server_checks as checks
from mcp_session._check import server_http_checks as http
from mcp_session._check.messages import encoded, request
from mcp_session._check.results import Entry, Outcome, Sentence, breach, skip
from mcp_session._check.sentences import (
    ACCEPTED,
    ANSWER_ID,
    ASSUMED_VERSION,
    MODERN_GET,
    STREAM_ENDS,
    STREAM_OR_405,
    UNIQUE_ID,
    UNKNOWN_METHOD,
    UNSUPPORTED_VERSION,
)
from mcp_session._check.subject import PING, Who

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp_session._check.subject import Subject
    from mcp_session._check.wire import Seen

__all__ = ["TABLE", "ServerCheck"]

Judge: TypeAlias = "Callable[[Subject], Awaitable[None]]"
"""Runs a check: returns if it passes, raises `Breach` or `Skip` otherwise."""

# Stands for an ID where the core is asked what is right: which ID it is does not matter to it.
ANY_ID = "00000000-0000-4000-8000-000000000000"

NOTIFICATION = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}
REPLY: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "result": {}}


@dataclass(frozen=True)
class ServerCheck:
    """An entry, the outcome of a breach, and what runs it."""

    entry: Entry
    level: Outcome
    judge: Judge


def check(  # noqa: PLR0913, PLR0917 - the columns of the table
    name: str,
    basis: Rule | Sentence,
    sends: str,
    wants: str,
    judge: Judge,
    level: Outcome = Outcome.FAIL,
) -> ServerCheck:
    """Return a check with what is wanted written out."""
    rule = basis if isinstance(basis, Rule) else None
    sentence = Sentence.of(basis) if isinstance(basis, Rule) else basis
    return ServerCheck(Entry(name, sentence, rule, sends, wants), level, judge)


def admitted(  # noqa: PLR0913 - as above
    name: str,
    method: str,
    who: Who,
    message: dict[str, Any] | None = None,
    *,
    headers: tuple[tuple[str, bytes], ...] = (),
    level: Outcome = Outcome.FAIL,
) -> ServerCheck:
    """Return a check of an answer that the core's `admit` gives."""
    verdict = admit(
        method,
        session_id=None if who is Who.NOBODY else ANY_ID,
        body=b"" if message is None else encoded(message),
        known=Lookup.UNKNOWN,
    )
    wanted = verdict.response
    assert wanted is not None, "only what is refused is asked here"  # noqa: S101 - see text
    what = (message or {}).get("method", "a response") if message else ""
    sends = " ".join(filter(None, [method, what, "with", who.value]))

    async def judge(subject: Subject) -> None:
        attached = await subject.attached(who)
        if not await subject.is_offered(method):
            skip(f"the server offers no {method} (405)")
        seen = await subject.send(method, session=attached, message=message, headers=headers)
        if seen.status == wanted.status:
            return
        if who is Who.NOBODY and seen.is_success:
            skip(f"it serves a {method} without an ID: it requires none")
        breach(
            f"answered {subject.shown(seen)}{subject.misreport(seen)}",
            _mildest(level, seen, wanted.status),
        )

    entry = Entry(name, Sentence.of(verdict.rule), verdict.rule, sends, str(wanted.status))
    return ServerCheck(entry, level, judge)


def _mildest(level: Outcome, seen: Seen, wanted: int) -> Outcome:
    """Return a warning where a client does the same as if the right answer had come."""
    right = seen.with_status(wanted).verdict(Side.CLIENT).action
    return Outcome.WARNING if seen.verdict(Side.CLIENT).action is right else level


TABLE: tuple[ServerCheck, ...] = (
    # ---- A session begins
    check(
        "initialize",
        Rule.SESSION_ASSIGNED,
        "POST initialize",
        "2xx with an InitializeResult",
        checks.initialize,
    ),
    check(
        "session-id-assigned",
        Rule.SESSION_ASSIGNED,
        "POST initialize",
        "a session header; none means a server without sessions",
        checks.session_id_assigned,
    ),
    check(
        "session-id-well-formed",
        Rule.ILL_FORMED_SESSION_ID,
        "POST initialize",
        "a session header of visible ASCII",
        checks.session_id_well_formed,
    ),
    check(
        "session-ids-differ",
        UNIQUE_ID,
        "POST initialize, three times",
        "three IDs",
        checks.session_ids_differ,
        Outcome.WARNING,
    ),
    check(
        "initialized",
        ACCEPTED,
        "POST notifications/initialized with the new ID",
        "202",
        checks.initialized,
    ),
    check(
        "session-serves",
        Rule.SESSION_KNOWN,
        "POST ping with the new ID",
        "2xx with the answer for its id",
        checks.session_serves,
    ),
    check(
        "get-stream",
        STREAM_OR_405,
        "GET with the ID of a live session",
        "an event stream, or 405",
        checks.get_stream,
    ),
    # ---- IDs that the server does not know
    admitted("unknown-post", "POST", Who.UNKNOWN, PING),
    admitted("unknown-post-string-id", "POST", Who.UNKNOWN, request("ping", "seven")),
    admitted("unknown-notification", "POST", Who.UNKNOWN, NOTIFICATION),
    admitted("unknown-reply", "POST", Who.UNKNOWN, REPLY),
    admitted("unknown-get", "GET", Who.UNKNOWN),
    admitted("unknown-delete", "DELETE", Who.UNKNOWN),
    admitted("ill-formed-post", "POST", Who.ILL_FORMED, PING, level=Outcome.WARNING),
    admitted("ill-formed-get", "GET", Who.ILL_FORMED, level=Outcome.WARNING),
    admitted("ill-formed-delete", "DELETE", Who.ILL_FORMED, level=Outcome.WARNING),
    admitted("repeated-header", "POST", Who.REPEATED, PING, level=Outcome.WARNING),
    check(
        "not-found-form",
        Rule.CANONICAL_NOT_FOUND,
        "POST ping with an ID that was never given out",
        "application/json, a JSON-RPC error of code -32001, no session header",
        checks.not_found_form,
        Outcome.WARNING,
    ),
    check(
        "not-found-id",
        Rule.CANONICAL_NOT_FOUND,
        "POST ping with an ID that was never given out, under a number and a string as id",
        "the request's id in the error, or none",
        checks.not_found_id,
        Outcome.WARNING,
    ),
    # ---- No ID
    admitted("missing-post", "POST", Who.NOBODY, PING, level=Outcome.WARNING),
    admitted("missing-get", "GET", Who.NOBODY, level=Outcome.WARNING),
    admitted("missing-delete", "DELETE", Who.NOBODY, level=Outcome.WARNING),
    # ---- A session ends
    check(
        "delete",
        Rule.DELETE_ACKNOWLEDGED,
        "DELETE with the ID of a live session",
        "2xx, or 405 where clients may not",
        checks.delete,
    ),
    check(
        "delete-ends-its-own",
        Rule.SESSION_KNOWN,
        "DELETE of one session, then POST ping in another",
        "the other is served",
        checks.delete_ends_its_own,
    ),
    admitted("terminated-post", "POST", Who.TERMINATED, PING),
    admitted("terminated-notification", "POST", Who.TERMINATED, NOTIFICATION),
    admitted("terminated-reply", "POST", Who.TERMINATED, REPLY),
    admitted("terminated-get", "GET", Who.TERMINATED),
    admitted("terminated-delete", "DELETE", Who.TERMINATED),
    check(
        "delete-ends-streams",
        STREAM_ENDS,
        "GET, then DELETE of its session",
        "the stream ends",
        checks.delete_ends_streams,
        Outcome.WARNING,
    ),
    # ---- `initialize` with an ID
    check(
        "initialize-with-stale-id",
        Rule.INITIALIZE_ADMITTED,
        "POST initialize with an ID that was never given out",
        "2xx: a client that never clears its ID gets a new session, not a wall",
        checks.initialize_with_stale_id,
        Outcome.WARNING,
    ),
    check(
        "stale-id-not-adopted",
        UNIQUE_ID,
        "POST initialize with an ID that was never given out",
        "an ID of the server's own, not the client's",
        checks.stale_id_not_adopted,
        Outcome.WARNING,
    ),
    # ---- Versions
    check(
        "version-unknown",
        UNSUPPORTED_VERSION,
        "POST ping in a live session with MCP-Protocol-Version: 1999-01-01",
        "400",
        http.version_unknown,
    ),
    check(
        "version-missing",
        ASSUMED_VERSION,
        "POST ping in a live session without MCP-Protocol-Version",
        "2xx",
        http.version_missing,
        Outcome.WARNING,
    ),
    check(
        "version-modern-refused",
        UNSUPPORTED_VERSION,
        "POST ping in a live session with MCP-Protocol-Version: 2026-07-28, of a server that "
        "does not speak it",
        "400",
        http.version_modern_refused,
    ),
    check(
        "version-legacy-refused",
        Rule.MODERN_ONLY_SERVER,
        "POST initialize to a server that speaks 2026-07-28 alone",
        "400 with code -32022",
        http.version_legacy_refused,
        Outcome.WARNING,
    ),
    check(
        "modern-ignores-session-id",
        Rule.MODERN_REQUEST,
        "POST server/discover of 2026-07-28 with an ID that was never given out",
        "the same answer as without one",
        http.modern_ignores_session_id,
        Outcome.WARNING,
    ),
    check(
        "modern-mints-no-session-id",
        Rule.MODERN_ANSWER,
        "POST server/discover of 2026-07-28, with an ID and without",
        "no session header",
        http.modern_mints_no_session_id,
        Outcome.WARNING,
    ),
    check(
        "modern-unknown-method",
        UNKNOWN_METHOD,
        "POST of a method nobody has, of 2026-07-28",
        "404 with code -32601, which ends no session",
        http.modern_unknown_method,
    ),
    check(
        "modern-get-delete",
        MODERN_GET,
        "GET and DELETE with an ID that was never given out, of a server of 2026-07-28 alone",
        "405",
        http.modern_get_delete,
        Outcome.WARNING,
    ),
    # ---- Other methods, browsers, spellings
    check(
        "head-options",
        Rule.OTHER_METHOD,
        "HEAD and OPTIONS with the ID of a live session, then POST ping in it",
        "no 5xx, and the session is served as before",
        http.head_options,
    ),
    check(
        "cors-allows-session-id",
        Rule.SESSION_KNOWN,
        "OPTIONS, as a browser asks before it sends a session header",
        "mcp-session-id among Access-Control-Allow-Headers",
        http.cors_allows_session_id,
        Outcome.WARNING,
    ),
    check(
        "cors-exposes-session-id",
        Rule.SESSION_ASSIGNED,
        "POST initialize with an Origin",
        "mcp-session-id among Access-Control-Expose-Headers",
        http.cors_exposes_session_id,
        Outcome.WARNING,
    ),
    check(
        "slash",
        Rule.OTHER_METHOD,
        "POST initialize to the URL with a slash at its end, or without the one it has",
        "no 5xx; a redirect keeps method and origin",
        http.slash,
        Outcome.WARNING,
    ),
    # ---- Several sessions
    check(
        "sessions-apart",
        ANSWER_ID,
        "POST ping in two sessions in turn, under the same ids, three of each at once",
        "each is answered under its own id",
        checks.sessions_apart,
    ),
    # ---- What runs
    check(
        "tool",
        Rule.SESSION_KNOWN,
        "POST tools/call of the tool that --tool names",
        "2xx with the answer for its id",
        checks.tool,
    ),
    check(
        "in-flight",
        STREAM_ENDS,
        "POST tools/call, then DELETE of its session while it runs",
        "the call ends: with an answer, an error or its stream",
        checks.in_flight,
        Outcome.WARNING,
    ),
    # ---- All that came
    check(
        "no-session-id-on-errors",
        Rule.SESSION_ID_ON_ERROR,
        "everything above",
        "no session header on an answer that is no success",
        checks.no_session_id_on_errors,
        Outcome.WARNING,
    ),
    check(
        "session-survives",
        Rule.SESSION_KNOWN,
        "POST ping in the session of the first checks, after all others",
        "2xx with the answer for its id",
        checks.session_survives,
    ),
    # ---- Time, and a restart
    check(
        "idle-keeps-the-busy",
        Rule.SESSION_KNOWN,
        "POST ping within the idle time-out, three times over",
        "2xx: what is used is not idle",
        checks.idle_keeps_the_busy,
    ),
    admitted("idle-post", "POST", Who.IDLE, PING),
    admitted("idle-get", "GET", Who.IDLE),
    check(
        "restart",
        Rule.SESSION_UNKNOWN,
        "POST ping with an ID from before the restart",
        "404, or the session is served as before",
        checks.restart,
    ),
    admitted("restart-notification", "POST", Who.RESTARTED, NOTIFICATION),
    admitted("restart-get", "GET", Who.RESTARTED),
    admitted("restart-resume", "GET", Who.RESTARTED, headers=(("last-event-id", b"1"),)),
    admitted("restart-delete", "DELETE", Who.RESTARTED),
    check(
        "restart-initialize",
        Rule.INITIALIZE_ADMITTED,
        "POST initialize after the restart",
        "a new session, with an ID of its own, that is served",
        checks.restart_initialize,
    ),
    check(
        "restart-in-flight",
        Rule.SESSION_UNKNOWN,
        "GET, or POST tools/call of the tool that --tool names, cut by a restart; then POST ping "
        "with its ID",
        "the stream breaks; then 404, or the session is served as before",
        checks.restart_in_flight,
    ),
)
