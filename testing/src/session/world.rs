//! The driver: executes operations on the machine and on the model, compares every answer,
//! and writes down what happened.

use std::fmt::Debug;

use http::StatusCode;
use mcp_session_core::session::{
    AfterStep, Before, Cooldown, Delivery, Exchange, Failure, GivenUp, Hold, InitializeAnswer,
    Initialized, Lead, Options, Outgoing, Reason, Recovered, Restore, RestoredMethod, Session,
    Stream, Transmit,
};
use mcp_session_core::{Quirks, RequestId, Response, SessionId, peek};

use super::drafts::{Drafted, answer_of, message_of, orphan, reply_in, select};
use super::guarantees;
use super::model::Model;
pub use super::operations::{Answered, Happened, Header, Operation, Restoration, Status, Welcome};
use super::past;
use super::words::{Answer, Restored, Sending, Step, What, is_reply};

const MISREPORT: &[u8] = b"Bad Request: Mcp-Session-Id header is required";
const ERROR: &[u8] = br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}"#;
/// The mark by which an ID is found where it must not be.
pub const CREDENTIAL: &str = "credential";
const RESUMED: &str = "credential-resumed";
const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// The bodies of the requests that are driven.
pub type Body = Vec<u8>;

pub struct World {
    pub options: Options,
    pub resumed: Option<String>,
    pub history: Vec<Happened>,
    pub holds: Vec<(usize, Hold<Body>)>,
    pub flights: Vec<(usize, Exchange<Body>)>,
    pub leader: Option<Leader>,
    /// Whether guarantee 10 is looked at too, which takes longer than all the rest.
    pub looks_at_debug: bool,
    pub(super) session: Session,
    pub(super) model: Model,
    pub(super) requests: Vec<Drafted>,
    pub(super) streams: Vec<Delivered>,
    /// The ids, as JSON, under which questions were shown to the caller.
    pub(super) shown: Vec<String>,
    pub(super) cooldowns: Vec<Cooldown>,
    /// IDs given out.
    pub(super) minted: usize,
    pub(super) last_id: String,
}

/// A response that the caller got.
pub struct Delivered {
    pub(super) request: usize,
    pub(super) stream: Stream,
    pub(super) generation: usize,
    pub(super) standalone: bool,
}

/// The stage a leader is at.
#[derive(Debug)]
pub enum Leader {
    Initializes(Lead),
    Announces(Initialized),
    Restores(Restore),
}

impl World {
    pub fn new(options: Options) -> Self {
        let session = Session::new(options);
        Self::of(session, None, options)
    }

    pub fn resumed(options: Options) -> Self {
        let session = Session::resumed(SessionId::parse(RESUMED.as_bytes()).unwrap(), options);
        Self::of(session, Some(RESUMED.to_owned()), options)
    }

    /// A world whose caller has opened a session already.
    pub fn opened(options: Options) -> Self {
        let mut world = Self::new(options);
        world.open();
        world
    }

    fn of(session: Session, resumed: Option<String>, options: Options) -> Self {
        let quirks = options.quirks == Quirks::Recognize;
        let (policy, bound) = (options.resend, options.bound);
        let model = match &resumed {
            Some(id) => Model::resumed(id, policy, bound, quirks),
            None => Model::new(policy, bound, quirks),
        };
        Self {
            options,
            resumed,
            history: Vec::new(),
            holds: Vec::new(),
            flights: Vec::new(),
            leader: None,
            looks_at_debug: true,
            session,
            model,
            requests: Vec::new(),
            streams: Vec::new(),
            shown: Vec::new(),
            cooldowns: Vec::new(),
            minted: 0,
            last_id: RESUMED.to_owned(),
        }
    }

    // ---- Operations

    pub fn run(&mut self, operations: &[Operation]) {
        for operation in operations {
            self.execute(*operation);
        }
    }

