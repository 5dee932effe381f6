//! The tables, exhausted: rows do not overlap, none is dead, and `decisions.txt`, written
//! from the rulings, says the same of every cell.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails in its own set-up says where"
)]

use std::fs;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use http::StatusCode;
use mcp_session_core::internals::{
    Admission, Attachment, Columns, Matcher, Misreport, RequestKind, ResponseKind,
    ResponseSessionId, Wording,
};
use mcp_session_core::{
    Action, Lookup, Message, Method, Misreports, Quirks, Request, Response, Rule, SessionHeader,
    Side, Verdict, admit, classify, needs_body, needs_more_body, needs_request_body, peek,
};

const ATTACHED: &[u8] = b"1868a90c";
const STATUSES: RangeInclusive<u16> = 100..=999;
const SIDES: [Side; 3] =
    [Side::Client(Quirks::Ignore), Side::Client(Quirks::Recognize), Side::Server];
static GOLDEN: LazyLock<Golden> = LazyLock::new(Golden::read);
const LOOKUPS: [Lookup; 3] = [Lookup::Known, Lookup::Unknown, Lookup::Unavailable];

// ---- The rows against each other

#[test]
fn exactly_one_row_covers_each_cell_and_no_row_is_dead() {
    let mut alive: Vec<Rule> = Vec::new();
    for cell in cells() {
        let covering: Vec<Rule> = Rule::ALL.iter().copied().filter(|it| it.covers(&cell)).collect();

        assert_eq!(1, covering.len(), "{cell:?}: {covering:?}");
        alive.extend(covering);
    }
    for admission in admissions() {
        let covering: Vec<Rule> =
            Rule::ALL.iter().copied().filter(|it| it.covers_admission(&admission)).collect();

        assert_eq!(1, covering.len(), "{admission:?}: {covering:?}");
        alive.extend(covering);
    }
    for rule in Rule::ALL {
        assert!(alive.contains(rule), "{rule:?} covers nothing");
    }
}

#[test]
fn every_row_quotes_a_sentence_and_says_where_it_stands() {
    for rule in Rule::ALL {
        assert!(!rule.quote().is_empty() && !rule.summary().is_empty(), "{rule:?}");
        let page = format!("https://modelcontextprotocol.io/specification/{}/", rule.revision());
        assert!(rule.url().starts_with(&page), "{rule:?}: {}", rule.url());
    }
}

// ---- The rows against the golden file

