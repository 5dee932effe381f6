//! The session machine: one client's session, followed across its replacements.
//!
//! Sans-IO: a [`Session`] is told what is about to be sent and what came back, and answers
//! with what to do. It asks the tables for every verdict and adds only what has to be
//! remembered between exchanges. A *generation* is one session of the server, from the
//! `initialize` that brought it to the 404 that ended it.
//!
//! # Guarantees
//!
//! They hold under every interleaving of any number of exchanges.
//!
//! 1. A 404 ends only the generation that was attached to *that* request. A late 404 of an
//!    older one never clears a newer one, even if the server gave out the identical ID again;
//!    that request is handled by 6 and 8 without clearing.
//! 2. At most one re-initialization is under way, however many exchanges fail together.
//! 3. A leader that fails, is cancelled or dropped never wedges anyone: a cancelled leader
//!    hands over to one that waits; a failure is shared with those waiting; the next request
//!    may lead again.
//! 4. Every request ends exactly once: delivered, resent once and then delivered, dropped (its
//!    caller is answered 202), or given up with a reason. A request is resent at most once; its
//!    second 404 ends that generation, is delivered unchanged and starts nothing.
//! 5. Bounded overall: generations that die before one success, and failed replacements, are
//!    counted; at a configurable bound (default 2) a request is no longer resent into another:
//!    each new one may lead once, and if that fails it ends at once with a clear reason.
//!    Success means 2xx to a JSON-RPC request of the caller's own (not `initialize`, a
//!    notification, a restore or a GET: some servers answer 202 to the dead).
//! 6. A GET that gets 404 re-initializes only if a stream had been open in this generation
//!    (one with `Last-Event-ID` counts as having been); otherwise the server offers none and
//!    the 404 passes through. An event ID of another generation is never sent: the standalone
//!    stream opens without it; the stream of a dead POST is answered 404 locally.
//! 7. `initialize` never carries an ID. IDs are adopted only from a 2xx to it. Of several
//!    `initialize`s the last *issued* wins; an ID that arrives for another is returned to the
//!    caller to DELETE. A user's own `initialize` during a recovery waits for it and then
//!    replaces it.
//! 8. What belonged to the dead generation stays there. Replies to its server's requests and
//!    its notifications are dropped; a reply whose id is open in both the dead and the live
//!    generation is never sent. Requests are resent by policy; never one with
//!    `params.cursor`; a batch whole, if every member qualifies, or not at all. A
//!    `notifications/cancelled` that names a held or to-be-resent request ends it.
//! 9. Sending DELETE closes the Session, whatever the answer: nothing re-initializes
//!    afterwards, those waiting are given up, a leader's late ID comes back to be DELETEd.
//!    DELETE is never held.
//! 10. IDs never appear in `Debug` output or errors; they are credentials.
#![doc = ""]
#![doc = include_str!("../docs/session.md")]

mod recovery;
mod resend;
mod streams;

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;

use http::StatusCode;

use crate::facts::{Method, Request, Response};
use crate::json;
use crate::message::{Kind, Message, RequestId, peek};
use crate::session_id::SessionId;
use crate::table::{Action, Quirks, Rule, Side, classify};

pub use recovery::{Failure, Introduced, Lead, Leader, Reason, Unadopted};
pub use resend::ResendPolicy;
pub use streams::Stream;

use recovery::{Outcome, Recovery, Waiting};
use streams::{EventOrigin, Streams};

/// What a session may be told to do otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether known misreports end a session too.
    pub quirks: Quirks,
    /// Which requests are sent again.
    pub resend: ResendPolicy,
    /// How many generations may die before one success, failed replacements included, until
    /// no request is sent into another.
    pub bound: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { quirks: Quirks::Recognize, resend: ResendPolicy::All, bound: 2 }
    }
}

/// What is about to be sent.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// The HTTP method.
    pub method: Method,
    /// The value of `MCP-Protocol-Version`.
    pub protocol_version: Option<&'a [u8]>,
    /// The value of `Last-Event-ID`.
    pub last_event_id: Option<&'a str>,
    /// The body; empty where there is none.
    pub body: &'a [u8],
}

impl<'a> Outgoing<'a> {
    /// A POST of one message.
    pub fn post(body: &'a [u8]) -> Self {
        Self { body, ..Self::bodiless(Method::Post) }
    }

    /// A GET that opens the standalone stream.
    pub fn get() -> Self {
        Self::bodiless(Method::Get)
    }

    /// A DELETE.
    pub fn delete() -> Self {
        Self::bodiless(Method::Delete)
    }

    fn bodiless(method: Method) -> Self {
        Self { method, protocol_version: None, last_event_id: None, body: b"" }
    }
}

