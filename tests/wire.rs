//! Raw HTTP/1.1: what is read, what is remarked upon, and where a head is broken.

#![cfg(feature = "wire")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails in its own set-up says where"
)]

use mcp_session_core::wire::{HEAD_LIMIT, HEADER_LIMIT, RawRequest, RawResponse, Remark};
use mcp_session_core::{Kind, Method};
use proptest::prelude::*;

const REQUEST: &[u8] = b"POST /mcp HTTP/1.1\r\nMcp-Session-Id: x\r\n\r\n";

#[test]
fn header_names_are_read_in_any_case_and_values_without_white_space() {
    for name in ["Mcp-Session-Id", "MCP-Session-Id", "mcp-session-id", "mCP-sESSION-iD"] {
        for value in ["x", "  x", "x \t"] {
            let raw = format!("GET / HTTP/1.1\r\nhost: h\r\n{name}:{value}\r\n\r\n");

            let request = RawRequest::parse(raw.as_bytes()).unwrap();

            assert_eq!(Some(&b"x"[..]), request.facts().session_id, "{raw}");
        }
    }
}

#[test]
fn a_repeated_session_id_is_attached_and_ill_formed_and_an_empty_one_is_none() {
    for (headers, attached, well_formed) in [
        ("", false, false),
        ("Mcp-Session-Id:\r\n", false, false),
        ("Mcp-Session-Id: x\r\n", true, true),
        ("Mcp-Session-Id: x\r\nmcp-session-id: x\r\n", true, false),
        ("Mcp-Session-Id:\r\nMcp-Session-Id:\r\n", true, false),
    ] {
        let raw = format!("GET / HTTP/1.1\r\n{headers}\r\n");

        let request = RawRequest::parse(raw.as_bytes()).unwrap();

        let id = request.facts().session_id.unwrap_or_default();
        assert_eq!(attached, !id.is_empty(), "{raw}");
        assert_eq!(well_formed, mcp_session_core::SessionId::parse(id).is_some(), "{raw}");
    }
}

#[test]
fn a_message_hands_out_its_target_every_header_and_its_body() {
    let raw = b"\r\nPOST /mcp?a=b#c HTTP/1.1\r\nHost: h\r\nX-A:  1 \r\nx-a: 2\r\nContent-Length: 2\r\n\r\n{}";
    let request = RawRequest::parse(raw).unwrap();

    assert_eq!(("/mcp", "a=b"), (request.path(), request.query()));
    let headers: [(&str, &[u8]); 4] =
        [("Host", b"h"), ("X-A", b"1"), ("x-a", b"2"), ("Content-Length", b"2")];
    assert_eq!(headers.as_slice(), request.headers());
    assert_eq!(Some(&b"{}"[..]), request.body());

    let raw = b"HTTP/1.1 100 Continue\r\na: b\r\n\r\nHTTP/1.1 404\r\nc: d\r\n\r\n";
    let response = RawResponse::parse(raw, &request).unwrap();

    assert_eq!([("c", &b"d"[..])].as_slice(), response.headers());
    assert_eq!(Some(&b""[..]), response.body());
}

#[test]
fn a_message_without_headers_hands_out_none() {
    let request = RawRequest::parse(b"GET / HTTP/1.1\r\n\r\n").unwrap();

    assert_eq!(("/", "", 0), (request.path(), request.query(), request.headers().len()));
}

#[test]
fn the_reason_of_a_broken_head_is_its_message_without_the_offset() {
    let error = RawRequest::parse(b"GET / HTTP/1.1\r\nno colon\r\n\r\n").err().unwrap();

    assert_eq!(error.to_string(), format!("byte {}: {}", error.offset(), error.reason()));
}

#[test]
fn a_remark_says_what_is_the_matter_with_a_body() {
    for (remark, text) in [
        (Remark::CutOff { present: 2, promised: 3 }, "body cut off: 2 of 3 bytes"),
        (Remark::ChunksCutOff, "body cut off: no last chunk"),
        (Remark::ChunksBroken, "body broken: a chunk that is none"),
        (Remark::LengthBroken, "body not read: no valid Content-Length"),
        (Remark::TransferCoding, "body not read: a transfer coding other than chunked"),
        (Remark::UntilClose, "body delimited by close: whole and cut off look the same"),
        (Remark::LengthIgnored, "Content-Length beside Transfer-Encoding ignored"),
        (Remark::Trailing(4), "4 bytes after the message"),
    ] {
        assert_eq!(text, remark.to_string());
    }
}

