//! The machine: what happened to the session, and what that means for each request.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::bounded::LIMIT;
use super::circuit::{Circuit, Proven};
use super::identity::{AdoptedId, Foreign, Generation, OrphanId, Owner, Ticket};
use super::incoming::{Incoming, Part, Seen};
use super::open::{OpenRequests, Place};
use super::outgoing::{Errand, Outgoing};
use super::questions::{Questions, Translation};
use super::reason::{Cooldown, Reason};
use super::recovery::{Lead, Outcome, RecoveryNumber};
use super::resend::ResendPolicy;
use super::restores::Restores;
use super::steps::{Attempt, Before, Exchange, GivenUp, Hold, Run, Transmit, Trial, Waited};
use super::streams::{EventOrigin, Stream, Streams};
use crate::exchange::{Quirks, SessionId};

/// What a session may be told to do otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether known misreports end a session too.
    pub quirks: Quirks,
    /// Which requests are sent again.
    pub resend: ResendPolicy,
    /// How many generations may die before one success, failed replacements included, until
    /// no new session is made for a while.
    pub bound: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { quirks: Quirks::Recognize, resend: ResendPolicy::All, bound: 2 }
    }
}

/// The session of one client. See the [module](super) for what it guarantees.
pub struct Session {
    pub(super) owner: Arc<Owner>,
    pub(super) options: Options,
    pub(super) state: State,
    /// The live generation, or the last one that was.
    pub(super) generation: Generation,
    pub(super) circuit: Circuit,
    pub(super) initialize: Option<Arc<[u8]>>,
    /// The caller's `notifications/initialized`, if there was one.
    pub(super) initialized: Option<Arc<[u8]>>,
    /// The number of the last `initialize` that went out, a leader's included.
    pub(super) issued: u64,
    /// The last recovery, or trial.
    pub(super) recovery: Option<Arc<Outcome>>,
    recoveries: u64,
    pub(super) open: OpenRequests,
    pub(super) streams: Streams,
    questions: Questions,
    pub(super) restores: Restores,
    /// How many restores were sent, ever.
    pub(super) restored: u64,
    notices: VecDeque<Box<[u8]>>,
}

pub(super) enum State {
    /// No `initialize` has succeeded yet.
    Fresh,
    Live(Live),
    /// The generation is dead and none has replaced it.
    Lost(Live, Death),
    /// DELETE was sent; what stood then still goes out with each request.
    Closed(Option<Live>),
}

/// How sure it is that a generation is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// Its server said so.
    Reported,
    /// Its server said so, but would not replace it, or said it of one request only: the next
    /// request tries it out.
    Doubted,
}

/// What every request takes with it is shared with each, not copied.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) id: Option<Arc<str>>,
    protocol_version: Option<Arc<str>>,
    pub(super) proven: Proven,
}

impl Session {
    /// A session that begins with the caller's own `initialize`.
    pub fn new(options: Options) -> Self {
        Self {
            owner: Arc::new(Owner),
            options,
            state: State::Fresh,
            generation: Generation(0),
            circuit: Circuit::new(options.bound),
            initialize: None,
            initialized: None,
            issued: 0,
            recovery: None,
            recoveries: 0,
            open: OpenRequests::default(),
            streams: Streams::default(),
            questions: Questions::default(),
            restores: Restores::default(),
            restored: 0,
            notices: VecDeque::new(),
        }
    }

    /// A session whose ID was stored. It has no `initialize` to replay: when the session
    /// ends, it gives up with [`Reason::NoInitialize`].
    pub fn resumed(id: SessionId<'_>, options: Options) -> Self {
        let id = Some(id.as_str().into());
        let live = Live { id, protocol_version: None, proven: Proven::No };
        Self { state: State::Live(live), generation: Generation(1), ..Self::new(options) }
    }

    /// Whether a session stands: begun, not known to have ended, not closed.
    ///
    /// The server of a live session may have given out no ID.
    pub fn is_live(&self) -> bool {
        self.live().is_some()
    }

