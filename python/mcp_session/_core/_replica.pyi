from collections.abc import Iterable
from types import TracebackType
from typing import TypeAlias, final

from mcp_session._core._replica_steps import (
    Announce,
    AwaitRun,
    Done,
    EndInApp,
    Find,
    Forward,
    KeepBack,
    Pass,
    Pause,
    ReadBody,
    Relay,
    RelayRestored,
    Renew,
    Reply,
    RestoreInApp,
    RunApp,
    Swap,
)
from mcp_session._later_enums import ForwardFailure
from typing_extensions import Self

__all__ = ["Replica", "SessionRun"]

_Bytes: TypeAlias = bytes | bytearray | memoryview

@final
class Replica:
    """What one process knows of the sessions of an application that runs in several: its lease,
    and the sessions that it owns.

    Sans-IO, and made for any number of threads and event loops of one process. `identity`
    (`str`): one that no other process has or had, random for each start. `key` (`bytes`, at
    least 16): the secret of the table. `restore` (`bool`): whether a session goes on in another
    process when its owner is gone. `durable` (`bool`): whether the table cannot lose what it has
    while its processes live on, or says so, as a file does; where it can, what it does not know
    is 503 for a while after it may have. `echo_id` (`bool`): whether the answers made here repeat
    the request's id. `requires_session` (`bool`): whether a request without a session header is
    refused, as by a server that requires a session; else the application gets it as it came.
    `max_sessions` (`int`) and `max_bytes` (`int`): how much is remembered of them. `lease`
    (`float`, seconds): for how long a lease stands that is not renewed.

    Raises `ValueError` for a `key` that is too short, an `identity` that is empty, and a `lease`
    that is negative.

    >>> from mcp_session.replica import ReadBody, Replica
    >>> replica = Replica("8b2f0c5e", b"sixteen bytes or more")
    >>> replica.renewed(lapsed=True)
    >>> with replica.begin("POST", [(b"mcp-session-id", b"1868a90c")]) as run:
    ...     run.step, run.body_read(b'{"id":1,"method":"tools/list"}')
    (<ReadBody>, <Find>)

    Source: the laws at the head of the crate's module `sessions`.
    """

    def __new__(
        cls,
        identity: str,
        key: _Bytes,
        *,
        restore: bool = True,
        durable: bool = False,
        echo_id: bool = True,
        requires_session: bool = True,
        max_sessions: int = 100_000,
        max_bytes: int = 0x10000000,
        lease: float = 1.5,
    ) -> Self: ...
    @property
    def identity(self) -> str:
        """The identity of this process (`str`)."""
    def renewed(self, *, lapsed: bool) -> None:
        """Tell that the table has answered a renewal of the heartbeat, in time by the monotonic
        clock from before it was sent. `lapsed` (`bool`): whether the lease had been over, or was
        not there.
        """
    def renewal_failed(self) -> None:
        """Tell that a renewal was not answered, or too late."""
    def lease_over(self) -> None:
        """Tell that the lease is over by the monotonic clock, less a margin: before each call of
        this and of a run, as a process that was paused wakes anywhere. To tell it again until
        the lease is renewed changes nothing.
        """
    @property
    def lease_is_fresh(self) -> bool:
        """Whether the lease stands, as far as this process knows (`bool`)."""
    @property
    def owned_sessions(self) -> int:
        """How many sessions it owns (`int`)."""
    def upkeep(self) -> SessionRun | None:
        """Begin with a session that has to be confirmed or written (`SessionRun`), to be driven to
        `Done`; `None` where there is none.
        """
    def take_used(self) -> list[bytes]:
        """Take the keys (list of `bytes`) of sessions that were used: their entries are to live on.
        At most 1,000 at once.
        """
    def note_running(self) -> None:
        """Tell that it is time to let the entries of sessions in use live on: of which something
        runs counts as used.
        """
    def missing(self, keys: Iterable[bytes], /) -> None:
        """Tell which of those entries the table does not have (iterable of `bytes`): it has lost
        them.
        """
    def look_after(self) -> list[bytes]:
        """Begin a round of looks at the processes that requests wait for, about twice in the time of
        a lease. Returns the keys (list of `bytes`) to look up; each is told by `looked_after`.
        """
    def looked_after(self, key: bytes, owner: str, claim: int, /, *, alive: bool) -> None:
        """Tell what the table has of such a session: `owner` (`str`), `claim` (`int`), and `alive`
        (`bool`), whether the lease of the owner stands. A table that does not answer, or has no
        entry, says nothing.
        """
    def take_fenced(self) -> list[int]:
        """Take the numbers of the runs (list of `int`) that have to end: of a session that was lost
        to another process, or that wait for one in vain. Of each is told that it was
        `interrupted`, or that its body broke off.
        """
    def drain(self) -> list[int]:
        """Open and claim nothing from now on. Returns the numbers of the runs (list of `int`) of
        streams that are to be ended, those included that another process serves.
        """
    @property
    def can_withdraw(self) -> bool:
        """Whether the lease may be given up (`bool`): it drains, and nothing runs any more."""
    def begin(
        self,
        method: str,
        headers: Iterable[tuple[bytes, bytes]],
        query: _Bytes = b"",
        *,
        user: str | None = None,
        issuer: str | None = None,
        client: str | None = None,
        subject: str | None = None,
    ) -> SessionRun:
        """Begin with the head of a request (`SessionRun`).

        `method` (`str`), `headers` (iterable of pairs of `bytes`) and `query` (`bytes`) as they
        came. `user`, `issuer`, `client` and `subject` (`str` or `None`): all that is known of who
        asks, by the authentication and by the token. The credential itself is taken from the
        headers. A `method` that MCP does not use, in whatever letters, is no matter of a session.
        Raises `TypeError` for a wrong type.
        """

