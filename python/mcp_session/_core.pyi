from collections.abc import Iterable
from types import TracebackType
from typing import Final, TypeAlias, final

from typing_extensions import Self

from mcp_session._enums import Action, Kind, Reason, ResendPolicy, Side
from mcp_session._rules import Rule

__all__ = [
    "AlreadyUsedError",
    "Answer",
    "Deliver",
    "Drop",
    "Event",
    "EventReader",
    "EventTooLong",
    "Exchange",
    "ExchangeFacts",
    "Failed",
    "GiveUp",
    "Hold",
    "Introduced",
    "Lead",
    "Message",
    "Resend",
    "Send",
    "ServedExchange",
    "Session",
    "Stream",
    "Verdict",
    "__version__",
    "admit",
    "attached_session_id",
    "classify",
    "classify_exchange",
    "exchange_facts",
    "needs_body",
    "needs_request_body",
    "not_found_response",
    "peek",
    "rule_facts",
]

_Bytes: TypeAlias = bytes | bytearray | memoryview

__version__: Final[str]

@final
class Verdict:
    __match_args__: Final = ("action", "rule")
    @property
    def action(self) -> Action: ...
    @property
    def rule(self) -> Rule: ...
    @property
    def session_id(self) -> str | None: ...
    @property
    def forward_session_id(self) -> bool: ...
    @property
    def response(self) -> Answer | None: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Answer:
    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> list[tuple[str, str]]: ...
    @property
    def body(self) -> bytes: ...
    def replacing(self, headers: Iterable[tuple[bytes, bytes]], /) -> list[tuple[bytes, bytes]]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Message:
    __match_args__: Final = ("kind", "method", "id")
    @property
    def kind(self) -> Kind: ...
    @property
    def method(self) -> str | None: ...
    @property
    def id(self) -> str | None: ...
    @property
    def is_initialize(self) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

class AlreadyUsedError(RuntimeError): ...

@final
class Session:
    def __new__(
        cls, *, quirks: bool = True, resend: ResendPolicy = ..., bound: int = 2
    ) -> Self: ...
    @staticmethod
    def resumed(
        session_id: str, *, quirks: bool = True, resend: ResendPolicy = ..., bound: int = 2
    ) -> Session: ...
    @property
    def is_live(self) -> bool: ...
    def before_request(
        self,
        method: str,
        *,
        protocol_version: str | None = None,
        last_event_id: str | None = None,
        body: _Bytes = b"",
    ) -> Send | Hold | Lead | Drop | GiveUp: ...
    def after_recovery(self, hold: Hold) -> Send | Hold | Lead | Drop | GiveUp: ...
    def after_response(
        self,
        exchange: Exchange,
        status: int,
        *,
        response_session_id: str | None = None,
        content_type: str | None = None,
        www_authenticate: str | None = None,
        response_body: _Bytes | None = None,
    ) -> Deliver | Resend | Hold | Lead | Drop | GiveUp: ...
    def initialize_answered(
        self,
        lead: Lead,
        status: int,
        *,
        response_session_id: str | None = None,
        message: _Bytes | None = None,
    ) -> Introduced | Failed: ...
    def initialized_answered(self, introduced: Introduced, status: int) -> Failed | None: ...
    def lead_failed(self, lead: Lead | Introduced) -> Failed: ...
    def saw_message(self, stream: Stream, data: _Bytes) -> None: ...
    def saw_event_id(self, stream: Stream, event_id: str) -> None: ...

@final
class Send:
    __match_args__: Final = ("exchange", "session_id")
    @property
    def exchange(self) -> Exchange: ...
    @property
    def session_id(self) -> str | None: ...
    @property
    def protocol_version(self) -> str | None: ...
    @property
    def last_event_id(self) -> str | None: ...

@final
class Resend:
    __match_args__: Final = ("exchange", "session_id")
    @property
    def exchange(self) -> Exchange: ...
    @property
    def session_id(self) -> str | None: ...
    @property
    def protocol_version(self) -> str | None: ...
    @property
    def last_event_id(self) -> str | None: ...

