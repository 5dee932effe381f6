"""Runs the line that the docs show for a client, in the environment of that client.

`line.py LABEL MODE URL` prints one JSON object. The modes: `line` runs the block as it stands,
`plain` the same without us, `install` the same without its hook and with `mcp_session.install()`,
`twice` the same as `plain`, with the call of its last line made once more before it.
"""

import asyncio
import importlib
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
LIMIT_SECONDS = 60.0


def main() -> None:
    label, mode, url = sys.argv[1:]
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    names: dict[str, Any] = {"__name__": "line", "create_mcp_http_client": create_plain}
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
    if not isinstance(content, list):
        return str(content)
    parts: list[Any] = [*content]
    return " ".join(str(getattr(part, "text", part)) for part in parts)


def create_plain(*arguments: Any, follow_redirects: bool = True, **keywords: Any) -> Any:
    """The SDK's own factory, which takes less than some of the SDKs above it pass."""
    factories: Any = importlib.import_module("mcp.shared._httpx_utils")
    client = factories.create_mcp_http_client(*arguments, **keywords)
    client.follow_redirects = follow_redirects
    return client


def block_of(label: str) -> str:
    """The code that the guide has under this label."""
    text = GUIDE.read_text(encoding="utf-8")
    (block,) = re.findall(rf"^```python {label}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return str(block)


def in_mode(block: str, mode: str) -> str:
    """The block as one of the modes has it."""
    if mode == "line":
        return block
    without = HOOK.sub("", block).replace(INSTALL, "")
    assert without != block, "there is nothing of ours in it"
    if mode == "twice":
        head, returned, call = without.rpartition("return ")
        assert returned, "it does not end with a call"
        indent = head.rpartition("\n")[2]
        return f"{head}{call.rstrip()}\n{indent}return {call}"
    return without if mode == "plain" else f"import mcp_session\n{INSTALL}{without}"


if __name__ == "__main__":
    main()
