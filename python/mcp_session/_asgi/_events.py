"""What is told of exchanges: counts, events for a hook, lines in a log."""

import logging
from collections import Counter
from collections.abc import Callable

from mcp_session._asgi._foreign import described_error
from mcp_session._core import AsgiMachine, VerdictEvent
from mcp_session._rules import Rule

__all__ = ["Reporter"]

_logger = logging.getLogger("mcp_session.asgi")


class Reporter:
    """Counts verdicts, and tells of those that correct something."""

    def __init__(self, hook: Callable[[VerdictEvent], object] | None, *, all_of: bool) -> None:
        """Tell a hook; of all of them where to report is what was asked for."""
        self.counts: Counter[Rule] = Counter()
        self._hook, self._tells_all = hook, all_of
        self._level = logging.INFO if all_of else logging.DEBUG

    def decided(self, machine: AsgiMachine, rule: Rule) -> None:
        """Count an exchange by its rule, and tell of it."""
        self.counts[rule] += 1
        is_logged = machine.corrects and _logger.isEnabledFor(self._level)
        hook = self._hook if machine.corrects or self._tells_all else None
        if not is_logged and hook is None:
            return
        event = machine.event()
        if is_logged:
            _logger.log(self._level, "%s", event)
        if hook is not None:
            try:
                hook(event)
            except Exception as error:  # noqa: BLE001 - it is the hook's affair
                _logger.error("The hook `on_verdict` raised %s", described_error(error))  # noqa: TRY400 - without its text

    def remark(self, machine: AsgiMachine) -> None:
        """Warn of what the application should be mended in, once."""
        for remark in machine.take_remarks():
            _logger.warning("%s", remark)
