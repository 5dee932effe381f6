//! A bounded look at a JSON-RPC message: its kind, its method, its id.
//!
//! Any bytes may come in. The body is read whole, so that a malformed tail or a second
//! `id` is never overlooked; nothing is copied; memory is bounded by the depth of nesting.
//! [`peek`] never fails: what is no message is [`Kind::Malformed`].
//!
//! # Rulings
//!
//! Where readers of JSON differ, this is what holds here. "As `Value`" means: as
//! `serde_json::Value` rules it.
//!
//! | input | ruling | reason |
//! |---|---|---|
//! | empty, or white space only | malformed | as `Value` |
//! | invalid UTF-8 anywhere | malformed | as `Value`; "JSON-RPC messages **MUST** be UTF-8 encoded" |
//! | a byte order mark | malformed | as `Value`; RFC 8259, section 8.1 forbids sending one |
//! | anything but white space behind the message | malformed | as `Value` |
//! | `NaN`, `Infinity`, `01`, `.5`, control characters in strings | malformed | as `Value` |
//! | a name spelled with escapes (`"\u0069d"`) | the same name | as `Value` |
//! | a second `id` or `method` | malformed | unlike `Value`, which lets the last one win: two readers that choose differently would not mean the same request |
//! | any other repeated name | the last one wins | as `Value` |
//! | nesting up to 1,048,576 levels | read | unlike `Value`, which stops at 128: a peer that reads deeper would get no id back |
//! | nesting beyond | malformed | bounds the memory one body can cost to 1 MiB |
//! | a number beyond `f64` (`1e400`) | a number | unlike `Value`: the grammar has no range, and an id is echoed, not computed with |
//! | 2^64, `-0`, `7.0`, 5,000 digits | a number, kept as it stands | `Value` would round the first |
//! | a lone surrogate (`"\ud800"`) | a string, kept as it stands | unlike `Value`: RFC 8259, section 8.2 has it in the grammar, and the Python and JavaScript SDKs read it |
//! | a batch, `[]` included | [`Kind::Batch`] | an array that is malformed inside is malformed |
//! | `null` or any other value for `id` beside `method` | malformed | "Unlike base JSON-RPC, the ID **MUST NOT** be `null`" |
//! | `null` or any other value for `id` beside `result` or `error` | a response without an id | what servers answer when they could not read the request |
//! | no `jsonrpc`, or another version | not looked at | the kind does not depend on it |

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::era::META_PROTOCOL_VERSION;
use crate::json::{self, Member};

/// Looks at the body of a POST.
///
/// Time is linear in the length of the body. See the [module](self) for what counts as
/// malformed.
///
/// ```
/// use mcp_session_core::{Kind, peek};
///
/// let message = peek(br#"{"jsonrpc":"2.0","id":7.0,"method":"tools/list"}"#);
///
/// assert_eq!(message.kind(), Kind::Request);
/// assert_eq!(message.method().as_deref(), Some("tools/list"));
/// assert_eq!(message.id().map(|id| id.as_str()), Some("7.0"));
/// assert_eq!(peek(b"{").kind(), Kind::Malformed);
/// ```
pub fn peek(body: &[u8]) -> Message<'_> {
    let Some(text) = json::text(body) else {
        return Message::MALFORMED;
    };
    match json::first_byte(text) {
        Some(b'{') => single(text).unwrap_or(Message::MALFORMED),
        Some(b'[') if json::is_valid(text) => Message { kind: Kind::Batch, ..Message::MALFORMED },
        Some(_) | None => Message::MALFORMED,
    }
}

/// What a body is, in JSON-RPC's terms.
///
/// Exhaustive on purpose: JSON-RPC has no further kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A `method`, and an `id` that is a string or a number.
    Request,
    /// A `method` and no `id`.
    Notification,
    /// No `method`, but a `result` or an `error`.
    Response,
    /// An array.
    Batch,
    /// Anything else.
    Malformed,
}

/// What [`peek`] saw, borrowed from the body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    kind: Kind,
    method: Option<&'a str>,
    id: Option<RequestId<'a>>,
    params: Option<&'a str>,
}

impl<'a> Message<'a> {
    const MALFORMED: Self = Self { kind: Kind::Malformed, method: None, id: None, params: None };

