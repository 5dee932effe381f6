"""Which lease of a replica was last acknowledged to it."""

import threading
from secrets import token_bytes

__all__ = ["TERM_BYTES", "Terms"]

TERM_BYTES = 8


class Terms:
    """The term of each replica that renews its lease through this object.

    A lease that is begun anew gets a new term. A replica has to be told so, because it may have
    lost what it held. An answer can be lost on its way: so a renewal names the term that was
    acknowledged, and the table begins a new one wherever it stores another.

    >>> terms = Terms()
    >>> acknowledged, new = terms.propose("replica-1")
    >>> acknowledged
    b''
    >>> terms.acknowledge("replica-1", new)
    >>> terms.propose("replica-1")[0] == new
    True
    """

    def __init__(self) -> None:
        """Begin with no lease."""
        self._lock = threading.Lock()
        # One replica is one process, so there is one; tests have a few.
        self._terms: dict[str, bytes] = {}

    def propose(self, replica: str) -> tuple[bytes, bytes]:
        """Return the term that was acknowledged, `b""` for none, and one to begin anew with."""
        with self._lock:
            return self._terms.get(replica, b""), token_bytes(TERM_BYTES)

    def acknowledge(self, replica: str, term: bytes) -> None:
        """Note that the replica was told of a new term."""
        with self._lock:
            self._terms[replica] = term

    def forget(self, replica: str) -> None:
        """Forget a replica whose lease was withdrawn."""
        with self._lock:
            self._terms.pop(replica, None)
