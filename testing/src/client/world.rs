//! The driver: executes operations on the machine and on the model, compares every answer,
//! and holds what happened against the laws.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Debug;
use std::mem;
use std::time::Duration;

use http::StatusCode;
use mcp_session_core::client::{
    Begin, Client, Credentials, Endpoint, Handover, HoldEnd, LocalAnswer, Look, Options, ReadOn,
    RecoveryEnd, RecoveryFailure, RecoveryRun, RecoveryStep, RequestHead, RequestRun, ResponseHead,
    Sent, Shield, Step as Machine, StreamEnd, Transmission, TransportFailure, Turn, Watch,
};
use mcp_session_core::client::{Event as Told, Misuse};
use mcp_session_core::session::OrphanId;
use mcp_session_core::{Method, peek};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::laws::{self, Ledger, Outcome};
use super::model::{Led, Model, OF_SERVER, StreamEnded};
use super::stream::{NOTIFICATION, Output, Written};
use super::words::{
    Answered, Bears, Delivered, End, Fate, Frame, Head, Header, Local, Media, Operation, Refused,
    Sender, Sending, Step, Welcome, What,
};

/// The mark by which an ID is found where it must not be.
pub const CREDENTIAL: &str = "credential";
/// Where the world's servers are; nobody is to read it either.
pub const HOST: &str = "mcp.example";
pub const PATH: &str = "/secret-path";

const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// Longer histories find nothing that shorter ones do not.
const ROUNDS: usize = 60;

type Body = Vec<u8>;

pub struct World {
    client: Client,
    model: Model,
    ledger: Ledger,
    /// What was done, for whoever reads of a failure.
    done: Vec<String>,
    requests: Vec<Driven>,
    ids: Vec<Vec<String>>,
    leaders: Vec<Leader>,
    streams: Vec<Streaming>,
    /// The IDs that callers have seen, with their endpoints.
    seen: Vec<(u8, String)>,
    /// The questions that callers have seen.
    questions: Vec<String>,
    minted: usize,
    last_id: String,
    has_no_guard: bool,
    /// Whether what is shown is looked at, which takes longer than all the rest.
    pub looks_at_debug: bool,
}

struct Driven {
    what: What,
    endpoint: u8,
    run: Option<Box<RequestRun<Body>>>,
    stage: Stage,
    /// As its caller wrote them.
    body: Body,
    bears: Option<String>,
    event: Option<String>,
    /// Its last answer's header, if it was an `initialize`.
    header: Option<String>,
    head: Option<Head>,
    cooldown: Option<Duration>,
    resumes: bool,
}

enum Stage {
    Sent,
    Reading,
    ReadingAnswer,
    /// A response in hand is drained before the step.
    Draining(Machine),
    Held,
    Waiting,
    Circuit,
    Ended,
}

struct Leader {
    request: usize,
    session: usize,
    run: Box<RecoveryRun>,
    announces: bool,
    /// The ID that its `initialize` was given, and its version.
    id: Option<String>,
    version: &'static str,
}

impl Leader {
    fn new(request: usize, session: usize, run: Box<RecoveryRun>) -> Self {
        Self { request, session, run, announces: false, id: None, version: "2025-11-25" }
    }
}

struct Streaming {
    request: usize,
    number: usize,
    watch: Box<Watch>,
    output: Output,
    /// What has not come in, or not whole.
    coming: VecDeque<Written>,
    /// How much of the first of it has.
    fed: usize,
    has_ended: bool,
}

impl World {
    pub fn new(options: Options) -> Self {
        Self {
            has_no_guard: options.stream_guard == Shield::Down,
            client: Client::new(options.clone(), 0x5eed),
            model: Model::new(options),
            ledger: Ledger::default(),
            done: Vec::new(),
            requests: Vec::new(),
            ids: Vec::new(),
            leaders: Vec::new(),
            streams: Vec::new(),
            seen: Vec::new(),
            questions: Vec::new(),
            minted: 0,
            last_id: format!("{CREDENTIAL}-0"),
            looks_at_debug: true,
        }
    }

    /// A world in which a caller has opened a session already.
    pub fn opened(options: Options) -> Self {
        let mut world = Self::new(options);
        let caller = Sender { endpoint: 0, credentials: 0, id: Bears::Nothing };
        world.execute(Operation::Begin(What::Initialize, caller));
        world.execute(Operation::Respond(0, Head::json(Header::New)));
        world
    }

    // ---- Operations

    pub fn run(&mut self, operations: &[Operation]) {
        for operation in operations {
            self.execute(*operation);
        }
    }

    /// Returns whether there was anything to do.
    pub fn execute(&mut self, operation: Operation) -> bool {
        let before = self.done.len();
        self.done.push(format!("{operation:?}"));
        let was_done = match operation {
            Operation::Begin(what, sender) => self.begin(what, sender),
            Operation::Respond(which, head) => self.respond(which, head),
            Operation::Refuse(which, refused) => self.refuse(which, refused),
            Operation::Answer(which, answered) => self.answer(which, answered),
            Operation::Fail(which) => self.fail(which),
            Operation::GoOn(which) => self.go_on(which),
            Operation::TimeOut(which) => self.time_out(which),
            Operation::Drop(which) => self.drop_request(which),
            Operation::Welcome(which, welcome) => self.welcome(which, welcome),
            Operation::Accept(which, status) => self.accept(which, status),
            Operation::LeaderFails(which) => self.leader_fails(which),
            Operation::LeaderIsDropped(which) => self.leader_is_dropped(which),
            Operation::Event(which, frame, cut) => self.event(which, frame, cut),
            Operation::End(which, end, lived_long) => self.end(which, end, lived_long),
        };
        if was_done.is_none() {
            self.done.truncate(before);
        } else if self.looks_at_debug {
            laws::shows_no_secret(&self.client);
        }
        was_done.is_some()
    }

