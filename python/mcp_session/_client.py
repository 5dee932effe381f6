"""What makes an HTTP client one that follows its sessions, for either library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from mcp_session._driver import Driver
from mcp_session._enums import ResendPolicy
from mcp_session._options import Options

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp_session._driver import Library
    from mcp_session._notices import SessionEvent

__all__ = ["FollowsSessions"]


class FollowsSessions:
    """The options of both clients; it stands before the library's class among the bases."""

    _library: ClassVar[Library]

    def __init__(  # noqa: PLR0913 - options come by name
        self,
        *,
        quirks: bool = True,
        resend: ResendPolicy = ResendPolicy.ALL,
        bound: int = 2,
        outage_shield: bool = True,
        stream_guard: bool = True,
        on_event: Callable[[SessionEvent], object] | None = None,
        recovery_timeout: float = 30.0,
        **keywords: Any,  # noqa: ANN401 - what goes through to the library has its types there
    ) -> None:
        """Make a client that follows the sessions which are opened through it.

        `keywords` are those of the library's own `AsyncClient`.

        - `quirks` (`bool`): whether known misreports of a terminated session count too.
        - `resend` (`ResendPolicy`): which requests are sent again.
        - `bound` (`int`): how many sessions may end before one success until no request is
          sent into another.
        - `outage_shield` (`bool`): a call made while the server is not there (refused, reset,
          no answer in time, or 502, 503, 504 from a gateway) ends with a JSON-RPC error, code
          -32000, for that call; a notification is answered 202; a stream opened by GET waits
          until the server is back. Otherwise the SDKs' clients end with the first such call.
        - `stream_guard` (`bool`): an answer that breaks off becomes such an error too, and a
          stream that is cut, or is of a session that was replaced, ends as if the server had
          ended it, so that the SDK opens the next.
        - `on_event` (callable or `None`): called, and awaited if it can be, with each
          `SessionEvent`. What it raises is logged and harms nobody.
        - `recovery_timeout` (`float`, seconds): how long a re-initialization may take.

        Raises `TypeError` and `ValueError` that name the option.
        """
        options = Options(
            quirks=quirks,
            resend=resend,
            bound=bound,
            outage_shield=outage_shield,
            stream_guard=stream_guard,
            on_event=on_event,
            recovery_timeout=recovery_timeout,
        )
        super().__init__(**keywords)
        # The library's class comes next among the bases: nobody but `object` comes after it.
        base: Any = super()
        client: Any = self
        self._driver = Driver(client, base.send, self._library, options)
