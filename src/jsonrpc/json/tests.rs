//! The reader, held against `serde_json`.

use alloc::borrow::{Cow, ToOwned as _};
use alloc::{format, vec};

use mcp_session_testing::cases;
use proptest::prelude::*;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::*;

const NAMES: [&str; 3] = ["id", "method", ""];

/// What [`members`] is to be, as `serde_json` reads it.
fn members_by_serde<'a, const N: usize>(
    text: &'a str,
    names: [&str; N],
) -> Option<[Member<'a>; N]> {
    struct Members<'n, const N: usize> {
        names: [&'n str; N],
    }

    impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
        type Value = [Member<'de>; N];

        fn expecting(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
            let mut found = [Member::Absent; N];
            while let Some((name, value)) = object.next_entry::<&RawValue, &RawValue>()? {
                let name = bytes_by_serde(name.get());
                if let Some(index) = self.names.iter().position(|it| it.as_bytes() == name) {
                    found[index] = found[index].and(value.get());
                }
            }
            Ok(found)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(text);
    let members = reader.deserialize_map(Members { names }).ok()?;
    reader.end().ok()?;
    Some(members)
}

fn bytes_by_serde(string: &str) -> Vec<u8> {
    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            formatter.write_str("a string")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            Ok(bytes.to_vec())
        }
    }

    serde_json::Deserializer::from_str(string).deserialize_bytes(Bytes).unwrap()
}

