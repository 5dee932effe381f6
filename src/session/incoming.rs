//! What came in on a stream, read once.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::restores::Answered;
use crate::jsonrpc::{Kind, Message, RequestId, peek, range_of, spliced};

/// One JSON-RPC message that came in, or a batch.
///
/// It is read when this is made, so make it where nobody waits: a
/// [`Session`](super::Session) that is given it reads no body.
///
/// ```
/// use mcp_session_core::session::Incoming;
///
/// let _question = Incoming::from(&br#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#[..]);
/// ```
pub struct Incoming<'a> {
    data: &'a [u8],
    pub(super) parts: Vec<Part<'a>>,
}

/// What a message says to the machine.
pub(super) enum Part<'a> {
    /// The server asks.
    Asks(RequestId<'a>),
    /// The server takes back what it asked.
    Cancels(RequestId<'a>),
    /// The server answers a request.
    Answers(RequestId<'a>, Answered),
}

/// What a message that came in has become.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the caller is to see what was rewritten"]
pub enum Seen {
    /// The caller sees it as it came.
    Unchanged,
    /// The caller sees this in its place: an id in it is one of ours.
    Rewritten(Vec<u8>),
}

impl<'a> From<&'a [u8]> for Incoming<'a> {
    fn from(data: &'a [u8]) -> Self {
        let mut parts = Vec::new();
        let message = peek(data);
        match message.kind() {
            Kind::Batch => {
                message.for_each_object(|member| parts.extend(part(member)));
            }
            Kind::Request | Kind::Notification | Kind::Response | Kind::Malformed => {
                parts.extend(part(&message));
            }
        }
        Self { data, parts }
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Incoming").finish_non_exhaustive()
    }
}

impl Incoming<'_> {
    /// The message with these ids in place of its own.
    pub(super) fn rewritten(&self, ids: &[(RequestId<'_>, Box<str>)]) -> Seen {
        if ids.is_empty() {
            return Seen::Unchanged;
        }
        let edits = ids.iter().filter_map(|(id, new)| {
            Some((range_of(self.data, id.as_str().as_bytes())?, new.as_bytes()))
        });
        Seen::Rewritten(spliced(self.data, edits))
    }
}

fn part<'a>(message: &Message<'a>) -> Option<Part<'a>> {
    match message.kind() {
        Kind::Request => message.id().map(Part::Asks),
        Kind::Notification => message.cancelled_id().map(Part::Cancels),
        Kind::Response => {
            let how = if message.is_result() { Answered::Result } else { Answered::Error };
            message.id().map(|id| Part::Answers(id, how))
        }
        Kind::Batch | Kind::Malformed => None,
    }
}
