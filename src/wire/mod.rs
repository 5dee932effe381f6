//! Raw HTTP/1.1 bytes to facts, by `httparse`.
//!
//! A broken *head* is an error with the byte offset. A *body* is never one: what is cut off
//! or broken counts as not known and is reported as a [`Remark`], and so is what follows a
//! complete message.

mod body;
mod head;

use alloc::vec::Vec;
use core::fmt;

use body::{Body, Framing};
use head::{Reason, head_length, header, limited, lines, status_offset, tail, with_room};
use http::StatusCode;
use httparse::{EMPTY_HEADER, Header};

pub use body::Remark;
pub use head::{HEAD_LIMIT, HEADER_LIMIT, HeadError};

use crate::exchange::{Method, Request, Response, query_session_id};
use crate::jsonrpc::peek;

/// A request as it stood on the wire.
///
/// ```
/// use mcp_session_core::Method;
/// use mcp_session_core::wire::RawRequest;
///
/// let request = RawRequest::parse(b"GET /mcp HTTP/1.1\r\nMCP-SESSION-ID: 1868a90c\r\n\r\n")?;
///
/// assert_eq!(request.facts().method, Method::Get);
/// assert_eq!(request.facts().session_id, Some(&b"1868a90c"[..]));
///
/// let error = RawRequest::parse(b"GET /mcp HTTP/1.1\r\nno colon\r\n\r\n").err();
/// assert_eq!(error.map(|error| error.offset()), Some(21));
/// # Ok::<(), mcp_session_core::wire::HeadError>(())
/// ```
pub struct RawRequest<'a> {
    method: &'a str,
    target: &'a str,
    head: &'a [u8],
    session_id: Option<&'a [u8]>,
    protocol_version: Option<&'a [u8]>,
    body: Body<'a>,
}

/// By its facts, without IDs and bodies.
impl fmt::Debug for RawRequest<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("RawRequest").field(&self.facts()).finish()
    }
}

impl<'a> RawRequest<'a> {
    /// Reads the request that `bytes` begin with.
    ///
    /// # Errors
    ///
    /// [`HeadError`] if its head is broken, cut off or too large.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, HeadError> {
        with_room(|headers| Self::parse_into(headers, bytes))
    }

    fn parse_into(headers: &mut [Header<'a>], bytes: &'a [u8]) -> Result<Self, HeadError> {
        let room = headers.len();
        let mut head = httparse::Request::new(headers);
        let length = head_length(bytes, room, head.parse(limited(bytes)), |prefix| {
            httparse::Request::new(&mut [EMPTY_HEADER; HEADER_LIMIT]).parse(prefix)
        })?;
        // A fragment does not belong into a request, and belongs to nothing in it.
        let target = head.path.unwrap_or_default().split('#').next().unwrap_or_default();
        Ok(Self {
            method: head.method.unwrap_or_default(),
            target,
            head: bytes.get(..length).unwrap_or_default(),
            session_id: header(head.headers, "mcp-session-id"),
            protocol_version: header(head.headers, "mcp-protocol-version"),
            body: Body::read(head.headers, tail(bytes, length), Framing::Request),
        })
    }

    /// The facts that the tables look at.
    pub fn facts(&self) -> Request<'_> {
        Request {
            method: Method::from(self.method),
            session_id: self.session_id,
            query_session_id: query_session_id(self.query()),
            protocol_version: self.protocol_version,
            message: self.body.known().map(peek),
        }
    }

    /// The HTTP method, as it stood.
    pub fn method(&self) -> &'a str {
        self.method
    }

    /// The target in front of its query, as it stood: a path, of a request to a proxy a URL.
    pub fn path(&self) -> &'a str {
        self.target.split_once('?').map_or(self.target, |(path, _)| path)
    }

    /// The query of the target, as it stood; empty if there is none.
    pub fn query(&self) -> &'a str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// Every header in the order in which they stand, values without the space around them.
    pub fn headers(&self) -> Vec<(&'a str, &'a [u8])> {
        lines(self.head)
    }

    /// The body without its framing; `None` where it is cut off or broken.
    pub fn body(&self) -> Option<&[u8]> {
        self.body.known()
    }

    /// What is worth saying about the body.
    pub fn remarks(&self) -> &[Remark] {
        &self.body.remarks
    }
}