    /// Lets the world end well: what is in flight is answered, recoveries succeed, streams end
    /// and are resumed. Then nobody may be left.
    pub fn drain(&mut self) {
        self.done.push("drained".to_owned());
        for _round in 0..ROUNDS {
            let mut is_over = true;
            for number in 0..self.requests.len() {
                is_over &= matches!(self.requests[number].stage, Stage::Ended);
                let done = match &self.requests[number].stage {
                    Stage::Sent if self.requests[number].what.is_get() => {
                        self.responded(number, Head::stream())
                    }
                    Stage::Sent => self.responded(number, Head::json(Header::Absent)),
                    Stage::Reading => self.refusal_read(number, Refused::Unknown),
                    Stage::ReadingAnswer => self.answer_read(number, Answered::Right),
                    Stage::Draining(_) | Stage::Held | Stage::Waiting => self.goes_on(number),
                    Stage::Circuit => self.cooled(number),
                    Stage::Ended => None,
                };
                let _was_anything = done;
            }
            while !self.leaders.is_empty() {
                is_over = false;
                let _done = self.welcome(0, Welcome::Result(Header::New, Media::Json));
                let _done = self.accept(0, 202);
            }
            for number in 0..self.streams.len() {
                is_over &= self.streams[number].has_ended;
                // In order it could be polled for hours.
                self.stream_ends(number, End::Cut, true);
            }
            for (event, endpoint, credentials, id) in self.model.to_be_resumed() {
                is_over = false;
                self.begun(What::Resume(event), endpoint, credentials, Some(id));
            }
            if is_over {
                return;
            }
        }
        panic!("law 3: somebody waits for ever after {}", self.told());
    }

    /// To be asked when the world has been drained.
    pub fn check_ended(&self) {
        let mut excused = self.model.out_of_reach();
        if self.has_no_guard {
            // Then streams end as they end.
            excused.extend(self.ids.iter().flatten().cloned());
        }
        self.ledger.everything_has_ended(&self.ids, &excused, &self.told());
    }

    /// How many calls have ended in an error of ours.
    pub fn failed_calls(&self) -> usize {
        self.ledger.failed_calls()
    }

    // ---- Requests

    fn begin(&mut self, what: What, sender: Sender) -> Option<()> {
        let endpoint = sender.endpoint % 3;
        // Two spellings of one endpoint.
        let key = if endpoint == 2 { 0 } else { endpoint };
        let id = match sender.id {
            Bears::Nothing => None,
            Bears::Unknown => Some(format!("{CREDENTIAL}-unknown")),
            Bears::Seen(which) => {
                let known: Vec<&(u8, String)> = self.seen.iter().filter(|it| it.0 == key).collect();
                let which = select(which, known.len())?;
                Some(known[which].1.clone())
            }
        };
        if what == What::Malformed && id.is_some() {
            return None;
        }
        self.begun(what, endpoint, sender.credentials % 3, id);
        Some(())
    }

    fn begun(&mut self, what: What, endpoint: u8, credentials: u8, id: Option<String>) {
        let number = self.requests.len();
        let key = if endpoint == 2 { 0 } else { endpoint };
        let replies_to = match what {
            What::Reply(which) => Some(match select(which, self.questions.len()) {
                Some(which) => self.questions[which].clone(),
                None => which.to_string(),
            }),
            _ => None,
        };
        let ids = ids_of(number, what);
        let body = body_of(what, &ids, replies_to.as_deref());
        let event = match what {
            What::Resume(event) => Some(format!("event-{event}")),
            _ => None,
        };
        let head = RequestHead {
            method: match what {
                What::Get | What::Resume(_) => Method::Get,
                What::Delete => Method::Delete,
                _ => Method::Post,
            },
            endpoint: endpoint_of(endpoint),
            credentials: match credentials {
                0 => Credentials::OfClient,
                other => Credentials::OfRequest(other.into()),
            },
            session_id: id.as_deref(),
            protocol_version: None,
            last_event_id: event.as_deref(),
            content_type: what.is_post().then_some("application/json; charset=utf-8"),
        };
        let look = self.client.look(&head);
        let begun = self.client.begin(&head, head.outgoing(body.clone()));
        self.ledger.began(what, key, credentials, id.as_deref());
        let expected = self.model.begin(
            what,
            key,
            credentials,
            id.as_deref(),
            ids.clone(),
            replies_to.as_deref(),
        );
        self.ids.push(ids);
        self.requests.push(Driven {
            what,
            endpoint: key,
            run: None,
            stage: Stage::Ended,
            body,
            bears: id,
            event,
            header: None,
            head: None,
            cooldown: None,
            resumes: matches!(what, What::Resume(_)),
        });
        match begun {
            Begin::Pass => {
                self.compare(number, &expected, &Step::Pass);
                self.ledger.ended(number, Outcome::Passed);
            }
            Begin::Run(run, step) => {
                assert_ne!(Look::Pass, look, "law 1: it is looked at, though not worth a look");
                let opens = self.model.opens(number);
                assert_eq!(opens, run.is_initialize(), "whose session it opens");
                self.requests[number].run = Some(run);
                self.takes(number, &expected, step);
            }
        }
    }

    fn respond(&mut self, which: u8, head: Head) -> Option<()> {
        let number = self.pick(which, |it| matches!(it, Stage::Sent))?;
        self.responded(number, head)
    }

    fn responded(&mut self, number: usize, head: Head) -> Option<()> {
        let is_initialize = self.requests[number].what == What::Initialize;
        let header = is_initialize.then(|| self.header(head.header)).flatten();
        let id = header.as_deref();
        let is_adoptable = head.is_success() && id.is_some_and(|id| !id.contains(' '));
        if let Some(id) = id.filter(|_| is_adoptable) {
            self.ledger.replaced(number, id);
        }
        let is_call = !is_initialize && !self.ids[number].is_empty();
        if head.is_success() && is_call {
            self.ledger.let_in(number);
        }
        let response = ResponseHead {
            session_id: id,
            content_type: Some(content_type(head)),
            ..ResponseHead::new(StatusCode::from_u16(head.status).unwrap())
        };
        let expected = self.model.responded(number, head, id);
        let it = &mut self.requests[number];
        (it.header, it.head) = (header.clone(), Some(head));
        let step = it.run.as_mut()?.response(&mut self.client, &response).unwrap();
        self.answered(number, &expected, step);
        Some(())
    }

