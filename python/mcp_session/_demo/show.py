"""Runs the demonstration and prints it: both timelines, and the story of each."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import click
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mcp_session._cli import event_loop
from mcp_session._cli.classify import explanation
from mcp_session._cli.story import Teller, print_lines
from mcp_session._cli.terminal import arrow
from mcp_session._demo.perform import perform

if TYPE_CHECKING:
    from rich.console import Console

    from mcp_session._demo.application import Line
    from mcp_session._demo.perform import Demonstration

__all__ = ["main"]

# Of a column; and below which width two of them stand under each other instead.
WIDEST, NARROW = 46, 100


def main(console: Console) -> bool:
    """Run the demonstration, print both timelines, and say whether it shows what it is for.

    That is: the application with the client of `mcp_session` recovers, and the other does not.
    What is waited for is said on stderr meanwhile.
    """
    # The SDK logs what the applications see; with no handler Python prints that in between.
    logging.getLogger().addHandler(logging.NullHandler())
    demonstration = event_loop.run(perform)
    show(demonstration, console)
    return demonstration.ours.has_recovered and not demonstration.plain.has_recovered


def show(demonstration: Demonstration, console: Console) -> None:
    """Print both timelines, what the rules rest on, both stories, and how it went."""
    to = arrow(console)
    applications = (demonstration.plain, demonstration.ours)
    if console.width < NARROW:
        _show_in_turn(demonstration, console, to)
    else:
        _show_side_by_side(demonstration, console, to)
    for rule in dict.fromkeys(demonstration.ours.rules):
        console.print(*(Text(line) for line in explanation(rule)), sep="\n")
    for application in applications:
        console.print()
        console.print(Text(f"{application.name}, as `mcp-session diagnose` tells it:"))
        console.print()
        print_lines(console, Teller(application.exchanges()).lines(to))
    console.print()
    for application in applications:
        counts = f"{application.answered} of {application.answerable} calls that had a server"
        recovered = "recovered" if application.has_recovered else "did not recover"
        console.print(Text(f"{application.name}: {counts} were answered: {recovered}"))
    if demonstration.problem:
        click.echo(f"mcp-session: {demonstration.problem}", err=True)


def _show_side_by_side(demonstration: Demonstration, console: Console, to: str) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("s", justify="right")
    table.add_column("")
    for application in (demonstration.plain, demonstration.ours):
        table.add_column(application.name, max_width=WIDEST, overflow="fold")
    for act in demonstration.acts:
        cells = (Text("\n").join(_text(line, to) for line in it) for it in (act.plain, act.ours))
        table.add_row(Text(f"{act.seconds:.1f}"), Text(act.title), *cells)
    console.print(table)


def _show_in_turn(demonstration: Demonstration, console: Console, to: str) -> None:
    """Print one timeline below the other, for a terminal that has no room for both."""
    for name, is_plain in ((demonstration.plain.name, True), (demonstration.ours.name, False)):
        console.print(Text(name, "bold"))
        for act in demonstration.acts:
            console.print(Text(f"{act.seconds:4.1f} s {act.title}"))
            for line in act.plain if is_plain else act.ours:
                console.print(Padding(_text(line, to), (0, 0, 0, 4), expand=False))
        console.print()


def _text(line: Line, to: str) -> Text:
    """Return a line as it is shown."""
    said = f"{line.text} {to} {line.answer}" if line.answer else line.text
    return Text(said, line.style, overflow="fold")
