#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails in its own set-up says where"
)]

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::{format, vec};

use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::exchange::Method;
use crate::jsonrpc::peek;

const INITIALIZE: &[u8] = br#"{"jsonrpc":"2.0","id":0,"method":"initialize"}"#;
const LIST: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const CALL: &[u8] = br#"{"jsonrpc":"2.0","id":2,"method":"tools/call"}"#;
const AGAIN: &[u8] = br#"{"jsonrpc":"2.0","id":3,"method":"tools/call"}"#;
const NOTIFICATION: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const CANONICAL: &[u8] =
    br#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"}}"#;

type Pair = (Request<'static>, Option<Response<'static>>);

fn request(method: Method, session: &'static str, body: Option<&'static [u8]>) -> Request<'static> {
    Request {
        session_id: Some(session.as_bytes()).filter(|id| !id.is_empty()),
        message: body.map(peek),
        ..Request::new(method)
    }
}

fn post(session: &'static str, body: &'static [u8]) -> Request<'static> {
    request(Method::Post, session, Some(body))
}

fn get(session: &'static str) -> Request<'static> {
    request(Method::Get, session, None)
}

fn delete(session: &'static str) -> Request<'static> {
    request(Method::Delete, session, None)
}

fn status(status: u16) -> Response<'static> {
    Response::new(StatusCode::from_u16(status).unwrap())
}

fn said(code: u16, body: &'static str) -> Response<'static> {
    Response { body: Some(body.as_bytes()), ..status(code) }
}

fn brings(session: &'static str) -> Response<'static> {
    Response { session_id: Some(session.as_bytes()), ..status(200) }
}

fn gone() -> Response<'static> {
    let content_type = Some(&b"application/json"[..]);
    Response { content_type, body: Some(CANONICAL), ..status(404) }
}

fn opened(session: &'static str) -> Pair {
    (post("", INITIALIZE), Some(brings(session)))
}

fn exchange(pair: Pair, sent: u64, answered: u64) -> Recorded<'static> {
    let (request, response) = pair;
    let endpoint = "server.example/mcp";
    Recorded { endpoint, request, last_event_id: None, response, sent, answered }
}

/// One exchange after the other.
fn in_turn(pairs: &[Pair]) -> Vec<Recorded<'static>> {
    (0..).step_by(2).zip(pairs).map(|(time, pair)| exchange(*pair, time, time + 1)).collect()
}