#[test]
fn a_body_is_as_long_as_its_content_length() {
    assert_body("content-length: 3\r\n", "abc", Some("abc"), &[]);
    assert_body("content-length: 0\r\n", "", Some(""), &[]);
    assert_body("content-length: 3\r\ncontent-length: 3\r\n", "abc", Some("abc"), &[]);
    assert_body("content-length: 3, 3\r\n", "abc", Some("abc"), &[]);
    assert_body("content-length: 3\r\n", "abcdefg", Some("abc"), &[Remark::Trailing(4)]);
    let cut_off = Remark::CutOff { present: 2, promised: 3 };
    assert_body("content-length: 3\r\n", "ab", None, &[cut_off]);
    let cut_off = Remark::CutOff { present: 2, promised: u64::MAX };
    assert_body("content-length: 18446744073709551615\r\n", "ab", None, &[cut_off]);
    for broken in ["3, 4", "-1", "+3", "3 3", "", "0x3", "18446744073709551616", "\u{663}"] {
        let header = format!("content-length: {broken}\r\n");
        assert_body(&header, "abc", None, &[Remark::LengthBroken]);
    }
    assert_body(
        "content-length: 3\r\ncontent-length: 4\r\n",
        "abcd",
        None,
        &[Remark::LengthBroken],
    );
}

#[test]
fn a_chunked_body_is_read_to_its_last_chunk() {
    let chunked = "Transfer-Encoding: Chunked\r\n";
    assert_body(chunked, "3\r\nabc\r\n0\r\n\r\n", Some("abc"), &[]);
    assert_body(chunked, "1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n", Some("abc"), &[]);
    assert_body(chunked, "A\r\n0123456789\r\n000\r\n\r\n", Some("0123456789"), &[]);
    assert_body(chunked, "0\r\n\r\n", Some(""), &[]);
    assert_body(chunked, "1\r\na\r\n0\r\nmcp-session-id: t\r\n\r\n", Some("a"), &[]);
    assert_body(chunked, "1\r\na\r\n0\r\n\r\nxyz", Some("a"), &[Remark::Trailing(3)]);
    for cut_off in ["", "3", "3\r\n", "3\r\nab", "3\r\nabc", "3\r\nabc\r", "3\r\nabc\r\n", "0\r\n"]
    {
        assert_body(chunked, cut_off, None, &[Remark::ChunksCutOff]);
    }
    for broken in ["x\r\n", "3\r\nabcd\r\n", "fffffffffffffffff\r\n", "0\r\n\0: x\r\n\r\n"] {
        assert_body(chunked, broken, None, &[Remark::ChunksBroken]);
    }
    assert_body(chunked, "ffffffffffffffff\r\nabc", None, &[Remark::ChunksCutOff]);
    let both = "transfer-encoding: chunked\r\ncontent-length: 1\r\n";
    assert_body(both, "3\r\nabc\r\n0\r\n\r\n", Some("abc"), &[Remark::LengthIgnored]);
    assert_body("transfer-encoding: gzip\r\n", "abc", None, &[Remark::TransferCoding]);
    assert_body(
        "transfer-encoding: gzip, chunked\r\n",
        "0\r\n\r\n",
        None,
        &[Remark::TransferCoding],
    );
}

#[test]
fn without_a_length_a_response_goes_on_until_close_and_a_request_has_no_body() {
    assert_body("", "abc", Some("abc"), &[Remark::UntilClose]);
    assert_body("", "", Some(""), &[Remark::UntilClose]);

    let request = RawRequest::parse(b"POST / HTTP/1.1\r\n\r\n{}").unwrap();
    assert_eq!(Some(Kind::Malformed), request.facts().message.map(|message| message.kind()));
    assert_eq!([Remark::Trailing(2)].as_slice(), request.remarks());
}

