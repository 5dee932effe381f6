//! The head of a request, with what counts of it among several processes.

use alloc::vec::Vec;
use core::fmt;

use super::caller::Caller;
use super::hop::HOP_HEADER;
use crate::exchange::Method;
use crate::jsonrpc::{Kind, peek};
use crate::server;

const EVENTS: &[u8] = b"text/event-stream";

/// The head of a request, as a process of several has it.
///
/// ```
/// use mcp_session_core::Method;
/// use mcp_session_core::sessions::RequestHead;
///
/// let mut head = RequestHead::new(Method::Get, b"");
/// head.add_header(b"Mcp-Session-Id", b"1868a90c");
/// head.add_header(b"Authorization", b"Bearer secret");
///
/// assert!(!format!("{head:?}").contains("secret"));
/// ```
#[derive(Clone)]
pub struct RequestHead {
    pub(super) head: server::RequestHead,
    authorization: Vec<u8>,
    hop: Option<Vec<u8>>,
    accepts_events: bool,
}

/// What a request is about that bears no session header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A message, or a stream of them.
    Mcp,
    /// Something else that the application serves: its health, whom to ask for a token.
    Other,
    /// Its body was not read.
    Unknown,
}

impl RequestHead {
    /// A head without headers. The query, as it stands, names the session of an HTTP+SSE
    /// endpoint.
    pub fn new(method: Method, query: &[u8]) -> Self {
        let head = server::RequestHead::new(method, query);
        Self { head, authorization: Vec::new(), hop: None, accepts_events: false }
    }

    /// Takes a header down if it counts.
    pub fn add_header(&mut self, name: &[u8], value: &[u8]) {
        match name.len() {
            6 if name.eq_ignore_ascii_case(b"accept") => {
                self.accepts_events |=
                    value.windows(EVENTS.len()).any(|part| part.eq_ignore_ascii_case(EVENTS));
            }
            13 if name.eq_ignore_ascii_case(b"authorization") => {
                if !self.authorization.is_empty() {
                    self.authorization.extend_from_slice(b", ");
                }
                self.authorization.extend_from_slice(value.trim_ascii());
            }
            15 if name.eq_ignore_ascii_case(HOP_HEADER.as_bytes()) => {
                // A second one is none of ours.
                self.hop = Some(if self.hop.is_some() { Vec::new() } else { value.to_vec() });
            }
            _ => self.head.add_header(name, value),
        }
    }

    /// The caller with the credential of this request.
    pub(super) fn caller<'a>(&'a self, caller: Caller<'a>) -> Caller<'a> {
        Caller { authorization: caller.authorization.or(Some(&self.authorization)), ..caller }
    }

    /// What it is about, if it bears no session header. Nobody refuses what may be no matter of
    /// MCP's.
    ///
    /// > The client **MUST** include an `Accept` header, listing `text/event-stream` as a
    /// > supported content type.
    /// >
    /// > <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#listening-for-messages-from-the-server>
    pub(super) fn subject(&self, body: Option<&[u8]>) -> Subject {
        match (self.head.method(), body.map(|body| peek(body).kind())) {
            (Method::Post, None) => Subject::Unknown,
            (
                Method::Post,
                Some(Kind::Request | Kind::Notification | Kind::Response | Kind::Batch),
            ) => Subject::Mcp,
            (Method::Get, _) if self.accepts_events => Subject::Mcp,
            (Method::Post, Some(Kind::Malformed))
            | (Method::Get | Method::Delete | Method::Other, _) => Subject::Other,
        }
    }

    pub(super) fn hop(&self) -> Option<&[u8]> {
        self.hop.as_deref()
    }
}

/// Without the ID and the credential.
impl fmt::Debug for RequestHead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head.fmt(formatter)
    }
}
