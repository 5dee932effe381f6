//! Invariant: [`peek`](mcp_session_core::peek) never panics; it reads a body as
//! `serde_json::Value` does, but for the four differences that
//! [`Difference`](mcp_session_fuzz::peek::Difference) names; and an id that it hands out is
//! a piece of the body that may be embedded in an answer as it stands.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_session_fuzz::peek::check(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    mcp_session_fuzz::replay_arguments(mcp_session_fuzz::peek::check)
}
