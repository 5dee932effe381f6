"""What a client adapter may be told to do otherwise."""

import inspect
import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, partial
from itertools import islice
from typing import Any

from mcp_session._client.events import RecoveryFailed, RequestGivenUp, SessionEvent
from mcp_session._client.waiting import Waits
from mcp_session._core import Client
from mcp_session._enums import ResendPolicy

__all__ = ["Options"]

logger = logging.getLogger("mcp_session")

# How many sessions one client remembers; those that were used longest ago are forgotten.
REMEMBERED = 4096

# As `Misreports::LIMIT` of the core has it.
MOST_MISREPORTS = 64

# A hook may call the server, and that call fails as the one did of which it is told. Without a
# bound it would be told of its own calls without an end, each time from within the last.
FAILURES_TOLD_AT_ONCE = 32


@dataclass(frozen=True, kw_only=True)
class Options:
    """The keyword options of the clients, checked. The clients say what each means.

    Raises `TypeError` and `ValueError` that name the option.
    """

    quirks: bool = True
    misreports: Collection[tuple[int, str]] = ()
    resend: ResendPolicy = ResendPolicy.ALL
    bound: int = 2
    outage_shield: bool = True
    status_shield: bool | None = None
    stream_guard: bool = True
    on_event: Callable[[SessionEvent], object] | None = None
    recovery_timeout: float = 30.0
    hold_timeout: float = 60.0

    def __post_init__(self) -> None:
        """Check every option, those that a session takes by making a machine."""
        _check_bool("outage_shield", self.outage_shield)
        _check_bool("stream_guard", self.stream_guard)
        if self.status_shield is not None:
            _check_bool("status_shield", self.status_shield)
        _check_callable("on_event", self.on_event)
        _check_seconds("recovery_timeout", self.recovery_timeout)
        _check_seconds("hold_timeout", self.hold_timeout)
        if hasattr(self.misreports, "__iter__"):
            # What can be read once is read once, for all the machines of these options; they
            # refuse one more than there may be, of a collection without an end too.
            read = tuple(islice(self.misreports, MOST_MISREPORTS + 1))
            object.__setattr__(self, "misreports", read)
        self.machine(status_shield=False)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Options":
        """Check options that somebody gives by name."""
        names = [field.name for field in fields(cls)]
        if unknown := next((it for it in options if it not in names), None):
            message = f"there is no option {unknown!r}, only {', '.join(names)}"
            raise TypeError(message)
        return cls(**options)

    def machine(self, *, status_shield: bool) -> Client:
        """Make the machine of one HTTP client; `status_shield` is what counts without ours."""
        return Client(
            quirks=self.quirks,
            resend=self.resend,
            bound=self.bound,
            outage_shield=self.outage_shield,
            status_shield=status_shield if self.status_shield is None else self.status_shield,
            stream_guard=self.stream_guard,
            misreports=self.misreports,
            remembered=REMEMBERED,
        )

    async def tell(self, events: Sequence[SessionEvent], waits: Waits) -> None:
        """Log what happened and call the application's hook with it.

        A hook that raises, or does not return within `recovery_timeout`, harms nobody, nor does
        one that makes what it is told of.
        """
        for event in events:
            level = logging.WARNING if isinstance(event, RecoveryFailed) else logging.INFO
            logger.log(level, "%s", event)
            is_failure = isinstance(event, RecoveryFailed | RequestGivenUp)
            told = self._failures_told if is_failure else []
            if self.on_event is None or len(told) >= FAILURES_TOLD_AT_ONCE:
                continue
            told.append(event)
            try:
                with waits.move_on_after(self.recovery_timeout):
                    await waits.call_apart(partial(call_hook, self.on_event, event, waits))
            finally:
                told.remove(event)

    @cached_property
    def _failures_told(self) -> list[SessionEvent]:
        """Those from which the hook has not returned yet."""
        return []


async def call_hook(
    hook: Callable[[SessionEvent], object], event: SessionEvent, waits: Waits
) -> None:
    """Call the application's hook, and log what it raises by its type."""
    try:
        told = hook(event)
        if inspect.isawaitable(told):
            if not waits.can_await:
                if inspect.iscoroutine(told):
                    told.close()
                message = "there is no event loop to await it in"
                raise TypeError(message)  # noqa: TRY301 - one line is logged for all
            await told
    except Exception as error:  # noqa: BLE001 - its text is the application's own
        name, kind = type(event).__name__, type(error).__name__
        logger.error("the hook on_event failed with %s: %s", name, kind)  # noqa: TRY400


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
