//! One session of one caller's, followed across its replacements.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::backoff;
use super::event::{Event, Events, SessionName};
use super::head::{Credentials, Endpoint};
use super::interrupted::InterruptedRequests;
use super::owned::OwnedEndpoint;
use super::shown::shown;
use crate::session::{Reason, Seen, Session, Stream};
use crate::table::Rule;

/// How many credentials may act in one session beside those that opened it.
const RENEWED: usize = 7;

/// The longest ID of a session that is followed, in bytes: a longer one is its caller's own
/// business. Each is kept some five times.
pub(super) const LONGEST_ID: usize = 4096;

/// How many IDs of one session are kept from being shown.
const IDS: usize = 8;

/// How often a stream that the server has never given is asked for. The plain SDKs ask twice.
const TRIES_WITHOUT_A_STREAM: u32 = 2;

/// A stream that ends before it is so old has died young.
const YOUNG: Duration = Duration::from_secs(15);

pub(super) struct FollowedSession {
    pub(super) session: Session,
    pub(super) events: Events,
    pub(super) standalone: StandaloneStream,
    pub(super) interrupted: InterruptedRequests,
    endpoint: OwnedEndpoint,
    /// The ID that the caller stamps on its requests; empty as long as there is none.
    known_as: Box<str>,
    /// The last of its server's other IDs.
    ids: VecDeque<Box<str>>,
    opener: Credentials,
    /// Those that its server has accepted since.
    accepted: VecDeque<Credentials>,
    /// What came back when a recovery failed last.
    failure: String,
}

impl FollowedSession {
    pub(super) fn new(session: Session, endpoint: Endpoint<'_>, opener: Credentials) -> Self {
        Self {
            session,
            events: Events::default(),
            standalone: StandaloneStream::default(),
            interrupted: InterruptedRequests::default(),
            endpoint: OwnedEndpoint::new(endpoint),
            known_as: "".into(),
            ids: VecDeque::new(),
            opener,
            accepted: VecDeque::new(),
            failure: String::new(),
        }
    }

    pub(super) fn endpoint(&self) -> &OwnedEndpoint {
        &self.endpoint
    }

    pub(super) fn set_known_as(&mut self, id: &str) {
        let before = core::mem::replace(&mut self.known_as, id.into());
        self.had_id(&before);
        self.ids.retain(|known| **known != *id);
        if self.ids.is_empty() {
            // As long as no session ends, there are no others.
            self.ids = VecDeque::new();
        }
    }

    /// Remembers an ID of its server's, adopted or not, so that it is shown to nobody: one that
    /// counted as ended can be revived, and one that came with a refusal may be live.
    pub(super) fn had_id(&mut self, id: &str) {
        let is_known = *self.known_as == *id || self.ids.iter().any(|known| **known == *id);
        if is_known || id.is_empty() || id.len() > LONGEST_ID {
            return;
        }
        if self.ids.len() == IDS {
            self.ids.pop_front();
        }
        self.ids.push_back(id.into());
    }

    /// Whether DELETE was sent.
    pub(super) fn is_closed(&self) -> bool {
        self.session.is_closed()
    }

    pub(super) fn belongs_to(&self, credentials: Credentials) -> bool {
        self.opener == credentials || self.accepted.contains(&credentials)
    }

    /// Learns credentials that the server has accepted for this session.
    pub(super) fn accepted(&mut self, credentials: Credentials) {
        if self.belongs_to(credentials) {
            return;
        }
        if self.accepted.len() == RENEWED {
            self.accepted.pop_front();
        }
        self.accepted.push_back(credentials);
    }

    /// What is said of a request that was given up.
    pub(super) fn given_up(&self, reason: Reason) -> String {
        let of_a_recovery = match reason {
            Reason::BoundReached if !self.failure.is_empty() => {
                // It was no session that died: none was to be had.
                return format!("{}: {}", Reason::InitializeRefused, self.failure);
            }
            Reason::InitializeRefused
            | Reason::InitializedRefused
            | Reason::ModernOnlyServer
            | Reason::Transport => !self.failure.is_empty(),
            Reason::Closed
            | Reason::NoInitialize
            | Reason::IllFormedSessionId
            | Reason::BoundReached
            | Reason::NotResent
            | Reason::Cancelled
            | Reason::StreamLost => false,
        };
        if of_a_recovery { format!("{reason}: {}", self.failure) } else { format!("{reason}") }
    }

    pub(super) fn note_failure(&mut self, detail: String) {
        self.failure = detail;
    }

    /// Takes that a new session stands.
    pub(super) fn note_replaced(&mut self) {
        self.failure = String::new();
    }

    pub(super) fn failure(&self) -> &str {
        &self.failure
    }

    /// The ID that stands.
    pub(super) fn live_id(&self) -> Option<String> {
        Some(self.session.session_id()?.session_id()?.as_str().to_owned())
    }

    /// Takes a message that came in; gives what its reader sees, where that is another.
    pub(super) fn saw_message(&mut self, stream: Stream, data: &[u8]) -> Option<Vec<u8>> {
        match self.session.saw_message(stream, data) {
            Seen::Rewritten(data) => Some(data),
            Seen::Unchanged => None,
        }
    }

    /// The messages that end the open questions of a session that was replaced.
    pub(super) fn take_notices(&mut self) -> Vec<Box<[u8]>> {
        self.session.take_notices()
    }

    pub(super) fn name(&self) -> SessionName {
        SessionName::new(&self.known_as)
    }

    pub(super) fn note_terminated(&mut self, rule: Rule) {
        let session = self.name();
        self.events.push(Event::Terminated { session, rule });
    }

    pub(super) fn note_revived(&mut self) {
        let session = self.name();
        self.events.push(Event::Revived { session });
    }

    pub(super) fn note_given_up(&mut self, reason: Reason, detail: &str) {
        let session = self.name();
        let detail = detail.to_owned();
        self.events.push(Event::RequestGivenUp { session, reason, detail });
    }

    /// What a server said, fit to be shown.
    pub(super) fn shown(&self, text: &str) -> String {
        let live = self.live_id();
        let ids = self.ids.iter().map(|id| &**id).chain(live.as_deref()).chain([&*self.known_as]);
        shown(text, ids)
    }
}

/// What became of the streams for push of one session, over all its generations.
#[derive(Default)]
pub(super) struct StandaloneStream {
    was_open: bool,
    /// Refusals, and streams that died young, since the last that lived.
    failures: u32,
}

impl StandaloneStream {
    pub(super) fn was_open(&self) -> bool {
        self.was_open
    }

    /// The wait before the stream is asked for.
    pub(super) fn delay(&self) -> Duration {
        // A stream that dies once is opened anew at once: it may have been a restart.
        backoff::delay(self.failures.saturating_sub(1))
    }

    pub(super) fn opened(&mut self) {
        self.was_open = true;
    }

    /// Takes the end of a stream that was open for so long.
    pub(super) fn ended(&mut self, lived: Duration) {
        self.failures = if lived < YOUNG { self.failures.saturating_add(1) } else { 0 };
    }

    /// Takes a refusal; says how long to wait until the stream is asked for again, if it is.
    pub(super) fn refused(&mut self) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        if !self.was_open && self.failures >= TRIES_WITHOUT_A_STREAM {
            return None;
        }
        Some(backoff::delay(self.failures))
    }

    /// Takes a new session: its streams have not failed yet.
    pub(super) fn replaced(&mut self) {
        self.failures = self.failures.min(1);
    }
}
