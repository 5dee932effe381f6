//! One exchange: the machine is told what happens, what goes out is written down, and the laws
//! are checked against the whole history, which the machine never sees.

use mcp_session_core::http::StatusCode;
use mcp_session_core::server::{
    EchoId, Effect, Entry, Exchange, Options, Outcome, Policy, RequestHead, ResponseHead, Rest,
    Step,
};
use mcp_session_core::{
    Action, Answer, Method, Request, Response, Rule, SessionHeader, Side, classify, peek,
};

use super::model::{self, Due, Known};

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The HTTP method.
    pub method: Method,
    /// The values of the session header.
    pub session_ids: &'static [&'static str],
    /// The query.
    pub query: &'static str,
    /// The value of `MCP-Protocol-Version`.
    pub version: Option<&'static str>,
}

/// The head of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// The value of the session header.
    pub session_id: Option<&'static str>,
    /// Whether it says that it is JSON.
    pub is_json: bool,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// Whoever drives the machine asks whether the handler may run.
    Ask,
    /// A piece of the request came.
    RequestPiece(Vec<u8>, Rest),
    /// The request broke off.
    RequestCut,
    /// The handler has waited long enough.
    WaitOver,
    /// The head of the answer came.
    Head(Answered),
    /// A piece of the answer came.
    Piece(Vec<u8>, Rest),
    /// Another message of the answer came.
    Other,
    /// Trailers came.
    Trailers,
}

/// What went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Out {
    /// The message of the answer with this number, as it was.
    Message(usize),
    /// The same without its session header.
    WithoutSessionId(usize),
    /// The canonical answer.
    Canonical,
}

/// An exchange, and its history.
pub struct World {
    asked: Asked,
    options: Options,
    machine: Exchange,
    head: Option<Answered>,
    request_body: Vec<u8>,
    /// Whether all of the request was told before the head of the answer.
    request_is_whole: bool,
    request_is_no_object: bool,
    request_cost: usize,
    request_is_over: bool,
    has_run: bool,
    waited_in_vain: bool,
    withheld: bool,
    body: Vec<u8>,
    held_cost: usize,
    body_is_whole: bool,
    body_is_lost: bool,
    messages: usize,
    held: Vec<usize>,
    out: Vec<Out>,
    decided: Option<(Rule, Action, bool, Option<String>)>,
}

impl World {
    /// Begins with the head of a request.
    pub fn new(options: Options, asked: Asked) -> Self {
        let mut head = RequestHead::new(asked.method, asked.query.as_bytes());
        for id in asked.session_ids {
            head.add_header(b"MCP-Session-Id", id.as_bytes());
        }
        if let Some(version) = asked.version {
            head.add_header(b"mcp-protocol-version", version.as_bytes());
        }
        Self {
            asked,
            machine: Exchange::new(&Policy::new(options.clone()), head),
            options,
            head: None,
            request_body: Vec::new(),
            request_is_whole: false,
            request_is_no_object: false,
            request_cost: 0,
            request_is_over: false,
            has_run: false,
            waited_in_vain: false,
            withheld: false,
            body: Vec::new(),
            held_cost: 0,
            body_is_whole: false,
            body_is_lost: false,
            messages: 0,
            held: Vec::new(),
            out: Vec::new(),
            decided: None,
        }
    }

