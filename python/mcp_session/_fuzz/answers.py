"""How an answer is read: of a stream, up to the message that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mcp_session import EventReader
from mcp_session._check.messages import answers, is_event_stream, parsed
from mcp_session._core import Event

if TYPE_CHECKING:
    from mcp_session.testing.client import Response

__all__ = ["AnswerReader"]


class AnswerReader:
    """Looks for the answer to one request, on the stream that it opened and those that resume it.

    A request is answered by a message without a method and with its id, whatever else is said
    before that, and in whatever pieces it comes.
    """

    def __init__(self, request_id: object) -> None:
        """Take the id of the request, or `None` where no answer is looked for."""
        self.is_found = False
        self.last_event_id = ""
        """Where the stream can be resumed."""
        self.retry_seconds = 0.0
        """How long the server wants to be left alone before that."""
        self._wanted = request_id
        self._begin()

    def is_enough(self, response: Response) -> bool:
        """Whether no more has to be read of a response that is still coming."""
        if not response.status or not _is_stream(response):
            return False
        if self._wanted is not None:
            self._take(response.body)
        return self._wanted is None or self.is_found

    def end(self, response: Response) -> None:
        """Take what is left of a response that is over."""
        if self._wanted is None:
            return
        if _is_stream(response):
            self._take(response.body)
        else:
            self._look_at(response.body)
        self._begin()

    def is_missing(self, response: Response) -> bool:
        """Whether a response is a stream that was begun well and is over, without the answer."""
        is_over = response.is_whole or response.ended_early
        is_one = response.status == 200 and _is_stream(response)  # noqa: PLR2004 - OK
        return self._wanted is not None and not self.is_found and is_one and is_over

    def _begin(self) -> None:
        self._events = EventReader()
        self._taken = 0

    def _take(self, body: bytes) -> None:
        for event in self._events.read(body[self._taken :]):
            # One that only says where to resume has no data.
            if isinstance(event, Event) and event.data:
                self._look_at(event.data)
        self._taken = len(body)
        self.last_event_id = self._events.last_event_id or self.last_event_id
        if self._events.retry is not None:
            self.retry_seconds = self._events.retry / 1000

    def _look_at(self, said: bytes | str) -> None:
        message = parsed(said)
        batch = cast("list[object]", message) if isinstance(message, list) else [message]
        self.is_found = self.is_found or any(answers(it, self._wanted) for it in batch)


def _is_stream(response: Response) -> bool:
    return is_event_stream(response.headers.get("content-type", ""))
