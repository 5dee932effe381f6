"""What one process tells another of a client's connection, over the private socket.

The client's address, the scheme, the path of a mount: what the server in front found out, and no
message of HTTP says. Only processes of this user reach that socket, so what stands there is ours.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import parse_qsl, quote, urlencode

from mcp_session._asgi import Scope

__all__ = ["described", "restored", "target"]

_HEADER = b"mcp-session-connection"
_TEXTS = ("scheme", "root_path", "http_version")
_ADDRESSES = ("client", "server")
_CONNECTIONS_AT_MOST = 1024


def described(scope: Scope, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request, and one that describes its connection."""
    facts = {name: str(scope[name]) for name in _TEXTS if name in scope}
    # Below a mount, the path before it is the mount's; the application begins above.
    facts["root_path"] = scope.get("app_root_path", scope.get("root_path", ""))
    for name in _ADDRESSES:
        if (address := scope.get(name)) is not None:
            facts[name] = f"{address[0]} {address[1] or 0}"
    kept = [pair for pair in headers if pair[0].lower() != _HEADER]
    return [*kept, (_HEADER, _encoded(tuple(facts.items())))]


def restored(scope: Scope) -> Scope:
    """Return what the first process had otherwise in the scope of a request that came through.

    Only of one from the private socket.
    """
    headers = scope["headers"]
    facts = _decoded(b"".join([value for name, value in headers if name == _HEADER]))
    kept = [pair for pair in headers if pair[0] != _HEADER]
    restored: Scope = {"headers": kept}
    restored.update({name: facts[name] for name in _TEXTS if name in facts})
    for name in _ADDRESSES:
        host, _, port = facts.get(name, "").rpartition(" ")
        restored[name] = (host, int(port)) if port else None
    return restored


# The same for each request of a connection; and to encode it takes longer than all else here.
@lru_cache(_CONNECTIONS_AT_MOST)
def _encoded(facts: tuple[tuple[str, str], ...]) -> bytes:
    return urlencode(facts).encode()


@lru_cache(_CONNECTIONS_AT_MOST)
def _decoded(text: bytes) -> Mapping[str, str]:
    return dict(parse_qsl(text.decode("ascii"), keep_blank_values=True))


def target(scope: Scope) -> bytes:
    """Return the target of a request as it came: its path, and its query."""
    path: bytes = scope.get("raw_path") or quote(scope["path"], safe="/!$&'()*+,;=:@~").encode()
    query: bytes = scope.get("query_string", b"")
    return path + b"?" * bool(query) + query
