"""Keeps the lease of this process, from a thread with an event loop of its own.

A loop that is blocked for a while by the application, or by a debugger, loses no session. One that
is closed, or blocked for good, does.
"""

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from functools import partial

import anyio

from mcp_session._asgi._foreign import described_error
from mcp_session._host import seconds_since_start
from mcp_session.replica import Find, Renew, Replica, SessionRun, Step, Swap
from mcp_session.sessions import SessionEntry, SessionTable, SessionTableError

__all__ = ["Heartbeat", "Lease", "Pulse"]

_logger = logging.getLogger("mcp_session.asgi")

_RENEWAL_SECONDS = 1.0
# A table that was replaced waits until those that live have said so.
_TABLE_SECONDS = 2.5
_TURN_SECONDS = 0.01
# So many at once: of a thousand processes that lost their leases together, more would keep one
# Redis too busy to renew them (docs/scale.md).
_UPKEEP_AT_ONCE = 4
# Of a lease that is this near to its end, nobody can say that it is not over.
_MARGIN = 0.2
_BEATS_BETWEEN_TOUCHES = 10


class Lease:
    """What this process may assume of its lease, and how it asks the table.

    Time is that of this process, from before a renewal was sent: the lease began later.
    """

    def __init__(  # noqa: PLR0913 - by name
        self,
        table: SessionTable,
        replica: Replica,
        *,
        addresses: bytes,
        seconds: float,
        entry_seconds: float,
        tombstone_seconds: float,
    ) -> None:
        """Ask this table in the name of this replica."""
        self.table, self.replica, self.seconds = table, replica, seconds
        # Announced with each renewal.
        self.addresses = addresses
        self._entry_seconds, self._tombstone_seconds = entry_seconds, tombstone_seconds
        self._ends = 0.0
        self._renewing = threading.Lock()
        self.end_fenced: Callable[[list[int]], None] = _nobody

    def look_at_the_clock(self) -> None:
        """Tell the replica if its lease may be over."""
        # The clock of the table goes on while the host sleeps, too.
        if seconds_since_start() >= self._ends:
            self.replica.lease_over()

    def in_time(self, run: SessionRun) -> SessionRun:
        """Return a run, which has to know the time whenever it is told something."""
        self.look_at_the_clock()
        return run

    async def renew(self) -> bool:
        """Renew the lease; return whether it had lapsed. Raises what a table raises."""
        with anyio.fail_after(2 * _RENEWAL_SECONDS):
            # Of all event loops of the process, one at a time: the machine asks for that.
            while not self._renewing.acquire(blocking=False):  # noqa: ASYNC110 - across loops
                await asyncio.sleep(_TURN_SECONDS)
        try:
            return await self._renew()
        finally:
            self._renewing.release()

    async def look_after(self) -> None:
        """Look at the processes that requests wait for, and end what waits in vain."""
        for key in self.replica.look_after():
            with suppress(SessionTableError, TimeoutError), anyio.fail_after(_TABLE_SECONDS):
                if (found := await self.table.find(key)) is not None:
                    entry, alive = found.entry, found.addresses is not None
                    self.replica.looked_after(key, entry.owner, entry.claim, alive=alive)
        self.end_what_is_fenced()

    def end_what_is_fenced(self) -> None:
        """End the requests that the machine names."""
        if fenced := self.replica.take_fenced():
            self.end_fenced(fenced)

    async def withdraw(self) -> None:
        """Let the lease go; where that fails, it ends by itself."""
        self._ends = 0.0
        self.look_at_the_clock()
        with suppress(SessionTableError, TimeoutError), anyio.fail_after(_TABLE_SECONDS):
            await self.table.withdraw(self.replica.identity)

    async def close_table(self) -> None:
        """Close what this event loop has open of the table, as far as that can be waited for."""
        with suppress(SessionTableError, TimeoutError), anyio.fail_after(_TABLE_SECONDS):
            await self.table.aclose()

    async def touch(self) -> None:
        """Let the entries of sessions that were used live on. Raises what a table raises."""
        self.replica.note_running()
        while keys := self.replica.take_used():
            with anyio.fail_after(_TABLE_SECONDS):
                missing = await self.table.touch(keys, self._entry_seconds)
            self.replica.missing(missing)

    async def ask(self, run: SessionRun, step: Find | Renew | Swap) -> Step:
        """Do a step that asks the table; return the next."""
        try:
            tell = await self._asked(run, step)
        except (SessionTableError, TimeoutError):
            tell = run.table_failed
        # The time that it took has to be known before what it brought.
        self.look_at_the_clock()
        next_step = tell()
        self.end_what_is_fenced()
        return next_step

    async def _renew(self) -> bool:
        begun = seconds_since_start()
        try:
            with anyio.fail_after(_RENEWAL_SECONDS):
                lapsed = await self.table.renew(self.replica.identity, self.addresses, self.seconds)
        except BaseException:
            # It may have been granted all the same, at a time that nobody here knows.
            self.replica.renewal_failed()
            raise
        self._ends = begun + self.seconds * (1 - _MARGIN)
        return lapsed

    async def _asked(self, run: SessionRun, step: Find | Renew | Swap) -> Callable[[], Step]:
        match step:
            case Find():
                with anyio.fail_after(_TABLE_SECONDS):
                    found = await self.table.find(step.key)
                if found is None:
                    return partial(run.found, None, None)
                entry = (found.entry.claim, found.entry.owner, found.entry.value)
                return partial(run.found, entry, found.addresses)
            case Renew():
                return partial(run.renewed, lapsed=await self.renew())
            case _:
                live = self._entry_seconds if step.live else self._tombstone_seconds
                entry_to_write = SessionEntry(step.claim, step.owner, step.value)
                with anyio.fail_after(_TABLE_SECONDS):
                    won = await self.table.swap(
                        step.key, expected=step.expected, entry=entry_to_write, seconds=live
                    )
                return partial(run.swapped, won)


