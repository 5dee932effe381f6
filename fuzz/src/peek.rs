//! `peek`, held against `serde_json::Value`, and against a second reader.

use std::borrow::Cow;
use std::fmt;

use allocation_counter::measure;
use mcp_session_core::{Answer, Era, Kind, LEGACY_VERSIONS, Message, RequestId, peek};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Error, Value};

use crate::independent_reader::{Json, json};

/// Asserts the invariant of the target `peek` for one body.
///
/// # Panics
///
/// The invariant does not hold: a finding.
pub fn check(body: &[u8]) {
    let message = peek(body);
    assert_borrowed(&message, body);
    assert_consistent(&message);
    assert_echoed(&message);
    match yardstick(body) {
        Yardstick::Read(expected) => expected.assert_agrees(&message),
        Yardstick::Refused => assert_eq!(peek(b""), message, "what is malformed says nothing"),
        Yardstick::TooDeep => {}
    }
    assert_second_reading(&message, body);
    assert_space_says_nothing(&message, body);
    assert_members(&message, body);
    assert_answers(&message, body);
    assert_bounded(&message, body);
}

/// Where `peek` rules otherwise than `serde_json::Value`, row by row of the table of rulings
/// in `src/jsonrpc/message.rs`. There are no other differences: any other is a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// "a second `id` or `method`": malformed, where `Value` lets the last one win.
    SecondIdOrMethod,
    /// "nesting up to 1,048,576 levels": read, where `Value` refuses more than 127.
    DeepNesting,
    /// "a number beyond `f64`": a number, where `Value` refuses it.
    NumberBeyondF64,
    /// "a lone surrogate": a string, where `Value` refuses it.
    LoneSurrogate,
}

impl Difference {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::SecondIdOrMethod, Self::DeepNesting, Self::NumberBeyondF64, Self::LoneSurrogate];

    /// The first difference that this body makes a case of.
    pub fn of(body: &[u8]) -> Option<Self> {
        match serde_json::from_slice::<Value>(body) {
            Ok(_) => second_id_or_method(body).then_some(Self::SecondIdOrMethod),
            Err(error) => Self::of_refusal(&error),
        }
    }

    /// The difference for which `Value` refuses a body; `None` if `peek` has to refuse it too.
    ///
    /// `serde_json` tells its errors apart in words only.
    fn of_refusal(error: &Error) -> Option<Self> {
        let said = error.to_string();
        [
            ("recursion limit exceeded", Self::DeepNesting),
            ("number out of range", Self::NumberBeyondF64),
            ("lone leading surrogate in hex escape", Self::LoneSurrogate),
            ("unexpected end of hex escape", Self::LoneSurrogate),
        ]
        .into_iter()
        .find_map(|(words, difference)| said.starts_with(words).then_some(difference))
    }
}

/// How deep the yardstick follows: it recurses, and a sanitizer makes its frames large.
const DEPTH_LIMIT: usize = 512;

/// What `peek` has to make of a body.
enum Yardstick {
    Read(Reading),
    /// `Value` refuses it, and for no reason that is a difference.
    Refused,
    /// `Value` refuses it as too deep, and it is too deep to be read all the same.
    TooDeep,
}

/// `Value` decides. Where it refuses a body because of a difference, it is asked about the
/// body with that [tamed](tame): else anything could hide behind a lone surrogate.
fn yardstick(body: &[u8]) -> Yardstick {
    let refusal = match serde_json::from_slice(body) {
        Ok(value) => return Yardstick::Read(Reading::of(&value, body)),
        Err(error) => Difference::of_refusal(&error),
    };
    if refusal.is_none() {
        return Yardstick::Refused;
    }
    let tamed = tame(body);
    if depth(&tamed) > DEPTH_LIMIT {
        return Yardstick::TooDeep;
    }
    match value_of_any_depth(&tamed) {
        Ok(value) => Yardstick::Read(Reading::of(&value, &tamed)),
        Err(_) => Yardstick::Refused,
    }
}

/// What a message is, as `Value` has it; `None` if it is too deep for that.
pub(crate) fn reading(body: &[u8]) -> Option<Reading> {
    match yardstick(body) {
        Yardstick::Read(reading) => Some(reading),
        Yardstick::Refused => Some(Reading::MALFORMED),
        Yardstick::TooDeep => None,
    }
}

/// What `Value` says of a body, in the terms of `peek`.
pub(crate) struct Reading {
    kind: Kind,
    method: Option<String>,
    id: Option<Value>,
    era: Era,
}

impl Reading {
    const MALFORMED: Self =
        Self { kind: Kind::Malformed, method: None, id: None, era: Era::Legacy };

    pub(crate) fn is_initialize(&self) -> bool {
        (self.kind, self.method.as_deref()) == (Kind::Request, Some("initialize"))
    }