    /// What the body is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The method of a request or a notification.
    ///
    /// Borrowed unless the body spells it with escapes. A lone surrogate reads as U+FFFD,
    /// once for each of the three bytes it would take.
    pub fn method(&self) -> Option<Cow<'a, str>> {
        let value = self.method?;
        let plain = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match plain {
            Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
            Some(_) | None => json::string_bytes(value)
                .map(|bytes| Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())),
        }
    }

    /// The id of a request, or the one a response answers to.
    pub fn id(&self) -> Option<RequestId<'a>> {
        self.id
    }

    /// The id to repeat in an answer to this message: a request's, unless it is too long
    /// to be sent back (see [`RequestId::ECHO_LIMIT`]).
    pub fn echoed_id(&self) -> Option<RequestId<'a>> {
        match self.kind {
            Kind::Request => self.id.filter(|id| id.as_str().len() <= RequestId::ECHO_LIMIT),
            Kind::Notification | Kind::Response | Kind::Batch | Kind::Malformed => None,
        }
    }

    /// Whether this is a single request of the method `initialize`.
    pub fn is_initialize(&self) -> bool {
        self.kind == Kind::Request
            && self.method.is_some_and(|method| json::string_is(method, "initialize"))
    }

    /// The id of the request that a `notifications/cancelled` names.
    pub(crate) fn cancelled_id(&self) -> Option<RequestId<'a>> {
        let is_cancelled = self.kind == Kind::Notification
            && self.method.is_some_and(|it| json::string_is(it, "notifications/cancelled"));
        let [id] = json::members(self.params.filter(|_| is_cancelled)?, ["requestId"])?;
        RequestId::from_json(id.last()?)
    }

    /// Whether `params.cursor` is there.
    pub(crate) fn has_cursor(&self) -> bool {
        self.params
            .and_then(|params| json::members(params, ["cursor"]))
            .is_some_and(|[cursor]| cursor != Member::Absent)
    }

    /// The JSON value of the version named in `params._meta`.
    pub(crate) fn meta_protocol_version(&self) -> Option<&'a str> {
        let [meta] = json::members(self.params?, ["_meta"])?;
        let [version] = json::members(meta.last()?, [META_PROTOCOL_VERSION])?;
        version.last()
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Params hold what users say to tools; they are nobody's to log.
        formatter
            .debug_struct("Message")
            .field("kind", &self.kind)
            .field("method", &self.method())
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

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
pub struct RequestId<'a>(&'a str);

impl<'a> RequestId<'a> {
    /// The longest id that is sent back, in bytes, a string's quotes included.
    pub const ECHO_LIMIT: usize = 256;

    /// Ids longer than this are the same only if they are spelled the same, so that
    /// comparing costs bounded memory.
    const COMPARED_LIMIT: usize = 4096;

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
        if self.0 == other.0 {
            return true;
        }
        if self.0.len().max(other.0.len()) > Self::COMPARED_LIMIT {
            return false;
        }
        match (self.0.starts_with('"'), other.0.starts_with('"')) {
            (true, true) => json::string_bytes(self.0) == json::string_bytes(other.0),
            (false, false) => Decimal::parse(self.0)
                .is_some_and(|number| Decimal::parse(other.0).is_some_and(|it| it == number)),
            (true, false) | (false, true) => false,
        }
    }
}

impl fmt::Debug for RequestId<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

fn single(text: &str) -> Option<Message<'_>> {
    let names = ["id", "method", "params", "result", "error"];
    let [id, method, params, result, error] = json::members(text, names)?;
    let request_id = id.last().and_then(RequestId::from_json);
    let kind = match (method, id, request_id) {
        (Member::Repeated(_), _, _) | (_, Member::Repeated(_), _) => return None,
        (Member::Once(name), _, _) if !name.starts_with('"') => return None,
        (Member::Once(_), Member::Once(_), Some(_)) => Kind::Request,
        (Member::Once(_), Member::Once(_), None) => return None,
        (Member::Once(_), Member::Absent, _) => Kind::Notification,
        (Member::Absent, _, _) if (result, error) == (Member::Absent, Member::Absent) => {
            return None;
        }
        (Member::Absent, _, _) => Kind::Response,
    };
    Some(Message { kind, method: method.once(), id: request_id, params: params.last() })
}