#[track_caller]
fn assert_found(recorded: &[Recorded<'_>], expected: &[(Claim, Option<usize>, &[usize])]) {
    let story = diagnose(recorded);
    let found: Vec<_> = story
        .findings
        .iter()
        .map(|finding| (finding.claim, finding.session, &finding.exchanges[..]))
        .collect();
    assert_eq!(expected, found.as_slice());
}

#[test]
fn a_session_that_is_replaced_as_it_should_be_gives_nothing_to_find() {
    let recorded = in_turn(&[
        opened("a"),
        (post("a", NOTIFICATION), Some(status(202))),
        (post("a", LIST), Some(status(200))),
        (post("a", CALL), Some(gone())),
        opened("b"),
        (post("b", NOTIFICATION), Some(status(202))),
        (post("b", CALL), Some(status(200))),
        (delete("b"), Some(status(200))),
    ]);

    let story = diagnose(&recorded);

    assert_eq!(Vec::<Finding>::new(), story.findings);
    let [a, b] = story.sessions.as_slice() else { panic!("{story:?}") };
    assert_eq!((0, Some(3), Some(4), 1), (a.began, a.ended, a.replacement, a.served));
    assert_eq!((4, Some(7), None, 1), (b.began, b.ended, b.replacement, b.served));
    assert_eq!((vec![0, 1, 2, 3], vec![4, 5, 6, 7]), (a.exchanges.clone(), b.exchanges.clone()));
    assert_eq!(Some((Action::ClearAndReinit, Rule::TerminatedPost)), story.exchanges[3].verdict);
}

#[test]
fn what_was_sent_before_the_end_was_known_is_late_and_not_wrong() {
    let recorded = [
        exchange(opened("a"), 0, 1),
        exchange((post("a", LIST), Some(gone())), 2, 5),
        exchange((post("a", CALL), Some(gone())), 3, 6),
        exchange((post("a", AGAIN), Some(gone())), 5, 9),
        exchange(opened("b"), 7, 8),
    ];

    assert_found(&recorded, &[]);
    assert_eq!(Some(1), diagnose(&recorded).sessions[0].ended);
}

#[test]
fn a_client_that_keeps_the_dead_id_is_told_so_once_with_every_exchange() {
    let recorded = in_turn(&[
        opened("a"),
        (post("a", LIST), Some(gone())),
        (post("a", CALL), Some(gone())),
        (get("a"), Some(gone())),
        (delete("a"), Some(gone())),
    ]);

    assert_found(&recorded, &[(Claim::KeptDeadId, Some(0), &[2, 3])]);
}

#[test]
fn a_request_that_goes_out_again_in_the_session_that_refused_it_is_a_replay() {
    let recorded = in_turn(&[
        opened("a"),
        (post("a", CALL), Some(gone())),
        opened("b"),
        (post("a", CALL), Some(gone())),
        (post("a", LIST), Some(gone())),
    ]);

    assert_found(
        &recorded,
        &[(Claim::ReplayedToDeadSession, Some(0), &[3]), (Claim::KeptDeadId, Some(0), &[4])],
    );
}

#[test]
fn a_session_that_ends_with_no_initialize_behind_it_was_not_replaced() {
    let ended = [opened("a"), (post("a", LIST), Some(gone()))];
    assert_found(&in_turn(&ended), &[(Claim::NoInitialize, Some(0), &[1])]);

    let without_an_id = [ended[0], ended[1], (post("", CALL), Some(said(400, "no session")))];
    assert_found(&in_turn(&without_an_id), &[(Claim::NoInitialize, Some(0), &[2])]);

    let deleted = [ended[0], (delete("a"), Some(status(405)))];
    assert_found(&in_turn(&deleted), &[]);
}

#[test]
fn an_initialize_at_the_very_time_of_the_end_is_the_answer_to_it() {
    let recorded = [
        exchange(opened("a"), 0, 0),
        exchange((post("a", LIST), Some(gone())), 1, 1),
        exchange(opened("b"), 1, 1),
        exchange((post("b", LIST), Some(status(200))), 1, 1),
    ];

    assert_found(&recorded, &[]);
    let story = diagnose(&recorded);
    assert_eq!(Some(2), story.sessions[0].replacement);
    assert_eq!((Beginning::Assigned, 2), (story.sessions[1].beginning, story.sessions[1].began));
}

#[test]
fn an_id_on_initialize_is_found_and_the_refusal_is_not_blamed_on_the_server() {
    let recorded = in_turn(&[
        opened("a"),
        (post("a", LIST), Some(gone())),
        (post("a", INITIALIZE), Some(gone())),
        (post("", INITIALIZE), Some(brings("b"))),
    ]);

    assert_found(&recorded, &[(Claim::InitializeWithId, Some(0), &[2])]);
    assert_eq!(Some(3), diagnose(&recorded).sessions[0].replacement);
}

#[test]
fn a_request_without_the_id_of_the_live_session_lost_its_header() {
    let recorded = in_turn(&[
        opened("a"),
        (post("", LIST), Some(said(400, "Bad Request: Missing session ID"))),
    ]);
    assert_found(&recorded, &[(Claim::LostHeader, Some(0), &[1])]);

    let nobody_knows_whose =
        in_turn(&[(post("a", LIST), Some(status(200))), (post("", LIST), Some(status(400)))]);
    assert_found(&nobody_knows_whose, &[]);
}

#[test]
fn a_client_of_a_server_without_sessions_lost_nothing() {
    let recorded = in_turn(&[
        (post("", INITIALIZE), Some(status(200))),
        opened("a"),
        (post("", LIST), Some(status(200))),
    ]);

    assert_found(&recorded, &[]);
}

#[test]
fn a_server_that_wants_an_id_which_its_initialize_did_not_bring_stands_behind_a_gateway() {
    for text in ["Bad Request: Mcp-Session-Id header is required", "Missing session ID"] {
        let recorded = in_turn(&[
            (post("", INITIALIZE), Some(status(200))),
            (post("", LIST), Some(said(400, text))),
        ]);

        assert_found(&recorded, &[(Claim::ResponseHeaderDropped, None, &[1])]);
    }
}

#[test]
fn a_server_that_was_not_shown_the_id_stands_behind_a_gateway() {
    let text = "Bad Request: Mcp-Session-Id header is required";
    let recorded = in_turn(&[opened("a"), (post("a", LIST), Some(said(400, text))), opened("b")]);

    assert_found(&recorded, &[(Claim::RequestHeaderDropped, Some(0), &[1])]);
}

#[test]
fn a_misreport_ends_the_session_and_is_the_servers() {
    let recorded = in_turn(&[
        opened("a"),
        (post("a", LIST), Some(said(400, "unknown session"))),
        opened("b"),
        (delete("b"), Some(said(400, "unknown session"))),
    ]);

    assert_found(
        &recorded,
        &[(Claim::Misreported, Some(0), &[1]), (Claim::Misreported, Some(1), &[3])],
    );
    assert_eq!(Some(1), diagnose(&recorded).sessions[0].ended);
}

#[test]
fn a_misreport_that_only_servers_act_on_is_found_and_ends_nothing() {
    let text = "Encounter an error when resume session: Session error: Session service terminated";
    let recorded = in_turn(&[opened("a"), (get("a"), Some(said(500, text)))]);

    assert_found(&recorded, &[(Claim::Misreported, Some(0), &[1])]);
    assert_eq!(None, diagnose(&recorded).sessions[0].ended);
}

#[test]
fn a_refusal_that_speaks_of_a_session_in_unknown_words_is_found_and_ends_nothing() {
    let recorded = in_turn(&[
        opened("a"),
        (post("a", LIST), Some(said(410, "Your SESSION was reaped"))),
        (get("a"), Some(said(409, "one stream per session"))),
        (post("a", LIST), Some(said(403, "not your session"))),
        (post("a", LIST), Some(said(200, "session"))),
    ]);

    assert_found(&recorded, &[(Claim::UnrecognizedRefusal, Some(0), &[1])]);
    assert_eq!(None, diagnose(&recorded).sessions[0].ended);
}

#[test]
fn a_401_with_a_challenge_is_about_who_asks() {
    let challenge =
        Response { www_authenticate: Some(b"Bearer"), ..said(401, "the session has no token") };
    let recorded = in_turn(&[opened("a"), (post("a", LIST), Some(challenge))]);

    assert_found(&recorded, &[]);
}

#[test]
fn a_404_in_other_words_ends_the_session_and_is_found() {
    let recorded = in_turn(&[opened("a"), (post("a", LIST), Some(said(404, "nope"))), opened("b")]);
    assert_found(&recorded, &[(Claim::UncanonicalNotFound, Some(0), &[1])]);

    let not_recorded = in_turn(&[opened("a"), (post("a", LIST), Some(status(404))), opened("b")]);
    assert_found(&not_recorded, &[]);
}

#[test]
fn a_replacement_that_is_refused_is_the_servers_and_may_be_asked_for_again() {
    let recorded = in_turn(&[
        opened("a"),
        (post("a", LIST), Some(gone())),
        (post("", INITIALIZE), Some(said(400, "Server already initialized"))),
        (post("", INITIALIZE), Some(status(503))),
        opened("b"),
    ]);

    assert_found(&recorded, &[(Claim::ReplacementRefused, Some(0), &[2])]);
    assert_eq!(Some(4), diagnose(&recorded).sessions[0].replacement);
}

#[test]
fn a_replacement_that_took_no_time_was_sent_before_it_was_refused() {
    let recorded = [
        exchange(opened("a"), 0, 1),
        exchange((post("a", CALL), Some(gone())), 2, 3),
        exchange((post("", INITIALIZE), Some(status(404))), 4, 4),
    ];

    assert_found(&recorded, &[(Claim::ReplacementRefused, Some(0), &[2])]);
}

#[test]
fn a_first_initialize_that_is_answered_404_has_the_wrong_url() {
    let recorded = in_turn(&[(post("", INITIALIZE), Some(status(404)))]);

    assert_found(&recorded, &[(Claim::OpeningNotFound, None, &[0])]);
}

#[test]
fn an_id_that_is_ill_formed_or_stands_on_an_error_is_the_servers() {
    let recorded = in_turn(&[
        (post("", INITIALIZE), Some(brings("two words"))),
        (post("", INITIALIZE), Some(Response { session_id: Some(b"x"), ..status(400) })),
    ]);

    assert_found(
        &recorded,
        &[(Claim::IllFormedSessionId, None, &[0]), (Claim::SessionIdOnError, None, &[1])],
    );
}

#[test]
fn a_404_to_a_get_without_a_stream_before_it_ends_nothing() {
    let recorded = in_turn(&[
        opened("a"),
        (get("a"), Some(status(404))),
        (post("a", LIST), Some(status(200))),
    ]);
    assert_found(&recorded, &[(Claim::StreamNotOfferedAsNotFound, Some(0), &[1])]);

    let ended = in_turn(&[
        opened("a"),
        (get("a"), Some(gone())),
        (post("a", LIST), Some(gone())),
        opened("b"),
    ]);
    assert_found(&ended, &[]);
    assert_eq!(Some(2), diagnose(&ended).sessions[0].ended);
}

#[test]
fn a_404_to_a_get_ends_the_session_that_had_a_stream_or_whose_beginning_nobody_saw() {
    let had_a_stream = in_turn(&[
        opened("a"),
        (get("a"), Some(status(200))),
        (get("a"), Some(gone())),
        opened("b"),
    ]);
    assert_eq!(Some(2), diagnose(&had_a_stream).sessions[0].ended);

    let earlier = in_turn(&[(get("a"), Some(gone())), opened("b")]);
    assert_eq!(Some(0), diagnose(&earlier).sessions[0].ended);

    let mut resumed = in_turn(&[opened("a"), (get("a"), Some(gone())), opened("b")]);
    resumed[1].last_event_id = Some(b"7");
    assert_eq!(Some(1), diagnose(&resumed).sessions[0].ended);
}

#[test]
fn a_session_that_serves_after_its_end_was_alive_and_nobody_kept_a_dead_id() {
    let recorded = in_turn(&[
        opened("a"),
        (post("a", LIST), Some(said(404, "404 page not found"))),
        (post("a", CALL), Some(said(404, "404 page not found"))),
        (post("a", CALL), Some(status(200))),
    ]);

    assert_found(&recorded, &[(Claim::NotFoundForLiveSession, Some(0), &[1, 3])]);
    assert_eq!(None, diagnose(&recorded).sessions[0].ended);
}

#[test]
fn a_misreport_of_a_session_that_was_alive_is_not_the_servers() {
    let recorded = in_turn(&[
        opened("a"),
        (post("a", LIST), Some(said(400, "unknown session"))),
        (post("a", CALL), Some(status(200))),
    ]);

    assert_found(&recorded, &[(Claim::NotFoundForLiveSession, Some(0), &[1, 2])]);
}

#[test]
fn a_202_and_an_answer_to_what_was_under_way_revive_nothing() {
    let accepted = in_turn(&[
        opened("a"),
        (post("a", LIST), Some(gone())),
        (post("a", NOTIFICATION), Some(status(202))),
    ]);
    assert_eq!(Some(1), diagnose(&accepted).sessions[0].ended);

    let under_way = [
        exchange(opened("a"), 0, 1),
        exchange((post("a", CALL), Some(status(200))), 2, 9),
        exchange((post("a", LIST), Some(gone())), 3, 4),
        exchange(opened("b"), 5, 6),
    ];
    assert_eq!(Some(2), diagnose(&under_way).sessions[0].ended);
    assert_found(&under_way, &[]);
}

#[test]
fn a_session_that_ends_again_after_it_was_revived_has_findings_again() {
    let recorded = in_turn(&[
        opened("a"),
        (post("a", LIST), Some(gone())),
        (post("a", CALL), Some(status(200))),
        (post("a", LIST), Some(gone())),
        (post("a", AGAIN), Some(gone())),
    ]);

    assert_found(
        &recorded,
        &[(Claim::NotFoundForLiveSession, Some(0), &[1, 2]), (Claim::KeptDeadId, Some(0), &[4])],
    );
}

#[test]
fn a_gateway_that_reaches_no_server_says_nothing_of_the_session() {
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32050,"message":"quota"}}"#;
    let recorded = in_turn(&[
        opened("a"),
        (post("a", LIST), Some(said(502, "<html>"))),
        (post("a", LIST), Some(said(503, error))),
        (post("a", LIST), None),
    ]);

    assert_found(&recorded, &[(Claim::Unreachable, Some(0), &[1])]);
    let story = diagnose(&recorded);
    assert_eq!((None, None), (story.sessions[0].ended, story.exchanges[3].verdict));
}

