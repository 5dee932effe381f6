//! The driver: executes operations on the machine and on the model, compares every answer,
//! and writes down what happened.

use std::fmt::Debug;

use http::StatusCode;
use mcp_session_core::session::{
    After, Before, Exchange, Failure, Hold, Introduced, LastEventId, Lead, Options, Outgoing,
    Reason, Send, Session, Stream, Unadopted,
};
use mcp_session_core::{Method, Quirks, Response, SessionId, peek};

use crate::guarantees;
use crate::model::{Model, Seen};
use crate::words::{Answer, Sending, Step, What};

const MISREPORT: &[u8] = b"Bad Request: Mcp-Session-Id header is required";
/// The mark by which an ID is found where it must not be.
pub(crate) const CREDENTIAL: &str = "credential";
const RESUMED: &str = "credential-resumed";
const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// What is done to both. Numbers select among what there is at the time, modulo its count;
/// where there is nothing, nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Begin(What),
    Respond(u8, Status),
    /// A 200 to a request in flight, with this header if it is an `initialize`.
    Welcome(u8, Header),
    Abandon(u8),
    Ask(u8),
    DropHold(u8),
    LeaderInitialize(Welcome),
    LeaderInitialized(u16),
    LeaderFails,
    LeaderIsDropped,
    ServerAsks(u8, u8),
    EventSeen(u8, u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Plain(u16),
    /// A 400 whose body is a known misreport.
    Misreport,
}

/// The session header of an answer to `initialize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    New,
    /// The ID of the last session.
    Same,
    Absent,
    IllFormed,
}

/// The answer to a leader's `initialize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Welcome {
    Result(Header),
    /// A JSON-RPC error with that code, and a session header all the same.
    Error(i32),
    /// A result that is none, with a session header.
    Broken,
    Status(u16),
}

/// One line of the history, in the machine's own words.
#[derive(Clone, Debug)]
pub(crate) enum Happened {
    Began { request: usize, what: What, step: Step },
    Asked { request: usize, step: Step },
    Answered { request: usize, answer: Answer, step: Step },
    Abandoned { request: usize },
    Introduced { id: Option<String> },
    Replaced,
    Failed { reason: Reason, issued_id: Option<String>, unadopted: Option<String> },
    LeaderDropped,
    ServerAsked { generation: usize, id: u8 },
    EventSeen { generation: usize, event: u8 },
}

pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) resumed: Option<String>,
    pub(crate) history: Vec<Happened>,
    pub(crate) holds: Vec<(usize, Hold)>,
    pub(crate) flights: Vec<(usize, Exchange)>,
    pub(crate) leader: Option<Leader>,
    /// Whether guarantee 10 is looked at too, which takes longer than all the rest.
    pub(crate) looks_at_debug: bool,
    session: Session,
    model: Model,
    requests: Vec<Drafted>,
    streams: Vec<(Stream, usize, bool)>,
    /// IDs given out.
    minted: usize,
    last_id: String,
}

/// The stage a leader is at.
#[derive(Debug)]
pub(crate) enum Leader {
    Initializes(Lead),
    Introduces(Introduced),
}

/// A request as its caller wrote it.
struct Drafted {
    what: What,
    method: Method,
    event: Option<String>,
    body: Vec<u8>,
}

impl World {
    pub(crate) fn new(options: Options) -> Self {
        let session = Session::new(options);
        Self::of(session, None, options)
    }

    pub(crate) fn resumed(options: Options) -> Self {
        let session = Session::resumed(SessionId::parse(RESUMED.as_bytes()).unwrap(), options);
        Self::of(session, Some(RESUMED.to_owned()), options)
    }

