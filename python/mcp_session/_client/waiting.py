"""Tasks of any event loop, or threads without one, that wait for one session."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import anyio
from anyio.lowlevel import current_token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

__all__ = ["Waiting", "Waits"]

# What those wait for who need another session, whoever makes it.
NEW_SESSION = object()

# What those wait for whose server is not there: another session, or the end of theirs.
SERVER = object()


async def call_apart(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Call what may be cancelled for reasons of its own; those are not its caller's."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(function)


def entrance() -> Callable[[Callable[[], object]], object]:
    """Give what calls a function in this event loop."""
    return partial(call_in, current_token())


def call_in(token: object, function: Callable[[], object]) -> None:
    """Call a function in the event loop that has this token."""
    with suppress(Exception):  # outside any event loop there is no token of one's own
        if token == current_token():
            function()
            return
    # asyncio's event loop and trio's token have each a way in for other threads.
    loop: Any = getattr(token, "native_token", token)
    enter = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon
    with suppress(RuntimeError):  # it has come to its end, and nobody waits there
        enter(function)


@dataclass(frozen=True)
class Waits:
    """How it is waited: as anyio has it where there is an event loop, or in its place."""

    move_on_after: Callable[[float], anyio.CancelScope] = anyio.move_on_after
    event: Callable[[], anyio.Event] = anyio.Event
    entrance: Callable[[], Callable[[Callable[[], object]], object]] = entrance
    """Gives what calls a function in the event loop where it was given, from any thread."""
    call_apart: Callable[[Callable[[], Coroutine[Any, Any, None]]], Awaitable[None]] = call_apart
    can_await: bool = True
    """Whether there is an event loop."""


class Waiting:
    """Those who wait for a recovery, by the ids of their requests; and for a new session."""

    __slots__ = ("_lock", "_waiters", "_waits")

    def __init__(self, waits: Waits) -> None:
        """Begin with nobody."""
        self._waits = waits
        self._waiters: dict[object, dict[object, Callable[[], object]]] = {}
        self._lock = Lock()

    @property
    def count(self) -> int:
        """How many are held."""
        with self._lock:
            apart = NEW_SESSION, SERVER
            return sum(len(it) for key, it in self._waiters.items() if key not in apart)

    async def until(self, is_settled: Callable[[], bool], key: object) -> None:
        """Wait until this is so; it is asked again whenever somebody is woken."""
        while not await self._woken(is_settled, key):
            pass

    async def for_the_server(self, is_settled: Callable[[], bool]) -> None:
        """Wait until another session stands, or its caller has ended this one."""
        await self.until(is_settled, SERVER)

    def add(self, waiter: object, wake: Callable[[], object], key: object = NEW_SESSION) -> None:
        """Let one wait, whom this wakes, from any thread; until it is removed."""
        with self._lock:
            self._waiters.setdefault(key, {})[waiter] = wake

    def remove(self, waiter: object, key: object = NEW_SESSION) -> None:
        """Let one wait no more, if it does."""
        with self._lock:
            waiters = self._waiters.get(key, {})
            waiters.pop(waiter, None)
            if not waiters:
                self._waiters.pop(key, None)

    def wake(self, key: bytes | None) -> None:
        """Let those look again whose request this is."""
        if key is not None:
            self._wake(key)

    def wake_all(self, *, has_new_session: bool = False, is_closed: bool = False) -> None:
        """Let all who are held look again: the recovery is over, or one of them may lead."""
        apart = {NEW_SESSION: has_new_session, SERVER: has_new_session or is_closed}
        with self._lock:
            keys = tuple(self._waiters)
        for key in keys:
            if apart.get(key, True):
                self._wake(key)

    async def _woken(self, is_settled: Callable[[], bool], key: object) -> bool:
        event = self._waits.event()
        self.add(event, partial(self._waits.entrance(), event.set), key)
        try:
            # Asked once it can be woken, so that no other thread comes in between.
            if is_settled():
                return True
            await event.wait()
            return False
        finally:
            self.remove(event, key)

    def _wake(self, key: object) -> None:
        with self._lock:
            wakes = tuple(self._waiters.get(key, {}).values())
        for wake in wakes:
            wake()
