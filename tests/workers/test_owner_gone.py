"""The process that held a session is gone: another takes it over, and the client goes on."""

import itertools
import os
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

import anyio
import pytest

import raw
from clients import HTTP, call, connected
from places import Place, all_serve, kill, redis, replicas, until, workers

pytestmark = pytest.mark.anyio


@contextmanager
def replicas_with_redis() -> Generator[Place]:
    with redis() as table, replicas(table.url, count=2) as place:
        yield place


PLACES = {
    "workers": lambda: workers("sqlite", count=3),
    "replicas": replicas_with_redis,
}


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest) -> Generator[Place]:
    with PLACES[request.param]() as opened:
        yield opened


async def test_the_next_call_after_a_kill_is_answered_and_the_session_goes_on(
    place: Place, record_property: Callable[[str, object], None]
) -> None:
    async with connected(place.url) as session:
        for number in range(2):
            owner = int(await call(session, "whoami"))
            kill(place, owner)
            begun = time.monotonic()
            assert await call(session, "run", text=f"after-{number}") == f"after-{number}"
            seconds = time.monotonic() - begun
            record_property(f"seconds after kill {number}", seconds)
            print(f"answered {seconds:.2f} s after the owner was killed")
            all_serve(place)
            assert int(await call(session, "whoami")) != owner

    assert [place.noted("runs").count(f"after-{number}") for number in range(2)] == [1, 1]


async def test_ten_sessions_of_a_killed_process_are_restored_once_each(place: Place) -> None:
    before = len(place.noted("restored"))
    async with raw.Session(place.url) as first:
        sessions = [first]
        await first.open()
        sessions += [raw.Session(place.url) for _ in range(19)]
        for session in sessions[1:]:
            await session.open()
        owners = {session: await whoami(session) for session in sessions}
        victim = owners[first]
        lost = [session for session in sessions if owners[session] == victim]
        kill(place, victim)
        answers = dict[raw.Session, set[int]]()

        async def ask(session: raw.Session) -> None:
            answer = await session.call(next(numbers), "whoami", {})
            while answer.status_code == 502:
                # What was sent to a process at its end may have run: that is said, not repeated.
                answer = await session.call(next(numbers), "whoami", {})
            answers.setdefault(session, set()).add(said(answer))

        # Several requests of each at once: one process claims it.
        async with anyio.create_task_group() as tasks:
            for session in sessions:
                for _ in range(3):
                    tasks.start_soon(ask, session)

    for session in sessions:
        assert len(answers[session]) == 1
        assert (answers[session] == {owners[session]}) == (session not in lost)
    assert len(place.noted("restored")) - before == len(lost)


async def test_a_call_that_was_running_ends_in_an_error_and_runs_no_second_time(
    place: Place,
) -> None:
    # To wait for what was killed before may take longer than the call.
    all_serve(place)
    async with raw.Session(place.url) as session:
        await session.open()
        owner = await whoami(session)
        ended = anyio.Event()
        failed = []

        async def call_slowly() -> None:
            try:
                answer = await session.call(7, "slow", {"text": "in-flight", "seconds": 30})
                if answer.status_code >= 400 or '"error"' in answer.text:
                    failed.append(answer.status_code)
            except Exception as error:  # noqa: BLE001 - a connection that was cut, of either library
                failed.append(type(error).__name__)
            ended.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call_slowly)
            with anyio.fail_after(30):
                await until(place.has_noted, "begun", "in-flight")
                kill(place, owner)
                await ended.wait()
        assert await whoami(session) != owner

    assert len(failed) == 1
    assert place.noted("begun").count("in-flight") == 1
    assert "in-flight" not in place.noted("runs")


async def test_a_running_call_that_was_forwarded_ends_with_an_error_for_its_id() -> None:
    with replicas("sqlite", count=2) as place:
        async with raw.Session(place.url) as session:
            await session.open()
            owner = await whoami(session)
            ports = zip(place.processes, place.ports, strict=True)
            (port,) = [port for process, port in ports if process.pid != owner]
            answers = list[Any]()

            async def call_slowly() -> None:
                url = f"http://127.0.0.1:{port}/mcp"
                arguments = {"text": "forwarded", "seconds": 60}
                answers.append(await session.call(7, "slow", arguments, url=url))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call_slowly)
                await until(place.has_noted, "begun", "forwarded")
                kill(place, owner)
    # It ends as a stream does, so that no client waits.
    assert answers[0].status_code == 200
    assert '"code":-32603' in answers[0].text
    assert answers[0].text.endswith('"id":7}\n\n')
    assert place.noted("begun").count("forwarded") <= 1


