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
        sdk.create_http_client = threads.create_http_client
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("threads"):
        items[:] = [item for item in items if not is_of_event_loops(item.name)]
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


def is_of_event_loops(name: str) -> bool:
    """Whether a test is of tasks, hooks, bodies or generators that are awaited: no thread is."""
    return name.partition("[")[0] in OF_EVENT_LOOPS


OF_EVENT_LOOPS = {
    # Hooks that are awaited.
    "test_a_re_initialization_has_the_timeouts_of_the_request_that_needs_it",
    "test_event_hooks_see_every_exchange_as_it_is_on_the_wire",
    "test_a_hook_for_events_that_raises_changes_nothing",
    "test_a_hook_for_exchanges_that_raises_in_a_recovery_fails_that_one",
    "test_a_hook_that_raises_for_a_status_hides_no_end_of_a_session",
    "test_of_a_hook_that_hides_an_end_for_good_is_told_once",
    "test_those_who_wait_are_let_go_when_the_hook_has_set_up_the_new_session",
    "test_a_hook_that_does_not_return_harms_nobody",
    "test_a_hook_whose_own_calls_fail_is_told_of_them_from_within_no_more_than_a_bound",
    "test_a_call_that_is_cancelled_while_the_application_is_told_lets_its_answer_go",
    "test_a_call_that_waits_for_the_hook_is_held_no_longer_than_any_other",
    "test_who_waits_for_the_applications_hook_is_let_go_when_it_is_called_off",
    "test_a_stream_whose_wait_begins_when_its_session_is_closed_does_not_wait",
    "test_what_was_decided_before_a_delete_does_not_go_out_after_it",
    # Bodies and transports that are awaited.
    "test_a_body_that_is_streamed_is_not_touched",
    "test_a_streamed_body_that_is_sent_again_has_one_length",
    "test_a_body_that_cannot_be_awaited_is_refused_in_a_session_as_without_one",
    "test_a_session_that_is_begun_by_a_body_without_end_is_not_followed",
    "test_one_client_is_used_from_several_event_loops",
    # What is told of asynchronous generators.
    "test_of_a_stream_that_is_left_early_the_collector_gets_no_more_than_without_us",
    # Tasks that are cancelled: a thread would go on, and the process would wait for its end.
    "test_a_server_whose_sessions_die_with_their_stream_is_not_asked_for_one_after_another",
    "test_a_leader_that_is_cancelled_hands_over_to_one_who_waits",
    "test_a_trial_that_comes_to_nothing_lets_those_go_who_wait_for_it",
}


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
