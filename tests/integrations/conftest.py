"""Makes the helper modules importable, and lets clients be named."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "clients"))
sys.path.insert(0, str(Path(__file__).parents[1] / "peers"))
sys.path.insert(0, str(Path(__file__).parent))

from peer_servers import PeerServers


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--client", action="append", default=[], help="only clients of this label")
    parser.addoption("--part", action="store_true", help="only cases in which every pair occurs")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def servers() -> Iterator[PeerServers]:
    with PeerServers() as kept:
        yield kept
