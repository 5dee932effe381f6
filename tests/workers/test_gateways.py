"""Two gateways that share a Redis, before a server of the SDK that knows nothing of us.

They are replicas: each is reached by its address alone, and every request of a client comes to
whichever takes the connection.
"""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio
import pytest
from mcp_session.testing import free_port

import raw
from clients import call, connected
from places import Place, balancer, end, redis, replicas, until, wait_until_it_serves
from served import GENERATION

pytestmark = pytest.mark.anyio


@dataclass
class Gateways:
    """Where they are, one by one and together, and the server behind them."""

    port: int
    ports: list[int]
    processes: "list[subprocess.Popen[bytes]]"
    server: Place

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def kill(self, number: int) -> None:
        """Kill one, and start it again."""
        self.processes[number].kill()
        self.processes[number].wait()
        self.processes[number] = started(self.server, self.ports[number])


@pytest.fixture(scope="module")
def gateways(request: pytest.FixtureRequest) -> Generator[Gateways]:
    if GENERATION != "mcp1" and not request.config.getoption("--whole"):
        # The other environment has more to do.
        pytest.skip("of the whole run")
    with redis() as table, replicas("", count=1) as server, opened(server, table.url) as found:
        yield found


@contextmanager
def opened(server: Place, table: str) -> Generator[Gateways]:
    server.environment["GATEWAYS_TABLE"] = table
    ports = [free_port(), free_port()]
    processes = [started(server, port) for port in ports]
    try:
        with balancer(ports) as port:
            for each in ports:
                wait_until_it_serves(each)
            yield Gateways(port, ports, processes, server)
    finally:
        for process in processes:
            end(process)


def started(server: Place, port: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "mcp_session", "gateway", server.url, "--port", str(port)]
    command += ["--sessions", server.environment["GATEWAYS_TABLE"], "--log-level", "error"]
    command += ["--peer-url", f"http://127.0.0.1:{port}"]
    # As on another host: another folder for sockets is another host's.
    own = server.notes / f"t{port}"
    own.mkdir(exist_ok=True)
    return subprocess.Popen(command, env=server.environment | {"TMPDIR": str(own)})


async def test_thirty_of_thirty_calls_get_through_and_each_runs_once(gateways: Gateways) -> None:
    async with connected(gateways.url) as session:
        answers = [await call(session, "run", text=f"call-{number}") for number in range(30)]
        kept = [await call(session, "remember", text=str(number)) for number in range(6)]

    assert answers == [f"call-{number}" for number in range(30)]
    assert kept[-1] == "0,1,2,3,4,5"
    runs = gateways.server.noted("runs")
    assert [runs.count(f"call-{number}") for number in range(30)] == [1] * 30


async def test_twelve_of_twelve_questions_of_either_kind_are_answered(gateways: Gateways) -> None:
    async with connected(gateways.url) as session:
        elicited = [await call(session, "elicit", text=f"q{number}") for number in range(12)]
        sampled = [await call(session, "ask", text=f"q{number}") for number in range(12)]

    assert elicited == [f"answer:said q{number}" for number in range(12)]
    assert sampled == [f"answer:heard q{number}" for number in range(12)]


async def test_a_session_that_was_deleted_is_deleted_for_both(gateways: Gateways) -> None:
    async with raw.Session(gateways.url) as session:
        await session.open()
        assert (await session.delete()).status_code in {200, 204}
        for number in range(6):
            answer = await session.post(raw.tool_call(number, "run", {"text": "deleted"}))
            assert answer.status_code == 404
            assert answer.json() == raw.not_found(number)
    assert "deleted" not in gateways.server.noted("runs")


async def test_sessions_go_on_whichever_gateway_is_killed(gateways: Gateways) -> None:
    for killed in range(2):
        async with connected(gateways.url) as session:
            for number in range(4):
                await call(session, "run", text=f"before-{killed}-{number}")
            gateways.kill(killed)
            with anyio.fail_after(30):
                text = f"after-{killed}"
                assert await call(session, "run", text=text) == text
            wait_until_it_serves(gateways.ports[killed])

    runs = gateways.server.noted("runs")
    assert [runs.count(f"after-{killed}") for killed in range(2)] == [1, 1]


async def test_a_call_in_flight_at_a_gateway_that_is_killed_ends_and_runs_once(
    gateways: Gateways,
) -> None:
    async with raw.Session(gateways.url) as session:
        await session.open()
        ends = list[str]()

        async def call_slowly(number: int) -> None:
            arguments = {"text": f"in-flight-{number}", "seconds": 3}
            try:
                answer = await session.call(100 + number, "slow", arguments)
                ends.append(answer.text)
            except Exception as error:  # noqa: BLE001 - cut, of either library
                ends.append(type(error).__name__)

        async with anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(call_slowly, number)
            begun = {f"in-flight-{number}" for number in range(6)}
            await until(lambda: begun <= set(gateways.server.noted("begun")))
            gateways.kill(0)

    assert len(ends) == 6
    assert all('"result"' in it or '"error"' in it or it.endswith("Error") for it in ends)
    began = gateways.server.noted("begun")
    assert [began.count(f"in-flight-{number}") for number in range(6)] == [1] * 6
