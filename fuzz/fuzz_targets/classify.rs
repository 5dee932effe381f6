//! Invariant: whatever the facts of an exchange are, from every side exactly one row decides
//! them, and the verdict keeps each of the [laws](mcp_session_fuzz::classify::LAWS) that the
//! rulings come to, which share no code with the rows.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_session_fuzz::classify::check(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    mcp_session_fuzz::replay_arguments(mcp_session_fuzz::classify::check)
}