/// What to do before a request goes out.
///
/// Exhaustive on purpose: the caller has to act on each.
#[derive(Debug)]
#[must_use = "the request waits for it"]
pub enum Before {
    /// Send it.
    Send(Send),
    /// Wait until the recovery is settled, then ask [`Session::after_recovery`].
    Hold(Hold),
    /// Make a new session with the [`Lead`], then ask [`Session::after_recovery`].
    Lead(Lead, Hold),
    /// Send nothing; its caller is answered 202.
    Drop,
    /// Send nothing; its caller is told why. A GET is answered 404.
    GiveUp(Reason),
}

/// What to do after a response.
///
/// Exhaustive on purpose: the caller has to act on each.
#[derive(Debug)]
#[must_use = "the request's caller waits for it"]
pub enum After {
    /// Hand the response to the caller, unchanged.
    Deliver(Delivery),
    /// Send the request again, now.
    Resend(Send),
    /// Wait until the recovery is settled, then ask [`Session::after_recovery`].
    Hold(Hold),
    /// Make a new session with the [`Lead`], then ask [`Session::after_recovery`].
    Lead(Lead, Hold),
    /// The response is of no use; its caller is answered 202.
    Drop,
    /// The response is of no use; its caller is told why. A GET is answered 404.
    GiveUp(Reason),
}

/// How to send a request.
#[must_use = "the exchange it opens ends with its response"]
pub struct Send {
    /// To be given back with the response. Dropped, it counts as abandoned.
    pub exchange: Exchange,
    /// Whether `Last-Event-ID` goes out; an event ID of another generation does not.
    pub last_event_id: LastEventId,
    session_id: Option<Arc<str>>,
    protocol_version: Option<Arc<str>>,
}

impl Send {
    /// The ID to attach. Any other that the request bears does not go out.
    pub fn session_id(&self) -> Option<SessionId<'_>> {
        self.session_id.as_deref().and_then(|id| SessionId::parse(id.as_bytes()))
    }

    /// The version to put into `MCP-Protocol-Version`, if another was negotiated since the
    /// caller's own `initialize`.
    pub fn protocol_version(&self) -> Option<&str> {
        self.protocol_version.as_deref()
    }
}

impl fmt::Debug for Send {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Send")
            .field("session_id", &self.session_id())
            .field("protocol_version", &self.protocol_version())
            .field("last_event_id", &self.last_event_id)
            .finish_non_exhaustive()
    }
}

/// What becomes of the `Last-Event-ID` of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastEventId {
    /// It goes out as it is, if there is one.
    Keep,
    /// It does not go out.
    Strip,
}

/// A response that is handed to the caller.
#[derive(Debug)]
pub struct Delivery {
    /// Where its messages and event IDs belong; for [`Session::saw_message`] and
    /// [`Session::saw_event_id`].
    pub stream: Stream,
    /// An ID that was not adopted and is to be DELETEd.
    pub unadopted: Option<Unadopted>,
}

/// One request on its way. It remembers the generation it belongs to, and is used once.
#[derive(Debug)]
#[must_use = "it ends with its response"]
pub struct Exchange {
    generation: u64,
    attempt: Attempt,
    /// Kept, so that a body is not looked at again for each answer.
    purpose: Purpose,
    attached: bool,
    bore_event_id: bool,
    origin: EventOrigin,
    /// The number of the `initialize`, if it is one.
    issue: Option<u64>,
}

/// A request that waits for a recovery.
///
/// Ask [`Session::after_recovery`] when [`is_settled`](Self::is_settled). Dropped, its
/// request counts as abandoned.
#[derive(Debug)]
#[must_use = "its request waits"]
pub struct Hold {
    attempt: Attempt,
    purpose: Purpose,
    waiting: Arc<Waiting>,
    outcome: Arc<Outcome>,
}

impl Hold {
    /// Whether the recovery it waits for has come to an end, or the request itself has.
    pub fn is_settled(&self) -> bool {
        self.waiting.is_ended() || !self.outcome.is_pending()
    }

    /// The number of the recovery it waits for.
    pub fn recovery(&self) -> u64 {
        self.outcome.number
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    First,
    Second,
}

/// The session of one client. See the [module](self) for what it guarantees.
pub struct Session {
    options: Options,
    state: State,
    /// The number of the live generation, or of the last one that was.
    generation: u64,
    /// Generations that died before one success, and failed replacements, since the last
    /// success.
    unproven: u32,
    initialize: Option<Arc<[u8]>>,
    initialized: Arc<[u8]>,
    /// The number of the last `initialize` that went out, a leader's included.
    issued: u64,
    recovery: Option<Recovery>,
    held: Vec<(Weak<Waiting>, Box<str>)>,
    streams: Streams,
}

enum State {
    /// No `initialize` has succeeded yet.
    Fresh,
    Live(Live),
    /// The generation is dead and none has replaced it.
    Lost,
    /// DELETE was sent.
    Closed,
}

/// What every request takes with it is shared with each, not copied.
struct Live {
    id: Option<Arc<str>>,
    protocol_version: Option<Arc<str>>,
    proven: bool,
}

/// What a request is for, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Initialize,
    Request,
    Notification,
    Reply,
    /// A batch of replies and notifications only.
    BatchOfReplies,
    Batch,
    Malformed,
    Stream,
    Terminate,
    Other,
}