/// A JSON number by its exact value: sign, digits without outer zeros, power of ten.
#[derive(PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// `None` where the exponent is beyond all measure; such a number equals none but
    /// itself.
    fn parse(number: &str) -> Option<Self> {
        let (negative, unsigned) =
            number.strip_prefix('-').map_or((false, number), |rest| (true, rest));
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut exponent =
            exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        let mut digits: Vec<u8> =
            whole.bytes().chain(fraction.bytes()).skip_while(|digit| *digit == b'0').collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
            exponent = exponent.checked_add(1)?;
        }
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        Some(Self { negative, digits, exponent })
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    #[track_caller]
    fn assert_kind(expected: Kind, body: &str) {
        assert_eq!(expected, peek(body.as_bytes()).kind(), "{body}");
    }

    #[track_caller]
    fn assert_malformed(body: impl AsRef<[u8]>) {
        assert_eq!(Message::MALFORMED, peek(body.as_ref()), "{:?}", body.as_ref());
    }

    /// Asserts that this JSON text counts as an id and is handed out as it stands.
    #[track_caller]
    fn assert_id(id: &str) {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);

        let message = peek(body.as_bytes());

        assert_eq!(Kind::Request, message.kind(), "{body}");
        assert_eq!(Some(id), message.id().map(RequestId::as_str));
    }

    #[test]
    fn the_members_decide_the_kind() {
        assert_kind(Kind::Request, r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#);
        assert_kind(Kind::Request, r#"{"id":"","method":""}"#);
        assert_kind(Kind::Request, r#"{"id":1,"method":"m","result":{},"error":{}}"#);
        assert_kind(Kind::Notification, r#"{"jsonrpc":"2.0","method":"m","params":{}}"#);
        assert_kind(Kind::Response, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        assert_kind(Kind::Response, r#"{"id":1,"error":null}"#);
        assert_kind(Kind::Response, r#"{"id":null,"error":{"code":1}}"#);
        assert_kind(Kind::Response, r#"{"error":{"code":1}}"#);
        assert_kind(Kind::Batch, r#"[{"id":1,"method":"m"}]"#);
        assert_kind(Kind::Batch, " [] ");
    }

    #[test]
    fn what_is_no_message_is_malformed() {
        for body in ["", " ", "{}", "null", "1", r#""x""#, "{", "[", "[1", "{nope", r#"{"id":1}"#] {
            assert_malformed(body);
        }
        for body in
            [r#"{"method":7}"#, r#"{"id":1,"method":null}"#, r#"{"method":null,"result":1}"#]
        {
            assert_malformed(body);
        }
    }

    #[test]
    fn an_id_beside_method_is_a_string_or_a_number_or_else_the_body_is_malformed() {
        for id in ["null", "true", "false", "[]", "{}", "[1]", r#"{"a":1}"#] {
            assert_malformed(format!(r#"{{"id":{id},"method":"m"}}"#));
        }
    }

    #[test]
    fn an_id_is_handed_out_as_it_stands() {
        for id in ["0", "7", "7.0", "-0", "-1", "1e400", "-1E+400", "18446744073709551616"] {
            assert_id(id);
        }
        for id in [r#""""#, r#""abc-1""#, r#""\u0061""#, r#""\ud800""#, r#""\"""#, r#""é""#] {
            assert_id(id);
        }
        assert_id(&"9".repeat(5_000));
        assert_id(&format!("\"{}\"", "x".repeat(1 << 20)));
    }

    #[test]
    fn only_a_requests_id_of_bounded_length_is_echoed() {
        let echoed = |body: &str| peek(body.as_bytes()).echoed_id().is_some();
        let request = |id: &str| format!(r#"{{"id":{id},"method":"m"}}"#);

        assert!(echoed(&request("7")));
        assert!(echoed(&request(&format!("\"{}\"", "x".repeat(254)))));
        assert!(!echoed(&request(&format!("\"{}\"", "x".repeat(255)))));
        assert!(echoed(&request(&"9".repeat(256))));
        assert!(!echoed(&request(&"9".repeat(257))));
        assert!(!echoed(r#"{"id":7,"result":{}}"#));
        assert!(!echoed(r#"[{"id":7,"method":"m"}]"#));
    }

    #[test]
    fn a_response_says_which_request_it_answers() {
        let id = |body: &'static str| peek(body.as_bytes()).id().map(RequestId::as_str);

        assert_eq!(Some("3"), id(r#"{"id":3,"result":{}}"#));
        assert_eq!(None, id(r#"{"id":null,"error":{}}"#));
        assert_eq!(None, id(r#"{"id":{},"error":{}}"#));
    }

    #[test]
    fn a_second_id_or_method_is_malformed_however_it_is_spelled() {
        for body in [
            r#"{"id":1,"id":1,"method":"m"}"#,
            r#"{"id":1,"\u0069d":2,"method":"m"}"#,
            r#"{"id":1,"method":"m","method":"m"}"#,
            r#"{"id":1,"method":"m","m\u0065thod":"initialize"}"#,
            r#"{"id":1,"id":2,"result":{}}"#,
        ] {
            assert_malformed(body);
        }
    }

    #[test]
    fn any_other_name_may_repeat() {
        assert_kind(Kind::Request, r#"{"jsonrpc":1,"jsonrpc":2,"id":1,"method":"m","x":1,"x":2}"#);
        assert_kind(Kind::Response, r#"{"id":1,"result":1,"result":2,"error":3,"error":4}"#);
    }

    #[test]
    fn names_may_be_spelled_with_escapes() {
        let message = peek(br#"{"\u0069d":7,"\u006dethod":"\u0069nitialize"}"#);

        assert_eq!(Kind::Request, message.kind());
        assert_eq!(Some("7"), message.id().map(RequestId::as_str));
        assert_eq!(Some(Cow::Borrowed("initialize")), message.method());
        assert!(message.is_initialize());
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_malformed_wherever_they_stand() {
        assert_malformed(b"\xFF");
        assert_malformed(b"{\"id\":\"\xFF\",\"method\":\"m\"}");
        assert_malformed(b"{\"id\":1,\"method\":\"m\",\"params\":{\"x\":\"\xC3\"}}");
        assert_malformed(b"\xEF\xBB\xBF{\"id\":1,\"method\":\"m\"}");
        assert_malformed(b"{\x00\"\x00");
    }

    #[test]
    fn only_white_space_may_stand_around_a_message() {
        let body = r#"{"id":1,"method":"m"}"#;

        assert_kind(Kind::Request, &format!("\r\n\t {body} \r\n"));
        for tail in ["x", "{}", ",", "\0", "\u{a0}", "\u{feff}"] {
            assert_malformed(format!("{body}{tail}"));
            assert_malformed(format!("{tail}{body}"));
        }
    }

    #[test]
    fn malformed_json_deep_inside_or_behind_the_id_is_not_overlooked() {
        for params in
            ["NaN", "01", ".5", "1.", "tru", "'x'", "\"\t\"", r#""\x""#, "[1,]", "[}", "[[1]"]
        {
            assert_malformed(format!(r#"{{"id":1,"method":"m","params":{params}}}"#));
        }
    }

    #[test]
    fn numbers_and_surrogates_that_other_readers_refuse_are_read_inside_params() {
        for params in
            ["1e400", "-0", r#""\ud800""#, r#"{"\udfff":1}"#, "123456789012345678901234567890"]
        {
            assert_kind(Kind::Request, &format!(r#"{{"id":1,"method":"m","params":{params}}}"#));
        }
    }

    #[test]
    fn a_method_is_copied_only_if_it_is_spelled_with_escapes() {
        let plain = peek(br#"{"method":"ping"}"#).method();
        let escaped = peek(br#"{"method":"\u0070ing"}"#).method();

        assert!(matches!(plain, Some(Cow::Borrowed("ping"))));
        assert!(matches!(escaped, Some(Cow::Owned(method)) if method == "ping"));
    }

    #[test]
    fn a_method_with_a_lone_surrogate_is_a_method() {
        let message = peek(br#"{"id":1,"method":"a\ud800"}"#);

        assert_eq!(Kind::Request, message.kind());
        assert!(message.method().is_some_and(|method| method.starts_with('a')));
        assert!(!message.is_initialize());
    }

    #[test]
    fn nesting_a_hundred_thousand_deep_is_read_without_recursion() {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let depth = 100_000;
            let params = format!("{}1{}", open.repeat(depth), close.repeat(depth));

            assert_kind(Kind::Request, &format!(r#"{{"id":1,"method":"m","params":{params}}}"#));
            assert_malformed(format!(r#"{{"id":1,"method":"m","params":{}"#, open.repeat(depth)));
        }
        assert_kind(Kind::Batch, &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    }

    #[test]
    fn sixty_four_mebibytes_are_read_whole() {
        let size = 64 << 20;
        let mut body: Vec<u8> = br#"{"id":1,"method":"m","params":""#.to_vec();
        body.resize(size, b'x');
        body.extend(br#""}"#);
        assert_eq!(Kind::Request, peek(&body).kind());
        body.push(b'!');
        assert_malformed(&body);

        body.clear();
        body.resize(size, b'[');
        assert_malformed(&body);
    }

    #[test]
    fn initialize_is_a_single_request_of_that_name_with_an_id() {
        let is_initialize = |body: &str| peek(body.as_bytes()).is_initialize();

        assert!(is_initialize(r#"{"id":0,"method":"initialize"}"#));
        assert!(!is_initialize(r#"{"method":"initialize"}"#));
        assert!(!is_initialize(r#"{"id":0,"method":"Initialize"}"#));
        assert!(!is_initialize(r#"{"id":0,"method":"initialized"}"#));
        assert!(!is_initialize(r#"[{"id":0,"method":"initialize"}]"#));
        assert!(!is_initialize(r#"{"id":0,"result":"initialize"}"#));
    }

    #[test]
    fn ids_are_the_same_value_however_they_are_spelled() {
        let same = |left, right| {
            RequestId::from_json(left)
                .zip(RequestId::from_json(right))
                .is_some_and(|(left, right)| left.is_same_value(right))
        };

        for (left, right) in [
            ("7", "7.0"),
            ("7", "70e-1"),
            ("0", "-0"),
            ("0", "0e999"),
            ("100", "1E+2"),
            ("1e400", "10e399"),
            ("-1.50", "-15e-1"),
            (r#""a""#, r#""\u0061""#),
            (r#""\ud800""#, r#""\uD800""#),
        ] {
            assert!(same(left, right), "{left} {right}");
            assert!(same(right, left), "{right} {left}");
        }
        for (left, right) in [
            ("7", r#""7""#),
            ("7", "-7"),
            ("7", "70"),
            ("18446744073709551616", "18446744073709551617"),
            ("1e99999999999999999999", "1e99999999999999999998"),
            (r#""a""#, r#""A""#),
        ] {
            assert!(!same(left, right), "{left} {right}");
        }
    }

    #[test]
    fn only_a_cancellation_names_a_request() {
        let named =
            |body: &'static str| peek(body.as_bytes()).cancelled_id().map(RequestId::as_str);

        for (body, id) in [
            (r#"{"method":"notifications/cancelled","params":{"requestId":7}}"#, Some("7")),
            (r#"{"method":"notifications/cancelled","params":{"requestId":null}}"#, None),
            (r#"{"method":"notifications/cancelled"}"#, None),
            (r#"{"method":"notifications/progress","params":{"requestId":7}}"#, None),
            (r#"{"id":1,"method":"notifications/cancelled","params":{"requestId":7}}"#, None),
        ] {
            assert_eq!(id, named(body), "{body}");
        }
    }

    #[test]
    fn ids_too_long_to_compare_are_the_same_only_as_they_are_spelled() {
        for (length, same) in [(4095, true), (4096, true), (4097, false)] {
            let escaped = format!(r#""\u0078{}""#, "x".repeat(length - 8));
            let plain = format!(r#""x{}""#, "x".repeat(length - 8));
            assert_eq!(length, escaped.len());

            assert_eq!(same, RequestId(&escaped).is_same_value(RequestId(&plain)), "{length}");
            assert!(RequestId(&escaped).is_same_value(RequestId(&escaped)));
        }
    }

    #[test]
    fn debug_shows_nothing_of_the_params() {
        let message = peek(br#"{"id":7,"method":"m","params":{"password":"swordfish"}}"#);

        let shown = format!("{message:?}");

        assert_eq!(r#"Message { kind: Request, method: Some("m"), id: Some(7), .. }"#, shown);
    }
}
