//! What a server machine may be told to do otherwise.

use alloc::vec::Vec;

use crate::exchange::Misreports;
use crate::table::Rule;

/// What a server machine may be told to do otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether answers are corrected.
    pub effect: Effect,
    /// Whether the answers made here repeat the id of the request.
    pub request_id: EchoId,
    /// How much of a request is remembered to learn its id, in bytes. Beyond it, the answer
    /// has none.
    pub max_request_bytes: usize,
    /// How much of the requests of all exchanges is remembered together, in bytes, though one of
    /// the longest always is. Beyond it, answers have none either. A quarter of it is for
    /// requests of at most 64 KiB: a few long ones that never end leave room for an `initialize`.
    pub max_remembered_bytes: usize,
    /// How much of an answer is held back while its body may still matter, in bytes. Beyond
    /// it, the body counts as not known.
    pub max_response_bytes: usize,
    /// The corrections to leave out. An ID on an error is withheld whichever else are, unless
    /// [`Rule::SessionIdOnError`] is one.
    pub disabled_rules: Vec<Rule>,
    /// Misreports of the application's own, beside the known ones.
    pub misreports: Misreports,
}

impl Options {
    /// The default for [`Self::max_request_bytes`]: what the Python SDKs take at most.
    pub const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;
    /// The default for [`Self::max_remembered_bytes`]: sixteen requests of the longest.
    pub const MAX_REMEMBERED_BYTES: usize = 64 * 1024 * 1024;
    /// The default for [`Self::max_response_bytes`].
    pub const MAX_RESPONSE_BYTES: usize = 64 * 1024;
}

impl Default for Options {
    fn default() -> Self {
        Self {
            effect: Effect::Correct,
            request_id: EchoId::Repeat,
            max_request_bytes: Self::MAX_REQUEST_BYTES,
            max_remembered_bytes: Self::MAX_REMEMBERED_BYTES,
            max_response_bytes: Self::MAX_RESPONSE_BYTES,
            disabled_rules: Vec::new(),
            misreports: Misreports::none(),
        }
    }
}

/// Whether answers are corrected.
///
/// Exhaustive on purpose: a further effect would be a further duty of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// They are.
    Correct,
    /// They are looked at on their way, and nothing is changed.
    Report,
}

/// Whether an answer repeats the id of the request. [`Answer::not_found`](crate::Answer::not_found) says whom either
/// helps.
///
/// Exhaustive on purpose: there is no third way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EchoId {
    /// It does.
    Repeat,
    /// It does not.
    LeaveOut,
}
