//! The session machine: its model, its world, its guarantees.

mod belongings;
mod drafts;
pub mod guarantees;
pub mod histories;
mod messages;
pub mod model;
pub mod operations;
pub mod past;
pub mod transcript;
pub mod words;
pub mod world;
