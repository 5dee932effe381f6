"""Makes the helper modules beside the tests importable, and chooses what is run.

`cell` is a client, a server and how the server answers. By default the cells of a test cover
each pair: every kind of client meets every server, each on every backend and in both ways of
answering. What needs no cell runs once: with mcp 1.x on asyncio, the only one it has, with mcp 2.x
on trio. `--whole` runs the whole product, and everything on every backend.
"""

import functools
import inspect
import itertools
import sys
from collections.abc import Awaitable, Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import sdk
import threads
from cells import Cell
from servers import GENERATIONS, Servers

# Nothing here takes a tenth of this. What does not end is a failure, not a stuck run.
LIMIT_SECONDS = 60.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--threads", action="store_true", help="the client without `async`")
    parser.addoption("--whole", action="store_true", help="every client with every server")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("threads"):
        sdk.create_http_client = threads.create_http_client  # type: ignore[assignment]
    config.addinivalue_line("markers", "streamed: the server streams its answers in every cell")
    config.addinivalue_line("markers", "every_backend: the test is of the event loops too")
    # trio warns of every asynchronous generator that is left before its end, as the SDK leaves
    # those of httpx2 with each stream it closes, with and without us. Of ours it still warns.
    ignored = "ignore:Async generator '(httpx2|httpcore2|mcp)[.]:ResourceWarning"
    config.addinivalue_line("filterwarnings", ignored)
    # mcp 2.x warns of what 2026-07-28 has no more; these tests are of the revisions before.
    config.addinivalue_line("filterwarnings", "ignore:Client-to-server progress is deprecated")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cell" not in metafunc.fixturenames:
        if "anyio_backend" in metafunc.fixturenames:
            whole = metafunc.config.getoption("whole")
            whole = whole or metafunc.definition.get_closest_marker("every_backend")
            metafunc.parametrize("anyio_backend", sdk.BACKENDS if whole else sdk.BACKENDS[-1:])
        return
    # Whether a server streams its answers makes no difference to a test that sets that itself.
    streams = (True,) if metafunc.definition.get_closest_marker("streamed") else (True, False)
    choices = (sdk.KINDS, GENERATIONS, streams, sdk.BACKENDS)
    product = list(itertools.product(*choices))
    chosen = product if metafunc.config.getoption("whole") else pairwise(product)
    arguments = [
        (Cell(kind, server, streams), backend) for kind, server, streams, backend in chosen
    ]
    identities = [f"{cell}, {backend}" for cell, backend in arguments]
    metafunc.parametrize(("cell", "anyio_backend"), arguments, ids=identities)


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.obj = limited(item.obj)


@pytest.fixture
def anyio_backend() -> str:
    """The plugin's own would run every test on every backend; this one is told which."""
    return "asyncio"


@pytest.fixture(scope="session")
def servers() -> Generator[Servers]:
    """Real servers, which are used by one test after the other."""
    kept = Servers()
    yield kept
    kept.close()


def limited(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def within_the_limit(*arguments: Any, **keywords: Any) -> None:
        with anyio.fail_after(LIMIT_SECONDS):
            await test(*arguments, **keywords)

    return within_the_limit


def pairwise(product: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Choose combinations in which every pair of choices that there is occurs."""
    chosen: list[tuple[Any, ...]] = []
    left = set(itertools.chain.from_iterable(map(pairs, product)))
    while left:
        best = max(product, key=lambda combination: len(left & pairs(combination)))
        chosen.append(best)
        left -= pairs(best)
    return chosen


def pairs(combination: tuple[Any, ...]) -> set[tuple[Any, ...]]:
    return set(itertools.combinations(enumerate(combination), 2))
