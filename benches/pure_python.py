"""The decision table in pure Python, as somebody would write it who takes no Rust.

It is here to be measured beside ours, and for nothing else. Run as a program, it is held against
every cell of `tests/decisions.txt`, by the test that holds ours against them:

    .environments/extras/bin/python benches/pure_python.py
"""

from __future__ import annotations

import json
import re
import sys
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Action", "Verdict", "classify"]

LEGACY_VERSIONS = frozenset({"2024-10-07", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"})
META_VERSION = "io.modelcontextprotocol/protocolVersion"
MISREPORTS = {
    (400, "no valid session id provided"): "MisreportNoValidSessionId",
    (
        400,
        "no valid session id provided for non-initialize request",
    ): "MisreportNoValidSessionIdForNonInitialize",
    (
        400,
        "no valid session id provided or not an initialization request",
    ): "MisreportNoValidSessionIdOrNotInitializationRequest",
    (
        400,
        "no valid session id provided or not an initialize request",
    ): "MisreportNoValidSessionIdOrNotInitializeRequest",
    (
        400,
        "no valid session id or not an initialize request",
    ): "MisreportNeitherSessionIdNorInitialize",
    (400, "no valid session id"): "MisreportNoSessionId",
    (400, "invalid or missing session id"): "MisreportInvalidOrMissingSessionId",
    (400, "missing or invalid session id"): "MisreportMissingOrInvalidSessionId",
    (400, "invalid session id"): "MisreportInvalidSessionId",
    (400, "unknown session"): "MisreportUnknownSession",
    (400, "unknown session id"): "MisreportUnknownSessionId",
    (400, "unknown mcp-session-id header"): "MisreportUnknownSessionIdHeader",
    (400, "session not found"): "MisreportSessionNotFound",
    (400, "session id not found"): "MisreportSessionIdNotFound",
    (400, "session expired"): "MisreportSessionExpired",
    (400, "session has expired"): "MisreportSessionHasExpired",
    (400, "session terminated"): "MisreportSessionTerminated",
    (400, "mcp-session-id header is required"): "MisreportSessionIdRequired",
    (400, "server not initialized"): "MisreportServerNotInitialized",
    (400, "get request requires a valid session id"): "MisreportGetRequiresSessionId",
    (400, "delete request requires a valid session id"): "MisreportDeleteRequiresSessionId",
    (400, "mcp: invalid session id header"): "MisreportInvalidSessionIdHeader",
    (400, "no transport found for sessionid"): "MisreportNoTransport",
    (401, "session not found"): "MisreportUnauthorizedSessionNotFound",
    (401, "no transport found for sessionid"): "MisreportUnauthorizedNoTransport",
}
LEADS = ("bad request: ", "invalid request: ", "unauthorized: ")
BLANKS = re.compile(r"[ \t\n\f\r]+")
RESUME = "Encounter an error when resume session: "
TEXT_LIMIT = 4096


class Action(Enum):
    """What to do."""

    PASS_THROUGH = "PassThrough"  # noqa: S105 - no password
    ADOPT_SESSION = "AdoptSession"
    CLEAR_AND_REINIT = "ClearAndReinit"
    CLEAR = "Clear"
    NOT_FOUND_RESPONSE = "NotFoundResponse"


class Verdict(NamedTuple):
    """What to do, and why."""

    action: Action
    rule: str
    forward_session_id: bool = True


def classify(  # noqa: C901, PLR0911, PLR0912, PLR0913 - a table, row by row, by keyword
    method: str,
    status: int,
    *,
    session_id: str | None = None,
    protocol_version: str | None = None,
    request_body: bytes | None = None,
    response_session_id: str | None = None,
    content_type: str | None = None,
    www_authenticate: str | None = None,
    response_body: bytes | None = None,
    server: bool = False,
    quirks: bool = False,
) -> Verdict:
    """Decide what an exchange means for its session."""
    message: Any = _parsed(request_body) if method == "POST" and request_body is not None else None
    kind = _kind(message)
    initialize = kind == "request" and message["method"] == "initialize"
    success = 200 <= status <= 299
    if not initialize and _is_modern(protocol_version, message, kind):
        name = "ModernAnswer" if server else "ModernExchange"
        return Verdict(Action.PASS_THROUGH, name, not server or success or not response_session_id)
    known = method in {"POST", "GET", "DELETE"}
    if server:
        forward = success or not response_session_id
        rule = None
        if session_id and known:
            rule = _misreport(status, www_authenticate, response_body) or _resumed(
                status, response_body, session_id
            )
            if rule is None and status == 404:
                canonical = not response_session_id and _is_canonical(
                    content_type,
                    response_body,
                    message,
                    kind,
                    unknown=method == "POST" and request_body is None,
                )
                if canonical:
                    return Verdict(Action.PASS_THROUGH, "CanonicalNotFound", forward)
                rule = "UncanonicalNotFound"
        if rule is not None:
            return Verdict(Action.NOT_FOUND_RESPONSE, rule, forward)
        return Verdict(
            Action.PASS_THROUGH, "NothingToCorrect" if forward else "SessionIdOnError", forward
        )
    if initialize and success:
        if not response_session_id:
            return Verdict(Action.PASS_THROUGH, "NoSessionAssigned")
        if all("\x21" <= it <= "\x7e" for it in response_session_id):
            return Verdict(Action.ADOPT_SESSION, "SessionAssigned")
        return Verdict(Action.PASS_THROUGH, "IllFormedSessionId")
    if not session_id:
        opening = initialize and status == 404
        return Verdict(Action.PASS_THROUGH, "OpeningNotFound" if opening else "NothingAttached")
    if status == 404 and method == "POST":
        return Verdict(Action.CLEAR_AND_REINIT, "TerminatedPost")
    if status == 404 and method == "GET":
        return Verdict(Action.CLEAR_AND_REINIT, "TerminatedGet")
    if method == "DELETE" and (success or status == 404):
        return Verdict(Action.CLEAR, "DeleteAcknowledged")
    if method == "DELETE" and status == 405:
        return Verdict(Action.CLEAR, "DeleteNotOffered")
    if quirks and known and (rule := _misreport(status, www_authenticate, response_body)):
        action = Action.CLEAR if method == "DELETE" else Action.CLEAR_AND_REINIT
        return Verdict(action, rule)
    if status in {401, 403}:
        return Verdict(Action.PASS_THROUGH, "Authorization")
    if status == 400 and _error(response_body).get("code") == -32022:
        return Verdict(Action.PASS_THROUGH, "ModernOnlyServer")
    return Verdict(Action.PASS_THROUGH, "NotTermination")


def _parsed(body: bytes | None) -> Any:
    try:
        return json.loads(body or b"")
    except ValueError:
        return None


def _kind(message: Any) -> str:
    if isinstance(message, list):
        return "batch"
    if not isinstance(message, dict):
        return "malformed"
    if isinstance(message.get("method"), str):
        if "id" not in message:
            return "notification"
        return "request" if isinstance(message["id"], (str, int, float)) else "malformed"
    return "response" if "result" in message or "error" in message else "malformed"


def _is_modern(version: str | None, message: Any, kind: str) -> bool:
    if version:
        return version not in LEGACY_VERSIONS
    if kind not in {"request", "notification"}:
        return False
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    named = meta.get(META_VERSION) if isinstance(meta, dict) else None
    return isinstance(named, str) and named != "" and named not in LEGACY_VERSIONS


def _error(body: bytes | None) -> dict[str, Any]:
    message = _parsed(body) if body else None
    error = message.get("error") if isinstance(message, dict) else None
    return error if isinstance(error, dict) else {}


def _misreport(status: int, challenge: str | None, body: bytes | None) -> str | None:
    if body is None or status not in {400, 401} or len(body) > TEXT_LIMIT:
        return None
    if status == 401 and challenge is not None:
        return None
    message = _parsed(body)
    texts: list[Any] = [body.strip().decode(errors="replace"), _error(body).get("message")]
    if isinstance(message, dict):
        texts += [message.get("error"), message.get("message")]
    keys = ((status, _normal(text)) for text in texts if isinstance(text, str))
    return next((MISREPORTS[key] for key in keys if key in MISREPORTS), None)


def _normal(text: str) -> str:
    text = BLANKS.sub(" ", text).lower().removesuffix(".")
    lead = next((lead for lead in LEADS if text.startswith(lead)), "")
    return text.removeprefix(lead)


def _resumed(status: int, body: bytes | None, session_id: str) -> str | None:
    if status != 500 or body is None or len(body) > TEXT_LIMIT:
        return None
    text = body.strip().decode(errors="replace")
    if text == f"{RESUME}Session not found: {session_id}":
        return "MisreportResumeSessionNotFound"
    if text == f"{RESUME}Session error: Session service terminated":
        return "MisreportResumeServiceTerminated"
    return None


def _is_canonical(
    content_type: str | None, body: bytes | None, message: Any, kind: str, *, unknown: bool
) -> bool:
    if body is None or (content_type or "").partition(";")[0].strip().lower() != "application/json":
        return False
    answer = _parsed(body)
    error = _error(body)
    if not isinstance(answer, dict) or answer.get("jsonrpc") != "2.0":
        return False
    if error.get("code") != -32001 or not isinstance(error.get("message"), str):
        return False
    if "id" not in answer:
        return True
    if unknown:
        return isinstance(answer["id"], (str, int, float))
    return kind == "request" and bool(answer["id"] == message["id"])


def main() -> None:
    """Replay the whole table."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "python"))
    import test_decisions as test  # type: ignore[import-not-found]  # noqa: PLC0415

    class Shown(NamedTuple):
        action: Action
        rule: Any
        forward_session_id: bool

    class Rule(NamedTuple):
        value: str

    def ported(method: str, status: int, *, side: Any, **facts: Any) -> Shown:
        verdict = classify(method, status, server=side is test.Side.SERVER, **facts)
        return Shown(verdict.action, Rule(verdict.rule), verdict.forward_session_id)

    test.classify = ported
    for view in test.VIEWS:
        for sent in test.SENT:
            test.test_every_cell_of_the_golden_file_is_decided_as_it_says(view, sent)
    print("the port decides every cell of tests/decisions.txt as it says")


if __name__ == "__main__":
    main()
