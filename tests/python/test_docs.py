"""What the documentation shows is run."""

import doctest
import inspect
import os
import re
import subprocess
import sys
from enum import Enum
from importlib import import_module
from pathlib import Path

import mcp_session
import pytest
from documented import documented
from mcp_session import Rule, Side, classify_exchange
from mcp_session._cli import commands

import page_blocks
import timeline
from golden import TESTS

ROOT = TESTS.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DIAGNOSE = (ROOT / "docs" / "diagnose.md").read_text(encoding="utf-8")
VERDICTS = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
GUIDES = sorted((ROOT / "docs").glob("*.md"))
ROOMS = ("asgi", "client", "gateway", "httpx", "httpx2", "replica", "server", "sessions")
MODULES = [mcp_session, *(import_module(f"mcp_session.{room}") for room in ROOMS)]
DOCUMENTED = [*MODULES, *(it for module in MODULES for it in documented(module))]


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("public", DOCUMENTED, ids=lambda it: getattr(it, "__qualname__", ""))
def test_every_public_docstring_has_an_example_that_holds(public: object) -> None:
    assert public.__doc__
    test = doctest.DocTestParser().get_doctest(public.__doc__, {}, "example", None, None)
    assert test.examples

    failures, _ = doctest.DocTestRunner().run(test)

    assert failures == 0


@pytest.mark.parametrize("block", blocks("python"))
def test_every_python_block_of_the_readme_holds(block: str) -> None:
    exec(compile(block, "README.md", "exec"), {})  # noqa: S102 - it is our own


@pytest.mark.parametrize("guide", GUIDES, ids=lambda it: it.name)
def test_the_python_blocks_of_each_guide_hold_one_after_the_other(guide: Path) -> None:
    text = guide.read_text(encoding="utf-8")
    code = re.findall(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)

    exec(compile("\n".join(code), guide.name, "exec"), {})  # noqa: S102 - it is our own


@pytest.mark.parametrize("block", [it.text for it in page_blocks.blocks("console")])
def test_every_console_block_prints_what_it_shows(block: str) -> None:
    """But for fingerprints, which are of one process."""
    shown: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            shown.append(line)
            result = subprocess.run(  # noqa: S602 - it is our own
                line.removeprefix("$ "),
                shell=True,
                stdout=subprocess.PIPE,
                check=False,
                cwd=ROOT,
                encoding="utf-8",
                env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            )
            assert result.returncode == (" diagnose " in line)
            shown += [line.rstrip() for line in result.stdout.splitlines()]

    assert without_fingerprints("\n".join(shown)) == without_fingerprints(block.rstrip("\n"))


def without_fingerprints(text: str) -> str:
    return re.sub(r"\b[0-9a-f]{6}(?=[),])", "*", text)


def test_the_page_of_verdicts_names_every_rule_in_one_row() -> None:
    named = re.findall(r"^\|.*\| `(\w+)` \|$", VERDICTS, flags=re.MULTILINE)

    assert sorted(named) == sorted(rule.value for rule in Rule)


def test_the_page_of_verdicts_quotes_every_misreport_as_it_is_matched() -> None:
    rows = re.findall(r"^\| \d+[^|]*\| (.*) \| `(Misreport\w+)` \|$", VERDICTS, flags=re.MULTILINE)

    for text, name in rows:
        assert text.split("*")[0].strip() in Rule(name).summary


def test_the_readme_shows_what_a_server_answered_and_what_becomes_of_it() -> None:
    recorded = ROOT / "tests" / "exchanges" / "mcp2.3.0" / "04-post-bogus-session"
    request = recorded.with_suffix(".request").read_bytes()
    response = recorded.with_suffix(".response").read_bytes()
    (block,) = (it for it in blocks("text") if it.startswith("404 "))
    before, after = block.splitlines()

    answer = classify_exchange(request, response, side=Side.SERVER).response

    assert answer is not None
    assert before == f"404 {response.decode().splitlines()[-1]}"
    assert after == f"{answer.status} {answer.body.decode()}"