    fn refuse(&mut self, which: u8, refused: Refused) -> Option<()> {
        let number = self.pick(which, |it| matches!(it, Stage::Reading))?;
        self.refusal_read(number, refused)
    }

    fn refusal_read(&mut self, number: usize, refused: Refused) -> Option<()> {
        let expected = self.model.refused(number, refused);
        let it = &mut self.requests[number];
        let bears = it.bears.as_deref().unwrap_or_default();
        let text = format!("no {bears}{}", r"\u0007");
        let error = format!(r#"{{"code":{OF_SERVER},"message":"{text}","data":["é"]}}"#);
        let body = match refused {
            Refused::Unknown => None,
            Refused::Text => Some("go away".to_owned()),
            Refused::Error => Some(format!(r#"{{"jsonrpc":"2.0","id":null,"error":{error}}}"#)),
            Refused::ErrorWithoutCode => {
                Some(format!(r#"{{"jsonrpc":"2.0","error":{{"message":"{text}"}}}}"#))
            }
            Refused::Misreport if it.head?.status == 401 => {
                Some("Unauthorized: Session not found".to_owned())
            }
            Refused::Misreport => Some("Bad Request: Mcp-Session-Id header is required".to_owned()),
        };
        let run = it.run.as_mut()?;
        let body = body.as_ref().map(String::as_bytes);
        let step = run.body_read(&mut self.client, body).unwrap();
        self.answered(number, &expected, step);
        Some(())
    }

    fn answer(&mut self, which: u8, answered: Answered) -> Option<()> {
        let number = self.pick(which, |it| matches!(it, Stage::ReadingAnswer))?;
        self.answer_read(number, answered)
    }

    fn answer_read(&mut self, number: usize, answered: Answered) -> Option<()> {
        let expected = self.model.answered(number, answered);
        let it = &mut self.requests[number];
        let ids = self.ids[number].clone();
        let each: Vec<String> = ids.iter().map(|id| answer_to(&as_text(id))).collect();
        let is_batch = it.what.is_batch();
        let bears = it.bears.as_deref().unwrap_or_default();
        let body = match answered {
            Answered::Right if is_batch => format!(" [{}]\n", each.join(",")),
            Answered::Right => each[0].clone(),
            Answered::Mixed => format!("[{NOTIFICATION},{}]", each.join(",")),
            Answered::First if is_batch => format!("[{}] ", each[0]),
            Answered::First | Answered::FirstAlone => each[0].clone(),
            Answered::OtherId => answer_to("\"nobody's\""),
            Answered::NullId => format!(
                r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":1,"message":"no {bears}\u0000{}"}}}}"#,
                "é".repeat(900)
            ),
            Answered::Empty | Answered::Cut => String::new(),
            Answered::Garbage => "[1".to_owned(),
        };
        let run = it.run.as_mut()?;
        let is_cut = answered == Answered::Cut;
        let step = if is_cut {
            let failure = TransportFailure { kind: "ReadError", sent: Sent::InDoubt };
            run.failed(&mut self.client, failure).unwrap()
        } else {
            run.body_read(&mut self.client, Some(body.as_bytes())).unwrap()
        };
        if let (Machine::Deliver(handover), false) = (&step, is_cut) {
            let read = handover.body.as_deref().unwrap_or(body.as_bytes());
            let read = String::from_utf8_lossy(read);
            let bears_own = |id: &String| read.contains(&answer_to(id));
            assert!(ids.iter().any(bears_own), "law 4: {ids:?} were answered by {read}");
            assert!(is_batch || read.starts_with('{'), "law 4: no caller of one reads {read}");
        }
        match answered {
            Answered::Right | Answered::Mixed => {
                ids.iter().for_each(|id| self.ledger.call_answered(id));
            }
            Answered::First | Answered::FirstAlone => self.ledger.call_answered(&ids[0]),
            _ => {}
        }
        self.answered(number, &expected, step);
        Some(())
    }

    fn fail(&mut self, which: u8) -> Option<()> {
        let number = self.pick(which, |it| matches!(it, Stage::Sent | Stage::Reading))?;
        let expected = self.model.failed(number);
        let sent = if number % 2 == 0 { Sent::No } else { Sent::InDoubt };
        let failure = TransportFailure { kind: "ConnectError", sent };
        let step = self.requests[number].run.as_mut()?.failed(&mut self.client, failure).unwrap();
        self.takes(number, &expected, step);
        Some(())
    }

    fn go_on(&mut self, which: u8) -> Option<()> {
        let waits = |it: &Stage| {
            matches!(it, Stage::Draining(_) | Stage::Held | Stage::Waiting | Stage::Circuit)
        };
        let number = self.pick(which, waits)?;
        self.goes_on(number)
    }

    fn goes_on(&mut self, number: usize) -> Option<()> {
        let stage = mem::replace(&mut self.requests[number].stage, Stage::Ended);
        let client = &mut self.client;
        let run = self.requests[number].run.as_mut()?;
        let (expected, step) = match stage {
            Stage::Draining(step) => {
                let is_sent_again = matches!(step, Machine::Transmit(_));
                let now = run.goes_out(client);
                let expected = self.model.goes_out(number, is_sent_again);
                match (expected, now) {
                    (Some(expected), Some(now)) => {
                        self.takes(number, &expected, now);
                    }
                    (None, None) => self.enacts(number, step),
                    (expected, now) => {
                        panic!("{expected:?} {now:?} as it goes out, after {}", self.told())
                    }
                }
                return Some(());
            }
            Stage::Held => {
                let step = run.hold_over(client, HoldEnd::Settled).unwrap();
                (self.model.went_on(number, true), step)
            }
            Stage::Waiting => (self.model.went_on(number, false), run.wait_over(client).unwrap()),
            Stage::Circuit => {
                let seconds = self.requests[number].cooldown?.as_secs();
                let run = self.requests[number].run.as_mut()?;
                let step = run.circuit_stands(&mut self.client).unwrap();
                (self.model.circuit_stood(number, seconds), step)
            }
            Stage::Sent | Stage::Reading | Stage::ReadingAnswer | Stage::Ended => return None,
        };
        self.takes(number, &expected, step);
        Some(())
    }

    fn time_out(&mut self, which: u8) -> Option<()> {
        let number = self.pick(which, |it| matches!(it, Stage::Held | Stage::Circuit))?;
        if matches!(self.requests[number].stage, Stage::Circuit) {
            return self.cooled(number);
        }
        if self.leaders.iter().any(|it| it.request == number) {
            // It makes the session itself.
            return None;
        }
        let expected = self.model.timed_out(number);
        let run = self.requests[number].run.as_mut()?;
        let step = run.hold_over(&mut self.client, HoldEnd::TimedOut).unwrap();
        self.takes(number, &expected, step);
        Some(())
    }

    fn cooled(&mut self, number: usize) -> Option<()> {
        let expected = self.model.circuit_cooled(number);
        let step = self.requests[number].run.as_mut()?.circuit_cooled(&mut self.client).unwrap();
        self.takes(number, &expected, step);
        Some(())
    }

    fn drop_request(&mut self, which: u8) -> Option<()> {
        let number = self.pick(which, |it| !matches!(it, Stage::Ended))?;
        if let Some(leader) = self.leaders.iter().position(|it| it.request == number) {
            let leader = self.leaders.remove(leader);
            drop(leader.run);
            self.model.lead_dropped(leader.session);
        }
        let stage = mem::replace(&mut self.requests[number].stage, Stage::Ended);
        if let Stage::Draining(Machine::Lead(_)) = &stage {
            self.model.lead_dropped(self.model.session_of(number)?);
        }
        drop(stage);
        if let Some(run) = self.requests[number].run.take() {
            run.abandon(&mut self.client);
        }
        self.model.dropped(number);
        self.ledger.ended(number, Outcome::Dropped);
        Some(())
    }

    // ---- Leaders

    fn leads(&mut self, number: usize, mut run: Box<RecoveryRun>) {
        let session = self.model.session_of(number).unwrap();
        let is_second = self.leaders.iter().any(|it| it.session == session);
        assert!(!is_second, "two leaders at a time, after {}", self.told());
        let step = run.message(&mut self.client).unwrap();
        if self.model.is_closed(session) {
            let led = self.model.lead_failed(session);
            self.leaders.push(Leader::new(number, session, run));
            self.has_led(self.leaders.len() - 1, &led, step);
            return;
        }
        let RecoveryStep::Send(message) = step else { panic!("a leader sends first") };
        let replayed = self.model.replayed(session);
        assert_eq!(self.requests[replayed].body, message.body, "another initialize is replayed");
        assert_eq!((None, None), (message.session_id, message.protocol_version));
        self.leaders.push(Leader::new(number, session, run));
    }

    fn welcome(&mut self, which: u8, welcome: Welcome) -> Option<()> {
        let which = self.pick_leader(which, false)?;
        let (header, media, status) = match welcome {
            Welcome::Result(header, media) => (header, media, 200),
            Welcome::Error(_) | Welcome::Broken => (Header::New, Media::Json, 200),
            Welcome::Status(status) => (Header::New, Media::Other, status),
        };
        let header = self.header(header);
        let replayed = self.model.replayed(self.leaders[which].session);
        let is_adoptable = status == 200 && header.as_ref().is_some_and(|id| !id.contains(' '));
        if let Some(id) = header.as_deref().filter(|_| is_adoptable) {
            self.ledger.replaced(replayed, id);
        }
        let version = if self.minted % 2 == 0 { "2025-06-18" } else { "2025-11-25" };
        let body = self.welcome_body(welcome, replayed, media, version);
        let head = Head { status, media, header: Header::Absent };
        let response = ResponseHead {
            session_id: header.as_deref(),
            content_type: Some(content_type(head)),
            ..ResponseHead::new(StatusCode::from_u16(status).unwrap())
        };
        let leader = &mut self.leaders[which];
        let session = leader.session;
        let step = leader.run.response(&mut self.client, &response).unwrap();
        assert!(matches!(step, RecoveryStep::Read), "an answer is read");
        for piece in body.chunks(body.len() / 2 + 1) {
            if leader.run.piece(piece) == ReadOn::Enough {
                break;
            }
        }
        let step = leader.run.body_ended(&mut self.client).unwrap();
        let led = self.model.welcomed(session, welcome, header.as_deref(), version);
        match (led, step) {
            (Led::GoesOn, RecoveryStep::Send(message)) => {
                let sent = message.session_id.as_ref().map(|it| it.as_str());
                let issued = header.as_deref().filter(|id| !id.contains(' '));
                assert_eq!(issued, sent);
                assert_eq!(Some(version), message.protocol_version.as_deref());
                assert_eq!(INITIALIZED, message.body);
                let leader = &mut self.leaders[which];
                leader.announces = true;
                (leader.id, leader.version) = (header, version);
            }
            (led, step) => self.has_led(which, &led, step),
        }
        Some(())
    }

    fn welcome_body(&self, welcome: Welcome, replayed: usize, media: Media, version: &str) -> Body {
        let id = &self.ids[replayed][0];
        let old = self.requests[replayed].header.as_deref().unwrap_or_default();
        let message = match welcome {
            Welcome::Result(..) => format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"{version}","capabilities":{{}},"serverInfo":{{"name":"server","version":"1"}}}}}}"#
            ),
            Welcome::Error(code) => format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{old}{} is gone"}}}}"#,
                r"\u001b"
            ),
            Welcome::Broken => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#),
            Welcome::Status(_) => "no".to_owned(),
        };
        match media {
            Media::Stream => format!("id: 1\ndata: \n\ndata: {message}\n\n").into_bytes(),
            Media::Json | Media::Other => message.into_bytes(),
        }
    }

    fn accept(&mut self, which: u8, status: u16) -> Option<()> {
        let which = self.pick_leader(which, true)?;
        let leader = &mut self.leaders[which];
        let session = leader.session;
        let head = ResponseHead::new(StatusCode::from_u16(status).unwrap());
        let is_accepted = head.status.is_success();
        let mut step = leader.run.response(&mut self.client, &head).unwrap();
        if !is_accepted {
            assert!(matches!(step, RecoveryStep::Read));
            let _more = leader.run.piece(b"no");
            step = leader.run.body_ended(&mut self.client).unwrap();
        }
        let led = self.model.accepted(session, is_accepted);
        self.has_led(which, &led, step);
        Some(())
    }

    fn leader_fails(&mut self, which: u8) -> Option<()> {
        let which = select(which, self.leaders.len())?;
        let failure = if self.done.len() % 2 == 0 {
            RecoveryFailure::TimedOut
        } else {
            RecoveryFailure::Error("ReadTimeout")
        };
        let leader = &mut self.leaders[which];
        let step = leader.run.failed(&mut self.client, failure).unwrap();
        let led = self.model.lead_failed(leader.session);
        self.has_led(which, &led, step);
        Some(())
    }

    fn leader_is_dropped(&mut self, which: u8) -> Option<()> {
        let which = select(which, self.leaders.len())?;
        let leader = self.leaders.remove(which);
        drop(leader.run);
        self.model.lead_dropped(leader.session);
        Some(())
    }

    fn has_led(&mut self, which: usize, led: &Led, step: RecoveryStep) {
        self.looks(&step);
        let RecoveryStep::Done(RecoveryEnd { replaced_by, orphan }) = step else {
            panic!("{led:?} was expected, not {step:?}, after {}", self.told());
        };
        let orphan = orphan_id(orphan.as_ref());
        let leader = self.leaders.remove(which);
        match led {
            Led::Failed(_, expected) => {
                assert!(replaced_by.is_none(), "{led:?} after {}", self.told());
                assert_eq!(expected, &orphan, "{led:?} after {}", self.told());
            }
            Led::Replaced => {
                assert!(replaced_by.is_some() && orphan.is_none(), "after {}", self.told());
                if let Some(id) = leader.id {
                    // A caller may take it from an answer.
                    let endpoint = self.requests[leader.request].endpoint;
                    self.seen.push((endpoint, id));
                }
            }
            Led::GoesOn => panic!("it goes on, not {replaced_by:?}, after {}", self.told()),
        }
        while let Some(event) = leader.run.next_event(&mut self.client) {
            self.hears(&event);
        }
    }

    // ---- Streams

    fn event(&mut self, which: u8, frame: Frame, cut: u8) -> Option<()> {
        let number = self.pick_stream(which)?;
        let stream = &mut self.streams[number];
        let on_its_way = |id: &&String| stream.coming.iter().any(|it| it.answers.contains(*id));
        let awaited = self.model.awaited(number).iter().filter(|id| !on_its_way(id));
        let written = Written::new(frame, &awaited.cloned().collect::<Vec<_>>(), number);
        stream.coming.push_back(written);
        let coming: usize = stream.coming.iter().map(|it| it.bytes.len()).sum();
        let length = ((coming - stream.fed) * (usize::from(cut) + 1)).div_ceil(256);
        self.feed(number, length);
        Some(())
    }

    fn feed(&mut self, number: usize, length: usize) {
        let stream = &mut self.streams[number];
        let first = stream.coming.front();
        let is_at_boundary =
            stream.fed == 0 || first.is_some_and(|it| stream.fed >= it.complete_at);
        let was_fed = stream.fed;
        let mut piece = Vec::new();
        let mut rest = length;
        let mut complete = Vec::new();
        let mut has_named_a_time = false;
        for written in &stream.coming {
            let from = stream.fed;
            let part = &written.bytes[from..(from + rest).min(written.bytes.len())];
            piece.extend_from_slice(part);
            rest -= part.len();
            let to = from + part.len();
            if from < written.complete_at && to >= written.complete_at {
                complete.push(written);
            }
            has_named_a_time |= written.retry_at.is_some_and(|at| from < at && to >= at);
            stream.fed = if to == written.bytes.len() { 0 } else { to };
            if rest == 0 {
                break;
            }
        }
        if piece.is_empty() {
            return;
        }
        self.model.was_fed(number);
        if has_named_a_time {
            self.model.saw_retry(number);
        }
        let output = stream.watch.piece(&mut self.client, &piece);
        stream.output.push(&output);
        let fates: Vec<Fate> = complete
            .iter()
            .map(|it| self.model.heard(number, it.frame.content, &it.answers))
            .collect();
        let found = stream.output.take_events(&complete, &fates);
        if is_at_boundary || !found.notices.is_empty() {
            assert_eq!(self.model.take_notices(number), found.notices, "questions that are void");
        }
        let mut questions = found.questions.into_iter();
        for (written, fate) in complete.into_iter().zip(fates) {
            match fate {
                Fate::AsItCame | Fate::Alone => {
                    written.answers.iter().for_each(|id| self.ledger.call_answered(id));
                }
                Fate::LeftOut | Fate::OthersAlone => {}
                Fate::Replaced(ids) => ids.iter().for_each(|id| self.ledger.call_failed(id)),
            }
            if let Some(own) = &written.asks {
                let (_, shown) = questions.next().unwrap();
                let may_be = self.model.saw_question(number, own, &shown);
                assert!(
                    may_be,
                    "question {own} is shown as {shown}, after {}",
                    self.done.join(", ")
                );
                if !self.questions.contains(&shown) {
                    self.questions.push(shown);
                }
            }
            self.model.saw_event_id(number, written.frame.event_id);
        }
        // What has come in whole is not kept.
        let mut fed = was_fed + length;
        while stream.coming.front().is_some_and(|it| fed >= it.bytes.len()) {
            fed -= stream.coming.pop_front().unwrap().bytes.len();
        }
        assert_eq!(fed, stream.fed);
    }

    fn end(&mut self, which: u8, end: End, lived_long: bool) -> Option<()> {
        let number = self.pick_stream(which)?;
        let is_outlived = self.streams[number].watch.is_outlived(&mut self.client);
        assert_eq!(self.model.is_outlived(number), is_outlived, "after {}", self.told());
        if end == End::Outlived && !is_outlived {
            return None;
        }
        self.stream_ends(number, end, lived_long);
        Some(())
    }

    fn stream_ends(&mut self, number: usize, end: End, lived_long: bool) {
        let stream = &mut self.streams[number];
        if mem::replace(&mut stream.has_ended, true) {
            return;
        }
        let lived = Duration::from_secs(if lived_long { 20 } else { 1 });
        let how = match end {
            End::Clean => StreamEnd::Clean,
            End::Cut => StreamEnd::Cut("RemoteProtocolError"),
            End::Outlived => StreamEnd::Outlived,
        };
        let last = stream.watch.end(&mut self.client, how, lived);
        stream.output.push(&last);
        let part = match stream.coming.front() {
            Some(first) if stream.fed < first.complete_at => &first.bytes[..stream.fed],
            _ => &[],
        };
        let last_event = self.model.last_event(number);
        let expected = self.model.stream_ended(number, end, lived_long);
        let is_quiet = expected == StreamEnded::Quietly;
        let (found, errors) =
            stream.output.take_end(part, end == End::Clean && is_quiet, last_event);
        assert_eq!(self.model.take_notices(number), found.notices, "questions that are void");
        let ids: Vec<String> = errors.iter().map(|(_, id)| id.clone()).collect();
        assert!(errors.iter().all(|(code, _)| *code == -32000));
        let expected = match expected {
            StreamEnded::Quietly => Vec::new(),
            StreamEnded::WithErrors(ids) => ids,
        };
        assert_eq!(expected, ids, "how stream {number} ends, after {}", self.done.join(", "));
        ids.iter().for_each(|id| self.ledger.call_failed(id));
        self.questions.extend(found.questions.into_iter().map(|(_, shown)| shown));
    }

    // ---- The machine's answers

    /// Takes a step after which a response in hand is drained first.
    fn answered(&mut self, number: usize, expected: &Step, step: Machine) {
        match step {
            Machine::Read(_) | Machine::ReadAnswer | Machine::Deliver(_) => {
                self.takes(number, expected, step);
            }
            step => {
                let actual = self.told_by(number, &step);
                self.compare(number, expected, &actual);
                self.requests[number].stage = Stage::Draining(step);
                self.hears_all(number);
            }
        }
    }

    fn takes(&mut self, number: usize, expected: &Step, step: Machine) {
        let actual = self.told_by(number, &step);
        self.compare(number, expected, &actual);
        self.enacts(number, step);
        self.hears_all(number);
    }

    fn enacts(&mut self, number: usize, step: Machine) {
        self.looks(&step);
        let actual = self.told_by(number, &step);
        if laws::ends(&actual) {
            self.requests[number].stage = Stage::Ended;
            self.ended(number, &actual);
        }
        let stage = match step {
            Machine::Transmit(transmission) => {
                if transmission.turn == Turn::Later {
                    let run = self.requests[number].run.as_mut().unwrap();
                    assert!(run.goes_out(&mut self.client).is_none(), "it was called off");
                    assert_eq!(None, self.model.goes_out(number, true));
                }
                if let Step::Transmit(sending) = &actual {
                    self.ledger.transmitted(number, sending, &self.told());
                }
                Stage::Sent
            }
            Machine::Read(limit) => {
                assert!(limit.bytes <= 64 * 1024, "law 8: {limit:?}");
                Stage::Reading
            }
            Machine::ReadAnswer => Stage::ReadingAnswer,
            Machine::Hold(_) => Stage::Held,
            Machine::Lead(run) => {
                self.looks(&run);
                self.leads(number, run);
                Stage::Held
            }
            Machine::Wait(wait) => {
                let resumes = self.requests[number].resumes;
                self.ledger.waited(number, wait, resumes);
                Stage::Waiting
            }
            Machine::CircuitOpen(cooldown) => {
                self.requests[number].cooldown = Some(cooldown.duration());
                Stage::Circuit
            }
            Machine::Deliver(handover) => {
                self.delivered(number, handover);
                Stage::Ended
            }
            Machine::Answer(_) | Machine::Raise => Stage::Ended,
        };
        if matches!(stage, Stage::Ended) {
            // The run stays, for what is heard of its session.
            let run = self.requests[number].run.as_mut().unwrap();
            let again = run.wait_over(&mut self.client);
            assert!(matches!(again, Err(Misuse)), "law 3: it goes on after its end");
        }
        self.requests[number].stage = stage;
    }

    fn ended(&mut self, number: usize, step: &Step) {
        let outcome = match step {
            Step::Deliver(Delivered { is_watched: true, .. }) => Outcome::Streamed,
            Step::Deliver(_) => Outcome::Delivered,
            Step::Answer(_) => Outcome::Answered,
            _ => Outcome::Raised,
        };
        self.ledger.ended(number, outcome);
        if let Step::Answer(
            Local::Errors(_, ids) | Local::Stream(_, ids) | Local::Completed(_, ids),
        ) = step
        {
            ids.iter().for_each(|id| self.ledger.call_failed(id));
        }
        if let Step::Answer(Local::Error(_, id)) = step {
            self.ledger.call_failed(id);
        }
    }

    fn delivered(&mut self, number: usize, handover: Handover) {
        let Handover { alias, body, watch, orphan } = handover;
        let it = &self.requests[number];
        if let Some(body) = body {
            // What it bears in place of what came in is the caller's own spelling of an id.
            let read = String::from_utf8_lossy(&body);
            let own = |id: &String| read.contains(&answer_to(id));
            assert!(self.ids[number].iter().any(own), "law 6: an answer is another");
        }
        let status = it.head.map_or(200, |head| head.status);
        if it.what == What::Initialize && (200..300).contains(&status) && orphan.is_none() {
            if let Some(id) = alias.clone().or_else(|| it.header.clone()) {
                if let Some(alias) = &alias {
                    let is_new = self.seen.iter().all(|(_, id)| id != alias);
                    assert!(is_new, "an alias was given out before");
                    self.model.is_named(number, alias);
                    // Under it, nothing but the server's own ID goes out.
                }
                self.seen.push((it.endpoint, id));
            }
        }
        if let Some(watch) = watch {
            self.looks(&watch);
            self.streams.push(Streaming {
                request: number,
                number: self.streams.len(),
                watch,
                output: Output::default(),
                coming: VecDeque::new(),
                fed: 0,
                has_ended: false,
            });
            let stream = self.streams.last().unwrap();
            debug_assert_eq!((number, self.streams.len() - 1), (stream.request, stream.number));
        }
    }

    /// The machine's step in the words of the model.
    fn told_by(&self, number: usize, step: &Machine) -> Step {
        match step {
            Machine::Transmit(transmission) => Step::Transmit(self.sending(number, transmission)),
            Machine::Read(_) => Step::Read,
            Machine::ReadAnswer => Step::ReadAnswer,
            Machine::Hold(_) => Step::Hold,
            Machine::Lead(_) => Step::Lead,
            Machine::Wait(wait) => Step::Wait(*wait),
            Machine::CircuitOpen(cooldown) => Step::Circuit(cooldown.duration().as_secs()),
            Machine::Deliver(handover) => Step::Deliver(Delivered {
                is_watched: handover.watch.is_some(),
                has_alias: handover.alias.is_some(),
                orphan: orphan_id(handover.orphan.as_ref()),
            }),
            Machine::Answer(answer) => Step::Answer(self.local(number, answer)),
            Machine::Raise => Step::Raise,
        }
    }

    fn sending(&self, number: usize, transmission: &Transmission) -> Sending {
        let it = &self.requests[number];
        let mut sending = Sending {
            id: it.bears.clone(),
            version: None,
            keeps_event_id: true,
            is_first: transmission.turn == Turn::First,
            reply: None,
        };
        for (name, value) in &transmission.changes {
            match *name {
                "mcp-session-id" => sending.id.clone_from(value),
                "mcp-protocol-version" => sending.version.clone_from(value),
                "last-event-id" => {
                    assert_eq!((true, None), (it.event.is_some(), value.as_ref()));
                    sending.keeps_event_id = false;
                }
                other => panic!("law 1: {other} is changed"),
            }
        }
        let body = transmission.body.as_ref().unwrap_or(&it.body);
        if let What::Reply(_) = it.what {
            sending.reply = peek(body).id().map(|id| id.as_str().to_owned());
        } else {
            assert_eq!(&it.body, body, "law 1: another body goes out");
        }
        sending
    }

    /// Reads an answer that was made here, as strictly as any client.
    fn local(&self, number: usize, answer: &LocalAnswer) -> Local {
        let body = answer.body();
        match (answer.status(), answer.content_type()) {
            (202, None) if body.is_empty() => Local::Accepted,
            (204, None) if body.is_empty() => Local::NoContent,
            (404, None) if body.is_empty() => Local::NotFound,
            (200, Some("application/json")) if !self.requests[number].what.is_batch() => {
                let (code, id) = error_of(body);
                Local::Error(code, id)
            }
            (200, Some("application/json")) => {
                let members: Vec<&RawValue> = serde_json::from_slice(body)
                    .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body)));
                let (results, errors): (Vec<&RawValue>, Vec<&RawValue>) =
                    members.into_iter().partition(|it| it.get().contains("\"result\""));
                let errors: Vec<(i64, String)> =
                    errors.iter().map(|it| error_of(it.get().as_bytes())).collect();
                let code = errors[0].0;
                assert!(errors.iter().all(|it| it.0 == code));
                let ids = errors.into_iter().map(|it| it.1).collect();
                if results.is_empty() {
                    Local::Errors(code, ids)
                } else {
                    Local::Completed(code, ids)
                }
            }
            (200, Some("text/event-stream")) => {
                let text = std::str::from_utf8(body).unwrap();
                let ids = &self.ids[number];
                let beside = format!("event: message\ndata: {NOTIFICATION}\n\n");
                if let Some(behind) = text.strip_prefix(&beside) {
                    let [id] = &ids[..] else { panic!("a batch is answered by a stream: {text}") };
                    assert_eq!(behind, format!("event: message\ndata: {}\n\n", answer_to(id)));
                    return Local::AnswerBehind(id.clone());
                }
                let events = text.split_terminator("\n\n").map(|event| {
                    error_of(event.strip_prefix("event: message\ndata: ").unwrap().as_bytes())
                });
                let (codes, ids): (BTreeSet<i64>, Vec<String>) = events.unzip();
                Local::Stream(codes.into_iter().next().unwrap(), ids)
            }
            other => panic!("nobody expects {other:?}"),
        }
    }

    fn compare(&self, number: usize, expected: &Step, actual: &Step) {
        assert_eq!(
            expected,
            actual,
            "model (left) and machine (right) differ: request {number} ({:?}), after {}",
            self.requests[number].what,
            self.told(),
        );
    }

    fn hears_all(&mut self, number: usize) {
        while let Some(event) =
            self.requests[number].run.as_ref().and_then(|run| run.next_event(&mut self.client))
        {
            self.hears(&event);
        }
    }

    fn hears(&self, event: &Told) {
        self.looks(event);
        if let Told::RecoveryFailed { detail, .. } | Told::RequestGivenUp { detail, .. } = event {
            laws::is_a_text_of_ours(detail);
        }
    }

    fn looks(&self, shown: &impl Debug) {
        if self.looks_at_debug {
            laws::shows_no_secret(shown);
        }
    }

    fn told(&self) -> String {
        self.done.join(", ")
    }

    // ---- What there is

    fn pick(&self, which: u8, is_one: impl Fn(&Stage) -> bool) -> Option<usize> {
        let ones: Vec<usize> =
            (0..self.requests.len()).filter(|it| is_one(&self.requests[*it].stage)).collect();
        Some(ones[select(which, ones.len())?])
    }

    fn pick_leader(&self, which: u8, announces: bool) -> Option<usize> {
        let ones: Vec<usize> =
            (0..self.leaders.len()).filter(|it| self.leaders[*it].announces == announces).collect();
        Some(ones[select(which, ones.len())?])
    }

    fn pick_stream(&self, which: u8) -> Option<usize> {
        let open: Vec<usize> =
            (0..self.streams.len()).filter(|it| !self.streams[*it].has_ended).collect();
        Some(open[select(which, open.len())?])
    }

    fn header(&mut self, header: Header) -> Option<String> {
        match header {
            Header::New => {
                self.minted += 1;
                self.last_id = format!("{CREDENTIAL}-{}", self.minted);
                Some(self.last_id.clone())
            }
            Header::Same => Some(self.last_id.clone()),
            Header::Absent => None,
            Header::IllFormed => Some(format!("{CREDENTIAL} ill-formed")),
        }
    }
}

