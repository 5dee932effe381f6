//! Invariant: any bytes are the same messages of another process, or none, however they are cut;
//! what was read is written as it stood, and reading takes no more memory than what has come.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_session_fuzz::peer::check(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    mcp_session_fuzz::replay_arguments(mcp_session_fuzz::peer::check)
}