#[test]
fn a_body_cut_off_is_not_known() {
    let request = RawRequest::parse(b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n{}").unwrap();

    assert!(request.facts().message.is_none());
    assert_eq!([Remark::CutOff { present: 2, promised: 9 }].as_slice(), request.remarks());
}

#[test]
fn some_responses_have_no_body_whatever_their_headers_say() {
    let request = RawRequest::parse(REQUEST).unwrap();
    for status in [101, 204, 304] {
        let raw = format!("HTTP/1.1 {status} x\r\ncontent-length: 5\r\n\r\n");

        let response = RawResponse::parse(raw.as_bytes(), &request).unwrap();

        assert_eq!(Some(&b""[..]), response.facts().body, "{status}");
        assert!(response.remarks().is_empty());
    }
    let head = RawRequest::parse(b"HEAD / HTTP/1.1\r\n\r\n").unwrap();
    let raw = b"HTTP/1.1 404 x\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(Some(&b""[..]), RawResponse::parse(raw, &head).unwrap().facts().body);
}

#[test]
fn interim_responses_are_passed_over() {
    let request = RawRequest::parse(REQUEST).unwrap();
    let raw =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nlink: y\r\n\r\nHTTP/1.1 404 z\r\n\r\n";

    assert_eq!(404, RawResponse::parse(raw, &request).unwrap().facts().status);
    assert_eq!(100, RawResponse::parse(&raw[..25], &request).unwrap().facts().status);
    let error = RawResponse::parse(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 4x4", &request).err();
    assert_eq!(Some(35), error.map(|error| error.offset()));
}

#[test]
fn a_broken_head_is_an_error_that_says_where_and_what() {
    for (raw, message) in [
        ("", "byte 0: the head ends before its empty line"),
        ("GET / HTTP/1.1\r\nhost: h\r\n", "byte 25: the head ends before its empty line"),
        ("G\0T / HTTP/1.1\r\n\r\n", "byte 1: invalid token"),
        ("GET / HTTP/2.0\r\n\r\n", "byte 11: invalid HTTP version"),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", "byte 18: invalid header name"),
        ("GET / HTTP/1.1\r\na: b\0\r\n\r\n", "byte 20: invalid header value"),
        ("GET / HTTP/1.1\r\na: b\r\n c: d\r\n\r\n", "byte 22: invalid header name"),
    ] {
        let error = RawRequest::parse(raw.as_bytes()).err().map(|error| error.to_string());

        assert_eq!(Some(message), error.as_deref(), "{raw:?}");
    }
    let request = RawRequest::parse(REQUEST).unwrap();
    for (raw, message) in [
        ("\u{1f} not http", "byte 0: invalid HTTP version"),
        ("HTTP/1.1 4o4 x\r\n\r\n", "byte 10: invalid response status"),
        ("HTTP/1.1 099 x\r\n\r\n", "byte 9: a status outside 100-999"),
        ("\r\n\nHTTP/1.1 099 x\r\n\r\n", "byte 12: a status outside 100-999"),
        ("HTTP/1.1 404 x\r\n", "byte 16: the head ends before its empty line"),
    ] {
        let error = RawResponse::parse(raw.as_bytes(), &request).err();

        assert_eq!(Some(message.into()), error.map(|error| error.to_string()), "{raw:?}");
    }
}

#[test]
fn an_oversized_head_is_an_error() {
    let long = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(HEAD_LIMIT));
    let error = RawRequest::parse(long.as_bytes()).err().map(|error| error.to_string());
    assert_eq!(Some("byte 65536: a head longer than 65536 bytes"), error.as_deref());

    let head = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
    assert!(RawRequest::parse(head(HEADER_LIMIT).as_bytes()).is_ok());
    let error = RawRequest::parse(head(HEADER_LIMIT + 1).as_bytes()).err().unwrap();
    assert!(error.to_string().ends_with(": more than 256 headers"), "{error}");
    assert!(error.offset() >= 16 + 6 * HEADER_LIMIT, "{error}");
}

#[test]
fn the_query_of_the_target_names_the_session_of_an_http_sse_post() {
    for (target, expected) in [
        ("/messages/?session_id=889dd8e2", Some("889dd8e2")),
        ("http://host/messages?sessionId=889dd8e2", Some("889dd8e2")),
        ("/messages/session_id=889dd8e2", None),
        ("/messages/?session_id=889dd8e2#fragment", Some("889dd8e2")),
        ("/messages/#?session_id=889dd8e2", None),
        ("*", None),
    ] {
        let raw = format!("POST {target} HTTP/1.1\r\n\r\n");

        let request = RawRequest::parse(raw.as_bytes()).unwrap();

        assert_eq!(expected.map(str::as_bytes), request.facts().query_session_id, "{target}");
    }
}

#[test]
fn a_method_of_no_concern_keeps_its_name() {
    let request = RawRequest::parse(b"PUT / HTTP/1.1\r\n\r\n").unwrap();

    assert_eq!(Method::Other, request.facts().method);
    assert_eq!("PUT", request.method());
}

proptest! {
    #[test]
    fn chunk_boundaries_change_nothing(
        body in prop::collection::vec(any::<u8>(), 0..200),
        cuts in prop::collection::vec(1_usize..50, 0..10),
    ) {
        let mut raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        let mut rest = &body[..];
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let (chunk, tail) = rest.split_at(cut.min(rest.len()));
            if !chunk.is_empty() {
                raw.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                raw.extend_from_slice(chunk);
                raw.extend_from_slice(b"\r\n");
            }
            rest = tail;
        }
        raw.extend_from_slice(b"0\r\n\r\n");

        let request = RawRequest::parse(REQUEST).unwrap();
        let response = RawResponse::parse(&raw, &request).unwrap();

        prop_assert_eq!(Some(&body[..]), response.facts().body);
        prop_assert!(response.remarks().is_empty());
    }

    #[test]
    fn the_offset_of_an_error_is_the_first_byte_without_which_there_is_none(
        place in 0..REQUEST.len(),
        byte in any::<u8>(),
    ) {
        let mut raw = REQUEST.to_vec();
        raw[place] = byte;

        if let Err(error) = RawRequest::parse(&raw) {
            let offset = error.offset();
            let at = |length: usize| RawRequest::parse(&raw[..length]).err().map(|it| it.offset());
            prop_assert!(offset <= raw.len());
            if offset < raw.len() {
                prop_assert_eq!(Some(offset), at(offset));
                prop_assert_eq!(Some(offset), at(offset + 1));
            }
        }
    }
}

#[track_caller]
fn assert_body(headers: &str, body: &str, known: Option<&str>, remarks: &[Remark]) {
    let request = RawRequest::parse(REQUEST).unwrap();
    let raw = format!("HTTP/1.1 200 OK\r\n{headers}\r\n{body}");

    let response = RawResponse::parse(raw.as_bytes(), &request).unwrap();

    assert_eq!(known.map(str::as_bytes), response.facts().body, "{raw:?}");
    assert_eq!(remarks, response.remarks(), "{raw:?}");
}
