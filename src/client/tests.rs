use alloc::string::String;
use alloc::vec::Vec;
use std::format;

use http::StatusCode;

use super::refusal::Refusal;
use super::*;
use crate::exchange::Method;

const HEAD: RequestHead<'_> = RequestHead {
    method: Method::Post,
    endpoint: Endpoint { scheme: "https", host: "mcp.example", path: "/mcp" },
    credentials: Credentials::OfClient,
    session_id: None,
    protocol_version: None,
    last_event_id: None,
    content_type: Some("application/json"),
};

/// A client whose endpoint has answered once.
fn client() -> Client {
    let mut client = Client::new(Options::default(), 7);
    let (mut run, _sent) = begun(&mut client, br#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#);
    let answer = run.response(&mut client, &ResponseHead::new(StatusCode::OK)).unwrap();
    assert!(matches!(answer, Step::Deliver(_)));
    client
}

fn begun<'b>(client: &mut Client, body: &'b [u8]) -> (RequestRun<&'b [u8]>, Step) {
    match client.begin(&HEAD, HEAD.outgoing(body)) {
        Begin::Run(run, step) => (*run, step),
        Begin::Pass => panic!("it passes"),
    }
}

/// How a POST ends whose server is not there: the status, and the body.
#[track_caller]
fn ended_in_an_outage(body: &str) -> (u16, String) {
    let mut client = client();
    let (mut run, _sent) = begun(&mut client, body.as_bytes());
    let failure = TransportFailure { kind: "ConnectError", sent: Sent::No };
    let step = run.failed(&mut client, failure).unwrap();
    let Step::Answer(answer) = step else { panic!("{step:?}") };
    (answer.status(), String::from_utf8(answer.body().to_vec()).unwrap())
}

fn ids(body: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        id: &'a serde_json::value::RawValue,
    }
    let answers: Vec<Answer<'_>> = if body.starts_with('[') {
        serde_json::from_str(body).unwrap()
    } else {
        [serde_json::from_str(body).unwrap()].into()
    };
    answers.iter().map(|it| it.id.get().into()).collect()
}

#[test]
fn an_id_is_repeated_as_it_stood_whatever_it_is() {
    let digits = "7".repeat(5000);
    for id in ["1", "-0.0", "1e400", &digits, r#""a\u0000\"""#, r#""é""#] {
        let call = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);

        assert_eq!([id], *ids(&ended_in_an_outage(&call).1), "{id:.40}");
        assert_eq!(
            [id, "2"],
            *ids(&ended_in_an_outage(&format!(
                r#"[{call},{{"jsonrpc":"2.0","id":2,"method":"ping"}}]"#
            ))
            .1),
            "{id:.40}"
        );
    }
}

#[test]
fn a_batch_with_a_member_that_is_no_message_ends_in_an_error_for_each_request() {
    let (status, body) =
        ended_in_an_outage(r#"[1,{"jsonrpc":"2.0","id":1,"method":"ping"},{"a":[]}]"#);

    assert_eq!((200, ["1".into()].to_vec()), (status, ids(&body)));
}

#[test]
fn parameters_of_any_depth_end_in_an_error() {
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let call = format!(r#"{{"jsonrpc":"2.0","id":"x","method":"ping","params":{deep}}}"#);

    assert_eq!(["\"x\""], *ids(&ended_in_an_outage(&call).1));
}

#[test]
fn a_batch_of_notifications_and_a_reply_end_as_accepted() {
    for body in [
        r#"[{"jsonrpc":"2.0","method":"notifications/progress"}]"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#,
        r#"{"jsonrpc":"2.0","id":4,"result":{}}"#,
    ] {
        assert_eq!((202, String::new()), ended_in_an_outage(body), "{body}");
    }
}

/// What becomes of each refusal, written once more.
#[test]
fn every_status_is_refused_as_the_shields_say() {
    let error: &[u8] = br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32050,"message":"quota"}}"#;
    let codeless: &[u8] = br#"{"jsonrpc":"2.0","error":{"code":"x"}}"#;
    let gateway = [502, 503, 504, 520, 521, 522, 523, 524, 530];
    for (outage_shield, status_shield) in [
        (Shield::Up, Shield::Up),
        (Shield::Up, Shield::Down),
        (Shield::Down, Shield::Up),
        (Shield::Down, Shield::Down),
    ] {
        let options = Options { outage_shield, status_shield, ..Options::default() };
        for number in 100..1000_u16 {
            let status = StatusCode::from_u16(number).unwrap();
            for body in [None, Some(&b"go away"[..]), Some(error), Some(codeless)] {
                let is_outage = gateway.contains(&number);
                let is_the_callers = number < 400 || [401, 403, 404].contains(&number);
                let expected = match (is_the_callers, is_outage, body == Some(error)) {
                    (true, _, _) => "AsItCame",
                    (_, _, true) if status_shield == Shield::Up => "Failed",
                    (_, _, true) => "AsItCame",
                    (_, true, false) if outage_shield == Shield::Up => "Outage",
                    (_, _, false) if status_shield == Shield::Up => "Failed",
                    (_, _, false) => "AsItCame",
                };
                let refusal = format!("{:?}", Refusal::of(status, body, &options));
                assert!(refusal.starts_with(expected), "{number} {expected} {refusal}");
            }
        }
    }
}

