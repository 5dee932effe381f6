"""An event loop whose time is ours: it stops when there is nothing to do but wait."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from typing import Any

    from _typeshed import FileDescriptorLike

__all__ = ["VirtualLoop"]


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop in which no time passes but what `advance` lets pass.

    So what a client does between two things that happen is all that it does, however slow the
    machine is, and a back-off of a minute takes no time.

    >>> import asyncio
    >>> from mcp_session.testing._virtual_loop import VirtualLoop
    >>> loop = VirtualLoop()
    >>> task = loop.create_task(asyncio.sleep(60, "awake"))
    >>> loop.settle()
    >>> task.done()
    False
    >>> loop.advance(60)
    >>> task.result()
    'awake'
    >>> loop.end()
    """

    def __init__(self) -> None:
        """Begin at zero."""
        self._now = 0.0
        self._until = 0.0
        super().__init__(_Idle(self))

    def time(self) -> float:
        """Return the time that `advance` let pass."""
        return self._now

    def settle(self) -> None:
        """Run until nothing is left to do but to wait."""
        self.run_forever()

    def advance(self, seconds: float) -> None:
        """Let time pass, with all that comes due in it."""
        self._until = self._now + seconds
        self.run_forever()

    def waits(self, timeout: float | None) -> None:
        """Take that the loop would now wait so long: go on in time, or stop."""
        left = self._until - self._now
        if left <= 0:
            self.stop()
        elif timeout is None or timeout > left:
            self._now = self._until
            self.stop()
        else:
            self._now += timeout

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run what needs no time to its end."""
        task = self.create_task(coroutine)
        self.settle()
        if task.done():
            task.result()

    def end(self) -> None:
        """Cancel all that is left, and close."""
        tasks = asyncio.all_tasks(self)
        for task in tasks:
            task.cancel()
        self.settle()
        for task in tasks:
            if task.done() and not task.cancelled():
                task.exception()
        self.run(self.shutdown_asyncgens())
        self.close()


class _Idle(selectors.BaseSelector):
    """The selector of a loop that never waits."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._selector = selectors.DefaultSelector()

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        return self._selector.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._selector.unregister(fileobj)

    def modify(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        return self._selector.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._selector.select(0)
        if not ready and (timeout is None or timeout > 0):
            self._loop.waits(timeout)
        return ready

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._selector.get_map()

    def close(self) -> None:
        self._selector.close()
