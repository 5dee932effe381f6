from typing import Final, TypeAlias, final

from mcp_session._enums import Action, Kind, Rule, Side

__all__ = [
    "Answer",
    "ExchangeFacts",
    "Message",
    "Verdict",
    "__version__",
    "admit",
    "classify",
    "classify_exchange",
    "exchange_facts",
    "needs_body",
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
    www_authenticate: str | None = None,
    side: Side = ...,
    quirks: bool = False,
) -> bool: ...
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