const OPENING: &[u8] = br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#;
const CALL: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#;
const RESULT: &[u8] =
    br#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;

/// What becomes of a call that a session with this ID answers 404, and of the client.
fn lost(id: &str) -> (Client, RequestRun<&'static [u8]>, Step) {
    let mut client = Client::new(Options::default(), 7);
    let (mut opening, _sent) = begun(&mut client, OPENING);
    let head = ResponseHead {
        session_id: Some(id),
        content_type: Some("text/event-stream"),
        ..ResponseHead::new(StatusCode::OK)
    };
    let opened = opening.response(&mut client, &head).unwrap();
    assert!(matches!(opened, Step::Deliver(_)), "{opened:?}");
    drop((opening, opened));
    let attached = RequestHead { session_id: Some(id), ..HEAD };
    let Begin::Run(mut run, _sent) = client.begin(&attached, attached.outgoing(CALL)) else {
        panic!("it passes")
    };
    let step = run.response(&mut client, &ResponseHead::new(StatusCode::NOT_FOUND)).unwrap();
    (client, *run, step)
}

#[test]
fn a_session_whose_id_is_longer_than_any_should_be_is_not_followed() {
    let longest = "x".repeat(followed::LONGEST_ID);

    let (_, _, followed) = lost(&longest);
    assert!(matches!(followed, Step::Lead(_)), "{followed:?}");

    let (_, _, passed) = lost(&format!("{longest}x"));
    assert!(matches!(passed, Step::Deliver(_)), "{passed:?}");
}

#[test]
fn a_new_session_whose_id_is_too_long_is_none() {
    let (mut client, _run, step) = lost("first");
    let Step::Lead(mut recovery) = step else { panic!("{step:?}") };
    let _initialize = recovery.message(&mut client).unwrap();
    let id = "x".repeat(followed::LONGEST_ID + 1);
    let head = ResponseHead {
        session_id: Some(&id),
        content_type: Some("application/json"),
        ..ResponseHead::new(StatusCode::OK)
    };
    let _read = recovery.response(&mut client, &head).unwrap();
    let _more = recovery.piece(RESULT);

    let step = recovery.body_ended(&mut client).unwrap();

    assert!(matches!(&step, RecoveryStep::Done(RecoveryEnd { replaced_by: None, .. })), "{step:?}");
}