    /// As [`run`](Self::run); a stream of the highest number is the last one.
    pub fn run_last(&mut self, operations: &[Operation]) {
        for operation in operations {
            self.execute(match *operation {
                Operation::AnswerSeen(u8::MAX, how) => {
                    let last = u8::try_from(self.streams.len() - 1).unwrap();
                    Operation::AnswerSeen(last, how)
                }
                other => other,
            });
        }
    }

    /// What the new session was told last.
    pub fn last_restore(&self) -> Option<Restored> {
        self.history.iter().rev().find_map(|event| match event {
            Happened::Stands { restores: next } | Happened::Restored { next } => Some(*next),
            _ => None,
        })?
    }

    /// Returns whether there was anything to do.
    pub fn execute(&mut self, operation: Operation) -> bool {
        let before = self.history.len();
        match operation {
            Operation::Begin(what) => self.begin(what),
            Operation::Respond(which, Status::Error) => {
                self.respond(which, Status::Error, Header::New);
            }
            Operation::Respond(which, status) => self.respond(which, status, Header::Absent),
            Operation::Welcome(which, header) => self.respond(which, Status::Plain(200), header),
            Operation::Abandon(which) => self.abandon(which),
            Operation::Ask(which) => self.ask(which),
            Operation::DropHold(which) => self.drop_hold(which),
            Operation::LeaderInitialize(welcome) => self.leader_initialize(welcome),
            Operation::LeaderInitialized(status) => self.leader_initialized(status),
            Operation::LeaderFails => self.leader_fails(),
            Operation::LeaderIsDropped => self.leader_is_dropped(),
            Operation::LeaderRestores(how) => self.leader_restores(how),
            Operation::ServerAsks(stream, id) => self.server_asks(stream, id),
            Operation::ServerCancels(stream, id) => self.server_cancels(stream, id),
            Operation::AnswerSeen(stream, how) => self.answer_seen(stream, how),
            Operation::CooldownOver => self.cooldown_over(),
            Operation::EarlierCooldownOver => self.earlier_cooldown_over(),
            Operation::EventSeen(stream, event) => self.event_seen(stream, event),
        }
        let done = self.history.len() > before;
        self.take_notices();
        self.check_shown(&self.session);
        done
    }

    /// Opens a session, as the caller does.
    pub fn open(&mut self) {
        self.begin(What::Initialize);
        self.respond(0, Status::Plain(200), Header::New);
    }

    /// Lets the world end well: every recovery succeeds, everybody asks, every request in
    /// flight is answered 200. Then nobody may be left.
    pub fn drain(&mut self) {
        for _round in 0..=self.requests.len() + 2 {
            if self.leader.is_some() {
                self.leader_initialize(Welcome::Result(Header::New));
                self.leader_initialized(202);
            }
            while let Some(Leader::Restores(_)) = self.leader {
                self.leader_restores(Restoration::Result);
            }
            for _hold in 0..self.holds.len() {
                // Who still waits goes to the end of the line.
                self.ask(0);
            }
            while !self.flights.is_empty() {
                self.respond(0, Status::Plain(200), Header::Absent);
            }
            if self.holds.is_empty() && self.leader.is_none() {
                return;
            }
        }
        panic!("guarantee 3: somebody waits for ever: {}", self.told());
    }

    pub fn check(&self) {
        guarantees::check_all(&self.history, &self.options, self.resumed.as_deref());
    }

    /// To be asked when the world has been drained.
    pub fn check_ended(&self) {
        guarantees::everything_has_ended(&self.history, &self.options, self.resumed.as_deref());
    }

    pub fn begin(&mut self, what: What) {
        let request = self.requests.len();
        let replies_to = self.replies_to(what);
        let drafted = Drafted::new(request, what, replies_to.as_deref());
        let before = self.session.before_request(drafted.outgoing());
        self.requests.push(drafted);
        let step = self.take_before(request, before);
        let expected = self.model.before(what, replies_to.as_deref());
        self.compare(&"begin", request, &expected, &step);
        self.history.push(Happened::Began { request, what, step, reply: replies_to });
    }

