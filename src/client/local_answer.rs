//! The answers made here: what a caller gets where no answer of the server's will come.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::server_message::quoted;
use crate::jsonrpc::{JsonRpcError, Kind, RequestId, peek};
use crate::sse::message_event;

/// A whole response that is made here.
///
/// Its texts are ours: of an exception its type, of a refusal its status and its
/// `error.message`, never a URL, a header or an ID.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "the caller waits for it"]
pub struct LocalAnswer {
    status: u16,
    content_type: Option<&'static str>,
    body: Vec<u8>,
}

impl LocalAnswer {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The value of `Content-Type`, where there is a body.
    pub fn content_type(&self) -> Option<&'static str> {
        self.content_type
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn accepted() -> Self {
        Self::bodiless(202)
    }

    pub(super) fn no_content() -> Self {
        Self::bodiless(204)
    }

    pub(super) fn not_found() -> Self {
        Self::bodiless(404)
    }

    fn bodiless(status: u16) -> Self {
        Self { status, content_type: None, body: Vec::new() }
    }

    fn json(body: Vec<u8>) -> Self {
        Self { status: 200, content_type: Some("application/json"), body }
    }

    /// A stream that holds the ends of the requests that it was to resume.
    pub(super) fn stream_of<'a>(error: &CallError, ids: impl Iterator<Item = &'a str>) -> Self {
        let body = ids.flat_map(|id| event(error, id)).collect();
        Self { status: 200, content_type: Some("text/event-stream"), body }
    }

    /// A stream of these messages: a body of JSON has room for one, if its request was one.
    pub(super) fn stream_of_messages(messages: &[Vec<u8>]) -> Self {
        let body = messages.iter().flat_map(|it| message_event(it)).collect();
        Self { status: 200, content_type: Some("text/event-stream"), body }
    }

    /// What ends a POST: an error for each request in it, or 202 if it wants no answer.
    pub(super) fn ending(request: &Posted, error: &CallError) -> Self {
        match request {
            Posted::Request(id) => Self::json(error.for_id(id).into_bytes()),
            Posted::Batch(ids) if ids.is_empty() => Self::accepted(),
            Posted::Batch(ids) => {
                let errors: Vec<String> = ids.iter().map(|id| error.for_id(id)).collect();
                Self::json(format!("[{}]", errors.join(",")).into_bytes())
            }
            Posted::OneWay => Self::accepted(),
            Posted::Malformed => Self::not_found(),
        }
    }

    /// The answers to a batch, and an error for each request that has none.
    pub(super) fn completing(answers: &[u8], missing: &[String], error: &CallError) -> Self {
        let answers = answers.trim_ascii();
        // One that was alone is one of an array from here on.
        let mut body = match answers.strip_suffix(b"]") {
            Some(batch) => batch.to_vec(),
            None => [b"[", answers].concat(),
        };
        for id in missing {
            body.extend_from_slice(b",");
            body.extend_from_slice(error.for_id(id).as_bytes());
        }
        body.extend_from_slice(b"]");
        Self::json(body)
    }
}

impl core::fmt::Debug for LocalAnswer {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("LocalAnswer")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

/// The end of a stream that has to answer a request, as one more event.
pub(super) fn event(error: &CallError, id: &str) -> Vec<u8> {
    message_event(error.for_id(id).as_bytes())
}

/// What a POST holds, as far as an answer depends on it. Ids are kept as they stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Posted {
    Request(String),
    /// The ids of the requests in it.
    Batch(Vec<String>),
    /// A notification or a reply.
    OneWay,
    Malformed,
}

impl Posted {
    pub(super) fn of(kind: Kind, id: Option<RequestId<'_>>, body: &[u8]) -> Self {
        match (kind, id) {
            (Kind::Request, Some(id)) => Self::Request(id.as_str().to_owned()),
            (Kind::Batch, _) => {
                let requests = peek(body).members().filter(|it| it.kind() == Kind::Request);
                Self::Batch(requests.filter_map(|it| Some(it.id()?.as_str().to_owned())).collect())
            }
            (Kind::Notification | Kind::Response, _) => Self::OneWay,
            (Kind::Request | Kind::Malformed, _) => Self::Malformed,
        }
    }

    /// The ids of the requests that wait for an answer.
    pub(super) fn ids(&self) -> &[String] {
        match self {
            Self::Request(id) => core::slice::from_ref(id),
            Self::Batch(ids) => ids,
            Self::OneWay | Self::Malformed => &[],
        }
    }
}

/// A JSON-RPC error for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CallError {
    code: String,
    message: String,
    /// As it stood in the server's answer.
    data: Option<String>,
}

impl CallError {
    /// Code -32000: the SDKs' own word for a connection that was closed is the first of those
    /// that JSON-RPC leaves to implementations.
    pub(super) fn connection_closed(message: String) -> Self {
        Self { code: "-32000".to_owned(), message, data: None }
    }

    /// Code -32603: the server has failed, by its status.
    pub(super) fn refused(message: String) -> Self {
        Self { code: "-32603".to_owned(), message, data: None }
    }

    /// The server's own error, as far as it is one.
    pub(super) fn of_server(error: &JsonRpcError<'_>) -> Option<Self> {
        let code = error.code().filter(|code| is_integer(code))?;
        Some(Self {
            code: code.to_owned(),
            message: error.message_text(usize::MAX).unwrap_or_default(),
            data: error.data().map(str::to_owned),
        })
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The message, for a request whose id is given as JSON.
    fn for_id(&self, id: &str) -> String {
        let message = quoted(&self.message);
        let data = self.data.as_ref().map_or_else(String::new, |data| format!(r#","data":{data}"#));
        format!(
            r#"{{"jsonrpc":"2.0","error":{{"code":{},"message":{message}{data}}},"id":{id}}}"#,
            self.code
        )
    }
}

fn is_integer(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    (1..=16).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}