#[test]
fn a_restore_whose_connection_breaks_leaves_none_of_the_others_untold() {
    let mut client = Client::new(Options::default(), 7);
    let (mut opening, _sent) = begun(&mut client, OPENING);
    let head = |id| ResponseHead {
        session_id: id,
        content_type: Some("text/event-stream"),
        ..ResponseHead::new(StatusCode::OK)
    };
    let _opened = opening.response(&mut client, &head(Some("first"))).unwrap();
    drop(opening);
    let attached = RequestHead { session_id: Some("first"), ..HEAD };
    for uri in 1..=3 {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{uri},"method":"resources/subscribe","params":{{"uri":"{uri}"}}}}"#
        );
        let outgoing = attached.outgoing(body.as_bytes());
        let Begin::Run(mut run, _sent) = client.begin(&attached, outgoing) else {
            panic!("it passes")
        };
        let step = run.response(&mut client, &head(None)).unwrap();
        let Step::Deliver(Handover { watch: Some(mut watch), .. }) = step else {
            panic!("{step:?}")
        };
        let answer = format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{uri},\"result\":{{}}}}\n\n");
        let _out = watch.piece(&mut client, answer.as_bytes());
    }
    let Begin::Run(mut run, _sent) = client.begin(&attached, attached.outgoing(CALL)) else {
        panic!("it passes")
    };
    let step = run.response(&mut client, &ResponseHead::new(StatusCode::NOT_FOUND)).unwrap();
    let Step::Lead(mut recovery) = step else { panic!("{step:?}") };
    let _initialize = recovery.message(&mut client).unwrap();
    let json = ResponseHead { content_type: Some("application/json"), ..head(Some("second")) };
    let _read = recovery.response(&mut client, &json).unwrap();
    let _more = recovery.piece(RESULT);
    let _initialized = recovery.body_ended(&mut client).unwrap();
    let mut step =
        recovery.response(&mut client, &ResponseHead::new(StatusCode::ACCEPTED)).unwrap();
    let mut told = Vec::new();
    while let RecoveryStep::Send(message) = step {
        told.push(String::from_utf8(message.body).unwrap());
        step = recovery.failed(&mut client, RecoveryFailure::Error("ReadError")).unwrap();
    }

    let subscribed = told.iter().filter(|it| it.contains("resources/subscribe"));
    assert_eq!(3, subscribed.count(), "{told:?}");
    assert!(matches!(&step, RecoveryStep::Done(RecoveryEnd { replaced_by: Some(_), .. })));
    let events = core::iter::from_fn(|| recovery.next_event(&mut client));
    let refused = events.filter_map(|it| {
        let Event::Reinitialized { refused, .. } = it else { return None };
        Some(refused.len())
    });
    assert_eq!([3], *refused.collect::<Vec<_>>());
}

/// A client with a session of this ID that its server has given it a stream for push in.
fn with_a_stream(id: &'static str) -> Client {
    let mut client = Client::new(Options::default(), 7);
    let head = ResponseHead {
        session_id: Some(id),
        content_type: Some("text/event-stream"),
        ..ResponseHead::new(StatusCode::OK)
    };
    let (mut opening, _sent) = begun(&mut client, OPENING);
    let _opened = opening.response(&mut client, &head).unwrap();
    let (mut stream, _sent) = sent_in(&mut client, Method::Get, id);
    let opened = stream.response(&mut client, &ResponseHead { session_id: None, ..head }).unwrap();
    assert!(matches!(opened, Step::Deliver(Handover { watch: Some(_), .. })), "{opened:?}");
    client
}

fn sent_in(client: &mut Client, method: Method, id: &str) -> (RequestRun<&'static [u8]>, Step) {
    let attached = RequestHead { method, session_id: Some(id), ..HEAD };
    let Begin::Run(run, step) = client.begin(&attached, attached.outgoing(b"".as_slice())) else {
        panic!("it passes")
    };
    (*run, step)
}

const REFUSED: TransportFailure<'_> = TransportFailure { kind: "ConnectError", sent: Sent::No };

#[test]
fn a_stream_that_waits_for_its_server_ends_once_its_session_is_closed() {
    let mut client = with_a_stream("first");
    let (mut stream, _sent) = sent_in(&mut client, Method::Get, "first");
    let waits = stream.failed(&mut client, REFUSED).unwrap();
    assert!(matches!(waits, Step::Wait(_)), "{waits:?}");

    let _delete = sent_in(&mut client, Method::Delete, "first");

    let step = stream.wait_over(&mut client).unwrap();
    assert!(matches!(&step, Step::Answer(answer) if answer.status() == 404), "{step:?}");
}

