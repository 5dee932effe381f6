//! The client machine: its model, its world, its laws.

pub mod laws;
pub mod model;
pub mod stream;
pub mod words;
pub mod world;
