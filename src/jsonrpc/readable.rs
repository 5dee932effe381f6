//! Texts in which the SDKs read another thing than the grammar of JSON has.
//!
//! pydantic, by which the Python SDKs read, refuses a lone surrogate, which the grammar has, and
//! takes `NaN` and `Infinity`, which it has not. JavaScript writes the first where a text was cut
//! within a character; Python's `json.dumps` writes the others for what is no number.

use alloc::string::String;

const REPLACEMENT: &[u8] = b"\\ufffd";

/// Words that Python writes and reads for numbers, and a number that is as long.
const WORDS: [(&str, &str); 2] = [("NaN", "0.0"), ("Infinity", "0.000000")];

/// The text with U+FFFD in place of each lone surrogate, in as many bytes; `None` if it has none.
pub(super) fn without_lone_surrogates(text: &str) -> Option<String> {
    let mut bytes = None;
    let mut at = text.find('\\')?;
    loop {
        let rest = text.as_bytes().get(at..)?;
        let length = match (unit(rest), rest.get(6..).and_then(unit)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(0xd800..0xe000), _) => {
                let bytes = bytes.get_or_insert_with(|| text.as_bytes().to_vec());
                bytes.get_mut(at..at + 6)?.copy_from_slice(REPLACEMENT);
                6
            }
            (Some(_), _) => 6,
            (None, _) => 2,
        };
        let Some(next) = text.get(at + length..).and_then(|behind| behind.find('\\')) else {
            break;
        };
        at += length + next;
    }
    String::from_utf8(bytes?).ok()
}

/// The text with a number in place of each word for one, in as many bytes; `None` if it has none.
pub(super) fn with_numbers_for_words(text: &str) -> Option<String> {
    if !WORDS.iter().any(|(word, _)| text.contains(word)) {
        return None;
    }
    let mut numbers = text.as_bytes().to_vec();
    let (mut at, mut is_in_string) = (0, false);
    while let Some(byte) = text.as_bytes().get(at) {
        match (is_in_string, byte) {
            (true, b'\\') => at += 1,
            (_, b'"') => is_in_string = !is_in_string,
            (false, b'N' | b'I') => {
                if let Some((word, number)) = word_at(text, at) {
                    numbers.get_mut(at..at + word.len())?.copy_from_slice(number.as_bytes());
                }
            }
            (true | false, _) => {}
        }
        at += 1;
    }
    String::from_utf8(numbers).ok()
}

/// The word that stands here, alone.
fn word_at(text: &str, at: usize) -> Option<(&'static str, &'static str)> {
    let (before, rest) = text.split_at_checked(at)?;
    let (word, number) = WORDS.into_iter().find(|(word, _)| rest.starts_with(word))?;
    let is_begun = match before.as_bytes().last() {
        Some(b'-') => word == "Infinity",
        Some(b':' | b',' | b'[' | b' ' | b'\t' | b'\n' | b'\r') => true,
        Some(_) | None => false,
    };
    let next = rest.as_bytes().get(word.len());
    let is_ended = matches!(next, Some(b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r'));
    (is_begun && is_ended).then_some((word, number))
}

/// The unit of UTF-16 that is escaped here.
fn unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    let is_number = digits.iter().all(u8::is_ascii_hexdigit);
    let digits = core::str::from_utf8(digits).ok().filter(|_| is_number)?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_surrogate_becomes_the_replacement_character_and_nothing_else_does() {
        for (text, expected) in [
            (r#"["\ud800"]"#, Some(r#"["\ufffd"]"#)),
            (r#"["\uDFFFx\udbffy"]"#, Some(r#"["\ufffdx\ufffdy"]"#)),
            (r#"["\ud83d\ud83d\ude00"]"#, Some(r#"["\ufffd\ud83d\ude00"]"#)),
            (r#"["\ud83d\n\\\ude00"]"#, Some(r#"["\ufffd\n\\\ufffd"]"#)),
            (r#"["\ud83d\ude00 \\ud800 \u00e9 \\"]"#, None),
            (r#"["\u+800 \ud8"]"#, None),
            (r#"[""]"#, None),
            ("\\", None),
        ] {
            assert_eq!(expected, without_lone_surrogates(text).as_deref(), "{text}");
        }
    }

    #[test]
    fn a_word_for_a_number_becomes_one_of_its_length_where_a_value_stands() {
        for (text, expected) in [
            ("[NaN]", "[0.0]"),
            (r#"{"a":NaN,"b": -Infinity }"#, r#"{"a":0.0,"b": -0.000000 }"#),
            ("[Infinity,\nNaN\n]", "[0.000000,\n0.0\n]"),
            (r#"["NaN","\"NaN",NaN]"#, r#"["NaN","\"NaN",0.0]"#),
            ("[1NaN,NaN5,-NaN,NaNa,aNaN]", "[1NaN,NaN5,-NaN,NaNa,aNaN]"),
            ("NaN", "NaN"),
        ] {
            assert_eq!(Some(expected), with_numbers_for_words(text).as_deref(), "{text}");
        }
        assert_eq!(None, with_numbers_for_words(r#"{"a":[null,1]}"#));
    }
}
