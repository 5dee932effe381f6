"""Plants bugs in a copy of the tree, one at a time, and measures until the fuzzer stops at each.

Without arguments all of them; otherwise those whose names, targets or parts are given:
`python3 tests/plant.py table wire`; `--list` names them, and fails if one can no longer be
planted, as the ordinary tests see to. Each is looked for twice: from the
committed corpus, and from an empty one. Exits with 1 if one was not found from the corpus within
60 seconds. Needs cargo-fuzz on the PATH and what it needs. Changes nothing but `fuzz/target/plant`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
COPY = ROOT / "fuzz" / "target" / "plant"
WITHIN_SECONDS = 60
# Both read bodies.
DICTIONARIES = {"answer": "peek"}


class Bug(NamedTuple):
    """What is wrong, whom it is planted for, and the one change that does it."""

    name: str
    target: str
    part: str
    file: str
    right: str
    wrong: str


BUGS = [
    Bug(
        "a DELETE answered 405 leaves the session in use",
        *("classify", "table", "src/table.rs"),
        "(Client(_), Delete, Attached, MethodNotAllowed, _) => Clear;",
        "(Client(_), Delete, Attached, MethodNotAllowed, _) => PassThrough;",
    ),
    Bug(
        "a session ID that came with an error goes out",
        *("classify", "table", "src/table.rs"),
        "Get | Delete | OtherMethod, Success, _) => true,",
        "Get | Delete | OtherMethod, Success | OtherStatus, _) => true,",
    ),
    Bug(
        "a misreport is recognized by how it begins",
        *("classify", "reply", "src/reply.rs"),
        "short == text.as_bytes() ||",
        "short.starts_with(text.as_bytes()) ||",
    ),
    Bug(
        "a code in the body of a 404 keeps the client from starting anew",
        *("classify", "reply", "src/reply.rs"),
        "(_, 400) => &[Reply::ModernOnly],",
        "(_, 400 | 404) => &[Reply::ModernOnly],",
    ),
    Bug(
        "a store that is down answers 404",
        *("answer", "table", "src/table.rs"),
        "(Post | Get | Delete, Attached, Unavailable) => UnavailableResponse;",
        "(Post | Get | Delete, Attached, Unavailable) => NotFoundResponse;",
    ),
    Bug(
        "an answer without an id says null",
        *("answer", "answer", "src/answer.rs"),
        'map_or(("", ""),',
        'map_or((r#","id":"#, "null"),',
    ),
    Bug(
        "an id in quotes is repeated without them",
        *("answer", "answer", "src/answer.rs"),
        '(r#","id":"#, id.as_str())',
        '(r#","id":"#, id.as_str().trim_matches(\'"\'))',
    ),
    Bug(
        "of two ids, the last one wins",
        *("peek", "message", "src/json.rs"),
        "Self::Once(_) | Self::Repeated(_) => Self::Repeated(value),",
        "Self::Once(_) | Self::Repeated(_) => Self::Once(value),",
    ),
    Bug(
        "null as an id makes a notification",
        *("peek", "message", "src/message.rs"),
        "(Member::Once(_), Member::Once(_), None) => return None,",
        "(Member::Once(_), Member::Once(_), None) => Kind::Notification,",
    ),
    Bug(
        "what a look at a body skips is built",
        *("peek", "message", "src/json.rs"),
        "object.next_value::<IgnoredAny>()?;",
        "object.next_value::<serde_json::Value>()?;",
    ),
    Bug(
        "a control character in a short message is let pass",
        *("peek", "message", "src/json/plain.rs"),
        "| word.wrapping_sub(EACH * 0x20);",
        "| 0;",
    ),
    Bug(
        "a number in a short message may begin with a zero",
        *("peek", "message", "src/json/plain.rs"),
        "([b'0', ..], _) if text.len() - rest.len() > 1 => None,",
        "([b'0', ..], _) if text.is_empty() => None,",
    ),
    Bug(
        "of several chunks, only the last is kept",
        *("exchange", "wire", "src/wire.rs"),
        "content.extend_from_slice(chunk);",
        "content = chunk.to_vec();",
    ),
    Bug(
        "a header in capitals is overlooked",
        *("exchange", "wire", "src/wire.rs"),
        "header.name.eq_ignore_ascii_case(name)",
        "header.name.eq_ignore_ascii_case(name) && header.name != name.to_ascii_uppercase()",
    ),
    Bug(
        "of a repeated header, the first one wins",
        *("exchange", "wire", "src/facts.rs"),
        "Some(if values.next().is_some() { REPEATED } else { first })",
        "Some(if values.next().is_some() { first } else { first })",
    ),
    Bug(
        "a late 404 of an older session ends the live one",
        *("session", "session", "src/session.rs"),
        "State::Live(live) if generation == self.generation =>",
        "State::Live(live) if generation <= self.generation =>",
    ),
    Bug(
        "a reply goes out though its id is open in the dead session too",
        *("session", "session", "src/session/streams.rs"),
        "asking.all(|asking| asking == Some(generation))",
        "asking.any(|asking| asking == Some(generation))",
    ),
    Bug(
        "a CRLF is two line ends",
        *("stream", "events", "src/events.rs"),
        "self.after_return &= piece.is_empty();",
        "self.after_return = false;",
    ),
    Bug(
        "a CRLF that is cut is two line ends",
        *("stream", "events", "src/events.rs"),
        "for_each(drop);",
        "for_each(drop);\n        self.reader.after_return = false;",
    ),
    Bug(
        "the limit of an event holds for each piece alone",
        *("stream", "events", "src/events.rs"),
        "if bytes.len() <= limit.saturating_sub(kept.len())",
        "if bytes.len() <= limit",
    ),
]


def main() -> None:
    """Plant each bug that was asked for, and print a line of figures for it."""
    asked = sys.argv[1:]
    if gone := [bug for bug in BUGS if (ROOT / bug.file).read_text("utf-8").count(bug.right) != 1]:
        sys.exit("\n".join(f"{bug.file} does not hold once: {bug.right}" for bug in gone))
    chosen = [bug for bug in BUGS if not asked or {bug.name, bug.target, bug.part} & {*asked}]
    if asked == ["--list"] or not chosen:
        print(*(f"{bug.target:9} {bug.part:8} {bug.name}" for bug in BUGS), sep="\n")
        sys.exit(asked != ["--list"])
    copy_tree()
    print("target    part      from the corpus  from nothing     bug", flush=True)
    missed = 0
    for bug in chosen:
        path = COPY / bug.file
        source = (ROOT / bug.file).read_text(encoding="utf-8")
        path.write_text(source.replace(bug.right, bug.wrong), encoding="utf-8")
        try:
            build(bug.target)
            corpus = COPY / "fuzz" / "corpus" / bug.target
            found, from_nothing = (search(bug.target, seeds) for seeds in ([corpus], []))
        finally:
            path.write_text(source, encoding="utf-8")
        missed += found is None
        columns = f"{bug.target:9} {bug.part:9} {told(found):16} {told(from_nothing):16}"
        print(f"{columns} {bug.name}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} found from the corpus in {WITHIN_SECONDS} s")
    sys.exit(bool(missed))


def copy_tree() -> None:
    """Copy what is of the project; what a former run built stays."""
    for old in [*COPY.glob("*"), *COPY.glob("fuzz/*")]:
        if old not in {COPY / "fuzz", COPY / "fuzz" / "target"}:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in files.rstrip("\0").split("\0"):
        copy = COPY / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        # With times of its own: cargo must not take for built what was planted before.
        shutil.copy(ROOT / name, copy)


def build(target: str) -> None:
    """Build one target with the sanitizer, as `cargo fuzz run` would."""
    # The sanitizers' flags are unstable; this lets the stable compiler take them.
    env = os.environ | {"RUSTC_BOOTSTRAP": "1"}
    command = ["cargo", "fuzz", "build", target]
    done = subprocess.run(command, cwd=COPY, env=env, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"the planted bug does not build:\n{done.stderr.decode()}")


def search(target: str, seeds: list[Path]) -> tuple[float, bool] | None:
    """Run the fuzzer; return the seconds until it stopped, and whether it was still loading."""
    (program,) = (COPY / "fuzz" / "target").glob(f"*/release/{target}")
    dictionary = COPY / "fuzz" / "dictionaries" / f"{DICTIONARIES.get(target, target)}.dict"
    with tempfile.TemporaryDirectory() as scratch:
        begun = time.monotonic()
        done = subprocess.run(
            [
                program,
                scratch,
                *seeds,
                f"-artifact_prefix={scratch}/",
                *([f"-dict={dictionary}"] if dictionary.exists() else []),
                f"-max_total_time={WITHIN_SECONDS}",
            ],
            capture_output=True,
            check=False,
        )
        took = time.monotonic() - begun
    if not done.returncode:
        return None
    return took, b"INITED" not in done.stderr


def told(found: tuple[float, bool] | None) -> str:
    """Say when it was found."""
    if found is None:
        return f"not in {WITHIN_SECONDS} s"
    seconds, while_loading = found
    return f"{seconds:.1f} s{', at once' if while_loading else ''}"


if __name__ == "__main__":
    main()
