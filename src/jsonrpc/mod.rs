//! A bounded look into a JSON-RPC body: its kind, its method, its id, its members.

mod error;
mod id;
pub(crate) mod json;
pub mod message;
#[cfg(any(feature = "client", feature = "sessions"))]
mod pending;
#[cfg(any(feature = "client", feature = "sessions"))]
mod readable;
mod splice;

pub use error::JsonRpcError;
pub use id::{RequestId, RequestIdKey};
pub(crate) use message::is_initialize;
pub use message::{Kind, Members, Message, peek};
#[cfg(any(feature = "client", feature = "sessions"))]
pub(crate) use pending::PendingAnswers;
#[cfg(feature = "client")]
pub(crate) use pending::{Heard, Readable};
pub(crate) use splice::{range_of, spliced};