    /// A world whose caller has opened a session already.
    pub(crate) fn opened(options: Options) -> Self {
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
            minted: 0,
            last_id: RESUMED.to_owned(),
        }
    }

    // ---- Operations

    pub(crate) fn run(&mut self, operations: &[Operation]) {
        for operation in operations {
            self.execute(*operation);
        }
    }

    /// Returns whether there was anything to do.
    pub(crate) fn execute(&mut self, operation: Operation) -> bool {
        let before = self.history.len();
        match operation {
            Operation::Begin(what) => self.begin(what),
            Operation::Respond(which, status) => self.respond(which, status, Header::Absent),
            Operation::Welcome(which, header) => self.respond(which, Status::Plain(200), header),
            Operation::Abandon(which) => self.abandon(which),
            Operation::Ask(which) => self.ask(which),
            Operation::DropHold(which) => self.drop_hold(which),
            Operation::LeaderInitialize(welcome) => self.leader_initialize(welcome),
            Operation::LeaderInitialized(status) => self.leader_initialized(status),
            Operation::LeaderFails => self.leader_fails(),
            Operation::LeaderIsDropped => self.leader_is_dropped(),
            Operation::ServerAsks(stream, id) => self.server_asks(stream, id),
            Operation::EventSeen(stream, event) => self.event_seen(stream, event),
        }
        self.check_shown(&self.session);
        self.history.len() > before
    }

    /// Opens a session, as the caller does.
    pub(crate) fn open(&mut self) {
        self.begin(What::Initialize);
        self.respond(0, Status::Plain(200), Header::New);
    }

    /// Lets the world end well: every recovery succeeds, everybody asks, every request in
    /// flight is answered 200. Then nobody may be left.
    pub(crate) fn drain(&mut self) {
        for _round in 0..=self.requests.len() + 2 {
            if self.leader.is_some() {
                self.leader_initialize(Welcome::Result(Header::New));
                self.leader_initialized(202);
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

    pub(crate) fn check(&self) {
        guarantees::check_all(&self.history, &self.options, self.resumed.as_deref());
    }

    /// To be asked when the world has been drained.
    pub(crate) fn check_ended(&self) {
        guarantees::everything_has_ended(&self.history, &self.options, self.resumed.as_deref());
    }

    pub(crate) fn begin(&mut self, what: What) {
        let request = self.requests.len();
        let drafted = Drafted::new(request, what);
        let before = self.session.before_request(&drafted.outgoing());
        self.requests.push(drafted);
        let step = self.take_before(request, before);
        let expected = self.model.before(what);
        self.compare(&"begin", request, &expected, &step);
        self.history.push(Happened::Began { request, what, step });
    }

    pub(crate) fn ask(&mut self, which: u8) {
        let Some(which) = select(which, self.holds.len()) else { return };
        let (request, hold) = self.holds.remove(which);
        let before = self.session.after_recovery(hold, &self.requests[request].outgoing());
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
        let misreport = status == Status::Misreport;
        let status = match status {
            Status::Plain(status) => StatusCode::from_u16(status).unwrap(),
            Status::Misreport => StatusCode::BAD_REQUEST,
        };
        let response = Response {
            session_id: header.as_deref().map(str::as_bytes),
            content_type: Some(b"text/plain"),
            body: misreport.then_some(MISREPORT),
            ..Response::new(status)
        };
        let generation = self.model.generation_of(request);
        let outgoing = self.requests[request].outgoing();
        let after = self.session.after_response(exchange, &outgoing, &response);
        self.check_shown(&after);
        let answer = answer_of(status.as_u16(), header.as_deref(), misreport);
        let newest = self.model.newest();
        let expected = self.model.answered(request, &answer);
        // An `initialize` that wins belongs to the generation it began.
        let began_one = self.model.newest() > newest;
        let generation = if began_one { self.model.newest() } else { generation };
        let step = self.take_after(request, generation, answer.is_success(), after);
        self.compare(&answer, request, &expected, &step);
        self.history.push(Happened::Answered { request, answer, step });
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
        let actual = self.session.initialize_answered(lead, &response, message.as_deref());
        self.check_shown(&actual);
        let answer = answer_of(status, header.as_deref(), false);
        let expected = self.model.initialize_answered(&answer, refusal, version);
        let issued_id = answer.id.filter(|_| status == 200);
        match actual {
            Ok(introduced) => {
                assert_eq!(Ok(()), expected, "{welcome:?} after {}", self.told());
                assert_eq!(issued_id.as_deref(), introduced.session_id().map(SessionId::as_str));
                assert_eq!(version, introduced.protocol_version());
                assert_eq!(INITIALIZED, introduced.initialized());
                self.leader = Some(Leader::Introduces(introduced));
                self.history.push(Happened::Introduced { id: issued_id });
            }
            Err(failure) => self.failed(failure, expected.err(), issued_id),
        }
    }

    fn leader_initialized(&mut self, status: u16) {
        let introduced = match self.leader.take() {
            Some(Leader::Introduces(introduced)) => introduced,
            other => return self.leader = other,
        };
        let issued_id = introduced.session_id().map(|it| it.as_str().to_owned());
        let status = StatusCode::from_u16(status).unwrap();
        let expected = self.model.initialized_answered(status.is_success());
        match self.session.initialized_answered(introduced, status) {
            Ok(()) => {
                assert_eq!(Ok(()), expected, "{status} after {}", self.told());
                self.history.push(Happened::Replaced);
            }
            Err(failure) => self.failed(failure, expected.err(), issued_id),
        }
    }

    fn leader_fails(&mut self) {
        let Some(leader) = self.leader.take() else { return };
        let (issued_id, failure) = match leader {
            Leader::Initializes(lead) => (None, self.session.lead_failed(lead)),
            Leader::Introduces(introduced) => {
                let issued_id = introduced.session_id().map(|it| it.as_str().to_owned());
                (issued_id, self.session.lead_failed(introduced))
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

    fn server_asks(&mut self, which: u8, id: u8) {
        let Some(which) = select(which, self.streams.len()) else { return };
        let (stream, generation, _) = self.streams[which];
        let message = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"elicitation/create"}}"#);
        self.session.saw_message(stream, message.as_bytes());
        self.model.server_asked(generation, id);
        self.history.push(Happened::ServerAsked { generation, id });
    }

    fn event_seen(&mut self, which: u8, event: u8) {
        let Some(which) = select(which, self.streams.len()) else { return };
        let (stream, generation, standalone) = self.streams[which];
        self.session.saw_event_id(stream, &event_id(event));
        self.model.event_seen(Seen { event, generation, standalone });
        self.history.push(Happened::EventSeen { generation, event });
    }

    // ---- The machine's answers

    fn take_before(&mut self, request: usize, before: Before) -> Step {
        self.check_shown(&before);
        match before {
            Before::Send(send) => Step::Send(self.take_send(request, send)),
            Before::Hold(hold) => self.take_hold(request, hold),
            Before::Lead(lead, hold) => self.take_lead(request, lead, hold),
            Before::Drop => Step::Drop,
            Before::GiveUp(reason) => Step::GiveUp(reason),
        }
    }

    fn take_after(
        &mut self,
        request: usize,
        generation: usize,
        is_success: bool,
        after: After,
    ) -> Step {
        match after {
            After::Deliver(delivery) => {
                let standalone = self.model.is_standalone(request);
                if is_success {
                    self.streams.push((delivery.stream, generation, standalone));
                }
                Step::Deliver(unadopted(delivery.unadopted.as_ref()))
            }
            After::Resend(send) => Step::Resend(self.take_send(request, send)),
            After::Hold(hold) => self.take_hold(request, hold),
            After::Lead(lead, hold) => self.take_lead(request, lead, hold),
            After::Drop => Step::Drop,
            After::GiveUp(reason) => Step::GiveUp(reason),
        }
    }

    fn take_send(&mut self, request: usize, send: Send) -> Sending {
        let sending = Sending {
            id: send.session_id().map(|it| it.as_str().to_owned()),
            version: send.protocol_version().map(str::to_owned),
            keeps_event_id: self.requests[request].event.is_none()
                || send.last_event_id == LastEventId::Keep,
        };
        self.flights.push((request, send.exchange));
        sending
    }

    fn take_hold(&mut self, request: usize, hold: Hold) -> Step {
        self.holds.push((request, hold));
        Step::Hold
    }

    fn take_lead(&mut self, request: usize, lead: Lead, hold: Hold) -> Step {
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
        let unadopted = unadopted(failure.unadopted.as_ref());
        assert_eq!(expected, Some((reason, unadopted.clone())), "after {}", self.told());
        self.history.push(Happened::Failed { reason, issued_id, unadopted });
    }

    /// The machine's last answer.
    pub(crate) fn last_step(&self) -> &Step {
        self.history.iter().rev().find_map(guarantees::step_of).unwrap()
    }

    /// How many leaders there have been.
    pub(crate) fn leaders(&self) -> usize {
        self.steps(&Step::Lead)
    }

    pub(crate) fn steps(&self, step: &Step) -> usize {
        self.history.iter().filter(|it| guarantees::step_of(it) == Some(step)).count()
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

    fn told(&self) -> String {
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

impl Drafted {
    fn new(request: usize, what: What) -> Self {
        let call = |id: &str, method: &str, parameters: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{parameters}}}"#)
        };
        let number = request.to_string();
        let first = format!(r#""first of {request}""#);
        let notification = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#;
        let (method, event, body) = match what {
            What::Call => (Method::Post, None, call(&number, "tools/call", r#"{"name":"pay"}"#)),
            What::Read => (Method::Post, None, call(&number, "tools/list", "{}")),
            What::Cursor => (Method::Post, None, call(&number, "tools/list", r#"{"cursor":"c"}"#)),
            What::Initialize => (Method::Post, None, call(&number, "initialize", "{}")),
            What::Notification => (Method::Post, None, notification.to_owned()),
            What::Cancelled(named) => (
                Method::Post,
                None,
                format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{named}}}}}"#
                ),
            ),
            What::Reply(id) => {
                (Method::Post, None, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#))
            }
            What::Get => (Method::Get, None, String::new()),
            What::Resume(event) => (Method::Get, Some(event_id(event)), String::new()),
            What::Delete => (Method::Delete, None, String::new()),
            What::BatchOfReads | What::BatchWithCall | What::BatchWithCursor => {
                let second = match what {
                    What::BatchWithCall => call(&number, "tools/call", "{}"),
                    What::BatchWithCursor => call(&number, "tools/list", r#"{"cursor":"c"}"#),
                    _ => call(&number, "resources/list", "{}"),
                };
                (Method::Post, None, format!("[{},{second}]", call(&first, "tools/list", "{}")))
            }
            What::BatchOfNotifications => (Method::Post, None, format!("[{notification}]")),
        };
        Self { what, method, event, body: body.into_bytes() }
    }

    fn outgoing(&self) -> Outgoing<'_> {
        Outgoing {
            method: self.method,
            protocol_version: None,
            last_event_id: self.event.as_deref(),
            body: &self.body,
        }
    }
}

fn message_of(welcome: Welcome, initialize: &[u8], version: &str) -> Option<Vec<u8>> {
    let message = peek(initialize);
    let id = message.id().unwrap();
    let id = id.as_str();
    let text = match welcome {
        Welcome::Result(_) => format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"{version}","capabilities":{{}},"serverInfo":{{"name":"server","version":"1"}}}}}}"#
        ),
        Welcome::Error(code) => {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"no"}}}}"#)
        }
        Welcome::Broken => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#),
        Welcome::Status(_) => return None,
    };
    Some(text.into_bytes())
}

fn event_id(event: u8) -> String {
    format!("event-{event}")
}

fn unadopted(id: Option<&Unadopted>) -> Option<String> {
    id.and_then(Unadopted::session_id).map(|it| it.as_str().to_owned())
}

fn answer_of(status: u16, header: Option<&str>, misreport: bool) -> Answer {
    let id = header.filter(|it| SessionId::parse(it.as_bytes()).is_some()).map(str::to_owned);
    let has_ill_formed_id = header.is_some() && id.is_none();
    Answer { status, id, has_ill_formed_id, misreport }
}

fn select(which: u8, count: usize) -> Option<usize> {
    (count > 0).then(|| usize::from(which) % count)
}
