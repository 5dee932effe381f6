"""Where a process can be reached by the others: a private socket of its host, or a URL."""

from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlencode

from mcp_session._urls import server_url_parts

__all__ = ["PeerAddresses", "checked_peer_url", "checked_server_url"]


@dataclass(frozen=True)
class PeerAddresses:
    """The addresses of a process, as they stand in the table.

    `host` says on which host the socket is; elsewhere the same path is another's. At the socket our
    frames are spoken. A version that changes them has to name its socket otherwise here: to the
    processes of the other version there is no way there then.
    """

    host: str
    socket_path: str | None
    url: str | None

    def encoded(self) -> bytes:
        """As bytes for the table."""
        fields = {"host": self.host, "socket": self.socket_path, "url": self.url}
        return urlencode({name: text for name, text in fields.items() if text}).encode()

    @classmethod
    def decoded(cls, addresses: bytes) -> "PeerAddresses":
        """From the bytes of the table; what is not there, or leads nowhere, is `None`."""
        fields = dict(parse_qsl(addresses.decode("ascii", "replace")))
        path, url = fields.get("socket"), fields.get("url")
        try:
            url = checked_peer_url(url)
        except ValueError:
            url = None
        return cls(fields.get("host", ""), None if path and "\0" in path else path, url)


def checked_peer_url(url: object) -> str | None:
    """Return the URL that the other processes reach this one at.

    Raises `TypeError` and `ValueError` for one that nobody could, without it.
    """
    if url is None:
        return None
    if not isinstance(url, str):
        message = f"peer_url must be str, not {type(url).__name__}"
        raise TypeError(message)
    parts = checked_server_url("peer_url", url)
    if parts.path not in {"", "/"}:
        message = "peer_url must be a URL without a path: each request brings its own"
        raise ValueError(message)
    return url


def checked_server_url(what: str, url: str) -> SplitResult:
    """Return the parts of the URL of a server. Raises `ValueError` without it."""
    unusable = f"{what} must be a URL of http:// or https:// with a host"
    parts = server_url_parts(url)
    if parts is None or not url.isascii() or " " in url:
        raise ValueError(unusable)
    if parts.username is not None or parts.query or parts.fragment:
        message = f"{what} must be a URL without credentials, query and fragment"
        raise ValueError(message)
    return parts
