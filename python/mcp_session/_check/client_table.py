"""The checks of a client: scenarios, and what each shows.

A scenario is a server on loopback that does one thing wrong, or right in another form. Whether
the client has to begin a new session is the core's verdict on the answer that it got, and what it
did is judged from the wire alone, so a client may be written in any language.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from mcp_session import Rule
from mcp_session._check import client_checks as checks
from mcp_session._check import scripts
from mcp_session._check.results import Entry, Outcome, Sentence
from mcp_session._check.sentences import (
    DELETE_SESSION,
    EVENT_IDS,
    INITIALIZED,
    PING,
    VERSION_HEADER,
)
from mcp_session._check.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp_session._check.scripts import Form

__all__ = ["TABLE", "ClientCheck", "Scenario"]

Judge: TypeAlias = "Callable[[Stage], None]"

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

    def within(self, does: str) -> ClientCheck:
        """Return the check of a scenario whose server does this."""
        rule = self.basis if isinstance(self.basis, Rule) else None
        sentence = Sentence.of(self.basis) if isinstance(self.basis, Rule) else self.basis
        entry = Entry(self.name, sentence, rule, f"the server {does}", self.wants)
        return ClientCheck(entry, self.level, self.judge)


def scenario(
    name: str, does: str, make: Callable[[], Stage], *rows: _Row, together: bool = False
) -> Scenario:
    """Return a scenario with its checks."""
    return Scenario(name, does, make, tuple(row.within(does) for row in rows), together)


# The 404 of a lost session, in other forms than the canonical one.
FORMS: tuple[tuple[str, str, Form], ...] = (
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

# What is no loss, and the row that says so.
REFUSALS: tuple[tuple[int, Rule, bytes, dict[str, str]], ...] = (
    (400, Rule.NOT_TERMINATION, b"the arguments are not as they should be", {}),
    (401, Rule.AUTHORIZATION, b"", {"www-authenticate": "Bearer"}),
    (403, Rule.AUTHORIZATION, b"", {}),
    (429, Rule.NOT_TERMINATION, b"", {"retry-after": "1"}),
    (500, Rule.NOT_TERMINATION, b"", {}),
    (503, Rule.NOT_TERMINATION, b"", {"retry-after": "1"}),
)

TABLE: tuple[Scenario, ...] = (
    scenario(
        "recovery",
        "loses the session at the second call: 404 in the canonical form",
        partial(Stage, scripts.losing()),
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
    ),
    *(
        scenario(
            name,
            f"loses the session at the second call: 404 {what}",
            partial(Stage, scripts.losing(form)),
            _Row(
                name,
                Rule.TERMINATED_POST,
                "one new session, begun without an ID",
                checks.begins_anew_once,
            ),
        )
        for name, what, form in FORMS
    ),
    *(
        scenario(
            f"not-on-{status}",
            f"answers the second call {status}, and keeps the session",
            partial(Stage, scripts.refusing(status, body, headers)),
            _Row(f"not-on-{status}", rule, "no new initialize", checks.does_not_begin_anew),
        )
        for status, rule, body, headers in REFUSALS
    ),
    scenario(
        "id-on-error",
        "answers the second call 400 with a session header of its own",
        partial(
            Stage,
            scripts.refusing(
                400, b"no such argument", {"mcp-session-id": "minted-0123456789abcdef"}
            ),
        ),
        _Row(
            "id-on-error",
            Rule.SESSION_ID_ON_ERROR,
            "the ID of initialize on what follows",
            checks.adopts_nothing_from_errors,
        ),
    ),
    scenario(
        "push",
        "loses the session at the second call, and pings the next on its stream",
        partial(Stage, scripts.ask_in_the_new_session, pings=True),
        _Row(
            "push-answered",
            PING,
            "a result for the ping, in the new session",
            checks.answers_what_is_pushed,
        ),
    ),
    scenario(
        "together",
        "loses the session under five calls at once",
        partial(Stage, scripts.lose_all_at_once, tools=5),
        _Row(
            "one-for-many", Rule.TERMINATED_POST, "one new session for all", checks.keeps_to_itself
        ),
        _Row(
            "many-sent-again-once",
            Rule.TERMINATED_POST,
            "each call a second time at most",
            checks.sends_again_once,
        ),
        together=True,
    ),
    scenario(
        "late",
        "loses the session under two calls, and answers one of them when the new session is in use",
        partial(Stage, scripts.lose_one_late, tools=2),
        _Row(
            "late-404",
            Rule.TERMINATED_POST,
            "the new session stands",
            checks.keeps_the_fresh_session,
        ),
        together=True,
    ),
    scenario(
        "forgetful",
        "loses the session at each call",
        partial(Stage, scripts.forget_at_each_call),
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
    ),
    scenario(
        "no-stream",
        "answers GET 404 because it offers no stream",
        partial(Stage, scripts.have_no_stream),
        _Row(
            "get-404-no-loop",
            Rule.TERMINATED_GET,
            "two new sessions a call at most",
            checks.ends_without_stream,
        ),
    ),
    scenario(
        "other-version",
        "loses the session, and settles on 2025-06-18 in the next",
        partial(Stage, scripts.losing(), then="2025-06-18"),
        _Row(
            "new-version-on-everything",
            VERSION_HEADER,
            "the version of the new session on its requests",
            checks.settles_on_the_new_version,
        ),
    ),
    scenario(
        "stateless",
        "gives no session ID, and answers the second call 404",
        partial(Stage, scripts.refuse_without_session, keeps_sessions=False, offers_stream=False),
        _Row("no-id-no-id", Rule.NO_SESSION_ASSIGNED, "no session ID", checks.bears_no_id),
        _Row(
            "no-id-no-loss",
            Rule.NOTHING_ATTACHED,
            "no new initialize: no session was lost",
            checks.does_not_begin_anew,
            Outcome.WARNING,
        ),
    ),
    scenario(
        "renegotiation",
        "loses the session at the first request after the handshake",
        partial(Stage, scripts.lose_at_first_call),
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
    ),
    scenario(
        "modern",
        "speaks 2026-07-28 alone, with a session header on its answers, and answers the second "
        "call 404 with the code -32601",
        partial(Stage, scripts.speak_modern),
        _Row(
            "modern-untouched",
            Rule.MODERN_EXCHANGE,
            "no session ID, and no initialize",
            checks.stays_untouched,
        ),
    ),
)
