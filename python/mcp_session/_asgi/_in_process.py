"""Asks the application something as if it had come by a connection."""

from dataclasses import dataclass, field

import anyio

from mcp_session._asgi import Application, Message, Scope
from mcp_session.replica import SessionRun

__all__ = ["InProcessAnswer", "ask"]

_ENDING_SECONDS = 1.0


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


async def ask(  # noqa: PLR0913 - by name
    application: Application,
    scope: Scope,
    body: bytes,
    *,
    seconds: float,
    at_most: int,
    run: SessionRun | None = None,
) -> InProcessAnswer:
    """Ask the application, in this task, with this scope: its method, and the headers in it.

    What the application raises is an answer without status. So is one that takes longer than
    `seconds`; of a body `at_most` bytes are read. A run knows when the message has come that it
    waits for, though the stream that brought it stays open.
    """
    asked = _Asked(body, at_most, run)
    framed = [*scope["headers"], (b"content-length", str(len(body)).encode())]
    try:
        with anyio.move_on_after(seconds) as asked.waiting:
            await application({**scope, "headers": framed}, asked.receive, asked.send)
    except Exception:  # noqa: BLE001 - whatever it is, the application did not answer
        asked.answer.is_whole &= asked.has_come
    return asked.answer


class _Asked:
    """The two sides of one request, of which no connection is."""

    def __init__(self, body: bytes, at_most: int, run: SessionRun | None) -> None:
        self.answer, self.waiting = InProcessAnswer(), anyio.CancelScope()
        self.has_come = False
        self._given, self._at_most, self._run = [body], at_most, run
        self._is_over = anyio.Event()

    async def receive(self) -> Message:
        if self._given:
            return {"type": "http.request", "body": self._given.pop(), "more_body": False}
        # The client stays until it is answered.
        await self._is_over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self.answer.is_whole:
            return
        if message["type"] == "http.response.start":
            self._begin(message)
        elif message["type"] == "http.response.body":
            self._go_on(message.get("body", b""), more=message.get("more_body", False))

    def _begin(self, message: Message) -> None:
        headers = message.get("headers", ())
        self.answer.status = message["status"]
        self.answer.headers = [(bytes(name), bytes(value)) for name, value in headers]
        if self._run is not None:
            self._run.restore_head(self.answer.status, self.answer.headers)

    def _go_on(self, piece: bytes, *, more: bool) -> None:
        self.answer.body += piece
        if len(self.answer.body) > self._at_most:
            raise _EnoughError
        self.has_come = self._run is not None and self._run.restore_piece(piece)
        if self.has_come or not more:
            self.answer.is_whole = True
            self._is_over.set()
        if self.has_come:
            # It is told that nobody reads on, and has its time to end.
            ends = anyio.current_time() + _ENDING_SECONDS
            self.waiting.deadline = min(self.waiting.deadline, ends)