    pub fn ask(&mut self, which: u8) {
        let Some(which) = select(which, self.holds.len()) else { return };
        let (request, hold) = self.holds.remove(which);
        let before = self.session.after_recovery(hold).unwrap();
        let step = self.take_before(request, before);
        let expected = match self.model.ask(request) {
            // Only the machine's own words differ.
            Step::Resend(sending) => Step::Send(sending),
            other => other,
        };
        self.compare(&"ask", request, &expected, &step);
        self.history.push(Happened::Asked { request, step });
    }

    fn respond(&mut self, which: u8, status: Status, header: Header) {
        let Some(which) = select(which, self.flights.len()) else { return };
        let (request, exchange) = self.flights.remove(which);
        let header = match self.requests[request].what {
            What::Initialize => self.header(header),
            _ => None,
        };
        let says = status;
        let misreport = says == Status::Misreport;
        let status = match status {
            Status::Plain(status) => StatusCode::from_u16(status).unwrap(),
            Status::Misreport => StatusCode::BAD_REQUEST,
            Status::Error => StatusCode::OK,
        };
        let (content_type, body) = match says {
            Status::Plain(_) => (b"text/plain".as_slice(), None),
            Status::Misreport => (b"text/plain".as_slice(), Some(MISREPORT)),
            Status::Error => (b"application/json".as_slice(), Some(ERROR)),
        };
        let response = Response {
            session_id: header.as_deref().map(str::as_bytes),
            content_type: Some(content_type),
            body,
            ..Response::new(status)
        };
        let generation = self.model.generation_of(request);
        let after = self.session.after_response(exchange, &response).unwrap();
        self.check_shown(&after);
        let answer = Answer {
            says_error: says == Status::Error,
            ..answer_of(status.as_u16(), header.as_deref(), misreport)
        };
        let newest = self.model.newest();
        let reaction = self.model.answered(request, &answer);
        let (expected, ended) = (reaction.step, reaction.ended);
        // An `initialize` that wins belongs to the generation it began.
        let began_one = self.model.newest() > newest;
        let generation = if began_one { self.model.newest() } else { generation };
        let (actual, revived) = (after.ended_session, after.revived_session);
        assert_eq!((ended, reaction.revived), (actual, revived), "after {}", self.told());
        let is_of = u64::from(after.generation);
        assert_eq!(generation, usize::try_from(is_of).unwrap(), "{after:?} after {}", self.told());
        let opened = matches!(
            &after.step,
            AfterStep::Deliver(Delivery { opened_session: true, adopted, .. })
                if adopted.as_ref().and_then(|it| it.session_id()).map(|it| it.as_str().to_owned())
                    == answer.id
        );
        assert_eq!(began_one, opened, "{after:?} after {}", self.told());
        let step = self.take_after(request, generation, answer.is_success(), after.step);
        self.compare(&answer, request, &expected, &step);
        self.history.push(Happened::Answered { request, answer, step, ended, revived });
    }

    fn abandon(&mut self, which: u8) {
        let Some(which) = select(which, self.flights.len()) else { return };
        let (request, exchange) = self.flights.remove(which);
        drop(exchange);
        self.model.abandoned(request);
        self.history.push(Happened::Abandoned { request });
    }

    fn drop_hold(&mut self, which: u8) {
        let Some(which) = select(which, self.holds.len()) else { return };
        let (request, hold) = self.holds.remove(which);
        drop(hold);
        self.model.abandoned(request);
        self.history.push(Happened::Abandoned { request });
    }