#[test]
fn a_server_that_went_modern_ends_the_session_and_wants_no_initialize() {
    let body = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"no"}}"#;
    let recorded = in_turn(&[opened("a"), (post("a", LIST), Some(said(400, body)))]);

    assert_found(&recorded, &[(Claim::ModernOnlyServer, Some(0), &[1])]);
    assert_eq!(Some(1), diagnose(&recorded).sessions[0].ended);
}

#[test]
fn an_id_that_is_given_out_again_is_another_generation() {
    let recorded = in_turn(&[
        opened("a"),
        (post("a", LIST), Some(gone())),
        opened("a"),
        (post("a", LIST), Some(status(200))),
    ]);

    let story = diagnose(&recorded);

    assert_eq!(Vec::<Finding>::new(), story.findings);
    let generations: Vec<_> = story.sessions.iter().map(|it| (it.generation, it.ended)).collect();
    assert_eq!([(1, Some(1)), (2, None)].as_slice(), generations);
    assert_eq!(Some(1), story.exchanges[3].session);
}

#[test]
fn an_id_that_is_given_out_again_takes_the_place_of_the_session_that_had_it() {
    let recorded = in_turn(&[
        opened("a"),
        opened("a"),
        (delete("a"), Some(status(200))),
        (post("", LIST), Some(status(200))),
    ]);

    assert_found(&recorded, &[]);
    let ended: Vec<_> = diagnose(&recorded).sessions.iter().map(|it| it.ended).collect();
    assert_eq!([None, Some(2)].as_slice(), ended);
}

