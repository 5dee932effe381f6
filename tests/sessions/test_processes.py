"""Many processes at one table."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from claimant import KEY
from tables import Loop, Tables, entry, open_table, settle

CLAIMANT = Path(__file__).with_name("claimant.py")
ROUNDS = 100


def claimant(*arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, CLAIMANT, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_of_processes_that_claim_at_once_exactly_one_wins_each_time(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    address = str(tmp_path / "table.db")
    if kind == "redis":
        server = request.getfixturevalue("server")
        settle(server, "mcp-session")
        address = server.url
    # They make the file together, too.
    processes = [claimant(kind, address, f"p{number}", ROUNDS) for number in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    won = [process.communicate()[0].split() for process in processes]

    assert [process.returncode for process in processes] == [0] * 3
    assert sorted(int(claim) for claims in won for claim in claims) == [*range(1, ROUNDS + 1)]
    # Else they had not been at it together.
    assert sum(bool(claims) for claims in won) > 1
    with Loop() as loop:
        table = open_table(kind, address)
        found = loop.run(table.find(KEY))
        loop.run(table.aclose())
    assert found is not None
    assert found.entry == entry(ROUNDS, found.entry.owner)
    assert str(ROUNDS) in won[int(found.entry.owner[1:])]


def test_a_file_outlives_processes_that_are_killed_while_they_write(tmp_path: Path) -> None:
    path = tmp_path / "table.db"
    for round_ in range(2):
        writers = [claimant("sqlite", path, f"w{round_}{number}") for number in range(2)]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            writer.kill()
        for writer in writers:
            writer.communicate()

    with Tables("sqlite", tmp_path, None) as tables:
        for round_ in range(2):
            found = tables.run(tables.open().find(f"w{round_}01".encode()))
            assert found is not None
            assert found.entry == entry(1, f"w{round_}0")
            assert found.addresses == b"here"
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
