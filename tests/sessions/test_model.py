"""Any sequence of calls, held against a model that says what each may answer, times included."""
# Hypothesis' state machines have no types in its versions for CPython 3.10.
# pyright: reportUnknownVariableType=false

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from mcp_session.sessions import SessionEntry

from tables import LONG, Tables

Result = TypeVar("Result")

RUN_MACHINE: Callable[..., None] = run_state_machine_as_test

SHORT = 0.01
# Milliseconds are rounded up, and two clocks are read.
SLACK = 0.005
KEYS = st.sampled_from([b"k1", b"k2", b"\x00\xff"])
REPLICAS = st.sampled_from(["a", "b"])
SECONDS = st.sampled_from([LONG, LONG, SHORT])
CLAIMS = st.integers(0, 3)


@dataclass
class Ending:
    """Something that ends between two times, because a call took some time itself."""

    earliest: float
    latest: float

    def lives(self, begun: float, ended: float) -> set[bool]:
        """Whether it lived when a call between these times looked at it: what is possible."""
        return {
            lives
            for lives, possible in ((True, begun < self.latest), (False, ended >= self.earliest))
            if possible
        }


@dataclass
class Lease(Ending):
    addresses: bytes


@dataclass
class Stored(Ending):
    entry: SessionEntry


class TableMachine(RuleBasedStateMachine):
    """Calls of two objects of one table."""

    tables: Tables
    opening: Any

    def __init__(self) -> None:
        super().__init__()
        self.tables = self.opening()
        self.objects = [self.tables.open(), self.tables.open()]
        self.stored: dict[bytes, Stored] = {}
        self.leases: dict[str, Lease] = {}
        # Through which object a replica was last told that its lease is new.
        self.told: dict[str, int] = {}

    def teardown(self) -> None:
        self.tables.__exit__(None, None, None)

    def timed(self, call: Coroutine[Any, Any, Result]) -> tuple[Result, float, float]:
        begun = time.monotonic()
        result = self.tables.run(call)
        return result, begun - SLACK, time.monotonic() + SLACK

    @rule(number=st.integers(0, 1), key=KEYS)
    def find(self, number: int, key: bytes) -> None:
        found, begun, ended = self.timed(self.objects[number].find(key))

        stored = self.stored.get(key)
        possible = {False} if stored is None else stored.lives(begun, ended)
        assert (found is not None) in possible
        if found is None:
            self.stored.pop(key, None)
            return
        assert stored is not None
        assert found.entry == stored.entry
        lease = self.leases.get(stored.entry.owner)
        leased = {False} if lease is None else lease.lives(begun, ended)
        assert (found.addresses is not None) in leased
        if found.addresses is None:
            self.leases.pop(stored.entry.owner, None)
        else:
            assert lease is not None
            assert found.addresses == lease.addresses

    @rule(
        number=st.integers(0, 1),
        key=KEYS,
        expected=st.none() | CLAIMS,
        claim=CLAIMS,
        owner=REPLICAS | st.just(""),
        value=st.binary(max_size=5),
        seconds=SECONDS,
    )
    def swap(
        self,
        number: int,
        key: bytes,
        expected: int | None,
        claim: int,
        owner: str,
        value: bytes,
        seconds: float,
    ) -> None:
        entry = SessionEntry(claim, owner, value)
        written, begun, ended = self.timed(
            self.objects[number].swap(key, expected=expected, entry=entry, seconds=seconds)
        )

        stored = self.stored.get(key)
        lives = {False} if stored is None else stored.lives(begun, ended)
        claims = {stored.entry.claim if stored is not None and it else None for it in lives}
        assert written in {claim == expected for claim in claims}
        if written:
            self.stored[key] = Stored(begun + seconds, ended + seconds, entry)
        elif expected is None:
            # So it was there.
            assert stored is not None
            stored.earliest = max(stored.earliest, begun)

    @rule(number=st.integers(0, 1), keys=st.sets(KEYS), seconds=SECONDS)
    def touch(self, number: int, keys: set[bytes], seconds: float) -> None:
        missing, begun, ended = self.timed(self.objects[number].touch(keys, seconds))

        assert missing <= keys
        for key in keys:
            stored = self.stored.get(key)
            lives = {False} if stored is None else stored.lives(begun, ended)
            assert (key not in missing) in lives
            if key in missing:
                self.stored.pop(key, None)
            elif stored is not None:
                self.stored[key] = Stored(begun + seconds, ended + seconds, stored.entry)

    @rule(
        number=st.integers(0, 1),
        replica=REPLICAS,
        addresses=st.binary(max_size=3),
        seconds=SECONDS,
    )
    def renew(self, number: int, replica: str, addresses: bytes, seconds: float) -> None:
        new, begun, ended = self.timed(self.objects[number].renew(replica, addresses, seconds))

        lease = self.leases.get(replica)
        lives = {False} if lease is None else lease.lives(begun, ended)
        if self.tables.kind != "memory" and self.told.get(replica) != number:
            # A process that was not told of this lease may have lost it.
            lives = {False}
        assert new in {not it for it in lives}
        if new:
            self.told[replica] = number
        self.leases[replica] = Lease(begun + seconds, ended + seconds, addresses)

    @rule(number=st.integers(0, 1), replica=REPLICAS)
    def withdraw(self, number: int, replica: str) -> None:
        self.timed(self.objects[number].withdraw(replica))

        self.leases.pop(replica, None)

    @rule()
    def let_time_pass(self) -> None:
        self.tables.run(asyncio.sleep(SHORT + 3 * SLACK))


def test_no_sequence_of_calls_is_answered_otherwise_than_the_model_allows(
    tables: Tables, tmp_path: Path
) -> None:
    numbers = iter(range(1_000_000))

    def opening() -> Tables:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return Tables(tables.kind, folder, tables.server)

    machine = type("Machine", (TableMachine,), {"opening": staticmethod(opening)})
    RUN_MACHINE(machine, settings=settings(max_examples=10, stateful_step_count=40))
