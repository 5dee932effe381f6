//! The machine alone, without its driver.

use alloc::vec::Vec;
use std::format;

use http::StatusCode;

use super::*;
use crate::exchange::{Response, SessionId};

type Request = Outgoing<&'static [u8]>;

const INITIALIZE: &[u8] = br#"{"id":0,"method":"initialize"}"#;
const CALL: &[u8] = br#"{"id":1,"method":"tools/call"}"#;
const ANSWER: &[u8] = br#"{"id":0,"result":{"protocolVersion":"2025-11-25"}}"#;

fn live() -> Session {
    live_with(Options::default())
}

fn live_with(options: Options) -> Session {
    let mut session = Session::new(options);
    let transmit = sent(session.before_request(Outgoing::post(INITIALIZE)));
    let _delivered = answered(&mut session, transmit, &response(200, Some(b"first")));
    session
}

fn sent<B: core::fmt::Debug>(before: Before<B>) -> Transmit<B> {
    let Before::Transmit(transmit) = before else { panic!("{before:?}") };
    transmit
}

fn answered<B: AsRef<[u8]>>(
    session: &mut Session,
    transmit: Transmit<B>,
    response: &Response<'_>,
) -> AfterStep<B> {
    session.after_response(transmit.exchange, response).unwrap().step
}

fn call(session: &mut Session) -> Before<&'static [u8]> {
    session.before_request(Outgoing::post(CALL))
}

fn lead(session: &mut Session) -> (Lead, Hold<&'static [u8]>) {
    let transmit = sent(call(session));
    let step = answered(session, transmit, &response(404, None));
    let AfterStep::Lead(lead, hold) = step else { panic!("{step:?}") };
    (lead, hold)
}

fn initialize(session: &mut Session, lead: Lead) -> Result<Initialized, Failure> {
    let response = response(200, Some(b"second"));
    session.initialize_answered(lead, &InitializeAnswer::new(&response, Some(ANSWER))).unwrap()
}

fn response(status: u16, session_id: Option<&[u8]>) -> Response<'_> {
    Response { session_id, ..Response::new(StatusCode::from_u16(status).unwrap()) }
}

#[test]
fn a_hold_is_settled_when_its_recovery_is_and_names_it_as_the_lead_does() {
    let mut session = live();
    let (lead, own) = lead(&mut session);
    let Before::Hold(hold) = call(&mut session) else { panic!() };
    assert!(!own.is_settled() && !hold.is_settled());
    assert_eq!((lead.recovery(), lead.recovery()), (own.recovery(), hold.recovery()));
    assert_eq!(INITIALIZE, lead.initialize());

    let initialized = initialize(&mut session, lead);

    let initialized = initialized.unwrap();
    assert_eq!(own.recovery(), initialized.recovery());
    assert_eq!("2025-11-25", initialized.protocol_version());
    assert_eq!(Some("second"), initialized.session_id().map(SessionId::as_str));
    assert!(!own.is_settled() && !hold.is_settled());
    let _replaced =
        session.initialized_answered(initialized, StatusCode::ACCEPTED).unwrap().unwrap();
    assert!(own.is_settled() && hold.is_settled());
    let send = sent(session.after_recovery(hold).unwrap());
    assert_eq!(Some("2025-11-25"), send.protocol_version());
}

#[test]
fn two_recoveries_have_two_numbers() {
    let mut session = live();
    let (first, hold) = lead(&mut session);
    let number = first.recovery();
    drop(first);

    let before = session.after_recovery(hold).unwrap();
    let Before::Lead(second, _) = before else { panic!("{before:?}") };

    assert_ne!(number, second.recovery());
}

#[test]
fn a_held_request_is_settled_when_its_caller_cancels_it() {
    let mut session = live();
    let (_lead, hold) = lead(&mut session);
    let cancelled = br#"{"method":"notifications/cancelled","params":{"requestId":1}}"#;

    assert!(matches!(session.before_request(Outgoing::post(cancelled)), Before::Drop(_)));

    assert!(hold.is_settled());
    let before = session.after_recovery(hold).unwrap();
    assert!(matches!(before, Before::GiveUp(GivenUp { reason: Reason::Cancelled, .. })));
}