#[test]
fn an_initialize_replaces_the_session_that_it_names_and_else_the_oldest() {
    let recorded = in_turn(&[
        opened("a"),
        opened("b"),
        (post("a", LIST), Some(gone())),
        (post("b", LIST), Some(gone())),
        (post("b", INITIALIZE), Some(brings("c"))),
        opened("d"),
    ]);

    let replaced: Vec<_> = diagnose(&recorded).sessions.iter().map(|it| it.replacement).collect();
    assert_eq!([Some(5), Some(4), None, None].as_slice(), replaced);
}

#[test]
fn two_endpoints_share_no_session_and_a_slash_at_the_end_makes_none() {
    let mut recorded = in_turn(&[
        opened("a"),
        (post("a", LIST), Some(status(200))),
        (post("a", LIST), Some(gone())),
    ]);
    recorded[1].endpoint = "server.example/mcp/";
    recorded[2].endpoint = "other.example/mcp";

    let story = diagnose(&recorded);

    let sessions: Vec<_> = story.exchanges.iter().map(|it| it.session).collect();
    assert_eq!([Some(0), Some(0), Some(1)].as_slice(), sessions);
    assert_eq!((None, Beginning::Earlier), (story.sessions[0].ended, story.sessions[1].beginning));
}

#[test]
fn a_post_of_unknown_body_that_brings_an_id_was_an_initialize() {
    let recorded = in_turn(&[
        (request(Method::Post, "", None), Some(brings("a"))),
        (request(Method::Post, "a", None), Some(status(200))),
    ]);

    let story = diagnose(&recorded);

    assert_eq!((Beginning::Assigned, 1), (story.sessions[0].beginning, story.sessions.len()));
}

