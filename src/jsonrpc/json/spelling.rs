//! What the strings of JSON stand for.

use alloc::string::String;
use alloc::vec::Vec;

/// The inside of a JSON string.
#[derive(Clone, Copy)]
pub(super) enum Spelled<'a> {
    Plainly(&'a str),
    WithEscapes(&'a str),
}

impl<'a> Spelled<'a> {
    /// `None` if `value` is no string.
    pub(super) fn of(value: &'a str) -> Option<Self> {
        let inner = inside(value)?;
        Some(if inner.contains('\\') { Self::WithEscapes(inner) } else { Self::Plainly(inner) })
    }

    /// The bytes it stands for; a lone surrogate is three bytes of WTF-8.
    pub(super) fn bytes(self) -> Vec<u8> {
        match self {
            Self::Plainly(inner) => inner.as_bytes().to_vec(),
            Self::WithEscapes(inner) => {
                let mut bytes = Vec::with_capacity(inner.len());
                Pieces(inner.as_bytes()).encode(|piece| bytes.extend_from_slice(piece));
                bytes
            }
        }
    }

    /// The first characters it stands for, as many as fit so many bytes. A lone surrogate
    /// reads as U+FFFD, once for each of its three bytes.
    pub(super) fn beginning(self, limit: usize) -> String {
        let mut bytes = Vec::new();
        let inner = match self {
            Self::Plainly(inner) | Self::WithEscapes(inner) => inner,
        };
        for piece in Pieces(inner.as_bytes()) {
            let room = limit.saturating_sub(bytes.len());
            let length = bytes.len();
            match piece {
                Piece::Plain(it) => bytes.extend_from_slice(it.get(..room).unwrap_or(it)),
                Piece::Escaped(it) => bytes.extend_from_slice(encoded(it).bytes()),
            }
            if bytes.len() - length >= room {
                break;
            }
        }
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        let mut end = limit.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text
    }
}

/// Whether `value` is this text between quotes, with no escape in it.
#[inline]
pub(super) fn is_plainly(value: &str, expected: &str) -> bool {
    inside(value).is_some_and(|inner| inner == expected && !inner.contains('\\'))
}

/// Whether `value` is a string that stands for `expected`, and is longer.
#[inline(never)]
pub(super) fn is_with_escapes(value: &str, expected: &str) -> bool {
    inside(value).is_some_and(|inner| stands_for(inner.as_bytes(), expected))
}

/// What is between the quotes of a string; quotes are what tells one.
#[inline]
fn inside(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"')
}

/// Whether this is the inside of a string that stands for `expected`. Stops at the first
/// difference.
#[inline(never)]
pub(super) fn stands_for(inner: &[u8], expected: &str) -> bool {
    let (mut expected, mut pieces) = (expected.as_bytes(), Pieces(inner));
    loop {
        let rest = match (pieces.0, expected) {
            ([], _) => return expected.is_empty(),
            ([b'\\', ..], _) => match (pieces.next(), expected) {
                (Some(Piece::Escaped(it @ 0..0x80)), [first, rest @ ..]) => {
                    (it == u32::from(*first)).then_some(rest)
                }
                (Some(Piece::Escaped(it)), _) => expected.strip_prefix(encoded(it).bytes()),
                (Some(Piece::Plain(_)) | None, _) => None,
            },
            ([byte, behind @ ..], [first, rest @ ..]) => {
                pieces.0 = behind;
                (byte == first).then_some(rest)
            }
            (_, []) => None,
        };
        match rest {
            Some(rest) => expected = rest,
            None => return false,
        }
    }
}

/// The first byte that the inside of a string stands for.
#[inline(always)]
pub(super) fn first_byte(inner: &[u8]) -> Option<u8> {
    match inner {
        [] => None,
        [b'\\', b'u', ..] => first_byte_decoded(inner),
        [b'\\', escape, ..] => Some(escaped(*escape)),
        [first, ..] => Some(*first),
    }
}

fn first_byte_decoded(inner: &[u8]) -> Option<u8> {
    match Pieces(inner).next()? {
        Piece::Plain(it) => it.first().copied(),
        Piece::Escaped(it) => encoded(it).bytes().first().copied(),
    }
}

/// What a valid string stands for, in the order of its pieces.
struct Pieces<'a>(&'a [u8]);

enum Piece<'a> {
    /// Characters that stand for themselves.
    Plain(&'a [u8]),
    /// The code point of one that was escaped, or a lone surrogate.
    Escaped(u32),
}

impl Pieces<'_> {
    /// Takes all of them, as bytes.
    fn encode(self, mut take: impl FnMut(&[u8])) {
        for piece in self {
            match piece {
                Piece::Plain(it) => take(it),
                Piece::Escaped(it) => take(encoded(it).bytes()),
            }
        }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Piece<'a>> {
        let code = match *self.0 {
            [] => return None,
            [b'\\', b'u', ref rest @ ..] => {
                let (unit, rest) = code_unit(rest)?;
                let pair = low_surrogate(rest).filter(|_| (0xD800..0xDC00).contains(&unit));
                self.0 = pair.map_or(rest, |(_, behind)| behind);
                pair.map_or(unit, |(low, _)| 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
            }
            [b'\\', escape, ref rest @ ..] => {
                self.0 = rest;
                u32::from(escaped(escape))
            }
            [..] => {
                let length = self.0.iter().position(|byte| *byte == b'\\');
                let (plain, rest) = self.0.split_at_checked(length.unwrap_or(self.0.len()))?;
                self.0 = rest;
                // A lone backslash at the end is not in a valid string.
                return (!plain.is_empty()).then_some(Piece::Plain(plain));
            }
        };
        Some(Piece::Escaped(code))
    }
}

/// The character that a backslash and this one stand for.
#[inline(always)]
fn escaped(escape: u8) -> u8 {
    match escape {
        b'b' => 0x08,
        b'f' => 0x0C,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        itself => itself,
    }
}

/// The four digits that an escape ends in, and what stands behind.
fn code_unit(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<4>()?;
    // The low half of a digit is its value, that of a letter nine less. A byte each, then two
    // together, then all.
    let word = u32::from_be_bytes(*digits);
    let halves = (word & 0x0F0F_0F0F) + (word >> 6 & 0x0101_0101) * 9;
    let bytes = (halves | halves >> 4) & 0x00FF_00FF;
    Some(((bytes | bytes >> 8) & 0xFFFF, rest))
}

/// The second half of a surrogate pair.
fn low_surrogate(text: &[u8]) -> Option<(u32, &[u8])> {
    code_unit(text.strip_prefix(br"\u")?).filter(|(unit, _)| (0xDC00..0xE000).contains(unit))
}

/// At most four bytes.
struct Encoded([u8; 4], usize);

impl Encoded {
    fn bytes(&self) -> &[u8] {
        self.0.get(..self.1).unwrap_or_default()
    }
}

/// A code point as UTF-8, generalized to surrogates.
fn encoded(code: u32) -> Encoded {
    // The cast keeps the bits that are asked for: those before them are gone or set anyway.
    let tail = |shift: u32| 0x80 | (code >> shift & 0x3F) as u8;
    let head = |shift: u32, marks: u8| marks | (code >> shift) as u8;
    match code {
        0..0x80 => Encoded([head(0, 0), 0, 0, 0], 1),
        0x80..0x800 => Encoded([head(6, 0xC0), tail(0), 0, 0], 2),
        0x800..0x1_0000 => Encoded([head(12, 0xE0), tail(6), tail(0), 0], 3),
        0x1_0000.. => Encoded([head(18, 0xF0), tail(12), tail(6), tail(0)], 4),
    }
}
