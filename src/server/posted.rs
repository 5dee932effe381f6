//! What is known of the body of a request.

use alloc::vec::Vec;
use core::fmt;

use super::head::RequestHead;
use super::policy::{Beyond, Policy, Reserved};
use crate::exchange::Method;
use crate::jsonrpc::{Message, peek};

/// A piece costs memory beyond its bytes while its handler has not seen it: one of fewer counts
/// as one of so many.
const LEAST_PIECE: usize = 512;

/// Whether more of a body follows a piece.
///
/// Exhaustive on purpose: a body that breaks off has methods of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rest {
    /// More follows.
    Follows,
    /// The body is whole.
    Ended,
}

/// What is known of the body of a request.
pub(super) enum Posted {
    /// Nothing: it does not matter, is beyond a bound, or broke off.
    Unknown,
    /// So much has come of it.
    Begun(Remembered),
    /// All of it has.
    Whole(Remembered),
    /// It is no JSON object, so there is no id in it, and what follows is not kept.
    WithoutId,
}

/// Bytes of a body, within the bounds of the policy.
pub(super) struct Remembered {
    bytes: Vec<u8>,
    /// The first byte that is no white space, looked for in each piece once.
    opening: Option<u8>,
    reserved: Reserved,
}

impl Posted {
    pub(super) fn begin(policy: &Policy, request: &RequestHead) -> Self {
        let most = policy.options().max_request_bytes;
        let fits = |length| u64::try_from(most).is_ok_and(|most| length <= most);
        match request.method() {
            Method::Post
                if request.attached_id().is_some() && request.content_length().is_none_or(fits) =>
            {
                Self::Begun(Remembered::new(policy, most))
            }
            Method::Post | Method::Get | Method::Delete | Method::Other => Self::Unknown,
        }
    }

    pub(super) fn add(&mut self, piece: &[u8], rest: Rest) {
        *self = match core::mem::replace(self, Self::Unknown) {
            Self::Begun(mut body) => match body.add(piece, rest) {
                Ok(()) => body.posted(rest),
                Err(Beyond::Own | Beyond::Sum) => Self::Unknown,
            },
            posted @ (Self::Unknown | Self::Whole(_) | Self::WithoutId) => posted,
        };
    }

    pub(super) fn message(&self) -> Option<Message<'_>> {
        match self {
            Self::Unknown | Self::Begun(_) => None,
            Self::Whole(body) => Some(peek(body.bytes())),
            Self::WithoutId => Some(peek(b"")),
        }
    }
}

impl Remembered {
    /// Nothing yet, and at most so many bytes.
    pub(super) fn new(policy: &Policy, at_most: usize) -> Self {
        Self { bytes: Vec::new(), opening: None, reserved: policy.reserve(at_most) }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many more bytes are of use.
    pub(super) fn room(&self) -> usize {
        self.reserved.room()
    }

    /// Takes a piece, if there is room for it.
    pub(super) fn add(&mut self, piece: &[u8], rest: Rest) -> Result<(), Beyond> {
        self.reserved.grow(cost(piece, rest))?;
        self.bytes.extend_from_slice(piece);
        self.opening = self.opening.or_else(|| piece.trim_ascii_start().first().copied());
        Ok(())
    }

    /// Whether it would be short with this piece, and has no room for it among all others.
    pub(super) fn is_short_of_room(&self, piece: &[u8], rest: Rest) -> bool {
        self.reserved.is_short_of_room(cost(piece, rest))
    }

    /// Gives the room back that is reserved.
    pub(super) fn release(&mut self) {
        self.reserved.release();
    }

    /// Takes the bytes out; the room for them stays reserved.
    pub(super) fn take(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.bytes)
    }

    fn posted(self, rest: Rest) -> Posted {
        match rest {
            _ if self.opening.is_some_and(|opening| opening != b'{') => Posted::WithoutId,
            Rest::Ended => Posted::Whole(self),
            Rest::Follows => Posted::Begun(self),
        }
    }
}

/// What a piece counts for. The last one is the handler's as soon as it is here.
fn cost(piece: &[u8], rest: Rest) -> usize {
    let least = if rest == Rest::Ended { 0 } else { LEAST_PIECE };
    piece.len().max(least)
}

/// Shows nothing of the body.
impl fmt::Debug for Remembered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Remembered").finish_non_exhaustive()
    }
}
