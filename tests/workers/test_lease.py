"""What a process may assume of its own lease."""

import sys
import time

import pytest
from mcp_session._asgi._heartbeat import Lease
from mcp_session.replica import Replica
from mcp_session.sessions import MemorySessions

pytestmark = pytest.mark.anyio


@pytest.mark.skipif(sys.platform != "linux", reason="others have no such clock")
async def test_a_lease_is_over_where_the_host_has_slept_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replica = Replica("process 1", b"sixteen bytes or more")
    lease = Lease(
        MemorySessions(),
        replica,
        addresses=b"",
        seconds=1000.0,
        entry_seconds=1000.0,
        tombstone_seconds=1000.0,
    )
    replica.renewed(lapsed=await lease.renew())
    lease.look_at_the_clock()
    assert replica.lease_is_fresh

    # Of a sleep only this clock knows, and that of a table on another host.
    time_of = time.clock_gettime

    def after_a_sleep(clock: int) -> float:
        return time_of(clock) + 1000.0 * (clock == time.CLOCK_BOOTTIME)

    monkeypatch.setattr(time, "clock_gettime", after_a_sleep)
    lease.look_at_the_clock()

    assert not replica.lease_is_fresh
