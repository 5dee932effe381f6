"""A session is for whoever opened it: with the SDK's own authentication, around us and inside."""

from collections.abc import Generator
from typing import Any

import pytest

import raw
from places import Place, workers

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", params=["outside", "inside"])
def place(request: pytest.FixtureRequest) -> Generator[Place]:
    """Two workers; what authenticates is outside of the middleware, or inside of it."""
    with workers("sqlite", count=2, AUTH=request.param) as opened:
        yield opened


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def session(place: Place, token: str) -> raw.Session:
    return raw.Session(place.url, **bearer(token))


async def test_a_stolen_id_gets_what_an_unknown_one_gets_and_its_owner_is_not_disturbed(
    place: Place,
) -> None:
    async with session(place, "app.ada.1") as mine, session(place, "app.eve.1") as hers:
        await mine.open()
        await hers.open()
        hers.session_id, unknown = mine.session_id, "0" * 32
        for number in range(6):
            stolen = await hers.call(number, "run", {"text": "stolen"})
            hers.session_id = unknown
            expected = await hers.call(number, "run", {"text": "stolen"})
            hers.session_id = mine.session_id
            assert shown(stolen) == shown(expected)
            assert stolen.status_code == 404
        assert (await hers.delete()).status_code == 404
        async with hers.stream() as stream:
            assert stream.status_code == 404
        for number in range(6):
            assert (await mine.call(number, "run", {"text": "mine"})).status_code == 200
    assert "stolen" not in place.noted("runs")


async def test_credentials_that_do_not_hold_are_refused_as_without_us(place: Place) -> None:
    async with session(place, "app.ada.2") as mine, session(place, "nonsense") as hers:
        await mine.open()
        hers.session_id = mine.session_id
        answers = [(await hers.call(1, "run", {"text": "no"})).status_code for _ in range(4)]
        assert set(answers) <= {401, 404}
        assert (await mine.call(1, "run", {"text": "mine"})).status_code == 200


async def test_a_refreshed_token_keeps_its_session_where_the_user_is_known(place: Place) -> None:
    async with session(place, "app.ada.3") as mine:
        await mine.open()
        mine.headers = bearer("app.ada.refreshed")
        statuses = {(await mine.call(1, "run", {"text": "x"})).status_code for _ in range(6)}
    # Inside of us, nobody has told us who it is: the credential is all that there is.
    assert statuses == ({200} if place.environment["AUTH"] == "outside" else {404})


async def test_the_same_user_by_another_client_has_another_session(place: Place) -> None:
    async with session(place, "app.ada.4") as mine, session(place, "other.ada.4") as hers:
        await mine.open()
        hers.session_id = mine.session_id
        assert (await hers.call(1, "run", {"text": "no"})).status_code == 404


def shown(answer: Any) -> Any:
    without = {name: value for name, value in answer.headers.items() if name != "date"}
    return (answer.status_code, without, answer.content)
