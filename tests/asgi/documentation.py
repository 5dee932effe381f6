"""The proxy that the documentation shows, taken from there."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def proxy(upstream: str) -> Any:
    guide = (ROOT / "docs" / "servers.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", guide, flags=re.DOTALL | re.MULTILINE)
    (block,) = (block for block in blocks if "def proxy(" in block)
    names: dict[str, Any] = {}
    exec(compile(block, "docs/servers.md", "exec"), names)  # noqa: S102 - it is our own
    return names["proxy"](upstream)


def framework_rows(path: str) -> list[tuple[str, str, str]]:
    """The framework, the transport and the expression of each row about one."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return re.findall(r"^\| (\S+ \d\.x), `\w+` \| (.*?) \| `(.*)` \|$", text, flags=re.MULTILINE)