fn elements_by_serde(text: &str) -> Option<Vec<&str>> {
    let elements = serde_json::from_str::<Vec<&RawValue>>(text).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// A number that is cut off is not "the end of the input" to `serde_json` but an error, so
/// that it has no answer where the text ends in what may be one. An escape that is cut off is
/// the end to it whatever its digits are, so that it is asked with the missing ones.
fn begins_object_by_serde(start: &str) -> Option<bool> {
    let may_be_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    if start.as_bytes().last().is_some_and(may_be_number) {
        return None;
    }
    let is_cut_escape = |at: usize| {
        let backslashes = start[..at].bytes().rev().take_while(|byte| *byte == b'\\').count();
        backslashes % 2 == 1 && start.len() - at <= 4
    };
    let cut = start.match_indices('u').map(|(at, _)| at).find(|at| is_cut_escape(*at));
    let text = format!("{start}{}", "0".repeat(cut.map_or(0, |at| at + 5 - start.len())));
    let error = serde_json::from_str::<IgnoredAny>(&text).err();
    Some(start.starts_with('{') && error.is_none_or(|error| error.is_eof()))
}

fn elements(text: &str) -> Option<Vec<&str>> {
    (first_byte(text) == Some(b'[') && is_valid(text)).then(|| all(Elements::of_valid(text)))
}

/// The elements; of each the members that are read with it are those of its text, and those that
/// may be passed over are no objects, or empty ones.
fn all(mut elements: Elements<'_>) -> Vec<&str> {
    let mut found = Vec::new();
    let mut others = 0;
    loop {
        let mut passing = elements.clone();
        let may_pass = passing.pass_over_others();
        let Some((text, members)) = elements.next_with_members(NAMES) else { break };
        assert_eq!(super::members(text, NAMES), members, "{text:?}");
        let is_other = !text.starts_with('{') || text == "{}";
        assert_eq!(is_other, may_pass, "{text:?}");
        others += usize::from(is_other);
        found.push(text);
    }
    let mut passing = Elements::of_valid(found.first().map_or("", |_| elements.text));
    let mut objects = 0;
    while {
        passing.pass_over_others();
        passing.next_with_members(NAMES).is_some()
    } {
        objects += 1;
    }
    assert_eq!(found.len() - others, objects);
    found
}

/// Asserts that `serde_json` reads this text as it is read here.
#[track_caller]
fn assert_agrees(text: &str) {
    assert_eq!(members_by_serde(text, NAMES), members(text, NAMES), "{text:?}");
    assert_eq!(elements_by_serde(text), elements(text), "{text:?}");
    assert_eq!(serde_json::from_str::<IgnoredAny>(text).is_ok(), is_valid(text), "{text:?}");
    if let Some(begins) = begins_object_by_serde(text) {
        assert_eq!(begins, begins_object(text.as_bytes()), "{text:?}");
    }
    if text.starts_with('"') && is_valid(text) {
        let string = text.trim_end();
        assert_eq!(Some(bytes_by_serde(string)), string_bytes(string), "{text:?}");
        assert_eq!(serde_json::from_str(string).ok(), super::string(string), "{text:?}");
    }
    // What begins an object, its beginnings do.
    if begins_object(text.as_bytes()) {
        for end in 1..text.len().min(64) {
            assert!(begins_object(&text.as_bytes()[..end]), "{:?}", &text.as_bytes()[..end]);
        }
    }
}

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
    for text in ["", "{}", "1", "[1", "[1]x", "[01]", "[1,]"] {
        assert!(elements(text).is_none(), "{text:?}");
    }
    let seen = elements(r#" [1, {"a":[2]} ,"x"] "#).unwrap();
    assert_eq!(["1", r#"{"a":[2]}"#, "\"x\""].as_slice(), seen);
    assert_eq!(0, elements("[ ]").unwrap().len());
    assert_eq!(0, all(Elements::none()).len());
}

#[test]
fn every_short_text_of_these_characters_is_read_as_serde_json_reads_it() {
    const CHARACTERS: &[u8] = br#"[]{},:"01 "#;
    for length in 1..=5 {
        for number in 0..CHARACTERS.len().pow(length) {
            let character =
                |place| CHARACTERS[number / CHARACTERS.len().pow(place) % CHARACTERS.len()];
            let text: Vec<u8> = (0..length).map(character).collect();
            let text = String::from_utf8(text).unwrap();
            assert_agrees(&text);
            assert_agrees(&format!("[{text}]"));
        }
    }
}

#[test]
fn every_four_characters_are_an_escape_only_if_they_are_hexadecimal_digits() {
    for number in 0..=u16::MAX {
        let [first, second] = number.to_be_bytes();
        for digits in [[first, second, b'0', b'f'], [b'9', b'A', first, second]] {
            let text = [br#""\u"#.as_slice(), &digits, b"\""].concat();
            if let Ok(text) = String::from_utf8(text) {
                assert_eq!(digits.iter().all(u8::is_ascii_hexdigit), is_valid(&text), "{text:?}");
            }
        }
    }
}

#[test]
fn every_code_unit_is_read_in_every_case() {
    for unit in 0..=u16::MAX {
        for text in [format!("\"\\u{unit:04x}\""), format!("\"\\u{unit:04X}\"")] {
            assert_eq!(Some(bytes_by_serde(&text)), string_bytes(&text), "{text:?}");
        }
    }
}

#[test]
fn nesting_is_read_up_to_the_limit_and_not_beyond() {
    for (levels, read) in [(DEPTH_LIMIT - 1, true), (DEPTH_LIMIT, false)] {
        for (open, close) in [("[", "]"), (r#"{"":"#, "}")] {
            let inner = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            let object = format!(r#"{{"deep":{inner}}}"#);

            assert_eq!(read, members(&object, ["deep"]).is_some(), "{levels} levels of {open}");
            assert_eq!(read, is_valid(&object), "{levels} levels of {open}");
            assert_eq!(read, begins_object(object.as_bytes()), "{levels} levels of {open}");
            assert_eq!(read, elements(&format!("[{inner}]")).is_some(), "{levels} of {open}");
        }
    }
}

#[test]
fn nesting_is_followed_across_every_border_of_what_it_is_kept_in() {
    for levels in (1..=3).flat_map(|words| 63 * words - 2..=63 * words + 2) {
        // Which of the levels are objects is told apart: none may close as the other kind.
        let kinds: Vec<bool> = (0..levels).map(|level| level % 3 == 0 || level % 7 == 2).collect();
        let open = |is_object: &bool| if *is_object { r#"{"":"# } else { "[" };
        let opened: String = kinds.iter().map(open).collect();
        let closed: String = kinds.iter().rev().map(|it| if *it { '}' } else { ']' }).collect();

        assert_agrees(&format!("{opened}1{closed}"));
        assert_agrees(&format!(r#"{{"id":{opened}1{closed},"method":2}}"#));
        assert_agrees(&format!("[{opened}1{closed},{opened}{closed}]"));
        for wrong in 0..levels {
            let mut closed = closed.clone().into_bytes();
            closed[wrong] = if closed[wrong] == b'}' { b']' } else { b'}' };
            let closed = String::from_utf8(closed).unwrap();
            assert!(!is_valid(&format!("{opened}1{closed}")), "{levels} levels, {wrong}");
        }
    }
}

#[test]
fn nesting_is_measured_however_many_brackets_there_are_besides() {
    let siblings = "[],".repeat(DEPTH_LIMIT);
    for (levels, read) in [(DEPTH_LIMIT - 1, true), (DEPTH_LIMIT, true), (DEPTH_LIMIT + 1, false)] {
        let (opened, closed) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        let body = format!("[{siblings}{opened}{closed}]");

        assert_eq!(read, is_valid(&body), "{levels} levels");
    }
}

#[test]
fn brackets_within_strings_are_no_nesting() {
    let body = format!(r#"["\"\\{}"]"#, "[".repeat(2 * DEPTH_LIMIT));

    assert!(is_valid(&body));
}

#[test]
fn an_object_has_begun_until_it_is_broken() {
    for start in ["{", "{ ", r#"{"id""#, r#"{"id":"#, r#"{"id":7}"#, r#"{"id":7} "#] {
        assert!(begins_object(start.as_bytes()), "{start}");
    }
    for value in ["7", "-", "7.", "-7.5", "7e", "7E+", "7e-1", "tru", "f", "n", r#""\"#, r#""\u0"#]
    {
        let cut = format!(r#"{{"id":{value}"#);
        assert!(begins_object(cut.as_bytes()), "{cut}");
    }
    for start in ["", " ", " {", "[", "7", "\"", "x{", "{x", "{7}", "{}x", r#"{"id":7x"#] {
        assert!(!begins_object(start.as_bytes()), "{start}");
    }
    for value in ["01", "--", "7..", "7e+-", "trux", "nn", r#""\x"#, r#""\u0x"#, "\"\t", "]"] {
        let broken = format!(r#"{{"id":{value}"#);
        assert!(!begins_object(broken.as_bytes()), "{broken}");
    }
}

#[test]
fn a_string_is_compared_as_decoded() {
    assert!(string_is(r#""id""#, "id"));
    assert!(string_is(r#""\u0069\u0064""#, "id"));
    assert!(!string_is(r#""\u0069\u0064x""#, "id"));
    assert!(!string_is(r#""\u0069""#, "id"));
    assert!(string_is(r#""\ud83d\ude00\/\n""#, "\u{1f600}/\n"));
    assert!(!string_is("7", "7"));
    assert!(!string_is("\"", ""));
    assert_eq!(Some(b"\xED\xA0\x80".to_vec()), string_bytes(r#""\ud800""#));
    assert_eq!(None, string_bytes("7"));
    assert_eq!(None, string(r#""\ud800""#));
}

#[test]
fn every_escape_is_decoded_as_serde_json_decodes_it() {
    for unit in 0..=0xFFFF_u32 {
        assert_agrees(&format!(r#""\u{unit:04x}""#));
    }
    for unit in (0..=0xFFFF).step_by(0x7F) {
        for pair in [0xD7FF, 0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xE000] {
            assert_agrees(&format!(r#""\u{unit:04X}\u{pair:04x}""#));
            assert_agrees(&format!(r#""\u{pair:04X}\u{unit:04x}\u{pair:04x}""#));
        }
    }
    for byte in 0..=0x7F_u8 {
        assert_agrees(&format!(r#""\{}x""#, char::from(byte)));
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
                char::from(ALPHABET[index])
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
        for before in (0..20).chain([39, 40, 41, 47, 48, 71]) {
            for behind in [0, 1, 2, 7, 8, 9, 40] {
                for neighbour in ["x", " ", "!", "#", "[", "]", "é", "\u{7f}"] {
                    let text = format!(
                        r#"{{"id":"{}{}{}"}}"#,
                        neighbour.repeat(before),
                        char::from(byte),
                        neighbour.repeat(behind),
                    );
                    assert_eq!(
                        serde_json::from_str::<IgnoredAny>(&text).is_ok(),
                        is_valid(&text),
                        "{text:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_beginning_of_a_string_is_the_one_of_what_it_stands_for() {
    for spelled in [r#""aé\n""#, r#""\u0061\u00e9\u000a""#, r#""a\u00e9\n""#] {
        for (limit, beginning) in
            [(0, ""), (1, "a"), (2, "a"), (3, "aé"), (4, "aé\n"), (99, "aé\n")]
        {
            let found = string_beginning(spelled, limit);
            assert_eq!(Some(beginning.to_owned()), found, "{spelled} {limit}");
        }
    }
    assert_eq!(None, string_beginning("null", 9));
}

fn token() -> impl Strategy<Value = Cow<'static, str>> {
    let tokens = vec![
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
        3 => prop::sample::select(tokens).prop_map(Cow::Borrowed),
        1 => "[ -~]{0,12}".prop_map(Cow::Owned),
    ]
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("false".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3})?([eE][+-]?[0-9])?",
        "\"([ !#-\\[\\]-~é]|\\\\[\"\\\\/bfnrt]|\\\\u[0d][08][0-9a-f]{2}){0,60}\"",
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = "\"(id|method|[a-z]{0,9}|\\\\u0069d)\"";
        let space = "[ \t\r\n]{0,1}";
        let member = (space, name, space, inner.clone())
            .prop_map(|(before, name, behind, value)| format!("{before}{name}{behind}:{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|all| format!("[{}]", all.join(","))),
            prop::collection::vec(member, 0..5).prop_map(|all| format!("{{{}}}", all.join(","))),
        ]
    })
}

const CASES: u32 = 4096;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(CASES)))]

    #[test]
    fn a_string_that_is_cut_in_an_escape_is_read_as_serde_json_reads_it(
        before in "(\\\\|[a-z]){0,3}", behind in "[0-9a-gA-G\"}\\\\é]{0,4}",
    ) {
        assert_agrees(&format!("{{\"{before}\\u{behind}"));
        assert_agrees(&format!("{{\"id\":\"{before}\\u{behind}"));
    }

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

    #[test]
    fn a_string_stands_for_what_serde_json_makes_of_it(
        string in "\"([ !#-\\[\\]-~é]|\\\\[\"\\\\/bfnrt]|\\\\u[0d][08][0-9a-f]{2}){0,60}\"",
    ) {
        let bytes = bytes_by_serde(&string);
        let decoded = string_bytes(&string);
        prop_assert_eq!(Some(&bytes), decoded.as_ref());
        if let Ok(text) = String::from_utf8(bytes) {
            prop_assert!(string_is(&string, &text));
            let longer = format!("{text}x");
            prop_assert!(!string_is(&string, &longer));
        }
    }
}