@final
class Exchange:
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Hold:
    __match_args__: Final = ("recovery",)
    @property
    def recovery(self) -> int: ...
    @property
    def settled(self) -> bool: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Lead:
    __match_args__: Final = ("initialize", "hold")
    @property
    def initialize(self) -> bytes: ...
    @property
    def hold(self) -> Hold: ...
    @property
    def recovery(self) -> int: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Introduced:
    @property
    def initialized(self) -> bytes: ...
    @property
    def session_id(self) -> str | None: ...
    @property
    def protocol_version(self) -> str: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Deliver:
    __match_args__: Final = ("stream", "unadopted_session_id")
    @property
    def stream(self) -> Stream: ...
    @property
    def unadopted_session_id(self) -> str | None: ...

@final
class Drop:
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class GiveUp:
    __match_args__: Final = ("reason",)
    @property
    def reason(self) -> Reason: ...

@final
class Failed:
    __match_args__: Final = ("reason", "unadopted_session_id")
    @property
    def reason(self) -> Reason: ...
    @property
    def unadopted_session_id(self) -> str | None: ...

@final
class Stream:
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class EventReader:
    def __new__(cls, *, limit: int = 4194304) -> Self: ...
    def read(self, data: _Bytes, /) -> list[Event | EventTooLong]: ...
    @property
    def last_event_id(self) -> str: ...
    @property
    def retry(self) -> int | None: ...

@final
class Event:
    __match_args__: Final = ("event", "data", "id")
    @property
    def event(self) -> str: ...
    @property
    def data(self) -> str: ...
    @property
    def id(self) -> str: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class EventTooLong:
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class ServedExchange:
    def __new__(
        cls,
        method: str,
        request_headers: Iterable[tuple[bytes, bytes]],
        query: _Bytes,
        status: int,
        response_headers: Iterable[tuple[bytes, bytes]],
        /,
    ) -> Self: ...
    @property
    def attached_session_id(self) -> str | None: ...
    @property
    def response_session_id(self) -> str | None: ...
    def needs_request_body(self) -> bool: ...
    def verdict_so_far(self, request_body: _Bytes | None, so_far: _Bytes, /) -> Verdict | None: ...
    def verdict(self, request_body: _Bytes | None, response_body: _Bytes | None, /) -> Verdict: ...

@final
class ExchangeFacts:
    @property
    def method(self) -> str: ...
    @property
    def attached(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def remarks(self) -> list[str]: ...

def classify(
    method: str,
    status: int,
    *,
    session_id: str | None = None,
    protocol_version: str | None = None,
    request_body: _Bytes | None = None,
    response_session_id: str | None = None,
    content_type: str | None = None,
    content_encoding: str | None = None,
    www_authenticate: str | None = None,
    response_body: _Bytes | None = None,
    side: Side = ...,
    quirks: bool = False,
) -> Verdict: ...
def classify_exchange(
    request: _Bytes, response: _Bytes, *, side: Side = ..., quirks: bool = False
) -> Verdict: ...
def needs_body(
    method: str,
    status: int,
    *,
    session_id: str | None = None,
    protocol_version: str | None = None,
    request_body: _Bytes | None = None,
    content_type: str | None = None,
    content_encoding: str | None = None,
    www_authenticate: str | None = None,
    body_so_far: _Bytes | None = None,
    side: Side = ...,
    quirks: bool = False,
) -> bool: ...
def needs_request_body(
    method: str,
    status: int,
    *,
    session_id: str | None = None,
    protocol_version: str | None = None,
    response_session_id: str | None = None,
    content_type: str | None = None,
    content_encoding: str | None = None,
    www_authenticate: str | None = None,
    side: Side = ...,
    quirks: bool = False,
) -> bool: ...
def attached_session_id(
    method: str, *, session_id: str | None = None, query: str | None = None
) -> str | None: ...
def admit(
    method: str,
    *,
    session_id: str | None = None,
    protocol_version: str | None = None,
    body: _Bytes = b"",
    known: bool | None,
) -> Verdict: ...
def peek(body: _Bytes) -> Message: ...
def not_found_response(request_body: _Bytes | None = None, *, echo_id: bool = True) -> Answer: ...
def rule_facts(name: str) -> tuple[str, str, str, str, str | None]: ...
def exchange_facts(request: _Bytes, response: _Bytes, *, side: Side = ...) -> ExchangeFacts: ...
