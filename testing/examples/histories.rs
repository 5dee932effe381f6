//! Prints generated histories: `cargo run -p mcp-session-testing --example histories -- 1000 1`
//! prints the thousand of seed 1.

use std::env;
use std::io::{self, BufWriter};

use mcp_session_testing::session::histories;

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1).map(|it| it.parse::<u64>().expect("a number"));
    let count = arguments.next().unwrap_or(100);
    let seed = arguments.next().unwrap_or(1);
    histories::write(count, seed, &mut BufWriter::new(io::stdout().lock()))
}
