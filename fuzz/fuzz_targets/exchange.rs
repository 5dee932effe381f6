//! Invariant: any two pieces of bytes, read as a request and its response, either have a
//! broken head, and then the offset says where it stops being one, or have a verdict from
//! every side, which exactly one row gives and which keeps the laws that no row may break.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_session_fuzz::exchange::check(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    mcp_session_fuzz::replay_arguments(mcp_session_fuzz::exchange::check)
}