class Pulse(Enum):
    """Whether the event loop runs that serves what this process owns."""

    BEATS = "it runs"
    STUCK = "it has not run for long, and nobody should wait for it"
    GONE = "it is closed, and runs no more"


class Heartbeat:
    """Renews a lease until it is stopped; a daemon, as no process should wait for it."""

    def __init__(self, lease: Lease, pulse: Callable[[], Pulse], *, interval: float) -> None:
        """Renew every `interval` seconds, as long as `pulse`, called at each beat, says so."""
        self._lease, self._pulse, self._interval = lease, pulse, interval
        self._thread = threading.Thread(target=self._main, name="mcp-session-lease", daemon=True)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()

    def start(self) -> None:
        """Begin, with a renewal at once."""
        self._thread.start()

    async def stop(self) -> None:
        """Renew no more, and let the lease go."""
        if self._thread.is_alive():
            # It may be about to end by itself.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
            await asyncio.to_thread(self._thread.join, 2 * _TABLE_SECONDS)

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._beat_on())
        finally:
            self._loop.close()

    async def _beat_on(self) -> None:
        beats = 0
        while not self._stop.is_set():
            pulse = self._pulse()
            if pulse is Pulse.GONE:
                break
            try:
                if pulse is Pulse.BEATS:
                    await self._beat(beats)
            except (SessionTableError, TimeoutError) as error:
                self._lease.look_at_the_clock()
                if beats % _BEATS_BETWEEN_TOUCHES == 0:
                    _logger.warning("The table of sessions cannot be asked: %s", _shown(error))
            except Exception as error:  # noqa: BLE001 - a process without a heart holds no session
                _logger.error("The lease could not be renewed: %s", described_error(error))  # noqa: TRY400 - without its text
            beats += 1
            # Those that were started together do not ask together.
            jittered = self._interval * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
            with anyio.move_on_after(jittered):
                await self._stop.wait()
        await self._lease.withdraw()
        await self._lease.close_table()

    async def _beat(self, beats: int) -> None:
        replica = self._lease.replica
        lapsed = await self._lease.renew()
        self._lease.look_at_the_clock()
        replica.renewed(lapsed=lapsed)
        # There may be more to write than there is time for until the next renewal is due.
        due = time.monotonic() + self._interval
        while time.monotonic() < due:
            runs = [run for _ in range(_UPKEEP_AT_ONCE) if (run := replica.upkeep()) is not None]
            if not runs:
                break
            await asyncio.gather(*map(self._write, runs))
        if beats % _BEATS_BETWEEN_TOUCHES == 0:
            await self._lease.touch()

    async def _write(self, run: SessionRun) -> None:
        with run:
            step: Step = run.step
            while isinstance(step, (Find, Renew, Swap)):
                step = await self._lease.ask(run, step)


def _nobody(_fenced: list[int]) -> None:
    pass


def _shown(error: Exception) -> str:
    return str(error) or "it did not answer in time"
