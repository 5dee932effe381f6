"""The copy-paste lines of the guide for the official SDK, run as they stand."""

import re
from typing import Any

import pytest

import sdk
from servers import GENERATIONS, ROOT, real_server

pytestmark = pytest.mark.anyio

BLOCK = re.compile(rf"^```python {sdk.GENERATION}\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_the_lines_for_this_sdk_call_a_tool(generation: str) -> None:
    (block,) = BLOCK.findall((ROOT / "docs" / "integrations.md").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    exec(compile(block, "integrations.md", "exec"), names)  # noqa: S102 - it is our own

    async with real_server(generation) as server:
        result = await names["main"](server.url)

    assert result.content[0].text == "still here"
    assert names["create_mcp_http_client"] is sdk.ours().create_mcp_http_client
