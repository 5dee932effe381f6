"""Runs the line that the docs show for a client, in the environment of that client.

`line.py LABEL MODE URL` prints one JSON object. The modes: `line` runs the block as it stands,
`plain` the same without us, `install` the same without its hook and with `mcp_session.install()`.
"""

import asyncio
import inspect
import json
import logging
import re
import sys
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "integrations.md"
HOOK = re.compile(r"^( *)from mcp_session\.httpx2? import create_mcp_http_client$", re.MULTILINE)
INSTALL = "mcp_session.install()\n"
SDK = r"\1from mcp.shared._httpx_utils import create_mcp_http_client"
LIMIT_SECONDS = 60.0


def main() -> None:
    label, mode, url = sys.argv[1:]
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    names: dict[str, Any] = {"__name__": "line"}
    exec(compile(in_mode(block_of(label), mode), GUIDE.name, "exec"), names)  # noqa: S102 - our own
    result = names["main"](url)
    if inspect.isawaitable(result):
        result = asyncio.run(limited(result))
    print(json.dumps({"text": text_of(result)}), flush=True)


async def limited(result: Any) -> Any:
    return await asyncio.wait_for(result, LIMIT_SECONDS)


def text_of(result: Any) -> str:
    """What a call gave, in whatever each client wraps it."""
    content: Any = getattr(result, "content", result)
    parts: list[Any] = content if isinstance(content, list) else [content]
    return " ".join(str(getattr(part, "text", part)) for part in parts)


def block_of(label: str) -> str:
    """The code that the guide has under this label."""
    text = GUIDE.read_text(encoding="utf-8")
    (block,) = re.findall(rf"^```python {label}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return str(block)


def in_mode(block: str, mode: str) -> str:
    """The block with the hook, without us, or with `install` in place of the hook."""
    if mode == "line":
        return block
    without = HOOK.sub(SDK, block).replace(INSTALL, "")
    assert without != block, "there is nothing of ours in it"
    return without if mode == "plain" else f"import mcp_session\n{INSTALL}{without}"


if __name__ == "__main__":
    main()
