"""The traffic that was recorded of real servers."""

from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def requests(folder: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted((TESTS / "exchanges" / folder).glob("*.request")):
        yield path.stem, path.read_bytes()


def responses(folder: str) -> dict[str, bytes]:
    paths = (TESTS / "exchanges" / folder).glob("*.response")
    return {path.stem: path.read_bytes() for path in paths}


def server_verdicts(folder: str) -> dict[str, str]:
    """What a server has to make of each exchange, as `exchanges.expected` has it by hand."""
    verdicts: dict[str, str] = {}
    for line in (TESTS / "exchanges.expected").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{folder}/"):
            name, _, _, verdict = line.split()
            verdicts[name.removeprefix(f"{folder}/")] = verdict
    return verdicts
