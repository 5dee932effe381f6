"""Which module of the package imports which: no two of them in a circle, types included."""

import ast
from collections.abc import Iterable, Mapping

from golden import TESTS

PACKAGE = TESTS.parent / "python" / "mcp_session"


def test_no_modules_import_each_other_in_a_circle() -> None:
    sources = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path.read_text(encoding="utf-8")
        for path in PACKAGE.rglob("*.py")
    }

    edges = imports(sources)
    left = circle(edges)
    assert [(name, it) for name in sorted(left) for it in sorted(edges[name] & left)] == []


def test_a_circle_is_found_also_where_only_types_make_it() -> None:
    sources = {
        "p": "from p.a import A",
        "p.a": "import p.b",
        "p.b": "if TYPE_CHECKING:\n    from p import c",
        "p.c": "def f():\n    from p.a import A",
        "p.d": "from p.a import A",
    }

    assert circle(imports(sources)) == {"p.a", "p.b", "p.c"}


def imports(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Which modules of these each of them imports."""
    found: dict[str, set[str]] = {}
    for name, source in sources.items():
        names: list[str] = []
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                names += [
                    inner if (inner := f"{node.module}.{alias.name}") in sources else node.module
                    for alias in node.names
                ]
        found[name] = {module for module in names if module in sources} - {name}
    return found


def circle(edges: Mapping[str, Iterable[str]]) -> set[str]:
    """What is left when the modules that import none, or that none imports, are taken away."""
    left = set(edges)
    while True:
        importing = {name for name in left if left.intersection(edges[name])}
        imported = {it for name in left for it in edges[name]}
        if importing & imported == left:
            return left
        left = importing & imported
