"""A client that sends bytes as they are: one exchange on a connection of its own."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h11

from mcp_session._urls import DEFAULT_PORTS, server_url_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from typing_extensions import Self

__all__ = ["RawExchange", "Response", "ScriptedClient", "write_request"]

# What is read of an answer; a server that says more is not read on.
LONGEST_ANSWER = 4 * 1024 * 1024
ONE_READ = 65536
ACCEPTED = "application/json, text/event-stream"


def write_request(  # noqa: PLR0913 - facts come by name
    method: str,
    body: bytes = b"",
    headers: Iterable[tuple[str, str]] = (),
    *,
    target: str = "/mcp",
    host: str = "127.0.0.1",
    session_id: str | None = None,
    protocol_version: str | None = None,
) -> bytes:
    r"""Write a request as MCP's clients do; `headers` come on top.

    >>> from mcp_session.testing import write_request
    >>> write_request("DELETE", session_id="1868a90c").splitlines()[-2]
    b'mcp-session-id: 1868a90c'
    """
    lines = [f"{method} {target} HTTP/1.1", f"host: {host}", f"accept: {ACCEPTED}"]
    if body or method == "POST":
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    if session_id is not None:
        lines.append(f"mcp-session-id: {session_id}")
    if protocol_version is not None:
        lines.append(f"mcp-protocol-version: {protocol_version}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass
class Response:
    """A response as far as it was read: its bytes, and what they say.

    >>> from mcp_session.testing import Response
    >>> Response().status, Response().is_whole
    (0, False)
    """

    raw: bytes = b""
    status: int = 0
    """0 as long as no head came."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    """By names in lower case; those of one name are joined, as HTTP does."""
    body: bytes = b""
    is_whole: bool = False
    ended_early: bool = False
    """Whether the server closed or reset the connection before the response was whole."""


class RawExchange:
    r"""One request on a connection of its own, and the response as far as it was read.

    A response that is no HTTP raises `h11.RemoteProtocolError`, one that does not come in time
    `TimeoutError`, a server that is not there, or with which there is no TLS, `OSError`.

    >>> import socket
    >>> from mcp_session.testing import RawExchange, write_request
    >>> with socket.create_server(("127.0.0.1", 0)) as server:
    ...     request = write_request("DELETE", session_id="1868a90c")
    ...     with RawExchange(server.getsockname(), request) as exchange:
    ...         accepted, _ = server.accept()
    ...         _ = accepted.recv(65536)
    ...         accepted.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\n\r\ngo")
    ...         accepted.close()
    ...         response = exchange.read()
    ...         response.status, response.body, response.ended_early
    (404, b'go', True)
    """

    def __init__(
        self,
        address: tuple[str, int],
        request: bytes,
        *,
        seconds: float = 30.0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Send a request to an address, over TLS if there is a context for it."""
        self.response = Response()
        self.request = request
        self._until = time.monotonic() + seconds
        self._connection = _connected(address, seconds, ssl_context)
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_ANSWER)
        method = request.split(b" ", 1)[0]
        # For the parser only, which has to know what was asked; the request goes out raw.
        known = method if method in {b"HEAD", b"CONNECT"} else b"GET"
        self._parser.send(h11.Request(method=known, target="/", headers=[("host", "x")]))
        self._parser.send(h11.EndOfMessage())
        try:
            self.send(request)
        except OSError:
            # A server may refuse, and close, before it has read all of it.
            self.response.ended_early = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Send more bytes."""
        self._connection.sendall(data)

    def finish_sending(self) -> None:
        """Say that nothing more comes, and read on; over TLS most servers then answer nothing."""
        with suppress(OSError):
            # `SSLSocket.shutdown` would end TLS in both directions. Below it, the other is kept.
            socket.socket.shutdown(self._connection, socket.SHUT_WR)

    def read_until(self, enough: Callable[[Response], bool]) -> Response:
        """Read until it is enough or all."""
        response = self.response
        while not response.is_whole and not enough(response):
            left = self._until - time.monotonic()
            if left <= 0:
                message = "the answer did not come in time"
                raise TimeoutError(message)
            self._connection.settimeout(left)
            try:
                data = self._connection.recv(ONE_READ)
            except ConnectionError:
                data = b""
            response.raw += data
            if len(response.raw) > LONGEST_ANSWER:
                return response
            self._read(data)
            if not data:
                response.ended_early = not response.is_whole
                return response
        return response

    def read(self) -> Response:
        """Read all of it."""
        return self.read_until(lambda _: False)

    def read_head(self) -> Response:
        """Read until the status is known."""
        return self.read_until(lambda response: response.status > 0)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _read(self, data: bytes) -> None:
        response = self.response
        if not data and not response.status:
            return
        self._parser.receive_data(data)
        for event in self._events():
            if isinstance(event, h11.Response):
                response.status = event.status_code
                response.headers = _joined(event.headers)
            elif isinstance(event, h11.Data):
                response.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                response.is_whole = True

    def _events(self) -> Iterator[object]:
        while True:
            try:
                event = self._parser.next_event()
            except h11.RemoteProtocolError:
                # Cut in the middle of a body: what came is kept.
                if self.response.status and self._parser.trailing_data == (b"", True):
                    return
                raise
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            yield event
            if isinstance(event, h11.EndOfMessage):
                return


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Join the headers of one name, however many there are of it."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.decode(), []).append(value.decode("latin-1"))
    return {name: ", ".join(it) for name, it in values.items()}


def _connected(
    address: tuple[str, int], seconds: float, ssl_context: ssl.SSLContext | None
) -> socket.socket:
    """Connect in this time, and agree on TLS in as much."""
    connection = socket.create_connection(address, timeout=seconds)
    if ssl_context is None:
        return connection
    try:
        return ssl_context.wrap_socket(connection, server_hostname=address[0])
    except BaseException:
        connection.close()
        raise


class ScriptedClient:
    """Sends a server the very bytes of a test, and reads what it answers.

    Each exchange has a connection of its own. `exchanges` keeps every request and the response
    to it, as raw bytes, for `mcp_session.classify_exchange`. A server of `https://` has to be
    certified by an authority of the system's, or as `ssl_context` has it.

    >>> from mcp_session.testing import ScriptedClient
    >>> ScriptedClient("http://127.0.0.1:8000/mcp?key=1").target
    '/mcp?key=1'
    """

    def __init__(
        self, url: str, *, seconds: float = 30.0, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        """Take where to send, and how long an answer may take."""
        parts = server_url_parts(url)
        if parts is None or parts.hostname is None:
            message = "not a URL of http:// or https:// that names a server"
            raise ValueError(message)
        self.address = (parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme])
        is_secure = parts.scheme == "https"
        self.ssl_context = (ssl_context or ssl.create_default_context()) if is_secure else None
        self.host = parts.netloc.rpartition("@")[2]
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.seconds = seconds
        self.exchanges: list[tuple[bytes, bytes]] = []

    def begin(self, request: bytes) -> RawExchange:
        """Send a request; close what is returned, or leave its block."""
        return RawExchange(
            self.address, request, seconds=self.seconds, ssl_context=self.ssl_context
        )

    def exchange(self, request: bytes) -> Response:
        """Send a request, and read the whole response."""
        with self.begin(request) as running:
            response = running.read()
        self.exchanges.append((request, response.raw))
        return response

    def send(
        self,
        method: str,
        body: bytes = b"",
        headers: Iterable[tuple[str, str]] = (),
        *,
        session_id: str | None = None,
        protocol_version: str | None = None,
    ) -> Response:
        """Write a request, send it, and read the whole response."""
        return self.exchange(
            write_request(
                method,
                body,
                headers,
                target=self.target,
                host=self.host,
                session_id=session_id,
                protocol_version=protocol_version,
            )
        )
