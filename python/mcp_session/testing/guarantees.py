"""The ten guarantees of a client's session, as predicates over what goes over the wire.

They are the ones that this project holds its own session machine to; there they speak of its
steps, here of what any client shows: what its callers asked, what it sent, what came back. So they
judge a client that knows no such steps. Both judge the same generated histories alike, event by
event (`tests/python/test_guarantees.py`, `testing/src/session/transcript.rs`).

1. A 404 ends only the session that was attached to that request: a late one of an older session
   never ends the newer, even where the server gave out the identical ID again.
2. At most one re-initialization is under way.
3. Who leads one and fails, or is cancelled, wedges nobody; in a session that has ended nothing is
   sent as if it lived.
4. Every request ends once. It is sent again at most once, and only after a 404; its second 404 is
   its caller's.
5. Sessions that die before one success, and failed replacements, are counted. At the bound, no
   new session is made until time has passed.
6. The 404 to a GET makes a new session only if a stream had been open in that one. An event ID of
   another session is never sent.
7. `initialize` bears no ID. IDs come from nothing but the answer to the last `initialize` issued,
   and every request of a session bears its ID.
8. What belonged to the dead session stays there: notifications, replies to its server's requests,
   cursors. What was cancelled is not sent again.
9. After a DELETE no session is made, and nothing is sent again. A DELETE does not wait.
10. No ID shows in a `repr`, an error or a log.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mcp_session.testing.events import (
    Answered,
    Began,
    Cancelled,
    Ended,
    Event,
    EventSeen,
    Kind,
    Lost,
    Passed,
    Sent,
    Settled,
    transcript,
)

__all__ = ["GuaranteeBrokenError", "Guarantees"]

NOT_FOUND = 404
STREAMLESS, OWN = 6, 5
LEFT = -1
SUCCESSES = range(200, 300)


class GuaranteeBrokenError(AssertionError):
    """A client broke a guarantee; the message has the number, the reason and the transcript.

    >>> from mcp_session.testing.events import Began, Kind, Sent
    >>> from mcp_session.testing.guarantees import GuaranteeBrokenError, Guarantees
    >>> judge = Guarantees()
    >>> judge.note(Began(0, Kind.INITIALIZE))
    >>> try:
    ...     judge.note(Sent(0, 0, Kind.INITIALIZE, "1868a90c"))
    ... except GuaranteeBrokenError as error:
    ...     (error.guarantee, error.what, len(error.events))
    (7, 'an `initialize` with a session ID', 2)
    """

    def __init__(self, guarantee: int, what: str, events: list[Event]) -> None:
        """Take which was broken, how, and by what that was shown."""
        super().__init__(f"guarantee {guarantee}: {what}\n{transcript(events)}")
        self.guarantee = guarantee
        self.events = list(events)
        self.what = what


@dataclass
class _Session:
    """One session of the server's, as the client could know it."""

    session_id: str | None
    lives: bool = True
    has_succeeded: bool = False
    has_streamed: bool = False
    is_doubted: bool = False
    """Whether it may live though it was said to have ended."""


@dataclass
class _Request:
    """A request of a caller's."""

    kind: Kind
    began_in: int
    asked_in: str | None
    sent_in: list[int] = field(default_factory=list[int])
    last_status: int | None = None
    was_terminated: bool = False
    """Whether its last answer was the 404 to a session that was attached."""
    has_ended: bool = False
    is_cancelled: bool = False
    own_404: int | None = None
    """The guarantee by which its last 404 ended no session."""
    waits_for: int | None = None
    """The re-initialization that was under way when it began to wait."""
    shares_failure: bool = False
    """Whether that failed."""


@dataclass
class _Flight:
    """What is on the wire."""

    sent: Sent
    session: int
    is_trial: bool


@dataclass
class _Leader:
    """A re-initialization that is under way."""

    number: int
    wire: int
    cause: int | None
    session_id: str | None = None
    is_welcome: bool = False
    """Whether its `initialize` was answered well."""


