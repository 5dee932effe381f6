from typing import Final, final

__all__ = [
    "Announce",
    "AwaitRun",
    "Done",
    "EndInApp",
    "Find",
    "Forward",
    "KeepBack",
    "Pass",
    "Pause",
    "ReadBody",
    "Relay",
    "RelayRestored",
    "Renew",
    "Reply",
    "RestoreInApp",
    "RunApp",
    "Swap",
]

@final
class ReadBody:
    """Read the body of the request, at most `limit` (`int`) bytes of it; then `body_read`.
    `patience` (`int`): how long that may take, in times of what a client should be kept waiting.
    Where there is no room for another one, it gives way; then `body_gave_way`.

    >>> from mcp_session.replica import ReadBody
    >>> ReadBody.__match_args__
    ('limit', 'patience')

    Source: law 6 of the crate's module `sessions`.
    """

    __match_args__: Final = ("limit", "patience")
    @property
    def limit(self) -> int: ...
    @property
    def patience(self) -> int: ...

@final
class Find:
    """Look up the entry with this `key` (`bytes`); then `found`, or `table_failed`.

    >>> from mcp_session.replica import Find
    >>> Find.__match_args__
    ('key',)

    Source: law 3 of the crate's module `sessions`.
    """

    __match_args__: Final = ("key",)
    @property
    def key(self) -> bytes: ...

@final
class Swap:
    """Write an entry if its claim is the expected one; then `swapped`, or `table_failed`.

    `key` (`bytes`); `expected` (`int`, or `None` where there has to be nothing); `claim` (`int`),
    `owner` (`str`) and `value` (`bytes`) of the entry; `live` (`bool`): else it is a tombstone,
    which has a time of its own.

    >>> from mcp_session.replica import Swap
    >>> Swap.__match_args__
    ('key', 'expected', 'claim', 'owner', 'value', 'live')

    Source: law 1 of the crate's module `sessions`.
    """

    __match_args__: Final = (
        "key",
        "expected",
        "claim",
        "owner",
        "value",
        "live",
    )
    @property
    def key(self) -> bytes: ...
    @property
    def expected(self) -> int | None: ...
    @property
    def claim(self) -> int: ...
    @property
    def owner(self) -> str: ...
    @property
    def value(self) -> bytes: ...
    @property
    def live(self) -> bool: ...

@final
class Forward:
    """Send the request to its owner, with a header added; then `forward_answered`, or
    `forward_failed`.

    `addresses` (`bytes`): as the owner has announced them. `owner` (`str`): its identity. `hop`
    (pair of `bytes`): the header.

    >>> from mcp_session.replica import Forward
    >>> Forward.__match_args__
    ('addresses', 'owner', 'hop')

    Source: law 4 of the crate's module `sessions`.
    """

    __match_args__: Final = (
        "addresses",
        "owner",
        "hop",
    )
    @property
    def addresses(self) -> bytes: ...
    @property
    def owner(self) -> str: ...
    @property
    def hop(self) -> tuple[bytes, bytes]: ...

@final
class AwaitRun:
    """Wait until the run of this number, `taking` (`int`), is taking no more; then `hold_over`.

    >>> from mcp_session.replica import AwaitRun
    >>> AwaitRun.__match_args__
    ('taking',)

    Source: law 1 of the crate's module `sessions`.
    """

    __match_args__: Final = ("taking",)
    @property
    def taking(self) -> int: ...

@final
class Pause:
    """Wait so many `seconds` (`float`); then `wait_over`.

    >>> from mcp_session.replica import Pause
    >>> Pause.__match_args__
    ('seconds',)

    Source: law 1 of the crate's module `sessions`.
    """

    __match_args__: Final = ("seconds",)
    @property
    def seconds(self) -> float: ...

@final
class RestoreInApp:
    """POST a message of ours to the application; then `restore_answered`, or `restore_failed`.

    `body` (`bytes`); `session_id` (`bytes` or `None`): the ID to attach. The other headers are
    those of the request at hand.

    >>> from mcp_session.replica import RestoreInApp
    >>> RestoreInApp.__match_args__
    ('body', 'session_id')

    Source: law 8 of the crate's module `sessions`.
    """

    __match_args__: Final = (
        "body",
        "session_id",
    )
    @property
    def body(self) -> bytes: ...
    @property
    def session_id(self) -> bytes | None: ...

