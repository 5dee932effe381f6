//! What one process tells another in headers, and how that is authenticated.
//!
//! ```text
//! mcp-session-hop: 1-<claim>-<hash>-<to>  request: forwarded to you as the owner by this claim
//! mcp-session-hop: 1-<hash>               answer 421: not mine, or not here
//! ```
//!
//! The hash is keyed with the secret of the table, over what the answer says, the process that is
//! addressed, the session and the claim. So a client can forge neither; and where one repeats
//! what it has seen, it is told "not mine" where others would be forwarded, and no more.
//!
//! "Not here" is said by a process that has the address of another: one that was started anew
//! where that one was. Whether the other lives it does not know.

use alloc::format;
use alloc::string::String;

use super::key::{Domain, SessionKey, TableKey, from_hex, hex};

/// The header of a hop from one process to another. It never reaches a handler, nor a client.
pub const HOP_HEADER: &str = "mcp-session-hop";

const VERSION: &str = "1-";

/// The value for a request that is forwarded.
pub(super) fn mark(key: &TableKey, to: &str, session: &SessionKey, claim: u64) -> String {
    let hash = key.hash(Domain::Hop, &parts(to, session, &claim.to_le_bytes()));
    format!("{VERSION}{claim}-{}-{to}", hex(&hash))
}

/// Whom a request was forwarded to, and by which claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop<'a> {
    pub(super) to: &'a str,
    pub(super) claim: u64,
}

/// Reads the value of a request that was forwarded; `None` if nobody of this table wrote it.
pub(super) fn read<'a>(value: &'a [u8], key: &TableKey, session: &SessionKey) -> Option<Hop<'a>> {
    let value = core::str::from_utf8(value).ok()?.strip_prefix(VERSION)?;
    let (claim, value) = value.split_once('-')?;
    let (hash, to) = value.split_once('-')?;
    let claim: u64 = claim.parse().ok()?;
    let is_ours = key.verify(
        Domain::Hop,
        &parts(to, session, &claim.to_le_bytes()),
        &from_hex(hash.as_bytes())?,
    );
    is_ours.then_some(Hop { to, claim })
}

/// Why a process does not run what was forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The process that was asked will never run it by that claim.
    NotMine,
    /// Another process is there.
    NotHere,
}

/// The value for the answer to a hop.
pub(super) fn refusal(key: &TableKey, why: Refusal, session: &SessionKey, hop: Hop<'_>) -> String {
    let hash = key.hash(why.domain(), &parts(hop.to, session, &hop.claim.to_le_bytes()));
    format!("{VERSION}{}", hex(&hash))
}

/// What an answer says to a hop, if it refuses that.
pub(super) fn refusal_in(
    value: &[u8],
    key: &TableKey,
    session: &SessionKey,
    hop: Hop<'_>,
) -> Option<Refusal> {
    let hash = from_hex(value.strip_prefix(VERSION.as_bytes())?)?;
    let claim = hop.claim.to_le_bytes();
    let is_it = |why: &Refusal| key.verify(why.domain(), &parts(hop.to, session, &claim), &hash);
    [Refusal::NotMine, Refusal::NotHere].into_iter().find(is_it)
}

impl Refusal {
    fn domain(self) -> Domain {
        match self {
            Self::NotMine => Domain::NotMine,
            Self::NotHere => Domain::NotHere,
        }
    }
}

fn parts<'a>(to: &'a str, session: &'a SessionKey, claim: &'a [u8; 8]) -> [&'a [u8]; 3] {
    [to.as_bytes(), session.as_bytes(), claim]
}
