"""Each line that a page shows is run, or named with the reason; what it names is there.

`tests/page_blocks.py` has the lists.
"""

import itertools
import json
import re
import shlex
from collections.abc import Callable, Iterator

import click
import pytest
from mcp_session._cli import commands

import page_blocks
from golden import TESTS

ROOT = page_blocks.ROOT
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in page_blocks.PAGES)
STEPS = "\n".join(path.read_text(encoding="utf-8") for path in (TESTS / "steps").glob("*.py"))
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
MANIFESTS = [ROOT / name for name in ("Cargo.toml", "python/Cargo.toml", "testing/Cargo.toml")]
CRATES = "\n".join(path.read_text(encoding="utf-8") for path in MANIFESTS)
TARGETS = {path.stem for path in (ROOT / "fuzz" / "fuzz_targets").glob("*.rs")}
SESSIONS = {
    name.replace("_", "-")
    for name in re.findall(r"^@nox\.session\b(?:.|\n)*?^def (\w+)\(", STEPS, re.MULTILINE)
} | set(re.findall(r'^environment\("([\w-]+)"', STEPS, re.MULTILINE))
PROGRAMS = ("python3", "python", "nox", "cargo", "pip", "pytest", "mcp-session")
LABELS = {"shared", "http", "transport"}
"""Of the blocks of docs/adopt.md, which tests/peers/test_adopt.py puts together."""


def commands_shown() -> list[list[str]]:
    """Those of `mcp-session`, in shells, in workflows, and in what a client is configured with."""
    lines = page_blocks.shell_lines()
    for block in page_blocks.blocks("yaml"):
        folded = re.sub(r"run: >\n +", "run: ", block.text)
        lines += re.sub(r"\n +(?=--)", " ", folded).splitlines()
    shown = [shlex.split(line, comments=True) for line in lines if "mcp-session " in line]
    shown = [line[line.index("mcp-session") + 1 :] for line in shown if "mcp-session" in line]
    for block in page_blocks.blocks("json"):
        settings = json.loads(block.text)
        servers = settings.get("mcpServers") or settings["servers"]
        shown += [it["args"] for it in servers.values() if it["command"] == "mcp-session"]
    return shown


def commands_named() -> Iterator[str]:
    """Those of the shells, one at a time, and those that stand in the text of a page."""
    for line in page_blocks.shell_lines():
        yield from re.split(r" (?:&&|\|) ", line)
    text = re.sub(r"^ *```.*?^ *```$", "", TEXT, flags=re.DOTALL | re.MULTILINE)
    for span in re.findall(r"`([^`]+)`", text):
        line = " ".join(span.split())
        if re.match(rf"(?:[A-Z_]+=\S+ )*(?:{'|'.join(PROGRAMS)}) ", line):
            yield line


def missing(command: str) -> list[str]:
    """What a command names that is not there."""
    words = shlex.split(command)
    program, *arguments = itertools.dropwhile(lambda it: re.match(r"[A-Z_]+=", it), words)
    looks: dict[str, Callable[[list[str]], list[str]]] = {
        "python3": missing_of_python,
        "python": missing_of_python,
        "nox": missing_sessions,
        "cargo": missing_of_cargo,
        "pip": missing_extras,
        "pytest": missing_options_of_the_plugin,
        "mcp-session": missing_commands,
    }
    look = looks.get(program.rpartition("/")[2])
    return look(arguments) if look is not None else []


def missing_of_python(arguments: list[str]) -> list[str]:
    """Which tests, sessions, programs or options of these an interpreter would not find."""
    match arguments:
        case ["-m", "pytest", *tests]:
            return [it for it in tests if it[0] != "-" and not (ROOT / it).exists()]
        case ["tests/all.py", *options]:
            return missing_sessions(options)
        case [file, *options] if file[0] != "-":
            return missing_options(file, options)
        case _:
            return []


def missing_sessions(options: list[str]) -> list[str]:
    """Which of the sessions and tags that are given to nox it has not."""
    ours = [*itertools.takewhile(lambda it: it != "--", options)]
    known = {"-s": SESSIONS, "-t": {*re.findall(r'tags=\["(\w+)"\]', STEPS)}}
    which: set[str] | None = None
    wrong: list[str] = []
    for word in ours:
        if word[0] == "-":
            which = known.get(word)
        elif which is not None and word.isascii() and not word.isupper() and word not in which:
            wrong.append(word)
    return wrong + [it for it in options if it.endswith(".py") and not (ROOT / it).exists()]


def missing_options(file: str, options: list[str]) -> list[str]:
    """What a program of ours is called with and does not know, or the program."""
    if not (ROOT / file).exists():
        return [file]
    source = (ROOT / file).read_text(encoding="utf-8")
    flags = [it for it in options if it.startswith("--")]
    words = [it for it in options if it.isalpha() and not it.isupper()]
    return [it for it in flags if f'"{it}"' not in source] + [
        it for it in words if it not in source
    ]


