"""Where a process can be reached by the others: a private socket of its host, or a URL."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

__all__ = ["PeerAddresses"]


@dataclass(frozen=True)
class PeerAddresses:
    """The addresses of a process, as they stand in the table.

    `host` says on which host the socket is; elsewhere the same path is another's.
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
        """From the bytes of the table; what is not there is `None`."""
        fields = dict(parse_qsl(addresses.decode("ascii", "replace")))
        return cls(fields.get("host", ""), fields.get("socket"), fields.get("url"))
