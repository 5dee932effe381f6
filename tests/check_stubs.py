"""Compares the stubs of the compiled core with what it has, by mypy's stubtest.

`python tests/check_stubs.py`; `mcp_session` has to be importable. The core is one module, and its
stub a package: stubtest looks at each part beside a module, which is made here of the core's names.
"""

import ast
import sys
from pathlib import Path
from types import ModuleType

from mcp_session import _core
from mypy import stubtest

STUBS = Path(__file__).resolve().parents[1] / "python" / "mcp_session" / "_core"


def main() -> int:
    """Compare; return 1 if they differ."""
    for stub in STUBS.glob("_[a-z]*.pyi"):
        part = ModuleType(f"{_core.__name__}.{stub.stem}")
        names = names_in(stub)
        vars(part).update({name: getattr(_core, name) for name in names}, __all__=names)
        sys.modules[part.__name__] = part
    return stubtest.test_stubs(stubtest.parse_options([_core.__name__]))


def names_in(stub: Path) -> list[str]:
    """List the names that a part of the stub is for."""
    (names,) = (
        node.value
        for node in ast.parse(stub.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    listed: list[str] = ast.literal_eval(names)
    return listed


if __name__ == "__main__":
    sys.exit(main())
