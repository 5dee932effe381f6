"""The checks of a client: scenarios, and what each shows.

A scenario is a server on loopback that does one thing wrong, or right in another form. Whether
the client has to begin a new session is the core's verdict on the answer that it got, and what it
did is judged from the wire alone, so a client may be written in any language.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from mcp_session import Rule
from mcp_session._check import client_checks as checks
from mcp_session._check.messages import as_object
from mcp_session._check.results import Entry, Outcome, Sentence
from mcp_session._check.sentences import (
    DELETE_SESSION,
    EVENT_IDS,
    INITIALIZED,
    VERSION_HEADER,
)
from mcp_session._check.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp_session._check.stage import Part
    from mcp_session.testing.scripted import Exchange

__all__ = ["TABLE", "ClientCheck", "Scenario"]

Form: TypeAlias = tuple[int, bytes, dict[str, str]]
"""A status, a body and headers."""

Judge: TypeAlias = "Callable[[Stage], None]"

# How long the stage waits for what a client may do, or may not.
PATIENCE_SECONDS = 2.0

JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class ClientCheck:
    """An entry, the outcome of a breach, and what judges it."""

    entry: Entry
    level: Outcome
    judge: Judge


@dataclass(frozen=True)
class Scenario:
    """A server, and what its requests show."""

    name: str
    does: str
    """What the server does."""
    make: Callable[[], Stage]
    checks: tuple[ClientCheck, ...]
    is_together: bool = False
    """Whether the client is asked to make its calls all at once."""


@dataclass(frozen=True)
class _Row:
    """A check within a scenario, before it knows which."""

    name: str
    basis: Rule | Sentence
    wants: str
    judge: Judge
    level: Outcome = Outcome.FAIL


@dataclass
class _Scenes:
    """Collects the scenarios."""

    made: list[Scenario] = field(default_factory=list[Scenario])

    def add(
        self, name: str, does: str, make: Callable[[], Stage], *rows: _Row, together: bool = False
    ) -> None:
        """Add a scenario with its checks."""
        made = tuple(
            ClientCheck(
                Entry(
                    row.name,
                    Sentence.of(row.basis) if isinstance(row.basis, Rule) else row.basis,
                    row.basis if isinstance(row.basis, Rule) else None,
                    f"the server {does}",
                    row.wants,
                ),
                row.level,
                row.judge,
            )
            for row in rows
        )
        self.made.append(Scenario(name, does, make, made, together))


# ---- What the servers do


def losing(
    status_line: Form | None = None,
) -> Part:
    """Lose the session at the second call, and say so in this form."""

    async def part(stage: Stage, exchange: Exchange) -> bool:
        request = exchange.request
        if request.kind == "tools/call" and stage.calls == 2:  # noqa: PLR2004 - the second
            stage.forget()
        if request.kind == "tools/call" and len(stage.sessions) > 1:
            # A client that means to opens its stream by itself; not all do before a call.
            await stage.until(partial(_has_stream_again, stage), PATIENCE_SECONDS)
        is_dead = request.session in stage.sessions and request.session not in stage.live
        if status_line is None or not is_dead or request.method != "POST":
            return False
        status, body, headers = status_line
        await stage.answer(exchange, status, body, headers)
        return True

    return part


def _has_stream_again(stage: Stage) -> bool:
    streams = [it.session for it in stage.came if it.method == "GET"]
    return stage.sessions[0] not in streams or stage.sessions[-1] in streams


def refusing(status: int, body: bytes, headers: dict[str, str]) -> Part:
    """Answer the second call so, and lose nothing."""

    async def part(stage: Stage, exchange: Exchange) -> bool:
        if exchange.request.kind != "tools/call" or stage.calls != 2:  # noqa: PLR2004 - second
            return False
        await stage.answer(exchange, status, body, headers)
        return True

    return part


async def lose_all_at_once(stage: Stage, exchange: Exchange) -> bool:
    """Wait for the calls that come together, and lose the session under all of them."""
    request = exchange.request
    if request.kind == "tools/call" and request.session == stage.sessions[0]:
        await stage.until(lambda: stage.calls >= stage.tools, PATIENCE_SECONDS)
        stage.end(stage.sessions[0])
    return False


async def lose_one_late(stage: Stage, exchange: Exchange) -> bool:
    """Answer the first call 404 only after the client has begun anew because of another."""
    request = exchange.request
    if request.kind != "tools/call" or request.session != stage.sessions[0]:
        return False
    is_first = stage.calls == 1
    await stage.until(lambda: stage.calls >= 2, PATIENCE_SECONDS)  # noqa: PLR2004 - two at once
    stage.end(stage.sessions[0])
    if is_first:
        await stage.until(partial(_is_in_use, stage), PATIENCE_SECONDS)
    await stage.answer_not_found(exchange)
    return True


def _is_in_use(stage: Stage) -> bool:
    new = stage.sessions[1] if len(stage.sessions) > 1 else None
    return any(it.session == new and it.kind == "tools/call" for it in stage.came if new)


async def forget_at_each_call(stage: Stage, exchange: Exchange) -> bool:
    """Lose the session at every call."""
    if exchange.request.kind == "tools/call":
        stage.forget()
    return False


async def have_no_stream(stage: Stage, exchange: Exchange) -> bool:
    """Answer GET 404, where 405 belongs."""
    if exchange.request.method != "GET":
        return False
    await stage.answer(exchange, 404, b"Not Found", {"content-type": "text/plain"})
    return True


async def refuse_without_session(stage: Stage, exchange: Exchange) -> bool:
    """Answer the second call 404, of a server that gave no ID."""
    if exchange.request.kind != "tools/call" or stage.calls != 2:  # noqa: PLR2004 - the second
        return False
    await stage.answer(exchange, 404, b"Not Found", {"content-type": "text/plain"})
    return True


async def lose_at_first_call(stage: Stage, exchange: Exchange) -> bool:
    """Lose the session at the first request after the handshake."""
    is_first = exchange.request.kind in {"tools/list", "tools/call"} and len(stage.sessions) == 1
    if is_first:
        stage.forget()
    return False


async def speak_modern(stage: Stage, exchange: Exchange) -> bool:
    """Speak 2026-07-28 alone, with a session header on each answer as a trap."""
    request = exchange.request
    trap = {"mcp-session-id": "trap-0123456789abcdef"}
    about: dict[str, Any] = {"resultType": "complete"}
    if request.method != "POST":
        await stage.answer(exchange, 405)
    elif request.kind == "initialize" or request.header("mcp-protocol-version") != "2026-07-28":
        data = {"supported": ["2026-07-28"], "requested": "2025-11-25"}
        error = {"code": -32022, "message": "Unsupported protocol version", "data": data}
        request_id = as_object(request.message).get("id")
        answer = {"jsonrpc": "2.0", "id": request_id, "error": error}
        await stage.answer_json(exchange, 400, answer)
    elif request.kind == "server/discover":
        result: dict[str, Any] = {
            **about,
            "cacheScope": "private",
            "ttlMs": 0,
            "capabilities": {"tools": {}},
            "supportedVersions": ["2026-07-28"],
        }
        await stage.answer_result(exchange, result, trap)
    elif request.kind == "tools/list":
        listed: dict[str, Any] = {
            **about,
            "cacheScope": "private",
            "ttlMs": 0,
            "tools": stage.listed(),
        }
        await stage.answer_result(exchange, listed, trap)
    elif request.kind == "tools/call" and stage.calls == 2:  # noqa: PLR2004 - the second
        await stage.answer_error(exchange, 404, -32601, "Method not found")
    elif request.kind == "tools/call":
        content = [{"type": "text", "text": "done"}]
        await stage.answer_result(exchange, about | {"content": content}, trap)
    else:
        await stage.answer_error(exchange, 404, -32601, "Method not found")
    return True


# ---- The scenarios

_scenes = _Scenes()

_scenes.add(
    "recovery",
    "loses the session at the second call: 404 in the canonical form",
    partial(Stage, losing()),
    _Row("recovers", Rule.TERMINATED_POST, "a new initialize", checks.recovers),
    _Row("begins-anew-once", Rule.TERMINATED_POST, "one new session", checks.begins_anew_once),
    _Row(
        "initializes-without-id",
        Rule.TERMINATED_POST,
        "no session ID and no event ID on it",
        checks.initializes_without_id,
    ),
    _Row(
        "initialized-first",
        INITIALIZED,
        "notifications/initialized before anything else in the new session",
        checks.says_initialized_first,
    ),
    _Row(
        "new-id-on-everything",
        Rule.SESSION_KNOWN,
        "the new ID on each request from then on",
        checks.uses_the_new_id,
    ),
    _Row(
        "version-on-everything",
        VERSION_HEADER,
        "MCP-Protocol-Version on each request after initialize",
        checks.bears_the_version,
    ),
    _Row(
        "sent-again-once",
        Rule.TERMINATED_POST,
        "the call that failed a second time at most",
        checks.sends_again_once,
    ),
    _Row(
        "continues",
        Rule.TERMINATED_POST,
        "a call that is answered in the new session",
        checks.continues,
    ),
    _Row(
        "stream-reopened",
        Rule.TERMINATED_GET,
        "GET in the new session, if there was one in the old",
        checks.opens_the_stream_again,
        Outcome.WARNING,
    ),
    _Row(
        "no-dead-event-ids",
        EVENT_IDS,
        "no Last-Event-ID of the old session in the new",
        checks.forgets_event_ids,
    ),
    _Row(
        "deletes-the-live-one",
        DELETE_SESSION,
        "DELETE of the session that stands at the end",
        checks.terminates_what_lives,
        Outcome.WARNING,
    ),
)

_FORMS: tuple[tuple[str, str, Form], ...] = (
    ("not-found-empty", "without a body", (404, b"", {})),
    (
        "not-found-text",
        "as plain text",
        (404, b"Session not found", {"content-type": "text/plain"}),
    ),
    (
        "not-found-html",
        "as a proxy's page",
        (404, b"<html><h1>404 Not Found</h1></html>", {"content-type": "text/html"}),
    ),
    (
        "not-found-null-id",
        "as JSON-RPC under the id null",
        (
            404,
            b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Session not found"}}',
            JSON,
        ),
    ),
    (
        "not-found-method-code",
        "with the code -32601",
        (404, b'{"jsonrpc":"2.0","error":{"code":-32601,"message":"Not Found"}}', JSON),
    ),
    (
        "not-found-other-id",
        "with a session header of its own",
        (404, b"", {"mcp-session-id": "minted-0123456789abcdef"}),
    ),
    (
        "not-found-cut-json",
        "as JSON that is none",
        (404, b'{"jsonrpc":"2.0","error":{', JSON),
    ),
)
for _name, _what, _form in _FORMS:
    _scenes.add(
        _name,
        f"loses the session at the second call: 404 {_what}",
        partial(Stage, losing(_form)),
        _Row(
            _name,
            Rule.TERMINATED_POST,
            "one new session, begun without an ID",
            checks.begins_anew_once,
        ),
    )

_REFUSALS: tuple[tuple[int, Rule, bytes, dict[str, str]], ...] = (
    (400, Rule.NOT_TERMINATION, b"the arguments are not as they should be", {}),
    (401, Rule.AUTHORIZATION, b"", {"www-authenticate": "Bearer"}),
    (403, Rule.AUTHORIZATION, b"", {}),
    (429, Rule.NOT_TERMINATION, b"", {"retry-after": "1"}),
    (500, Rule.NOT_TERMINATION, b"", {}),
    (503, Rule.NOT_TERMINATION, b"", {"retry-after": "1"}),
)
for _status, _rule, _body, _headers in _REFUSALS:
    _scenes.add(
        f"not-on-{_status}",
        f"answers the second call {_status}, and keeps the session",
        partial(Stage, refusing(_status, _body, _headers)),
        _Row(f"not-on-{_status}", _rule, "no new initialize", checks.does_not_begin_anew),
    )

_scenes.add(
    "id-on-error",
    "answers the second call 400 with a session header of its own",
    partial(
        Stage, refusing(400, b"no such argument", {"mcp-session-id": "minted-0123456789abcdef"})
    ),
    _Row(
        "id-on-error",
        Rule.SESSION_ID_ON_ERROR,
        "the ID of initialize on what follows",
        checks.adopts_nothing_from_errors,
    ),
)
_scenes.add(
    "together",
    "loses the session under five calls at once",
    partial(Stage, lose_all_at_once, tools=5),
    _Row("one-for-many", Rule.TERMINATED_POST, "one new session for all", checks.keeps_to_itself),
    _Row(
        "many-sent-again-once",
        Rule.TERMINATED_POST,
        "each call a second time at most",
        checks.sends_again_once,
    ),
    together=True,
)
_scenes.add(
    "late",
    "loses the session under two calls, and answers one of them when the new session is in use",
    partial(Stage, lose_one_late, tools=2),
    _Row(
        "late-404",
        Rule.TERMINATED_POST,
        "the new session stands",
        checks.keeps_the_fresh_session,
    ),
    together=True,
)
_scenes.add(
    "forgetful",
    "loses the session at each call",
    partial(Stage, forget_at_each_call),
    _Row(
        "no-endless-loop",
        Rule.TERMINATED_POST,
        "two new sessions a call at most",
        checks.does_not_loop,
    ),
    _Row(
        "never-a-third-time",
        Rule.TERMINATED_POST,
        "each call a second time at most",
        checks.sends_again_once,
    ),
)
_scenes.add(
    "no-stream",
    "answers GET 404 because it offers no stream",
    partial(Stage, have_no_stream),
    _Row(
        "get-404-no-loop",
        Rule.TERMINATED_GET,
        "two new sessions a call at most",
        checks.ends_without_stream,
    ),
)
_scenes.add(
    "other-version",
    "loses the session, and settles on 2025-06-18 in the next",
    partial(Stage, losing(), versions=["2025-11-25", "2025-06-18"]),
    _Row(
        "new-version-on-everything",
        VERSION_HEADER,
        "the version of the new session on its requests",
        checks.settles_on_the_new_version,
    ),
)
_scenes.add(
    "stateless",
    "gives no session ID, and answers the second call 404",
    partial(Stage, refuse_without_session, keeps_sessions=False, offers_stream=False),
    _Row("no-id-no-id", Rule.NO_SESSION_ASSIGNED, "no session ID", checks.bears_no_id),
    _Row(
        "no-id-no-loss",
        Rule.NOTHING_ATTACHED,
        "no new initialize: no session was lost",
        checks.does_not_begin_anew,
        Outcome.WARNING,
    ),
)
_scenes.add(
    "renegotiation",
    "loses the session at the first request after the handshake",
    partial(Stage, lose_at_first_call),
    _Row(
        "renegotiates-on-404",
        Rule.TERMINATED_POST,
        "a new initialize without an ID",
        checks.recovers,
    ),
    _Row(
        "continues-after-renegotiation",
        Rule.TERMINATED_POST,
        "a call that is answered in the new session",
        checks.continues,
    ),
)
_scenes.add(
    "modern",
    "speaks 2026-07-28 alone, with a session header on its answers, and answers the second call "
    "404 with the code -32601",
    partial(Stage, speak_modern),
    _Row(
        "modern-untouched",
        Rule.MODERN_EXCHANGE,
        "no session ID, and no initialize",
        checks.stays_untouched,
    ),
)

TABLE: tuple[Scenario, ...] = tuple(_scenes.made)
