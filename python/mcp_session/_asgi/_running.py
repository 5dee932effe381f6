"""The requests that are running: who waits for which, and which have to end."""

import asyncio
from collections.abc import Iterable

import anyio

from mcp_session.replica import SessionRun

__all__ = ["Running", "RunningRequest"]

_LOOKED_AT_SECONDS = 0.05


class RunningRequest:
    """One request: it can be told to end."""

    __slots__ = ("_is_over", "_stepped", "is_ended", "run", "scope")

    def __init__(self, run: SessionRun) -> None:
        """Stand for a run of the machine."""
        self.run = run
        self.is_ended = self._is_over = False
        self.scope = anyio.CancelScope()
        # There is nobody who waits, as a rule.
        self._stepped: asyncio.Event | None = None

    def end(self) -> None:
        """End what it does, at its next wait."""
        self.is_ended = True
        self.scope.cancel()

    def take_end(self) -> bool:
        """Return whether it was ended; what is to be done about that is not."""
        was_ended, self.is_ended = self.is_ended, False
        if was_ended:
            self.scope = anyio.CancelScope()
        return was_ended

    def note_step(self) -> None:
        """Wake those that wait, to look whether it is past its taking."""
        if self._stepped is not None:
            self._stepped.set()

    def note_end(self) -> None:
        """Wake those that wait: it takes nothing any more."""
        self._is_over = True
        self.note_step()

    async def past_its_taking(self, seconds: float) -> None:
        """Wait until it has taken its session, or failed to; at most so long."""
        stepped = self._stepped = self._stepped or asyncio.Event()
        with anyio.move_on_after(seconds):
            while self.run.is_taking and not self._is_over:
                stepped.clear()
                # It also takes while it answers, where no step is noted.
                with anyio.move_on_after(_LOOKED_AT_SECONDS):
                    await stepped.wait()


class Running:
    """The requests of this process, by the numbers that the machine gives them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._requests: dict[int, RunningRequest] = {}

    def add(self, run: SessionRun) -> RunningRequest:
        """Add a request."""
        request = self._requests[run.number] = RunningRequest(run)
        return request

    def remove(self, request: RunningRequest) -> None:
        """Remove a request that is over; nobody waits for it any longer."""
        del self._requests[request.run.number]
        request.note_end()

    async def past_the_taking_of(self, number: int, seconds: float) -> None:
        """Wait until a run takes its session no more; at most so long."""
        request = self._requests.get(number)
        if request is None:
            # It is of the heart, or over: to come again is to find out.
            await anyio.sleep(_LOOKED_AT_SECONDS)
        else:
            await request.past_its_taking(seconds)

    def end(self, numbers: Iterable[int]) -> None:
        """End those that are still running."""
        for number in numbers:
            if (request := self._requests.get(number)) is not None:
                request.end()

    def end_all(self) -> None:
        """End whatever runs."""
        self.end(list(self._requests))
