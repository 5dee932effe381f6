//! Decides what an HTTP exchange means for an MCP session, without doing any I/O.
//!
//! An MCP server over Streamable HTTP may give the client a session ID at `initialize`.
//! Sessions end: the server restarts, a pod moves, an idle timeout fires. Then the server
//! **MUST** answer 404, and the client **MUST** `initialize` anew, without an ID. This crate
//! is the decision both have to make, in one place:
//!
//! ```
//! use mcp_session_core::http::StatusCode;
//! use mcp_session_core::{Action, Method, Quirks, Request, Response, Side, classify};
//!
//! // What *this* request carried decides, not what is stored now.
//! let request = Request { session_id: Some(b"1868a90c"), ..Request::new(Method::Post) };
//! let response = Response::new(StatusCode::NOT_FOUND);
//!
//! match classify(Side::Client(Quirks::Ignore), &request, &response).action() {
//!     Action::ClearAndReinit => { /* forget the ID, initialize, send the request again */ }
//!     other => panic!("a terminated session, not {other:?}"),
//! }
//! ```
//!
//! Servers and proxies look from the other side, and answer so that every client
//! understands:
//!
//! ```
//! use mcp_session_core::{Lookup, Method, Request, admit, peek};
//!
//! let request = Request {
//!     session_id: Some(b"1868a90c"),
//!     message: Some(peek(br#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#)),
//!     ..Request::new(Method::Post)
//! };
//!
//! let answer = admit(&request, Lookup::Unknown).response().expect("a 404");
//!
//! assert_eq!(
//!     answer.body(),
//!     r#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":7}"#,
//! );
//! ```
//!
//! The tables themselves are the documentation of [`Rule`]: one row, one sentence of the
//! specification.
//!
//! # Features
//!
//! - `sessions` (default): the ownership protocol of several processes, [`sessions`]; brings
//!   `blake2`.
//! - `sse` (default): reads event streams, [`sse`].
//! - `wire` (default): reads raw HTTP/1.1 messages, [`wire`]; brings `httparse`.
//!
//! The crate is `no_std`, so that there is no socket, file, clock or thread to reach for.

#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::alloc_instead_of_core, clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod answer;
#[cfg(feature = "client")]
pub mod client;
pub mod diagnose;
mod exchange;
mod jsonrpc;
pub mod server;
pub mod session;
#[cfg(feature = "sessions")]
pub mod sessions;
#[cfg(feature = "sse")]
pub mod sse;
mod table;
#[cfg(feature = "wire")]
pub mod wire;

pub use http;

pub use answer::Answer;
pub use exchange::{
    Era, LEGACY_VERSIONS, Method, MisreportError, Misreports, PROTOCOL_VERSION_HEADER, Quirks,
    Request, Response, SESSION_ID_HEADER, SessionId, Side, query_session_id,
};
pub use jsonrpc::{JsonRpcError, Kind, Members, Message, RequestId, RequestIdKey, message, peek};
pub use table::{
    Action, Lookup, Rule, SessionHeader, Verdict, admit, classify, classify_parts, needs_body,
    needs_more_body, needs_request_body,
};

/// What the rows are written over, for tests that exhaust them. No promise: it changes with
/// the rows.
#[doc(hidden)]
pub mod internals {
    pub use crate::table::{
        Admission, Attachment, Columns, Matcher, Misreport, Readers, RequestKind, ResponseKind,
        ResponseSessionId, Wording,
    };
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