#[test]
fn a_stream_that_is_asked_for_in_a_closed_session_is_answered_as_its_server_answers() {
    for status in [404, 409, 429, 500, 502, 503] {
        let mut client = with_a_stream("first");
        let _delete = sent_in(&mut client, Method::Delete, "first");
        for _ in 0..3 {
            let (mut stream, _sent) = sent_in(&mut client, Method::Get, "first");
            let head = ResponseHead::new(StatusCode::from_u16(status).unwrap());
            let mut step = stream.response(&mut client, &head).unwrap();
            while matches!(step, Step::Read(_)) {
                step = stream.body_read(&mut client, Some(b"")).unwrap();
            }
            assert!(matches!(step, Step::Deliver(_)), "{status}: {step:?}");
            let (mut stream, _sent) = sent_in(&mut client, Method::Get, "first");
            let step = stream.failed(&mut client, REFUSED).unwrap();
            assert!(matches!(step, Step::Raise), "{step:?}");
        }
    }
}

fn step_of(run: &mut RequestRun<&[u8]>, client: &mut Client, head: &ResponseHead<'_>) -> Step {
    let mut step = run.response(client, head).unwrap();
    while matches!(step, Step::Read(_)) {
        step = run.body_read(client, Some(b"Session not found")).unwrap();
    }
    step
}

fn call_in<'c>(
    client: &mut Client,
    head: &RequestHead<'_>,
    body: &'c [u8],
) -> (RequestRun<&'c [u8]>, Step) {
    let Begin::Run(run, step) = client.begin(head, head.outgoing(body)) else {
        panic!("it passes")
    };
    (*run, step)
}

#[test]
fn a_message_after_the_delete_of_its_session_is_answered_as_its_server_answers() {
    let attached = RequestHead { session_id: Some("first"), ..HEAD };
    for credentials in [Credentials::OfClient, Credentials::OfRequest(1)] {
        let attached = RequestHead { credentials, ..attached };
        for status in [200, 202, 400, 401, 404, 405, 409, 429, 500, 502, 503] {
            for media in ["application/json", "text/event-stream", "text/html"] {
                let mut client = with_a_stream("first");
                client.options.status_shield = Shield::Up;
                let _delete = sent_in(&mut client, Method::Delete, "first");
                let (mut call, _sent) = call_in(&mut client, &attached, CALL);
                let head = ResponseHead {
                    content_type: Some(media),
                    ..ResponseHead::new(StatusCode::from_u16(status).unwrap())
                };

                let step = step_of(&mut call, &mut client, &head);

                assert!(
                    matches!(&step, Step::Deliver(it) if it.body.is_none()),
                    "{status}: {step:?}"
                );
            }
        }
        let mut client = with_a_stream("first");
        let _delete = sent_in(&mut client, Method::Delete, "first");
        for body in [CALL, br#"{"jsonrpc":"2.0","method":"notifications/progress"}"#] {
            let (mut call, _sent) = call_in(&mut client, &attached, body);
            let step = call.failed(&mut client, REFUSED).unwrap();
            assert!(matches!(step, Step::Raise), "{step:?}");
        }
    }
}

/// A call that is to be sent again, in another session than the `first`.
fn to_be_sent_again() -> (Client, RequestRun<&'static [u8]>) {
    let (mut client, mut call, step) = lost("first");
    let Step::Lead(mut recovery) = step else { panic!("{step:?}") };
    let _initialize = recovery.message(&mut client).unwrap();
    given_a_session(&mut client, &mut recovery);
    let step = call.hold_over(&mut client, HoldEnd::Settled).unwrap();
    assert!(matches!(step, Step::Transmit(_)), "{step:?}");
    (client, call)
}

