//! What the fuzz targets assert, as ordinary functions: `tests/corpus.rs` replays the
//! corpus through them, without a fuzzer.

#![forbid(unsafe_code)]

pub mod answer;
pub mod classify;
pub mod exchange;
pub mod peek;
mod second;
pub mod session;
pub mod stream;

// The reference model, its driver and the guarantees are those of the crate's own tests.
#[allow(clippy::wildcard_enum_match_arm, reason = "as the tests have it")]
#[path = "../../tests/session/guarantees.rs"]
mod guarantees;
#[allow(clippy::wildcard_enum_match_arm, reason = "as the tests have it")]
#[path = "../../tests/session/model.rs"]
mod model;
#[path = "../../tests/session/words.rs"]
mod words;
#[allow(clippy::wildcard_enum_match_arm, reason = "as the tests have it")]
#[expect(dead_code, reason = "the scenarios there look at more of it")]
#[path = "../../tests/session/world.rs"]
mod world;

/// Runs `check` on the contents of each file that the command line names.
///
/// It is the `main` of a target that is built without a fuzzer.
///
/// # Errors
///
/// A file cannot be read.
pub fn replay_arguments(check: impl Fn(&[u8])) -> std::io::Result<()> {
    for path in std::env::args_os().skip(1) {
        check(&std::fs::read(path)?);
    }
    Ok(())
}
