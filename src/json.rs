//! A bounded look into JSON, by `serde_json`.
//!
//! Nothing is built and nothing copied: members are handed out as slices of the text.
//! Values are skipped by `serde_json`'s iterative reader, which recurses into nothing and
//! spends one byte a level of nesting.

mod plain;

use alloc::vec::Vec;
use core::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Nesting beyond this many levels is not read; it bounds the memory a body can cost.
pub(crate) const DEPTH_LIMIT: usize = 1 << 20;

/// A member of an object that was asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member<'a> {
    Absent,
    /// Its value, as it stands in the text.
    Once(&'a str),
    /// The last of several.
    Repeated(&'a str),
}

impl<'a> Member<'a> {
    /// The value that a reader which lets the last one win would see.
    pub(crate) fn last(self) -> Option<&'a str> {
        match self {
            Self::Absent => None,
            Self::Once(value) | Self::Repeated(value) => Some(value),
        }
    }

    /// This member with one more of its name behind it.
    fn and(self, value: &'a str) -> Self {
        match self {
            Self::Absent => Self::Once(value),
            Self::Once(_) | Self::Repeated(_) => Self::Repeated(value),
        }
    }

    /// The value, if there is no other.
    pub(crate) fn once(self) -> Option<&'a str> {
        match self {
            Self::Once(value) => Some(value),
            Self::Absent | Self::Repeated(_) => None,
        }
    }
}

/// The text of a body that is worth reading: UTF-8, and not nested too deeply.
pub(crate) fn text(body: &[u8]) -> Option<&str> {
    // A body of fewer bytes than the limit cannot nest beyond it, nor can one with fewer
    // brackets; counting those is many times faster than telling which are in strings.
    if body.len() > DEPTH_LIMIT && opening_brackets(body) > DEPTH_LIMIT && nests_beyond_limit(body)
    {
        return None;
    }
    core::str::from_utf8(body).ok()
}

/// Reads `text` whole as one JSON object and hands out the members of these names.
///
/// `None` if `text` is anything else. Names are compared as decoded, so `"\u0069d"` is
/// `"id"`.
pub(crate) fn members<'a, const N: usize>(
    text: &'a str,
    names: [&str; N],
) -> Option<[Member<'a>; N]> {
    plain::members(text, &names).or_else(|| members_by_serde(text, names))
}

/// As [`members`], and what that is to be. Cold, because what is read here takes so long that
/// the way to it does not matter.
#[cold]
fn members_by_serde<'a, const N: usize>(
    text: &'a str,
    names: [&str; N],
) -> Option<[Member<'a>; N]> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let members = reader.deserialize_map(Members { names }).ok()?;
    reader.end().ok()?;
    Some(members)
}

/// Reads `text` whole as one JSON array and shows each element, as it stands.
///
/// `None` if `text` is anything else; some elements may have been shown all the same.
pub(crate) fn elements<'a>(text: &'a str, show: impl FnMut(&'a str)) -> Option<()> {
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.deserialize_seq(Elements { show }).ok()?;
    reader.end().ok()
}

/// Whether `text` is, whole, one JSON value.
pub(crate) fn is_valid(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Whether these bytes are JSON so far, and begin an object.
pub(crate) fn begins_object(start: &[u8]) -> bool {
    // A number that is cut off is not "the end of the input" to `serde_json` but an error.
    let is_cut = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    let length = start.iter().rposition(|byte| !is_cut(byte)).map_or(0, |last| last + 1);
    let (whole, _) = start.split_at(length);
    whole.first() == Some(&b'{')
        && serde_json::from_slice::<IgnoredAny>(whole).err().is_none_or(|error| error.is_eof())
}

/// The first character of the value that `text` holds, leading white space passed over.
pub(crate) fn first_byte(text: &str) -> Option<u8> {
    text.bytes().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}

/// The bytes that a JSON string stands for; a lone surrogate is three bytes of WTF-8.
///
/// `None` if `value` is no string.
pub(crate) fn string_bytes(value: &str) -> Option<Vec<u8>> {
    struct Bytes;

    impl<'de> Visitor<'de> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a string")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            Ok(bytes.to_vec())
        }
    }

    if !value.starts_with('"') {
        return None;
    }
    serde_json::Deserializer::from_str(value).deserialize_bytes(Bytes).ok()
}

/// Whether the JSON string `value`, quotes included, stands for `expected`.
pub(crate) fn string_is(value: &str, expected: &str) -> bool {
    Spelled::of(value).is_some_and(|spelled| spelled.stands_for(expected))
}

