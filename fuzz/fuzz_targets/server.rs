//! Invariant: whatever an exchange consists of, in whatever order, the laws of the server machine
//! hold: whole or replaced, decided once as the table decides, held and remembered only as long as
//! it matters.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_session_fuzz::server::check(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    mcp_session_fuzz::replay_arguments(mcp_session_fuzz::server::check)
}
