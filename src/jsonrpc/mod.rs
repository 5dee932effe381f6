//! A bounded look into a JSON-RPC body: its kind, its method, its id, its members.

mod error;
mod id;
pub(crate) mod json;
pub mod message;

pub use error::JsonRpcError;
pub use id::{RequestId, RequestIdKey};
pub(crate) use message::is_initialize;
pub use message::{Kind, Members, Message, peek};
