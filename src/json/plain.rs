//! Reads objects that are short and plain at a glance.
//!
//! A message of a hundred bytes takes half the time that it takes through `serde_json`, which
//! hands out each name and value by way of its `RawValue`. Nothing is refused here: whatever is
//! not plain (an escape in a name, `\u`, a fraction, more than 64 levels), `serde_json` decides.
//! What is accepted is JSON, and its members are those that `serde_json` finds: the tests below
//! and the fuzz target `peek` hold one against the other.
//!
//! Every helper is inlined: as calls they would cost a third more.

use super::Member;

/// Texts longer than this are left to `serde_json` at once: one that turns out not to be
/// plain is read twice.
const LIMIT: usize = 4096;

/// The members of these names of the object that `text` is, whole.
///
/// `None` says nothing about `text`.
pub(super) fn members<'a, const N: usize>(
    text: &'a str,
    names: &[&str; N],
) -> Option<[Member<'a>; N]> {
    if text.len() > LIMIT {
        return None;
    }
    let mut found = [Member::Absent; N];
    let [b'{', rest @ ..] = behind_space(text.as_bytes()) else { return None };
    let mut rest = behind_space(rest);
    loop {
        let [b'"', quoted @ ..] = rest else { return None };
        let [b'"', after @ ..] = from_special(quoted)? else { return None };
        let name = quoted.get(..quoted.len() - after.len() - 1)?;
        let [b':', after @ ..] = behind_space(after) else { return None };
        let value = behind_space(after);
        rest = behind_value(value)?;
        if let Some(index) = names.iter().position(|asked| asked.as_bytes() == name) {
            let value = text.get(text.len() - value.len()..text.len() - rest.len())?;
            let member = found.get_mut(index)?;
            *member = member.and(value);
        }
        match behind_space(rest) {
            [b',', after @ ..] => rest = behind_space(after),
            [b'}', after @ ..] => return behind_space(after).is_empty().then_some(found),
            _ => return None,
        }
    }
}

/// What comes behind the value that `text` begins with.
#[inline(always)]
fn behind_value(text: &[u8]) -> Option<&[u8]> {
    let mut value = text;
    // One bit for each level, set for an object, below one that is always set.
    let mut levels = 1_u64;
    loop {
        let mut rest = match value {
            [b'"', inner @ ..] => behind_string(inner)?,
            [b'-', digits @ ..] => behind_number(digits)?,
            [b'0'..=b'9', ..] => behind_number(value)?,
            [b't', b'r', b'u', b'e', rest @ ..]
            | [b'f', b'a', b'l', b's', b'e', rest @ ..]
            | [b'n', b'u', b'l', b'l', rest @ ..] => rest,
            [b'{', inner @ ..] => match behind_space(inner) {
                [b'}', rest @ ..] => rest,
                inner => {
                    levels = levels.checked_mul(2)? + 1;
                    value = behind_name(inner)?;
                    continue;
                }
            },
            [b'[', inner @ ..] => match behind_space(inner) {
                [b']', rest @ ..] => rest,
                inner => {
                    levels = levels.checked_mul(2)?;
                    value = inner;
                    continue;
                }
            },
            _ => return None,
        };
        value = loop {
            if levels == 1 {
                return Some(rest);
            }
            let is_object = levels % 2 == 1;
            match (behind_space(rest), is_object) {
                ([b',', next @ ..], true) => break behind_name(behind_space(next))?,
                ([b',', next @ ..], false) => break behind_space(next),
                ([b'}', outer @ ..], true) | ([b']', outer @ ..], false) => rest = outer,
                (_, _) => return None,
            }
            levels /= 2;
        };
    }
}

/// What comes behind the name and the colon that `text` begins with: a value.
#[inline(always)]
fn behind_name(text: &[u8]) -> Option<&[u8]> {
    let [b'"', rest @ ..] = text else { return None };
    let [b':', rest @ ..] = behind_space(behind_string(rest)?) else { return None };
    Some(behind_space(rest))
}

/// What comes behind the string in which `text` begins.
#[inline(always)]
fn behind_string(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        rest = match from_special(rest)? {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => rest,
            _ => return None,
        }
    }
}

