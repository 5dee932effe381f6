"""Prints what each exchange of a recording means for its session."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from mcp_session import Rule, Side
from mcp_session._cli.terminal import arrow, console_for_output, escaped, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_session import Verdict
    from mcp_session._cli.recorded import Exchange

__all__ = ["Classified", "explanation", "show", "show_as_json"]


@dataclass(frozen=True)
class Classified:
    """An exchange of a recording, and its verdict; `None` where no answer came."""

    exchange: Exchange
    side: Side
    verdict: Verdict | None
    misreport: Rule | None
    """The row of the misreport that the answer is, acted upon or not."""
    remarks: list[str]

    @classmethod
    def of(cls, exchange: Exchange, side: Side, *, quirks: bool) -> Classified:
        """Ask the core what an exchange means."""
        core = exchange.core
        verdict = core.verdict(side=side, quirks=quirks)
        misreport = _misreport(exchange)
        remarks = list(core.remarks)
        if misreport is not None and verdict is not None and verdict.rule is not misreport:
            acting = core.verdict(side=Side.CLIENT, quirks=True)
            who = (
                "acted on with --quirks"
                if acting is not None and acting.rule is misreport
                else "acted on by servers alone"
            )
            remarks.append(f"{misreport.value}: {who}")
        return cls(exchange, side, verdict, misreport, remarks)

    def as_json(self, *, explain: bool) -> dict[str, Any]:
        """Return what `--json` prints of it; the IDs stay out, they are credentials."""
        core, verdict = self.exchange.core, self.verdict
        answer = verdict and verdict.response
        shown: dict[str, Any] = {
            "server": self.exchange.source,
            "case": self.exchange.case,
            "method": named(core.method),
            "attached": core.attached(side=self.side),
            "status": core.status,
            "action": verdict and verdict.action.value,
            "rule": verdict and verdict.rule.value,
            "forward_session_id": verdict and verdict.forward_session_id,
            "answer": answer
            and {
                "status": answer.status,
                "headers": dict(answer.headers),
                "body": escaped(answer.body.decode()),
            },
            "misreport": self.misreport and self.misreport.value,
            "remarks": self.remarks,
        }
        if explain and verdict is not None:
            rule = verdict.rule
            shown |= {
                "summary": rule.summary,
                "quote": rule.quote,
                "url": rule.url,
                "revision": rule.revision,
                "source": rule.source,
            }
        return shown


def show_as_json(classified: Sequence[Classified], *, explain: bool) -> None:
    """Print one JSON object a line."""
    for it in classified:
        click.echo(json.dumps(it.as_json(explain=explain), ensure_ascii=False))


def show(classified: Sequence[Classified], side: Side, *, explain: bool) -> None:
    """Print a table of the exchanges, and below it what the rules rest on."""
    console = console_for_output()
    to = arrow(console)
    table = Table(box=None, pad_edge=False)
    with_remarks = any(it.remarks for it in classified)
    for title in (
        *("server", "case", "attached", f"status {to} action", "rule"),
        *(["answer"] if side is Side.SERVER else []),
        *(["remarks"] if with_remarks else []),
    ):
        table.add_column(title, overflow="fold")
    for it in classified:
        core, verdict = it.exchange.core, it.verdict
        action = f"{core.status} {to} {verdict.action.value}" if verdict else "no answer"
        table.add_row(
            *map(
                Text,
                (
                    it.exchange.source,
                    it.exchange.case,
                    core.attached(side=side),
                    action,
                    verdict.rule.value if verdict else "",
                    *([_answer(verdict)] if side is Side.SERVER else []),
                    *(["; ".join(it.remarks)] if with_remarks else []),
                ),
            )
        )
    if classified:
        console.print(table)
    if explain:
        rules = {it.verdict.rule for it in classified if it.verdict}
        for rule in Rule:
            if rule in rules:
                console.print(*(Text(line) for line in explanation(rule)), sep="\n")
    console.print(Text(f"{len(classified)} exchange{'s' * (len(classified) != 1)}"))


def explanation(rule: Rule) -> list[str]:
    """Say what a rule rests on."""
    return [
        "",
        rule.value,
        f"  {rule.summary}",
        f"  > {rule.quote}",
        f"  {rule.url} (revision {rule.revision})",
    ]


def _misreport(exchange: Exchange) -> Rule | None:
    """Return the row of the misreport that an answer is: servers act on each of them."""
    verdict = exchange.core.verdict(side=Side.SERVER, quirks=False)
    return verdict.rule if verdict is not None and verdict.rule.source is not None else None


def _answer(verdict: Verdict | None) -> str:
    """Say what a server sends in place of what it had."""
    if verdict is None:
        return ""
    parts: list[str] = []
    if verdict.response is not None:
        parts.append(f"{verdict.response.status} {escaped(verdict.response.body.decode())}")
    if not verdict.forward_session_id:
        parts.append("session header withheld")
    return ", ".join(parts)