#[test]
fn modern_exchanges_and_other_methods_have_no_session() {
    let modern = Request { protocol_version: Some(b"2026-07-28"), ..post("a", LIST) };
    let recorded =
        in_turn(&[(modern, Some(gone())), (request(Method::Other, "a", None), Some(status(404)))]);

    let story = diagnose(&recorded);

    assert_eq!(0, story.sessions.len() + story.findings.len());
}

#[test]
fn each_claim_has_a_name_a_party_a_summary_and_a_sentence_that_a_row_or_the_text_has() {
    for claim in Claim::ALL {
        assert_eq!(format!("{claim:?}"), claim.name());
        let sentence = claim.sentence();
        assert!(sentence.url.contains(sentence.revision), "{claim:?}");
        assert!(sentence.url.contains('#') || sentence.url.ends_with("changelog"), "{claim:?}");
        assert!(claim.summary().ends_with('.'), "{claim:?}");
        assert!(!sentence.quote.is_empty(), "{claim:?}");
    }
    let names: BTreeSet<_> = Claim::ALL.iter().map(|claim| claim.name()).collect();
    assert_eq!(Claim::ALL.len(), names.len());
}

const IDS: [&str; 4] = ["", "a", "b", "two words"];
const BODIES: [&[u8]; 6] = [INITIALIZE, LIST, CALL, NOTIFICATION, b"[]", b"{"];
const TEXTS: [&str; 5] =
    ["", "unknown session", "my session", "Bad Request: Mcp-Session-Id header is required", "x"];