/// Lets a recovery whose `initialize` has gone out succeed.
fn given_a_session(client: &mut Client, recovery: &mut RecoveryRun) {
    let head = ResponseHead {
        session_id: Some("second"),
        content_type: Some("application/json"),
        ..ResponseHead::new(StatusCode::OK)
    };
    let _read = recovery.response(client, &head).unwrap();
    let _more = recovery.piece(RESULT);
    let _initialized = recovery.body_ended(client).unwrap();
    let _done = recovery.response(client, &ResponseHead::new(StatusCode::ACCEPTED)).unwrap();
}

#[test]
fn what_was_to_be_sent_again_is_not_once_its_session_is_closed() {
    let (mut client, mut call) = to_be_sent_again();
    assert!(!call.is_called_off(&mut client));

    let _delete = sent_in(&mut client, Method::Delete, "first");

    assert!(call.is_called_off(&mut client));
    let step = call.goes_out(&mut client);
    assert!(matches!(&step, Some(Step::Answer(answer)) if answer.status() == 200), "{step:?}");
}

#[test]
fn what_goes_out_has_gone_out_when_its_session_is_closed() {
    let (mut client, mut call) = to_be_sent_again();
    assert!(call.goes_out(&mut client).is_none());

    let _delete = sent_in(&mut client, Method::Delete, "first");

    let head = ResponseHead {
        content_type: Some("application/json"),
        ..ResponseHead::new(StatusCode::OK)
    };
    let step = call.response(&mut client, &head).unwrap();
    assert!(matches!(step, Step::ReadAnswer), "{step:?}");
}

#[test]
fn no_initialize_goes_out_for_a_session_that_was_closed_before() {
    let (mut client, mut call, step) = lost("first");
    let Step::Lead(mut recovery) = step else { panic!("{step:?}") };

    let _delete = sent_in(&mut client, Method::Delete, "first");

    let step = recovery.message(&mut client).unwrap();
    let RecoveryStep::Done(RecoveryEnd { replaced_by: None, orphan: None }) = step else {
        panic!("{step:?}")
    };
    assert!(call.is_settled(&mut client) && call.is_called_off(&mut client));
    let step = call.hold_over(&mut client, HoldEnd::Settled).unwrap();
    assert!(matches!(step, Step::Answer(_)), "{step:?}");
}

#[test]
fn a_call_that_met_an_open_circuit_leads_no_session_that_was_closed_since() {
    let (mut client, _call, step) = lost("first");
    let Step::Lead(mut recovery) = step else { panic!("{step:?}") };
    let _initialize = recovery.message(&mut client).unwrap();
    let _done = recovery.failed(&mut client, RecoveryFailure::TimedOut).unwrap();
    let attached = RequestHead { session_id: Some("first"), ..HEAD };
    let (mut call, step) = call_in(&mut client, &attached, CALL);
    assert!(matches!(step, Step::CircuitOpen(_)), "{step:?}");

    let _delete = sent_in(&mut client, Method::Delete, "first");

    let step = call.circuit_cooled(&mut client).unwrap();
    assert!(matches!(step, Step::Answer(_)), "{step:?}");
}

#[test]
fn a_wait_is_over_once_another_session_stands_or_its_own_is_closed() {
    let mut client = with_a_stream("first");
    let (mut stream, _sent) = sent_in(&mut client, Method::Get, "first");
    let _wait = stream.failed(&mut client, REFUSED).unwrap();
    assert!(!stream.is_settled(&mut client));
    let attached = RequestHead { session_id: Some("first"), ..HEAD };
    let (mut call, _sent) = call_in(&mut client, &attached, CALL);
    let step = call.response(&mut client, &ResponseHead::new(StatusCode::NOT_FOUND)).unwrap();
    let Step::Lead(mut recovery) = step else { panic!("{step:?}") };
    let _initialize = recovery.message(&mut client).unwrap();
    assert!(!stream.is_settled(&mut client));
    given_a_session(&mut client, &mut recovery);
    assert!(stream.is_settled(&mut client));

    let (mut stream, _sent) = sent_in(&mut client, Method::Get, "first");
    let _wait = stream.failed(&mut client, REFUSED).unwrap();
    assert!(!stream.is_settled(&mut client));
    let _delete = sent_in(&mut client, Method::Delete, "first");
    assert!(stream.is_settled(&mut client));
}