    /// Lets these happen, as far as HTTP and the driver's duties allow, and checks the laws.
    ///
    /// # Panics
    ///
    /// A law does not hold.
    pub fn run(&mut self, events: &[Event]) {
        for event in events {
            self.happen(event);
            self.check();
        }
        // Whoever drives the machine tells it that the handler is done.
        if self.head.is_some() && self.decided.is_none() {
            self.happen(&Event::Other);
        }
        self.check();
        self.check_ended();
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Ask => {
                let _ = self.ask();
            }
            Event::RequestPiece(piece, rest) if !self.request_is_over => {
                self.machine.request_piece(piece, *rest);
                self.request_is_over = *rest == Rest::Ended;
                if self.head.is_none() {
                    self.request_body.extend_from_slice(piece);
                    self.request_is_whole = self.request_is_over;
                    // A piece that is not the last counts as 512 bytes at least.
                    let least = if self.request_is_over { 0 } else { 512 };
                    self.request_cost += piece.len().max(least);
                    let first = self.request_body.trim_ascii_start().first();
                    self.request_is_no_object |= first.is_some_and(|first| *first != b'{')
                        && self.request_cost <= self.options.max_request_bytes;
                }
            }
            Event::RequestCut => {
                self.machine.request_cut();
                self.request_is_over = true;
            }
            Event::WaitOver => {
                self.machine.wait_over();
                self.waited_in_vain |= !self.request_is_whole;
            }
            Event::Head(head) if self.head.is_none() => {
                if matches!(self.ask(), Entry::Read { .. }) {
                    self.machine.wait_over();
                    self.waited_in_vain = true;
                    assert!(!matches!(self.ask(), Entry::Read { .. }), "the wait is over");
                }
                self.head = Some(*head);
                let mut told = ResponseHead::new(StatusCode::from_u16(head.status).unwrap());
                if let Some(id) = head.session_id {
                    told.add_header(b"mcp-session-id", id.as_bytes());
                }
                if head.is_json {
                    told.add_header(b"content-type", b"application/json");
                }
                self.message(|machine| machine.response_head(told));
            }
            Event::Piece(piece, rest) if self.head.is_some() && !self.body_is_over() => {
                self.body.extend_from_slice(piece);
                self.body_is_whole = *rest == Rest::Ended;
                // The last piece decides, whatever its length: it need not be held.
                self.held_cost += if self.body_is_whole { 0 } else { piece.len().max(64) };
                self.message(|machine| machine.response_piece(piece, *rest));
            }
            Event::Other if self.head.is_some() && !self.body_is_over() => {
                self.body_is_lost = true;
                self.message(Exchange::response_other);
            }
            Event::Trailers if self.body_is_over() => {
                self.message(Exchange::response_trailers);
            }
            Event::RequestPiece(..)
            | Event::Head(_)
            | Event::Piece(..)
            | Event::Other
            | Event::Trailers => {}
        }
    }

    fn ask(&mut self) -> Entry {
        let entry = self.machine.before_handler();
        match entry {
            Entry::Read { .. } => {
                assert_eq!(Effect::Correct, self.options.effect, "law 8");
                assert!(!self.has_run, "asked again once the handler ran");
                assert!(self.may_matter(), "law 4: read although it does not matter");
            }
            Entry::Run => {
                let was_known = self.has_run || self.waited_in_vain || !self.is_initialize();
                assert!(was_known || self.options.effect == Effect::Report, "law 7");
                self.has_run = true;
            }
            Entry::RunWithoutSessionId => {
                assert!(self.withheld || self.is_initialize(), "law 7: only of an initialize");
                (self.has_run, self.withheld) = (true, true);
            }
        }
        entry
    }

    fn message(&mut self, tell: impl FnOnce(&mut Exchange) -> Step<'_>) {
        let number = self.messages;
        self.messages += 1;
        match tell(&mut self.machine) {
            Step::Hold => self.held.push(number),
            Step::Watch => {
                assert_eq!(Effect::Report, self.options.effect);
                self.out.push(Out::Message(number));
            }
            Step::Pass => self.out.push(Out::Message(number)),
            Step::PassWithoutSessionId => self.out.push(Out::WithoutSessionId(number)),
            Step::Discard => {
                assert_eq!(self.out, [Out::Canonical], "law 1: discarded and not replaced");
            }
            Step::Decided(decision) => {
                assert!(self.decided.is_none(), "law 2");
                let answer = match decision.outcome {
                    Outcome::Replace(answer) => Some(answer.body()),
                    Outcome::LetGo | Outcome::WithoutSessionId => None,
                };
                self.decided = Some((decision.rule, decision.action, decision.is_applied, answer));
                let going = self.held.drain(..).chain([number]);
                match decision.outcome {
                    Outcome::LetGo => self.out.extend(going.map(Out::Message)),
                    Outcome::WithoutSessionId => {
                        self.out.extend(going.map(Out::WithoutSessionId));
                    }
                    Outcome::Replace(_) => {
                        drop(going);
                        self.out.push(Out::Canonical);
                    }
                }
            }
        }
    }

    fn check(&self) {
        if self.options.effect == Effect::Report {
            assert_eq!(self.messages, self.out.len(), "law 8: held back");
        }
        if self.machine.remembers_request() {
            assert!(self.may_matter(), "law 4");
            assert!(self.decided.is_none(), "law 4: remembered after the verdict");
        }
        if self.decided.is_none() && self.head.is_some() {
            assert!(self.held_cost <= self.options.max_response_bytes, "law 3");
            assert!(!self.body_is_over(), "law 3: nothing more can come");
        }
        // Law 1: in order and whole, or replaced.
        if self.out.first() != Some(&Out::Canonical) {
            let numbers: Vec<usize> = self
                .out
                .iter()
                .map(|out| match out {
                    Out::Message(number) | Out::WithoutSessionId(number) => *number,
                    Out::Canonical => panic!("law 1: replaced after something went out"),
                })
                .chain(self.held.iter().copied())
                .collect();
            assert!(numbers.iter().copied().eq(0..self.messages), "law 1: {:?}", self.out);
        }
        if self.is_error() && self.withholds() {
            let leaks = self.out.iter().any(|out| matches!(out, Out::Message(_)));
            // A message without headers may go out as it is; the head and trailers may not.
            let heads = self.out.first().is_some_and(|out| matches!(out, Out::Message(_)));
            assert!(!heads, "law 6: {leaks}");
        }
    }

    fn check_ended(&self) {
        let Some(head) = self.head else { return };
        let (rule, action, is_applied, answer) = self.decided.clone().expect("law 2: decided");
        let told = head_of(head);
        let body = (self.body_is_whole && !self.is_too_long()).then_some(&self.body[..]);
        let is_read = self.may_matter()
            && self.request_is_whole
            && self.request_cost <= self.options.max_request_bytes;
        let message_bytes = is_read
            .then_some(&self.request_body[..])
            // What begins with anything but a brace has no id, however it goes on.
            .or_else(|| (self.may_matter() && self.request_is_no_object).then_some(&b""[..]));
        let ids = self.asked.session_ids.join(", ");
        let request = Request {
            session_id: Some(ids.as_bytes()).filter(|id| !id.is_empty() && !self.withheld),
            query_session_id: mcp_session_core::query_session_id(self.asked.query),
            protocol_version: self.asked.version.map(str::as_bytes),
            message: message_bytes.map(peek),
            ..Request::new(self.asked.method)
        };
        let verdict = classify(Side::Server, &request, &Response { body, ..told });
        // Nothing that came afterwards would have changed what has to be done.
        assert_eq!(verdict.action(), action, "law 3: let go too early, by {rule:?}");
        let corrects =
            action != Action::PassThrough || verdict.session_header() != SessionHeader::Forward;
        if self.options.effect == Effect::Report || !corrects {
            assert!(!is_applied);
        }
        let is_on =
            self.options.effect == Effect::Correct && !self.options.disabled_rules.contains(&rule);
        let due = model::due(&Known {
            method: self.asked.method,
            has_header_id: request.session_id.is_some(),
            has_query_id: request.query_session_id.is_some(),
            version: self.asked.version,
            request: message_bytes,
            status: head.status,
            bears_session_id: head.session_id.is_some(),
            is_json: head.is_json,
            answer: body,
        });
        if let Some(due) = due {
            let replaced_by = verdict.response().map(|answer| answer.body());
            let withholds = verdict.session_header() != SessionHeader::Forward;
            assert_eq!(due, Due { replaced_by, withholds }, "by {rule:?}");
        }
        let replaces = action == Action::NotFoundResponse && is_on;
        assert_eq!(replaces, answer.is_some());
        if let Some(answer) = answer {
            let id = match self.options.request_id {
                EchoId::Repeat => verdict.response().map(|answer| answer.body()),
                EchoId::LeaveOut => Some(Answer::not_found(None).body()),
            };
            assert_eq!(id, Some(answer));
        }
    }

    fn may_matter(&self) -> bool {
        let has_header = self.asked.session_ids.iter().any(|id| !id.is_empty());
        let has_query = mcp_session_core::query_session_id(self.asked.query).is_some();
        self.asked.method == Method::Post && (has_header || has_query)
    }

    fn is_initialize(&self) -> bool {
        let has_header = self.asked.session_ids.iter().any(|id| !id.is_empty());
        self.may_matter()
            && has_header
            && self.request_is_whole
            && self.request_cost <= self.options.max_request_bytes
            && peek(&self.request_body).is_initialize()
    }

    fn is_error(&self) -> bool {
        self.head.is_some_and(|head| !(200..300).contains(&head.status))
    }

    fn withholds(&self) -> bool {
        self.options.effect == Effect::Correct
            && !self.options.disabled_rules.contains(&Rule::SessionIdOnError)
    }

    fn body_is_over(&self) -> bool {
        self.body_is_whole || self.body_is_lost
    }

    /// Whether the limit was passed before the body was whole.
    fn is_too_long(&self) -> bool {
        self.held_cost > self.options.max_response_bytes
    }
}

fn head_of(head: Answered) -> Response<'static> {
    Response {
        session_id: head.session_id.map(str::as_bytes),
        content_type: head.is_json.then_some(b"application/json"),
        ..Response::new(StatusCode::from_u16(head.status).unwrap())
    }
}