/// Reads a JSON-RPC error; holds its text against law 7, unless it is the server's own.
pub fn error_of(body: &[u8]) -> (i64, String) {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Message<'a> {
        jsonrpc: &'a str,
        #[serde(borrow)]
        error: Inner<'a>,
        #[serde(borrow)]
        id: &'a RawValue,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner<'a> {
        code: i64,
        message: String,
        #[serde(borrow, default)]
        data: Option<&'a RawValue>,
    }
    let message: Message<'_> = serde_json::from_slice(body)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body)));
    assert_eq!("2.0", message.jsonrpc);
    if message.error.code == OF_SERVER {
        assert_eq!(Some(r#"["é"]"#), message.error.data.map(RawValue::get), "its data is lost");
    } else {
        laws::is_a_text_of_ours(&message.error.message);
        assert!(message.error.data.is_none());
    }
    (message.error.code, message.id.get().to_owned())
}

fn endpoint_of(endpoint: u8) -> Endpoint<'static> {
    match endpoint {
        0 => Endpoint { scheme: "https", host: HOST, path: PATH },
        1 => Endpoint { scheme: "https", host: "other.mcp.example", path: PATH },
        _ => Endpoint { scheme: "https", host: HOST, path: "/secret-path/" },
    }
}

fn content_type(head: Head) -> &'static str {
    match (head.is_success(), head.media) {
        (true, Media::Json) => "application/json",
        (true, Media::Stream) => "text/event-stream; charset=utf-8",
        (true, Media::Other) | (false, _) => "text/plain",
    }
}

