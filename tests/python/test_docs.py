"""What the documentation shows is run."""

import doctest
import os
import re
import subprocess
import sys
from enum import Enum
from pathlib import Path

import mcp_session
import mcp_session.httpx
import mcp_session.httpx2
import pytest
from mcp_session import Rule

from golden import TESTS

ROOT = TESTS.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTED: list[object] = [
    module if name == "" else getattr(module, name)
    for module in (mcp_session, mcp_session.httpx, mcp_session.httpx2)
    for name in ("", *module.__all__)
    if name not in {"__version__", "SessionEvent"}
]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("documented", DOCUMENTED, ids=lambda it: getattr(it, "__qualname__", ""))
def test_every_public_docstring_has_an_example_that_holds(documented: object) -> None:
    assert documented.__doc__
    test = doctest.DocTestParser().get_doctest(documented.__doc__, {}, "example", None, None)
    assert test.examples

    failures, _ = doctest.DocTestRunner().run(test)

    assert failures == 0


@pytest.mark.parametrize("block", blocks("python"))
def test_every_python_block_of_the_readme_holds(block: str) -> None:
    exec(compile(block, "README.md", "exec"), {})  # noqa: S102 - it is our own


@pytest.mark.parametrize("guide", sorted((ROOT / "docs").glob("*.md")), ids=lambda it: it.name)
def test_the_python_blocks_of_each_guide_hold_one_after_the_other(guide: Path) -> None:
    text = guide.read_text(encoding="utf-8")
    code = re.findall(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)

    exec(compile("\n".join(code), guide.name, "exec"), {})  # noqa: S102 - it is our own


@pytest.mark.parametrize("block", blocks("console"))
def test_every_console_block_of_the_readme_prints_what_it_shows(block: str) -> None:
    shown: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            shown.append(line)
            result = subprocess.run(  # noqa: S602 - it is our own
                line.removeprefix("$ "),
                shell=True,
                capture_output=True,
                check=True,
                cwd=ROOT,
                encoding="utf-8",
                env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            )
            shown += [line.rstrip() for line in result.stdout.splitlines()]

    assert "\n".join(shown) == block.rstrip("\n")


def test_the_readme_names_every_rule_in_one_row() -> None:
    named = re.findall(r"^\|.*\| `(\w+)` \|$", README, flags=re.MULTILINE)

    assert sorted(named) == sorted(rule.value for rule in Rule)


def test_the_readme_quotes_every_misreport_as_it_is_matched() -> None:
    rows = re.findall(r"^\| \d+[^|]*\| (.*) \| `(Misreport\w+)` \|$", README, flags=re.MULTILINE)

    for text, name in rows:
        assert text.split("*")[0].strip() in Rule(name).summary


def test_enum_members_name_their_values_in_pythons_spelling() -> None:
    def spelled(value: str) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", value).upper()

    enums: list[type[Enum]] = [mcp_session.Action, mcp_session.Rule]
    for enum in enums:
        for member in enum:
            assert member.name == spelled(member.value)


def test_the_changelog_is_in_keep_a_changelog_form() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ .*$", changelog, flags=re.MULTILINE)

    assert headings[:2] == ["# Changelog", "## [Unreleased]"]
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert {heading.removeprefix("### ") for heading in headings if heading[:4] == "### "} <= kinds
