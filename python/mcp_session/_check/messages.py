"""JSON of messages: a tester reads what the core leaves out, such as results."""

from __future__ import annotations

import json
from typing import Any, cast

__all__ = ["answers", "as_object", "encoded", "is_event_stream", "parsed", "request"]


def request(method: str, request_id: object = 1, **params: object) -> dict[str, Any]:
    """Return a JSON-RPC request."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
    return message | ({"params": params} if params else {})


def encoded(message: object) -> bytes:
    """Return a message as it is sent."""
    return json.dumps(message, separators=(",", ":")).encode()


def parsed(body: bytes | str) -> object:
    """Return what JSON says, or `None` if it is none."""
    try:
        return cast("object", json.loads(body))
    except (ValueError, RecursionError):
        return None


def is_event_stream(content_type: str) -> bool:
    """Whether a media type, in any case and with any parameters, is that of events."""
    return content_type.partition(";")[0].strip().lower() == "text/event-stream"


def as_object(value: object) -> dict[str, Any]:
    """Return an object as it is, and anything else as an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def answers(message: object, request_id: object) -> bool:
    """Whether a message is the answer to the request with this id."""
    read = as_object(message)
    # `1` and `True` are equal to Python.
    return "method" not in read and "id" in read and repr(read["id"]) == repr(request_id)