/// The ids of the requests in a body: each of its own, and not all plain.
fn ids_of(number: usize, what: What) -> Vec<String> {
    let first = match number % 4 {
        0 => number.to_string(),
        1 => format!("\"call {number}\""),
        2 => format!("{number}.0"),
        _ => format!("\"\\u0063all {number}\""),
    };
    let second = format!("\"second of {number}\"");
    [first, second].into_iter().take(what.calls()).collect()
}

/// What a server that knows no numbers makes of an id.
fn as_text(id: &str) -> String {
    let is_number = id.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { format!("\"{id}\"") } else { respelled(id) }
}

/// Another spelling of the same id.
fn respelled(id: &str) -> String {
    id.replace("\\u0063", "c").trim_end_matches(".0").to_owned()
}

fn body_of(what: What, ids: &[String], replies_to: Option<&str>) -> Body {
    let call = |which: usize, method: &str| {
        let id = &ids[which];
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"name":"pay"}}}}"#)
    };
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;
    let body = match what {
        What::Initialize => call(0, "initialize"),
        What::Discover => call(0, "server/discover"),
        What::Call => call(0, "tools/call"),
        What::Read => call(0, "tools/list"),
        What::Batch => {
            let (first, second) = (call(0, "tools/list"), call(1, "tools/call"));
            format!("[{first}, {notification},{second}]")
        }
        What::BrokenBatch => format!("[1,{}]", call(0, "ping")),
        What::BatchOfNotifications => format!("[{notification}]"),
        What::Notification => notification.to_owned(),
        What::Cancelled(named) => {
            let id = respelled(&ids_of(named, What::Call)[0]);
            format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
            )
        }
        What::Reply(_) => {
            let id = replies_to.unwrap();
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
        }
        What::Malformed => "{".to_owned(),
        What::Get | What::Resume(_) | What::Delete => String::new(),
    };
    body.into_bytes()
}

pub(super) fn answer_to(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","result":{{}},"id":{id}}}"#)
}

fn orphan_id(id: Option<&OrphanId>) -> Option<String> {
    id.and_then(OrphanId::session_id).map(|it| it.as_str().to_owned())
}

fn select(which: u8, count: usize) -> Option<usize> {
    (count > 0).then(|| usize::from(which) % count)
}