    fn leader_initialize(&mut self, welcome: Welcome) {
        let lead = match self.leader.take() {
            Some(Leader::Initializes(lead)) => lead,
            other => return self.leader = other,
        };
        let saved = self.model.saved().unwrap();
        assert_eq!(self.requests[saved].body, lead.initialize(), "another initialize is replayed");
        let (status, header, refusal) = match welcome {
            Welcome::Result(Header::IllFormed) => {
                (200, Header::IllFormed, Some(Reason::IllFormedSessionId))
            }
            Welcome::Result(header) => (200, header, None),
            Welcome::Error(-32022) => (200, Header::New, Some(Reason::ModernOnlyServer)),
            Welcome::Error(_) | Welcome::Broken => {
                (200, Header::New, Some(Reason::InitializeRefused))
            }
            Welcome::Status(status) => (status, Header::New, Some(Reason::InitializeRefused)),
        };
        let header = self.header(header);
        let version = if self.minted % 2 == 0 { "2025-06-18" } else { "2025-11-25" };
        let message = message_of(welcome, lead.initialize(), version);
        let response = Response {
            session_id: header.as_deref().map(str::as_bytes),
            content_type: Some(b"application/json"),
            ..Response::new(StatusCode::from_u16(status).unwrap())
        };
        let read = InitializeAnswer::new(&response, message.as_deref());
        self.check_shown(&read);
        let actual = self.session.initialize_answered(lead, &read).unwrap();
        self.check_shown(&actual);
        let answer = answer_of(status, header.as_deref(), false);
        let expected = self.model.initialize_answered(&answer, refusal, version);
        let issued_id = answer.id.filter(|_| status == 200);
        match actual {
            Ok(initialized) => {
                assert_eq!(Ok(()), expected, "{welcome:?} after {}", self.told());
                assert_eq!(issued_id.as_deref(), initialized.session_id().map(SessionId::as_str));
                assert_eq!(version, initialized.protocol_version());
                assert_eq!(INITIALIZED, initialized.initialized());
                self.leader = Some(Leader::Announces(initialized));
                self.history.push(Happened::Initialized { id: issued_id });
            }
            Err(failure) => self.failed(failure, expected.err(), issued_id),
        }
    }

    fn leader_initialized(&mut self, status: u16) {
        let initialized = match self.leader.take() {
            Some(Leader::Announces(initialized)) => initialized,
            other => return self.leader = other,
        };
        let issued_id = initialized.session_id().map(|it| it.as_str().to_owned());
        let status = StatusCode::from_u16(status).unwrap();
        let expected = self.model.initialized_answered(status.is_success());
        match self.session.initialized_answered(initialized, status).unwrap() {
            Ok(recovered) => {
                let expected = expected.unwrap_or_else(|it| panic!("{it:?}: {}", self.told()));
                self.history.push(Happened::Stands { restores: expected });
                self.take_recovered(recovered, expected.ok_or(0));
            }
            Err(failure) => self.failed(failure, expected.err(), issued_id),
        }
    }

