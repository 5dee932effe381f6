"""The checks of a live server as tests: one for each, after those of the repository."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from mcp_session._cli.files import reason
from mcp_session._extras import how_to_install, missing_module

if TYPE_CHECKING:
    from typing_extensions import Self

    from mcp_session._check.results import Result
    from mcp_session.testing import CommandServer

__all__ = ["MARK", "Checked", "collected"]

MARK = "mcp_session_check"

# What the extra `check` brings, by the names of the modules.
_NEEDED = {"anyio", "click", "h11", "httpx2", "rich"}


@dataclass(frozen=True)
class Checked:
    """The server to check, and what is allowed."""

    url: str
    bearer: str | None
    headers: tuple[str, ...]
    tool: str | None
    idle: float | None
    server: CommandServer | None
    """What is started, killed and restarted, where a command starts it."""


def collected(session: pytest.Session, checked: Checked) -> list[SessionCheck]:
    """Return a test for each check; raise `pytest.UsageError` for what is not understood."""
    try:
        run = _Run(checked)
    except ModuleNotFoundError as error:
        message = f"the checks need {missing_module(error, _NEEDED)}: {how_to_install('check')}"
        raise pytest.UsageError(message) from None
    # pytest leaves the further arguments without types.
    parent = _Checks.from_parent(  # pyright: ignore[reportUnknownMemberType]
        session, name="mcp-session check", nodeid="mcp-session check"
    )
    return [SessionCheck.of(parent, name, run) for name in run.names]


class SessionCheck(pytest.Item):
    """One check. The first that is run runs all that are to be run, in the order of the table."""

    run: _Run

    @classmethod
    def of(cls, parent: pytest.Collector, name: str, run: _Run) -> Self:
        """Return the test for the check of this name."""
        item: Self = cls.from_parent(parent, name=name)  # pyright: ignore[reportUnknownMemberType]
        item.run = run
        item.add_marker(MARK)
        return item

    def runtest(self) -> None:
        """Say what came of it: pass, fail, skip, or pass with a warning."""
        chosen = [it.name for it in self.session.items if isinstance(it, SessionCheck)]
        result = self.run.result(self.name, chosen)
        outcome = result.outcome.value
        if outcome == "skipped":
            pytest.skip(result.reason)
        if outcome == "warning":
            from mcp_session.testing import SessionWarning  # noqa: PLC0415 - an extra

            warnings.warn(SessionWarning(f"{self.name}: {result.reason}"), stacklevel=1)
        if outcome == "fail":
            pytest.fail(_told(result), pytrace=False)

    def reportinfo(self) -> tuple[str, None, str]:
        """Return what stands above a failure: the check has no line of code to show."""
        return str(self.path), None, f"mcp-session check: {self.name}"


class _Checks(pytest.Collector):
    """Stands where the file of other tests stands."""

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        """Return nothing: the tests are there already."""
        return []


class _Run:
    """A run of the checks, made once, when the first result is wanted."""

    def __init__(self, checked: Checked) -> None:
        # What an extra brings may be missing.
        import click  # noqa: PLC0415 - see above

        from mcp_session._check.server_table import TABLE  # noqa: PLC0415 - see above
        from mcp_session._cli.check import (  # noqa: PLC0415 - see above
            ANSWER_SECONDS,
            MOST_REQUESTS,
        )
        from mcp_session._cli.checking import asked_of  # noqa: PLC0415 - see above

        try:
            self._asked = asked_of(
                checked.url,
                bearer=checked.bearer,
                headers=checked.headers,
                tool=checked.tool,
                command=None,
                shows_output=False,
                idle=checked.idle,
                seconds=ANSWER_SECONDS,
                most_requests=MOST_REQUESTS,
            )
        except click.UsageError as error:
            message = f"mcp-session check: {error.format_message()}"
            raise pytest.UsageError(message) from None
        self._server = checked.server
        self._table = {it.entry.id: it for it in TABLE}
        self._results: dict[str, Result] = {}
        self._cannot_start: str | None = None

    @property
    def names(self) -> list[str]:
        return list(self._table)

    def result(self, name: str, chosen: list[str]) -> Result:
        """Return what came of a check; `chosen` are the names of all that are wanted."""
        if name not in self._results:
            from mcp_session._check.server_run import check_server  # noqa: PLC0415 - an extra
            from mcp_session._cli import event_loop  # noqa: PLC0415 - an extra

            self._start()
            asked = replace(self._asked, process=self._server)
            table = [self._table[it] for it in chosen if it not in self._results]
            results = event_loop.run(partial(check_server, asked, table))
            self._results |= {it.entry.id: it for it in results}
        return self._results[name]

    def _start(self) -> None:
        """Start the server; where it does not come up, one test fails and the rest is skipped."""
        if self._cannot_start is not None:
            pytest.skip(f"the server did not start: {self._cannot_start}")
        if self._server is None:
            return
        try:
            self._server.start()
        except (OSError, RuntimeError) as error:
            self._cannot_start = reason(error)
            pytest.fail(f"--mcp-session-command: {self._cannot_start}", pytrace=False)


def _told(result: Result) -> str:
    entry = result.entry
    return (
        f"{entry.id}: {result.reason}\n"
        f"sends {entry.sends}\n"
        f"wants {entry.wants}\n\n"
        f"> {entry.sentence.text}\n"
        f"{entry.sentence.url} (revision {entry.sentence.revision})"
    )
