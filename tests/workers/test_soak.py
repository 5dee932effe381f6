"""The soak, short: `--whole` makes it ten minutes."""

import pytest

from places import redis, workers
from soak import WORKERS, Soak

pytestmark = pytest.mark.anyio


async def test_nothing_is_lost_and_nothing_runs_twice_while_processes_are_killed(
    whole: bool,  # noqa: FBT001 - a fixture
) -> None:
    soak = Soak()
    with redis() as table, workers(table.url, count=WORKERS, ARRIVALS="yes") as place:
        await soak.run(place, table, 600 if whole else 15)
        soak.show(place)
        assert soak.problems(place) == []
    assert soak.answered