@final
class SessionRun:
    """One request of an application that runs in several processes.

    Made by `Replica.begin`. Each method takes what came of the last step, and returns the next,
    which is `step` as well. A context manager: leaving it ends the request, however it went.
    Raises `AlreadyUsedError` where it does not wait for what it is told.

    >>> from mcp_session.replica import Replica
    >>> replica = Replica("8b2f0c5e", b"sixteen bytes or more")
    >>> replica.renewed(lapsed=True)
    >>> with replica.begin("GET", [(b"mcp-session-id", b"1868a90c")]) as run:
    ...     run.step, run.found(None, None)
    (<Find>, <Reply>)

    Source: the laws at the head of the crate's module `sessions`.
    """

    @property
    def number(self) -> int:
        """Its number (`int`)."""
    @property
    def session_id(self) -> bytes | None:
        """The ID that it bears (`bytes` or `None`), in the one spelling that is looked up."""
    @property
    def step(self) -> _ReplicaStep:
        """What to do now."""
    @property
    def is_taking(self) -> bool:
        """Whether it claims, restores or writes its session, so that others wait for it (`bool`)."""
    def body_read(self, body: _Bytes | None, /) -> _ReplicaStep:
        """Tell of the body of the request (`bytes`); of `None` if it was too long, too slow, or
        broke off.
        """
    def no_room_for_body(self) -> _ReplicaStep:
        """Tell that there was no room for the body of the request, among those of all others."""
    def body_gave_way(self) -> _ReplicaStep:
        """Tell that the body of the request has given way to that of another, and that what was read
        of it is gone.
        """
    def found(
        self, entry: tuple[int, str, bytes] | None, addresses: bytes | None, /
    ) -> _ReplicaStep:
        """Tell what the table has of the session: `entry` (claim, `int`; owner, `str`; value,
        `bytes`), or `None`; and `addresses` (`bytes`), as its owner has announced them, or `None`
        if the lease of that is over.
        """
    def renewed(self, *, lapsed: bool) -> _ReplicaStep:
        """Tell that the table has renewed the lease; `lapsed` (`bool`) as for the replica."""
    def swapped(self, won: bool, /) -> _ReplicaStep:
        """Tell whether the entry was written (`bool`)."""
    def table_failed(self) -> _ReplicaStep:
        """Tell that the table could not be asked, or did not answer in time."""
    def forward_answered(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], /
    ) -> _ReplicaStep:
        """Tell of the head of what the owner has answered: `status` (`int`), `headers` (iterable of
        pairs of `bytes`).
        """
    def forward_failed(self, how: ForwardFailure, /) -> _ReplicaStep:
        """Tell how the request did not come to its owner (`ForwardFailure`)."""
    def head_goes_out(self, status: int, headers: Iterable[tuple[bytes, bytes]], /) -> bool:
        """Tell of the head of the response that goes out to the client: `status` (`int`), `headers`
        (iterable of pairs of `bytes`). Returns whether its body is to be told of (`bool`).
        """
    def piece_goes_out(self, piece: _Bytes, /) -> bool:
        """Tell of a piece of that body (`bytes`). Returns whether what follows is to be told of
        (`bool`).
        """
    def body_ended(self) -> bytes | None:
        """What goes out before the end of a body that the application has ended (`bytes`): an error
        for each request that was not answered. `None` where there is nothing to add.
        """
    def body_broke_off(self, *, upstream: bool = False) -> bytes | None:
        """What goes out at the end of a body that broke off, was left without an end, or is ended
        from outside (`bytes`). `None` where nothing can make it whole. `upstream` (`bool`):
        whether it broke off behind the application, which has its answers from elsewhere.
        """
    def interrupted(self) -> _ReplicaStep:
        """Tell that the request is ended from outside before anything of its answer went out."""
    def ended_in_app(self) -> _ReplicaStep:
        """Tell that the application was told to end a session, whatever it has said to that."""
    def hold_over(self) -> _ReplicaStep:
        """Tell that the other run is taking no more, or has taken long enough."""
    def wait_over(self) -> _ReplicaStep:
        """Tell that the wait is over."""
    def restore_answered(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], body: _Bytes, /
    ) -> _ReplicaStep:
        """Tell what the application has answered to a message of ours: `status` (`int`), `headers`
        (iterable of pairs of `bytes`), `body` (`bytes`, decoded; of a stream so much that the
        answer is in it).
        """
    def restore_head(self, status: int, headers: Iterable[tuple[bytes, bytes]], /) -> None:
        """Tell of the head of what the application answers to a message of ours, as it comes:
        `status` (`int`), `headers` (iterable of pairs of `bytes`).
        """
    def restore_piece(self, piece: _Bytes, /) -> bool:
        """Tell of a piece of that answer (`bytes`). Returns whether it has brought the message that
        is waited for (`bool`): a stream may stay open behind that.
        """
    def announced(self) -> _ReplicaStep:
        """Tell that whoever wanted to know of the restored session knows."""
    def restore_failed(self) -> _ReplicaStep:
        """Tell that the application did not answer a message of ours: it raised, or took too long."""
    def answer_head(self, status: int, headers: Iterable[tuple[bytes, bytes]], /) -> _ReplicaStep:
        """Tell of the head of what the application answers: `status` (`int`), `headers` (iterable of
        pairs of `bytes`).
        """
    def answer_piece(self, piece: _Bytes, /, *, more: bool) -> _ReplicaStep:
        """Tell of a piece of what the application answers (`bytes`), and whether more follows
        (`bool`). Where the answer broke off, the last piece is empty.
        """
    def answer_begun(self) -> None:
        """Tell that the application has begun to answer, and knew the session."""
    def app_forgot(self) -> _ReplicaStep:
        """Tell that the application does not know the session that it was given, so that nothing of
        the request was run. In the place of its answer comes what the step says.
        """
    def finish(self) -> None:
        """Tell that the request is over, however it ended."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

_ReplicaStep: TypeAlias = (
    ReadBody
    | Find
    | Renew
    | Swap
    | Forward
    | AwaitRun
    | Pause
    | RestoreInApp
    | Announce
    | EndInApp
    | RunApp
    | Reply
    | RelayRestored
    | Relay
    | Pass
    | KeepBack
    | Done
)