def missing_extras(options: list[str]) -> list[str]:
    """Which extras that are to be installed the package has not."""
    extras = re.findall(r"\[([\w,]+)\]", " ".join(options))
    named = [it for every in extras for it in every.split(",")]
    return [it for it in named if not re.search(rf"^{it} = \[", PROJECT, re.MULTILINE)]


def missing_options_of_the_plugin(options: list[str]) -> list[str]:
    """Which options of ours pytest has not."""
    plugin = (ROOT / "python/mcp_session/_pytest_plugin.py").read_text(encoding="utf-8")
    ours = re.findall(r"--mcp-session-\w+", " ".join(options))
    return [it for it in ours if f'"{it}"' not in plugin]


def missing_commands(arguments: list[str]) -> list[str]:
    """The command of ours, if there is none of that name."""
    return [it for it in arguments[:1] if it[0].isalpha() and it not in commands.main.commands]


def missing_of_cargo(options: list[str]) -> list[str]:
    """What cargo is told to use and would not find."""
    wrong: list[str] = []
    for option, value in itertools.pairwise(options):
        match option:
            case "--manifest-path":
                is_there = (ROOT / value).exists()
            case "-p":
                is_there = f'name = "{value}"' in CRATES
            case "--example":
                is_there = (ROOT / "testing" / "examples" / f"{value}.rs").exists()
            case "--bin":
                is_there = value in {*TARGETS, "$target"}
            case "--version":
                is_there = f'CARGO_FUZZ = "{value}"' in STEPS
            case _:
                is_there = True
        wrong += [] if is_there else [value]
    if options[0] == "fuzz" and len(options) > 2:
        wrong += {options[2]} - {*TARGETS, "$target", "..."}
    return wrong


def test_each_line_that_a_page_shows_for_a_shell_is_run_or_named_with_the_reason() -> None:
    run = [line for lines in page_blocks.RUN.values() for line in lines]
    shown = page_blocks.shell_lines()

    assert len(shown) > 20
    assert sorted({*shown}) == sorted([*run, *page_blocks.NOT_RUN])
    assert all(page_blocks.NOT_RUN.values())


def test_each_session_that_runs_lines_of_the_pages_takes_them_from_the_list() -> None:
    used = STEPS + (TESTS / "check" / "test_shown.py").read_text(encoding="utf-8")

    assert page_blocks.RUN.keys() <= SESSIONS
    assert [it for it in page_blocks.RUN if f'RUN["{it}"]' not in used] == []


def test_each_block_that_is_not_for_a_shell_is_run_or_read_by_something() -> None:
    catalogue = (TESTS / "integrations" / "catalogue.py").read_text(encoding="utf-8")
    others: set[tuple[str, str]] = set()
    for block in page_blocks.blocks():
        language, _, label = block.language.partition(" ")
        match language:
            case "python" if label:
                assert label in LABELS or f'"{label}"' in catalogue, block
            case "python":
                # tests/python/test_docs.py runs those of these pages.
                assert re.fullmatch(r"README\.md|docs/\w[\w-]*\.md", block.page), block
            case "rust":
                # They are documentation of the crate, whose examples `cargo test` runs.
                assert block.page in {"README.md", "docs/session.md"}
            case "console" | "sh":
                pass
            case _:
                others.add((block.page, block.language))

    assert others == page_blocks.READ.keys()


def test_what_reads_a_block_or_runs_it_instead_is_there() -> None:
    reasons = " ".join([*page_blocks.READ.values(), *page_blocks.NOT_RUN.values()])
    files = re.findall(r"[\w/]+\.(?:py|rs)\b", reasons)
    sessions = re.findall(r"sessions? ([\w-]+)(?: and ([\w-]+))?", reasons)

    assert len(files) > 5
    assert [it for it in files if not (ROOT / it).exists()] == []
    assert {it for pair in sessions for it in pair if it} <= SESSIONS


@pytest.mark.parametrize("command", sorted({*commands_named()}))
def test_what_a_command_of_a_page_names_is_there(command: str) -> None:
    assert missing(command) == []


@pytest.mark.parametrize(
    "command",
    [
        "nox -s pytset",
        "nox -t lang",
        "python3 tests/all.py -s pytest nothing",
        "python3 tests/all.py -s quick -- tests/python/test_nothing.py",
        "python3 benches/nothing.py",
        "python3 benches/instructions.py --acept",
        "python3 tests/plant.py wires",
        "A=1 python -m pytest tests/python/test_nothing.py",
        "cargo test --manifest-path fuzz/Crago.toml",
        "cargo test -p mcp-session-cores",
        "cargo run -p mcp-session-testing --example nothing",
        "cargo run --manifest-path fuzz/Cargo.toml --bin peak -- an/input",
        "cargo install cargo-fuzz --version 0.1.0",
        "RUSTC_BOOTSTRAP=1 cargo fuzz run peak",
        ".venv/bin/pip install '.[domo]'",
        "pytest --mcp-session-uri http://127.0.0.1:8000/mcp",
        "mcp-session bride https://mcp.example/mcp",
    ],
)
def test_a_command_that_names_what_is_not_there_is_found(command: str) -> None:
    assert missing(command) != []


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
