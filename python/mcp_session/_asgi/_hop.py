"""The mark of a request that one process of ours sent to another.

It says which process it is for, and what the first one knew of the connection: the client's
address, the scheme, the path of a mount. It is sealed with the key of the table, over the request
it stands on. So a client cannot write one, nor move one to another request, and a mark that does
not hold is an ordinary header of an ordinary request.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import parse_qsl, urlencode

from mcp_session._asgi import Scope

__all__ = ["MARK", "Hop", "marked", "unmarked"]

MARK = b"mcp-session-hop"
_FACTS = {"scheme", "root_path", "http_version"}
_ADDRESSES = ("client", "server")
# Whoever these are of must not change on the way.
_SEALED_HEADERS = {b"authorization", b"cookie", b"host", b"mcp-session-id"}
_SEAL_BYTES = 32


@dataclass(frozen=True)
class Hop:
    """A request that another process sent here: for whom, and what that one knew of it."""

    replica: str
    facts: dict[str, str]

    def restored(self, scope: Scope) -> Scope:
        """The scope as the first process had it."""
        restored = dict(scope)
        restored.update({name: self.facts[name] for name in _FACTS if name in self.facts})
        for name in _ADDRESSES:
            if name in self.facts:
                host, _, port = self.facts[name].rpartition(" ")
                restored[name] = (host, int(port))
            elif name == "client":
                restored[name] = None
        return restored


def marked(key: bytes, replica: str, scope: Scope) -> list[tuple[bytes, bytes]]:
    """The headers of a request, with the mark that it goes to that process."""
    facts = {name: str(scope[name]) for name in _FACTS if name in scope}
    for name in _ADDRESSES:
        if (address := scope.get(name)) is not None:
            facts[name] = f"{address[0]} {address[1] or 0}"
    text = urlencode({"replica": replica, **facts})
    headers = [(name, value) for name, value in scope["headers"] if name.lower() != MARK]
    return [*headers, (MARK, text.encode() + b"." + _seal(key, text, scope, headers))]


def unmarked(key: bytes, scope: Scope) -> tuple[Hop | None, list[tuple[bytes, bytes]]]:
    """What a mark says, if there is one that holds, and the headers without it."""
    headers = [(name, value) for name, value in scope["headers"] if name.lower() != MARK]
    marks = [value for name, value in scope["headers"] if name.lower() == MARK]
    if len(marks) != 1:
        return None, headers
    text, _, seal = bytes(marks[0]).rpartition(b".")
    shown = text.decode("ascii", "replace")
    if not hmac.compare_digest(_seal(key, shown, scope, headers), seal):
        return None, headers
    facts = dict(parse_qsl(shown, keep_blank_values=True))
    return Hop(facts.pop("replica"), facts), headers


def target(scope: Scope) -> bytes:
    """The target of a request as it came, without the path that the server put before it."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    return path + b"?" * bool(query) + query


def _seal(key: bytes, text: str, scope: Scope, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    mac = blake2b(key=key, digest_size=_SEAL_BYTES, person=b"mcp-session hop")
    parts = [text.encode(), scope["method"].encode(), target(scope)]
    parts += [it for pair in headers if pair[0].lower() in _SEALED_HEADERS for it in pair]
    for part in parts:
        mac.update(len(part).to_bytes(8, "big") + part)
    return mac.hexdigest().encode()
