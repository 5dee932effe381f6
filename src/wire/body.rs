//! The body of a message: where it ends, and what is odd about it.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use httparse::{EMPTY_HEADER, Header, Status};

use super::head::{HEADER_LIMIT, header, limited, tail, values};

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

/// How the end of a body is told, when no header does (RFC 9112, section 6.3).
#[derive(Clone, Copy)]
pub(super) enum Framing {
    /// There is none, whatever the headers say.
    Bodiless,
    /// There is none.
    Request,
    /// It ends with the connection.
    Response,
}

pub(super) struct Body<'a> {
    /// `None` where it is cut off or broken.
    content: Option<Cow<'a, [u8]>>,
    pub(super) remarks: Vec<Remark>,
}

impl<'a> Body<'a> {
    pub(super) fn known(&self) -> Option<&[u8]> {
        self.content.as_deref()
    }

    pub(super) fn read(headers: &[Header<'_>], bytes: &'a [u8], framing: Framing) -> Self {
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
