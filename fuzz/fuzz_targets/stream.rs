//! Invariant: any bytes give the events, the last event ID and the reconnection time that the
//! standard makes of them, however they are cut, and no event is longer than the limit.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_session_fuzz::stream::check(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    mcp_session_fuzz::replay_arguments(mcp_session_fuzz::stream::check)
}
