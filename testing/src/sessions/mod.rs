//! The ownership protocol: several processes, their table and their application, of which the
//! world knows the whole truth, and the laws as predicates over it.

pub mod operations;
mod truth;
pub mod world;
