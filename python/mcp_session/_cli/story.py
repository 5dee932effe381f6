"""Tells the story of a recording: its sessions, and what was wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.text import Text

from mcp_session._cli.advice import advice
from mcp_session._cli.terminal import named, route, shown_id
from mcp_session._core import diagnose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from mcp_session._cli.recorded import Exchange
    from mcp_session._core import Finding, RecordedSession

__all__ = ["Teller", "print_lines"]

# As many exchanges of one finding are named; of the others it is said how many there are.
_NAMED = 5


class Teller:
    """Tells what the core found in a recording."""

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        """Take all exchanges of the recording."""
        self._exchanges = exchanges
        self._story = diagnose([exchange.core for exchange in exchanges])
        self._session_ids = {session.id.lower() for session in self._story.sessions} - {""}

    @property
    def has_findings(self) -> bool:
        """Whether anything was wrong."""
        return bool(self._story.findings)

    def lines(self, arrow: str) -> Iterator[str]:
        """Yield the lines of the story, each indented as it is to be shown."""
        for number, session in enumerate(self._story.sessions):
            yield from self._session_lines(number, session, arrow)
            yield ""
        for finding in self._story.findings:
            yield from self._finding_lines(finding, arrow)
            yield ""
        yield ", ".join(
            (
                _counted(len(self._exchanges), "exchange"),
                _counted(len(self._story.sessions), "session"),
                _counted(len(self._story.findings), "finding"),
            )
        )

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints of it; the IDs stay out, they are credentials."""
        return {
            "exchanges": [self._exchange_as_json(it) for it in range(len(self._exchanges))],
            "sessions": [self._session_as_json(it) for it in range(len(self._story.sessions))],
            "findings": [self._finding_as_json(finding) for finding in self._story.findings],
        }

    def _session_lines(self, number: int, session: RecordedSession, arrow: str) -> Iterator[str]:
        again = (
            f", given out again: generation {session.generation}" if session.generation > 1 else ""
        )
        endpoint = self._endpoint(session.began)
        yield f"session {number + 1} ({shown_id(session.id)}{again}) at {endpoint}"
        began = "began" if session.is_assigned else "known since"
        yield f"  {began} {self._told(session.began, arrow)}"
        yield f"  served {_counted(session.served, 'request')}"
        if session.ended is None:
            yield "  no end in this recording"
        else:
            yield f"  ended by {self._told(session.ended, arrow)}"
        if session.replacement is not None:
            after = self._story.session_of[session.replacement]
            brought = "" if after is None else f": session {after + 1}"
            yield f"  followed by {self._told(session.replacement, arrow)}{brought}"

    def _finding_lines(self, finding: Finding, arrow: str) -> Iterator[str]:
        where = "" if finding.session is None else f", session {finding.session + 1}"
        yield f"{finding.party}: {finding.claim}{where}"
        yield f"  {finding.summary}"
        for exchange in finding.exchanges[:_NAMED]:
            yield f"  in {self._told(exchange, arrow)}"
        if len(finding.exchanges) > _NAMED:
            yield f"  and in {len(finding.exchanges) - _NAMED} more"
        yield f"  > {finding.quote}"
        yield f"  {finding.url} (revision {finding.revision})"
        yield f"  what to do: {self._advice(finding)}"

    def _told(self, number: int, arrow: str) -> str:
        """Say what an exchange was, which rule decided, and where it stands."""
        exchange = self._exchanges[number]
        core = exchange.core
        message = named(core.message or "")
        what = " ".join(filter(None, (named(core.method), message)))
        rule = self._rule(number)
        came = "no answer" if rule is None else f"{core.status}, {rule}"
        where = " ".join(filter(None, (exchange.source, exchange.case)))
        told = f"[{number + 1}] {what} {arrow} {came}"
        return f"{told} ({where})" if where else told

    def _advice(self, finding: Finding) -> str:
        return advice(finding, self._exchanges[finding.exchanges[0]].core)

    def _endpoint(self, number: int) -> str:
        return route(self._exchanges[number].core.endpoint, self._session_ids)

    def _exchange_as_json(self, number: int) -> dict[str, Any]:
        exchange = self._exchanges[number]
        core = exchange.core
        verdict = self._story.verdict_of[number]
        return {
            "exchange": number + 1,
            "source": exchange.source,
            "case": exchange.case,
            "endpoint": self._endpoint(number),
            "method": named(core.method),
            "message": None if core.message is None else named(core.message),
            "status": core.status,
            "session": _from_one(self._story.session_of[number]),
            "action": verdict and verdict[0].value,
            "rule": verdict and verdict[1].value,
        }

    def _session_as_json(self, number: int) -> dict[str, Any]:
        session = self._story.sessions[number]
        after = session.replacement
        return {
            "session": number + 1,
            "fingerprint": shown_id(session.id),
            "generation": session.generation,
            "endpoint": self._endpoint(session.began),
            "is_assigned": session.is_assigned,
            "began": session.began + 1,
            "exchanges": [exchange + 1 for exchange in session.exchanges],
            "served": session.served,
            "ended": _from_one(session.ended),
            "rule": None if session.ended is None else self._rule(session.ended),
            "replacement": _from_one(after),
            "replaced_by": None if after is None else _from_one(self._story.session_of[after]),
        }

    def _finding_as_json(self, finding: Finding) -> dict[str, Any]:
        return {
            "claim": finding.claim,
            "party": finding.party,
            "session": _from_one(finding.session),
            "exchanges": [exchange + 1 for exchange in finding.exchanges],
            "rule": self._rule(finding.exchanges[0]),
            "summary": finding.summary,
            "quote": finding.quote,
            "url": finding.url,
            "revision": finding.revision,
            "advice": self._advice(finding),
        }

    def _rule(self, number: int) -> str | None:
        verdict = self._story.verdict_of[number]
        return verdict and verdict[1].value


def print_lines(console: Console, lines: Iterator[str]) -> None:
    """Print lines so that each stays indented where it is folded."""
    for line in lines:
        text = line.lstrip(" ")
        indent = (0, 0, 0, len(line) - len(text))
        console.print(Padding(Text(text, overflow="fold"), indent, expand=False) if text else "")


def _from_one(number: int | None) -> int | None:
    return None if number is None else number + 1


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
