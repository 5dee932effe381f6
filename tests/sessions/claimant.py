"""A process that claims sessions of a table beside others; see test_processes.py.

Arguments: kind and address of the table, its name, the number of rounds. It claims the session of
each round as soon as it sees the claim of another for the round before, and prints the rounds that
it won.
"""

import asyncio
import sys

from mcp_session.sessions import SessionTableError, TableFault

from tables import LONG, entry, open_table

KEY = b"claimed by all"


async def claim_all(kind: str, address: str, name: str, rounds: int) -> None:
    table = open_table(kind, address)
    print("ready", flush=True)
    sys.stdin.readline()
    claim = 0
    while claim < rounds:
        found = await table.find(KEY)
        claim = 0 if found is None else found.entry.claim
        if claim >= rounds:
            break
        if found is not None and found.entry.owner == name:
            # Else the one that runs first may win every round before the others run at all.
            continue
        expected = None if found is None else claim
        new = entry(claim + 1, name)
        if await table.swap(KEY, expected=expected, entry=new, seconds=LONG):
            print(claim + 1, flush=True)
    await table.aclose()


async def write_for_ever(kind: str, address: str, name: str) -> None:
    """Write until somebody ends it, whatever becomes of the table meanwhile."""
    table = open_table(kind, address)
    number = 0
    while True:
        number += 1
        try:
            await table.renew(name, b"here", LONG)
            await table.swap(
                f"{name}{number}".encode(), expected=None, entry=entry(1, name), seconds=LONG
            )
        except SessionTableError as error:
            if error.fault is not TableFault.BUSY:
                raise
        if number == 1:
            print("ready", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 4:
        asyncio.run(claim_all(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
    else:
        asyncio.run(write_for_ever(sys.argv[1], sys.argv[2], sys.argv[3]))
