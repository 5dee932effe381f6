"""A request that is given to one after the other, until one takes it."""

from collections.abc import Awaitable

from mcp_session._asgi import Message, Receive

__all__ = ["GivenAgain", "given_first"]


class GivenAgain:
    """Gives a request from its beginning to each that is asked in turn.

    What came in one piece is kept for that: as everything does that was read before. Of what is
    longer, `is_gone` says that somebody has had its beginning.
    """

    __slots__ = ("_receive", "body", "is_gone")

    def __init__(self, receive: Receive) -> None:
        """Take it from the server's `receive`."""
        self._receive = receive
        # `None` where it did not come, or not in one piece.
        self.body: bytes | None = None
        self.is_gone = False

    def receive(self) -> Receive:
        """Return the `receive` of the next."""
        return self._take if self.body is None else given_first(self.body, self._receive)

    def _take(self) -> Awaitable[Message]:
        # Whoever waits for its client to leave waits for long, and needs no frame here.
        has_begun = self.is_gone or self.body is not None
        return self._receive() if has_begun else self._begin()

    async def _begin(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            if message.get("more_body", False):
                self.is_gone = True
            else:
                self.body = bytes(message.get("body", b""))
        return message


def given_first(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a whole body, and then goes on with another one."""
    given = [body]

    def take() -> Awaitable[Message]:
        return _give(given.pop()) if given else receive()

    return take


async def _give(body: bytes) -> Message:
    return {"type": "http.request", "body": body, "more_body": False}
