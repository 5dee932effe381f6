//! Reference models, worlds and guarantees: what `tests/` and `fuzz/` hold the core against.
//!
//! Each model says in its own way what the machine beside it must do, and shares no code with
//! it. A world drives both, compares every answer and writes down what happened.

#![forbid(unsafe_code)]

pub mod client;
pub mod server;
pub mod session;
pub mod sessions;

/// How many random cases a test runs: so many, or what `PROPTEST_CASES` says.
///
/// A seed is proptest's to read, from `PROPTEST_RNG_SEED`.
#[must_use]
pub fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(usual)
}
