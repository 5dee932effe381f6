"""Writes the part of the fuzzers' corpus and dictionaries that is packaged.

With `--check` it fails if that is not what is there.
"""

import ast
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGED = ROOT / "python" / "mcp_session" / "_corpus"


def packaged() -> dict[str, str]:
    """Return each file's text."""
    corpus = sorted((ROOT / "fuzz" / "corpus" / "peek").iterdir())
    found = {"bodies.json": sorted({path.read_bytes() for path in corpus})}
    words: set[bytes] = set()
    for name in ("peek", "exchange", "stream"):
        text = (ROOT / "fuzz" / "dictionaries" / f"{name}.dict").read_text(encoding="utf-8")
        quoted = re.findall(r'^(?:\w+=)?(".*")$', text, flags=re.MULTILINE)
        words |= {ast.literal_eval(f"b{it}") for it in quoted}
    found["words.json"] = sorted(words)
    return {
        name: json.dumps([it.decode("latin-1") for it in kept], indent=0) + "\n"
        for name, kept in found.items()
    }


def main() -> None:
    """Write the files, or compare them."""
    for name, text in packaged().items():
        path = PACKAGED / name
        if "--check" not in sys.argv:
            path.write_text(text, encoding="ascii")
        elif not path.exists() or path.read_text(encoding="ascii") != text:
            sys.exit(f"run: python tests/packaged_corpus.py ({name} differs)")


if __name__ == "__main__":
    main()