async def test_a_process_that_is_started_where_the_owner_was_is_not_taken_for_it() -> None:
    # The lease of the one before it stands for longer than anybody waits.
    with replicas("sqlite", count=2, LEASE="30") as place:
        async with raw.Session(place.url) as session:
            await session.open()
            owner = await whoami(session)
            ports = zip(place.processes, place.ports, strict=True)
            (there,) = [port for process, port in ports if process.pid != owner]
            kill(place, owner)
            all_serve(place)
            url = f"http://127.0.0.1:{there}/mcp"
            answer = await session.call(7, "run", {"text": "once"}, url=url)
            # It was not sent round and round there, until somebody cut it as in doubt.
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert place.noted("runs") == []
            with anyio.fail_after(60):
                while answer.status_code == 503:
                    answer = await session.call(8, "run", {"text": "once"}, url=url)
            assert answer.status_code == 200
            assert place.noted("runs") == ["once"]


async def test_a_request_waits_until_a_long_lease_is_over_and_is_answered() -> None:
    with replicas("sqlite", count=2, LEASE="4") as place:
        async with raw.Session(place.url) as session:
            await session.open()
            owner = await whoami(session)
            pairs = list(zip(place.processes, place.ports, strict=True))
            (gone,) = [process for process, _ in pairs if process.pid == owner]
            (there,) = [port for process, port in pairs if process.pid != owner]
            gone.kill()
            gone.wait()
            url = f"http://127.0.0.1:{there}/mcp"
            answer = await session.call(7, "run", {"text": "once"}, url=url)
            assert answer.status_code == 200
            assert place.noted("runs") == ["once"]


async def test_a_process_that_hangs_loses_its_sessions_and_runs_nothing_when_it_wakes(
    place: Place,
) -> None:
    async with raw.Session(place.url) as session:
        await session.open()
        owner = await whoami(session)
        os.kill(owner, signal.SIGSTOP)
        try:
            with anyio.fail_after(60):
                # What is sent while it looks alive may reach it, and ends in an error.
                while True:
                    with suppress(Exception):
                        # Whoever takes the connection may be the sleeper.
                        with anyio.fail_after(5):
                            answer = await session.call(next(numbers), "whoami", {})
                        if answer.status_code == 200 and str(owner) not in answer.text:
                            break
                    await anyio.sleep(0.1)
                new_owner = said(answer)
        finally:
            os.kill(owner, signal.SIGCONT)
        for _ in range(6):
            assert await whoami(session) == new_owner


async def test_a_call_that_runs_at_a_process_which_is_paused_ends_with_an_error_when_it_wakes() -> (
    None
):
    with replicas_with_redis() as place:
        async with raw.Session(place.url) as session:
            await session.open()
            owner = await whoami(session)
            pairs = zip(place.processes, place.ports, strict=True)
            ports = {process.pid: port for process, port in pairs}
            (other,) = ports.keys() - {owner}
            answers = list[Any]()

            async def call_slowly() -> None:
                url = f"http://127.0.0.1:{ports[owner]}/mcp"
                arguments = {"text": "paused", "seconds": 60}
                answers.append(await session.call(7, "slow", arguments, url=url))

            with anyio.fail_after(120):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(call_slowly)
                    await until(place.has_noted, "begun", "paused")
                    os.kill(owner, signal.SIGSTOP)
                    try:
                        # Longer than its lease: the other has the session by then.
                        session.url = f"http://127.0.0.1:{ports[other]}/mcp"
                        answer = await session.call(next(numbers), "whoami", {})
                        while answer.status_code in {502, 503}:
                            answer = await session.call(next(numbers), "whoami", {})
                        assert said(answer) == other
                    finally:
                        os.kill(owner, signal.SIGCONT)
            assert answers[0].status_code == 200
            assert answers[0].text.endswith('"id":7}\n\n')
            assert '"code":-32603' in answers[0].text
            assert await whoami(session) == other


