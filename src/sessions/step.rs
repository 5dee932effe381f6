//! What a driver is to do.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};

use super::entry::{Entry, Lifetime};
use super::hop::HOP_HEADER;
use super::key::SessionKey;
use crate::answer::Answer;

/// What to do next.
///
/// Exhaustive on purpose: the driver has to act on each.
#[derive(Debug)]
#[must_use = "the request waits for it"]
pub enum Step {
    /// Read the body of the request, then tell [`body_read`](super::Run::body_read). While it is
    /// not whole, it [gives way](crate::server::UnfinishedBodies) where there is no room for another.
    Read {
        /// How many bytes are of use at most.
        at_most: usize,
        /// How long that may take.
        patience: Patience,
    },
    /// Look a session up, then tell [`found`](super::Run::found).
    Find(SessionKey),
    /// Renew the lease of this process, then tell [`renewed`](super::Run::renewed). No two
    /// renewals of a process are under way at once, those of its heartbeat included: one may
    /// tell all that have asked for one before it was sent.
    Renew,
    /// Write an entry if the claim is the expected one, then tell
    /// [`swapped`](super::Run::swapped).
    Swap(Swap),
    /// Send the request to its owner, then tell
    /// [`forward_answered`](super::Run::forward_answered) or
    /// [`forward_failed`](super::Run::forward_failed).
    Forward(Forward),
    /// Wait until that run is [taking](super::Run::is_taking) no more, then tell
    /// [`hold_over`](super::Run::hold_over).
    Hold(RunNumber),
    /// Wait so long, then tell [`wait_over`](super::Run::wait_over).
    Wait(Duration),
    /// Post a message of ours to the application, then tell
    /// [`restore_answered`](super::Run::restore_answered) or
    /// [`restore_failed`](super::Run::restore_failed).
    Restore(RestoreMessage),
    /// Tell whoever fills a session again that this one of the application's was restored, and
    /// wait for that; then tell [`announced`](super::Run::announced).
    Announce(HiddenId),
    /// DELETE this session of the application's, then tell
    /// [`ended_in_app`](super::Run::ended_in_app).
    EndInApp(HiddenId),
    /// Let the application run the request. What it answers is told where that is
    /// [watched](RunApp::watch).
    RunApp(RunApp),
    /// Answer so, and no more. What was kept back is thrown away.
    Reply(Reply),
    /// Give the client what the application answered to the last [`Restore`](Self::Restore),
    /// without its session header.
    RelayRestored,
    /// Give the client what the owner answers, unchanged.
    Relay,
    /// Send what was kept back of the answer, and the message at hand; with this value in the
    /// place of the application's own in the session header, where there is one.
    Pass(Option<HiddenId>),
    /// Keep the message at hand back.
    KeepBack,
    /// There is nothing to answer: it was no request.
    Done,
}

/// Which run it is; never used again by its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunNumber(pub(super) u64);

impl From<RunNumber> for u64 {
    fn from(number: RunNumber) -> Self {
        number.0
    }
}

/// One compare-and-set of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// Which session.
    pub key: SessionKey,
    /// The claim that has to stand there; `None` if there has to be nothing.
    pub expected: Option<u64>,
    /// What is to be written.
    pub entry: Entry,
    /// How long it is to be kept.
    pub lifetime: Lifetime,
}

/// A request that goes to the owner of its session.
#[derive(Clone, Debug)]
pub struct Forward {
    /// The identity of the owner.
    pub owner: Box<str>,
    /// How it is reached, as it has announced.
    pub addresses: Box<[u8]>,
    /// The value of [`HOP_HEADER`] to add.
    pub hop: String,
}

/// A message that makes a session of the application the one that was lost.
#[derive(Clone)]
pub struct RestoreMessage {
    /// The body to post.
    pub body: Box<[u8]>,
    /// The ID to attach.
    pub session_id: Option<HiddenId>,
}

impl fmt::Debug for RestoreMessage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RestoreMessage")
            .field("session_id", &self.session_id)
            .finish_non_exhaustive()
    }
}

/// How the application runs a request.
#[derive(Clone, Debug)]
pub struct RunApp {
    /// What stands in the session header.
    pub header: HandlerHeader,
    /// Whether the session was restored for this request.
    pub origin: Origin,
    /// Whether to tell of what the application answers.
    pub watch: Watch,
}

/// The session header of the request that the application gets.
#[derive(Clone, Debug)]
pub enum HandlerHeader {
    /// As it came.
    AsItCame,
    /// None.
    Absent,
    /// This ID, by which the application knows the session.
    Inner(HiddenId),
}

/// Where the application's session comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The application has it already, or opens it now.
    Own,
    /// It was restored for this request.
    Restored,
}

/// How long the body of a request is waited for.
///
/// ```
/// use mcp_session_core::sessions::Patience;
///
/// assert_eq!((1, 12), (Patience::Short.times(), Patience::Long.times()));
/// ```
///
/// Exhaustive on purpose: the driver has to act on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Patience {
    /// No longer than a client should be kept waiting. Without the body, its id is not known.
    Short,
    /// A minute where that is five seconds: until then nothing can be done with it. Not longer, as
    /// what never ends would hold for ever what all bodies may take together.
    Long,
}

impl Patience {
    /// In times of how long a client should be kept waiting.
    pub fn times(self) -> u32 {
        match self {
            Self::Short => 1,
            Self::Long => 12,
        }
    }
}

/// Whether to tell of the application's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Watch {
    /// Tell of its head, then of each piece until the step says no more.
    Answer,
    /// There is nothing to be told, unless the application has
    /// [forgotten](super::Run::app_forgot) the session.
    Nothing,
}

/// A session ID that does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct HiddenId(pub(super) Box<[u8]>);

impl HiddenId {
    /// The ID as it goes into a header. Keep it out of logs.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for HiddenId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HiddenId(redacted)")
    }
}

/// An answer that is made here.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status of the response.
    pub status: StatusCode,
    /// Its headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body.
    pub body: String,
}

impl Reply {
    /// For the process that has forwarded the request, that it is not run here.
    pub(super) fn misdirected(mark: &str) -> Self {
        let mark = HeaderValue::from_str(mark).map(|it| (HeaderName::from_static(HOP_HEADER), it));
        let length = (CONTENT_LENGTH, HeaderValue::from_static("0"));
        Self {
            status: StatusCode::MISDIRECTED_REQUEST,
            headers: mark.into_iter().chain([length]).collect(),
            body: String::new(),
        }
    }
}

impl From<Answer<'_>> for Reply {
    fn from(answer: Answer<'_>) -> Self {
        Self { status: answer.status(), headers: answer.headers().collect(), body: answer.body() }
    }
}

/// Whether an entry was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Won {
    /// It was.
    Yes,
    /// Another claim stood there, or none.
    No,
}

/// How a request did not reach the owner.
///
/// Exhaustive on purpose: each has an end of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardFailure {
    /// Its private socket on this host refuses, or is gone: no process listens, so it is dead.
    Refused,
    /// No connection came about, by a refusal from afar or in time: it may be alive. Nothing
    /// was sent.
    Unreachable,
    /// It broke off when something of the request may have been sent, and no head of an answer
    /// had come.
    InDoubt,
}

/// Where an answer broke off.
///
/// Exhaustive on purpose: each has an error of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BrokenOff {
    /// At the process that owns the session.
    Owner,
    /// Behind the application, which has its answers from elsewhere, as a gateway has.
    Upstream,
}

/// A handle was told of something that it does not wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misuse;

impl fmt::Display for Misuse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("this run does not wait for that now")
    }
}

impl core::error::Error for Misuse {}
