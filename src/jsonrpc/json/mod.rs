//! A bounded look into JSON.
//!
//! Nothing is built and nothing copied: members and elements are handed out as slices of the
//! text. There is one reader for all of it, [`grammar`]; the tests hold it against `serde_json`.

mod grammar;
mod spelling;

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use grammar::{Fault, numbers_end, space_end, value_end};
use spelling::Spelled;

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

/// The text of a body that is worth reading: UTF-8.
pub(crate) fn text(body: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(body).ok()
}

/// Reads `text` whole as one JSON object and hands out the members of these names.
///
/// `None` if `text` is anything else. Names are compared as decoded, so `"\u0069d"` is
/// `"id"`.
pub(crate) fn members<'a, const N: usize>(
    text: &'a str,
    names: [&str; N],
) -> Option<[Member<'a>; N]> {
    members_inlined(text, names)
}

/// As [`members`]; where the names are known, comparing with them costs half as much.
#[inline(always)]
pub(crate) fn members_inlined<'a, const N: usize>(
    text: &'a str,
    names: [&str; N],
) -> Option<[Member<'a>; N]> {
    let (found, end) = members_at(text, space_end(text.as_bytes(), 0), names)?;
    is_end(text, end).then_some(found)
}

const USUAL: &[u8] = br#"{"jsonrpc":"2.0","#;

/// The members of these names of the object that stands at `start`, and where it ends.
#[inline(always)]
fn members_at<'a, const N: usize>(
    text: &'a str,
    start: usize,
    names: [&str; N],
) -> Option<([Member<'a>; N], usize)> {
    let mut found = [Member::Absent; N];
    let bytes = text.as_bytes();
    if bytes.get(start) != Some(&b'{') {
        return None;
    }
    // Nearly every message of the SDKs begins so, and nobody asks for the version.
    let begins_as_usual =
        !names.contains(&"jsonrpc") && bytes.get(start..start + USUAL.len()) == Some(USUAL);
    let mut at = if begins_as_usual { start + USUAL.len() } else { space_end(bytes, start + 1) };
    let mut is_closed = bytes.get(at) == Some(&b'}') && !begins_as_usual;
    while !is_closed {
        let (which, behind_name) = match asked_for_plainly(bytes, at, &names) {
            Some(asked_for) => asked_for,
            None => asked_for(bytes, at, &names)?,
        };
        let start = space_end(bytes, behind_name);
        let end = value_end(bytes, start, DEPTH_LIMIT - 1).ok()?;
        if let Some(member) = which.and_then(|which| found.get_mut(which)) {
            *member = member.and(text.get(start..end)?);
        }
        at = space_end(bytes, end);
        is_closed = match bytes.get(at)? {
            b',' => false,
            b'}' => true,
            _ => return None,
        };
        at += usize::from(!is_closed);
    }
    Some((found, at + 1))
}

/// As many bytes as one comparison takes on any machine, and more than most names need.
const BEGINNING: usize = 16;
const AROUND_NAME: usize = r#""":"#.len();

/// Which of the names the member at `at` has, and the place behind its colon.
///
/// Where a name that is asked for stands as nearly all write it, its colon right behind, it is
/// known before its end is looked for.
#[inline(always)]
fn asked_for_plainly<const N: usize>(
    text: &[u8],
    at: usize,
    names: &[&str; N],
) -> Option<(Option<usize>, usize)> {
    // Names that begin otherwise, with an escape above all, are spared the rest.
    let first = text.get(at + 1)?;
    if !names.iter().any(|name| name.as_bytes().first() == Some(first)) {
        return None;
    }
    let [b'"', inner @ ..] = grammar::chunk::<BEGINNING>(text, at)? else { return None };
    for (which, name) in names.iter().enumerate() {
        let rest = inner.strip_prefix(name.as_bytes());
        if rest.is_some_and(|rest| rest.starts_with(br#"":"#)) {
            return Some((Some(which), at + name.len() + AROUND_NAME));
        }
    }
    None
}

/// The same, however the name is spelled, and if it is none of them.
#[inline(always)]
fn asked_for<const N: usize>(
    text: &[u8],
    at: usize,
    names: &[&str; N],
) -> Option<(Option<usize>, usize)> {
    let name = grammar::name(text, at).ok()?;
    let inner = text.get(name.quoted.start + 1..name.quoted.behind - 1)?;
    let first = name.quoted.has_escape.then(|| spelling::first_byte(inner));
    let which = names.iter().position(|asked| match first {
        None => inner == asked.as_bytes(),
        // To decode a name for each that is asked for would cost more than the rest.
        Some(first) => {
            first == asked.as_bytes().first().copied() && spelling::stands_for(inner, asked)
        }
    });
    Some((which, name.behind))
}

/// The elements of an array.
#[derive(Clone, Debug)]
pub(crate) struct Elements<'a> {
    text: &'a str,
    /// The place of the bracket or the comma before the next one.
    at: usize,
}

impl<'a> Elements<'a> {
    /// `array` has been found to be valid.
    pub(crate) fn of_valid(array: &'a str) -> Self {
        Self { text: array, at: space_end(array.as_bytes(), 0) }
    }

    /// None at all.
    pub(crate) fn none() -> Self {
        Self { text: "", at: 0 }
    }

    /// Passes over those that are no objects, and over empty ones; says whether there were any.
    #[inline]
    pub(crate) fn pass_over_others(&mut self) -> bool {
        let text = self.text.as_bytes();
        let (begun, mut start) = (self.at, space_end(text, self.at + 1));
        while text.get(start) != Some(&b'{') || text.get(start + 1) == Some(&b'}') {
            let end = match text.get(start) {
                Some(b'0'..=b'9') => numbers_end(text, start),
                Some(_) | None => value_end(text, start, DEPTH_LIMIT),
            };
            let Ok(end) = end else { break };
            self.at = space_end(text, end);
            start = space_end(text, self.at + 1);
        }
        self.at != begun
    }

    /// The next one; of an object, its members of these names as well, read in the same pass.
    #[inline(always)]
    pub(crate) fn next_with_members<const N: usize>(
        &mut self,
        names: [&str; N],
    ) -> Option<(&'a str, Option<[Member<'a>; N]>)> {
        let text = self.text.as_bytes();
        let start = space_end(text, self.at + 1);
        let (members, end) = match members_at(self.text, start, names) {
            Some((members, end)) => (Some(members), end),
            None => (None, value_end(text, start, DEPTH_LIMIT).ok()?),
        };
        self.at = space_end(text, end);
        Some((self.text.get(start..end)?, members))
    }
}

