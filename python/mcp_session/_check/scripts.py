"""What the servers of the scenarios do: each answers an exchange, or leaves it to the stage."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from mcp_session._check.messages import as_object

if TYPE_CHECKING:
    from mcp_session._check.stage import Part, Stage
    from mcp_session.testing.scripted import Exchange

__all__ = [
    "Form",
    "ask_in_the_new_session",
    "forget_at_each_call",
    "have_no_stream",
    "lose_all_at_once",
    "lose_at_first_call",
    "lose_one_late",
    "losing",
    "refuse_without_session",
    "refusing",
    "speak_modern",
]

Form: TypeAlias = tuple[int, bytes, dict[str, str]]
"""A status, a body and headers."""

# How long a server waits for what a client may do, or may not.
PATIENCE_SECONDS = 2.0
# How long for what every client does, but a busy machine not at once.
ANSWER_SECONDS = 6.0

# The call that meets it: the first has shown by then that the session is served.
SECOND = 2


def losing(form: Form | None = None) -> Part:
    """Lose the session at the second call, and say so in this form."""

    async def part(stage: Stage, exchange: Exchange) -> bool:
        request = exchange.request
        if request.kind == "tools/call" and stage.calls == SECOND:
            stage.forget()
        if request.kind == "tools/call" and request.session != stage.old:
            # A client that means to opens its stream by itself; not all do before a call.
            await stage.until(partial(_has_stream_again, stage), PATIENCE_SECONDS)
        is_dead = request.session in stage.sessions and request.session not in stage.live
        if form is None or not is_dead or request.method != "POST":
            return False
        status, body, headers = form
        await stage.answer(exchange, status, body, headers)
        return True

    return part


def _has_stream_again(stage: Stage) -> bool:
    streams = [it.session for it in stage.came if it.method == "GET"]
    return stage.old not in streams or stage.sessions[-1] in streams


async def ask_in_the_new_session(stage: Stage, exchange: Exchange) -> bool:
    """Lose the session at the second call; in the next, wait until the stage's ping is answered."""
    is_answered = await losing()(stage, exchange)
    request = exchange.request
    if request.kind == "tools/call" and request.session != stage.old:
        await stage.until(partial(_has_answered, stage), ANSWER_SECONDS)
    return is_answered


def _has_answered(stage: Stage) -> bool:
    streams = [it.session for it in stage.came if it.method == "GET"]
    is_asked = stage.sessions[-1] in streams
    return not is_asked or any(it.kind == "reply" for it in stage.came)


def refusing(status: int, body: bytes, headers: dict[str, str]) -> Part:
    """Answer the second call so, and lose nothing."""

    async def part(stage: Stage, exchange: Exchange) -> bool:
        if exchange.request.kind != "tools/call" or stage.calls != SECOND:
            return False
        await stage.answer(exchange, status, body, headers)
        return True

    return part


async def lose_all_at_once(stage: Stage, exchange: Exchange) -> bool:
    """Wait for the calls that come together, and lose the session under all of them."""
    request = exchange.request
    if request.kind == "tools/call" and request.session == stage.old:
        await stage.until(lambda: stage.calls >= stage.tools, PATIENCE_SECONDS)
        stage.end(stage.old)
    return False


async def lose_one_late(stage: Stage, exchange: Exchange) -> bool:
    """Answer the first call 404 only after the client has begun anew because of another."""
    request = exchange.request
    if request.kind != "tools/call" or request.session != stage.old:
        return False
    is_first = stage.calls == 1
    await stage.until(lambda: stage.calls >= SECOND, PATIENCE_SECONDS)
    stage.end(stage.old)
    if is_first:
        await stage.until(partial(_is_in_use, stage), PATIENCE_SECONDS)
    await stage.answer_not_found(exchange)
    return True


def _is_in_use(stage: Stage) -> bool:
    return any(it.session != stage.old for it in stage.came if it.kind == "tools/call")


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
    if exchange.request.kind != "tools/call" or stage.calls != SECOND:
        return False
    await stage.answer(exchange, 404, b"Not Found", {"content-type": "text/plain"})
    return True


async def lose_at_first_call(stage: Stage, exchange: Exchange) -> bool:
    """Lose the session at the first request after the handshake."""
    request = exchange.request
    if request.kind in {"tools/list", "tools/call"} and request.session == stage.old:
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
    elif request.kind == "tools/call" and stage.calls == SECOND:
        await stage.answer_error(exchange, 404, -32601, "Method not found")
    elif request.kind == "tools/call":
        content = [{"type": "text", "text": "done"}]
        await stage.answer_result(exchange, about | {"content": content}, trap)
    else:
        await stage.answer_error(exchange, 404, -32601, "Method not found")
    return True
