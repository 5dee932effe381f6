"""What a client adapter may be told to do otherwise."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from mcp_session._core import Session
from mcp_session._enums import ResendPolicy
from mcp_session._notices import SessionEvent

__all__ = ["Options"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """The keyword options of the clients, checked. The clients say what each means.

    Raises `TypeError` and `ValueError` that name the option.
    """

    quirks: bool
    resend: ResendPolicy
    bound: int
    outage_shield: bool
    stream_guard: bool
    on_event: Callable[[SessionEvent], object] | None
    recovery_timeout: float

    def __post_init__(self) -> None:
        """Check every option, those that a session takes by making one."""
        self.session()
        _check_bool("outage_shield", self.outage_shield)
        _check_bool("stream_guard", self.stream_guard)
        _check_callable("on_event", self.on_event)
        _check_seconds("recovery_timeout", self.recovery_timeout)

    def session(self) -> Session:
        """Make the machine that follows one session."""
        return Session(quirks=self.quirks, resend=self.resend, bound=self.bound)


def _check_bool(name: str, value: object) -> None:
    if not isinstance(value, bool):
        message = f"{name} must be a bool, not {value!r}"
        raise TypeError(message)


def _check_callable(name: str, value: object) -> None:
    if not (value is None or callable(value)):
        message = f"{name} must be callable or None, not {value!r}"
        raise TypeError(message)


def _check_seconds(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        message = f"{name} must be a number of seconds, not {value!r}"
        raise TypeError(message)
    if not (value > 0 and math.isfinite(value)):
        message = f"{name} must be positive and finite, not {value!r}"
        raise ValueError(message)
