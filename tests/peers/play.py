"""Plays situations with the clients of the environment it runs in, and prints what came of each.

Reads cells from standard input, one JSON array a line, and prints what came of each. It is a
program of its own because each SDK has its own environment, and because a client that hangs
for good has to be killed: `matrix.py` does both.
"""

import functools
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio

sys.path.insert(0, str(Path(__file__).parents[1] / "clients"))
sys.path.insert(0, str(Path(__file__).parent))

import sdk
from peer_clients import CLIENTS, Create
from peer_servers import AnyServer, PeerServers
from plan import Cell
from situations import SITUATIONS, DiffersError, Play, server_options

# How long a call may take. Without us a call that ends at all ends in a fraction of this; with
# us it is only a question of how busy the machine is.
PLAIN_SECONDS, OUR_SECONDS = 8.0, 40.0


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    with PeerServers() as servers:
        for line in sys.stdin:
            outcome, detail = play(Cell(*json.loads(line)), servers)
            print(json.dumps([outcome, detail]), flush=True)


def play(cell: Cell, servers: PeerServers) -> tuple[str, str]:
    """Play one cell; return what came of it in a word, and what was said."""
    try:
        anyio.run(play_situation, cell, servers)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # a task group that dies ends its tasks so
        return outcome_of(error)
    return "ok", ""


async def play_situation(cell: Cell, servers: PeerServers) -> None:
    options = server_options(cell.situation, cell.server)
    async with servers.use(cell.server, *options) as server:
        await SITUATIONS[cell.situation](
            Play(
                server,
                connecting(cell.client, server, MODES[cell.mode]),
                connecting(cell.client, server, sdk.create_plain_http_client),
                PLAIN_SECONDS if cell.mode == "plain" else OUR_SECONDS,
            )
        )


MODES: dict[str, Create] = {
    "plain": sdk.create_plain_http_client,
    "ours": sdk.create_http_client,
    "no quirks": functools.partial(sdk.create_http_client, quirks=False),
}


def connecting(client: str, server: AnyServer, create: Create) -> Any:
    connect = CLIENTS[client]

    def create_watched(*arguments: Any, **keywords: Any) -> Any:
        # The SDK's own factory takes less than some of the SDKs would pass.
        follow_redirects = keywords.pop("follow_redirects", True)
        http_client = create(*arguments, **keywords)
        http_client.follow_redirects = follow_redirects
        server.watch(http_client)
        return http_client

    return lambda: connect(server.url, create_watched)


def outcome_of(error: BaseException) -> tuple[str, str]:
    found = list(leaves(error))
    for leaf in found:
        if isinstance(leaf, DiffersError):
            return "differs", str(leaf)
    for leaf in found:
        if isinstance(leaf, TimeoutError) and "cancel scope" not in str(leaf):
            return "hangs", "the call did not end"
    for leaf in found:
        if isinstance(leaf, sdk.CallError):
            return "error", f"{leaf.code} {leaf.message}".replace("\n", " ")[:200]
    return "dies", " and ".join(sorted({type(leaf).__name__ for leaf in found}))


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors within the groups that the tasks of SDKs wrap them in."""
    inner = getattr(error, "exceptions", ())
    for one in inner:
        yield from leaves(one)
    if not inner:
        yield error


if __name__ == "__main__":
    main()
