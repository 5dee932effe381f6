//! What one process tells another in headers, and how that is authenticated.
//!
//! ```text
//! mcp-session-hop: 1-<claim>-<hash>     request: forwarded to you as the owner by this claim
//! mcp-session-hop: 1-<hash>             answer 421: not mine
//! ```
//!
//! The hash is keyed with the secret of the table, over the process that is addressed or that
//! answers, the session and the claim. So a client can forge neither; and where one repeats
//! what it has seen, it is told "not mine" where others would be forwarded, and no more.

use alloc::format;
use alloc::string::String;

use super::key::{Domain, SessionKey, TableKey, from_hex, hex};

/// The header of a hop from one process to another. It never reaches a handler, nor a client.
pub const HOP_HEADER: &str = "mcp-session-hop";

const VERSION: &str = "1-";

/// The value for a request that is forwarded.
pub(super) fn mark(key: &TableKey, to: &str, session: &SessionKey, claim: u64) -> String {
    let hash = key.hash(Domain::Hop, &[to.as_bytes(), session.as_bytes(), &claim.to_le_bytes()]);
    format!("{VERSION}{claim}-{}", hex(&hash))
}

/// The claim that a request is forwarded by, if it was forwarded to this process.
pub(super) fn claim_of(
    value: &[u8],
    key: &TableKey,
    to: &str,
    session: &SessionKey,
) -> Option<u64> {
    let (claim, hash) = core::str::from_utf8(value).ok()?.strip_prefix(VERSION)?.split_once('-')?;
    let claim: u64 = claim.parse().ok()?;
    let parts = [to.as_bytes(), session.as_bytes(), &claim.to_le_bytes()];
    key.verify(Domain::Hop, &parts, &from_hex(hash.as_bytes())?).then_some(claim)
}

/// The value for the answer "not mine".
pub(super) fn refusal(key: &TableKey, from: &str, session: &SessionKey, claim: u64) -> String {
    let parts = [from.as_bytes(), session.as_bytes(), &claim.to_le_bytes()];
    format!("{VERSION}{}", hex(&key.hash(Domain::NotMine, &parts)))
}

/// Whether an answer is "not mine", by the process that was asked.
pub(super) fn is_refusal(
    value: &[u8],
    key: &TableKey,
    from: &str,
    session: &SessionKey,
    claim: u64,
) -> bool {
    let parts = [from.as_bytes(), session.as_bytes(), &claim.to_le_bytes()];
    value
        .strip_prefix(VERSION.as_bytes())
        .and_then(from_hex)
        .is_some_and(|hash| key.verify(Domain::NotMine, &parts, &hash))
}
