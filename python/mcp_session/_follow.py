"""For clients that hand over no HTTP client: one that exists is made to follow its sessions.

Nothing is imported here before it is asked for, so that the names cost no more than they do.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from mcp_session._attributes import OwnAttributes
from mcp_session._sdk import import_of_the_sdk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from typing_extensions import TypedDict, Unpack

    from mcp_session._client.events import SessionEvent
    from mcp_session._enums import ResendPolicy

    class FollowOptions(TypedDict, total=False):
        """The options of the clients, as `mcp_session.httpx.AsyncClient` explains them."""

        quirks: bool
        misreports: Collection[tuple[int, str]]
        resend: ResendPolicy
        bound: int
        outage_shield: bool
        status_shield: bool | None
        stream_guard: bool
        on_event: Callable[[SessionEvent], object] | None
        recovery_timeout: float
        hold_timeout: float


__all__ = ["follow", "install", "uninstall"]

ClientT = TypeVar("ClientT")

logger = logging.getLogger("mcp_session")

HOOK = "hand its hook our client, or its client to mcp_session.follow"


def follow(client: ClientT, **options: Unpack[FollowOptions]) -> ClientT:
    """Make one HTTP client follow its sessions from now on, in place, and return it.

    `client` is an `AsyncClient` or a `Client` of httpx or httpx2, or of a class built on these. It
    sends as it did before, through its own transport, auth flow, cookies and event hooks. Sessions
    that it opened before are not followed. A client that follows already is left as it is; what
    `copy.copy` makes of it sends by it. Of an object with one such client for an attribute, which
    sends by it, that one is made to follow; of a proxy that says it is a client (`weakref.proxy`,
    `wrapt.ObjectProxy`) none is: give what is behind it.

    `options` are those of `mcp_session.httpx.AsyncClient`. Raises `TypeError` for what is no such
    client, or takes no attribute of its own, by the name of its class; `TypeError` and
    `ValueError` for an option.

    >>> import httpx
    >>> from mcp_session import follow
    >>> client = httpx.AsyncClient(headers={"x-team": "search"})
    >>> follow(client, quirks=False) is client
    True

    Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
    """
    sender: object = client
    adapter = _adapter_of(client)
    if adapter is None:
        # Some SDKs wrap what they are given, and hand the wrapper to the transport.
        held = {id(it): it for it in _held_by(client) if _adapter_of(it) is not None}
        if len(held) != 1:
            message = f"follow takes a client of httpx or httpx2, not {_name_of(client)}"
            raise TypeError(message)
        (sender,) = held.values()
        adapter = _adapter_of(sender)
    adapter.follow(sender, options)
    return client


def install(**options: Unpack[FollowOptions]) -> None:
    """Let the official SDK's HTTP clients follow their sessions, in the whole process.

    For programs and SDKs that hand over no HTTP client; where there is a hook, it is better.
    This is a patch: `StreamableHTTPTransport.post_writer` of mcp 1.x or 2.x makes each client
    that a transport is given follow its sessions, before its first request. It works before and
    after anything else imports mcp. Sessions that are open already are not followed, our own
    clients are left as they are, and traffic that is not the SDK's is not touched.

    `options` are those of `mcp_session.httpx.AsyncClient`. Called again, it sets the options of
    the clients to come. Raises `ModuleNotFoundError` without mcp, `RuntimeError` for an mcp whose
    transport looks otherwise, `TypeError` and `ValueError` for an option; then nothing is changed.

    >>> import mcp_session
    >>> mcp_session.install(hold_timeout=20)
    >>> mcp_session.uninstall()

    Source: `mcp.client.streamable_http` of mcp 1.9 to 2.3.
    """
    _INSTALLATION.install(dict(options))


def uninstall() -> None:
    """Undo `install`: clients to come are plain again. Those that follow go on to.

    Without an `install` before, nothing happens.

    >>> from mcp_session import uninstall
    >>> uninstall()

    Source: `install`.
    """
    _INSTALLATION.uninstall()


class _Installation:
    """The wrapped method of the SDK's transport, and what the wrapper has to do."""

    def __init__(self) -> None:
        """Begin with nothing wrapped."""
        self._lock = threading.Lock()
        self._options: dict[str, Any] | None = None
        self._transport: Any = None
        self._original: Any = None
        self._wrapper: Any = None
        self._refused: set[type] = set()

    def install(self, options: dict[str, Any]) -> None:
        """Check everything that can be wrong, then wrap."""
        # Not under the lock: what is imported may install as well, here or in another thread.
        transport = _transport_of_the_sdk()
        checked = checked_options(options)
        with self._lock:
            current: Any = getattr(transport, "post_writer", None)
            if not self._is_within(current):
                if self._wrapper is None or transport is not self._transport:
                    _check_transport(transport)
                # Once more around what others have made of ours is no harm: a client follows once.
                self._transport, self._original = transport, current
                self._wrapper = transport.post_writer = self._wrapped(current)
            # As they were checked: what can be read once is read.
            self._options = vars(checked)

    def uninstall(self) -> None:
        """Put the method back; if others have wrapped ours since, it only hands on."""
        with self._lock:
            self._options = None
            if self._transport is not None and self._transport.post_writer is self._wrapper:
                self._transport.post_writer = self._original
                self._transport = self._original = self._wrapper = None

    def _is_within(self, current: Callable[..., object]) -> bool:
        """Say whether this is our wrapper, or says that it is wrapped around it."""
        ours = self._wrapper
        with suppress(ValueError):  # it says that it is wrapped around itself
            return ours is not None and inspect.unwrap(current, stop=lambda it: it is ours) is ours
        return False

    def _wrapped(self, original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        @functools.wraps(original)
        async def post_writer(
            transport: object, client: object, *arguments: object, **keywords: object
        ) -> None:
            self._adopt(client)
            await original(transport, client, *arguments, **keywords)

        return post_writer

    def _adopt(self, client: object) -> None:
        options = self._options
        if options is None:
            return
        try:
            follow(client, **options)
        except Exception:  # noqa: BLE001 - its text may be that of the client's class
            # The application's session goes on as it would without us.
            if type(client) not in self._refused:
                self._refused.add(type(client))
                logger.warning("a client of the SDK's cannot follow: it is a %s", _name_of(client))


_INSTALLATION = _Installation()


def checked_options(options: dict[str, Any]) -> Any:  # noqa: ANN401 - its class is not imported yet
    """Make the options of a client, or raise what is wrong with them."""
    return importlib.import_module("mcp_session._client.options").Options.of(options)


def _adapter_of(client: object) -> Any:  # noqa: ANN401 - one of four classes
    """Find our class for this client's library.

    By the names of its classes: another thread may be importing a library just now, and something
    else may have taken the place of a class there.
    """
    for kind in type(client).__mro__:
        library = str(kind.__module__).partition(".")[0]
        if library in {"httpx", "httpx2"} and kind.__name__ in {"AsyncClient", "Client"}:
            return getattr(importlib.import_module(f"mcp_session.{library}"), kind.__name__)
    return None


def _held_by(wrapper: object) -> list[object]:
    """List what an object has for attributes of its own, unless it is a proxy.

    A proxy, which says of itself that it is of another class, may stand for another object each
    time, and have its attributes.
    """
    is_proxy = any("__class__" in vars(kind) for kind in type(wrapper).__mro__[:-1])
    return [] if is_proxy else OwnAttributes(wrapper).values()


def _transport_of_the_sdk() -> Any:  # noqa: ANN401 - of either generation
    try:
        module = import_of_the_sdk("mcp.client.streamable_http")
    except ModuleNotFoundError as error:
        if error.name == "mcp":
            message = "mcp_session.install needs the official SDK: pip install mcp"
            raise ModuleNotFoundError(message, name="mcp") from None
        if not str(error.name).startswith("mcp.client"):
            raise
        return None
    return getattr(module, "StreamableHTTPTransport", None)


def _check_transport(transport: object) -> None:
    post_writer = getattr(transport, "post_writer", None)
    if not inspect.iscoroutinefunction(post_writer) or _second_parameter(post_writer) != "client":
        message = (
            f"mcp_session.install does not know the transport of mcp {_version_of('mcp')}, which"
            f" has no coroutine StreamableHTTPTransport.post_writer(self, client, ...): {HOOK}"
        )
        raise RuntimeError(message)


def _version_of(distribution: str) -> str:
    from importlib.metadata import (  # noqa: PLC0415 - only what fails pays for it
        PackageNotFoundError,
        version,
    )

    try:
        return version(distribution)
    except PackageNotFoundError:
        return "of an unknown version"


def _second_parameter(function: Callable[..., object]) -> str:
    names = list(inspect.signature(function).parameters)
    return names[1] if len(names) > 1 else ""


def _name_of(client: object) -> str:
    kind = type(client)
    return f"{kind.__module__}.{kind.__qualname__}"