/// A response as it stood on the wire.
///
/// Interim responses (100 to 199, but for 101) before the final one are passed over.
///
/// ```
/// use mcp_session_core::wire::{RawRequest, RawResponse};
/// use mcp_session_core::{Action, Quirks, Side, classify};
///
/// let request = RawRequest::parse(b"GET /mcp HTTP/1.1\r\nMcp-Session-Id: x\r\n\r\n")?;
/// let response = RawResponse::parse(b"HTTP/1.1 404 Not Found\r\n\r\n", &request)?;
///
/// let side = Side::Client(Quirks::Ignore);
/// let verdict = classify(side, &request.facts(), &response.facts());
/// assert_eq!(verdict.action(), Action::ClearAndReinit);
/// # Ok::<(), mcp_session_core::wire::HeadError>(())
/// ```
pub struct RawResponse<'a> {
    status: StatusCode,
    head: &'a [u8],
    session_id: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    content_encoding: Option<&'a [u8]>,
    www_authenticate: Option<&'a [u8]>,
    body: Body<'a>,
}

/// By its facts, without IDs and bodies.
impl fmt::Debug for RawResponse<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("RawResponse").field(&self.facts()).finish()
    }
}

impl<'a> RawResponse<'a> {
    /// Reads the response that `bytes` begin with; the request says whether it can have a
    /// body.
    ///
    /// # Errors
    ///
    /// [`HeadError`] if its head is broken, cut off or too large.
    pub fn parse(bytes: &'a [u8], request: &RawRequest<'_>) -> Result<Self, HeadError> {
        let mut start = 0;
        loop {
            let one = tail(bytes, start);
            let (response, length) =
                with_room(|headers| Self::parse_into(headers, one, request))
                    .map_err(|error| HeadError { offset: start + error.offset, ..error })?;
            let interim = response.status.is_informational()
                && response.status != StatusCode::SWITCHING_PROTOCOLS;
            if !interim || start + length == bytes.len() {
                return Ok(response);
            }
            start += length;
        }
    }

    fn parse_into(
        headers: &mut [Header<'a>],
        bytes: &'a [u8],
        request: &RawRequest<'_>,
    ) -> Result<(Self, usize), HeadError> {
        let room = headers.len();
        let mut head = httparse::Response::new(headers);
        let length = head_length(bytes, room, head.parse(limited(bytes)), |prefix| {
            httparse::Response::new(&mut [EMPTY_HEADER; HEADER_LIMIT]).parse(prefix)
        })?;
        let status = StatusCode::from_u16(head.code.unwrap_or_default())
            .map_err(|_| HeadError { offset: status_offset(bytes), reason: Reason::Status })?;
        let bodiless = request.method == "HEAD"
            || status.is_informational()
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED;
        let framing = if bodiless { Framing::Bodiless } else { Framing::Response };
        let response = Self {
            status,
            head: bytes.get(..length).unwrap_or_default(),
            session_id: header(head.headers, "mcp-session-id"),
            content_type: header(head.headers, "content-type"),
            content_encoding: header(head.headers, "content-encoding"),
            www_authenticate: header(head.headers, "www-authenticate"),
            body: Body::read(head.headers, tail(bytes, length), framing),
        };
        Ok((response, length))
    }

    /// The facts that the tables look at.
    pub fn facts(&self) -> Response<'_> {
        Response {
            session_id: self.session_id,
            content_type: self.content_type,
            content_encoding: self.content_encoding,
            www_authenticate: self.www_authenticate,
            body: self.body.known(),
            ..Response::new(self.status)
        }
    }

    /// Every header in the order in which they stand, values without the space around them.
    pub fn headers(&self) -> Vec<(&'a str, &'a [u8])> {
        lines(self.head)
    }

    /// The body without its framing; `None` where it is cut off or broken.
    pub fn body(&self) -> Option<&[u8]> {
        self.body.known()
    }

    /// What is worth saying about the body.
    pub fn remarks(&self) -> &[Remark] {
        &self.body.remarks
    }
}
