"""Asks the application something as if it had come by a connection."""

from dataclasses import dataclass, field

import anyio

from mcp_session._asgi import Application, Message, Scope

__all__ = ["InProcessAnswer", "ask"]


@dataclass
class InProcessAnswer:
    """What the application answered, as far as it was read.

    `is_whole`: its body ended, within the time and the size that were given.
    """

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    body: bytes = b""
    is_whole: bool = False


class _EnoughError(Exception):
    """The answer is larger than what is read of it."""


async def ask(
    application: Application,
    scope: Scope,
    body: bytes,
    *,
    seconds: float,
    at_most: int,
) -> InProcessAnswer:
    """POST a message to the application, in this task, with this scope and the headers in it.

    What the application raises is an
    answer without status. So is one that takes longer than `seconds`; of a body `at_most` bytes
    are read.
    """
    answer, given, is_over = InProcessAnswer(), [body], anyio.Event()

    async def receive() -> Message:
        if given:
            return {"type": "http.request", "body": given.pop(), "more_body": False}
        # The client stays until it is answered.
        await is_over.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [(bytes(name), bytes(value)) for name, value in message["headers"]]
        elif message["type"] == "http.response.body":
            answer.body += message.get("body", b"")
            if len(answer.body) > at_most:
                raise _EnoughError
            if not message.get("more_body", False):
                answer.is_whole = True
                is_over.set()

    framed = [*scope["headers"], (b"content-length", str(len(body)).encode())]
    asked = {**scope, "method": "POST", "headers": framed}
    try:
        with anyio.move_on_after(seconds):
            await application(asked, receive, send)
    except Exception:  # noqa: BLE001 - whatever it is, the application did not answer
        answer.is_whole = False
    return answer
