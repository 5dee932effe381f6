"""The lines that the docs show for the SDK that is installed, run as they stand."""

import importlib
import importlib.util
import re
from typing import Any

import pytest

import sdk
from peer_servers import PeerServers
from servers import ROOT

pytestmark = pytest.mark.anyio

GUIDE = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
GENERATION = 4 if sdk.MODERN_SDK else 2
PACKAGES = {
    "pydantic_ai": "pydantic-ai",
    "agents": "openai",
    "langchain_mcp_adapters": "langchain",
    "fastmcp": f"fastmcp{GENERATION}",
}
INSTALLED = next(label for name, label in PACKAGES.items() if importlib.util.find_spec(name))


@pytest.mark.parametrize("server_name", ["mcp1", "mcp2"])
async def test_the_lines_for_this_sdk_call_a_tool(server_name: str, servers: PeerServers) -> None:
    block = block_of(INSTALLED)
    names: dict[str, Any] = {}
    exec(compile(block, "integrations.md", "exec"), names)  # noqa: S102 - it is our own

    async with servers.use(server_name) as server:
        result = await names["main"](server.url)

    assert "still here" in str(getattr(result, "content", result))
    assert names["create_mcp_http_client"] is sdk.ours().create_mcp_http_client


if INSTALLED == "fastmcp4":

    @pytest.mark.parametrize("server_name", ["mcp1", "mcp2"])
    async def test_the_line_that_the_readme_adds_calls_a_tool(
        server_name: str, servers: PeerServers
    ) -> None:
        imports, _, _ = block_of("fastmcp4").partition("async def main")
        (line,) = re.findall(r"^\+(async with .*)$", README, re.MULTILINE)
        call = "return await client.call_tool('echo', {'text': 'still here'})"
        code = f"{imports}async def main(url):\n    {line}\n        {call}\n"
        names: dict[str, Any] = {}
        exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - it is our own

        async with servers.use(server_name) as server:
            result = await names["main"](server.url)

        assert "still here" in str(result.content)


def block_of(label: str) -> str:
    """The code that the guide has under this label."""
    (block,) = re.findall(rf"^```python {label}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    return str(block)
