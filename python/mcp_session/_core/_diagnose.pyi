from typing import TypeAlias, final

from mcp_session._core._table import Verdict
from mcp_session._enums import Action, Side
from mcp_session._rules import Rule
from typing_extensions import Self

__all__ = ["Finding", "RecordedExchange", "RecordedSession", "Story", "diagnose"]

_Bytes: TypeAlias = bytes | bytearray | memoryview

@final
class RecordedExchange:
    """One exchange of a recording, whole.

    `endpoint` (`str`) is the host, port and path of the request in whatever form tells
    endpoints apart, `query` what followed it behind a `?`. Headers are pairs of `str`; bodies
    are `bytes`, or `None` where they are not known. `status` is `None` where no answer came.
    `sent` and `answered` (`int`) are in any unit that all exchanges of a recording share.

    Frozen. Raises `TypeError` for a wrong type, `ValueError` for a `status` or `method` that
    HTTP does not have. It has no `repr` of its own: headers are credentials.
    """
    def __new__(
        cls,
        method: str,
        endpoint: str,
        query: str,
        request_headers: list[tuple[str, str]],
        request_body: _Bytes | None,
        status: int | None,
        response_headers: list[tuple[str, str]],
        response_body: _Bytes | None,
        *,
        sent: int,
        answered: int,
        remarks: list[str],
    ) -> Self: ...
    @staticmethod
    def parse(
        request: _Bytes, response: _Bytes, *, place: str, sent: int, answered: int
    ) -> RecordedExchange:
        """Read raw HTTP/1.1 bytes. `place` goes before the host of the endpoint.

        Raises `ValueError` with the arguments `"request"` or `"response"`, the byte at which
        its head is broken, and what is wrong there.
        """
    @property
    def method(self) -> str:
        """The HTTP method, as it stood."""
    @property
    def endpoint(self) -> str:
        """The host, port and path."""
    @property
    def status(self) -> int | None:
        """The HTTP status; `None` if no answer came."""
    @property
    def remarks(self) -> list[str]:
        """What is worth saying about the bodies."""
    @property
    def request_body(self) -> bytes | None:
        """The body of the request; `None` where it is not known."""
    @property
    def message(self) -> str | None:
        """The method of the JSON-RPC message that was posted, what else it is, or `None`."""
    def request_header(self, name: str) -> str | None:
        """The first value of a header of the request, or `None`."""
    def response_header(self, name: str) -> str | None:
        """The first value of a header of the response, or `None`."""
    def attached(self, *, side: Side) -> str:
        """Whether a session ID was attached: `no`, `yes` or `ill-formed`."""
    def verdict(self, *, side: Side, quirks: bool) -> Verdict | None:
        """The verdict (`Verdict`); `None` if no answer came."""

@final
class Story:
    """What happened to the sessions of a recording."""
    @property
    def session_of(self) -> tuple[int | None, ...]:
        """Of each exchange, the number of the session that it belongs to, or `None`."""
    @property
    def verdict_of(self) -> tuple[tuple[Action, Rule] | None, ...]:
        """Of each exchange, the verdict of a client that acts on misreports, as its `Action` and
        its `Rule`; `None` where no answer came.
        """
    @property
    def sessions(self) -> tuple[RecordedSession, ...]:
        """The sessions, in the order in which they came up."""
    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was wrong, in the order in which it happened."""

@final
class RecordedSession:
    """One session of a recording."""
    @property
    def id(self) -> str:
        """The ID: a credential."""
    @property
    def is_assigned(self) -> bool:
        """Whether its ID was given out in the recording, or before."""
    @property
    def began(self) -> int:
        """The exchange in which it came up."""
    @property
    def generation(self) -> int:
        """Which session of this ID it is, from 1 on."""
    @property
    def exchanges(self) -> tuple[int, ...]:
        """Its exchanges, in the order in which they were sent."""
    @property
    def served(self) -> int:
        """How many of them were requests that the server served."""
    @property
    def ended(self) -> int | None:
        """The exchange that ended it, or `None`."""
    @property
    def replacement(self) -> int | None:
        """The `initialize` that was sent to replace it, or `None`."""

@final
class Finding:
    """Something that is wrong in a recording."""
    @property
    def claim(self) -> str:
        """The name of the claim."""
    @property
    def party(self) -> str:
        """Who was wrong: `client`, `server` or `gateway`."""
    @property
    def summary(self) -> str:
        """What was wrong, in one sentence."""
    @property
    def quote(self) -> str:
        """The sentence of the specification that the claim rests on."""
    @property
    def url(self) -> str:
        """Where that sentence stands."""
    @property
    def revision(self) -> str:
        """The revision of the specification that it is quoted from."""
    @property
    def session(self) -> int | None:
        """The number of the session that it befell, or `None`."""
    @property
    def exchanges(self) -> tuple[int, ...]:
        """The exchanges that show it."""

def diagnose(exchanges: list[RecordedExchange]) -> Story:
    """Tell what happened to the sessions of a recording.

    `exchanges` is a list of `RecordedExchange`, in any order. Returns a `Story`, in which they
    are numbered from 0 as they were given.
    """
