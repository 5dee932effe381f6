"""What the table is about: which client meets which server, and in what situation.

Nothing here needs an SDK, so that it can be planned where none is installed.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

CLIENTS = {
    "mcp1": ("mcp 1.x ClientSession", "mcp 1.x streamablehttp_client"),
    "mcp2": ("mcp 2.x ClientSession", "mcp 2.x Client, legacy", "mcp 2.x Client, auto"),
    "fastmcp2": ("fastmcp 2.x",),
    "fastmcp4": ("fastmcp 4.x",),
    "langchain": ("langchain-mcp-adapters",),
    "openai": ("openai-agents", "openai-agents, 2 retries"),
    "pydantic-ai": ("pydantic-ai",),
}
"""The clients, by the environment they need."""

OFFICIAL = ("mcp1", "mcp2")

PYTHON = ("mcp1", "mcp2", "fastmcp2", "fastmcp4")
"""Servers that write down what they saw, and do on command whatever the situations need."""

FOREIGN = ("everything", "typescript", "typescript-one", "rmcp-new", "rmcp-old")
"""Servers in other languages, run as their users run them."""

SERVER_NAMES = {
    "mcp1": "mcp 1.x",
    "mcp2": "mcp 2.x",
    "fastmcp2": "fastmcp 2.x",
    "fastmcp4": "fastmcp 4.x",
    "everything": "server-everything (npm)",
    "typescript": "@modelcontextprotocol/server (npm)",
    "typescript-one": "@modelcontextprotocol/server (npm), one transport",
    "rmcp-new": "rmcp 3.x (Rust)",
    "rmcp-old": "rmcp 0.8 (Rust)",
}

MODERN_SERVERS = ("mcp2", "fastmcp4")
"""Servers that speak 2026-07-28, without sessions, with a client that does."""

MODERN_CLIENTS = (
    "mcp 2.x Client, auto",
    "fastmcp 4.x",
    "openai-agents",
    "openai-agents, 2 retries",
    "pydantic-ai",
)
"""Clients that speak 2026-07-28 with a server that does."""

SITUATIONS = {
    "restart": "the server is killed and restarted; the next call succeeds",
    "deleted": "the session is deleted behind the client's back, twice; the next call succeeds",
    "idle timeout": "the server's idle timeout ends the session; the next call succeeds",
    "20 at once": "20 calls at once after a restart all succeed, in exactly one new session",
    "call while down": "two calls while the server is down fail, alone; the next after it is back"
    " succeeds",
    "in flight, deleted": "a call whose session is deleted meanwhile ends with an error, is not"
    " executed twice, and the next succeeds",
    "in flight, killed": "the same for a call whose server is killed and restarted meanwhile",
    "push": "after a restart, a notification of the server's reaches the client",
    "close": "after a restart, closing the client DELETEs the session that stands then",
    "sessionless": "with a server without sessions, no exchange is another than without us",
    "modern": "by revision 2026-07-28, no exchange is another than without us",
    "down, sessionless": "with a server without sessions, two calls while it is down fail, alone;"
    " the next after it is back succeeds",
    "down, modern": "the same by revision 2026-07-28",
}

OF_FOREIGN = ("restart", "20 at once", "call while down", "close")
"""What is asked of servers that write nothing down and do nothing on command."""

COMPARED = ("sessionless", "modern")
"""Situations in which the plain client is what ours is compared with."""


WITHOUT_SESSION = ("down, sessionless", "down, modern")
"""Situations in which there is no session to lose; asked of the official SDK, as others add
nothing to it there."""


class Cell(NamedTuple):
    """A client, `plain` or with `ours`, and what it is put through."""

    client: str
    server: str
    situation: str
    mode: str


class Explained(NamedTuple):
    """Cells that cannot be green, and why. What is empty stands for all."""

    reason: str
    mode: str = "ours"
    client: str = ""
    servers: tuple[str, ...] = ()
    situations: tuple[str, ...] = ()
    at_times: bool = False
    """They are green at other times: it depends on which of two is quicker."""

    def explains(self, cell: Cell) -> bool:
        """Whether the cell is one of these."""
        return (
            cell.mode == self.mode
            and self.client in {"", cell.client}
            and (not self.servers or cell.server in self.servers)
            and (not self.situations or cell.situation in self.situations)
        )


MISREPORTED = (
    "these servers answer a session they do not know with 400 or 401, which is a terminated session"
    " only to a client that acts on misreports (`quirks`, which is on by default)"
)

TWICE = (
    "with retries, openai-agents itself sends a call again whose connection was closed, in a"
    " session of its own beside ours, and the tool runs twice; so it does without us wherever"
    " a session was deleted, and where a killed server is back before the last retry, which some"
    " servers are and others are not; nobody below it can tell the second call from a first"
)

EXPLAINED = (
    Explained(MISREPORTED, mode="no quirks", servers=("everything", "typescript-one")),
    Explained(
        MISREPORTED,
        mode="no quirks",
        servers=("rmcp-old",),
        # It answers any DELETE 202.
        situations=("restart", "20 at once", "call while down"),
    ),
    Explained(TWICE, client="openai-agents, 2 retries", situations=("in flight, deleted",)),
    Explained(
        TWICE,
        client="openai-agents, 2 retries",
        situations=("in flight, killed",),
        # A server that takes longer to start than its three tries last runs the call once.
        at_times=True,
    ),
)


def whole() -> Iterator[Cell]:
    """Every cell there is."""
    for client in itertools.chain.from_iterable(CLIENTS.values()):
        for server, situation in itertools.product(PYTHON, SITUATIONS):
            if arises(client, server, situation):
                if situation not in COMPARED:
                    yield Cell(client, server, situation, "plain")
                yield Cell(client, server, situation, "ours")
    for client, server in itertools.product(CLIENTS["mcp2"], FOREIGN):
        for situation, mode in itertools.product(OF_FOREIGN, ("plain", "no quirks", "ours")):
            if arises(client, server, situation):
                yield Cell(client, server, situation, mode)


def arises(client: str, server: str, situation: str) -> bool:
    """Whether the two can come into the situation."""
    if situation in WITHOUT_SESSION:
        official = {client for name in OFFICIAL for client in CLIENTS[name]}
        if client not in official or server not in OFFICIAL:
            return False
    if situation in {"modern", "down, modern"}:
        return client in MODERN_CLIENTS and server in MODERN_SERVERS
    if server == "rmcp-new" and client in MODERN_CLIENTS:
        # They agree on 2026-07-28, and have no session to lose.
        return False
    # fastmcp 2.x has no setting for it.
    return not (situation == "idle timeout" and server == "fastmcp2")


def part() -> list[Cell]:
    """Cells in which every pair of a client, a server and a situation occurs.

    All with our client. The official SDK's clients have tests of their own, so that of those
    one meets the servers in other languages, restarted, as the rulings on quirks say.
    """
    official = {client for name in OFFICIAL for client in CLIENTS[name]}
    ours = [cell for cell in whole() if cell.mode == "ours" and cell.client not in official]
    of_modes = [
        Cell("mcp 2.x Client, legacy", server, "restart", mode)
        for server, mode in itertools.product(FOREIGN, ("no quirks", "ours"))
    ]
    return pairwise(ours) + of_modes


def pairwise(cells: Sequence[Cell]) -> list[Cell]:
    """Choose cells in which every pair of things that meet in any cell meet."""
    chosen: list[Cell] = []
    left = set(itertools.chain.from_iterable(map(pairs, cells)))
    while left:
        best = max(cells, key=lambda cell: len(left & pairs(cell)))
        chosen.append(best)
        left -= pairs(best)
    return chosen


def pairs(cell: Cell) -> set[tuple[str, str]]:
    return set(itertools.combinations((cell.client, cell.server, cell.situation), 2))
