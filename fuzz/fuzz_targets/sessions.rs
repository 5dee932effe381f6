//! Invariant: whatever happens to several processes, their table and what goes between them, in
//! whatever order, the laws of the ownership protocol hold, and once all is well again every
//! session that is alive is served; and no bytes of an entry or a hop do more than be refused.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_session_fuzz::sessions::check(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    mcp_session_fuzz::replay_arguments(mcp_session_fuzz::sessions::check)
}
