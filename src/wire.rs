//! Raw HTTP/1.1 bytes to facts, by `httparse`.
//!
//! A broken *head* is an error with the byte offset. A *body* is never one: what is cut off
//! or broken counts as not known and is reported as a [`Remark`], and so is what follows a
//! complete message.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use http::StatusCode;
use httparse::{EMPTY_HEADER, Header, Status};

use crate::facts::{Method, Request, Response, query_session_id, sole_value};
use crate::message::peek;

/// The longest head that is read, in bytes.
pub const HEAD_LIMIT: usize = 64 * 1024;

/// The most headers that are read.
pub const HEADER_LIMIT: usize = 256;

/// Room for the headers of most messages; more is made only for a message that has more.
const FEW_HEADERS: usize = 32;

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
    query: &'a str,
    session_id: Option<&'a [u8]>,
    protocol_version: Option<&'a [u8]>,
    body: Body<'a>,
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
            query: target.split_once('?').map_or("", |(_, query)| query),
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
            query_session_id: query_session_id(self.query),
            protocol_version: self.protocol_version,
            message: self.body.known().map(peek),
        }
    }

    /// The HTTP method, as it stood.
    pub fn method(&self) -> &'a str {
        self.method
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
    session_id: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    content_encoding: Option<&'a [u8]>,
    www_authenticate: Option<&'a [u8]>,
    body: Body<'a>,
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
            status: self.status,
            session_id: self.session_id,
            content_type: self.content_type,
            content_encoding: self.content_encoding,
            www_authenticate: self.www_authenticate,
            body: self.body.known(),
        }
    }

    /// What is worth saying about the body.
    pub fn remarks(&self) -> &[Remark] {
        &self.body.remarks
    }
}

/// Why a head could not be read, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadError {
    offset: usize,
    reason: Reason,
}

impl HeadError {
    /// The first byte that cannot belong to a head; the length of the input if it ends
    /// before the head does.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "byte {}: {}", self.offset, self.reason)
    }
}

impl core::error::Error for HeadError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Syntax(httparse::Error),
    Status,
    CutOff,
    TooLong,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(httparse::Error::TooManyHeaders) => {
                write!(formatter, "more than {HEADER_LIMIT} headers")
            }
            Self::Syntax(error) => write!(formatter, "{error}"),
            Self::Status => formatter.write_str("a status outside 100-999"),
            Self::CutOff => formatter.write_str("the head ends before its empty line"),
            Self::TooLong => write!(formatter, "a head longer than {HEAD_LIMIT} bytes"),
        }
    }
}

/// What is worth saying about a body, beside the facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remark {
    /// It ends before its length does: this many bytes are there, of so many.
    CutOff {
        /// Bytes that are there.
        present: usize,
        /// Bytes that `Content-Length` promises.
        promised: u64,
    },
    /// It ends before its last chunk does.
    ChunksCutOff,
    /// Its chunks cannot be read.
    ChunksBroken,
    /// `Content-Length` is no length, or several that differ.
    LengthBroken,
    /// A transfer coding other than `chunked`.
    TransferCoding,
    /// It goes on until the connection closes, so whole cannot be told from cut off.
    UntilClose,
    /// Both `Content-Length` and `Transfer-Encoding`; the latter counts.
    LengthIgnored,
    /// This many bytes follow the complete message.
    Trailing(usize),
}

impl fmt::Display for Remark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutOff { present, promised } => {
                write!(formatter, "body cut off: {present} of {promised} bytes")
            }
            Self::ChunksCutOff => formatter.write_str("body cut off: no last chunk"),
            Self::ChunksBroken => formatter.write_str("body broken: a chunk that is none"),
            Self::LengthBroken => formatter.write_str("body not read: no valid Content-Length"),
            Self::TransferCoding => {
                formatter.write_str("body not read: a transfer coding other than chunked")
            }
            Self::UntilClose => {
                formatter.write_str("body delimited by close: whole and cut off look the same")
            }
            Self::LengthIgnored => {
                formatter.write_str("Content-Length beside Transfer-Encoding ignored")
            }
            Self::Trailing(count) => write!(formatter, "{count} bytes after the message"),
        }
    }
}

