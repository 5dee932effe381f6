//! Invariant: whatever the body of a request is, the answers to it are valid HTTP and valid
//! JSON-RPC with the id of the request; a client starts anew upon the 404 and a server passes it
//! on; and `admit` lets in what a client sends next.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_session_fuzz::answer::check(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    mcp_session_fuzz::replay_arguments(mcp_session_fuzz::answer::check)
}
