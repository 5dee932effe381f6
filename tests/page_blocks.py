"""What the pages show to be run, and what runs it: no line of a block is left out.

`tests/python/test_commands.py` sees to it that the pages and these lists agree.
"""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", ".github/*.md", "docs/*.md", "examples/*/*.md", "fuzz/*.md")
    for path in ROOT.glob(pattern)
)

RUN: dict[str, tuple[str, ...]] = {
    "readme": (
        "python3 -m venv .venv && .venv/bin/pip install '.[demo]' && .venv/bin/mcp-session demo",
    ),
    "corpora": (
        "cargo test --manifest-path fuzz/Cargo.toml",
        "cargo run --manifest-path fuzz/Cargo.toml --bin peek -- path/to/an/input",
    ),
    "examples": (
        'pytest --mcp-session-command "python server.py {port}"',
        "pytest --mcp-session-url http://127.0.0.1:8000/mcp tests/test_server.py",
    ),
    "check": (
        'mcp-session check https://mcp.example/mcp --bearer "$TOKEN"',
        (
            "mcp-session check 'http://127.0.0.1:{port}/mcp'"
            " --command 'python server.py --port {port}'"
        ),
        "mcp-session check-client --scenario recovery --output -- python client.py",
        "mcp-session fuzz http://127.0.0.1:8000/mcp",
        "mcp-session fuzz 'http://127.0.0.1:{port}/mcp' --command 'python server.py {port}'",
        "mcp-session fuzz-client -- python client.py",
        "mcp-session gateway http://127.0.0.1:8000/mcp",
        (
            "mcp-session gateway http://server-1:8000/mcp http://server-2:8000/mcp --port 8080"
            " --sessions sqlite:sessions.db"
        ),
        (
            "mcp-session gateway http://server-1:8000/mcp http://server-2:8000/mcp --port 8081"
            " --sessions sqlite:sessions.db"
        ),
    ),
}
"""The lines for a shell that are run, by the session of nox that runs them from here."""

NOT_RUN = {
    "python3 tests/all.py": "it is the run that this is a part of",
    "cargo clippy --workspace --all-targets && cargo test -p mcp-session-core": (
        "sessions lints and rust run it, with all warnings errors and all crates"
    ),
    "python3 tests/all.py -s quick -- tests/python/test_session.py": (
        "it makes an environment and a debug build, for a test that session pytest runs"
    ),
    "claude mcp add example --env MCP_TOKEN=... -- mcp-session bridge https://mcp.example/mcp"
    " --header 'Authorization: Bearer ${MCP_TOKEN}'": (
        "it needs another maker's program; what is behind the dashes, session check runs"
    ),
    "mcp-session check-client -- node client.js": (
        "it needs a client for Node: session check-whole has one"
    ),
    "SSL_CERT_FILE=/etc/ssl/our-authority.pem"
    " mcp-session gateway https://server.internal:8443/mcp": (
        "it needs an authority: tests/clients/test_gateway_upstreams.py makes one"
    ),
    "mcp-session run mcp-proxy --transport streamablehttp https://mcp.example/mcp": (
        "it needs another maker's program: session integrations-whole installs it"
    ),
    "mcp-session run mcpo --server-type streamable-http -- https://mcp.example/mcp": (
        "it needs another maker's program: session integrations-whole installs it"
    ),
    "pip install 'mcp-session[asgi,testing]' mcp": "it is not published yet",
    "pip install 'mcp-session[check]'": "it is not published yet",
    "cargo run -p mcp-session-testing --example histories -- 10000 7"
    " | python tests/python/test_guarantees.py": (
        "of these histories tests/python/test_guarantees.py reads 200 in each run"
    ),
    "python3 benches/instructions.py --accept": (
        "it writes what session instructions compares with"
    ),
    "cargo install cargo-fuzz --version 0.13.2 --locked": (
        "session corpora installs it into a folder of its own, once"
    ),
    "target=peek": "session fuzz runs this block for every target",
    "mkdir -p fuzz/target/corpus/$target": "session fuzz runs this block for every target",
    "RUSTC_BOOTSTRAP=1 cargo fuzz run $target fuzz/target/corpus/$target fuzz/corpus/$target --"
    " -dict=fuzz/dictionaries/$target.dict -max_total_time=15": (
        "session fuzz runs this block for every target"
    ),
    "RUSTC_BOOTSTRAP=1 cargo fuzz cmin $target fuzz/target/corpus/$target": (
        "session fuzz-long runs it, behind ten minutes of fuzzing"
    ),
    "nox -s plant": "it takes 17 minutes and more",
    "python3 tests/plant.py wire session": "each bug that it plants takes minutes",
}
"""The lines for a shell that are not run as they stand, each with the reason."""

READ = {
    ("ARCHITECTURE.md", "text"): "a drawing: tests/layers.rs holds which room knows which",
    ("README.md", "diff"): "tests/peers/test_lines.py, tests/asgi/test_readme.py",
    ("README.md", "text"): "tests/python/test_docs.py",
    ("docs/bridge.md", "json"): "tests/check/test_shown.py",
    ("docs/check.md", "yaml"): "tests/check/test_shown.py",
    ("docs/command-line.md", "text"): "what a run printed: tests/python/timeline.py reads it",
    ("docs/scale.md", "text"): "a formula: benches/scale.py simulates what it estimates",
    ("docs/session.md", "mermaid"): "a drawing: tests/session.rs holds what the text says",
}
"""The blocks that are neither Python, Rust, console nor shell, by what runs or reads them."""


class Block(NamedTuple):
    """What stands between two fences: on which page, what the first one says, and the text."""

    page: str
    language: str
    text: str


def blocks(*languages: str) -> list[Block]:
    """List the blocks of the pages: all, or those of these languages."""
    found = [
        Block(page.relative_to(ROOT).as_posix(), *fenced)
        for page in PAGES
        for fenced in re.findall(
            r"^ *```([^`\n]+)\n(.*?)^ *```$",
            page.read_text(encoding="utf-8"),
            flags=re.DOTALL | re.MULTILINE,
        )
    ]
    return [block for block in found if not languages or block.language in languages]


def shell_lines() -> list[str]:
    """List what the pages show for a shell, each line in one piece and without its comment."""
    shown = "".join(block.text for block in blocks("sh"))
    whole = re.sub(r" *\\\n *", " ", shown)
    every = [re.sub(r"\s+# .*", "", line) for line in whole.splitlines()]
    return [line for line in every if line]