async def test_what_redis_has_thrown_away_or_lost_is_there_again_while_its_owner_lives() -> None:
    with redis() as table, replicas(table.url, count=2) as place:
        async with raw.Session(place.url) as session:
            await session.open()
            owner = await whoami(session)
            ports = zip(place.processes, place.ports, strict=True)
            there = {process.pid: f"http://127.0.0.1:{port}/mcp" for process, port in ports}
            for throw_away in (table.evict, table.flush):
                throw_away()
                # The owner serves on, and learns of it.
                session.url = there[owner]
                assert await whoami(session) == owner
                with anyio.fail_after(60):
                    while not table.entries():  # noqa: ASYNC110 - nobody here is told of it
                        await anyio.sleep(0.1)
                (session.url,) = (url for pid, url in there.items() if pid != owner)
                assert await whoami(session) == owner


numbers = itertools.count(1000)


async def whoami(session: raw.Session) -> int:
    # With an id of its own: the SDKs take two requests of one id for one.
    return said(await session.call(next(numbers), "whoami", {}))


def said(answer: Any) -> int:
    assert answer.status_code == 200, answer.text
    return int(answer.text.split('"text":"')[1].split('"')[0])


async def test_without_restore_the_end_of_the_owner_is_the_end_of_its_sessions() -> None:
    with workers("sqlite", count=2, RESTORE="no") as place:
        async with raw.Session(place.url) as session, raw.Session(place.url) as other:
            await session.open()
            await other.open()
            os.kill(await whoami(session), signal.SIGKILL)
            with anyio.fail_after(30):
                answer = await session.call(9, "whoami", {})
                while answer.status_code == 503:
                    answer = await session.call(9, "whoami", {})
            assert answer.status_code == 404
            assert answer.json() == raw.not_found(9)


async def test_the_only_process_is_killed_and_started_again() -> None:
    with replicas("sqlite", count=1) as place:
        async with connected(place.url) as session:
            owner = int(await call(session, "whoami"))
            kill(place, owner)
            assert int(await call(session, "whoami")) != owner
            assert await call(session, "run", text="after") == "after"
        assert place.noted("restored") == [str(place.processes[0].pid)]


async def test_a_session_that_the_application_forgot_is_restored() -> None:
    with replicas("memory", count=1, IDLE="0.5") as place:
        async with raw.Session(place.url) as session:
            await session.open()
            await anyio.sleep(2)
            assert await whoami(session) == place.processes[0].pid
        assert len(place.noted("restored")) == 1


async def test_a_rolling_restart_loses_no_session() -> None:
    with workers("sqlite", count=2) as place:
        async with raw.Session(place.url) as session:
            await session.open()
            first = {await whoami(session)}
            os.kill(place.processes[0].pid, signal.SIGHUP)
            seen = list[int]()
            with anyio.fail_after(60):
                while len(set(seen)) < 2 or seen[-1] in first:
                    await anyio.sleep(0.05)
                    with suppress(httpx_errors()):
                        # Its worker may just have stopped to listen.
                        answer = await session.call(next(numbers), "whoami", {})
                        assert answer.status_code in {200, 503}, answer.text
                        if '"result"' in answer.text:
                            seen.append(said(answer))
                        else:
                            # It ran in a process that ended before it had answered.
                            assert not answer.text or '"error"' in answer.text, answer.text
            await until(lambda: not first & set(place.workers()))


def httpx_errors() -> type[Exception]:
    error: type[Exception] = HTTP.TransportError
    return error


async def test_when_redis_is_gone_what_is_held_here_is_served_and_the_rest_is_503() -> None:
    with redis() as table, replicas(table.url, count=2) as place:
        async with raw.Session(place.url) as session:
            await session.open()
            owner = await whoami(session)
            table.kill()
            with anyio.fail_after(30):
                await anyio.sleep(2)
                statuses = {}
                for process, port in zip(place.processes, place.ports, strict=True):
                    there = f"http://127.0.0.1:{port}/mcp"
                    answer = await session.call(3, "whoami", {}, url=there)
                    statuses[process.pid] = answer.status_code
                    if process.pid != owner:
                        assert answer.headers["retry-after"] == "1"
                        assert answer.json()["error"]["code"] == -32603
    assert statuses.pop(owner) == 200
    assert list(statuses.values()) == [503]
