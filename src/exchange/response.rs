//! What came back, as far as the decision looks at it.

use alloc::string::String;
use core::fmt;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE};
use http::{StatusCode, response};

use super::headers::{SESSION_ID_HEADER, named, sole_value, values};
use super::misreports::Misreports;

/// Whether a gateway answers this when it has no server behind it. That of an answer with a
/// JSON-RPC error in it is the server's own.
pub(crate) fn is_outage(status: StatusCode) -> bool {
    matches!(status.as_u16(), 502..=504 | 520..=524 | 530)
}

/// What came back, and what is known of who sent it.
///
/// ```
/// use http::StatusCode;
/// use mcp_session_core::Response;
///
/// let response = Response {
///     content_type: Some(b"text/plain"),
///     body: Some(b"Session not found"),
///     ..Response::new(StatusCode::NOT_FOUND)
/// };
/// # let _ = response;
/// ```
#[derive(Clone, Copy)]
pub struct Response<'a> {
    /// The HTTP status, 100 to 999.
    pub status: StatusCode,
    /// The value of `Mcp-Session-Id`; an empty one counts as none.
    pub session_id: Option<&'a [u8]>,
    /// The value of `Content-Type`.
    pub content_type: Option<&'a [u8]>,
    /// The value of `Content-Encoding`. A body that is encoded is not looked into.
    pub content_encoding: Option<&'a [u8]>,
    /// The value of `WWW-Authenticate`.
    pub www_authenticate: Option<&'a [u8]>,
    /// The body; `None` if it is not known, or not whole.
    pub body: Option<&'a [u8]>,
    /// The words in which this server reports a terminated session, beside the listed ones.
    pub misreports: &'a Misreports,
}

impl<'a> Response<'a> {
    /// A response without headers, of which the body is not known.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            session_id: None,
            content_type: None,
            content_encoding: None,
            www_authenticate: None,
            body: None,
            misreports: &NO_MISREPORTS,
        }
    }

    /// The facts of a response as the `http` crate has it; `body` is `None` if not known.
    pub fn from_parts(parts: &'a response::Parts, body: Option<&'a [u8]>) -> Self {
        let header = |name| sole_value(values(&parts.headers, name));
        Self {
            status: parts.status,
            session_id: header(SESSION_ID_HEADER),
            content_type: header(CONTENT_TYPE),
            content_encoding: header(CONTENT_ENCODING),
            www_authenticate: header(WWW_AUTHENTICATE),
            body,
            misreports: &NO_MISREPORTS,
        }
    }

    /// The facts of a response from all its headers, in any case and order; `body` is `None`
    /// if not known.
    pub fn from_headers(
        status: StatusCode,
        headers: &[(&str, &'a [u8])],
        body: Option<&'a [u8]>,
    ) -> Self {
        let header = |name: HeaderName| sole_value(named(headers, name));
        Self {
            status,
            session_id: header(SESSION_ID_HEADER),
            content_type: header(CONTENT_TYPE),
            content_encoding: header(CONTENT_ENCODING),
            www_authenticate: header(WWW_AUTHENTICATE),
            body,
            misreports: &NO_MISREPORTS,
        }
    }
}

/// Without the ID, which is a credential, and the body, which may hold anything.
impl fmt::Debug for Response<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Response")
            .field("status", &self.status)
            .field("session_id", &self.session_id.map(|_| format_args!("(redacted)")))
            .field("content_type", &self.content_type.map(String::from_utf8_lossy))
            .field("content_encoding", &self.content_encoding.map(String::from_utf8_lossy))
            .field("www_authenticate", &self.www_authenticate.map(|_| format_args!("(redacted)")))
            .field("body", &self.body.map(<[u8]>::len))
            .field("misreports", self.misreports)
            .finish()
    }
}

static NO_MISREPORTS: Misreports = Misreports::none();

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    #[test]
    fn debug_shows_neither_the_id_nor_the_body() {
        let response = Response {
            session_id: Some(b"secret"),
            www_authenticate: Some(b"secret"),
            content_type: Some(b"text/plain"),
            body: Some(b"secret"),
            ..Response::new(StatusCode::OK)
        };

        let shown = format!("{response:?}");

        assert!(!shown.contains("secret") && shown.contains("text/plain"), "{shown}");
        assert!(shown.contains("body: Some(6)"), "{shown}");
    }
}