/// `text` from where something stands in it that is more than a character of a string: a
/// quote, a backslash or a control character.
#[inline(always)]
fn from_special(text: &[u8]) -> Option<&[u8]> {
    const WORD: usize = size_of::<u64>();
    const EACH: u64 = u64::from_le_bytes([1; WORD]);
    const QUOTES: u64 = EACH * b'"' as u64;
    const BACKSLASHES: u64 = EACH * b'\\' as u64;
    let mut rest = text;
    while let Some((word, behind)) = rest.split_first_chunk::<WORD>() {
        let word = u64::from_le_bytes(*word);
        // To subtract from a byte that is too small borrows into its highest bit. The lowest
        // such bit is right; a higher one may be there because of the borrow alone.
        let too_small = (word ^ QUOTES).wrapping_sub(EACH)
            | (word ^ BACKSLASHES).wrapping_sub(EACH)
            | word.wrapping_sub(EACH * 0x20);
        let specials = too_small & !word & (EACH << 7);
        if specials != 0 {
            return rest.get((specials.trailing_zeros() / u8::BITS) as usize..);
        }
        rest = behind;
    }
    let special = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20))?;
    rest.get(special..)
}

/// What comes behind the digits that `text` begins with, if those are the whole number.
#[inline(always)]
fn behind_number(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    while let [b'0'..=b'9', behind @ ..] = rest {
        rest = behind;
    }
    match (text, rest) {
        (_, [b'.' | b'e' | b'E', ..]) => None,
        ([b'0', ..], _) if text.len() - rest.len() > 1 => None,
        ([b'0'..=b'9', ..], _) => Some(rest),
        (_, _) => None,
    }
}

