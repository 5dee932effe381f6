//! What the tests in Python are given is what is generated here.

use std::fs;
use std::path::Path;

use mcp_session_testing::session::histories;

#[test]
fn the_committed_histories_are_the_two_hundred_of_seed_8() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python/histories.jsonl");
    let mut generated = Vec::new();

    histories::write(200, 8, &mut generated).unwrap();

    assert!(
        fs::read(path).unwrap() == generated,
        "run: cargo run -p mcp-session-testing --example histories -- 200 8 \
         > tests/python/histories.jsonl"
    );
}