/// Where the status stands in every head that `httparse` accepts: behind `HTTP/1.x `, and
/// behind the empty lines that may come first.
fn status_offset(head: &[u8]) -> usize {
    head.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count() + "HTTP/1.x ".len()
}

/// How the end of a body is told, when no header does (RFC 9112, section 6.3).
#[derive(Clone, Copy)]
enum Framing {
    /// There is none, whatever the headers say.
    Bodiless,
    /// There is none.
    Request,
    /// It ends with the connection.
    Response,
}

struct Body<'a> {
    /// `None` where it is cut off or broken.
    content: Option<Cow<'a, [u8]>>,
    remarks: Vec<Remark>,
}

impl<'a> Body<'a> {
    fn known(&self) -> Option<&[u8]> {
        self.content.as_deref()
    }

    fn read(headers: &[Header<'_>], bytes: &'a [u8], framing: Framing) -> Self {
        let coding = header(headers, "transfer-encoding");
        let length = content_length(headers);
        let mut body = match (framing, coding, length) {
            (Framing::Bodiless, _, _) => Self::of_length(bytes, 0),
            (_, Some(coding), _) if coding.eq_ignore_ascii_case(b"chunked") => Self::chunked(bytes),
            (_, Some(_), _) => Self::unknown(Remark::TransferCoding),
            (_, None, Length::Broken) => Self::unknown(Remark::LengthBroken),
            (_, None, Length::Known(length)) => Self::of_length(bytes, length),
            (Framing::Request, None, Length::Absent) => Self::of_length(bytes, 0),
            (Framing::Response, None, Length::Absent) => {
                Self { content: Some(Cow::Borrowed(bytes)), remarks: [Remark::UntilClose].into() }
            }
        };
        match (framing, coding, length) {
            (Framing::Request | Framing::Response, Some(_), Length::Known(_) | Length::Broken) => {
                body.remarks.push(Remark::LengthIgnored);
            }
            (Framing::Request | Framing::Response, Some(_), Length::Absent)
            | (Framing::Request | Framing::Response, None, _)
            | (Framing::Bodiless, _, _) => {}
        }
        body
    }

    fn unknown(remark: Remark) -> Self {
        Self { content: None, remarks: [remark].into() }
    }

    fn whole(content: Cow<'a, [u8]>, rest: &[u8]) -> Self {
        let mut remarks = Vec::new();
        if !rest.is_empty() {
            remarks.push(Remark::Trailing(rest.len()));
        }
        Self { content: Some(content), remarks }
    }

    fn of_length(bytes: &'a [u8], promised: u64) -> Self {
        let split =
            usize::try_from(promised).ok().and_then(|length| bytes.split_at_checked(length));
        match split {
            Some((content, rest)) => Self::whole(Cow::Borrowed(content), rest),
            None => Self::unknown(Remark::CutOff { present: bytes.len(), promised }),
        }
    }

    fn chunked(mut bytes: &'a [u8]) -> Self {
        let mut content = Vec::new();
        loop {
            let (start, size) = match httparse::parse_chunk_size(bytes) {
                Ok(Status::Complete(chunk)) => chunk,
                Ok(Status::Partial) => return Self::unknown(Remark::ChunksCutOff),
                Err(_) => return Self::unknown(Remark::ChunksBroken),
            };
            bytes = tail(bytes, start);
            if size == 0 {
                let mut trailers = [EMPTY_HEADER; HEADER_LIMIT];
                return match httparse::parse_headers(limited(bytes), &mut trailers) {
                    Ok(Status::Complete((end, _))) => {
                        Self::whole(Cow::Owned(content), tail(bytes, end))
                    }
                    Ok(Status::Partial) => Self::unknown(Remark::ChunksCutOff),
                    Err(_) => Self::unknown(Remark::ChunksBroken),
                };
            }
            let split = usize::try_from(size).ok().and_then(|size| bytes.split_at_checked(size));
            let Some((chunk, rest)) = split else {
                return Self::unknown(Remark::ChunksCutOff);
            };
            content.extend_from_slice(chunk);
            bytes = match rest {
                [b'\r', b'\n', rest @ ..] => rest,
                [] | [b'\r'] => return Self::unknown(Remark::ChunksCutOff),
                _ => return Self::unknown(Remark::ChunksBroken),
            };
        }
    }
}

#[derive(Clone, Copy)]
enum Length {
    Absent,
    Known(u64),
    Broken,
}

/// RFC 9112, section 6.3: several lengths that agree are one.
fn content_length(headers: &[Header<'_>]) -> Length {
    let mut length = Length::Absent;
    for value in values(headers, "content-length").flat_map(|value| value.split(|it| *it == b',')) {
        length = match (length, decimal(value.trim_ascii())) {
            (Length::Absent, Some(value)) => Length::Known(value),
            (Length::Known(known), Some(value)) if known == value => length,
            (Length::Absent | Length::Known(_) | Length::Broken, _) => return Length::Broken,
        };
    }
    length
}

/// Digits only: `+5` is no `Content-Length`.
fn decimal(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(digits).ok()?.parse().ok()
}

fn header<'h>(headers: &[Header<'h>], name: &str) -> Option<&'h [u8]> {
    sole_value(values(headers, name))
}

