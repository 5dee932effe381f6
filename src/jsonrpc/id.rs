//! Ids of JSON-RPC, compared as JSON values.

use alloc::boxed::Box;
#[cfg(any(feature = "client", feature = "sessions"))]
use alloc::{format, string::String};
use core::fmt;

use super::json;

/// A JSON-RPC id, exactly as it stood in the body: a JSON string or number.
///
/// ```
/// use mcp_session_core::peek;
///
/// let id = peek(br#"{"id":"\u0061","method":"ping"}"#).id().expect("a request has an id");
///
/// assert_eq!(id.as_str(), r#""\u0061""#);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId<'a>(pub(super) &'a str);

impl<'a> RequestId<'a> {
    /// The longest id that is sent back, in bytes, a string's quotes included.
    pub const ECHO_LIMIT: usize = 256;

    /// Ids longer than this are the same only if they are spelled the same, so that
    /// comparing costs bounded memory.
    const COMPARED_LIMIT: usize = 4096;

    /// An id longer than this, in bytes, is passed on and never remembered.
    pub(crate) const REMEMBERED_LIMIT: usize = 1024;

    pub(crate) fn from_json(value: &'a str) -> Option<Self> {
        matches!(value.bytes().next(), Some(b'"' | b'-' | b'0'..=b'9')).then_some(Self(value))
    }

    /// The JSON text, quotes included.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether both are the same JSON value, however they are spelled.
    ///
    /// Numbers are compared by their exact value: `7`, `7.0` and `70e-1` are one id, 2^64
    /// and 2^64+1 are two.
    pub fn is_same_value(self, other: RequestId<'_>) -> bool {
        self.0 == other.0
            || (self.0.len().max(other.0.len()) <= Self::COMPARED_LIMIT
                && self.value_key() == other.value_key())
    }

    /// What tells this id's value from every other: two ids have equal keys exactly if they are
    /// the [same value](Self::is_same_value).
    ///
    /// For tables of ids; to make one takes as long as the id is.
    ///
    /// ```
    /// use mcp_session_core::peek;
    ///
    /// let key = |body: &'static str| peek(body.as_bytes()).id().map(|id| id.value_key());
    ///
    /// assert_eq!(key(r#"{"id":7,"result":{}}"#), key(r#"{"id":70e-1,"method":"ping"}"#));
    /// assert_ne!(key(r#"{"id":7,"result":{}}"#), key(r#"{"id":"7","result":{}}"#));
    /// ```
    pub fn value_key(self) -> RequestIdKey {
        if let Some(key) = counted_key(self.0.as_bytes()) {
            return key;
        }
        let by_value = || match quoted(self.0) {
            Some(plain) if !plain.contains(&b'\\') => Some(RequestIdKey::of([b"\"", plain])),
            Some(_) => {
                json::string_bytes(self.0).map(|bytes| RequestIdKey::of([b"\"", bytes.as_slice()]))
            }
            None => number_key(self.0),
        };
        let is_short = self.0.len() <= Self::COMPARED_LIMIT;
        // Too long or too large to be compared by its value, it equals none but itself.
        let by_spelling = || RequestIdKey::of([b"?", self.0.as_bytes()]);
        is_short.then(by_value).flatten().unwrap_or_else(by_spelling)
    }

    /// The same id as a value of the other type: `"7"` of `7`, and `7` of `"7"`. The SDKs count
    /// their requests, and take either for an answer's. `None` of any but an integer.
    ///
    /// A text is read as they read it, by Python's [`int`], but for digits of other scripts.
    ///
    /// [`int`]: https://docs.python.org/3/library/functions.html#int
    #[cfg(any(feature = "client", feature = "sessions"))]
    pub(crate) fn in_other_type(self) -> Option<String> {
        match json::string(self.0) {
            Some(text) => integer_in(&text),
            None => is_integer(self.0).then(|| format!("\"{}\"", self.0)),
        }
    }

    /// The key under which an id is remembered; `None` for one of more than
    /// [`REMEMBERED_LIMIT`](Self::REMEMBERED_LIMIT) bytes.
    pub(crate) fn key(self) -> Option<RequestIdKey> {
        (self.0.len() <= Self::REMEMBERED_LIMIT).then(|| self.value_key())
    }
}

impl fmt::Debug for RequestId<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// The value of a JSON-RPC id, as [`RequestId::value_key`] makes it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestIdKey(Key);

/// Nearly every id is short, and then takes no allocation. Which of the two a key is follows from
/// its length, so that equal keys are equal here.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    /// The length, and the bytes with zeros behind.
    Short(u8, [u8; 22]),
    Long(Box<[u8]>),
}

impl RequestIdKey {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Key::Short(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Key::Long(bytes) => bytes,
        }
    }

    /// Inlined, so that parts of a known length are no calls.
    #[inline(always)]
    fn of<const N: usize>(parts: [&[u8]; N]) -> Self {
        let mut bytes = [0; 22];
        let mut length = 0;
        for part in parts {
            let Some(place) = bytes.get_mut(length..length + part.len()) else {
                return Self(Key::Long(parts.concat().into()));
            };
            place.copy_from_slice(part);
            length += part.len();
        }
        match u8::try_from(length) {
            Ok(length) => Self(Key::Short(length, bytes)),
            Err(_) => Self(Key::Long(parts.concat().into())),
        }
    }
}