#[test]
fn a_strangers_delete_closes_nothing() {
    let mut client = with_a_stream("first");
    let (mut stream, _sent) = sent_in(&mut client, Method::Get, "first");
    let _wait = stream.failed(&mut client, REFUSED).unwrap();
    let stranger = RequestHead {
        method: Method::Delete,
        session_id: Some("first"),
        credentials: Credentials::OfRequest(1),
        ..HEAD
    };

    let (delete, _sent) = call_in(&mut client, &stranger, b"");

    assert!(!delete.closes() && !stream.is_settled(&mut client));
    let (delete, _sent) = sent_in(&mut client, Method::Delete, "first");
    assert!(delete.closes());
}

#[test]
fn whoever_refuses_elsewhere_ends_no_session() {
    for (method, status) in [
        (Method::Post, 404),
        (Method::Post, 400),
        (Method::Post, 401),
        (Method::Get, 404),
        (Method::Delete, 404),
    ] {
        for source in [Source::Elsewhere, Source::Server] {
            let mut client = with_a_stream("first");
            let attached = RequestHead { method, session_id: Some("first"), ..HEAD };
            let (mut run, _sent) = call_in(&mut client, &attached, CALL);
            let head =
                ResponseHead { source, ..ResponseHead::new(StatusCode::from_u16(status).unwrap()) };

            let step = step_of(&mut run, &mut client, &head);

            let is_as_it_came = matches!(step, Step::Deliver(_));
            assert_eq!(source == Source::Elsewhere, is_as_it_came, "{status}: {step:?}");
        }
    }
}

#[test]
fn whoever_answers_elsewhere_lets_no_stranger_in() {
    for source in [Source::Elsewhere, Source::Server] {
        let mut client = with_a_stream("first");
        let stranger = RequestHead {
            session_id: Some("first"),
            credentials: Credentials::OfRequest(1),
            ..HEAD
        };
        let (mut call, _sent) = call_in(&mut client, &stranger, CALL);
        let head = ResponseHead { source, ..ResponseHead::new(StatusCode::OK) };
        let _delivered = call.response(&mut client, &head).unwrap();

        let (mut call, _sent) = call_in(&mut client, &stranger, CALL);
        let step = call.response(&mut client, &ResponseHead::new(StatusCode::NOT_FOUND)).unwrap();

        assert_eq!(source == Source::Server, matches!(step, Step::Lead(_)), "{step:?}");
    }
}

#[test]
fn what_a_stream_asks_after_the_delete_of_its_session_is_answered_by_its_caller() {
    let (mut client, call) = to_be_sent_again();
    drop(call);
    let _delete = sent_in(&mut client, Method::Delete, "first");
    let attached = RequestHead { session_id: Some("first"), ..HEAD };
    let (mut call, _sent) = call_in(&mut client, &attached, CALL);
    let head = ResponseHead {
        content_type: Some("text/event-stream"),
        ..ResponseHead::new(StatusCode::OK)
    };
    let step = call.response(&mut client, &head).unwrap();
    let Step::Deliver(Handover { watch: Some(mut watch), .. }) = step else { panic!("{step:?}") };
    let question = br#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#;
    let event = [b"id: e1\ndata: ".as_slice(), question, b"\n\n"].concat();
    let out = watch.piece(&mut client, &event);
    let last = watch.end(&mut client, StreamEnd::Cut("ReadError"), core::time::Duration::ZERO);

    assert_eq!(event, [out.as_ref(), &last].concat());
    let reply = br#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
    let (_reply, step) = call_in(&mut client, &attached, reply);
    assert!(matches!(step, Step::Transmit(_)), "{step:?}");
    let resumption = RequestHead { method: Method::Get, last_event_id: Some("e1"), ..attached };
    let (_resumption, step) = call_in(&mut client, &resumption, b"");
    assert!(matches!(step, Step::Transmit(_)), "{step:?}");
}
