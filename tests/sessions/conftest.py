"""The tables under test, and the Redis or Valkey that one of them needs."""

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1]))

from redis_program import NAMES, find_program, program
from redis_server import RedisServer
from tables import KINDS, Tables

# Nothing is judged by how long it takes: the machines are noisy. A run fails because of a change,
# not by chance: other examples than always are those of `HYPOTHESIS_PROFILE=fresh`.
settings.register_profile("fresh", deadline=None, suppress_health_check=list(HealthCheck))
settings.register_profile("same", settings.get_profile("fresh"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisServer]:
    """One server for the tests that leave it as it is; each has a prefix of its own."""
    server = RedisServer(program(), tmp_path_factory.mktemp("redis"))
    with server:
        yield server


@pytest.fixture
def server(tmp_path: Path) -> Generator[RedisServer]:
    """A server of this test alone, which may do to it what it likes."""
    with RedisServer(program(), tmp_path) as server:
        yield server


@pytest.fixture(params=KINDS)
def tables(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Tables]:
    """One kind of table: as many objects as the test wants, all of one table."""
    kind: str = request.param
    server = request.getfixturevalue("shared_server") if kind == "redis" else None
    with Tables(kind, tmp_path, server) as tables:
        yield tables


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say aloud what was not tested."""
    if find_program() is None:
        terminalreporter.write_line(f"{', '.join(NAMES)}: none is here that will do, NOT TESTED")