#[inline(always)]
fn behind_space(text: &[u8]) -> &[u8] {
    let mut rest = text;
    while let [b' ' | b'\t' | b'\n' | b'\r', behind @ ..] = rest {
        rest = behind;
    }
    rest
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned as _;
    use alloc::string::String;
    use std::format;

    use proptest::prelude::*;

    use super::*;
    use crate::json::members_by_serde;

    const NAMES: [&str; 3] = ["id", "method", ""];

    /// Asserts that `serde_json` finds what is found here, if anything is.
    #[track_caller]
    fn assert_agrees(text: &str) {
        if let Some(found) = members(text, &NAMES) {
            assert_eq!(Some(found), members_by_serde(text, NAMES), "{text:?}");
        }
    }

    #[test]
    fn what_clients_send_is_plain() {
        for body in [
            r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"a":{},"b":[]}}"#,
            r#"{"method":"tools/call","params":{"x":"a\nb \"c\" d"},"jsonrpc":"2.0","id":"a-1"}"#,
            r#" { "method" : "m" , "params" : [ -1 , 0 , true , false , null , "é" ] } "#,
        ] {
            assert!(members(body, &NAMES).is_some(), "{body}");
            assert_agrees(body);
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_serde_json() {
        for body in [
            "",
            "{}",
            "[1]",
            r#"{"i\u0064":1}"#,
            r#"{"id\n":1}"#,
            r#"{"id":"\u0061"}"#,
            r#"{"id":1.5}"#,
            r#"{"id":1e5}"#,
            r#"{"id":01}"#,
            r#"{"id":-}"#,
            r#"{"id":1}x"#,
            "{\"id\":\"\t\"}",
        ] {
            assert_eq!(None, members(body, &NAMES), "{body}");
        }
    }

    #[test]
    fn what_is_longer_than_the_limit_is_left_to_serde_json() {
        let around = r#"{"id":""}"#.len();
        for (length, plain) in [(LIMIT, true), (LIMIT + 1, false)] {
            let body = format!(r#"{{"id":"{}"}}"#, "x".repeat(length - around));

            assert_eq!(plain, members(&body, &NAMES).is_some(), "{length} bytes");
        }
    }

    #[test]
    fn nesting_is_followed_as_deep_as_its_bits_reach() {
        for (levels, plain) in [(1, true), (62, true), (63, true), (64, false), (65, false)] {
            let body = format!(r#"{{"id":{}1{}}}"#, "[".repeat(levels), "]".repeat(levels));

            assert_eq!(plain, members(&body, &NAMES).is_some(), "{levels}");
            assert_agrees(&body);
        }
    }

    #[test]
    fn every_short_text_is_read_as_serde_json_reads_it() {
        const ALPHABET: &[u8] = b"{}[]\":,01-.e\\ n\t";
        const LONGEST: u32 = 4;
        for length in 0..=LONGEST {
            for number in 0..ALPHABET.len().pow(length) {
                let character = |place: u32| {
                    let index = number / ALPHABET.len().pow(place) % ALPHABET.len();
                    char::from(*ALPHABET.get(index).unwrap())
                };
                let text: String = (0..length).map(character).collect();
                for text in [
                    format!("{{{text}}}"),
                    format!("{{\"id\":{text}}}"),
                    format!("{{\"id\":[{text}]}}"),
                    format!("{{\"id\":{{\"a\":{text}}}}}"),
                    format!("{{\"id\":\"{text}\"}}"),
                    format!("{{\"{text}\":1,\"id\":2}}"),
                    format!("{{\"id\":1{text}"),
                    format!("{text}{{\"id\":1}}{text}"),
                ] {
                    assert_agrees(&text);
                }
            }
        }
    }

    #[test]
    fn a_special_character_is_seen_wherever_it_stands_in_a_word() {
        for byte in 0..=0x7F_u8 {
            for before in 0..20 {
                for behind in 0..20 {
                    for neighbour in ["x", " ", "!", "#", "[", "]", "é", "\u{7f}"] {
                        assert_agrees(&format!(
                            r#"{{"id":"{}{}{}"}}"#,
                            neighbour.repeat(before),
                            char::from(byte),
                            neighbour.repeat(behind),
                        ));
                    }
                }
            }
        }
    }

    fn token() -> impl Strategy<Value = String> {
        const TOKENS: &[&str] = &[
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            " ",
            "\"",
            "\\",
            "-",
            "0",
            "1",
            ".",
            "e",
            "true",
            "fals",
            "null",
            "\"id\"",
            "\"method\"",
            "\"id\":",
            "\"\"",
            "\\n",
            "\\u0069",
            "\u{e9}",
            "\u{1}",
        ];
        prop_oneof![
            3 => prop::sample::select(TOKENS).prop_map(str::to_owned),
            1 => "[ -~]{0,12}",
        ]
    }

    fn value() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("false".to_owned()),
            "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3})?(e[0-9])?",
            "\"([ !#-\\[\\]-~é]|\\\\[\"\\\\/bfnrt]|\\\\u00[0-9a-f]{2}){0,20}\"",
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let name = "\"(id|method|[a-z]{0,9}|\\\\u0069d)\"";
            let space = "[ \t\r\n]{0,1}";
            let member =
                (space, name, space, inner.clone()).prop_map(|(before, name, behind, value)| {
                    format!("{before}{name}{behind}:{value}")
                });
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(|all| format!("[{}]", all.join(","))),
                prop::collection::vec(member, 0..5)
                    .prop_map(|all| format!("{{{}}}", all.join(","))),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn any_tokens_are_read_as_serde_json_reads_them(
            tokens in prop::collection::vec(token(), 0..16),
        ) {
            let text: String = tokens.concat();
            assert_agrees(&text);
            assert_agrees(&format!("{{\"id\":{text}}}"));
        }

        #[test]
        fn any_value_is_read_as_serde_json_reads_it(
            value in value(), at in any::<prop::sample::Index>(), token in token(),
        ) {
            let text = format!("{{\"method\":{value},\"id\" : {value} }}");
            assert_agrees(&text);
            assert_agrees(&value);
            // And with something put into it, or cut off.
            let at = (0..=at.index(text.len())).rev().find(|at| text.is_char_boundary(*at));
            let (before, behind) = text.split_at(at.unwrap_or_default());
            assert_agrees(&format!("{before}{token}{behind}"));
            assert_agrees(before);
            let mut behind = behind.chars();
            behind.next();
            assert_agrees(&format!("{before}{}", behind.as_str()));
        }
    }
}
