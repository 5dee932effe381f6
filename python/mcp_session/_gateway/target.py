"""One server behind a gateway: its address, and what of a request and an answer names it."""

import ipaddress
import re
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from mcp_session._asgi._addresses import checked_server_url
from mcp_session._asgi._forward import Upstream
from mcp_session._asgi._http11 import HOP_BY_HOP
from mcp_session._urls import DEFAULT_PORTS

__all__ = ["Target", "TrustedProxies", "number_of"]

_CONNECT_SECONDS = 5.0
_SESSION_ID = b"mcp-session-id"
_PLACES = frozenset({b"location", b"content-location"})
# What says where a request came from before it was here: in it anybody can write anything.
_FORWARDED = frozenset(
    {
        *(b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port"),
        *(b"x-forwarded-prefix", b"x-forwarded-proto", b"x-real-ip"),
    }
)
# https://www.rfc-editor.org/rfc/rfc9112.html#name-absolute-form
_ABSOLUTE = re.compile(rb"\A[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
# Where a body ends is settled with each neighbour anew, of what is said here.
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_SLASHES = frozenset({b"/", b"\\"})
_UP = re.compile(rb"/(?:\.|%2e){2}(?=/|$)", re.IGNORECASE)

# What says of a session which of several servers has it: a part of its ID, as they see it that
# are behind; of HTTP+SSE, a part of the endpoint.
_TAG = re.compile(rb"([0-9a-f]{1,4})-")
_PARAMETER = re.compile(rb"(?:^|&)mcp_gateway_upstream=([0-9a-f]{1,4})(?=&|$)")

# The event by which a stream of HTTP+SSE begins.
# https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse
_ENDPOINT = re.compile(rb"(event: ?endpoint\r?\ndata: ?)([^\r\n]*)(\r?\n\r?\n)")


class Target:
    """A server at a URL.

    A path with a last slash stands before that of each request; without one it says at most
    where the server answers. Raises `ValueError` for a URL that is not usable, without it.
    """

    def __init__(self, url: str, number: int) -> None:
        """Reach it at an URL; `number` says which of several it is."""
        parts = checked_server_url("an upstream", url)
        self.number = number
        self._base = parts.path.rstrip("/").encode() if parts.path.endswith("/") else b""
        self.host = parts.netloc.encode("ascii")
        self._place = (parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme])
        self.upstream = Upstream(
            f"{parts.scheme}://{parts.netloc}",
            connect_seconds=_CONNECT_SECONDS,
        )

    # What goes to it.

    def path_of(self, target: bytes) -> bytes:
        """Return the target of a request as the server has it.

        Raises `ValueError` for one that would lead out of the path before it.
        """
        path, mark, query = target.partition(b"?")
        # "When a proxy receives a request with an absolute-form of request-target, the proxy MUST
        # ignore the received Host header field", and the server would, too: it has its own name.
        path = _ABSOLUTE.sub(b"", path)
        if self._base and _UP.search(path):
            message = "the path leads upwards"
            raise ValueError(message)
        query = _PARAMETER.sub(b"", query).removeprefix(b"&")
        return self._base + (path or b"/") + mark * bool(query) + query

    def headers_of(
        self,
        headers: Iterable[tuple[bytes, bytes]],
        client: str | None,
        scheme: str,
        *,
        is_trusted: bool,
    ) -> list[tuple[bytes, bytes]]:
        """Return the headers of a request as the server is sent them.

        `is_trusted`: whether who sends it is a proxy in front, which knows better who asked.
        """
        pairs = _end_to_end(headers)
        if not is_trusted:
            pairs = [pair for pair in pairs if pair[0] not in _FORWARDED]
        named = dict(pairs)
        asked = {b"x-forwarded-proto": scheme.encode("ascii")}
        if b"host" in named:
            asked[b"x-forwarded-host"] = named[b"host"]
        chain = [value for name, value in pairs if name == b"x-forwarded-for"]
        if client is not None:
            chain.append(client.encode("ascii", "replace"))
        sent = [(b"host", self.host)]
        if chain:
            sent.append((b"x-forwarded-for", b", ".join(chain)))
        sent += [(name, value) for name, value in asked.items() if name not in named]
        return sent + [
            (name, _untagged(value) if name == _SESSION_ID else value)
            for name, value in pairs
            if name not in {b"host", b"proxy-authorization", b"x-forwarded-for"}
        ]

    # What comes from it.

    def answered(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return the headers of an answer as they are sent on."""
        return [(name, self._of_answer(name, value)) for name, value in _end_to_end(headers)]

    def endpoint(self, beginning: bytes, *, is_one_of_several: bool) -> bytes | None:
        """Return the beginning of a stream with the endpoint as it is here.

        It is `None` as long as more has to be read to say so.
        """
        found = _ENDPOINT.match(beginning)
        if found is None:
            is_open = b"\n\n" not in beginning and b"\n\r\n" not in beginning
            return None if is_open else beginning
        place = self._moved(found[2])
        if is_one_of_several:
            place += (b"&" if b"?" in place else b"?") + b"mcp_gateway_upstream=%x" % self.number
        return found[1] + place + found[3] + beginning[found.end() :]

    def _of_answer(self, name: bytes, value: bytes) -> bytes:
        if name == _SESSION_ID and value:
            return b"%x-" % self.number + value
        return self._moved(value) if name in _PLACES else value

    def _moved(self, place: bytes) -> bytes:
        """Return a place at the server as the place here that leads to it."""
        try:
            parts = urlsplit(place.decode("ascii"))
            is_whole = bool(parts.scheme or parts.netloc)
            if is_whole:
                at = (parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme or "http"))
                if at != self._place:
                    return place
        except ValueError:
            return place
        path = parts._replace(scheme="", netloc="").geturl().encode()
        if path.startswith((self._base + b"/", self._base + b"?")):
            path, is_whole = path[len(self._base) :], is_whole or bool(self._base)
        if is_whole and path[:1] in {b"", b"?"}:
            return b"/" + path
        # With two slashes at its head, for browsers of either kind, it would name another host.
        return b"/." + path if path[:1] in _SLASHES and path[1:2] in _SLASHES else path


class TrustedProxies:
    """The proxies in front that are believed where a request comes from.

    Raises `ValueError` for what is no address, no network and no `*`.
    """

    def __init__(self, names: Collection[str]) -> None:
        """Take addresses and networks, such as `10.0.0.0/8`; `*` is everybody."""
        given = set(names)
        self._are_all = "*" in given
        try:
            self._networks = [ipaddress.ip_network(name) for name in given - {"*"}]
        except ValueError:
            message = "a trusted proxy must be an address, a network such as 10.0.0.0/8, or *"
            raise ValueError(message) from None

    def __contains__(self, client: object) -> bool:
        """Whether the address of a client is one of theirs."""
        if self._are_all:
            return True
        try:
            address = ipaddress.ip_address(str(client))
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def number_of(headers: Iterable[tuple[bytes, bytes]], query: bytes) -> int | None:
    """Which server the session of a request is at; `None` if it does not say."""
    for name, value in headers:
        if name == _SESSION_ID:
            tag = _TAG.match(value)
            return None if tag is None else int(tag[1], 16)
    parameter = _PARAMETER.search(query)
    return None if parameter is None else int(parameter[1], 16)


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return what is not for the next neighbour alone.

    https://www.rfc-editor.org/rfc/rfc9110.html#name-connection
    """
    pairs = [(name.lower(), value) for name, value in headers]
    options = b",".join(value for name, value in pairs if name == b"connection").lower()
    neighbours = {option.strip() for option in options.split(b",")} | HOP_BY_HOP
    return [pair for pair in pairs if pair[0] not in neighbours - _FRAMING]


def _untagged(session_id: bytes) -> bytes:
    """Return an ID as its server gave it."""
    return _TAG.sub(b"", session_id, count=1) if _TAG.match(session_id) else session_id
