"""A client as users of fastmcp 4.x write one.

It does in one session what the tests count, a connection for each request so that each may reach
another process, deletes the session, and prints what it was answered. The last argument is the URL.
"""

import json
import sys
from importlib import import_module
from typing import Any

import anyio
import httpx2

# Checkers run where it is not installed.
Client: Any = import_module("fastmcp").Client
Transport: Any = import_module("fastmcp.client.transports").StreamableHttpTransport


async def main() -> None:
    """Call, and answer whatever the server asks."""

    def http_client(**options: Any) -> httpx2.AsyncClient:
        limits = httpx2.Limits(max_keepalive_connections=0)
        options.setdefault("timeout", httpx2.Timeout(30, read=120))
        return httpx2.AsyncClient(limits=limits, **options)

    async def elicited(message: str, response_type: Any, *_: object) -> Any:
        return response_type(text=f"said {message}")

    async def sampled(messages: Any, *_: object) -> str:
        return f"heard {messages[0].content.text}"

    transport = Transport(sys.argv[-1], httpx_client_factory=http_client)
    # Of the revisions that have sessions.
    client = Client(
        transport, mode="legacy", elicitation_handler=elicited, sampling_handler=sampled
    )
    answers: dict[str, list[str]] = {}
    async with client:
        for tool, count in {"run": 30, "remember": 5, "elicit": 12, "ask": 12}.items():
            for number in range(count):
                result = await client.call_tool(tool, {"text": f"{tool}-{number}"})
                answers.setdefault(tool, []).append(result.content[0].text)
    print(json.dumps(answers))


anyio.run(main)
