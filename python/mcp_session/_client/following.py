"""What makes an HTTP client one that follows its sessions, for either library."""

from __future__ import annotations

import inspect
from contextlib import suppress
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from mcp_session._attributes import OwnAttributes
from mcp_session._client.blocking import blocking_send, blocking_source, run
from mcp_session._client.driver import Driver, RequestDriver
from mcp_session._client.options import Options
from mcp_session._enums import ResendPolicy
from mcp_session._sdk import import_of_the_sdk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from types import CoroutineType

    from mcp_session._client.events import SessionEvent
    from mcp_session._client.library import Library

__all__ = ["FollowsSessions", "FollowsSessionsBlocking", "sdk_follows_redirects"]

# Of two threads that make one client follow, the second finds that it does. What the client's class
# does when it is asked for its `send` may be to make another follow.
FOLLOWING = RLock()

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


class Following:
    """The options of all clients; it stands before the library's class among the bases."""

    _library: ClassVar[Library]
    _sent: ClassVar[Callable[..., Any]]
    """Sends a request by a driver."""
    _driver: Driver

    def __init__(  # noqa: PLR0913 - options come by name
        self,
        *,
        quirks: bool = True,
        misreports: Collection[tuple[int, str]] = (),
        resend: ResendPolicy = ResendPolicy.ALL,
        bound: int = 2,
        outage_shield: bool = True,
        status_shield: bool | None = None,
        stream_guard: bool = True,
        on_event: Callable[[SessionEvent], object] | None = None,
        recovery_timeout: float = 30.0,
        hold_timeout: float = 60.0,
        **keywords: Any,  # noqa: ANN401 - what goes through to the library has its types there
    ) -> None:
        """Make a client that follows the sessions which are opened through it.

        `keywords` are those of the library's own `AsyncClient`.

        - `quirks` (`bool`): whether known misreports of a terminated session count too.
        - `misreports` (collection of pairs of a status, `int`, and a text, `str`): the words in
          which these servers report a terminated session, beside the listed ones.
        - `resend` (`ResendPolicy`): which requests are sent again.
        - `bound` (`int`): how many sessions may end before one success until no new one is
          made for a while: 1 s, then twice as long each time, up to 60 s.
        - `outage_shield` (`bool`): a call to a server that is not there ends with a JSON-RPC
          error for that call, a notification is answered 202, a GET waits until it is back.
        - `status_shield` (`bool` or `None`): a call that is refused by an HTTP status (400 or
          more, but for 401, 403 and 404) ends with such an error too. By default where the
          SDKs would end with the first such call: with `httpx`.
        - `stream_guard` (`bool`): so does an answer that breaks off, or answers nothing; a
          stream that is cut, or is of a session that was replaced, ends cleanly.
        - `on_event` (callable or `None`): called, and awaited if it can be, with each
          `SessionEvent`. What it raises is logged and harms nobody.
        - `recovery_timeout` (`float`, seconds): how long a re-initialization may take, and how
          long those who wait for it wait for the application's hook.
        - `hold_timeout` (`float`, seconds): how long a call may be held in all; then it ends
          with an error.

        Raises `TypeError` and `ValueError` that name the option.
        """
        options = Options(
            quirks=quirks,
            misreports=misreports,
            resend=resend,
            bound=bound,
            outage_shield=outage_shield,
            status_shield=status_shield,
            stream_guard=stream_guard,
            on_event=on_event,
            recovery_timeout=recovery_timeout,
            hold_timeout=hold_timeout,
        )
        super().__init__(**keywords)
        # The library's class comes next among the bases: nobody but `object` comes after it.
        base: Any = super()
        self._driver = self._drive(self, base.send, options)

    @classmethod
    def follow(cls, client: Any, options: Mapping[str, Any]) -> None:  # noqa: ANN401 - a library's
        """Let a client of the library's follow its sessions, as one of ours does.

        Raises `TypeError` that names the class of a client whose `send` cannot be another.
        """
        checked = Options.of(options)
        with FOLLOWING:
            if not (isinstance(client, Following) or hasattr(client.send, "of_mcp_session")):
                cls._follow(client, checked)

    @classmethod
    def _follow(cls, client: Any, checked: Options) -> None:  # noqa: ANN401 - as above
        send: Any = partial(cls._sent, cls._drive(client, client.send, checked))
        # So that it is not put upon another of ours.
        send.of_mcp_session = True
        given: object = client
        before = OwnAttributes(given)
        with suppress(Exception):  # a class may refuse attributes in its own way
            client.send = send
            if client.send is send:
                return
        # Its class may have kept what it made of ours, under any name.
        before.put_back()
        kind = type(given)
        message = f"the send of a {kind.__module__}.{kind.__qualname__} cannot be replaced"
        raise TypeError(message)

    @classmethod
    def _drive(cls, client: Any, send: Callable[..., Any], options: Options) -> Driver:  # noqa: ANN401
        return Driver(client, send, cls._library, options)


async def sent(
    driver: Driver,
    request: Any,  # noqa: ANN401 - of either library
    *,
    stream: bool = False,
    **send_options: Any,  # noqa: ANN401 - the library's
) -> Any:  # noqa: ANN401 - as above
    """Send a request of either library."""
    return await RequestDriver(driver, request, send_options).send(stream=stream)


def sent_by_thread(
    driver: Driver,
    request: Any,  # noqa: ANN401 - as above
    *,
    stream: bool = False,
    **send_options: Any,  # noqa: ANN401 - as above
) -> Any:  # noqa: ANN401 - as above
    """Send a request in this thread."""
    if not hasattr(request.stream, "__aiter__"):
        # Its body only says `for`.
        request.stream = blocking_source(request.stream, driver.wire.library)
    return run(sent(driver, request, stream=stream, **send_options))


class FollowsSessions(Following, Generic[RequestT, ResponseT]):
    """A client with `async` that follows its sessions."""

    _sent = staticmethod(sent)

    def send(
        self,
        request: RequestT,
        *,
        stream: bool = False,
        **send_options: Any,  # noqa: ANN401 - as above
    ) -> CoroutineType[Any, Any, ResponseT]:
        """Send a request, in the session that stands now, if it is of one."""
        of_library: Any = request
        response: Any = RequestDriver(self._driver, of_library, send_options).send(stream=stream)
        return response  # type: ignore[no-any-return]


class FollowsSessionsBlocking(Following, Generic[RequestT, ResponseT]):
    """A client without `async` that does so, for any number of threads."""

    _sent = staticmethod(sent_by_thread)

    def send(
        self,
        request: RequestT,
        *,
        stream: bool = False,
        **send_options: Any,  # noqa: ANN401 - as above
    ) -> ResponseT:
        """Send a request, in the session that stands now, if it is of one."""
        response: Any = self._sent(self._driver, request, stream=stream, **send_options)
        return response  # type: ignore[no-any-return]

    @classmethod
    def _drive(cls, client: Any, send: Callable[..., Any], options: Options) -> Driver:  # noqa: ANN401
        if inspect.iscoroutinefunction(options.on_event):
            message = "on_event must be no coroutine function where there is no event loop"
            raise TypeError(message)
        library = cls._library
        return Driver(client, blocking_send(send, library), library, options)


def sdk_follows_redirects() -> bool:
    """Say whether the factory of the installed SDK leaves redirects to its HTTP library.

    It does until the SDK follows them itself, within the origin.
    """
    try:
        factories = import_of_the_sdk("mcp.shared._httpx_utils")
    except ImportError:
        return False
    return not hasattr(factories, "next_request_within_origin")
