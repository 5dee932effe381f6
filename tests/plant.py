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
        "a lapse of the lease is no doubt",
        *("sessions", "ownership", "src/sessions/replica.rs"),
        "self.lease.is_fresh && owned.confirmed == Some(self.lease.epoch)",
        "self.lease.is_fresh && owned.confirmed.is_some()",
    ),
    Bug(
        "a renewal of which the answer was lost is forgotten",
        *("sessions", "ownership", "src/sessions/replica.rs"),
        "renewal == Renewal::Lapsed || self.lease.is_doubtful || self.lease.epoch == 0",
        "renewal == Renewal::Lapsed || self.lease.epoch == 0",
    ),
    Bug(
        "an update by the owner keeps the number of its claim",
        *("sessions", "ownership", "src/sessions/run/taking.rs"),
        "let claim = replica.claim_above(over);",
        "let keeps = matches!(purpose, Purpose::Record { .. });\n"
        "        let claim = if keeps { over } else { replica.claim_above(over) };",
    ),
    Bug(
        "a hop that a client makes up is one",
        *("sessions", "ownership", "src/sessions/hop.rs"),
        "is_ours.then_some(Hop { to, claim })",
        "(is_ours | true).then_some(Hop { to, claim })",
    ),
    Bug(
        "a session that is looked up is for everybody",
        *("sessions", "ownership", "src/sessions/run/mod.rs"),
        "Some(Record::Live(record)) if record.principal != self.principal => {",
        "Some(Record::Live(record)) if self.is_upkeep && record.principal != self.principal => {",
    ),
    Bug(
        "what was opened while the table lost its entries is not written again",
        *("sessions", "ownership", "src/sessions/replica.rs"),
        "self.owned.insert(key, owned);\n        self.pending.insert(key);",
        "self.owned.insert(key, owned);",
    ),
    Bug(
        "what was meant for the process that was there before is run",
        *("sessions", "ownership", "src/sessions/run/mod.rs"),
        "if let Some(mark) = self.misdirected.take() {",
        "if let Some(mark) = self.misdirected.take().filter(|_| self.is_upkeep) {",
    ),
    Bug(
        "a session is written over an older claim of one that lives",
        *("sessions", "ownership", "src/sessions/run/mod.rs"),
        "if entry.claim < owned.claim && (is_mine || addresses.is_none()) {",
        "if entry.claim < owned.claim {",
    ),
    Bug(
        "an initialize that could not be written leaves its session in the application",
        *("sessions", "ownership", "src/sessions/run/taking.rs"),
        "Purpose::Open(opened) => self.not_opened(opened.inner),",
        "Purpose::Open(_) => self.unavailable(),",
    ),
    Bug(
        "what the table has thrown away is not written again",
        *("sessions", "ownership", "src/sessions/replica.rs"),
        "owned.confirmed = None;\n            self.pending.insert(key);\n            if",
        "if",
    ),
    Bug(
        "a DELETE answered 405 leaves the session in use",
        *("classify", "table", "src/table/rows.rs"),
        "(Client(_), Delete, Attached, MethodNotAllowed, _) => Clear;",
        "(Client(_), Delete, Attached, MethodNotAllowed, _) => PassThrough;",
    ),
    Bug(
        "a session ID that came with an error goes out",
        *("classify", "table", "src/table/rows.rs"),
        "(Server, Success, _) | (Server, _, Absent)",
        "(Server, Success | OtherStatus, _) | (Server, _, Absent)",
    ),
    Bug(
        "a misreport is recognized by how it begins",
        *("classify", "reply", "src/table/response_body.rs"),
        "form == normal.as_bytes()",
        "form.starts_with(normal.as_bytes())",
    ),
    Bug(
        "two leads of a misreport are left out, not one",
        *("classify", "reply", "src/exchange/normal_form.rs"),
        "LEADS.iter().find_map(|lead| behind(folded.clone(), lead)).unwrap_or(folded)",
        "LEADS.iter().fold(folded, |it, lead| behind(it.clone(), lead).unwrap_or(it))",
    ),
    Bug(
        "a challenge no longer keeps a 401 from being a misreport",
        *("classify", "reply", "src/table/response_body.rs"),
        "&& !(matches!(status, 401 | 403) && challenged)",
        "&& !(matches!(status, 403) && challenged)",
    ),
    Bug(
        "a code in the body of a 404 keeps the client from starting anew",
        *("classify", "reply", "src/table/response_body.rs"),
        "(_, 400) => &[ResponseKind::ModernOnly],",
        "(_, 400 | 404) => &[ResponseKind::ModernOnly],",
    ),
    Bug(
        "a store that is down answers 404",
        *("answer", "table", "src/table/rows.rs"),
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
        *("peek", "message", "src/jsonrpc/json/mod.rs"),
        "Self::Once(_) | Self::Repeated(_) => Self::Repeated(value),",
        "Self::Once(_) | Self::Repeated(_) => Self::Once(value),",
    ),
    Bug(
        "null as an id makes a notification",
        *("peek", "message", "src/jsonrpc/message.rs"),
        "(Member::Once(_), Member::Once(_), None) => return None,",
        "(Member::Once(_), Member::Once(_), None) => Kind::Notification,",
    ),
    Bug(
        "a level of nesting costs a word",
        *("peek", "json", "src/jsonrpc/json/grammar.rs"),
        "const IN_A_WORD: usize = 63;",
        "const IN_A_WORD: usize = 1;",
    ),
    Bug(
        "an array may end as an object",
        *("peek", "json", "src/jsonrpc/json/grammar.rs"),
        "} else if next == levels.closing() {",
        "} else if matches!(next, b']' | b'}') {",
    ),
    Bug(
        "a control character in a long string is let pass",
        *("peek", "json", "src/jsonrpc/json/grammar.rs"),
        "(byte ^ TURN <= b'\"' ^ TURN) |",
        "(byte == b'\"') |",
    ),
    Bug(
        "a control character in a short string is let pass",
        *("peek", "json", "src/jsonrpc/json/grammar.rs"),
        "(word ^ TURNS).wrapping_sub(QUOTES + EACH)",
        "(word ^ EACH * b'\"' as u64).wrapping_sub(EACH)",
    ),
    Bug(
        "a number may begin with a zero",
        *("peek", "json", "src/jsonrpc/json/grammar.rs"),
        "b'0' => behind_digits(text, at + 1)?,\n            b'1'..=b'9' => {",
        "b'0'..=b'9' => {",
    ),
    Bug(
        "half a surrogate pair is a character of its own",
        *("peek", "json", "src/jsonrpc/json/spelling.rs"),
        ".filter(|_| (0xD800..0xDC00).contains(&unit))",
        ".filter(|_| false)",
    ),
    Bug(
        "an error of null is an answer",
        *("peek", "message", "src/jsonrpc/message.rs"),
        '.filter(|error| *error != "null")',
        ".filter(|_| true)",
    ),
    Bug(
        "of several chunks, only the last is kept",
        *("exchange", "wire", "src/wire/body.rs"),
        "content.extend_from_slice(chunk);",
        "content = chunk.to_vec();",
    ),
    Bug(
        "a header in capitals is overlooked",
        *("exchange", "wire", "src/wire/head.rs"),
        "header.name.eq_ignore_ascii_case(name)",
        "header.name.eq_ignore_ascii_case(name) && header.name != name.to_ascii_uppercase()",
    ),
    Bug(
        "of a repeated header, the first one wins",
        *("exchange", "wire", "src/exchange/headers.rs"),
        "Some(if values.next().is_some() { REPEATED } else { first })",
        "Some(if values.next().is_some() { first } else { first })",
    ),
    Bug(
        "a late 404 of an older session ends the live one",
        *("session", "session", "src/session/answering.rs"),
        "State::Live(live) if generation == self.generation => {",
        "State::Live(live) if generation <= self.generation => {",
    ),
    Bug(
        "a new session is made though too many have died",
        *("session", "session", "src/session/machine.rs"),
        "if self.circuit.cooldown().is_some() {",
        "if self.circuit.cooldown().is_none() && self.issued == 0 {",
    ),
    Bug(
        "an earlier wait that is over ends a later one",
        *("session", "session", "src/session/circuit.rs"),
        "if self.cooldown() == Some(over) {",
        "if self.cooldown().is_some() && over.number > 0 {",
    ),
    Bug(
        "a 404 of a request's own ends the session that was made for it",
        *("session", "session", "src/session/answering.rs"),
        "if self.is_closed() || is_refused || self.is_its_own(&exchange) {",
        "if self.is_closed() || is_refused {",
    ),
    Bug(
        "a request that was cancelled while it was refused is sent again",
        *("session", "session", "src/session/answering.rs"),
        "Errand::Request | Errand::Batch if exchange.run.ticket.is_cancelled() => {",
        "Errand::Request | Errand::Batch if exchange.quirks != self.options.quirks => {",
    ),
    Bug(
        "after a DELETE the ID of a session taken for dead is forgotten",
        *("session", "session", "src/session/machine.rs"),
        "State::Live(live) | State::Lost(live, _) => Some(live.clone()),",
        "State::Live(live) => Some(live.clone()),\n            State::Lost(..) => None,",
    ),
    Bug(
        "requests are released before the new session was told all",
        *("session", "session", "src/session/machine.rs"),
        ") if self.pending().is_some() => self.recover(run),",
        ") if self.pending().is_some() && self.issued == 0 => self.recover(run),",
    ),
    Bug(
        "what a server refused to keep is told again",
        *("session", "session", "src/session/leading.rs"),
        "self.restores.refused(&state.told);",
        "",
    ),
    Bug(
        "a trial that gets 404 leaves the session in doubt",
        *("session", "session", "src/session/answering.rs"),
        "self.set_death(exchange.generation, Death::Reported);",
        "",
    ),
    Bug(
        "a refused replacement buries the old session",
        *("session", "session", "src/session/leading.rs"),
        "self.set_death(self.generation, Death::Doubted);",
        "",
    ),
    Bug(
        "a reply goes to a session that did not ask",
        *("session", "session", "src/session/questions.rs"),
        "_ if Some(question.generation) != standing => Fate::Withhold,",
        "_ if standing.is_none() => Fate::Withhold,",
    ),
    Bug(
        "two questions are shown under one id",
        *("session", "session", "src/session/questions.rs"),
        "if self.shown.get(&own).is_none() {",
        "if self.shown.get(&own).is_none_or(|it| it.generation != generation) {",
    ),
    Bug(
        "a stranger's request leads",
        *("client", "client", "src/client/run/begin.rs"),
        "if !followed.belongs_to(head.credentials) {",
        "if !followed.belongs_to(head.credentials) && head.method != Method::Post {",
    ),
    Bug(
        "any response is taken for the answer",
        *("client", "client", "src/jsonrpc/pending.rs"),
        "None => Heard::OthersAnswer,",
        "None if self.waiting.pop_first().is_some() => Heard::Answer,\n"
        "                None => Heard::OthersAnswer,",
    ),
    Bug(
        "a cut stream's error is appended twice",
        *("client", "client", "src/client/watch.rs"),
        "self.awaited.pending.unanswered().flat_map(|id| event(&error, id))",
        "self.awaited.pending.unanswered().flat_map(|id| event(&error, id).repeat(2))",
    ),
    Bug(
        "a resumption that fails is counted twice",
        *("client", "client", "src/client/interrupted.rs"),
        "failures: self.failures.saturating_add(1)",
        "failures: self.failures.saturating_add(2)",
    ),
    Bug(
        "an alias collides with a session that is open",
        *("client", "client", "src/client/registry.rs"),
        "if !is_taken {",
        "if !is_taken || self.by_use.len() > 1 {",
    ),
    Bug(
        "what was sent once is sent anew through an open circuit",
        *("client", "client", "src/client/run/answers.rs"),
        "(self.facts.method == Method::Get || !self.was_sent)",
        "true",
    ),
    Bug(
        "an event ID in the middle of a piece is lost",
        *("client", "client", "src/client/watch.rs"),
        "if !event_id.is_empty() {",
        "if !event_id.is_empty() && end == piece.len() {",
    ),
    Bug(
        "an error of a server names the session's ID",
        *("client", "client", "src/client/followed.rs"),
        "self.ids.push_back(id.into());",
        "self.ids.push_front(id.into());\n        self.ids.truncate(1);",
    ),
    Bug(
        "a piece that is cut is taken for all of it",
        *("peer", "peer", "src/sessions/peer.rs"),
        "return Ok(Some(PeerEvent::Piece(piece, Rest::Follows)));",
        "return Ok(Some(PeerEvent::Piece(piece, rest)));",
    ),
    Bug(
        "a value that ends a line is read",
        *("peer", "peer", "src/sessions/peer.rs"),
        "if !is_header(name, value) {\n            return Err(NotOurs);",
        "if !is_token(name) {\n            return Err(NotOurs);",
    ),
    Bug(
        "the length of a head is believed before its bytes are there",
        *("peer", "peer", "src/sessions/peer.rs"),
        "self.begun = Vec::new();\n        }",
        "self.begun = Vec::with_capacity(length);\n        }",
    ),
    Bug(
        "a CRLF is two line ends",
        *("stream", "events", "src/sse/mod.rs"),
        "self.after_return &= piece.is_empty();",
        "self.after_return = false;",
    ),
    Bug(
        "a CRLF that is cut is two line ends",
        *("stream", "events", "src/sse/mod.rs"),
        "while self.find().is_some() {}",
        "while self.find().is_some() {}\n        self.reader.after_return = false;",
    ),
    Bug(
        "the limit of an event holds for each piece alone",
        *("stream", "events", "src/sse/line.rs"),
        "if bytes.len() <= limit.saturating_sub(kept.len())",
        "if bytes.len() <= limit",
    ),
    Bug(
        "an ID of any length counts where its event lies whole",
        *("stream", "events", "src/sse/plain.rs"),
        "if value.len() <= id_limit && !value.contains(&0)",
        "if !value.contains(&0)",
    ),
    Bug(
        "data that was begun does not keep an event from being read in place",
        *("stream", "events", "src/sse/mod.rs"),
        "            && self.data.is_none()\n",
        "",
    ),
    Bug(
        "an ID goes out with an error",
        *("server", "server", "src/server/mod.rs"),
        "                Outcome::WithoutSessionId\n            }",
        "                Outcome::LetGo\n            }",
    ),
    Bug(
        "a wait that is over makes a request unknown that has come",
        *("server", "server", "src/server/mod.rs"),
        "if let (Stage::BeforeHandler, Posted::Begun(_)) = (&self.stage, &self.posted) {",
        "if let (Stage::BeforeHandler, _) = (&self.stage, &self.posted) {",
    ),
    Bug(
        "an answer is held back beyond the limit",
        *("server", "server", "src/server/mod.rs"),
        "self.counted = self.counted.saturating_add(piece.len().max(LEAST_MESSAGE));",
        "self.counted = self.counted.saturating_add(piece.len());",
    ),
    Bug(
        "a request that broke off counts as whole",
        *("server", "server", "src/server/posted.rs"),
        "            Rest::Follows => Posted::Begun(self),",
        "            Rest::Follows if self.opening == Some(b'{') => Posted::Whole(self),\n"
        "            Rest::Follows => Posted::Begun(self),",
    ),
    Bug(
        "an answer is let go at the first piece",
        *("server", "server", "src/server/mod.rs"),
        "so_far.look_again_at = so_far.bytes.len().saturating_mul(2);\n                self.look",
        "so_far.bytes.push(b'x');\n                self.look",
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
