"""Writes the docstrings of the compiled core into its stubs, where editors look for them.

`python tests/stub_docs.py NAME...` does so for these classes and functions, without names for all;
`mcp_session` has to be importable. What is there already is replaced.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from mcp_session import _core

STUBS = Path(__file__).resolve().parents[1] / "python" / "mcp_session" / "_core"

Documented = ast.ClassDef | ast.FunctionDef


def main() -> None:
    """Rewrite the stubs."""
    for stub in STUBS.glob("*.pyi"):
        source = stub.read_text(encoding="utf-8")
        stub.write_text(with_docs(source, sys.argv[1:]), encoding="utf-8")


def with_docs(source: str, names: list[str]) -> str:
    """Give a stub with the docstrings of these names, or of all."""
    lines = source.splitlines()
    for node, doc in reversed(list(documented(source))):
        if names and node_name(node, source) not in names:
            continue
        indent = " " * (node.col_offset + 4)
        raw = "r" if any("\\" in line for line in doc) else ""
        shown = [f'{indent}{raw}"""{doc[0]}', *(f"{indent}{line}".rstrip() for line in doc[1:])]
        if len(doc) == 1:
            shown[0] += '"""'
        else:
            shown.append(f'{indent}"""')
        first, last = node.body[0], node.body[-1]
        if isinstance(node, ast.FunctionDef) or first.lineno == node.lineno:
            # The body is the docstring, or else the dots behind the signature.
            head = lines[first.lineno - 1][: first.col_offset].rstrip()
            begun = [head] if head else []
            lines[first.lineno - 1 : last.end_lineno] = [*begun, *shown]
        else:
            end = first.end_lineno if ast.get_docstring(node) is not None else start_of(first) - 1
            lines[start_of(first) - 1 : end] = shown
    return "\n".join(lines) + "\n"


def documented(source: str) -> Iterator[tuple[Documented, list[str]]]:
    """Every class, function and method of a stub that the core documents, in its order."""
    for node in ast.parse(source).body:
        # What begins with an underscore stands in a stub alone.
        if isinstance(node, Documented) and not node.name.startswith("_"):
            value: object = getattr(_core, node.name)
            if doc := inspect.getdoc(value):
                yield node, doc.splitlines()
            if isinstance(node, ast.ClassDef):
                for member in node.body:
                    if isinstance(member, ast.FunctionDef) and not member.name.startswith("__"):
                        inner: object = getattr(value, member.name)
                        if doc := inspect.getdoc(inner):
                            yield member, doc.splitlines()


def start_of(node: ast.stmt) -> int:
    """The line on which a node begins, its decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def node_name(node: Documented, source: str) -> str:
    """The class or function at the top that a node is, or belongs to."""
    return next(
        outer.name
        for outer in ast.parse(source).body
        if isinstance(outer, Documented)
        and outer.lineno <= node.lineno <= (outer.end_lineno or outer.lineno)
    )


if __name__ == "__main__":
    main()