fn any_exchange() -> impl Strategy<Value = Recorded<'static>> {
    let method = prop_oneof![
        4 => Just(Method::Post),
        1 => Just(Method::Get),
        1 => Just(Method::Delete),
        1 => Just(Method::Other),
    ];
    let code = prop::sample::select(&[200, 202, 400, 401, 404, 404, 405, 502][..]);
    let sent = (
        method,
        prop::sample::select(&IDS[..]),
        prop::option::of(prop::sample::select(&BODIES[..])),
    );
    let came = (code, prop::sample::select(&IDS[..]), prop::sample::select(&TEXTS[..]));
    (sent, prop::option::weighted(0.9, came), 0..40_u64, 0..8_u64).prop_map(
        |((method, id, body), came, sent, took)| {
            let response = came.map(|(code, id, text)| Response {
                session_id: Some(id.as_bytes()).filter(|id| !id.is_empty()),
                ..said(code, text)
            });
            exchange((request(method, id, body), response), sent, sent + took)
        },
    )
}

/// A client and a server that do all of it right: which requests the session survives.
fn good_recording(lives: &[usize]) -> Vec<Recorded<'static>> {
    const NAMES: [&str; 4] = ["s0", "s1", "s2", "s3"];
    let mut pairs = Vec::new();
    for (name, calls) in NAMES.iter().zip(lives) {
        pairs.push(opened(name));
        pairs.push((post(name, NOTIFICATION), Some(status(202))));
        pairs.extend((0..*calls).map(|_| (post(name, CALL), Some(status(200)))));
        pairs.push((post(name, LIST), Some(gone())));
    }
    pairs.push(opened("last"));
    pairs.push((delete("last"), Some(status(200))));
    in_turn(&pairs)
}

