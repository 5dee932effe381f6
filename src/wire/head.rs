//! The head of a message: where it ends, what its headers say, and where it is broken.

use alloc::vec::Vec;
use core::fmt;

use httparse::{EMPTY_HEADER, Header, Status};

use crate::exchange::sole_value;

/// The longest head that is read, in bytes.
pub const HEAD_LIMIT: usize = 64 * 1024;

/// The most headers that are read.
pub const HEADER_LIMIT: usize = 256;

/// Room for the headers of most messages; more is made only for a message that has more.
const FEW_HEADERS: usize = 32;

/// Why a head could not be read, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadError {
    pub(super) offset: usize,
    pub(super) reason: Reason,
}

impl HeadError {
    /// The first byte that cannot belong to a head; the length of the input if it ends
    /// before the head does.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What is wrong there, without the offset.
    pub fn reason(&self) -> impl fmt::Display + use<> {
        self.reason
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "byte {}: {}", self.offset, self.reason)
    }
}

impl core::error::Error for HeadError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
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

/// Where the status stands in every head that `httparse` accepts: behind `HTTP/1.x `, and
/// behind the empty lines that may come first.
pub(super) fn status_offset(head: &[u8]) -> usize {
    head.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count() + "HTTP/1.x ".len()
}

pub(super) fn with_room<'a, T>(
    mut read: impl FnMut(&mut [Header<'a>]) -> Result<T, HeadError>,
) -> Result<T, HeadError> {
    match read(&mut [EMPTY_HEADER; FEW_HEADERS]) {
        Err(HeadError { reason: Reason::Syntax(httparse::Error::TooManyHeaders), .. }) => {
            read(&mut [EMPTY_HEADER; HEADER_LIMIT])
        }
        read => read,
    }
}

pub(super) fn head_length(
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
pub(super) fn header<'h>(headers: &[Header<'h>], name: &str) -> Option<&'h [u8]> {
    sole_value(values(headers, name))
}

pub(super) fn values<'h>(headers: &[Header<'h>], name: &str) -> impl Iterator<Item = &'h [u8]> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value.trim_ascii())
}

pub(super) fn limited(bytes: &[u8]) -> &[u8] {
    bytes.get(..HEAD_LIMIT).unwrap_or(bytes)
}

pub(super) fn tail(bytes: &[u8], start: usize) -> &[u8] {
    bytes.get(start..).unwrap_or_default()
}

/// Every header of a head that was read, in the order in which they stand.
pub(super) fn lines(head: &[u8]) -> Vec<(&str, &[u8])> {
    let is_empty = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let start = head.iter().position(|byte| !is_empty(byte)).unwrap_or(head.len());
    let first = tail(head, start);
    let end = first.iter().position(|byte| *byte == b'\n').map_or(first.len(), |end| end + 1);
    let mut headers = [EMPTY_HEADER; HEADER_LIMIT];
    match httparse::parse_headers(tail(first, end), &mut headers) {
        Ok(Status::Complete((_, headers))) => {
            headers.iter().map(|header| (header.name, header.value.trim_ascii())).collect()
        }
        Ok(Status::Partial) | Err(_) => Vec::new(),
    }
}
