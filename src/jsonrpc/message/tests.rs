use alloc::vec::Vec;
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
    for body in [r#"{"method":7}"#, r#"{"id":1,"method":null}"#, r#"{"method":null,"result":1}"#] {
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
    for params in ["NaN", "01", ".5", "1.", "tru", "'x'", "\"\t\"", r#""\x""#, "[1,]", "[}", "[[1]"]
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
    let named = |body: &'static str| peek(body.as_bytes()).cancelled_id().map(RequestId::as_str);

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
fn ids_have_equal_keys_exactly_if_they_are_the_same_value() {
    let long = |escaped: &str| format!("\"{escaped}{}\"", "x".repeat(4095));
    let ids = [
        "7",
        "7.0",
        "70e-1",
        "-7",
        "0",
        "-0",
        "0e999",
        "1e400",
        "10e399",
        "2",
        "20",
        "0.2",
        "18446744073709551616",
        "18446744073709551617",
        "1e99999999999999999999",
        "1e99999999999999999998",
        "1e-9223372036854775808",
        "0.1e-9223372036854775808",
        r#""7""#,
        r#""a""#,
        r#""\u0061""#,
        r#""A""#,
        r#""\ud800""#,
        r#""\uD800""#,
        r#""""#,
    ];
    let long = [long("x"), long(r"\u0078")];
    let ids: Vec<&str> = ids.into_iter().chain(long.iter().map(String::as_str)).collect();
    for left in &ids {
        for right in &ids {
            let (left, right) = (RequestId(left), RequestId(right));

            let keys_are_equal = left.value_key() == right.value_key();

            assert_eq!(left.is_same_value(right), keys_are_equal, "{left:?} {right:?}");
        }
    }
}

#[test]
fn the_members_of_a_batch_are_messages() {
    let kinds = |body: &str| -> Vec<Kind> {
        peek(body.as_bytes()).members().map(|member| member.kind()).collect()
    };

    assert_eq!(
        [Kind::Request, Kind::Notification, Kind::Response, Kind::Batch, Kind::Malformed],
        *kinds(r#" [{"id":1,"method":"m"} , {"method":"m"},{"id":1,"result":{}},[1] ,1 ] "#),
    );
    for body in ["[]", " [ ] ", "{}", r#"{"method":"m","params":[{"method":"m"}]}"#, "[1", "[1]x"] {
        assert_eq!(0, kinds(body).len(), "{body}");
    }
}

#[test]
fn a_message_answers_the_request_of_its_id_and_no_other() {
    let answers = |body: &str, id| peek(body.as_bytes()).answers(RequestId(id));

    for body in [
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"id":1,"result":null}"#,
        r#"{"id":1.0,"error":{"code":1}}"#,
        r#"{"id":1,"error":null,"result":{}}"#,
        r#"[{"method":"m"},{"id":2,"result":{}},{"id":10e-1,"error":{}}]"#,
    ] {
        assert!(answers(body, "1"), "{body}");
        assert!(!answers(body, "\"1\""), "{body}");
        assert!(!answers(body, "11"), "{body}");
    }
    for body in [
        r#"{"id":1,"error":null}"#,
        r#"{"id":1,"method":"m","result":{}}"#,
        r#"{"id":"1","result":{}}"#,
        r#"{"id":null,"error":{}}"#,
        r#"{"result":{}}"#,
        r#"{"id":1,"id":1,"result":{}}"#,
        r#"[[{"id":1,"result":{}}]]"#,
        "[]",
        "",
    ] {
        assert!(!answers(body, "1"), "{body}");
    }
}

#[test]
fn debug_shows_nothing_of_the_params() {
    let message = peek(br#"{"id":7,"method":"m","params":{"password":"swordfish"}}"#);

    let shown = format!("{message:?}");

    assert_eq!(r#"Message { kind: Request, method: Some("m"), id: Some(7), .. }"#, shown);
}
