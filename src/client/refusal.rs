//! What a refusal means to the caller of a JSON-RPC message.

use alloc::format;
use alloc::string::String;

use http::StatusCode;

use super::local_answer::CallError;
use super::{Options, Shield};
use crate::jsonrpc::JsonRpcError;

/// What the server did with a request before its connection broke nobody can know.
pub(super) const IN_DOUBT: &str = "whether the request was processed is not known";

pub(super) use crate::exchange::is_outage;

/// Whether a stream that was refused by this status may be given later: it is asked for too often
/// or too early, or its server takes the connection before this one for open.
pub(super) fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 409 | 425 | 429) || status.is_server_error()
}

/// The JSON-RPC error by which a server says why it refuses: a gateway has none.
pub(super) fn server_error(body: Option<&[u8]>) -> Option<CallError> {
    CallError::of_server(&body.and_then(JsonRpcError::read)?)
}

/// What becomes of a refusal of a JSON-RPC message.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Its caller gets it as it came.
    AsItCame,
    /// The server is not there.
    Outage(CallError),
    /// The call has failed, and the client must not.
    Failed(CallError),
}

impl Refusal {
    /// Whether the body of a refusal with this status can change what becomes of it.
    pub(super) fn needs_body(status: StatusCode, options: &Options) -> bool {
        match status.as_u16() {
            // Authorization, and the end of a session: the caller's, and the table's.
            401 | 403 | 404 => false,
            _ if is_outage(status) => {
                options.outage_shield == Shield::Up || options.status_shield == Shield::Up
            }
            400.. => options.status_shield == Shield::Up,
            _ => false,
        }
    }

    pub(super) fn of(status: StatusCode, body: Option<&[u8]>, options: &Options) -> Self {
        if !Self::needs_body(status, options) {
            return Self::AsItCame;
        }
        match server_error(body) {
            Some(error) if options.status_shield == Shield::Up => Self::Failed(error),
            Some(_) => Self::AsItCame,
            None if is_outage(status) && options.outage_shield == Shield::Up => {
                Self::Outage(CallError::connection_closed(gateway(status)))
            }
            None => Self::Failed(CallError::refused(format!(
                "the server refused the request with HTTP status {}",
                status.as_u16()
            ))),
        }
    }
}

pub(super) fn gateway(status: StatusCode) -> String {
    format!("the server could not be reached: a gateway answered {}; {IN_DOUBT}", status.as_u16())
}
