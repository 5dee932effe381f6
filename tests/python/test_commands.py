"""The commands that the documentation shows, which no test runs, are commands that there are."""

import json
import re
import shlex
from pathlib import Path

import click
import pytest
from mcp_session._cli import commands

from golden import TESTS

ROOT = TESTS.parent
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "examples/*/*.md", "fuzz/*.md")
    for path in ROOT.glob(pattern)
)
STEPS = "\n".join(path.read_text(encoding="utf-8") for path in (TESTS / "steps").glob("*.py"))


def read(pages: list[Path]) -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", read(PAGES), re.DOTALL | re.MULTILINE)


def commands_shown() -> list[list[str]]:
    """Those of `mcp-session`, in shells, in workflows, and in what a client is configured with."""
    lines = [line for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
    for block in blocks("yaml"):
        lines += re.sub(r"\n +(?=--)", " ", re.sub(r"run: >\n +", "run: ", block)).splitlines()
    shown = [shlex.split(line, comments=True) for line in lines if "mcp-session " in line]
    shown = [line[line.index("mcp-session") + 1 :] for line in shown if "mcp-session" in line]
    for block in blocks("json"):
        settings = json.loads(block)
        servers = settings.get("mcpServers") or settings["servers"]
        shown += [it["args"] for it in servers.values() if it["command"] == "mcp-session"]
    return shown


@pytest.mark.parametrize("shown", commands_shown(), ids=" ".join)
def test_each_command_of_ours_that_a_page_shows_takes_its_arguments(shown: list[str]) -> None:
    name, *arguments = shown
    command = commands.main.get_command(click.Context(commands.main), name)

    assert command is not None
    with command.make_context(name, list(arguments)) as context:
        assert context.params or not arguments


def test_pages_show_the_commands_of_which_that_is_tested() -> None:
    assert {"bridge", "check", "check-client", "fuzz", "fuzz-client", "gateway", "run"} <= {
        shown[0] for shown in commands_shown()
    }


def test_each_session_that_a_page_names_is_there() -> None:
    named = re.findall(r"(?:nox|tests/all\.py) -s ([a-z0-9 -]+?)(?: -|[`\"#\n]|  )", read(PAGES))
    functions = re.findall(r"^def (\w+)\(session", STEPS, re.MULTILINE)
    sessions = {name.replace("_", "-") for name in functions}

    assert len(named) > 10
    assert {name for names in named for name in names.split()} <= sessions


def test_each_file_that_a_command_of_a_page_runs_is_there() -> None:
    files = re.findall(r"python3? ((?:tests|benches)/\S+\.py)", read(PAGES))

    assert len(files) > 3
    assert [it for it in files if not (ROOT / it).exists()] == []
