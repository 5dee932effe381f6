"""A client of fastmcp 4.x that answers whatever the server asks."""

from importlib import import_module
from typing import Any

# Checkers run where it is not installed.
fastmcp: Any = import_module("fastmcp")
transports: Any = import_module("fastmcp.client.transports")


def person(transport: Any) -> Any:
    """Make it, of the revisions that have sessions."""
    handlers = {"elicitation_handler": elicited, "sampling_handler": sampled}
    return fastmcp.Client(transport, mode="legacy", **handlers)


async def call(client: Any, tool: str, text: str) -> str:
    """Call a tool; what it says."""
    result = await client.call_tool(tool, {"text": text})
    return str(result.content[0].text)


async def elicited(message: str, response_type: Any, *_: object) -> Any:
    return response_type(text=f"said {message}")


async def sampled(messages: Any, *_: object) -> str:
    return f"heard {messages[0].content.text}"