impl Session {
    /// A session that begins with the caller's own `initialize`.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            state: State::Fresh,
            generation: 0,
            unproven: 0,
            initialize: None,
            initialized: Arc::from(
                &br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#[..],
            ),
            issued: 0,
            recovery: None,
            held: Vec::new(),
            streams: Streams::default(),
        }
    }

    /// A session whose ID was stored. It has no `initialize` to replay: when the session
    /// ends, it gives up with [`Reason::NoInitialize`].
    pub fn resumed(id: SessionId<'_>, options: Options) -> Self {
        let live = Live { id: Some(id.as_str().into()), protocol_version: None, proven: false };
        Self { state: State::Live(live), generation: 1, ..Self::new(options) }
    }

    /// Whether a session stands: begun, not known to have ended, not closed.
    ///
    /// What it was before a response and is after it tells a driver that this response ended
    /// the session. The server of a live session may have given out no ID.
    pub fn is_live(&self) -> bool {
        match self.state {
            State::Live(_) => true,
            State::Fresh | State::Lost | State::Closed => false,
        }
    }

    /// Decides what to do with a request before it goes out.
    pub fn before_request(&mut self, outgoing: &Outgoing<'_>) -> Before {
        let message = message(outgoing);
        let purpose = Purpose::of(outgoing, message.as_ref());
        if let (Purpose::Notification, Some(message)) = (purpose, &message) {
            if self.end_cancelled(message) {
                return Before::Drop;
            }
            if message.method().as_deref() == Some("notifications/initialized") {
                self.initialized = Arc::from(outgoing.body);
            }
        }
        self.proceed(outgoing, purpose, Attempt::First)
    }

    /// Decides how a held request, or a leader's own, goes on.
    ///
    /// Asked before the recovery is settled, it answers with another [`Before::Hold`].
    pub fn after_recovery(&mut self, hold: Hold, outgoing: &Outgoing<'_>) -> Before {
        let purpose = hold.purpose;
        if hold.waiting.is_ended() {
            return Before::GiveUp(Reason::Cancelled);
        }
        match (&self.state, hold.outcome.reason()) {
            (State::Closed, _) => Before::GiveUp(Reason::Closed),
            // The caller's own `initialize` waited for the end of the recovery, not for its
            // success.
            (_, Some(reason)) if purpose != Purpose::Initialize => Before::GiveUp(reason),
            (State::Fresh | State::Live(_) | State::Lost, _) => {
                self.proceed(outgoing, purpose, hold.attempt)
            }
        }
    }

    /// Decides what becomes of a request whose response head came in.
    ///
    /// `outgoing` is the request as it was given to [`before_request`](Self::before_request).
    /// `response.body` may be `None`; whether it is needed,
    /// [`needs_body`](crate::needs_body) says.
    pub fn after_response(
        &mut self,
        exchange: Exchange,
        outgoing: &Outgoing<'_>,
        response: &Response<'_>,
    ) -> After {
        let purpose = exchange.purpose;
        let request = Request {
            // That an ID was attached decides, not which.
            session_id: exchange.attached.then_some(b"attached"),
            // Everything in a session is legacy, whatever a request says of itself; before
            // there is one, nothing is attached that could be terminated.
            message: (purpose == Purpose::Initialize).then(|| peek(INITIALIZE)),
            ..Request::new(outgoing.method)
        };
        let verdict = classify(Side::Client(self.options.quirks), &request, response);
        match verdict.action() {
            Action::AdoptSession => {
                let id = verdict.session_id().map(|id| Box::from(id.as_str()));
                self.initialized_by_caller(&exchange, outgoing, id)
            }
            Action::PassThrough if verdict.rule() == Rule::NoSessionAssigned => {
                self.initialized_by_caller(&exchange, outgoing, None)
            }
            Action::ClearAndReinit => self.terminated(&exchange, outgoing),
            Action::PassThrough
            | Action::Clear
            // No row of the client's says one of these.
            | Action::NotFoundResponse
            | Action::BadRequestResponse
            | Action::UnavailableResponse => {
                self.note_success(&exchange, response.status);
                self.deliver(&exchange, None)
            }
        }
    }

    /// Takes the answer to a leader's `initialize`.
    ///
    /// `message` is the JSON-RPC message that answered, read whole, be it from a JSON body
    /// or from a stream; `None` if none came.
    ///
    /// # Errors
    ///
    /// [`Failure`]: the recovery has failed. Its reason is shared with those waiting.
    pub fn initialize_answered(
        &mut self,
        lead: Lead,
        response: &Response<'_>,
        message: Option<&[u8]>,
    ) -> Result<Introduced, Failure> {
        let request = Request { message: Some(peek(INITIALIZE)), ..Request::new(Method::Post) };
        let verdict = classify(Side::Client(self.options.quirks), &request, response);
        let id: Option<Box<str>> = verdict.session_id().map(|id| id.as_str().into());
        let version = message.and_then(negotiated_version);
        match (verdict.rule(), version) {
            (_, _) if matches!(self.state, State::Closed) => {
                Err(self.fail(&lead, Reason::Closed, id))
            }
            (Rule::SessionAssigned | Rule::NoSessionAssigned, Some(version)) => {
                Ok(Introduced { lead, id, version, body: Arc::clone(&self.initialized) })
            }
            (Rule::IllFormedSessionId, _) => {
                Err(self.fail(&lead, Reason::IllFormedSessionId, None))
            }
            (_, _) if message.is_some_and(is_modern_only) => {
                Err(self.fail(&lead, Reason::ModernOnlyServer, id))
            }
            (_, _) => Err(self.fail(&lead, Reason::InitializeRefused, id)),
        }
    }

    /// Takes the status of the answer to a leader's `notifications/initialized`.
    ///
    /// Only now are those waiting released.
    ///
    /// # Errors
    ///
    /// [`Failure`]: the recovery has failed. Its reason is shared with those waiting.
    pub fn initialized_answered(
        &mut self,
        introduced: Introduced,
        status: StatusCode,
    ) -> Result<(), Failure> {
        let Introduced { lead, id, version, body: _ } = introduced;
        if matches!(self.state, State::Closed) {
            return Err(self.fail(&lead, Reason::Closed, id));
        }
        if !status.is_success() {
            return Err(self.fail(&lead, Reason::InitializedRefused, id));
        }
        self.adopt(id, Some(version));
        self.recovery = None;
        drop(lead);
        Ok(())
    }

    /// Takes the failure of a leader to get an answer: a transport error, a timeout.
    ///
    /// Takes the [`Lead`] or the [`Introduced`], whichever the leader holds.
    pub fn lead_failed(&mut self, leader: impl Into<Leader>) -> Failure {
        let reason =
            if matches!(self.state, State::Closed) { Reason::Closed } else { Reason::Transport };
        let Leader { lead, id } = leader.into();
        self.fail(&lead, reason, id)
    }

    /// Takes a message that came in on a response or stream, so that replies to it go to
    /// the generation that asked.
    pub fn saw_message(&mut self, stream: Stream, data: &[u8]) {
        self.streams.saw_message(stream, data);
    }

    /// Takes the ID of an event that came in on a stream, so that it is never sent to
    /// another generation.
    pub fn saw_event_id(&mut self, stream: Stream, event_id: &str) {
        self.streams.saw_event_id(stream, event_id);
    }

    fn proceed(&mut self, outgoing: &Outgoing<'_>, purpose: Purpose, attempt: Attempt) -> Before {
        match (&self.state, purpose) {
            (State::Closed, _) => Before::GiveUp(Reason::Closed),
            (_, Purpose::Terminate) => self.close(outgoing),
            (_, _) if attempt == Attempt::Second && self.unproven >= self.options.bound => {
                Before::GiveUp(Reason::BoundReached)
            }
            (State::Lost, Purpose::Reply | Purpose::BatchOfReplies) => {
                self.streams.may_reply(outgoing.body, None);
                Before::Drop
            }
            (State::Lost, Purpose::Notification) => Before::Drop,
            (State::Lost, Purpose::Initialize) if !self.is_recovering() => {
                self.send(outgoing, purpose, attempt, EventOrigin::Post)
            }
            (
                State::Lost,
                Purpose::Initialize
                | Purpose::Request
                | Purpose::Batch
                | Purpose::Malformed
                | Purpose::Stream
                | Purpose::Other,
            ) => self.recover(outgoing, purpose, attempt),
            (State::Fresh | State::Live(_), Purpose::Reply | Purpose::BatchOfReplies)
                if !self.streams.may_reply(outgoing.body, Some(self.generation)) =>
            {
                Before::Drop
            }
            (State::Fresh | State::Live(_), Purpose::Stream) => self.open_stream(outgoing, attempt),
            (State::Fresh | State::Live(_), _) => {
                self.send(outgoing, purpose, attempt, EventOrigin::Post)
            }
        }
    }

    fn recover(&mut self, outgoing: &Outgoing<'_>, purpose: Purpose, attempt: Attempt) -> Before {
        let pending = self.recovery.as_ref().filter(|recovery| recovery.outcome.is_pending());
        if let Some(recovery) = pending {
            let outcome = Arc::clone(&recovery.outcome);
            return Before::Hold(self.hold(outgoing, purpose, attempt, outcome));
        }
        debug_assert!(purpose != Purpose::Initialize, "it waits, or it is sent");
        let Some(initialize) = &self.initialize else {
            return Before::GiveUp(Reason::NoInitialize);
        };
        self.issued += 1;
        let outcome = Arc::new(Outcome::pending(self.issued));
        let lead = Lead { outcome: Arc::clone(&outcome), initialize: Arc::clone(initialize) };
        self.recovery = Some(Recovery { outcome: Arc::clone(&outcome) });
        Before::Lead(lead, self.hold(outgoing, purpose, attempt, outcome))
    }

    fn hold(
        &mut self,
        outgoing: &Outgoing<'_>,
        purpose: Purpose,
        attempt: Attempt,
        outcome: Arc<Outcome>,
    ) -> Hold {
        let waiting = Arc::new(Waiting::default());
        self.held.retain(|(waiting, _)| waiting.strong_count() > 0);
        if let Some(id) = message(outgoing).and_then(|message| message.id()) {
            self.held.push((Arc::downgrade(&waiting), id.as_str().into()));
        }
        Hold { attempt, purpose, waiting, outcome }
    }

    fn open_stream(&mut self, outgoing: &Outgoing<'_>, attempt: Attempt) -> Before {
        let Some(event_id) = outgoing.last_event_id else {
            return self.send(outgoing, Purpose::Stream, attempt, EventOrigin::Standalone);
        };
        match self.streams.origin_of(event_id) {
            Some((generation, origin)) if generation == self.generation => {
                self.send(outgoing, Purpose::Stream, attempt, origin)
            }
            Some((_, EventOrigin::Standalone)) => {
                let without = Outgoing { last_event_id: None, ..*outgoing };
                self.send(&without, Purpose::Stream, attempt, EventOrigin::Standalone)
            }
            // An ID nobody reported can be of this generation only if there was no other.
            None if self.generation <= 1 => {
                self.send(outgoing, Purpose::Stream, attempt, EventOrigin::Standalone)
            }
            Some((_, EventOrigin::Post)) | None => Before::GiveUp(Reason::StreamLost),
        }
    }

    fn send(
        &mut self,
        outgoing: &Outgoing<'_>,
        purpose: Purpose,
        attempt: Attempt,
        origin: EventOrigin,
    ) -> Before {
        let live = match &self.state {
            State::Live(live) if purpose != Purpose::Initialize => Some(live),
            State::Fresh | State::Live(_) | State::Lost | State::Closed => None,
        };
        let session_id = live.and_then(|live| live.id.clone());
        let protocol_version = live.and_then(|live| live.protocol_version.clone());
        let issue = (purpose == Purpose::Initialize).then(|| {
            self.issued += 1;
            self.issued
        });
        let last_event_id =
            if outgoing.last_event_id.is_some() { LastEventId::Keep } else { LastEventId::Strip };
        let exchange = Exchange {
            generation: self.generation,
            attempt,
            purpose,
            attached: session_id.is_some(),
            bore_event_id: outgoing.last_event_id.is_some(),
            origin,
            issue,
        };
        Before::Send(Send { exchange, last_event_id, session_id, protocol_version })
    }

    fn close(&mut self, outgoing: &Outgoing<'_>) -> Before {
        let before = match &self.state {
            // A session that lost its ID never sends without one.
            State::Lost | State::Closed => Before::Drop,
            State::Fresh | State::Live(_) => {
                self.send(outgoing, Purpose::Terminate, Attempt::Second, EventOrigin::Post)
            }
        };
        if let Some(recovery) = &self.recovery {
            // Nobody waits for a session that is not to be.
            recovery.outcome.fail(Reason::Closed);
        }
        self.state = State::Closed;
        before
    }

    fn terminated(&mut self, exchange: &Exchange, outgoing: &Outgoing<'_>) -> After {
        let purpose = exchange.purpose;
        // One that was resent had a stream open when it went out first.
        let had_stream = exchange.bore_event_id
            || exchange.attempt == Attempt::Second
            || self.streams.were_open_in(exchange.generation);
        if matches!(self.state, State::Closed) || (purpose == Purpose::Stream && !had_stream) {
            return self.deliver(exchange, None);
        }
        self.lose(exchange.generation);
        match purpose {
            _ if exchange.attempt == Attempt::Second => self.deliver(exchange, None),
            Purpose::Notification | Purpose::Reply | Purpose::BatchOfReplies => After::Drop,
            Purpose::Initialize | Purpose::Terminate | Purpose::Malformed | Purpose::Other => {
                self.deliver(exchange, None)
            }
            Purpose::Request | Purpose::Batch if !self.options.resend.qualifies(outgoing.body) => {
                After::GiveUp(Reason::NotResent)
            }
            Purpose::Request | Purpose::Batch | Purpose::Stream => {
                match self.proceed(outgoing, purpose, Attempt::Second) {
                    Before::Send(send) => After::Resend(send),
                    Before::Hold(hold) => After::Hold(hold),
                    Before::Lead(lead, hold) => After::Lead(lead, hold),
                    Before::Drop => After::Drop,
                    Before::GiveUp(reason) => After::GiveUp(reason),
                }
            }
        }
    }

    /// Ends a generation, if it is the live one.
    fn lose(&mut self, generation: u64) {
        match &self.state {
            State::Live(live) if generation == self.generation => {
                if !live.proven {
                    self.unproven = self.unproven.saturating_add(1);
                }
                self.state = State::Lost;
            }
            State::Fresh | State::Live(_) | State::Lost | State::Closed => {}
        }
    }

    fn adopt(&mut self, id: Option<Box<str>>, protocol_version: Option<Box<str>>) {
        self.generation += 1;
        let (id, protocol_version) = (id.map(Arc::from), protocol_version.map(Arc::from));
        self.state = State::Live(Live { id, protocol_version, proven: false });
    }

    fn initialized_by_caller(
        &mut self,
        exchange: &Exchange,
        outgoing: &Outgoing<'_>,
        id: Option<Box<str>>,
    ) -> After {
        let is_last = exchange.issue == Some(self.issued);
        if !is_last || matches!(self.state, State::Closed) {
            let unadopted = self.unadopted(id);
            return self.deliver(exchange, unadopted);
        }
        self.initialize = Some(Arc::from(outgoing.body));
        self.adopt(id, None);
        let of_new = Exchange { generation: self.generation, ..*exchange };
        self.deliver(&of_new, None)
    }

    fn note_success(&mut self, exchange: &Exchange, status: StatusCode) {
        if !status.is_success() {
            return;
        }
        match (exchange.purpose, &mut self.state) {
            (Purpose::Request | Purpose::Batch, State::Live(live))
                if exchange.generation == self.generation =>
            {
                live.proven = true;
                self.unproven = 0;
            }
            // It counts for its own generation, dead by now or not.
            (Purpose::Stream, _) => self.streams.opened_in(exchange.generation),
            (
                Purpose::Initialize
                | Purpose::Request
                | Purpose::Batch
                | Purpose::Notification
                | Purpose::Reply
                | Purpose::BatchOfReplies
                | Purpose::Malformed
                | Purpose::Terminate
                | Purpose::Other,
                _,
            ) => {}
        }
    }

    fn deliver(&self, exchange: &Exchange, unadopted: Option<Unadopted>) -> After {
        let stream = Stream { generation: exchange.generation, origin: exchange.origin };
        After::Deliver(Delivery { stream, unadopted })
    }

    fn fail(&mut self, lead: &Lead, reason: Reason, id: Option<Box<str>>) -> Failure {
        lead.outcome.fail(reason);
        self.recovery = None;
        self.unproven = self.unproven.saturating_add(1);
        Failure { reason, unadopted: self.unadopted(id) }
    }

    /// An ID that is to be DELETEd: not the live one, which a server may have given out twice.
    fn unadopted(&self, id: Option<Box<str>>) -> Option<Unadopted> {
        let live = match &self.state {
            State::Live(live) => live.id.as_deref(),
            State::Fresh | State::Lost | State::Closed => None,
        };
        id.filter(|id| live != Some(id)).map(Unadopted)
    }

    fn is_recovering(&self) -> bool {
        self.recovery.as_ref().is_some_and(|recovery| recovery.outcome.is_pending())
    }

    /// Ends the held request that a `notifications/cancelled` names, if there is one.
    fn end_cancelled(&self, message: &Message<'_>) -> bool {
        let Some(cancelled) = message.cancelled_id() else { return false };
        let named = self.held.iter().find_map(|(waiting, id)| {
            let id = RequestId::from_json(id)?;
            waiting.upgrade().filter(|_| id.is_same_value(cancelled))
        });
        named.is_some_and(|waiting| {
            waiting.end();
            true
        })
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Fresh => "fresh",
            State::Live(_) => "live",
            State::Lost if self.is_recovering() => "recovering",
            State::Lost => "lost",
            State::Closed => "closed",
        };
        formatter
            .debug_struct("Session")
            .field("state", &state)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl Purpose {
    fn of(outgoing: &Outgoing<'_>, message: Option<&Message<'_>>) -> Self {
        match (outgoing.method, message) {
            (Method::Get, _) => Self::Stream,
            (Method::Delete, _) => Self::Terminate,
            (Method::Other, _) | (Method::Post, None) => Self::Other,
            (Method::Post, Some(message)) if message.is_initialize() => Self::Initialize,
            (Method::Post, Some(message)) => match message.kind() {
                Kind::Request => Self::Request,
                Kind::Notification => Self::Notification,
                Kind::Response => Self::Reply,
                Kind::Batch if resend::has_request(outgoing.body) => Self::Batch,
                Kind::Batch => Self::BatchOfReplies,
                Kind::Malformed => Self::Malformed,
            },
        }
    }
}

