"""Has Sphinx make a site: the pages as they stand, and the reference out of the docstrings.

`nox -s docs` builds it. The menu is what docs/README.md lists, under its headings; a page that
it does not name is an error.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.environment import BuildEnvironment

ROOT = Path(__file__).resolve().parents[2]
INDEX = ROOT / "docs" / "README.md"

project = "mcp_session"
copyright = "The mcp_session authors"  # noqa: A001 - Sphinx's name for it
html_theme = "furo"
root_doc = "README"
include_patterns = ["*.md", "docs/**", "examples/*/README.md", "fuzz/README.md"]
extensions = ["autoapi.extension", "myst_parser", "sphinxcontrib.mermaid"]
# The core names the enums of a module that imports it.
suppress_warnings = ["autoapi.python_import_resolution"]

# Headings are linked to by the names that GitHub gives them.
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

# The docstrings are plain text: what stands between backquotes is code.
default_role = "code"
autoapi_dirs = [str(ROOT / "python" / "mcp_session")]
# The stub of the compiled core has its docstrings and the types; tests/stub_docs.py writes it.
autoapi_file_patterns = ["*.pyi", "*.py"]
autoapi_options = ["members", "undoc-members", "imported-members", "show-module-summary"]
autoapi_root = "docs/reference"
autoapi_add_toctree_entry = False


class Python(PythonDomain):
    """Python's, in which two modules may show the same alias of types."""

    def note_object(
        self,
        name: str,
        objtype: str,
        node_id: str,
        aliased: bool = False,  # noqa: FBT001, FBT002 - it is Sphinx's
        location: nodes.Element | None = None,
    ) -> None:
        """Note no name for what an alias stands for; Sphinx 8.1, the last for 3.10, would."""
        if not (aliased and objtype == "type"):
            super().note_object(name, objtype, node_id, aliased, location)


def setup(app: Sphinx) -> None:
    """Add the menu, and the links to what is public under another name than its own."""
    app.add_domain(Python, override=True)
    app.connect("source-read", add_menu)
    app.connect("missing-reference", find_public)


def add_menu(app: Sphinx, page: str, source: list[str]) -> None:  # noqa: ARG001 - Sphinx calls it
    """Append to the first page the menu, which nobody sees where it stands."""
    if page == root_doc:
        source[0] += "".join(menu(INDEX.read_text(encoding="utf-8")))


def menu(index: str) -> list[str]:
    """Give the pages that the index links to, under its headings."""
    sections = [("Begin", "/docs/README\n")]
    for section in index.split("\n## ")[1:]:
        heading, _, text = section.partition("\n")
        links = re.findall(r"\]\(([\w./-]+)\.md\)", text)
        pages = [(INDEX.parent / link).resolve().relative_to(ROOT).as_posix() for link in links]
        sections.append((heading, "".join(f"/{page}\n" for page in pages)))
    sections.append(("Reference", "/docs/reference/mcp_session/index\n"))
    sections.append(("Changes", "/CHANGELOG\n"))
    return [
        f"\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{pages}```\n"
        for heading, pages in sections
    ]


def find_public(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.TextElement
) -> nodes.reference | None:
    """Link `mcp_session._enums.Action` to `mcp_session.Action`, which is documented."""
    if node.get("refdomain") != "py":
        return None
    target = f"mcp_session.{node['reftarget'].rpartition('.')[2]}"
    place = (env, node["refdoc"], app.builder, node["reftype"], target, node, shown)
    return env.domains.python_domain.resolve_xref(*place)
