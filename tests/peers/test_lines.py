"""The copy-paste lines of the README for the SDK that is installed, run as they stand."""

import importlib
import importlib.util
import re
from typing import Any

import pytest

import sdk
from peer_servers import PeerServers
from servers import ROOT

pytestmark = pytest.mark.anyio

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
    (block,) = re.findall(rf"^```python {INSTALLED}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - it is our own

    async with servers.use(server_name) as server:
        result = await names["main"](server.url)

    assert "still here" in str(getattr(result, "content", result))
    assert names["create_mcp_http_client"] is sdk.ours().create_mcp_http_client