impl fmt::Debug for RequestIdKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may be of any length, and is no text to be read.
        formatter.debug_struct("RequestIdKey").finish_non_exhaustive()
    }
}

/// The key of a number as most clients count their requests, which [`number_key`] would make too:
/// a few digits without outer zeros.
#[inline]
fn counted_key(number: &[u8]) -> Option<RequestIdKey> {
    // A sign, and the eight bytes of an exponent of zero.
    const BEFORE: u8 = 9;
    let mut bytes = [0; 22];
    let [sign, digits @ ..] = &mut bytes;
    let digits = digits.get_mut(usize::from(BEFORE) - 1..)?;
    let length = u8::try_from(number.len()).ok()?;
    if number.len() > digits.len()
        || matches!(number, [] | [b'0', ..] | [.., b'0'])
        || !number.iter().all(u8::is_ascii_digit)
    {
        return None;
    }
    *sign = b'+';
    for (place, digit) in digits.iter_mut().zip(number) {
        *place = *digit;
    }
    Some(RequestIdKey(Key::Short(BEFORE + length, bytes)))
}

/// Whether these are the digits of an integer, with a sign or without.
#[cfg(any(feature = "client", feature = "sessions"))]
pub(super) fn is_integer(digits: &str) -> bool {
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit())
}

/// The integer that a text stands for, as Python reads it: `7` of `" +7 "`, and of `"0_7"` `07`.
#[cfg(any(feature = "client", feature = "sessions"))]
fn integer_in(text: &str) -> Option<String> {
    // What Python takes for white space beyond Unicode's.
    let is_space = |it: char| it.is_whitespace() || matches!(it, '\u{1c}'..='\u{1f}');
    let trimmed = text.trim_matches(is_space);
    let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let are_digits = |group: &str| !group.starts_with('-') && is_integer(group);
    let sign = if trimmed.starts_with('-') { "-" } else { "" };
    unsigned.split('_').all(are_digits).then(|| format!("{sign}{}", unsigned.replace('_', "")))
}

/// What stands between the quotes of a JSON string; `None` for a number.
fn quoted(value: &str) -> Option<&[u8]> {
    value.as_bytes().strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// The key of a JSON number, by its exact value. `None` where the exponent is beyond all measure;
/// such a number equals none but itself.
fn number_key(number: &str) -> Option<RequestIdKey> {
    let (sign, unsigned) = number.strip_prefix('-').map_or((b'+', number), |rest| (b'-', rest));
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return decimal_key(sign, unsigned.as_bytes(), 0);
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent =
        exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    decimal_key(sign, [whole, fraction].concat().as_bytes(), exponent)
}

/// Sign, power of ten, and digits without outer zeros.
#[inline]
fn decimal_key(sign: u8, digits: &[u8], exponent: i64) -> Option<RequestIdKey> {
    let is_other = |digit: &u8| *digit != b'0';
    let (Some(first), Some(last)) =
        (digits.iter().position(is_other), digits.iter().rposition(is_other))
    else {
        return Some(RequestIdKey::of([b"+", &0_i64.to_be_bytes(), b""]));
    };
    let behind = digits.len() - 1 - last;
    let exponent = exponent.checked_add(i64::try_from(behind).ok()?)?;
    let digits = digits.get(first..=last)?;
    Some(RequestIdKey::of([&[sign], &exponent.to_be_bytes(), digits]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ids_have_one_key_exactly_if_they_are_the_same_value() {
        let ids = [
            "0",
            "-0",
            "0e9",
            "7",
            "7.0",
            "70e-1",
            "-7",
            "70",
            "1e400",
            "10e399",
            "1e-400",
            "18446744073709551616",
            "18446744073709551617",
            "1e99999999999999999999",
            "1e99999999999999999998",
            r#""7""#,
            r#""+7""#,
            r#""""#,
            r#""a""#,
            r#""\u0061""#,
            r#""A""#,
            r#""\ud800""#,
            r#""\uD800""#,
            r#""\\""#,
            r#""\u005c""#,
        ];
        for left in ids.map(RequestId) {
            for right in ids.map(RequestId) {
                let is_same = left.key() == right.key();

                assert_eq!(left.is_same_value(right), is_same, "{left:?} {right:?}");
            }
        }
    }

    #[test]
    fn a_number_as_requests_are_counted_has_the_key_of_any_other_spelling_of_it() {
        for digits in 1..=24 {
            for last in ["1", "0"] {
                let number = std::format!("{:9<1$}{last}", "", digits - 1);
                let spelled = std::format!("{number}.0");
                let expected = RequestId(&spelled).key();

                assert_eq!(expected, RequestId(&number).key(), "{number}");
                assert_eq!(expected, number_key(&number), "{number}");
            }
        }
    }

    #[test]
    fn an_id_of_more_than_1024_bytes_has_no_key() {
        for (length, has_key) in [(1024, true), (1025, false)] {
            let digits = "7".repeat(length);
            assert_eq!(has_key, RequestId(&digits).key().is_some(), "{length}");
            let string = std::format!("\"{}\"", "x".repeat(length - 2));
            assert_eq!(has_key, RequestId(&string).key().is_some(), "{length}");
        }
    }
}
