"""A request that is given to one after the other, until one takes it."""

from mcp_session._asgi import Message, Receive

__all__ = ["GivenAgain"]


class GivenAgain:
    """Gives a request from its beginning to each that is asked in turn.

    What came in one piece is kept for that: as everything does that was read before. Of what is
    longer, `is_gone` says that somebody has had its beginning.
    """

    __slots__ = ("_receive", "_whole", "is_gone")

    def __init__(self, receive: Receive) -> None:
        """Take it from the server's `receive`."""
        self._receive = receive
        self._whole: Message | None = None
        self.is_gone = False

    @property
    def body(self) -> bytes | None:
        """The body; `None` where it did not come, or not in one piece."""
        return None if self._whole is None else self._whole["body"]

    def receive(self) -> Receive:
        """Return the `receive` of the next."""
        given = [] if self._whole is None else [self._whole]

        async def receive() -> Message:
            if given:
                return given.pop()
            message = await self._receive()
            if message["type"] == "http.request" and self._whole is None and not self.is_gone:
                if message.get("more_body", False):
                    self.is_gone = True
                else:
                    self._whole = {**message, "body": bytes(message.get("body", b""))}
            return message

        return receive
