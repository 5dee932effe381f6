"""A client as users of fastmcp 4.x write one.

It does in one session what the tests count, a connection for each request so that each may reach
another process, deletes the session, and prints what it was answered. The last argument is the URL.
"""

import json
import sys
from typing import Any

import anyio
import httpx2
from person import call, person, transports


def http_client(**options: Any) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_keepalive_connections=0)
    options.setdefault("timeout", httpx2.Timeout(30, read=120))
    return httpx2.AsyncClient(limits=limits, **options)


async def main() -> None:
    """Call, and answer whatever the server asks."""
    transport = transports.StreamableHttpTransport(sys.argv[-1], httpx_client_factory=http_client)
    answers: dict[str, list[str]] = {}
    async with person(transport) as client:
        for tool, count in {"run": 30, "remember": 5, "elicit": 12, "ask": 12}.items():
            for number in range(count):
                answer = await call(client, tool, f"{tool}-{number}")
                answers.setdefault(tool, []).append(answer)
    print(json.dumps(answers))


anyio.run(main)
