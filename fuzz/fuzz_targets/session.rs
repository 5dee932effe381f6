//! Invariant: whatever is sent, comes back, is abandoned, cancelled or closed, in whatever
//! order, the session machine answers as the reference model does, the guarantees hold of
//! the whole history, and once every leader is done nobody waits.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_session_fuzz::session::check(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    mcp_session_fuzz::replay_arguments(mcp_session_fuzz::session::check)
}