#[test]
fn every_cell_of_the_golden_file_is_decided_as_it_says() {
    let golden = &*GOLDEN;
    let mut used = vec![false; golden.exchanges.len()];
    for side in SIDES {
        for era in ["legacy", "modern"] {
            for sent in SENT {
                if (era, sent) == ("modern", "initialize") {
                    continue;
                }
                for attached in ["yes", "no"] {
                    let request = request(era, sent, attached);
                    for body_class in body_classes() {
                        let bodies = bodies(body_class, attached);
                        for response_id in ["none", "valid", "ill-formed"] {
                            let lines =
                                golden.lines(side, era, sent, attached, response_id, body_class);
                            for status in STATUSES {
                                let line = only(&lines, status);
                                used[line.number] = true;
                                for response in &bodies {
                                    let response = response.with(status, response_id);
                                    assert_decided(line, side, &request, &response);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    assert_eq!(None, used.iter().position(|used| !used), "a golden line matches no cell");
}

#[test]
fn every_admission_of_the_golden_file_is_decided_as_it_says() {
    let golden = &*GOLDEN;
    for era in ["legacy", "modern"] {
        for sent in SENT {
            if (era, sent) == ("modern", "initialize") {
                continue;
            }
            for attached in ["yes", "no"] {
                for (name, lookup) in ["known", "unknown", "unavailable"].into_iter().zip(LOOKUPS) {
                    let lines: Vec<&Line> = golden
                        .admissions
                        .iter()
                        .filter(|line| line.matches(&[era, sent, attached, name]))
                        .collect();
                    let [line] = lines[..] else { panic!("{era} {sent} {attached} {name}") };

                    let verdict = admit(&request(era, sent, attached), lookup);

                    let decided = (verdict.action(), verdict.rule().name(), forwards(&verdict));
                    assert_eq!(line.decision(), decided, "{era} {sent} {attached} {name}");
                }
            }
        }
    }
}

#[test]
fn a_row_corrects_exactly_if_a_servers_verdict_changes_an_answer_by_it() {
    let mut correcting: Vec<Rule> = Vec::new();
    for (era, sent, attached) in exchanges() {
        let request = request(era, sent, attached);
        for class in body_classes() {
            for response in bodies(class, attached) {
                for response_id in ["none", "valid", "ill-formed"] {
                    for status in STATUSES.filter(|status| matters(*status)) {
                        let verdict =
                            classify(Side::Server, &request, &response.with(status, response_id));

                        correcting.extend(verdict.response().map(|_| verdict.rule()));
                        correcting.extend(verdict.session_header().withheld_by());
                    }
                }
            }
        }
    }
    let own = Misreports::new([(StatusCode::CONFLICT, "x")]).unwrap();
    let conflict =
        Response { body: Some(b"x"), misreports: &own, ..Response::new(StatusCode::CONFLICT) };
    let verdict = classify(Side::Server, &request("legacy", "request", "yes"), &conflict);
    correcting.extend(verdict.response().map(|_| verdict.rule()));
    for rule in Rule::ALL {
        assert_eq!(correcting.contains(rule), rule.corrects(), "{rule:?}");
    }
}

// ---- The facts that are alike

#[test]
fn an_initialize_is_legacy_whatever_version_its_header_names() {
    for side in SIDES {
        for attached in ["yes", "no"] {
            for status in STATUSES {
                let response = Response::new(StatusCode::from_u16(status).unwrap());
                let legacy = request("legacy", "initialize", attached);
                let forged = Request { protocol_version: Some(b"2026-07-28"), ..legacy };

                assert_eq!(
                    classify(side, &legacy, &response),
                    classify(side, &forged, &response),
                    "{side:?} {attached} {status}"
                );
            }
        }
    }
}

#[test]
fn an_ill_formed_id_is_as_attached_as_any() {
    for side in SIDES {
        for sent in SENT {
            for status in STATUSES {
                let response = Response::new(StatusCode::from_u16(status).unwrap());
                let well_formed = request("legacy", sent, "yes");
                let ill_formed = Request { session_id: Some(b"a, b"), ..well_formed };

                let expected = classify(side, &well_formed, &response);

                assert_eq!(expected, classify(side, &ill_formed, &response), "{sent} {status}");
            }
        }
    }
}

#[test]
fn an_empty_id_counts_as_none_on_both_messages() {
    for side in SIDES {
        for sent in SENT {
            for status in STATUSES {
                let none = Response::new(StatusCode::from_u16(status).unwrap());
                let empty = Response { session_id: Some(b""), ..none };
                let without = request("legacy", sent, "no");
                let with_empty = Request { session_id: Some(b""), ..without };

                let expected = classify(side, &without, &none);

                assert_eq!(expected, classify(side, &with_empty, &empty), "{sent} {status}");
            }
        }
    }
}

#[test]
fn the_session_in_a_query_counts_for_a_servers_post_without_a_header() {
    let not_found = Response::new(StatusCode::NOT_FOUND);
    for side in SIDES {
        for sent in SENT {
            let without = request("legacy", sent, "no");
            let query = Request { query_session_id: Some(b"889dd8e2"), ..without };
            let counts = side == Side::Server && without.method == Method::Post;
            let same_as = request("legacy", sent, if counts { "yes" } else { "no" });

            let expected = classify(side, &same_as, &not_found);

            assert_eq!(expected, classify(side, &query, &not_found), "{side:?} {sent}");
        }
    }
}

// ---- The body, where it matters

#[test]
fn the_body_is_needed_exactly_where_two_bodies_lead_to_different_actions() {
    for side in SIDES {
        for era in ["legacy", "modern"] {
            for sent in SENT {
                for attached in ["yes", "no"] {
                    let request = request(era, sent, attached);
                    let bodies: Vec<Option<Vec<u8>>> = body_classes()
                        .flat_map(|class| bodies(class, attached))
                        .map(|response| response.body)
                        .collect();
                    for response_id in ["none", "valid", "ill-formed"] {
                        for head in HEADS {
                            for status in STATUSES {
                                let head = head.with(status, response_id);
                                let action = |body: &Option<Vec<u8>>| {
                                    let response = Response { body: body.as_deref(), ..head };
                                    classify(side, &request, &response).action()
                                };
                                let differ = matters(status)
                                    && bodies.iter().any(|body| action(body) != action(&None));

                                assert_eq!(
                                    differ,
                                    needs_body(side, &request, &head),
                                    "{side:?} {era} {sent} {attached} {response_id} {status}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Bodies are tried under these statuses and their neighbours; that they matter under no
/// other is what the golden file says, and its test tries them all.
fn matters(status: u16) -> bool {
    matches!(status, 200 | 399..=406 | 499..=501)
}

#[test]
fn a_row_says_where_a_misreport_was_seen_and_of_the_others_nothing() {
    for rule in Rule::ALL {
        let is_listed = Misreport::LISTED.iter().any(|misreport| misreport.rule() == *rule);

        assert_eq!(is_listed, rule.source().is_some(), "{rule:?}");
        assert!(rule.summary().contains(rule.source().unwrap_or_default()), "{rule:?}");
    }
}

#[test]
fn a_body_that_matters_is_waited_for_to_its_end() {
    let mut waited = 0;
    for side in SIDES {
        for (sent, attached) in [("request", "yes"), ("get", "yes"), ("request", "no")] {
            let request = request("legacy", sent, attached);
            for class in body_classes() {
                for whole in bodies(class, attached) {
                    for status in [400, 401, 404, 500] {
                        let whole = whole.with(status, "none");
                        let unread = Response { body: None, ..whole };
                        let action = |it| classify(side, &request, it).action();
                        if action(&whole) == action(&unread) {
                            continue;
                        }
                        let body = [b" \r\n", whole.body.unwrap(), b"\t "].concat();
                        for length in 0..=body.len() {
                            let so_far = Response { body: Some(&body[..length]), ..whole };

                            assert!(
                                needs_more_body(side, &request, &so_far),
                                "{side:?} {sent} {class} {status} {length}"
                            );
                            waited += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(waited > 2_000, "{waited}");
}

#[test]
fn what_can_no_longer_matter_is_not_waited_for() {
    let request = request("legacy", "request", "yes");
    let padding = " ".repeat(4097);
    for (status, so_far) in [
        (400, "<"),
        (400, "Bad Request: x"),
        (400, "unknown session.."),
        (400, "unknown session. x"),
        (400, "Bad Request: Bad Request: u"),
        (400, "\"unknown session\""),
        (400, "{nope"),
        (400, "{} x"),
        (400, "[{"),
        (400, &*padding),
        (401, "unauthorized."),
        (401, "{}, "),
        (404, "N"),
        (404, "[{"),
        (500, "Internal Server Error"),
        (500, "{"),
        (500, "Encounter an error when resume session: Session not found: another"),
        (500, "Encounter an error when resume session: Session error: Session service stopped"),
    ] {
        let response = HEADS[0].with(status, "none");
        let so_far = Response { body: Some(so_far.as_bytes()), ..response };

        assert!(needs_body(Side::Server, &request, &response), "{status}");
        assert!(!needs_more_body(Side::Server, &request, &so_far), "{status} {:?}", so_far.body);
    }
}

#[test]
fn the_request_body_is_needed_exactly_where_two_lead_to_different_answers() {
    let messages = [
        None,
        Some(peek(br#"{"id":7,"method":"initialize"}"#)),
        Some(peek(br#"{"id":7,"method":"tools/list"}"#)),
        Some(peek(br#"{"method":"notifications/x"}"#)),
        Some(peek(
            br#"{"id":7,"method":"m","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
        )),
    ];
    for side in SIDES {
        for method in [Method::Post, Method::Get, Method::Delete, Method::Other] {
            for attached in ["yes", "no"] {
                for version in [None, Some(&b"2025-11-25"[..]), Some(b"2026-07-28")] {
                    let request = Request {
                        session_id: (attached == "yes").then_some(ATTACHED),
                        protocol_version: version,
                        ..Request::new(method)
                    };
                    let bodies: Vec<Option<Vec<u8>>> = body_classes()
                        .flat_map(|class| bodies(class, attached))
                        .map(|response| response.body)
                        .collect();
                    for response_id in ["none", "valid", "ill-formed"] {
                        for head in HEADS {
                            for status in STATUSES.filter(|status| matters(*status)) {
                                let head = head.with(status, response_id);
                                let differ = bodies.iter().any(|body| {
                                    let response = Response { body: body.as_deref(), ..head };
                                    let says = |message| {
                                        let request = Request { message, ..request };
                                        let it = classify(side, &request, &response);
                                        (it.action(), forwards(&it), it.response())
                                    };
                                    messages.into_iter().any(|it| says(it) != says(None))
                                });

                                assert_eq!(
                                    differ,
                                    needs_request_body(side, &request, &head),
                                    "{side:?} {method:?} {attached} {version:?} {response_id} {status}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_client_decides_a_404_without_reading_a_byte() {
    for quirks in [Quirks::Ignore, Quirks::Recognize] {
        for sent in SENT {
            for attached in ["yes", "no"] {
                let request = request("legacy", sent, attached);
                let not_found = Response {
                    content_type: Some(b"application/json"),
                    ..Response::new(StatusCode::NOT_FOUND)
                };

                assert!(!needs_body(Side::Client(quirks), &request, &not_found));
            }
        }
    }
}

#[test]
fn only_a_whole_text_in_its_normal_form_is_a_misreport() {
    let request = request("legacy", "request", "yes");
    for misreport in Misreport::LISTED {
        let Some(Wording { status, matcher: Matcher::Text, text, .. }) = misreport.wording() else {
            continue;
        };
        assert!(text.len() <= Misreports::TEXT_LIMIT, "{text}");
        for (body, recognized) in whole_texts(text) {
            let response = Response {
                body: Some(body.as_bytes()),
                ..Response::new(StatusCode::from_u16(status).unwrap())
            };
            for side in [Side::Client(Quirks::Recognize), Side::Server] {
                let rule = classify(side, &request, &response).rule();

                assert_eq!(recognized, rule == misreport.rule(), "{side:?} {body}");
            }
        }
    }
}

/// Bodies that hold a text in normal form, and whether one says nothing else.
fn whole_texts(text: &str) -> Vec<(String, bool)> {
    let escaped = format!("\\u{:04x}{}", text.as_bytes()[0], &text[1..]);
    let object = |member: &str| format!("{{{member}}}");
    let mut bodies = vec![
        (text.to_owned(), true),
        (format!("\r\n {text}\t\n"), true),
        (text.to_uppercase(), true),
        (text.replace(' ', " \t "), true),
        (format!("{text}."), true),
        (format!("{text}.."), false),
        (format!("{text} ."), false),
        (format!("x{text}"), false),
        (format!("{text} x"), false),
        (format!("\"{text}\""), false),
        (format!("{text}{}", " ".repeat(4096 - text.len())), true),
        (format!("{text}{}", " ".repeat(4097 - text.len())), false),
        (format!("Bad Request: Bad Request: {text}"), false),
        (format!("Not Found: {text}"), false),
        (object(&format!(r#""error":{{"data":"{text}","message":"x"}}"#)), false),
        (object(&format!(r#""data":{{"message":"{text}"}}"#)), false),
        (object(&format!(r#""message":{{"error":"{text}"}}"#)), false),
        (format!("[{}]", object(&format!(r#""error":{{"message":"{text}"}}"#))), false),
        (object(&format!(r#""error":"{text}","x":"{}""#, " ".repeat(4096))), false),
    ];
    for lead in ["Bad Request: ", "INVALID request:  ", "unauthorized: "] {
        bodies.push((format!("{lead}{text}"), true));
    }
    for place in [r#""error":{"code":-1,"message":TEXT}"#, r#""error":TEXT"#, r#""message":TEXT"#] {
        let with = |text: &str| object(&place.replace("TEXT", &format!("\"{text}\"")));
        let once = place.replace("TEXT", &format!("\"{text}\""));
        bodies.extend([
            (with(text), true),
            (with(&text.to_uppercase()), true),
            (with(&escaped), true),
            (with(&format!("Bad Request: {text}.")), true),
            (with(&format!("x {text}")), false),
            (with(&format!(" {text}")), false),
            (object(&format!("{once},{once}")), false),
            (format!("{}x", with(text)), false),
        ]);
    }
    bodies
}

#[test]
fn a_callers_own_misreport_is_as_good_as_a_listed_one() {
    let listed = "Session not found";
    for status in STATUSES {
        let status = StatusCode::from_u16(status).unwrap();
        let Ok(own) = Misreports::new([(status, listed), (StatusCode::CONFLICT, "x")]) else {
            assert!(status.as_u16() < 400 || status == 404 || status.as_u16() > 599, "{status}");
            continue;
        };
        for side in SIDES {
            for (era, sent, attached) in exchanges() {
                let request = request(era, sent, attached);
                let as_listed = Response {
                    body: Some(listed.as_bytes()),
                    ..Response::new(StatusCode::BAD_REQUEST)
                };
                let looks = match side {
                    Side::Client(_) => Side::Client(Quirks::Recognize),
                    Side::Server => Side::Server,
                };
                let expected = classify(looks, &request, &as_listed);
                let is_read = expected.rule().name().starts_with("Misreport");
                for OwnedResponse { body, .. } in spellings(listed) {
                    for challenge in [None, Some(&b"Bearer"[..])] {
                        let own = Response {
                            body: body.as_deref(),
                            www_authenticate: challenge,
                            misreports: &own,
                            ..Response::new(status)
                        };
                        let is_refused =
                            matches!(status.as_u16(), 401 | 403) && challenge.is_some();

                        let verdict = classify(side, &request, &own);

                        let without = Response { misreports: &Misreports::none(), ..own };
                        let unread = classify(side, &request, &Response { body: None, ..own });
                        let acts = is_read && !is_refused && expected.action() != unread.action();
                        let needed = acts || needs_body(side, &request, &without);
                        assert_eq!(needed, needs_body(side, &request, &own), "{side:?} {status}");
                        let misreported = verdict.rule().name().starts_with("Misreport");
                        assert_eq!(is_read && !is_refused, misreported, "{side:?} {sent} {status}");
                        if misreported {
                            let answers =
                                [expected, verdict].map(|it| (it.action(), it.response()));
                            assert_eq!(answers[0], answers[1], "{side:?} {sent} {status}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_longest_text_of_a_caller_is_compared_to_its_end() {
    let request = request("legacy", "request", "yes");
    let longest = "x".repeat(Misreports::TEXT_LIMIT);
    let own = Misreports::new([(StatusCode::CONFLICT, longest.as_str())]).unwrap();
    for (body, recognized) in [
        (longest.clone(), true),
        (format!("Bad Request: {longest}."), true),
        (format!("{longest}x"), false),
        (format!("{longest}xx"), false),
    ] {
        let response = Response {
            body: Some(body.as_bytes()),
            misreports: &own,
            ..Response::new(StatusCode::CONFLICT)
        };

        let rule = classify(Side::Server, &request, &response).rule();

        assert_eq!(recognized, rule == Rule::MisreportOfCaller, "{body}");
    }
}

#[test]
fn a_callers_own_misreport_counts_by_its_whole_text_and_its_status() {
    let request = request("legacy", "request", "yes");
    let text = "worker has forgotten you";
    let own = Misreports::new([(StatusCode::CONFLICT, "Bad Request: Worker has forgotten you.")]);
    let own = own.unwrap();
    for side in SIDES {
        for status in [400, 401, 409, 410, 500] {
            for (body, recognized) in whole_texts(text) {
                let response = Response {
                    body: Some(body.as_bytes()),
                    misreports: &own,
                    ..Response::new(StatusCode::from_u16(status).unwrap())
                };

                let verdict = classify(side, &request, &response);

                let expected = recognized && status == 409;
                assert_eq!(expected, verdict.rule() == Rule::MisreportOfCaller, "{side:?} {body}");
            }
        }
    }
}

#[test]
fn the_canonical_404_is_known_by_its_members_in_any_order_and_spacing() {
    let request = request("legacy", "request", "yes");
    let error = r#""error":{"code":-32001,"message":"Session not found"}"#;
    for (body, canonical) in [
        (format!(r#"{{"jsonrpc":"2.0",{error},"id":7}}"#), true),
        (format!(r#" {{ "id" : 7.0 , {error} , "jsonrpc" : "2.0" }} "#), true),
        (format!(r#"{{"jsonrpc":"2.0",{error}}}"#), true),
        (
            format!(r#"{{"jsonrpc":"2.0",{error},"id":7,"more":[{}]}}"#, "1,".repeat(9999) + "1"),
            true,
        ),
        (
            r#"{"jsonrpc":"2.0","error":{"message":"gone","data":1,"code":-32001},"id":7}"#.into(),
            true,
        ),
        (format!(r#"{{{error},"id":7}}"#), false),
        (format!(r#"{{"jsonrpc":"1.0",{error},"id":7}}"#), false),
        (format!(r#"{{"jsonrpc":"2.0",{error},"id":null}}"#), false),
        (format!(r#"{{"jsonrpc":"2.0",{error},"id":"7"}}"#), false),
        (format!(r#"{{"jsonrpc":"2.0",{error},"id":7,"id":7}}"#), false),
        (format!(r#"{{"jsonrpc":"2.0",{error},"id":7,"result":{{}}}}"#), false),
        (format!(r#"{{"jsonrpc":"2.0",{error},"id":7,"method":"m"}}"#), false),
        (format!(r#"{{"jsonrpc":"2.0",{error},"id":7}}x"#), false),
        (format!(r#"[{{"jsonrpc":"2.0",{error},"id":7}}]"#), false),
        (r#"{"jsonrpc":"2.0","error":{"code":-32001},"id":7}"#.into(), false),
        (r#"{"jsonrpc":"2.0","error":{"code":"-32001","message":"x"},"id":7}"#.into(), false),
        (r#"{"jsonrpc":"2.0","error":{"code":-32001,"message":null},"id":7}"#.into(), false),
    ] {
        for (content_type, is_json) in [
            (&b"application/json"[..], true),
            (b"Application/JSON ; charset=utf-8", true),
            (b"application/json-rpc", false),
            (b"text/html", false),
        ] {
            let response = Response {
                content_type: Some(content_type),
                body: Some(body.as_bytes()),
                ..Response::new(StatusCode::NOT_FOUND)
            };

            let rule = classify(Side::Server, &request, &response).rule();

            assert_eq!(canonical && is_json, rule == Rule::CanonicalNotFound, "{body}");
        }
    }
}

#[test]
fn an_answer_repeats_the_id_of_the_request_only() {
    let body = |sent| {
        admit(&request("legacy", sent, "yes"), Lookup::Unknown)
            .response()
            .map(|answer| answer.body())
    };

    assert!(body("request").is_some_and(|body| body.ends_with(r#","id":7}"#)));
    for sent in ["notification", "response", "batch", "malformed", "unknown", "get", "delete"] {
        assert!(body(sent).is_some_and(|body| body.ends_with("not found\"}}")), "{sent}");
    }
}

#[test]
fn the_body_of_any_method_but_post_means_nothing() {
    for side in SIDES {
        for sent in ["get", "delete", "other"] {
            for body in ["initialize", "request"] {
                for status in STATUSES {
                    let bodiless = request("legacy", sent, "yes");
                    let message = request("legacy", body, "yes").message;
                    let with_body = Request { message, ..bodiless };
                    let response = Response::new(StatusCode::from_u16(status).unwrap());

                    let expected = classify(side, &bodiless, &response);

                    assert_eq!(expected, classify(side, &with_body, &response), "{sent} {status}");
                    for lookup in LOOKUPS {
                        assert_eq!(admit(&bodiless, lookup), admit(&with_body, lookup), "{sent}");
                    }
                }
            }
        }
    }
}

#[test]
fn only_a_successful_initialize_hands_out_an_id() {
    for side in SIDES {
        for sent in SENT {
            for status in STATUSES {
                let response = Response {
                    session_id: Some(b"fresh"),
                    ..Response::new(StatusCode::from_u16(status).unwrap())
                };

                let verdict = classify(side, &request("legacy", sent, "yes"), &response);

                let adopts = matches!(side, Side::Client(_))
                    && sent == "initialize"
                    && (200..300).contains(&status);
                let adopted = verdict.session_id().map(|id| id.as_str());
                assert_eq!(adopts.then_some("fresh"), adopted, "{side:?} {sent} {status}");
                assert_eq!(adopts, verdict.action() == Action::AdoptSession);
            }
        }
    }
}

fn exchanges() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    ["legacy", "modern"].into_iter().flat_map(|era| {
        SENT.into_iter().flat_map(move |sent| ["yes", "no"].map(|attached| (era, sent, attached)))
    })
}

/// U6 has one row, A1 and A2 are withheld by the rows that decide.
fn forwards(verdict: &Verdict<'_>) -> bool {
    match verdict.session_header() {
        SessionHeader::Forward => true,
        SessionHeader::Withhold(rule) => {
            assert!(rule == Rule::SessionIdOnError || rule == verdict.rule(), "{rule:?}");
            false
        }
    }
}

// ---- The spaces

fn cells() -> impl Iterator<Item = Columns> {
    let replies: Vec<ResponseKind> = [
        ResponseKind::Success,
        ResponseKind::BadRequest,
        ResponseKind::ModernOnly,
        ResponseKind::Unauthorized,
        ResponseKind::Forbidden,
        ResponseKind::NotFound,
        ResponseKind::CanonicalNotFound,
        ResponseKind::MethodNotAllowed,
        ResponseKind::OtherStatus,
    ]
    .into_iter()
    .chain(Misreport::LISTED.iter().copied().map(ResponseKind::Misreported))
    .chain([ResponseKind::Misreported(Misreport::MisreportOfCaller)])
    .collect();
    let ids =
        [ResponseSessionId::Absent, ResponseSessionId::WellFormed, ResponseSessionId::IllFormed];
    let mut cells = Vec::new();
    for side in SIDES {
        for (request_kind, attachment) in requests() {
            for response_kind in &replies {
                for response_session_id in ids {
                    cells.push(Columns {
                        side,
                        request_kind,
                        attachment,
                        response_kind: *response_kind,
                        response_session_id,
                    });
                }
            }
        }
    }
    cells.into_iter()
}

fn admissions() -> impl Iterator<Item = Admission> {
    requests().flat_map(|(request_kind, attachment)| {
        LOOKUPS.into_iter().map(move |lookup| Admission { request_kind, attachment, lookup })
    })
}

fn requests() -> impl Iterator<Item = (RequestKind, Attachment)> {
    [
        RequestKind::Modern,
        RequestKind::Initialize,
        RequestKind::Post,
        RequestKind::Get,
        RequestKind::Delete,
        RequestKind::OtherMethod,
    ]
    .into_iter()
    .flat_map(|sent| [Attachment::Attached, Attachment::NotAttached].map(|it| (sent, it)))
}

const SENT: [&str; 10] = [
    "initialize",
    "request",
    "notification",
    "response",
    "batch",
    "malformed",
    "unknown",
    "get",
    "delete",
    "other",
];

fn request(era: &str, sent: &str, attached: &str) -> Request<'static> {
    let (method, message): (Method, Option<Message<'_>>) = match sent {
        "initialize" => (Method::Post, Some(peek(br#"{"id":7,"method":"initialize"}"#))),
        "request" => (Method::Post, Some(peek(br#"{"id":7,"method":"tools/list"}"#))),
        "notification" => (Method::Post, Some(peek(br#"{"method":"notifications/x"}"#))),
        "response" => (Method::Post, Some(peek(br#"{"id":7,"result":{}}"#))),
        "batch" => (Method::Post, Some(peek(br#"[{"id":7,"method":"tools/list"}]"#))),
        "malformed" => (Method::Post, Some(peek(br#"{"id":7,"method":"#))),
        "unknown" => (Method::Post, None),
        "get" => (Method::Get, None),
        "delete" => (Method::Delete, None),
        "other" => (Method::Other, None),
        other => panic!("{other}"),
    };
    Request {
        session_id: (attached == "yes").then_some(ATTACHED),
        protocol_version: (era == "modern").then_some(b"2026-07-28"),
        message,
        ..Request::new(method)
    }
}

const BODY_CLASSES: [&str; 14] = [
    "unread",
    "plain",
    "canonical",
    "canonical-without-id",
    "canonical-null-id",
    "canonical-other-id",
    "canonical-text",
    "canonical-encoded",
    "other-code",
    "unsupported-version",
    "session-not-found-challenged",
    "resume-not-found",
    "resume-other-id",
    "resume-terminated",
];

/// Those, and one for each wording.
fn body_classes() -> impl Iterator<Item = &'static str> {
    BODY_CLASSES.into_iter().chain(GOLDEN.texts.iter().map(|(class, _)| class.as_str()))
}

#[derive(Clone)]
struct OwnedResponse {
    content_type: &'static str,
    encoded: bool,
    challenged: bool,
    body: Option<Vec<u8>>,
}

const HEADS: [OwnedResponse; 5] = [
    OwnedResponse {
        content_type: "application/json",
        encoded: false,
        challenged: false,
        body: None,
    },
    OwnedResponse { content_type: "text/plain", encoded: false, challenged: false, body: None },
    OwnedResponse {
        content_type: "application/json",
        encoded: true,
        challenged: false,
        body: None,
    },
    OwnedResponse {
        content_type: "application/json",
        encoded: false,
        challenged: true,
        body: None,
    },
    OwnedResponse { content_type: "text/plain", encoded: true, challenged: true, body: None },
];

impl OwnedResponse {
    fn with(&self, status: u16, response_id: &str) -> Response<'_> {
        Response {
            session_id: match response_id {
                "valid" => Some(b"fresh"),
                "ill-formed" => Some(b"not visible"),
                _ => None,
            },
            content_type: Some(self.content_type.as_bytes()),
            content_encoding: self.encoded.then_some(b"gzip"),
            www_authenticate: self.challenged.then_some(b"Bearer"),
            body: self.body.as_deref(),
            ..Response::new(StatusCode::from_u16(status).unwrap())
        }
    }
}

/// Every response that a body class of the golden file stands for.
fn bodies(class: &str, attached: &str) -> Vec<OwnedResponse> {
    let json = |body: String| OwnedResponse { body: Some(body.into_bytes()), ..HEADS[0].clone() };
    let text = |body: &str| OwnedResponse { body: Some(body.into()), ..HEADS[1].clone() };
    let error = |code: i32, id: &str| {
        json(format!(r#"{{"jsonrpc":"2.0","error":{{"code":{code},"message":"x"}}{id}}}"#))
    };
    let wording = |class| {
        let texts = GOLDEN.texts.iter().find(|(known, _)| known == class);
        let (_, wording) = texts.unwrap_or_else(|| panic!("no body class {class}"));
        spellings(wording)
    };
    let resume = "Encounter an error when resume session: ";
    let attached = if attached == "yes" { "1868a90c" } else { "x" };
    match class {
        "unread" => vec![HEADS[0].clone()],
        "plain" => vec![text("Not Found")],
        "canonical" => vec![error(-32001, r#","id":7"#)],
        "canonical-without-id" => vec![error(-32001, "")],
        "canonical-null-id" => vec![error(-32001, r#","id":null"#)],
        "canonical-other-id" => vec![error(-32001, r#","id":8"#)],
        "canonical-text" => {
            vec![OwnedResponse { content_type: "text/plain", ..error(-32001, r#","id":7"#) }]
        }
        "canonical-encoded" => {
            vec![OwnedResponse { encoded: true, ..error(-32001, r#","id":7"#) }]
        }
        "other-code" => vec![error(-32600, r#","id":7"#)],
        "unsupported-version" => vec![error(-32022, r#","id":7"#)],
        "session-not-found-challenged" => wording("session-not-found")
            .into_iter()
            .map(|response| OwnedResponse { challenged: true, ..response })
            .collect(),
        "resume-not-found" => vec![text(&format!("{resume}Session not found: {attached}"))],
        "resume-other-id" => vec![text(&format!("{resume}Session not found: another"))],
        "resume-terminated" => {
            vec![text(&format!("{resume}Session error: Session service terminated"))]
        }
        class => wording(class),
    }
}

/// The ways in which a server says it, as far as they differ.
fn spellings(wording: &str) -> Vec<OwnedResponse> {
    let bare = wording.trim_start_matches("Bad Request: ");
    let loud = wording.to_uppercase();
    [
        wording.to_owned(),
        format!(r#"{{"jsonrpc":"2.0","error":{{"code":-32000,"message":"{loud}"}},"id":null}}"#),
        format!(r#"{{"error":"{wording}."}}"#),
        format!(r#"{{"error":"Bad Request","message":"Invalid Request:  {bare}"}}"#),
    ]
    .map(|body| OwnedResponse { body: Some(body.into_bytes()), ..HEADS[1].clone() })
    .into()
}

#[track_caller]
fn assert_decided(line: &Line, side: Side, request: &Request<'_>, response: &Response<'_>) {
    let verdict = classify(side, request, response);

    let decided = (verdict.action(), verdict.rule().name(), forwards(&verdict));
    assert_eq!(
        line.decision(),
        decided,
        "{}: {}",
        response.status,
        String::from_utf8_lossy(response.body.unwrap_or_default())
    );
    assert!(verdict.rule().covers(&Columns::of(side, request, response)));
}

// ---- The golden file

struct Golden {
    /// Each wording of a terminated session, by its body class.
    texts: Vec<(String, String)>,
    exchanges: Vec<Line>,
    admissions: Vec<Line>,
}

struct Line {
    number: usize,
    fields: Vec<String>,
    action: Action,
    rule: String,
    forwards: bool,
}

const SIDE: usize = 0;
const STATUS: usize = 5;

impl Golden {
    fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/decisions.txt");
        let text = fs::read_to_string(path).unwrap();
        let mut golden = Self { texts: Vec::new(), exchanges: Vec::new(), admissions: Vec::new() };
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (table, rest) = line.split_once('|').unwrap();
            let table = match table.trim() {
                "text" => {
                    let (class, wording) = rest.split_once("=>").unwrap();
                    golden.texts.push((class.trim().to_owned(), wording.trim().to_owned()));
                    continue;
                }
                "exchange" => &mut golden.exchanges,
                "admit" => &mut golden.admissions,
                other => panic!("{other}"),
            };
            table.push(Line::parse(table.len(), rest));
        }
        golden
    }

    fn lines(
        &self,
        side: Side,
        era: &str,
        sent: &str,
        attached: &str,
        response_id: &str,
        body: &str,
    ) -> Vec<&Line> {
        let (side, quirks) = match side {
            Side::Client(Quirks::Ignore) => ("client", "off"),
            Side::Client(Quirks::Recognize) => ("client", "on"),
            Side::Server => ("server", "off"),
        };
        let lines: Vec<&Line> = self
            .exchanges
            .iter()
            .filter(|line| {
                let values = [side, quirks, era, sent, attached];
                line.matches(&values)
                    && matches_value(&line.fields[STATUS + 1], response_id)
                    && matches_value(&line.fields[STATUS + 2], body)
            })
            .collect();
        assert!(lines.iter().all(|line| line.fields[SIDE] == side));
        lines
    }
}

/// The one line of these for this status.
fn only<'a>(lines: &[&'a Line], status: u16) -> &'a Line {
    let mut matching = lines.iter().filter(|line| matches_status(&line.fields[STATUS], status));
    let line = matching.next().unwrap_or_else(|| panic!("no golden line for {status}"));
    assert!(matching.next().is_none(), "two golden lines for {status}");
    line
}

impl Line {
    fn parse(number: usize, rest: &str) -> Self {
        let (fields, decision) = rest.split_once("=>").unwrap();
        let mut decision = decision.split_whitespace();
        let action = match decision.next().unwrap() {
            "PassThrough" => Action::PassThrough,
            "AdoptSession" => Action::AdoptSession,
            "ClearAndReinit" => Action::ClearAndReinit,
            "Clear" => Action::Clear,
            "NotFoundResponse" => Action::NotFoundResponse,
            "BadRequestResponse" => Action::BadRequestResponse,
            "UnavailableResponse" => Action::UnavailableResponse,
            other => panic!("{other}"),
        };
        Self {
            number,
            fields: fields.split('|').map(|field| field.trim().to_owned()).collect(),
            action,
            rule: decision.next().unwrap().to_owned(),
            forwards: decision.next() != Some("withhold"),
        }
    }

    fn decision(&self) -> (Action, &str, bool) {
        (self.action, &self.rule, self.forwards)
    }

    fn matches(&self, values: &[&str]) -> bool {
        self.fields.iter().zip(values).all(|(field, value)| matches_value(field, value))
    }
}

fn matches_value(field: &str, value: &str) -> bool {
    match field.strip_prefix('!') {
        Some(excluded) => !excluded.split(',').any(|it| it == value),
        None => field == "*" || field.split(',').any(|it| it == value),
    }
}

fn matches_status(field: &str, status: u16) -> bool {
    let is_in = |field: &str| {
        field.split(',').any(|it| match it.split_once('-') {
            Some((first, last)) => {
                (first.parse().unwrap()..=last.parse().unwrap()).contains(&status)
            }
            None => it.parse() == Ok(status),
        })
    };
    match field.strip_prefix('!') {
        Some(excluded) => !is_in(excluded),
        None => field == "*" || is_in(field),
    }
}