    /// Whether DELETE was sent.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// The generation that stands, or the last one that did.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The ID of the session that stands, if one does and has an ID.
    pub fn session_id(&self) -> Option<AdoptedId> {
        self.live()?.id.clone().map(AdoptedId)
    }

    /// The version that the leader of the session that stands has negotiated; `None` for the
    /// caller's own, of which the caller knows.
    pub fn protocol_version(&self) -> Option<&str> {
        self.live()?.protocol_version.as_deref()
    }

    /// Decides what to do with a request before it goes out.
    pub fn before_request<B: AsRef<[u8]>>(&mut self, request: Outgoing<B>) -> Before<B> {
        let cancelled = request.facts().cancelled.as_ref().and_then(|id| self.open.cancel(id));
        match cancelled {
            Some(Place::Held) => return Before::Drop(request),
            // A live session knows nothing of what a dead one was asked.
            Some(Place::Sent(generation)) if generation != self.generation => {
                return Before::Drop(request);
            }
            Some(Place::Sent(_)) | None => {}
        }
        if request.facts().errand == Errand::Initialized {
            self.initialized = Some(Arc::from(request.body().as_ref()));
        }
        let ticket = Arc::new(Ticket::new(&self.owner));
        self.proceed(Run { request, ticket, attempt: Attempt::First, waited: Waited::No })
    }

    /// Decides how a held request, or a leader's own, goes on.
    ///
    /// Asked before the recovery is settled, it answers with another [`Before::Hold`].
    ///
    /// # Errors
    ///
    /// [`Foreign`]: the hold is of another session.
    pub fn after_recovery<B: AsRef<[u8]>>(
        &mut self,
        hold: Hold<B>,
    ) -> Result<Before<B>, Foreign<Hold<B>>> {
        if !hold.run.ticket.is_of(&self.owner) {
            return Err(Foreign(hold));
        }
        let Hold { run, outcome, since } = hold;
        if run.ticket.is_cancelled() {
            return Ok(self.give_up(run, Reason::Cancelled));
        }
        Ok(match (&self.state, outcome.reason()) {
            (State::Closed(_), _) => self.give_up(run, Reason::Closed),
            // The caller's own `initialize` waited for the end of the recovery, not for its
            // success.
            (_, Some(reason)) if !run.request.is_initialize() => self.give_up(run, reason),
            (State::Fresh | State::Live(_) | State::Lost(..), _) => {
                let waited = if since < self.generation { Waited::Yes } else { run.waited };
                self.proceed(Run { waited, ..run })
            }
        })
    }

