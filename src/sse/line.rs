//! A line of an event stream that comes in pieces.

use alloc::string::String;
use alloc::vec::Vec;

/// Where in its line the next byte stands.
pub(super) enum Line {
    /// In the name of a field.
    Name,
    /// Right behind the colon, where a space does not belong to the value.
    Colon(Value),
    Value(Value),
    /// In what does not count: a comment, an unknown field, a value that is of no use.
    Ignored,
}

/// What there is of the value of a field.
pub(super) enum Value {
    Event(Buffer),
    /// That of the fields before it included.
    Data(Buffer),
    Id(Vec<u8>),
    /// `None` before the first digit.
    Retry(Option<u64>),
}

impl Value {
    /// This value with more of its bytes behind it. `id_limit` is that of an ID, `limit` that of
    /// the rest.
    pub(super) fn with(self, bytes: &[u8], limit: usize, id_limit: usize) -> Line {
        match self {
            Self::Event(event) => Line::Value(Self::Event(event.with(bytes, limit))),
            Self::Data(data) => Line::Value(Self::Data(data.with(bytes, limit))),
            Self::Id(mut id) => {
                if bytes.len() > id_limit.saturating_sub(id.len()) || bytes.contains(&0) {
                    return Line::Ignored;
                }
                id.extend_from_slice(bytes);
                Line::Value(Self::Id(id))
            }
            Self::Retry(retry) => more_digits(retry, bytes)
                .map_or(Line::Ignored, |retry| Line::Value(Self::Retry(retry))),
        }
    }
}

/// A reconnection time with more digits behind it; `None` if they are no digits.
pub(super) fn more_digits(retry: Option<u64>, bytes: &[u8]) -> Option<Option<u64>> {
    bytes.iter().try_fold(retry, |retry, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(Some(retry.unwrap_or(0).saturating_mul(10).saturating_add(digit)))
    })
}

/// Bytes up to a limit, or none at all.
pub(super) enum Buffer {
    Kept(Vec<u8>),
    TooLong,
}

impl Buffer {
    pub(super) const EMPTY: Self = Self::Kept(Vec::new());

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Kept(bytes) => bytes.is_empty(),
            Self::TooLong => false,
        }
    }

    pub(super) fn with(self, bytes: &[u8], limit: usize) -> Self {
        match self {
            Self::Kept(mut kept) if bytes.len() <= limit.saturating_sub(kept.len()) => {
                kept.extend_from_slice(bytes);
                Self::Kept(kept)
            }
            Self::Kept(_) | Self::TooLong => Self::TooLong,
        }
    }

    /// Only here, where the value is whole, are characters made of the bytes. The line ends
    /// and the colon around it are ASCII, which never stands within a character.
    pub(super) fn into_text(self) -> Option<String> {
        match self {
            Self::Kept(bytes) => Some(text(bytes)),
            Self::TooLong => None,
        }
    }
}

/// The text of a value that is whole; what is no UTF-8 is replaced.
pub(super) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
