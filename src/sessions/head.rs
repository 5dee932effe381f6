//! The head of a request, with what counts of it among several processes.

use alloc::vec::Vec;
use core::fmt;

use super::caller::Caller;
use super::hop::HOP_HEADER;
use crate::exchange::Method;
use crate::server;

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
    accepts_events: bool,
    hop: Option<Vec<u8>>,
}

impl RequestHead {
    /// A head without headers. The query, as it stands, names the session of an HTTP+SSE
    /// endpoint.
    pub fn new(method: Method, query: &[u8]) -> Self {
        let head = server::RequestHead::new(method, query);
        Self { head, authorization: Vec::new(), accepts_events: false, hop: None }
    }

    /// Takes a header down if it counts.
    pub fn add_header(&mut self, name: &[u8], value: &[u8]) {
        match name.len() {
            6 if name.eq_ignore_ascii_case(b"accept") => {
                self.accepts_events |= value.split(|byte| *byte == b',').any(|accepted| {
                    let (kind, _) = accepted.split_at(
                        accepted.iter().position(|it| *it == b';').unwrap_or(accepted.len()),
                    );
                    kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
                });
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

    /// Whether a stream of events is asked for.
    pub(super) fn accepts_events(&self) -> bool {
        self.accepts_events
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