#[test]
fn who_waits_is_let_go_by_a_delete_though_the_leader_has_no_answer_yet() {
    let mut session = live();
    let (lead, own) = lead(&mut session);
    let Before::Hold(hold) = call(&mut session) else { panic!() };

    let delete = sent(session.before_request(Request::delete()));
    assert_eq!(Some("first"), delete.session_id().map(SessionId::as_str));

    assert!(own.is_settled() && hold.is_settled());
    let before = session.after_recovery(hold).unwrap();
    assert!(matches!(before, Before::GiveUp(GivenUp { reason: Reason::Closed, .. })));
    let late = initialize(&mut session, lead);
    assert_eq!(Reason::Closed, late.unwrap_err().reason);
}

#[test]
fn requests_that_are_abandoned_are_forgotten() {
    let mut session = live();
    let (_lead, _hold) = lead(&mut session);

    for number in 2..100_000 {
        let call = format!(r#"{{"id":{number},"method":"tools/call"}}"#);
        drop(session.before_request(Outgoing::post(call)));
    }

    let (open, _) = session.remembered();
    assert!(open < 20, "{open}");
}

#[test]
fn of_many_requests_and_questions_the_latest_are_remembered() {
    let mut session = live();
    let mut kept = Vec::new();
    let stream = delivered(&mut session).stream;
    for number in 2..3_000 {
        let call = format!(r#"{{"id":{number},"method":"tools/call"}}"#);
        kept.push(session.before_request(Outgoing::post(call)));
        let question = format!(r#"{{"id":{number},"method":"roots/list"}}"#);
        assert_eq!(Seen::Unchanged, session.saw_message(stream, question.as_bytes()));
    }

    // Of its own requests the caller can end each; the server's questions are counted.
    assert_eq!((2_998, 1024), session.remembered());
}

#[test]
fn ids_of_more_than_1024_bytes_are_passed_on_and_not_remembered() {
    let mut session = live();
    let stream = delivered(&mut session).stream;
    for (length, remembered) in [(1024, 1), (1025, 0)] {
        let id = format!("\"{}\"", "x".repeat(length - 2));
        let question = format!(r#"{{"id":{id},"method":"roots/list"}}"#);
        assert_eq!(Seen::Unchanged, session.saw_message(stream, question.as_bytes()));
        let call = format!(r#"{{"id":{id},"method":"tools/call"}}"#);
        let call = sent(session.before_request(Outgoing::post(call)));
        assert_eq!((remembered, remembered), session.remembered(), "{length}");
        let _ = answered(&mut session, call, &response(200, None));
        let reply = format!(r#"{{"id":{id},"result":{{}}}}"#);
        drop(session.before_request(Outgoing::post(reply)));
        assert_eq!((0, 0), session.remembered(), "{length}");
    }
}

#[test]
fn a_handle_of_another_session_is_handed_back_unused() {
    let (mut session, mut other) = (live(), live());
    let (lead, hold) = lead(&mut session);
    let exchange = sent(other.before_request(Outgoing::post(CALL))).exchange;

    let Foreign(lead) = other.lead_failed(lead).unwrap_err();
    let read = InitializeAnswer::new(&response(200, Some(b"second")), Some(ANSWER));
    let Foreign(lead) = other.initialize_answered(lead, &read).unwrap_err();
    let Foreign(hold) = other.after_recovery(hold).unwrap_err();
    let Foreign(exchange) = session.after_response(exchange, &response(404, None)).unwrap_err();

    assert!(!hold.is_settled() && other.is_live());
    let initialized = initialize(&mut session, lead).unwrap();
    let Foreign(initialized) =
        other.initialized_answered(initialized, StatusCode::ACCEPTED).unwrap_err();
    let Foreign(initialized) = other.initialized_failed(initialized).unwrap_err();
    let _replaced = session.initialized_answered(initialized, StatusCode::ACCEPTED).unwrap();
    let _transmit = sent(session.after_recovery(hold).unwrap());
    assert!(other.after_response(exchange, &response(404, None)).unwrap().ended_session);
}

#[test]
fn a_batch_of_replies_goes_out_without_those_of_the_dead() {
    let mut session = live();
    let first = delivered(&mut session).stream;
    let question = br#"[{"id":1,"method":"roots/list"},{"id":2,"method":"roots/list"}]"#;
    assert_eq!(Seen::Unchanged, session.saw_message(first, &question[..]));
    replace(&mut session);
    let second = delivered(&mut session).stream;
    let Seen::Rewritten(shown) = session.saw_message(second, &question[..]) else { panic!() };
    assert_eq!(
        r#"[{"id":"mcp-session-question-1","method":"roots/list"},{"id":"mcp-session-question-2","method":"roots/list"}]"#,
        core::str::from_utf8(&shown).unwrap()
    );

    let replies = br#"[ {"id":1,"result":{}}, {"result":{"id":7},"id":"mcp-session-question-2"} ,{"method":"n"}]"#;
    let transmit = sent(session.before_request(Outgoing::post(replies)));

    let body = core::str::from_utf8(transmit.body()).unwrap();
    assert_eq!(r#"[{"result":{"id":7},"id":2},{"method":"n"}]"#, body);
    assert_eq!(&replies[..], *transmit.request().body());
}

#[test]
fn a_question_that_comes_late_from_a_dead_session_is_void_at_once() {
    let mut session = live();
    let first = delivered(&mut session).stream;
    replace(&mut session);
    assert!(session.take_notices().is_empty());

    let _seen = session.saw_message(first, &br#"{"id":"q","method":"roots/list"}"#[..]);

    let notices = session.take_notices();
    let [notice] = &notices[..] else { panic!("{notices:?}") };
    assert!(core::str::from_utf8(notice).unwrap().contains(r#""requestId":"q","#));
}

#[test]
fn what_is_restored_is_bounded_in_count_and_in_length() {
    let mut session = live();
    for number in 0..300 {
        subscribe(&mut session, number, &format!("test://{number}"));
    }
    subscribe(&mut session, 300, &"x".repeat(1023));
    let (lead, _hold) = lead(&mut session);
    let initialized = initialize(&mut session, lead).unwrap();
    let recovered = session.initialized_answered(initialized, StatusCode::ACCEPTED).unwrap();

    let Recovered::Restore(restore) = recovered.unwrap() else { panic!() };
    assert!(core::str::from_utf8(restore.body()).unwrap().contains("\"test://44\""));
    let Recovered::Done(replaced) = session.restore_failed(restore).unwrap() else { panic!() };

    assert_eq!(256, replaced.refused.len());
    let unanswered = |it: &RefusedRestore| it.refusal == Refusal::Unanswered;
    assert!(replaced.refused.iter().all(unanswered));
}

#[test]
fn a_refused_restore_says_by_what_and_is_not_told_again() {
    let refusals = [
        (404, None, Refusal::Status(404)),
        (
            200,
            Some(r#"{"id":ID,"error":{"code":-32602,"message":"x"}}"#),
            Refusal::Error(Some(-32602)),
        ),
        (200, Some(r#"{"id":ID,"error":{"code":1e9}}"#), Refusal::Error(None)),
        (200, Some(r#"{"id":"another","result":{}}"#), Refusal::Unanswered),
        (202, None, Refusal::Unanswered),
    ];
    for (status, message, refusal) in refusals {
        let mut session = live();
        subscribe(&mut session, 2, "test://a");
        let (lead, _hold) = lead(&mut session);
        let initialized = initialize(&mut session, lead).unwrap();
        let recovered = session.initialized_answered(initialized, StatusCode::ACCEPTED).unwrap();
        let Recovered::Restore(restore) = recovered.unwrap() else { panic!() };
        let message = message.map(|it| it.replace("ID", "\"mcp-session-restore-1\""));
        let status = StatusCode::from_u16(status).unwrap();

        let answer = restore.answered(status, message.as_deref().map(str::as_bytes));
        let recovered = session.restore_answered(restore, answer);

        let Recovered::Done(replaced) = recovered.unwrap() else { panic!() };
        assert_eq!([RefusedRestore::new(RestoredMethod::Subscribe, refusal)], *replaced.refused);
        replace(&mut session);
    }
}

fn delivered(session: &mut Session) -> Delivery<&'static [u8]> {
    let transmit = sent(call(session));
    let AfterStep::Deliver(delivery) = answered(session, transmit, &response(200, None)) else {
        panic!()
    };
    delivery
}

/// Makes a new session, which has nothing to be told.
fn replace(session: &mut Session) {
    let (lead, _hold) = lead(session);
    let initialized = initialize(session, lead).unwrap();
    let recovered = session.initialized_answered(initialized, StatusCode::ACCEPTED).unwrap();
    assert!(matches!(recovered, Ok(Recovered::Done(_))), "{recovered:?}");
}

fn subscribe(session: &mut Session, number: u32, uri: &str) {
    let request =
        format!(r#"{{"id":{number},"method":"resources/subscribe","params":{{"uri":"{uri}"}}}}"#);
    let transmit = sent(session.before_request(Outgoing::post(request)));
    let AfterStep::Deliver(delivery) = answered(session, transmit, &response(200, None)) else {
        panic!()
    };
    let result = format!(r#"{{"id":{number},"result":{{}}}}"#);
    assert_eq!(Seen::Unchanged, session.saw_message(delivery.stream, result.as_bytes()));
}

#[test]
fn a_late_success_of_a_dead_generation_proves_nothing_of_the_live_one() {
    let mut session = live_with(Options { bound: 1, ..Options::default() });
    let (proof, late) = (sent(call(&mut session)), sent(call(&mut session)));
    let _delivered = answered(&mut session, proof, &response(200, None));
    let (lead, _hold) = lead(&mut session);
    let initialized = initialize(&mut session, lead);
    let _replaced =
        session.initialized_answered(initialized.unwrap(), StatusCode::ACCEPTED).unwrap().unwrap();

    let _delivered = answered(&mut session, late, &response(200, None));

    let send = sent(call(&mut session));
    let after = answered(&mut session, send, &response(404, None));
    assert!(
        matches!(after, AfterStep::GiveUp(GivenUp { reason: Reason::BoundReached, .. })),
        "{after:?}"
    );
}

#[test]
fn a_recovery_sends_the_callers_own_initialized_again() {
    let own = br#"{"jsonrpc":"2.0","method":"notifications/initialized","params":{"_meta":{}}}"#;
    let mut session = live();
    let _transmit = sent(session.before_request(Outgoing::post(own)));
    let (lead, _hold) = lead(&mut session);

    let initialized = initialize(&mut session, lead);

    assert_eq!(own, initialized.unwrap().initialized());
}

#[test]
fn a_404_to_what_is_no_message_ends_the_session_and_is_delivered() {
    let mut session = live();
    let send = sent(session.before_request(Outgoing::post(b"{")));
    assert_eq!(Some("first"), send.session_id().map(SessionId::as_str));

    let after = answered(&mut session, send, &response(404, None));

    assert!(matches!(after, AfterStep::Deliver(_)), "{after:?}");
    assert!(!session.is_live());
}

#[test]
fn an_http_method_that_mcp_does_not_use_bears_the_id_and_ends_nothing() {
    let mut session = live();
    let send = sent(session.before_request(Request::other()));
    assert_eq!(Some("first"), send.session_id().map(SessionId::as_str));

    let after = answered(&mut session, send, &response(404, None));

    assert!(matches!(after, AfterStep::Deliver(_)), "{after:?}");
    assert!(session.is_live());
}

#[test]
fn modern_traffic_before_any_initialize_passes_as_it_is() {
    let mut session = Session::new(Options::default());
    let discover = Outgoing::post(br#"{"id":1,"method":"server/discover"}"#);
    let send = sent(session.before_request(discover));
    assert_eq!((None, None), (send.session_id(), send.protocol_version()));

    let after = answered(&mut session, send, &response(404, Some(b"x")));

    assert!(matches!(after, AfterStep::Deliver(Delivery { orphan: None, .. })));
    assert_eq!(r#"Session { state: "fresh", generation: 0, .. }"#, format!("{session:?}"));
}

#[test]
fn a_session_is_live_from_its_initialize_to_its_404_and_again_once_replaced() {
    assert!(!Session::new(Options::default()).is_live());
    let mut session = live();
    assert!(session.is_live());
    let (lead, _hold) = lead(&mut session);
    assert!(!session.is_live());
    let initialized = initialize(&mut session, lead).unwrap();
    assert!(!session.is_live());
    let _replaced =
        session.initialized_answered(initialized, StatusCode::ACCEPTED).unwrap().unwrap();
    assert!(session.is_live());
    let _before = session.before_request(Request::delete());
    assert!(!session.is_live());
}

fn streamed(session: &mut Session, transmit: Transmit<&'static [u8]>, event_id: &str) -> Stream {
    let after = session.after_response(transmit.exchange, &response(200, None)).unwrap();
    let AfterStep::Deliver(delivery) = after.step else { panic!("{:?}", after.step) };
    session.saw_event_id(delivery.stream, event_id);
    delivery.stream
}

/// A session whose first generation had a standalone stream up to the event "3", and whose second
/// has had the stream of a call up to the same: servers count anew in each session.
fn counted_anew() -> (Session, Stream) {
    let mut session = live();
    let opened = sent(session.before_request(Request::get()));
    let _dead = streamed(&mut session, opened, "3");
    let (lead, hold) = lead(&mut session);
    let initialized = initialize(&mut session, lead).unwrap();
    let accepted = response(202, None).status;
    let _recovered = session.initialized_answered(initialized, accepted).unwrap().unwrap();
    let resent = sent(session.after_recovery(hold).unwrap());
    let of_call = streamed(&mut session, resent, "3");
    (session, of_call)
}

#[test]
fn an_event_id_of_a_dead_standalone_stream_is_not_sent_to_a_session_that_has_counted_up_to_it() {
    let (mut session, _) = counted_anew();

    let reopened = sent(session.before_request(Request::get().with_last_event_id("3")));
    assert_eq!(None, reopened.last_event_id());

    // Its reader has the stream of the session that stands now.
    let _live = streamed(&mut session, reopened, "4");
    let resumed = sent(session.before_request(Request::get().with_last_event_id("3")));
    assert_eq!(Some("3"), resumed.last_event_id());
}

#[test]
fn an_event_id_goes_out_where_it_is_known_to_resume_a_stream_of_the_session_that_stands() {
    let (mut session, of_call) = counted_anew();

    let resuming = Request::get().with_last_event_id("3").resuming(of_call);
    assert_eq!(Some("3"), sent(session.before_request(resuming)).last_event_id());

    let dead = Stream { generation: Generation(1), origin: streams::EventOrigin::Post };
    let resuming = Request::get().with_last_event_id("3").resuming(dead);
    let before = session.before_request(resuming);
    assert!(matches!(before, Before::GiveUp(GivenUp { reason: Reason::StreamLost, .. })));
}

#[test]
fn debug_output_shows_states_and_no_ids() {
    let mut session = live();
    let send = sent(call(&mut session));
    assert_eq!(
        "Transmit { session_id: Some(SessionId(redacted)), protocol_version: None, \
         bears_event_id: false, .. }",
        format!("{send:?}")
    );
    assert_eq!(r#"Session { state: "live", generation: 1, .. }"#, format!("{session:?}"));
    let (lead, hold) = lead(&mut session);
    assert_eq!(r#"Session { state: "recovering", generation: 1, .. }"#, format!("{session:?}"));
    assert_eq!("Lead", format!("{lead:?}"));
    assert!(format!("{hold:?}").starts_with("Hold"));
    let initialized = initialize(&mut session, lead);
    let initialized = initialized.unwrap();
    assert_eq!("Initialized", format!("{initialized:?}"));
    let failure = session.initialized_failed(initialized).unwrap();
    assert_eq!(
        "Failure { reason: Transport, orphan: Some(OrphanId(redacted)) }",
        format!("{failure:?}")
    );
    assert_eq!(r#"Session { state: "lost", generation: 1, .. }"#, format!("{session:?}"));
    let _before = session.before_request(Request::delete());
    assert_eq!(r#"Session { state: "closed", generation: 1, .. }"#, format!("{session:?}"));
}