/// Whether `text` is, whole, one JSON value.
pub(crate) fn is_valid(text: &str) -> bool {
    value_end(text.as_bytes(), 0, DEPTH_LIMIT).is_ok_and(|end| is_end(text, end))
}

/// Whether these bytes are JSON so far, and begin an object. UTF-8 is not looked at.
pub(crate) fn begins_object(start: &[u8]) -> bool {
    start.first() == Some(&b'{')
        && match value_end(start, 0, DEPTH_LIMIT) {
            Ok(end) => space_end(start, end) == start.len(),
            Err(Fault::Cut) => true,
            Err(Fault::Broken) => false,
        }
}

/// The first character of the value that `text` holds, leading white space passed over.
pub(crate) fn first_byte(text: &str) -> Option<u8> {
    let text = text.as_bytes();
    text.get(space_end(text, 0)).copied()
}

/// The bytes that a JSON string stands for; a lone surrogate is three bytes of WTF-8.
///
/// `None` if `value` is no string.
pub(crate) fn string_bytes(value: &str) -> Option<Vec<u8>> {
    Spelled::of(value).map(Spelled::bytes)
}

/// The text that a JSON string stands for.
///
/// `None` if `value` is no string, or has a lone surrogate.
pub(crate) fn string(value: &str) -> Option<String> {
    String::from_utf8(string_bytes(value)?).ok()
}

/// The first characters that a JSON string stands for, at most so many bytes. A lone surrogate
/// reads as U+FFFD, once for each of the three bytes it would take.
///
/// `None` if `value` is no string.
pub(crate) fn string_beginning(value: &str, limit: usize) -> Option<String> {
    Spelled::of(value).map(|spelled| spelled.beginning(limit))
}

/// Whether the JSON string `value`, quotes included, stands for `expected`.
#[inline]
pub(crate) fn string_is(value: &str, expected: &str) -> bool {
    // An escape is longer than what it stands for, so most are told by their length.
    match value.len().cmp(&(expected.len() + 2)) {
        Ordering::Less => false,
        Ordering::Equal => spelling::is_plainly(value, expected),
        Ordering::Greater => spelling::is_with_escapes(value, expected),
    }
}

fn is_end(text: &str, at: usize) -> bool {
    space_end(text.as_bytes(), at) == text.len()
}

#[cfg(test)]
mod tests;