    pub(crate) fn era(&self) -> Era {
        self.era
    }

    /// The id of a request, as far as `Value` holds it.
    pub(crate) fn request_id(&self) -> Option<&Value> {
        self.id.as_ref().filter(|_| self.kind == Kind::Request)
    }

    /// `body` is where `value` was read from: a `Value` no longer knows what was repeated.
    fn of(value: &Value, body: &[u8]) -> Self {
        match value {
            Value::Array(_) => Self { kind: Kind::Batch, ..Self::MALFORMED },
            Value::Object(_) if second_id_or_method(body) => Self::MALFORMED,
            Value::Object(_) => match value.get("method") {
                Some(method) => Self::of_call(method, value),
                None => Self::of_response(value),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Self::MALFORMED,
        }
    }

    fn of_call(method: &Value, value: &Value) -> Self {
        let kind = match (method, value.get("id")) {
            (Value::String(_), None) => Kind::Notification,
            (Value::String(_), Some(Value::String(_) | Value::Number(_))) => Kind::Request,
            (_, _) => return Self::MALFORMED,
        };
        Self {
            kind,
            method: method.as_str().map(str::to_owned),
            id: value.get("id").cloned(),
            era: if (kind, method.as_str()) == (Kind::Request, Some("initialize")) {
                Era::Legacy
            } else {
                era_named_by(value)
            },
        }
    }

    fn of_response(value: &Value) -> Self {
        if value.get("result").or_else(|| value.get("error")).is_none() {
            return Self::MALFORMED;
        }
        let id = value.get("id").filter(|id| id.is_string() || id.is_number());
        Self { kind: Kind::Response, id: id.cloned(), ..Self::MALFORMED }
    }

    fn assert_agrees(&self, message: &Message<'_>) {
        assert_eq!(self.kind, message.kind());
        assert_eq!(self.method.as_deref().map(squeezed), message.method().as_deref().map(squeezed));
        assert_eq!(self.id, message.id().map(|id| value_of_id(id.as_str())));
        assert_eq!(self.era, Era::of(None, Some(message)));
        if let (Some(expected), Some(id)) = (&self.id, message.id()) {
            assert_told_apart(expected, id);
        }
    }
}

/// White space around a message changes nothing, whatever word or chunk the reader then meets
/// each byte in.
fn assert_space_says_nothing(message: &Message<'_>, body: &[u8]) {
    for before in [1, 7, 32] {
        let spaced = [&[b' '; 32][..before], body, b"\r\n\t "].concat();
        assert_eq!(peek(&spaced), *message, "{before} blanks before");
    }
}

/// The members of a batch are the messages that its elements are, and nothing else has members.
fn assert_members(message: &Message<'_>, body: &[u8]) {
    let elements: Vec<&RawValue> = match message.kind() {
        Kind::Batch => serde_json::from_slice(body).expect("a batch is an array"),
        Kind::Request | Kind::Notification | Kind::Response | Kind::Malformed => Vec::new(),
    };
    let expected = elements.iter().map(|element| peek(element.get().as_bytes()));
    assert!(message.members().eq(expected), "{:?}", message.members());
}

/// A response answers the request of its id, unless all it has is an `error` of `null`; and so
/// does a batch that has it.
fn assert_answers(message: &Message<'_>, body: &[u8]) {
    let response: Option<Response<'_>> = serde_json::from_slice(body).ok();
    let is_answer = response.map(|response| response.is_answer());
    for answer in message.members().chain([*message]) {
        let Some(id) = answer.id() else { continue };
        let answers = answer.answers(id);
        assert!(!answers || answer.kind() == Kind::Response);
        if let (Kind::Response, Some(is_answer)) = (message.kind(), is_answer) {
            assert_eq!(is_answer, answers);
        }
        assert!(!answers || message.answers(id), "a batch answers what a member answers");
        let other = format!("[{}]", id.as_str());
        assert!(!peek(other.as_bytes()).answers(id), "an id is no answer");
    }
}

/// The members that make a response an answer; `serde_json` refuses one that repeats them.
#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

impl Response<'_> {
    fn is_answer(&self) -> bool {
        self.result.is_some() || self.error.is_some_and(|error| error.get() != "null")
    }
}

/// A member that is there, be it `null`.
fn present<'de, D: Deserializer<'de>>(member: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(member).map(Some)
}

fn era_named_by(value: &Value) -> Era {
    match value["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str() {
        None | Some("") => Era::Legacy,
        Some(version) if LEGACY_VERSIONS.contains(&version) => Era::Legacy,
        Some(_) => Era::Modern,
    }
}

