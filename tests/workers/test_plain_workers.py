"""What a plain client meets at several workers without a table: the reason for all of this."""

import pytest

from clients import call, connected
from places import workers

pytestmark = pytest.mark.anyio


async def test_without_a_table_hardly_a_call_reaches_its_session() -> None:
    with workers("", count=4) as place:
        through = list[int]()
        with pytest.raises(BaseException):  # noqa: B017, PT011 - of either SDK, in groups or not
            await calls(place.url, through)
        assert len(through) < 30


async def calls(url: str, through: list[int]) -> None:
    async with connected(url) as session:
        for number in range(30):
            await call(session, "run", text=str(number))
            through.append(number)