def test_each_import_function_and_command_that_the_readme_names_is_there() -> None:
    section = README[README.index("## Find your line") : README.index("## Measured")]
    named = re.findall(r"`([^`]+)`", section)
    imports = [it for it in named if it.startswith("from ")]
    functions = re.findall(r"`mcp_session\.(\w+)\(", section)
    shown = [it.split()[1] for it in named if it.startswith("mcp-session ")]

    for line in imports:
        exec(line, {})  # noqa: S102 - it is our own
    assert {"install", "follow"} <= set(functions)
    assert all(callable(getattr(mcp_session, name)) for name in functions)
    assert len(imports) > 1
    assert {"bridge", "gateway", "run", "diagnose", "check"} <= set(shown)
    assert set(shown) <= set(commands.main.commands)


def test_the_readme_names_each_client_in_the_row_of_its_line() -> None:
    guide = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.*) \| `(.*)`.*\|$", README, flags=re.MULTILINE)
    lines = re.findall(r"^```python ([\w-]+)\n(.*?)^```$", guide, flags=re.DOTALL | re.MULTILINE)
    # The older name of what is there, and another way than the one that is named.
    named = [
        (label, code) for label, code in lines if label not in {"mcp1-factory", "crewai-native"}
    ]

    assert len(named) > 20
    for label, code in named:
        (line,) = {line for _, line in rows} & {*code.splitlines()}
        (row,) = (who for who, shown in rows if shown == line)
        assert spelled(label) in spelled(row), label


def spelled(name: str) -> str:
    return re.sub(r"[ -]", "", name).lower()


def test_the_picture_of_the_readme_is_of_the_demonstration_that_a_page_shows() -> None:
    # `python tests/python/timeline.py` draws it.
    page = timeline.PAGE.read_text(encoding="utf-8")

    assert timeline.PICTURE.read_text(encoding="utf-8") == timeline.picture(page)
    assert "](docs/timeline.svg)" in README


def test_the_readme_is_short_and_begins_with_its_two_commands() -> None:
    first, second = blocks("sh")

    assert len(README.splitlines()) <= 220
    assert re.fullmatch(r".*pip install '\.\[demo\]' && \S+/mcp-session demo\n", first)
    assert second == "python3 tests/all.py\n"
    assert README.index(second) < README.index("\n## ", README.index("## Install") + 1)


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_the_guide_to_the_clients_names_every_option(name: str) -> None:
    module = import_module(f"mcp_session.{name}")
    guide = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
    parameters = inspect.signature(module.AsyncClient.__init__).parameters.values()
    options = {it.name for it in parameters if it.kind is inspect.Parameter.KEYWORD_ONLY}

    assert len(options) > 5
    assert options == set(re.findall(r"^\| `(\w+)` \|", guide, flags=re.MULTILINE))


@pytest.mark.parametrize("page", page_blocks.PAGES, ids=lambda it: str(it.relative_to(ROOT)))
def test_no_link_of_a_page_leads_nowhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(
        r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    )

    for link in links:
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def anchors(text: str) -> set[str]:
    """The names by which the headings of a page are linked to."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


def test_enum_members_name_their_values_in_pythons_spelling() -> None:
    def spelled(value: str) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", value).upper()

    enums: list[type[Enum]] = [mcp_session.Action, mcp_session.Rule]
    for enum in enums:
        for member in enum:
            assert member.name == spelled(member.value)


def test_the_guide_to_diagnose_names_every_claim_that_the_core_can_make() -> None:
    source = (ROOT / "src" / "diagnose" / "claim.rs").read_text(encoding="utf-8")
    claims = re.findall(r'^            Self::(\w+) => "\1",$', source, flags=re.MULTILINE)

    assert len(claims) > 10
    assert re.findall(r"^\| `(\w+)` \|", DIAGNOSE, flags=re.MULTILINE) == claims


def test_the_changelog_is_in_keep_a_changelog_form() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ .*$", changelog, flags=re.MULTILINE)

    assert headings[:2] == ["# Changelog", "## [Unreleased]"]
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert {heading.removeprefix("### ") for heading in headings if heading[:4] == "### "} <= kinds