/// Where the second reader reads a body, it reads the same message; and what it refuses, but
/// for a [difference](Difference) that it shares with `Value`, is malformed.
fn assert_second_reading(message: &Message<'_>, body: &[u8]) {
    let value = match json(body) {
        Json::Read(value) => value,
        Json::Refused => return assert_eq!(peek(b""), *message, "malformed to a second reader"),
        Json::Differs => return,
    };
    assert_eq!(value.kind(), message.kind(), "{value:?}");
    let method = message.method();
    let expected = value.sole("method").filter(|_| method.is_some());
    assert_eq!(expected.as_ref().and_then(|it| it.text()), method.as_deref(), "{value:?}");
    if let Some(id) = message.id() {
        let expected = value.sole("id").expect("as the kind says");
        assert_ne!(Some(false), expected.is_same(&value_of_id(id.as_str())), "{value:?}");
    }
}

/// To look at a body costs memory by its depth, not by its length, and no stack that grows
/// with either.
fn assert_bounded(message: &Message<'_>, body: &[u8]) {
    /// Less than a frame for each level of a body that nests as deep as `DEEP`.
    const STACK: usize = 64 * 1024;
    const DEEP: usize = 512;
    /// A bit for each; but a vector that grows doubles, and is copied while it does.
    const LEVELS_A_BYTE: u64 = 2;
    const OVERHEAD: u64 = 64;

    let depth = depth(body);
    let spent = measure(|| assert_eq!(*message, peek(body)));
    let allowed = u64::try_from(depth).expect("a depth") / LEVELS_A_BYTE + OVERHEAD;
    assert!(spent.bytes_max <= allowed, "{} bytes for {depth} levels", spent.bytes_max);

    if depth >= DEEP {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK);
            let peeked = thread.spawn_scoped(scope, || peek(body) == *message);
            assert!(peeked.expect("a thread").join().expect("a verdict"));
        });
    }
}

/// Nothing is copied: what is handed out points into the body.
fn assert_borrowed(message: &Message<'_>, body: &[u8]) {
    let within = body.as_ptr_range();
    let holds = |text: &str| {
        let text = text.as_bytes().as_ptr_range();
        within.start <= text.start && text.end <= within.end
    };
    assert!(message.id().is_none_or(|id| holds(id.as_str())));
    match message.method() {
        Some(Cow::Borrowed(method)) => assert!(holds(method)),
        Some(Cow::Owned(method)) => assert!(body.contains(&b'\\'), "{method:?} has no escapes"),
        None => {}
    }
}

fn assert_consistent(message: &Message<'_>) {
    let (has_method, has_id) = (message.method().is_some(), message.id().is_some());
    match message.kind() {
        Kind::Request => assert!(has_method && has_id),
        Kind::Notification => assert!(has_method && !has_id),
        Kind::Response => assert!(!has_method),
        Kind::Batch | Kind::Malformed => assert!(!has_method && !has_id),
    }
    assert_eq!(
        message.kind() == Kind::Request && message.method().as_deref() == Some("initialize"),
        message.is_initialize()
    );
}

/// An id goes into an answer as it stands, so it must not be able to say anything but
/// itself there.
fn assert_echoed(message: &Message<'_>) {
    let echoed = message.echoed_id();
    let expected = message
        .id()
        .filter(|id| message.kind() == Kind::Request && id.as_str().len() <= RequestId::ECHO_LIMIT);
    assert_eq!(expected.map(RequestId::as_str), echoed.map(RequestId::as_str));

    let body = Answer::not_found(echoed).body();

    assert!(serde_json::from_str::<IgnoredAny>(&body).is_ok(), "{body}");
    let answer = peek(body.as_bytes());
    assert_eq!(Kind::Response, answer.kind(), "{body}");
    assert_eq!(echoed.map(RequestId::as_str), answer.id().map(RequestId::as_str), "{body}");
}