    /// Takes a message that came in on a response or stream, so that replies to it go to the
    /// generation that asked, and what the server was told is known. Says what the caller is to
    /// see in its place.
    pub fn saw_message<'a>(&mut self, stream: Stream, message: impl Into<Incoming<'a>>) -> Seen {
        let message = message.into();
        let generation = stream.generation;
        let mut ids = Vec::new();
        for part in &message.parts {
            match part {
                Part::Asks(id) => {
                    ids.extend(self.questions.ask(generation, *id).map(|alias| (*id, alias)));
                    if generation < self.generation {
                        // Nobody waits for its reply any more.
                        let notice = self.questions.end_one(generation, *id);
                        self.notify(notice);
                    }
                }
                Part::Cancels(id) => {
                    ids.extend(self.questions.cancel(generation, *id).map(|alias| (*id, alias)));
                }
                Part::Answers(id, how) => self.restores.answered(*id, generation, *how),
            }
        }
        message.rewritten(&ids)
    }

    /// Keeps its `initialize` where the latest is kept, if both are the same: most sessions of a
    /// client begin alike.
    #[cfg(feature = "client")]
    pub(crate) fn share_initialize(&mut self, latest: &mut Option<Arc<[u8]>>) {
        match (&mut self.initialize, latest) {
            (Some(own), Some(latest)) if own == latest => *own = Arc::clone(latest),
            (Some(own), latest) => *latest = Some(Arc::clone(own)),
            (None, _) => {}
        }
    }

    /// The time in which no new session is made, if there is one now.
    #[cfg(feature = "client")]
    pub(crate) fn cooldown(&self) -> Option<Cooldown> {
        self.circuit.cooldown()
    }

    /// Whether a question that comes in on this stream may have to be shown under another id.
    #[cfg(feature = "client")]
    pub(crate) fn asks_elsewhere(&self, stream: Stream) -> bool {
        self.questions.are_open_outside(stream.generation)
    }

    /// Takes the ID of an event that came in on a stream, so that it is never sent to
    /// another generation.
    pub fn saw_event_id(&mut self, stream: Stream, event_id: &str) {
        self.streams.saw_event_id(stream, event_id);
    }

    /// Takes that the time of a [`Cooldown`] has passed: a new session may be made again.
    pub fn cooldown_over(&mut self, cooldown: Cooldown) {
        self.circuit.cooldown_over(cooldown);
    }

    /// The messages that the caller is to see as if its server had sent them: a
    /// `notifications/cancelled` for each question of a generation that has ended since they
    /// were last taken.
    pub fn take_notices(&mut self) -> Vec<Box<[u8]>> {
        self.notices.drain(..).collect()
    }

    pub(super) fn live(&self) -> Option<&Live> {
        match &self.state {
            State::Live(live) => Some(live),
            State::Fresh | State::Lost(..) | State::Closed(_) => None,
        }
    }

    /// The recovery, or trial, that is under way.
    pub(super) fn pending(&self) -> Option<Arc<Outcome>> {
        self.recovery.as_ref().filter(|outcome| outcome.is_pending()).map(Arc::clone)
    }

    pub(super) fn adopt(&mut self, id: Option<Arc<str>>, protocol_version: Option<Arc<str>>) {
        self.end_questions();
        self.generation = Generation(self.generation.0 + 1);
        self.state = State::Live(Live { id, protocol_version, proven: Proven::No });
    }

    /// An ID that is to be DELETEd: not the live one, which a server may have given out twice.
    pub(super) fn orphan(&self, id: Option<Arc<str>>) -> Option<OrphanId> {
        let live = self.live().and_then(|live| live.id.as_deref());
        id.filter(|id| live != Some(&**id)).map(OrphanId)
    }

    pub(super) fn give_up<B>(&self, run: Run<B>, reason: Reason) -> Before<B> {
        let retry_after = self.circuit.cooldown().filter(|_| !self.is_closed());
        Before::GiveUp(GivenUp { request: run.request, reason, retry_after })
    }

    pub(super) fn proceed<B: AsRef<[u8]>>(&mut self, run: Run<B>) -> Before<B> {
        let errand = run.request.facts().errand;
        match (&self.state, errand) {
            (State::Fresh | State::Live(_) | State::Lost(..), Errand::Terminate) => self.close(run),
            (State::Fresh | State::Live(_) | State::Lost(..), _)
                if run.attempt == Attempt::Second && self.circuit.is_at_bound() =>
            {
                self.give_up(run, Reason::BoundReached)
            }
            (State::Lost(..), Errand::Notification | Errand::Initialized | Errand::Replies) => {
                let _nothing = self.translated(&run.request, None);
                Before::Drop(run.request)
            }
            (State::Lost(..), Errand::Initialize) if self.pending().is_none() => {
                self.transmit(run, EventOrigin::Post)
            }
            (
                State::Lost(..),
                Errand::Initialize
                | Errand::Request
                | Errand::Batch
                | Errand::Malformed
                | Errand::Stream
                | Errand::Other,
            ) => self.recover(run),
            (
                State::Fresh | State::Live(_),
                Errand::Initialize
                | Errand::Request
                | Errand::Batch
                | Errand::Malformed
                | Errand::Stream
                | Errand::Other,
            ) if self.pending().is_some() => self.recover(run),
            (
                State::Fresh | State::Live(_) | State::Closed(_),
                Errand::Initialize
                | Errand::Request
                | Errand::Batch
                | Errand::Notification
                | Errand::Initialized
                | Errand::Replies
                | Errand::Malformed
                | Errand::Stream
                | Errand::Other
                | Errand::Terminate,
            ) => self.send(run),
        }
    }

    fn send<B: AsRef<[u8]>>(&mut self, run: Run<B>) -> Before<B> {
        match run.request.facts().errand {
            Errand::Stream => self.open_stream(run),
            Errand::Initialize
            | Errand::Request
            | Errand::Batch
            | Errand::Notification
            | Errand::Initialized
            | Errand::Replies
            | Errand::Malformed
            | Errand::Terminate
            | Errand::Other => self.transmit(run, EventOrigin::Post),
        }
    }

    fn recover<B: AsRef<[u8]>>(&mut self, run: Run<B>) -> Before<B> {
        if let Some(outcome) = self.pending() {
            return Before::Hold(self.hold(run, outcome));
        }
        if matches!(self.state, State::Lost(_, Death::Doubted)) {
            return self.try_out(run);
        }
        if self.circuit.cooldown().is_some() {
            return self.give_up(run, Reason::BoundReached);
        }
        let Some(initialize) = self.initialize.clone() else {
            return self.give_up(run, Reason::NoInitialize);
        };
        self.issued += 1;
        let outcome = self.begin_recovery();
        let owner = Arc::clone(&self.owner);
        let lead = Lead { owner, outcome: Arc::clone(&outcome), initialize };
        Before::Lead(lead, self.hold(run, outcome))
    }

    /// Sends a request with the ID of a session that was taken for dead. Others wait for what
    /// comes of it.
    fn try_out<B: AsRef<[u8]>>(&mut self, run: Run<B>) -> Before<B> {
        match self.send(run) {
            Before::Transmit(mut transmit) => {
                transmit.exchange.trial = Some(Trial(self.begin_recovery()));
                Before::Transmit(transmit)
            }
            before @ (Before::Hold(_) | Before::Lead(..) | Before::Drop(_) | Before::GiveUp(_)) => {
                before
            }
        }
    }

    fn begin_recovery(&mut self) -> Arc<Outcome> {
        self.recoveries += 1;
        let outcome = Arc::new(Outcome::pending(RecoveryNumber(self.recoveries)));
        self.recovery = Some(Arc::clone(&outcome));
        outcome
    }

    fn hold<B>(&mut self, run: Run<B>, outcome: Arc<Outcome>) -> Hold<B> {
        if let Some(id) = &run.request.facts().id {
            self.open.moved(id, &run.ticket, Place::Held);
        }
        Hold { run, outcome, since: self.generation }
    }

    fn open_stream<B: AsRef<[u8]>>(&mut self, run: Run<B>) -> Before<B> {
        let Some(event_id) = run.request.last_event_id() else {
            return self.transmit(run, EventOrigin::Standalone);
        };
        let told = run.request.facts().resumes;
        match told.or_else(|| self.streams.resumed_by(event_id, self.generation)) {
            Some(stream) if stream.generation == self.generation => {
                self.transmit(run, stream.origin)
            }
            Some(Stream { origin: EventOrigin::Standalone, .. }) => {
                let mut transmit = self.transmitted(run, EventOrigin::Standalone, None);
                transmit.exchange.bears_event_id = false;
                Before::Transmit(transmit)
            }
            // An ID nobody reported can be of this generation only if there was no other.
            None if self.generation <= Generation(1) => self.transmit(run, EventOrigin::Standalone),
            Some(Stream { origin: EventOrigin::Post, .. }) | None => {
                self.give_up(run, Reason::StreamLost)
            }
        }
    }

    fn transmit<B: AsRef<[u8]>>(&mut self, run: Run<B>, origin: EventOrigin) -> Before<B> {
        match self.translated(&run.request, Some(self.generation)) {
            Translation::Unchanged => Before::Transmit(self.transmitted(run, origin, None)),
            Translation::Rewritten(body) => {
                Before::Transmit(self.transmitted(run, origin, Some(body)))
            }
            Translation::Nothing => Before::Drop(run.request),
        }
    }

    fn translated<B: AsRef<[u8]>>(
        &mut self,
        request: &Outgoing<B>,
        standing: Option<Generation>,
    ) -> Translation {
        if request.facts().members.is_empty() {
            return Translation::Unchanged;
        }
        self.questions.translate(request.body().as_ref(), request.facts(), standing)
    }

    fn transmitted<B>(
        &mut self,
        run: Run<B>,
        origin: EventOrigin,
        body: Option<Vec<u8>>,
    ) -> Transmit<B> {
        let is_initialize = run.request.is_initialize();
        let standing = match &self.state {
            State::Live(live) | State::Lost(live, _) => Some(live),
            State::Closed(live) => live.as_ref(),
            State::Fresh => None,
        }
        .filter(|_| !is_initialize);
        let session_id = standing.and_then(|live| live.id.clone());
        let protocol_version = standing.and_then(|live| live.protocol_version.clone());
        let opens = is_initialize && !self.is_closed();
        let issue = opens.then(|| {
            self.issued += 1;
            self.issued
        });
        let facts = run.request.facts();
        if let Some(id) = &facts.id {
            self.open.moved(id, &run.ticket, Place::Sent(self.generation));
        }
        for (id, told) in &facts.tells {
            self.restores.sent(id, self.generation, told);
        }
        let exchange = Exchange {
            generation: self.generation,
            attached: session_id.is_some(),
            bears_event_id: run.request.last_event_id().is_some(),
            origin,
            issue,
            trial: None,
            quirks: self.options.quirks,
            run,
        };
        Transmit { exchange, session_id, protocol_version, body }
    }

    fn close<B: AsRef<[u8]>>(&mut self, run: Run<B>) -> Before<B> {
        let standing = match &self.state {
            State::Live(live) | State::Lost(live, _) => Some(live.clone()),
            State::Closed(live) => live.clone(),
            State::Fresh => None,
        };
        if let Some(recovery) = &self.recovery {
            // Nobody waits for a session that is not to be.
            recovery.fail(Reason::Closed);
        }
        self.state = State::Closed(standing);
        self.transmit(run, EventOrigin::Post)
    }

    /// What is to be thought of the generation that was lost, if it is this one.
    pub(super) fn set_death(&mut self, generation: Generation, now: Death) {
        match &mut self.state {
            State::Lost(_, death) if generation == self.generation => *death = now,
            State::Fresh | State::Live(_) | State::Lost(..) | State::Closed(_) => {}
        }
    }

    pub(super) fn end_questions(&mut self) {
        let notices = self.questions.end(self.generation);
        self.notify(notices);
    }

    fn notify(&mut self, notices: impl IntoIterator<Item = Box<[u8]>>) {
        self.notices.extend(notices);
        while self.notices.len() > LIMIT {
            self.notices.pop_front();
        }
    }

    /// How many requests, and questions of the server's, are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> (usize, usize) {
        (self.open.len(), self.questions.len())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Fresh => "fresh",
            State::Live(_) => "live",
            State::Lost(_, Death::Reported) if self.pending().is_some() => "recovering",
            State::Lost(_, Death::Doubted) if self.pending().is_some() => "trying",
            State::Lost(_, Death::Reported) => "lost",
            State::Lost(_, Death::Doubted) => "doubted",
            State::Closed(_) => "closed",
        };
        formatter
            .debug_struct("Session")
            .field("state", &state)
            .field("generation", &self.generation.0)
            .finish_non_exhaustive()
    }
}
