//! What the client machine is told of a request and of a response.

use http::StatusCode;

use crate::exchange::{Method, Misreports, Response};
use crate::session::Outgoing;

/// The head of a request that is about to be sent.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    /// The HTTP method.
    pub method: Method,
    /// Where it goes.
    pub endpoint: Endpoint<'a>,
    /// Whose it is.
    pub credentials: Credentials,
    /// The value of `Mcp-Session-Id`; an empty one counts as none.
    pub session_id: Option<&'a str>,
    /// The value of `MCP-Protocol-Version`.
    pub protocol_version: Option<&'a str>,
    /// The value of `Last-Event-ID`.
    pub last_event_id: Option<&'a str>,
    /// The value of `Content-Type`.
    pub content_type: Option<&'a str>,
}

impl RequestHead<'_> {
    /// The request whole, its body read once. Made where nobody waits for it.
    pub fn outgoing<B: AsRef<[u8]>>(&self, body: B) -> Outgoing<B> {
        let outgoing = Outgoing::new(self.method, body);
        match self.last_event_id {
            Some(event_id) => outgoing.with_last_event_id(event_id),
            None => outgoing,
        }
    }

    pub(super) fn attached(&self) -> Option<&str> {
        self.session_id.filter(|id| !id.is_empty())
    }

    pub(super) fn media(&self) -> Media {
        Media::of(self.content_type)
    }
}

/// Where a request goes: sessions of one endpoint are nobody's at another.
///
/// A slash at the end of a path is nothing that tells two endpoints apart: a mounted
/// application redirects from one to the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The value of `Host`, port included; where it is sent to another host than that, both.
    pub host: &'a str,
    /// The path, without the query.
    pub path: &'a str,
}

/// A fingerprint of the credentials that a request bears of its own, by a hash that is keyed
/// for this process.
///
/// Requests without any of their own are all the client's: what its auth flow adds, or stands
/// among its default headers, may be renewed as often as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Those of the HTTP client itself.
    OfClient,
    /// Those that stand in this request alone.
    OfRequest(u128),
}

/// The head of a response.
#[derive(Clone, Copy)]
pub struct ResponseHead<'a> {
    /// The HTTP status.
    pub status: StatusCode,
    /// The value of `Mcp-Session-Id`.
    pub session_id: Option<&'a str>,
    /// The value of `Content-Type`.
    pub content_type: Option<&'a str>,
    /// The value of `Content-Encoding`, unless the driver has decoded the body.
    pub content_encoding: Option<&'a str>,
    /// The value of `WWW-Authenticate`.
    pub www_authenticate: Option<&'a str>,
    /// Who answered.
    pub source: Source,
}

impl<'a> ResponseHead<'a> {
    /// A head without headers, of the server's.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            source: Source::Server,
            session_id: None,
            content_type: None,
            content_encoding: None,
            www_authenticate: None,
        }
    }

    pub(super) fn with_body(
        &self,
        body: Option<&'a [u8]>,
        misreports: &'a Misreports,
    ) -> Response<'a> {
        Response {
            session_id: self.session_id.map(str::as_bytes),
            content_type: self.content_type.map(str::as_bytes),
            content_encoding: self.content_encoding.map(str::as_bytes),
            www_authenticate: self.www_authenticate.map(str::as_bytes),
            body,
            misreports,
            ..Response::new(match self.source {
                Source::Server => self.status,
                // Of the session its server has said no more than where to look.
                Source::Elsewhere => StatusCode::FOUND,
            })
        }
    }

    pub(super) fn media(&self) -> Media {
        Media::of(self.content_type)
    }
}

pub(super) fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// Who answered a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Its server.
    Server,
    /// Whoever the HTTP library was led to by a redirect, at another origin or with another
    /// method: it knows nothing of the session.
    Elsewhere,
}

/// The kinds of bodies that MCP has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    EventStream,
    Json,
    Other,
}

impl Media {
    fn of(content_type: Option<&str>) -> Self {
        let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("text/event-stream") {
            Self::EventStream
        } else if essence.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else {
            Self::Other
        }
    }
}