/// The id as `serde_json` would write it is the same id, if that rounds nothing; and those
/// that resemble it are others.
fn assert_told_apart(expected: &Value, id: RequestId<'_>) {
    /// Ids longer than this are promised to be compared by their spelling only.
    const COMPARED: usize = 4096;

    if id.as_str().len() > COMPARED || expected.to_string().len() > COMPARED || is_tamed(id) {
        return;
    }
    let resembling = match (expected.as_str(), expected.as_i64(), expected.as_u64()) {
        (Some(text), _, _) => vec![Value::from(format!("{text}x")), Value::from(swapped(text))],
        (None, Some(number), _) => {
            vec![
                Value::from(number.wrapping_add(1)),
                Value::from(number.wrapping_mul(10)),
                Value::from(number.wrapping_neg()),
            ]
        }
        (None, None, Some(number)) => vec![Value::from(number - 1)],
        (None, None, None) => return,
    };
    for other in resembling.iter().chain([expected]) {
        let body = format!(r#"{{"id":{other},"method":"m"}}"#);
        let other_id = peek(body.as_bytes()).id().expect("an id, written here");
        assert_eq!(other == expected, id.is_same_value(other_id), "{id:?} {other}");
        assert_eq!(other == expected, other_id.is_same_value(id), "{id:?} {other}");
        assert_eq!(other == expected, id.value_key() == other_id.value_key(), "{id:?} {other}");
    }
}

/// The text in the other case, as far as it has one.
fn swapped(text: &str) -> String {
    let lower = text.to_lowercase();
    if lower == text { text.to_uppercase() } else { lower }
}

fn is_tamed(id: RequestId<'_>) -> bool {
    tame(id.as_str().as_bytes()) != id.as_str().as_bytes()
}

fn value_of_id(id: &str) -> Value {
    serde_json::from_slice(&tame(id.as_bytes())).expect("an id is a JSON value")
}

/// Any number of U+FFFD in a row as one: how many a lone surrogate becomes is not promised.
fn squeezed(text: &str) -> String {
    let mut last = None;
    text.chars()
        .filter(|character| {
            let again = *character == char::REPLACEMENT_CHARACTER && last == Some(*character);
            last = Some(*character);
            !again
        })
        .collect()
}

fn second_id_or_method(body: &[u8]) -> bool {
    let names = names(body);
    ["id", "method"].iter().any(|name| names.iter().filter(|it| it == name).count() > 1)
}

/// The names of the members of the object that `body` is, repeated ones included.
fn names(body: &[u8]) -> Vec<String> {
    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
            let mut names = Vec::new();
            while let Some((name, IgnoredAny)) = object.next_entry()? {
                names.push(name);
            }
            Ok(names)
        }
    }

    serde_json::Deserializer::from_slice(body).deserialize_map(Names).unwrap_or_default()
}

fn value_of_any_depth(body: &[u8]) -> Result<Value, Error> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    reader.disable_recursion_limit();
    let value = Value::deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// `body` with each lone surrogate and each number beyond `f64` replaced by one that `Value`
/// reads.
///
/// It changes token by token, and what is no JSON for another reason is none afterwards
/// either; the tame id of a body is the id of the tame body.
fn tame(body: &[u8]) -> Vec<u8> {
    let mut tamed = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(first) = rest.first() {
        let length = match first {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => number_length(rest),
            _ => 1,
        };
        let (token, tail) = rest.split_at(length);
        match first {
            b'"' => tame_string(token, &mut tamed),
            b'-' | b'0'..=b'9' => tame_number(token, &mut tamed),
            _ => tamed.extend(token),
        }
        rest = tail;
    }
    tamed
}

/// How deep the brackets of a body nest, those in its strings aside.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut rest = body;
    while let Some(first) = rest.first() {
        match first {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
        rest = &rest[if *first == b'"' { string_length(rest) } else { 1 }..];
    }
    deepest
}

/// The length of the string that `text` begins with, up to the end if it is not closed.
fn string_length(text: &[u8]) -> usize {
    let mut place = 1;
    while let Some(byte) = text.get(place) {
        match byte {
            b'"' => return place + 1,
            b'\\' => place += 2,
            _ => place += 1,
        }
    }
    text.len()
}

fn number_length(text: &[u8]) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    text.iter().position(|byte| !is_part(byte)).unwrap_or(text.len())
}

fn tame_string(token: &[u8], tamed: &mut Vec<u8>) {
    let mut rest = token;
    while let Some(first) = rest.first() {
        let length = match (first, code_unit(rest)) {
            (_, Some(0xD800..=0xDBFF))
                if matches!(code_unit(&rest[6..]), Some(0xDC00..=0xDFFF)) =>
            {
                tamed.extend(&rest[..12]);
                12
            }
            (_, Some(0xD800..=0xDFFF)) => {
                tamed.extend(br"\ufffd");
                6
            }
            (b'\\', _) => {
                let length = rest.len().min(2);
                tamed.extend(&rest[..length]);
                length
            }
            (_, _) => {
                tamed.push(*first);
                1
            }
        };
        rest = &rest[length..];
    }
}

/// The UTF-16 code unit of the escape `\uXXXX` that `text` begins with.
fn code_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(br"\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

/// A number out of range comes into it if no run of its digits is longer than two. To cut
/// them does not make a number of what was none: `01` and `1.e400` stay what they are.
fn tame_number(token: &[u8], tamed: &mut Vec<u8>) {
    let refusal = serde_json::from_slice::<Value>(token).err();
    if refusal.and_then(|error| Difference::of_refusal(&error)).is_none() {
        tamed.extend(token);
        return;
    }
    let mut run = 0;
    for byte in token {
        run = if byte.is_ascii_digit() { run + 1 } else { 0 };
        if run <= 2 {
            tamed.push(*byte);
        }
    }
}
