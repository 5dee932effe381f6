//! The story of a recording: which sessions there were, what ended each, and who was wrong.
//!
//! Law 1: an exchange belongs to the session whose ID it bears, at its endpoint, in the
//! generation that stood when the request was sent; an `initialize` to the session that it
//! brought.
//!
//! Law 2: a session ends by the first answer that says so, under the rows of `classify` with
//! quirks. What was sent before that answer came is late, not wrong.
//!
//! Law 3: nobody is accused without the exchange that shows it. What has two explanations is
//! told as the one that blames nobody, or as either in the claim's own words.
//!
//! Law 4: hindsight counts. A session that serves a request after its end was not terminated,
//! and whoever said so was wrong.

mod claim;
mod reading;
mod teller;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::fmt;

pub use claim::{Claim, Party, Sentence};

use crate::exchange::{Request, Response};
use crate::table::{Action, Rule};

/// One exchange of a recording.
#[derive(Clone, Copy)]
pub struct Recorded<'a> {
    /// The host, port and path of the request, in whatever form tells endpoints apart. A
    /// slash at its end does not count.
    pub endpoint: &'a str,
    /// What was sent.
    pub request: Request<'a>,
    /// The value of `Last-Event-ID`; an empty one counts as none.
    pub last_event_id: Option<&'a [u8]>,
    /// What came back; `None` if nothing did.
    pub response: Option<Response<'a>>,
    /// When it was sent, in any unit that all exchanges of the recording share.
    pub sent: u64,
    /// When the head of the answer had come, or the failure; never before `sent`.
    pub answered: u64,
}

impl fmt::Debug for Recorded<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // IDs are credentials, and so may be what an endpoint has in its path.
        formatter
            .debug_struct("Recorded")
            .field("method", &self.request.method)
            .field("message", &self.request.message)
            .field("status", &self.response.map(|response| response.status))
            .field("sent", &self.sent)
            .field("answered", &self.answered)
            .finish_non_exhaustive()
    }
}

/// Tells what happened to the sessions of a recording, in whatever order it stands.
///
/// ```
/// use http::StatusCode;
/// use mcp_session_core::diagnose::{Claim, Recorded, diagnose};
/// use mcp_session_core::{Method, Request, Response};
///
/// let request = Request { session_id: Some(b"1868a90c"), ..Request::new(Method::Post) };
/// let call = |sent| Recorded {
///     endpoint: "server.example/mcp",
///     request,
///     last_event_id: None,
///     response: Some(Response::new(StatusCode::NOT_FOUND)),
///     sent,
///     answered: sent + 1,
/// };
///
/// let story = diagnose(&[call(0), call(2)]);
///
/// assert_eq!(story.sessions.len(), 1);
/// assert_eq!(story.sessions[0].ended, Some(0));
/// let kept = story.findings.iter().find(|finding| finding.claim == Claim::KeptDeadId);
/// assert_eq!(kept.map(|finding| &finding.exchanges[..]), Some(&[1][..]));
/// ```
pub fn diagnose(recorded: &[Recorded<'_>]) -> Story {
    teller::tell(recorded)
}

/// What happened to the sessions of a recording. Exchanges are numbered as they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Story {
    /// What each exchange was, in the order in which they were given.
    pub exchanges: Vec<ExchangeStory>,
    /// The sessions, in the order in which they came up.
    pub sessions: Vec<SessionStory>,
    /// What was wrong, in the order in which it happened.
    pub findings: Vec<Finding>,
}

/// What one exchange was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeStory {
    /// The session that it belongs to, by its place in [`Story::sessions`].
    pub session: Option<usize>,
    /// The verdict of a client that acts on misreports; `None` if no answer came.
    pub verdict: Option<(Action, Rule)>,
}

/// One session, from the exchange that brought it to the one that ended it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStory {
    /// How it came up.
    pub beginning: Beginning,
    /// The exchange in which it came up.
    pub began: usize,
    /// Which session of this ID at this endpoint it is, from 1 on: servers give out an ID
    /// again.
    pub generation: usize,
    /// Its exchanges in the order in which they were sent, the first included.
    pub exchanges: Vec<usize>,
    /// How many of them were requests that the server served.
    pub served: usize,
    /// The exchange that ended it, if one did.
    pub ended: Option<usize>,
    /// The `initialize` that the client sent to replace it.
    pub replacement: Option<usize>,
}

/// How a session came up in a recording.
///
/// Exhaustive on purpose: an ID is given out, or was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// A server gave its ID out.
    Assigned,
    /// It had begun before the recording did.
    Earlier,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What is wrong.
    pub claim: Claim,
    /// The session that it befell, by its place in [`Story::sessions`].
    pub session: Option<usize>,
    /// The exchanges that show it, each once; never empty.
    pub exchanges: Vec<usize>,
}