proptest! {
    #[test]
    fn any_recording_has_a_story_that_holds_together(
        recorded in prop::collection::vec(any_exchange(), 0..24),
    ) {
        let story = diagnose(&recorded);

        prop_assert_eq!(recorded.len(), story.exchanges.len());
        for (number, session) in story.sessions.iter().enumerate() {
            prop_assert!(session.exchanges.contains(&session.began));
            let distinct: BTreeSet<_> = session.exchanges.iter().collect();
            prop_assert_eq!(distinct.len(), session.exchanges.len());
            for exchange in &session.exchanges {
                prop_assert_eq!(Some(number), story.exchanges[*exchange].session);
            }
            prop_assert!(session.served <= session.exchanges.len());
            if let Some(end) = session.ended {
                prop_assert!(recorded[end].response.is_some());
            }
            if let Some(replacement) = session.replacement {
                prop_assert!(recorded[replacement].sent >= recorded[session.began].sent);
            }
        }
        for finding in &story.findings {
            prop_assert!(!finding.exchanges.is_empty());
            let distinct: BTreeSet<_> = finding.exchanges.iter().collect();
            prop_assert_eq!(distinct.len(), finding.exchanges.len());
            prop_assert!(finding.exchanges.iter().all(|it| *it < recorded.len()));
            prop_assert!(finding.session.is_none_or(|it| it < story.sessions.len()));
        }
    }

    #[test]
    fn nobody_is_said_to_have_kept_an_id_who_sent_it_before_an_end_was_answered(
        recorded in prop::collection::vec(any_exchange(), 0..24),
    ) {
        let story = diagnose(&recorded);

        let accusing = [Claim::KeptDeadId, Claim::ReplayedToDeadSession];
        for finding in story.findings.iter().filter(|it| accusing.contains(&it.claim)) {
            for exchange in &finding.exchanges {
                let session = &story.sessions[finding.session.unwrap()];
                let id = recorded[*exchange].request.session_id;
                let end = |other: &Recorded<'_>| {
                    let is_refusal = other.response.is_some_and(|it| !it.status.is_informational());
                    other.request.session_id == id
                        && is_refusal
                        && other.answered < recorded[*exchange].sent
                };
                prop_assert!(recorded.iter().any(end), "{session:?}");
            }
        }
    }

    #[test]
    fn the_order_in_which_exchanges_are_given_does_not_matter(
        (recorded, shuffled) in prop::collection::vec(any_exchange(), 0..12).prop_flat_map(|mut it| {
            // At different times, so that the order of time is all there is.
            for (time, exchange) in (0..).step_by(100).zip(&mut it) {
                exchange.sent += time;
                exchange.answered = exchange.sent + exchange.answered % 8 + 1;
            }
            let order: Vec<usize> = (0..it.len()).collect();
            (Just(it), Just(order).prop_shuffle())
        }),
    ) {
        let given: Vec<_> = shuffled.iter().map(|index| recorded[*index]).collect();

        let (plain, other) = (diagnose(&recorded), diagnose(&given));

        let written = |story: &Story, names: &[usize]| -> Vec<String> {
            let name = |it: &usize| names[*it];
            story.findings.iter().map(|finding| {
                let exchanges: Vec<_> = finding.exchanges.iter().map(name).collect();
                format!("{:?} {:?} {exchanges:?}", finding.claim, finding.session)
            }).chain(story.sessions.iter().map(|it| {
                let exchanges: Vec<_> = it.exchanges.iter().map(name).collect();
                let ended = it.ended.as_ref().map(name);
                format!("{exchanges:?} {ended:?} {:?}", it.replacement.as_ref().map(name))
            })).collect()
        };
        let identity: Vec<usize> = (0..recorded.len()).collect();
        prop_assert_eq!(written(&plain, &identity), written(&other, &shuffled));
    }

    #[test]
    fn whoever_does_it_right_is_found_nothing_wrong_with(
        lives in prop::collection::vec(0..4_usize, 0..4),
    ) {
        let story = diagnose(&good_recording(&lives));

        prop_assert_eq!(&[] as &[Finding], story.findings.as_slice());
        prop_assert_eq!(lives.len() + 1, story.sessions.len());
        let served: Vec<usize> = story.sessions.iter().map(|it| it.served).collect();
        prop_assert_eq!(&lives[..], &served[..lives.len()]);
        prop_assert!(story.sessions.iter().all(|session| session.ended.is_some()));
    }
}

#[test]
fn a_story_shows_no_id() {
    let shown = format!("{:?}", diagnose(&in_turn(&[opened("secret-1")])));

    assert!(!shown.contains("secret"), "{}", shown.to_owned());
}