/// Stands for any `initialize`: what a leader sends is one.
const INITIALIZE: &[u8] = br#"{"id":0,"method":"initialize"}"#;

fn message<'a>(outgoing: &Outgoing<'a>) -> Option<Message<'a>> {
    (outgoing.method == Method::Post).then(|| peek(outgoing.body))
}

/// The version of a whole `InitializeResult`.
fn negotiated_version(message: &[u8]) -> Option<Box<str>> {
    let [result, error] = json::members(json::text(message)?, ["result", "error"])?;
    if error.last().is_some() {
        return None;
    }
    let [version] = json::members(result.once()?, ["protocolVersion"])?;
    serde_json::from_str(version.once()?).ok()
}

fn is_modern_only(message: &[u8]) -> bool {
    crate::reply::error_code(message) == Some(crate::reply::UNSUPPORTED_PROTOCOL_VERSION)
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    const CALL: &[u8] = br#"{"id":1,"method":"tools/call"}"#;
    const ANSWER: &[u8] = br#"{"id":0,"result":{"protocolVersion":"2025-11-25"}}"#;

    fn live() -> Session {
        let mut session = Session::new(Options::default());
        let initialize = Outgoing::post(INITIALIZE);
        let send = sent(session.before_request(&initialize));
        let response = response(200, Some(b"first"));
        let _delivered = session.after_response(send.exchange, &initialize, &response);
        session
    }

    fn sent(before: Before) -> Send {
        let Before::Send(send) = before else { panic!("{before:?}") };
        send
    }

    fn lead(session: &mut Session) -> (Lead, Hold) {
        let send = sent(session.before_request(&Outgoing::post(CALL)));
        let not_found = response(404, None);
        let after = session.after_response(send.exchange, &Outgoing::post(CALL), &not_found);
        let After::Lead(lead, hold) = after else { panic!("{after:?}") };
        (lead, hold)
    }

    fn response(status: u16, session_id: Option<&[u8]>) -> Response<'_> {
        Response { session_id, ..Response::new(StatusCode::from_u16(status).unwrap()) }
    }

    #[test]
    fn a_hold_is_settled_when_its_recovery_is_and_names_it_as_the_lead_does() {
        let mut session = live();
        let (lead, own) = lead(&mut session);
        let Before::Hold(hold) = session.before_request(&Outgoing::post(CALL)) else { panic!() };
        assert!(!own.is_settled() && !hold.is_settled());
        assert_eq!((lead.recovery(), lead.recovery()), (own.recovery(), hold.recovery()));
        assert_eq!(INITIALIZE, lead.initialize());

        let introduced =
            session.initialize_answered(lead, &response(200, Some(b"second")), Some(ANSWER));

        let introduced = introduced.unwrap();
        assert_eq!(own.recovery(), introduced.recovery());
        assert_eq!("2025-11-25", introduced.protocol_version());
        assert_eq!(Some("second"), introduced.session_id().map(SessionId::as_str));
        assert!(!own.is_settled() && !hold.is_settled());
        session.initialized_answered(introduced, StatusCode::ACCEPTED).unwrap();
        assert!(own.is_settled() && hold.is_settled());
        let send = sent(session.after_recovery(hold, &Outgoing::post(CALL)));
        assert_eq!(Some("2025-11-25"), send.protocol_version());
    }

    #[test]
    fn two_recoveries_have_two_numbers() {
        let mut session = live();
        let (first, hold) = lead(&mut session);
        let number = first.recovery();
        drop(first);

        let before = session.after_recovery(hold, &Outgoing::post(CALL));
        let Before::Lead(second, _) = before else { panic!("{before:?}") };

        assert_ne!(number, second.recovery());
    }

    #[test]
    fn a_held_request_is_settled_when_its_caller_cancels_it() {
        let mut session = live();
        let (_lead, hold) = lead(&mut session);
        let cancelled = br#"{"method":"notifications/cancelled","params":{"requestId":1}}"#;

        assert!(matches!(session.before_request(&Outgoing::post(cancelled)), Before::Drop));

        assert!(hold.is_settled());
        let before = session.after_recovery(hold, &Outgoing::post(CALL));
        assert!(matches!(before, Before::GiveUp(Reason::Cancelled)));
    }

    #[test]
    fn who_waits_is_let_go_by_a_delete_though_the_leader_has_no_answer_yet() {
        let mut session = live();
        let (lead, own) = lead(&mut session);
        let Before::Hold(hold) = session.before_request(&Outgoing::post(CALL)) else { panic!() };

        assert!(matches!(session.before_request(&Outgoing::delete()), Before::Drop));

        assert!(own.is_settled() && hold.is_settled());
        let before = session.after_recovery(hold, &Outgoing::post(CALL));
        assert!(matches!(before, Before::GiveUp(Reason::Closed)));
        let late = session.initialize_answered(lead, &response(200, Some(b"second")), Some(ANSWER));
        assert_eq!(Reason::Closed, late.unwrap_err().reason);
    }

    #[test]
    fn requests_that_are_abandoned_while_they_wait_are_forgotten() {
        let mut session = live();
        let (_lead, _hold) = lead(&mut session);

        for _ in 0..100 {
            drop(session.before_request(&Outgoing::post(CALL)));
        }

        assert_eq!(2, session.held.len());
    }

    #[test]
    fn a_late_success_of_a_dead_generation_proves_nothing_of_the_live_one() {
        let mut session = Session { options: Options { bound: 1, ..Options::default() }, ..live() };
        let call = Outgoing::post(CALL);
        let (proof, late) =
            (sent(session.before_request(&call)), sent(session.before_request(&call)));
        let _delivered = session.after_response(proof.exchange, &call, &response(200, None));
        let (lead, _hold) = lead(&mut session);
        let introduced =
            session.initialize_answered(lead, &response(200, Some(b"second")), Some(ANSWER));
        session.initialized_answered(introduced.unwrap(), StatusCode::ACCEPTED).unwrap();

        let _delivered = session.after_response(late.exchange, &call, &response(200, None));

        let send = sent(session.before_request(&call));
        let after = session.after_response(send.exchange, &call, &response(404, None));
        assert!(matches!(after, After::GiveUp(Reason::BoundReached)), "{after:?}");
    }

    #[test]
    fn a_recovery_sends_the_callers_own_initialized_again() {
        let initialized =
            br#"{"jsonrpc":"2.0","method":"notifications/initialized","params":{"_meta":{}}}"#;
        let mut session = live();
        let _send = sent(session.before_request(&Outgoing::post(initialized)));
        let (lead, _hold) = lead(&mut session);

        let introduced =
            session.initialize_answered(lead, &response(200, Some(b"second")), Some(ANSWER));

        assert_eq!(initialized, introduced.unwrap().initialized());
    }

    #[test]
    fn a_404_to_what_is_no_message_ends_the_session_and_is_delivered() {
        let mut session = live();
        let malformed = Outgoing::post(b"{");
        let send = sent(session.before_request(&malformed));
        assert_eq!(Some("first"), send.session_id().map(SessionId::as_str));

        let after = session.after_response(send.exchange, &malformed, &response(404, None));

        assert!(matches!(after, After::Deliver(_)), "{after:?}");
        assert!(!session.is_live());
    }

    #[test]
    fn an_http_method_that_mcp_does_not_use_bears_the_id_and_ends_nothing() {
        let mut session = live();
        let options = Outgoing { method: Method::Other, ..Outgoing::get() };
        let send = sent(session.before_request(&options));
        assert_eq!(Some("first"), send.session_id().map(SessionId::as_str));

        let after = session.after_response(send.exchange, &options, &response(404, None));

        assert!(matches!(after, After::Deliver(_)), "{after:?}");
        assert!(session.is_live());
    }

    #[test]
    fn modern_traffic_before_any_initialize_passes_as_it_is() {
        let mut session = Session::new(Options::default());
        let discover = Outgoing {
            protocol_version: Some(b"2026-07-28"),
            ..Outgoing::post(br#"{"id":1,"method":"server/discover"}"#)
        };
        let send = sent(session.before_request(&discover));
        assert_eq!((None, None), (send.session_id(), send.protocol_version()));

        let after = session.after_response(send.exchange, &discover, &response(404, Some(b"x")));

        assert!(matches!(after, After::Deliver(Delivery { unadopted: None, .. })));
        assert_eq!(r#"Session { state: "fresh", generation: 0, .. }"#, format!("{session:?}"));
    }

    #[test]
    fn a_session_is_live_from_its_initialize_to_its_404_and_again_once_replaced() {
        assert!(!Session::new(Options::default()).is_live());
        let mut session = live();
        assert!(session.is_live());
        let (lead, _hold) = lead(&mut session);
        assert!(!session.is_live());
        let answer = response(200, Some(b"second"));
        let introduced = session.initialize_answered(lead, &answer, Some(ANSWER)).unwrap();
        assert!(!session.is_live());
        session.initialized_answered(introduced, StatusCode::ACCEPTED).unwrap();
        assert!(session.is_live());
        let _before = session.before_request(&Outgoing::delete());
        assert!(!session.is_live());
    }

    #[test]
    fn debug_output_shows_states_and_no_ids() {
        let mut session = live();
        let send = sent(session.before_request(&Outgoing::post(CALL)));
        assert_eq!(
            "Send { session_id: Some(SessionId(redacted)), protocol_version: None, \
             last_event_id: Strip, .. }",
            format!("{send:?}")
        );
        assert_eq!(r#"Session { state: "live", generation: 1, .. }"#, format!("{session:?}"));
        let (lead, hold) = lead(&mut session);
        assert_eq!(r#"Session { state: "recovering", generation: 1, .. }"#, format!("{session:?}"));
        assert_eq!("Lead", format!("{lead:?}"));
        assert!(format!("{hold:?}").starts_with("Hold"));
        let introduced =
            session.initialize_answered(lead, &response(200, Some(b"second")), Some(ANSWER));
        let introduced = introduced.unwrap();
        assert_eq!("Introduced", format!("{introduced:?}"));
        let leader = Leader::from(introduced);
        assert_eq!("Leader", format!("{leader:?}"));
        let failure = session.lead_failed(leader);
        assert_eq!(
            "Failure { reason: Transport, unadopted: Some(Unadopted(redacted)) }",
            format!("{failure:?}")
        );
        assert_eq!(r#"Session { state: "lost", generation: 1, .. }"#, format!("{session:?}"));
        let _before = session.before_request(&Outgoing::delete());
        assert_eq!(r#"Session { state: "closed", generation: 1, .. }"#, format!("{session:?}"));
    }
}
