//! Invariant: whatever is sent, comes back, breaks off, is stopped, cancelled or closed, in
//! whatever order, the client machine answers as the reference model does, its laws hold, and
//! once everything has ended nobody waits.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_session_fuzz::client::check(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    mcp_session_fuzz::replay_arguments(mcp_session_fuzz::client::check)
}
