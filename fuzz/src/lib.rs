//! What the fuzz targets assert, as ordinary functions: `tests/corpus.rs` replays the
//! corpus through them, without a fuzzer.

#![forbid(unsafe_code)]

pub mod answer;
pub mod classify;
pub mod client;
pub mod exchange;
mod independent_reader;
pub mod peek;
pub mod peer;
pub mod server;
pub mod session;
pub mod sessions;
pub mod stream;

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