/// A JSON string, to be compared with several.
enum Spelled<'a> {
    Plainly(&'a str),
    /// With its quotes.
    WithEscapes(&'a str),
}

impl<'a> Spelled<'a> {
    fn of(value: &'a str) -> Option<Self> {
        let inner = value.strip_prefix('"')?.strip_suffix('"')?;
        Some(if inner.contains('\\') { Self::WithEscapes(value) } else { Self::Plainly(inner) })
    }

    fn stands_for(&self, expected: &str) -> bool {
        match self {
            Self::Plainly(inner) => *inner == expected,
            // The longest spelling of a character is `\u0000`, six bytes for one; a longer
            // text need not be decoded, and so costs no memory.
            Self::WithEscapes(value) => {
                value.len() <= expected.len().saturating_mul(6).saturating_add(2)
                    && string_bytes(value).is_some_and(|bytes| bytes == expected.as_bytes())
            }
        }
    }
}

struct Members<'n, const N: usize> {
    names: [&'n str; N],
}

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Member<'de>; N];

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut found = [Member::Absent; N];
        while let Some(key) = object.next_key::<&'de RawValue>()? {
            let key = Spelled::of(key.get());
            let asked = |name: &str| key.as_ref().is_some_and(|key| key.stands_for(name));
            let slot = self.names.iter().zip(&mut found).find(|(name, _)| asked(name));
            if let Some((_, member)) = slot {
                let value = object.next_value::<&'de RawValue>()?.get();
                *member = member.and(value);
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

struct Elements<F> {
    show: F,
}

impl<'de, F: FnMut(&'de str)> Visitor<'de> for Elements<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut array: A) -> Result<(), A::Error> {
        while let Some(element) = array.next_element::<&'de RawValue>()? {
            (self.show)(element.get());
        }
        Ok(())
    }
}

fn opening_brackets(body: &[u8]) -> usize {
    // As many as fit a byte at a time, which is what lets the compiler count them side by side.
    let count = |bytes: &[u8]| -> u8 {
        bytes.iter().map(|byte| u8::from(matches!(byte, b'[' | b'{'))).sum()
    };
    body.chunks(128).map(|bytes| usize::from(count(bytes))).sum()
}

fn nests_beyond_limit(body: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > DEPTH_LIMIT {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    false
}

fn skip_string(bytes: &mut core::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    #[test]
    fn members_are_found_under_every_spelling_of_their_name() {
        let object = r#"{"\u0069d" : 7 , "i\u0064":8, "other":{"id":9}, "\ud800":1}"#;

        assert_eq!(Some([Member::Repeated("8"), Member::Absent]), members(object, ["id", "none"]));
    }

    #[test]
    fn what_is_no_object_has_no_members() {
        for text in ["", "[]", "1", r#"{"id":1"#, r#"{"id":1}x"#, r#"{"id":1}{}"#, r#"{"id":01}"#] {
            assert_eq!(None, members(text, ["id"]), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_array_has_no_elements() {
        for text in ["", "{}", "1", "[1", "[1]x", "[01]"] {
            assert_eq!(None, elements(text, |_| {}), "{text:?}");
        }
        let mut seen = Vec::new();
        assert_eq!(Some(()), elements(r#"[1, {"a":[2]} ,"x"]"#, |element| seen.push(element)));
        assert_eq!(["1", r#"{"a":[2]}"#, "\"x\""].as_slice(), seen);
    }

    #[test]
    fn nesting_is_read_up_to_the_limit_and_not_beyond() {
        for (levels, read) in [(DEPTH_LIMIT - 1, true), (DEPTH_LIMIT, false)] {
            let mut body = br#"{"deep":"#.to_vec();
            body.resize(body.len() + levels, b'[');
            body.resize(body.len() + levels, b']');
            body.push(b'}');

            let members = text(&body).and_then(|text| members(text, ["deep"]));

            assert_eq!(read, members.is_some(), "{levels} levels inside the object");
        }
    }

    #[test]
    fn nesting_is_measured_however_many_brackets_there_are_besides() {
        let siblings = "[],".repeat(DEPTH_LIMIT);
        for (levels, read) in
            [(DEPTH_LIMIT - 1, true), (DEPTH_LIMIT, true), (DEPTH_LIMIT + 1, false)]
        {
            let (opened, closed) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
            let body = format!("[{siblings}{opened}{closed}]");

            assert_eq!(read, text(body.as_bytes()).is_some(), "{levels} levels");
        }
    }

    #[test]
    fn brackets_within_strings_are_no_nesting() {
        let mut body = br#"["\"\\"#.to_vec();
        body.resize(body.len() + 2 * DEPTH_LIMIT, b'[');
        body.extend(br#""]"#);

        assert!(text(&body).is_some_and(is_valid));
    }

    #[test]
    fn an_object_has_begun_until_it_is_broken() {
        for start in ["{", "{ ", r#"{"id""#, r#"{"id":"#, r#"{"id":7}"#, r#"{"id":7} "#] {
            assert!(begins_object(start.as_bytes()), "{start}");
        }
        for number in ["7", "-", "7.", "-7.5", "7e", "7E+", "7e-1"] {
            let cut = format!(r#"{{"id":{number}"#);
            assert!(begins_object(cut.as_bytes()), "{cut}");
        }
        for start in ["", " ", " {", "[", "7", "\"", "x{", "{x", "{7}", "{}x", r#"{"id":7x"#] {
            assert!(!begins_object(start.as_bytes()), "{start}");
        }
    }

    #[test]
    fn a_string_is_compared_as_decoded() {
        assert!(string_is(r#""id""#, "id"));
        assert!(string_is(r#""\u0069\u0064""#, "id"));
        assert!(!string_is(r#""\u0069\u0064x""#, "id"));
        assert!(!string_is("7", "7"));
        assert!(!string_is("\"", ""));
        assert_eq!(Some(b"\xED\xA0\x80".to_vec()), string_bytes(r#""\ud800""#));
        assert_eq!(None, string_bytes("7"));
    }
}
