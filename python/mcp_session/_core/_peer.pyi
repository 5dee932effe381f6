from collections.abc import Iterable
from typing import TypeAlias, final

from typing_extensions import Self

__all__ = [
    "PeerAnswer",
    "PeerPiece",
    "PeerReader",
    "PeerRequest",
    "peer_answer",
    "peer_piece",
    "peer_request",
]

_Bytes: TypeAlias = bytes | bytearray | memoryview

def peer_request(method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]], /) -> bytes:
    """Return the bytes (`bytes`) that begin a request to another process: `method` (`str`), `target`
    (`bytes`), and `headers` (iterable of pairs of `bytes`). Pieces of its body follow.

    Raises `ValueError` for what no request of HTTP could say.

    >>> from mcp_session._core import PeerReader, peer_piece, peer_request
    >>> request = peer_request("POST", b"/mcp", [(b"accept", b"*/*")])
    >>> head, end = PeerReader().read(request + peer_piece(b"{}", more=False))
    >>> head.method, head.target, head.headers, end.body, end.more
    ('POST', b'/mcp', [(b'accept', b'*/*')], b'{}', False)

    Source: law 4 of the crate's `sessions::peer`.
    """

def peer_answer(status: int, headers: Iterable[tuple[bytes, bytes]], /) -> bytes:
    """Return the bytes (`bytes`) that begin an answer to another process: `status` (`int`) and
    `headers` (iterable of pairs of `bytes`). Pieces of its body follow.

    Raises `ValueError` for what no answer of HTTP could say.
    """

def peer_piece(piece: _Bytes, /, *, more: bool) -> bytes:
    """Return the bytes (`bytes`) of a piece of a body: `piece` (`bytes`, `bytearray` or
    `memoryview`), and whether `more` (`bool`) follows.
    """

@final
class PeerReader:
    """Reads what another process says, from bytes that come in any pieces.

    Source: the laws at the head of the crate's `sessions::peer`.
    """
    def __new__(cls) -> Self: ...
    def read(self, data: bytes, /) -> list[PeerRequest | PeerAnswer | PeerPiece]:
        """Take the next bytes (`bytes`) and return what has come with them: a list of `PeerRequest`,
        `PeerAnswer` and `PeerPiece`. Raises `ValueError`, now and from then on, for what no
        process of this version has written.
        """
    @property
    def is_between_messages(self) -> bool:
        """Whether the last message is whole, and nothing of another has come (`bool`)."""

@final
class PeerRequest:
    """The head of a request: `method` (`str`), `target` (`bytes`), and `headers` (list of pairs of
    `bytes`).
    """
    @property
    def method(self) -> str: ...
    @property
    def target(self) -> bytes: ...
    @property
    def headers(self) -> list[tuple[bytes, bytes]]: ...

@final
class PeerAnswer:
    """The head of an answer: `status` (`int`) and `headers` (list of pairs of `bytes`)."""
    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> list[tuple[bytes, bytes]]: ...

@final
class PeerPiece:
    """A piece of a body: `body` (`bytes`), and whether `more` (`bool`) follows."""
    @property
    def body(self) -> bytes: ...
    @property
    def more(self) -> bool: ...
