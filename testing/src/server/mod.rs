//! The server machine, driven through any order of what an exchange can consist of, and held
//! against its laws.

pub mod model;
pub mod world;