    fn leader_restores(&mut self, how: Restoration) {
        let restore = match self.leader.take() {
            Some(Leader::Restores(restore)) => restore,
            other => return self.leader = other,
        };
        let id = peek(restore.body()).id().map(|id| id.as_str().to_owned()).unwrap();
        let (status, message) = match how {
            Restoration::Broken => {
                let recovered = self.session.restore_unanswered(restore).unwrap();
                let (_, expected) = self.model.restore_unanswered();
                self.history.push(Happened::Restored { next: expected.ok() });
                return self.take_recovered(recovered, expected);
            }
            Restoration::Result => (200, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)),
            Restoration::Error => {
                (200, format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601}}}}"#))
            }
            Restoration::Strange => (200, r#"{"jsonrpc":"2.0","id":0,"result":{}}"#.to_owned()),
            Restoration::Status(status) => (status, String::new()),
        };
        let status = StatusCode::from_u16(status).unwrap();
        let message = Some(message.as_bytes()).filter(|it| !it.is_empty());
        let answer = restore.answered(status, message);
        let recovered = self.session.restore_answered(restore, answer).unwrap();
        let (now, expected) = self.model.restore_answered(how == Restoration::Result);
        if how != Restoration::Result {
            self.history.push(Happened::RestoreRefused { what: now });
        }
        self.history.push(Happened::Restored { next: expected.ok() });
        self.take_recovered(recovered, expected);
    }

    /// `expected` is what is to be restored next, or how many were refused.
    fn take_recovered(&mut self, recovered: Recovered, expected: Result<Restored, usize>) {
        self.check_shown(&recovered);
        match (recovered, expected) {
            (Recovered::Restore(restore), Ok(next)) => {
                self.check_restore(&restore, next);
                self.leader = Some(Leader::Restores(restore));
            }
            (Recovered::Done(replaced), Err(refused)) => {
                let generation = usize::try_from(u64::from(replaced.generation)).unwrap();
                assert_eq!(self.model.newest(), generation, "after {}", self.told());
                assert_eq!(refused, replaced.refused.len(), "after {}", self.told());
                self.history.push(Happened::Replaced);
            }
            (recovered, expected) => {
                panic!("{recovered:?}, not {expected:?}, after {}", self.told())
            }
        }
    }

    fn check_restore(&self, restore: &Restore, expected: Restored) {
        let body = std::str::from_utf8(restore.body()).unwrap();
        let (method, told) = match expected {
            Restored::Level(level) => {
                (RestoredMethod::SetLevel, format!(r#""params":{{"level":"level-{level}"}}"#))
            }
            Restored::Resource(resource) => {
                (RestoredMethod::Subscribe, format!(r#""params":{{"uri":"test://{resource}"}}"#))
            }
        };
        assert_eq!(method, restore.method());
        assert!(body.contains(&told), "{body} does not say {told}, after {}", self.told());
        let message = peek(restore.body());
        assert_eq!(Some(method.as_str()), message.method().as_deref());
        let id = message.id().map(RequestId::as_str).unwrap();
        assert!(id.starts_with('"'), "the caller's requests have numbers for ids, not {id}");
    }

    fn leader_fails(&mut self) {
        let Some(leader) = self.leader.take() else { return };
        let (issued_id, failure) = match leader {
            Leader::Initializes(lead) => (None, self.session.lead_failed(lead).unwrap()),
            Leader::Announces(initialized) => {
                let issued_id = initialized.session_id().map(|it| it.as_str().to_owned());
                (issued_id, self.session.initialized_failed(initialized).unwrap())
            }
            Leader::Restores(restore) => {
                let recovered = self.session.restore_failed(restore).unwrap();
                let refused = self.model.restore_failed();
                self.history.push(Happened::Restored { next: None });
                return self.take_recovered(recovered, Err(refused));
            }
        };
        let expected = self.model.lead_failed();
        self.failed(failure, Some(expected), issued_id);
    }

    fn leader_is_dropped(&mut self) {
        if self.leader.take().is_none() {
            return;
        }
        self.model.lead_dropped();
        self.history.push(Happened::LeaderDropped);
    }

    // ---- The machine's answers

    fn take_before(&mut self, request: usize, before: Before<Body>) -> Step {
        self.check_shown(&before);
        match before {
            Before::Transmit(transmit) => Step::Send(self.take_transmit(request, transmit)),
            Before::Hold(hold) => self.take_hold(request, hold),
            Before::Lead(lead, hold) => self.take_lead(request, lead, hold),
            Before::Drop(outgoing) => self.take_back(request, &outgoing, Step::Drop),
            Before::GiveUp(given_up) => self.take_given_up(request, given_up),
        }
    }

    fn take_after(
        &mut self,
        request: usize,
        generation: usize,
        is_success: bool,
        after: AfterStep<Body>,
    ) -> Step {
        match after {
            AfterStep::Deliver(delivery) => {
                let standalone = self.model.is_standalone(request);
                if is_success {
                    let stream = delivery.stream;
                    self.streams.push(Delivered { request, stream, generation, standalone });
                }
                let step = Step::Deliver(orphan(delivery.orphan.as_ref()));
                self.take_back(request, &delivery.request, step)
            }
            AfterStep::Resend(transmit) => Step::Resend(self.take_transmit(request, transmit)),
            AfterStep::Hold(hold) => self.take_hold(request, hold),
            AfterStep::Lead(lead, hold) => self.take_lead(request, lead, hold),
            AfterStep::Drop(outgoing) => self.take_back(request, &outgoing, Step::Drop),
            AfterStep::GiveUp(given_up) => self.take_given_up(request, given_up),
        }
    }

    fn take_given_up(&mut self, request: usize, given_up: GivenUp<Body>) -> Step {
        let GivenUp { request: outgoing, reason, retry_after, .. } = given_up;
        if let Some(cooldown) = retry_after {
            if self.cooldowns.last() != Some(&cooldown) {
                let is_new = self.cooldowns.iter().all(|it| it.number() < cooldown.number());
                assert!(is_new, "{cooldown:?} after {:?}", self.cooldowns);
                self.cooldowns.push(cooldown);
            }
        }
        let seconds = retry_after.map(|it| it.duration().as_secs());
        self.take_back(request, &outgoing, Step::GiveUp(reason, seconds))
    }

    /// The caller gets back what it gave.
    fn take_back(&self, request: usize, outgoing: &Outgoing<Body>, step: Step) -> Step {
        let drafted = &self.requests[request];
        assert_eq!(&drafted.body, outgoing.body());
        assert_eq!(drafted.event.as_deref(), outgoing.last_event_id());
        step
    }

    fn take_transmit(&mut self, request: usize, transmit: Transmit<Body>) -> Sending {
        let drafted = &self.requests[request];
        assert_eq!(&drafted.body, transmit.request().body());
        let sending = Sending {
            id: transmit.session_id().map(|it| it.as_str().to_owned()),
            version: transmit.protocol_version().map(str::to_owned),
            keeps_event_id: transmit.last_event_id() == drafted.event.as_deref(),
            trial: transmit.is_trial(),
            reply: if is_reply(drafted.what) { reply_in(transmit.body()) } else { None },
        };
        if transmit.replaced_body().is_none() {
            assert_eq!(drafted.body, transmit.body());
        }
        self.flights.push((request, transmit.exchange));
        sending
    }

    fn take_hold(&mut self, request: usize, hold: Hold<Body>) -> Step {
        self.holds.push((request, hold));
        Step::Hold
    }

    fn take_lead(&mut self, request: usize, lead: Lead, hold: Hold<Body>) -> Step {
        let second = self.leader.replace(Leader::Initializes(lead)).is_some();
        assert!(!second, "guarantee 2: two leaders at a time: {}", self.told());
        self.holds.push((request, hold));
        Step::Lead
    }

    fn failed(
        &mut self,
        failure: Failure,
        expected: Option<(Reason, Option<String>)>,
        issued_id: Option<String>,
    ) {
        self.check_shown(&failure);
        let reason = failure.reason;
        let orphan = orphan(failure.orphan.as_ref());
        assert_eq!(expected, Some((reason, orphan.clone())), "after {}", self.told());
        self.history.push(Happened::Failed { reason, issued_id, orphan });
    }

    /// The machine's last answer.
    pub fn last_step(&self) -> &Step {
        self.history.iter().rev().find_map(past::step_of).unwrap()
    }

    /// How many leaders there have been.
    pub fn leaders(&self) -> usize {
        self.steps(&Step::Lead)
    }

    pub fn steps(&self, step: &Step) -> usize {
        self.history.iter().filter(|it| past::step_of(it) == Some(step)).count()
    }

    fn compare(&self, done: &dyn Debug, request: usize, expected: &Step, actual: &Step) {
        assert_eq!(
            expected,
            actual,
            "model (left) and machine (right) differ: {done:?}, request {request} ({:?}), {:?}, \
             after {}",
            self.requests[request].what,
            self.options,
            self.told(),
        );
    }

    fn check_shown(&self, shown: &impl Debug) {
        if self.looks_at_debug {
            guarantees::guarantee_10_no_id_is_shown(shown);
        }
    }

    pub(super) fn told(&self) -> String {
        guarantees::told(&self.history)
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
