"""The stubs say what the compiled core says: editors show the one, `help` the other."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import mcp_session
import pytest
from mcp_session import _core

STUBS = Path(mcp_session.__file__).with_name("_core")
NODES = [
    node
    for path in STUBS.glob("*.pyi")
    for node in ast.parse(path.read_text(encoding="utf-8")).body
]
TABLES = {
    *("Answer", "Message", "Verdict", "admit", "attached_session_id", "classify"),
    *("classify_exchange", "needs_body", "needs_request_body", "not_found_response", "peek"),
}

Documented = ast.ClassDef | ast.FunctionDef


def documented() -> Iterator[tuple[str, Documented, object]]:
    for node in NODES:
        if isinstance(node, Documented):
            value: object = getattr(_core, node.name)
            yield node.name, node, value
            for member in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(member, ast.FunctionDef) and member.name in vars(value):
                    # As `help` does: of a static method, the function.
                    yield f"{node.name}.{member.name}", member, getattr(value, member.name)


def test_a_docstring_of_the_stub_is_the_cores() -> None:
    # `python tests/stub_docs.py` writes them.
    for name, node, value in documented():
        if (doc := ast.get_docstring(node)) is not None:
            assert doc == inspect.getdoc(value), name


def test_the_functions_of_the_tables_and_their_values_are_documented_in_the_stub() -> None:
    shown = {name for name, node, _ in documented() if ast.get_docstring(node) is not None}

    assert shown >= TABLES


@pytest.mark.parametrize("name", sorted(name for name in TABLES if name.islower()))
def test_a_function_has_the_parameters_and_the_defaults_of_its_stub(name: str) -> None:
    node = next(it for it in NODES if isinstance(it, ast.FunctionDef) and it.name == name)
    arguments = node.args
    stub = {it.arg: "" for it in (*arguments.args, *arguments.kwonlyargs)}
    ordered = zip(reversed(arguments.args), reversed(arguments.defaults), strict=False)
    keyword = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    for argument, default in (*ordered, *keyword):
        stub[argument.arg] = "" if default is None else ast.unparse(default)

    shown = {
        parameter.name: "" if parameter.default is inspect.Parameter.empty else parameter.default
        for parameter in inspect.signature(getattr(mcp_session, name)).parameters.values()
    }

    side = mcp_session.Side.CLIENT
    assert {key: "Side.CLIENT" if it is side else str(it) for key, it in shown.items()} == stub
