"""Assertions about exchanges and about what a client sent; each says what was expected and why.

What an exchange means is asked of `classify_exchange`; nothing here decides it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mcp_session import Action, Rule, Side, classify_exchange, not_found_response, peek

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_session.testing.scripted import Request

__all__ = [
    "SessionWarning",
    "assert_action",
    "assert_assigns_session",
    "assert_recovered",
    "assert_session_not_found",
]

INITIALIZED = "notifications/initialized"


class SessionWarning(UserWarning):
    """A check of `pytest --mcp-session-url` found a SHOULD broken, or what clients rely upon.

    >>> import warnings
    >>> from mcp_session.testing import SessionWarning
    >>> warnings.simplefilter("error", SessionWarning)
    """


def assert_action(
    request: bytes,
    response: bytes,
    expected: Action,
    *,
    side: Side = Side.CLIENT,
    quirks: bool = False,
) -> Rule:
    r"""Fail unless a raw exchange means this; return the rule that says so.

    >>> from mcp_session import Action
    >>> from mcp_session.testing import assert_action, write_request
    >>> request = write_request("POST", b"{}", session_id="dead")
    >>> response = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
    >>> assert_action(request, response, Action.CLEAR_AND_REINIT)
    <Rule.TERMINATED_POST: 'TerminatedPost'>
    >>> assert_action(
    ...     request, response, Action.PASS_THROUGH
    ... )  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: this means ClearAndReinit and not PassThrough: 404 to a POST with a ...
      > When a client receives HTTP 404 in response to a request containing an ...
    """
    verdict = classify_exchange(request, response, side=side, quirks=quirks)
    rule: Rule = verdict.rule
    if verdict.action is not expected:
        message = f"this means {verdict.action.value} and not {expected.value}: {_basis(rule)}"
        raise AssertionError(message)
    return rule


def assert_assigns_session(request: bytes, response: bytes) -> str:
    r"""Fail unless a raw `initialize` was answered with a session ID; return the ID.

    >>> from mcp_session.testing import assert_assigns_session, write_request
    >>> request = write_request("POST", b'{"jsonrpc":"2.0","id":0,"method":"initialize"}')
    >>> response = b"HTTP/1.1 200 OK\r\nmcp-session-id: 1868a90c\r\ncontent-length: 0\r\n\r\n"
    >>> assert_assigns_session(request, response)
    '1868a90c'
    """
    verdict = classify_exchange(request, response)
    if verdict.action is not Action.ADOPT_SESSION or verdict.session_id is None:
        answered = response.partition(b"\r\n")[0].decode("latin-1")
        message = f"no session was assigned by {answered!r}: {_basis(verdict.rule)}"
        raise AssertionError(message)
    return verdict.session_id


def assert_session_not_found(request: bytes, response: bytes) -> None:
    r"""Fail unless a raw response is the one by which every client learns that its session ended.

    404, `application/json`, an error with the code -32001 and the id of the request, and no
    session header. The message shows the answer that a server has to give.

    >>> from mcp_session.testing import assert_session_not_found, write_request
    >>> request = write_request("POST", b'{"jsonrpc":"2.0","id":7,"method":"ping"}', session_id="x")
    >>> response = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
    >>> assert_session_not_found(request, response)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: not the answer to a terminated session (UncanonicalNotFound): ...
    answered: 404 b''
    expected: 404 application/json b'{"jsonrpc":"2.0","error":{"code":-32001,...},"id":7}'
    """
    verdict = classify_exchange(request, response, side=Side.SERVER)
    if verdict.rule is Rule.CANONICAL_NOT_FOUND and verdict.forward_session_id:
        return
    body = request.partition(b"\r\n\r\n")[2]
    head, _, answered = response.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    expected = not_found_response(body if peek(body).id is not None else None)
    message = (
        f"not the answer to a terminated session ({verdict.rule.value}): {verdict.rule.summary}\n"
        f"answered: {b' '.join(status).decode('latin-1')} {answered[:500]!r}\n"
        f"expected: {expected.status} application/json {expected.body!r}"
    )
    raise AssertionError(message)


def assert_recovered(requests: Sequence[Request], dead: str, fresh: str) -> None:
    """Fail unless a client that was told of the end of `dead` went on in `fresh` as it must.

    `requests` are a `ScriptedServer`'s, in order. After the first that bore `dead` and no other
    came before the new session: one `initialize` without any ID, `notifications/initialized`
    with the new one before any other request with it, and nothing with the dead one after that.

    >>> from mcp_session.testing import Request, assert_recovered
    >>> def request(method, session=None):
    ...     headers = [] if session is None else [("mcp-session-id", session)]
    ...     body = f'{{"jsonrpc":"2.0","id":1,"method":"{method}"}}'.encode()
    ...     return Request("POST", "/mcp", headers, body, raw=b"...", connection=0)
    >>> told = request("tools/call", "dead")
    >>> begun = [request("initialize"), request("notifications/initialized", "fresh")]
    >>> assert_recovered([told, *begun, request("tools/call", "fresh")], "dead", "fresh")
    >>> assert_recovered([told, *begun, request("tools/call", "dead")], "dead", "fresh")
    Traceback (most recent call last):
    AssertionError: a request did not bear the new ID after the new session began
      POST "tools/call" session 1
      POST "initialize" no session
      POST "notifications/initialized" session 2
      POST "tools/call" session 1
    """
    told = next((at for at, it in enumerate(requests) if it.session == dead), None)
    if told is None:
        _fail("no request bore the ID of the first session", requests)
    begun = [at for at, it in enumerate(requests) if it.kind == "initialize"]
    stale = [at for at in begun if requests[at].session is not None]
    if stale:
        _fail("an `initialize` bore a session ID", requests)
    again = [at for at in begun if at > (told or 0)]
    if len(again) != 1:
        _fail(f"{len(again)} `initialize` after the session ended, and not one", requests)
    with_fresh = [it for it in requests if it.session == fresh]
    if not with_fresh:
        _fail("no request bore the ID of the new session", requests)
    if with_fresh[0].kind != INITIALIZED:
        _fail(f"the new session began with {with_fresh[0].kind} and not {INITIALIZED}", requests)
    after = requests.index(with_fresh[0])
    if any(it.session != fresh for it in requests[after:]):
        _fail("a request did not bear the new ID after the new session began", requests)


def _basis(rule: Rule) -> str:
    return f"{rule.summary}\n  > {rule.quote}"


def _fail(what: str, requests: Sequence[Request]) -> None:
    names = {session: f"session {at}" for at, session in enumerate(_sessions(requests), 1)}
    lines = [
        f"  {it.method} {json.dumps(it.kind)} {names.get(it.session or '', 'no session')}"
        for it in requests
    ]
    message = "\n".join([what, *lines])
    raise AssertionError(message)


def _sessions(requests: Sequence[Request]) -> list[str]:
    return list(dict.fromkeys(it.session for it in requests if it.session is not None))