class Guarantees:
    """The judge of one client's session: told what happened, it raises at what must not.

    `bound` is how many sessions may die before one success, or fail to be made, before the client
    has to let time pass; `cooldown` how many seconds at least.

    >>> from mcp_session.testing.guarantees import Answered, Began, Guarantees, Kind, Sent
    >>> judge = Guarantees()
    >>> judge.note(Began(0, Kind.INITIALIZE))
    >>> judge.note(Sent(0, 0, Kind.INITIALIZE))
    >>> judge.note(Answered(0, 200, "1868a90c"))
    >>> judge.note(Began(1, Kind.CALL))
    >>> judge.note(Sent(1, 1, Kind.CALL))
    Traceback (most recent call last):
    mcp_session.testing.guarantees.GuaranteeBrokenError: guarantee 7: a call without the ID of \
its session
      0 begins: initialize
      0 sends: initialize, no session
      wire 0: 200, gives session 1
      1 begins: call
      1 sends: call, no session
    """

    def __init__(self, *, bound: int = 2, cooldown: float = 1.0) -> None:
        """Begin before the first `initialize`."""
        self.events: list[Event] = []
        self._bound = bound
        self._cooldown = cooldown
        self._sessions = [_Session(None)]
        self._requests: dict[int, _Request] = {}
        self._flights: dict[int, _Flight] = {}
        self._leader: _Leader | None = None
        self._last_issued: int | None = None
        self._given: set[str] = set()
        self._seen: dict[str, set[str | None]] = {}
        self._strikes = 0
        self._is_open = False
        self._open_for = 0.0
        self._closed = False
        self._own_404: int | None = None
        """The guarantee by which the last 404 ended no session."""

    def note(self, event: Event) -> None:
        """Take what happened next; raise `GuaranteeBrokenError` if it must not have."""
        self.events.append(event)
        if isinstance(event, Began):
            self._began(event)
        elif isinstance(event, Sent):
            self._sent(event)
        elif isinstance(event, Answered):
            self._answered(event)
        elif isinstance(event, Lost):
            self._lost(event)
        elif isinstance(event, EventSeen):
            self._seen.setdefault(event.event_id, set()).add(event.session_id)
        elif isinstance(event, Ended):
            self._ended(event)
        elif isinstance(event, Cancelled):
            self._cancelled(event)
        elif isinstance(event, Passed):
            self._open_for += event.seconds
            self._is_open &= self._open_for < self._cooldown
        elif isinstance(event, Settled):
            self._settled()
        else:
            self._rested()

    def broken(self, guarantee: int, what: str) -> GuaranteeBrokenError:
        """Return the error that says this of the transcript so far."""
        return GuaranteeBrokenError(guarantee, what, self.events)

    @property
    def _newest(self) -> _Session:
        return self._sessions[-1]

    # What the callers do.

    def _began(self, event: Began) -> None:
        if event.cancels is not None and event.cancels in self._requests:
            named = self._requests[event.cancels]
            has_an_id = named.kind in {Kind.CALL, Kind.CURSOR, Kind.INITIALIZE}
            named.is_cancelled |= has_an_id and not named.has_ended
        self._closed |= event.kind is Kind.DELETE
        newest = len(self._sessions) - 1
        request = _Request(event.kind, newest, event.asked_in)
        request.waits_for = None if self._leader is None else self._leader.number
        self._requests[event.request] = request

    def _ended(self, event: Ended) -> None:
        request = self._requests[event.request]
        if request.has_ended:
            raise self.broken(4, "a request ends twice")
        request.has_ended = True
        again = len(request.sent_in) > 1
        if again and request.last_status == NOT_FOUND and event.status not in {NOT_FOUND, None}:
            raise self.broken(4, "the second 404 of a request does not reach its caller")

    def _cancelled(self, event: Cancelled) -> None:
        self._requests[event.request].has_ended = True
        leader = self._leader
        leads = leader is not None and leader.cause == event.request and leader.is_welcome
        if leader is not None and leads and leader.wire not in self._flights:
            self._leave(leader)

    # What the client sends.

    def _sent(self, event: Sent) -> None:
        if event.kind is Kind.INITIALIZE and event.session_id is not None:
            raise self.broken(7, "an `initialize` with a session ID")
        is_trial = False
        if event.request is not None:
            is_trial = self._sent_for_a_caller(event, self._requests[event.request])
        elif event.kind is Kind.INITIALIZE:
            self._leads(event)
        else:
            self._sent_of_its_own(event)
        if event.kind is Kind.INITIALIZE and not (self._closed and event.request is not None):
            self._last_issued = event.wire
        self._flights[event.wire] = _Flight(event, len(self._sessions) - 1, is_trial)

    def _leads(self, event: Sent) -> None:
        if self._closed:
            raise self.broken(9, "a new session after the DELETE")
        if self._leader is not None:
            raise self.broken(2, "a second re-initialization while one is under way")
        if any(flight.is_trial for flight in self._flights.values()):
            raise self.broken(2, "a new session while a request tries out the old one")
        cause = self._requests.get(-1 if event.cause is None else event.cause)
        if cause is not None:
            self._leads_for(cause)
        if self._newest.lives:
            own_404 = self._own_404 if cause is None else cause.own_404
            if own_404 is not None:
                raise self.broken(own_404, "the 404 to one request ended its session")
            raise self.broken(1, "a new session though the newest has not ended")
        if self._is_open:
            raise self.broken(5, "a new session though so many have failed, and no time has passed")
        self._leader = _Leader(event.wire, event.wire, event.cause)
        for request in self._requests.values():
            # Who waited for a leader that left waits for the next.
            if request.waits_for == LEFT or request is cause:
                request.waits_for = event.wire

    def _leads_for(self, cause: _Request) -> None:
        if cause.is_cancelled:
            raise self.broken(8, "what was cancelled makes a new session")
        if len(cause.sent_in) > 1 and cause.was_terminated:
            raise self.broken(4, "the second 404 of a request makes a new session")
        if cause.shares_failure:
            raise self.broken(3, "who waited does not share the failure, and makes a new session")
        if cause.sent_in and self._strikes >= self._bound:
            raise self.broken(5, "a request goes on in a new session though so many have failed")

    def _sent_of_its_own(self, event: Sent) -> None:
        leader = self._leader
        if leader is not None and leader.is_welcome:
            if event.session_id != leader.session_id:
                raise self.broken(7, f"{_a(event.kind)} without the ID of the new session")
            if event.kind is Kind.INITIALIZED:
                leader.wire = event.wire
        elif event.kind is not Kind.INITIALIZED and event.session_id != self._newest.session_id:
            raise self.broken(7, f"{_a(event.kind)} without the ID of its session")

    def _sent_for_a_caller(self, event: Sent, request: _Request) -> bool:
        """Return whether it tries out a session that was taken for dead."""
        self._may_be_sent(event, request)
        leader = self._leader
        request.sent_in.append(len(self._sessions) - 1)
        request.last_status = request.waits_for = None
        if event.kind is Kind.INITIALIZE:
            return False
        # Once it was told of the new session, nothing is said against using it, or deleting it.
        may_begin = event.kind is Kind.DELETE or not self._closed
        is_told = leader is not None and leader.is_welcome and event.session_id is not None
        if may_begin and is_told and leader is not None and event.session_id == leader.session_id:
            self._stands(leader.session_id)
            request.sent_in[-1] = len(self._sessions) - 1
        newest = self._newest
        self._is_of_the_session(event, request, newest)
        return not newest.lives

    def _may_be_sent(self, event: Sent, request: _Request) -> None:
        if request.has_ended:
            raise self.broken(4, f"{_a(event.kind)} is sent after it has ended")
        if request.sent_in:
            self._sent_again(event, request)
        if request.shares_failure and event.kind is not Kind.INITIALIZE:
            raise self.broken(3, "who waited does not share the failure, and is sent")

    def _is_of_the_session(self, event: Sent, request: _Request, newest: _Session) -> None:
        if not (newest.lives or newest.is_doubted or self._closed):
            raise self.broken(3, f"{_a(event.kind)} is sent in a session that has ended")
        if event.session_id != newest.session_id:
            raise self._wrong_id(event)
        if event.kind is Kind.REPLY and request.asked_in not in {None, newest.session_id}:
            raise self.broken(8, "a reply goes to a session that did not ask")
        if event.last_event_id is not None:
            seen = self._seen.get(event.last_event_id)
            if seen is not None and newest.session_id not in seen:
                raise self.broken(6, "an event ID of another session is sent")

    def _sent_again(self, event: Sent, request: _Request) -> None:
        if self._closed:
            raise self.broken(9, f"{_a(event.kind)} is sent again after the DELETE")
        if request.kind.is_one_way or request.kind in {Kind.CURSOR, Kind.INITIALIZE}:
            raise self.broken(8, f"{_a(event.kind)} of another session is sent again")
        if request.is_cancelled:
            raise self.broken(8, f"{_a(event.kind)} that was cancelled is sent again")
        if len(request.sent_in) > 1:
            raise self.broken(4, f"{_a(event.kind)} is sent a third time")
        if request.own_404 == STREAMLESS:
            raise self.broken(6, "a GET is sent again though no stream had been open")
        if not request.was_terminated:
            raise self.broken(
                4, f"{_a(event.kind)} is sent again, and its session was not ended by a 404"
            )
        if self._strikes >= self._bound:
            raise self.broken(5, f"{_a(event.kind)} is sent again though so many sessions failed")

    def _wrong_id(self, event: Sent) -> GuaranteeBrokenError:
        if event.session_id is None:
            return self.broken(7, f"{_a(event.kind)} without the ID of its session")
        if event.session_id not in self._given:
            return self.broken(7, f"{_a(event.kind)} with an ID that no `initialize` gave")
        return self.broken(7, f"{_a(event.kind)} with the ID of another session")

    # What comes of it.

    def _answered(self, event: Answered) -> None:
        flight = self._flights.pop(event.wire)
        leader, sent = self._leader, flight.sent
        if leader is not None and leader.wire == event.wire:
            self._leader_answered(event, leader, sent)
        elif sent.request is not None:
            request = self._requests[sent.request]
            request.last_status, request.was_terminated = event.status, False
            request.waits_for = None if leader is None else leader.number
            if sent.kind is Kind.INITIALIZE:
                self._caller_initialized(event)
            elif event.status == NOT_FOUND:
                self._not_found(flight, request)
            elif event.status in SUCCESSES:
                self._succeeded(flight)

    def _leader_answered(self, event: Answered, leader: _Leader, sent: Sent) -> None:
        is_accepted = event.status in SUCCESSES and event.is_accepted
        if not is_accepted:
            self._fail(leader)
            if sent.kind is Kind.INITIALIZE:
                self._newest.is_doubted |= not self._newest.lives
        elif sent.kind is Kind.INITIALIZE:
            leader.is_welcome = True
            leader.session_id = event.session_id
            if event.session_id is not None:
                self._given.add(event.session_id)
        elif self._closed:
            # No session is made any more: who goes on does so in the one that the DELETE named.
            self._leader = None
        else:
            self._stands(leader.session_id)

    def _caller_initialized(self, event: Answered) -> None:
        if event.status not in SUCCESSES or not event.is_accepted:
            return
        if event.session_id is not None:
            self._given.add(event.session_id)
        if not self._closed and self._last_issued == event.wire:
            self._begin_session(event.session_id)

    def _stands(self, session_id: str | None) -> None:
        self._leader = None
        self._begin_session(session_id)

    def _begin_session(self, session_id: str | None) -> None:
        self._sessions.append(_Session(session_id))
        self._own_404 = None

    def _not_found(self, flight: _Flight, request: _Request) -> None:
        session = self._sessions[flight.session]
        if session.session_id is None or request.kind is Kind.DELETE or self._closed:
            return
        request.was_terminated = True
        again = len(request.sent_in) > 1
        # The standalone stream, which a server need not offer.
        opens = request.kind is Kind.GET and flight.sent.last_event_id is None and not again
        if opens and not session.has_streamed:
            request.own_404 = STREAMLESS
            self._own_404 = STREAMLESS if session is self._newest else self._own_404
            return
        if session is not self._newest:
            return
        if session.lives:
            if (again or request.began_in < flight.session) and session.has_succeeded:
                request.own_404 = self._own_404 = OWN
                return
            session.lives = False
            session.is_doubted = again
            if session.has_succeeded:
                self._open_at_bound()
            else:
                self._strike()
        elif flight.is_trial:
            session.is_doubted = False

    def _succeeded(self, flight: _Flight) -> None:
        session, kind = self._sessions[flight.session], flight.sent.kind
        if self._closed:
            return
        session.has_streamed |= kind is Kind.GET
        if kind.is_one_way or kind is Kind.DELETE:
            return
        if flight.is_trial and session is self._newest and not session.lives:
            session.lives, session.has_succeeded, session.is_doubted = True, False, False
        if kind is not Kind.GET and session is self._newest and session.lives:
            session.has_succeeded = True
            self._strikes = 0
            self._is_open = False

    def _lost(self, event: Lost) -> None:
        flight = self._flights.pop(event.wire)
        leader = self._leader
        if leader is not None and leader.wire == event.wire:
            if event.by_client:
                self._leave(leader)
            else:
                self._fail(leader)
        elif flight.sent.request is not None:
            self._requests[flight.sent.request].last_status = None

    def _leave(self, leader: _Leader) -> None:
        """Take that who leads has left: another may lead."""
        self._leader = None
        for request in self._requests.values():
            if request.waits_for == leader.number:
                request.waits_for = LEFT

    def _fail(self, leader: _Leader) -> None:
        """Take that a re-initialization has failed: those who wait for it share that."""
        self._leader = None
        for request in self._requests.values():
            request.shares_failure |= request.waits_for == leader.number
        self._strike()

    def _strike(self) -> None:
        self._strikes += 1
        self._open_at_bound()

    def _open_at_bound(self) -> None:
        if self._strikes >= self._bound and not self._is_open:
            self._is_open, self._open_for = True, 0.0

    # At rest.

    def _settled(self) -> None:
        has_session = self._sessions[-1].session_id is not None
        for request in self._requests.values():
            waits = not request.sent_in and not request.has_ended
            if request.kind is Kind.DELETE and waits and has_session:
                raise self.broken(9, "a DELETE is held back")

    def _rested(self) -> None:
        for number, request in self._requests.items():
            if not request.has_ended:
                raise self.broken(3, f"{number} ({request.kind}) never ends: somebody is wedged")


def _a(kind: Kind) -> str:
    return f"an {kind}" if kind.value[0] in "aeio" else f"a {kind}"
