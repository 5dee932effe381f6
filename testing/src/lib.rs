//! Reference models, worlds and guarantees: what `tests/` and `fuzz/` hold the core against.
//!
//! Each model says in its own way what the machine beside it must do, and shares no code with
//! it. A world drives both, compares every answer and writes down what happened.

#![forbid(unsafe_code)]

pub mod client;
pub mod server;
pub mod session;
pub mod sessions;