fn values<'h>(headers: &[Header<'h>], name: &str) -> impl Iterator<Item = &'h [u8]> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value.trim_ascii())
}

fn limited(bytes: &[u8]) -> &[u8] {
    bytes.get(..HEAD_LIMIT).unwrap_or(bytes)
}

fn tail(bytes: &[u8], start: usize) -> &[u8] {
    bytes.get(start..).unwrap_or_default()
}

fn with_room<'a, T>(
    mut read: impl FnMut(&mut [Header<'a>]) -> Result<T, HeadError>,
) -> Result<T, HeadError> {
    match read(&mut [EMPTY_HEADER; FEW_HEADERS]) {
        Err(HeadError { reason: Reason::Syntax(httparse::Error::TooManyHeaders), .. }) => {
            read(&mut [EMPTY_HEADER; HEADER_LIMIT])
        }
        read => read,
    }
}

fn head_length(
    bytes: &[u8],
    room: usize,
    parsed: httparse::Result<usize>,
    parse: impl FnMut(&[u8]) -> httparse::Result<usize>,
) -> Result<usize, HeadError> {
    match parsed {
        Ok(Status::Complete(length)) => Ok(length),
        Ok(Status::Partial) if bytes.len() > HEAD_LIMIT => {
            Err(HeadError { offset: HEAD_LIMIT, reason: Reason::TooLong })
        }
        Ok(Status::Partial) => Err(HeadError { offset: bytes.len(), reason: Reason::CutOff }),
        // It is read once more, with all the room there is.
        Err(error @ httparse::Error::TooManyHeaders) if room < HEADER_LIMIT => {
            Err(HeadError { offset: 0, reason: Reason::Syntax(error) })
        }
        Err(error) => {
            let offset = first_broken_byte(limited(bytes), parse);
            Err(HeadError { offset, reason: Reason::Syntax(error) })
        }
    }
}

/// `httparse` does not say where it stopped. It reads from left to right, so a prefix is
/// refused exactly if it holds the offending byte: the shortest such prefix ends with it.
fn first_broken_byte(
    bytes: &[u8],
    mut parse: impl FnMut(&[u8]) -> httparse::Result<usize>,
) -> usize {
    let (mut accepted, mut refused) = (0, bytes.len());
    while refused - accepted > 1 {
        let middle = accepted.midpoint(refused);
        if bytes.get(..middle).is_some_and(|prefix| parse(prefix).is_err()) {
            refused = middle;
        } else {
            accepted = middle;
        }
    }
    accepted
}