@final
class Announce:
    """Tell whoever fills a session again that it was restored, and wait for that; then `announced`.

    `session_id` (`bytes`): the ID by which the application knows the session.

    >>> from mcp_session.replica import Announce
    >>> Announce.__match_args__
    ('session_id',)

    Source: law 8 of the crate's module `sessions`.
    """

    __match_args__: Final = ("session_id",)
    @property
    def session_id(self) -> bytes: ...

@final
class EndInApp:
    """DELETE this session in the application; then `ended_in_app`.

    `session_id` (`bytes`): the ID to attach. The other headers are those of the request at hand.

    >>> from mcp_session.replica import EndInApp
    >>> EndInApp.__match_args__
    ('session_id',)

    Source: law 9 of the crate's module `sessions`.
    """

    __match_args__: Final = ("session_id",)
    @property
    def session_id(self) -> bytes: ...

@final
class RunApp:
    """Let the application run the request.

    `session_id` (`bytes` or `None`): what stands in its session header. `keeps_header` (`bool`):
    whether that stays as it came instead. `restored` (`bool`): whether the session was restored
    for this request. `watches` (`bool`): whether to tell of what the application answers.

    >>> from mcp_session.replica import RunApp
    >>> RunApp.__match_args__
    ('session_id', 'keeps_header', 'restored', 'watches')

    Source: laws 1 and 8 of the crate's module `sessions`.
    """

    __match_args__: Final = (
        "session_id",
        "keeps_header",
        "restored",
        "watches",
    )
    @property
    def session_id(self) -> bytes | None: ...
    @property
    def keeps_header(self) -> bool: ...
    @property
    def restored(self) -> bool: ...
    @property
    def watches(self) -> bool: ...

@final
class Reply:
    """Answer so; what was kept back of another answer is thrown away.

    `status` (`int`), `headers` (list of pairs of `bytes`), `body` (`bytes`).

    >>> from mcp_session.replica import Reply
    >>> Reply.__match_args__
    ('status', 'headers', 'body')

    Source: law 5 of the crate's module `sessions`.
    """

    __match_args__: Final = (
        "status",
        "headers",
        "body",
    )
    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> list[tuple[bytes, bytes]]: ...
    @property
    def body(self) -> bytes: ...

@final
class Pass:
    """Send what was kept back and the message at hand. Nothing more is told.

    `session_id` (`bytes` or `None`): what stands in the place of the application's own in the
    session header, where there is one.

    >>> from mcp_session.replica import Pass
    >>> Pass.__match_args__
    ('session_id',)

    Source: laws 8 and 9 of the crate's module `sessions`.
    """

    __match_args__: Final = ("session_id",)
    @property
    def session_id(self) -> bytes | None: ...

@final
class Renew:
    """Renew the lease of this process; then `renewed`, or `table_failed`. No two renewals of a
    process are under way at once, those of its heartbeat included: one may tell all that have
    asked for one before it was sent.

    >>> from mcp_session.replica import Renew
    >>> Renew.__name__
    'Renew'

    Source: laws 2 and 5 of the crate's module `sessions`.
    """

    __match_args__: Final = ()

@final
class RelayRestored:
    """Give the client what the application has answered to the last message of ours, without its
    session header.

    >>> from mcp_session.replica import RelayRestored
    >>> RelayRestored.__name__
    'RelayRestored'

    Source: law 8 of the crate's module `sessions`.
    """

    __match_args__: Final = ()

@final
class Relay:
    """Give the client what the owner answers, unchanged.

    >>> from mcp_session.replica import Relay
    >>> Relay.__name__
    'Relay'

    Source: law 4 of the crate's module `sessions`.
    """

    __match_args__: Final = ()

@final
class KeepBack:
    """Keep the message at hand back, and tell of the next.

    >>> from mcp_session.replica import KeepBack
    >>> KeepBack.__name__
    'KeepBack'

    Source: law 9 of the crate's module `sessions`.
    """

    __match_args__: Final = ()

@final
class Done:
    """There is nothing to answer: it was upkeep.

    >>> from mcp_session.replica import Done
    >>> Done.__name__
    'Done'

    Source: law 10 of the crate's module `sessions`.
    """

    __match_args__: Final = ()
