"""The requests that are running: who waits for which, and which have to end."""

import asyncio
from collections.abc import Iterable

import anyio

from mcp_session.replica import SessionRun

__all__ = ["Running", "RunningRequest"]

_LOOKED_AT_SECONDS = 0.05


class RunningRequest:
    """One request: it can be told to end."""

    def __init__(self, run: SessionRun) -> None:
        """Stand for a run of the machine."""
        self.run = run
        self.scope = anyio.CancelScope()
        self.is_ended = self.is_relayed_stream = False
        self._is_past = asyncio.Event()

    def end(self) -> None:
        """End what it does, at its next wait."""
        self.is_ended = True
        self.scope.cancel()

    def look_whether_it_is_past(self) -> None:
        """Wake those that wait until this one has taken its session."""
        if not self.run.is_taking:
            self._is_past.set()

    async def past_its_taking(self, seconds: float) -> None:
        """Wait until it has taken its session, or failed to; at most so long."""
        with anyio.move_on_after(seconds):
            await self._is_past.wait()


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
        request.look_whether_it_is_past()

    def find(self, number: int) -> RunningRequest | None:
        """Find a request that is running."""
        return self._requests.get(number)

    def end(self, numbers: Iterable[int]) -> None:
        """End those that are still running."""
        for number in numbers:
            if (request := self._requests.get(number)) is not None:
                request.end()

    def end_all(self) -> None:
        """End whatever runs."""
        self.end(list(self._requests))

    def end_relayed_streams(self) -> None:
        """End the streams that another process serves, through this one."""
        for request in list(self._requests.values()):
            if request.is_relayed_stream:
                request.end()
