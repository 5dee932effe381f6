"""What goes out of an answer where that is not the message at hand alone."""

from collections.abc import Iterable

from anyio.lowlevel import checkpoint

from mcp_session._asgi import Message, Send

__all__ = ["send_all"]


async def send_all(send: Send, messages: Iterable[Message], rests: bool, /) -> None:  # noqa: FBT001 - called from the core
    """Send what was kept back, if it is time for it; else let others run, if it is for that."""
    for message in messages:
        await send(message)
    if rests:
        # Whoever sends into the void without end lets others run all the same.
        await checkpoint()
