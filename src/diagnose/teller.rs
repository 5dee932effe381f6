//! Walks through a recording in the order of time, and keeps what stands at each moment.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use http::StatusCode;

use super::reading::{
    CLIENT, Moment, Part, assigned_id, call, columns, completed, is_misreport,
    is_misreport_to_servers, is_uncanonical, is_unreachable, is_unrecognized, misreport, moments,
};
use super::{Beginning, Claim, ExchangeStory, Finding, Recorded, SessionStory, Story};
use crate::exchange::{Method, Response, Side};
use crate::jsonrpc::Kind;
use crate::table::{
    Action, Attachment, Columns, RequestKind, ResponseKind, ResponseSessionId, Rule, classify,
};

pub(super) fn tell(recorded: &[Recorded<'_>]) -> Story {
    let recorded: Vec<Recorded<'_>> = recorded.iter().copied().map(completed).collect();
    let mut teller = Teller::new(&recorded);
    for moment in moments(&recorded) {
        match moment {
            Moment { exchange, part: Part::Sent | Part::SentInitialize, .. } => {
                teller.sent(exchange);
            }
            Moment { exchange, part: Part::Answered, .. } => teller.answered(exchange),
        }
    }
    teller.finish()
}

/// By endpoint and ID, when each `initialize` is sent, and which exchange it is.
type Coming<'a> = BTreeMap<(&'a str, &'a [u8]), BTreeSet<(u64, usize)>>;

struct Teller<'r, 'a> {
    recorded: &'r [Recorded<'a>],
    story: Story,
    /// The newest session of each ID at each endpoint.
    standing: BTreeMap<(&'a str, &'a [u8]), usize>,
    sessions: Vec<Session<'a>>,
    endpoints: BTreeMap<&'a str, Endpoint>,
    /// Whose end each `initialize` is an answer to.
    replaced: BTreeMap<usize, usize>,
    /// The `initialize`s that will bring this ID, and when each is sent: nobody can have known
    /// the ID before.
    coming: Coming<'a>,
    /// Which finding says this of that.
    said: BTreeMap<(Claim, Subject), usize>,
    /// The findings that hindsight took back.
    withdrawn: BTreeSet<usize>,
    /// The requests that were sent in the knowledge that their session had ended.
    knowing: BTreeSet<usize>,
}

/// What is kept of a session beside its story.
#[derive(Default)]
struct Session<'a> {
    has_stream: bool,
    /// GETs answered 404 while no stream had been open.
    no_stream: Vec<usize>,
    /// The requests that it refused as terminated.
    refused: BTreeSet<(String, &'a str)>,
    was_deleted: bool,
}

#[derive(Default)]
struct Endpoint {
    /// Whether it has served a client without a session.
    is_sessionless: bool,
    /// The sessions that are alive, by ascending number.
    live: BTreeSet<usize>,
    /// The sessions that have ended and wait for an `initialize`, by ascending number.
    orphaned: BTreeSet<usize>,
}

/// What a finding is about: a session is told once that something befell it, and without a
/// session each exchange is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Session(usize),
    Exchange(usize),
}

impl Subject {
    fn of(session: Option<usize>, exchange: usize) -> Self {
        session.map_or(Self::Exchange(exchange), Self::Session)
    }
}

fn coming<'a>(recorded: &[Recorded<'a>]) -> Coming<'a> {
    let mut coming = Coming::new();
    for (exchange, it) in recorded.iter().enumerate() {
        if let Some(id) = assigned_id(it) {
            coming.entry((it.endpoint, id)).or_default().insert((it.sent, exchange));
        }
    }
    coming
}

impl<'r, 'a> Teller<'r, 'a> {
    fn new(recorded: &'r [Recorded<'a>]) -> Self {
        Self {
            recorded,
            story: Story {
                exchanges: recorded.iter().map(|_| ExchangeStory::default()).collect(),
                sessions: Vec::new(),
                findings: Vec::new(),
            },
            standing: BTreeMap::new(),
            sessions: Vec::new(),
            endpoints: BTreeMap::new(),
            replaced: BTreeMap::new(),
            coming: coming(recorded),
            said: BTreeMap::new(),
            withdrawn: BTreeSet::new(),
            knowing: BTreeSet::new(),
        }
    }

    fn sent(&mut self, exchange: usize) {
        let Some(it) = self.recorded.get(exchange) else { return };
        let columns = columns(it);
        match (columns.request_kind, columns.attachment) {
            (RequestKind::Modern | RequestKind::OtherMethod, _) => {}
            (RequestKind::Initialize, attachment) => {
                let dead = self.attached(it);
                if attachment == Attachment::Attached {
                    self.claim(Claim::InitializeWithId, dead, exchange);
                }
                self.sent_initialize(it.endpoint, dead, exchange);
            }
            (RequestKind::Post | RequestKind::Get | RequestKind::Delete, Attachment::Attached) => {
                self.sent_attached(it, exchange)
            }
            (RequestKind::Post, Attachment::NotAttached) => self.sent_bare(it, exchange),
            (RequestKind::Get | RequestKind::Delete, Attachment::NotAttached) => {}
        }
    }

    fn sent_initialize(&mut self, endpoint: &'a str, dead: Option<usize>, exchange: usize) {
        let orphaned = &mut self.endpoints.entry(endpoint).or_default().orphaned;
        let named = dead.filter(|session| orphaned.contains(session));
        let Some(session) = named.or_else(|| orphaned.first().copied()) else { return };
        orphaned.remove(&session);
        self.replaced.insert(exchange, session);
        if let Some(story) = self.story.sessions.get_mut(session) {
            story.replacement = Some(exchange);
        }
    }

    fn sent_attached(&mut self, it: &Recorded<'a>, exchange: usize) {
        let Some(session) = self.attached(it).or_else(|| self.meet(it, exchange)) else { return };
        self.join(session, exchange);
        let has_ended = self.story.sessions.get(session).is_some_and(|it| it.ended.is_some());
        if !has_ended || it.request.method == Method::Delete {
            return;
        }
        self.knowing.insert(exchange);
        let was_refused = self
            .sessions
            .get(session)
            .zip(call(it))
            .is_some_and(|(session, call)| session.refused.contains(&call));
        let claim = if was_refused { Claim::ReplayedToDeadSession } else { Claim::KeptDeadId };
        self.claim(claim, Some(session), exchange);
    }

    /// A POST that bears no ID, and is no `initialize`.
    fn sent_bare(&mut self, it: &Recorded<'a>, exchange: usize) {
        let is_message = it.request.message.is_some_and(|message| match message.kind() {
            Kind::Request | Kind::Notification | Kind::Response | Kind::Batch => true,
            Kind::Malformed => false,
        });
        let Some(endpoint) = self.endpoints.get(it.endpoint) else { return };
        if !is_message || endpoint.is_sessionless {
            return;
        }
        if let Some(session) = self.newest_assigned(endpoint) {
            self.claim(Claim::LostHeader, Some(session), exchange);
        } else if let Some(session) = endpoint.orphaned.first().copied() {
            self.claim(Claim::NoInitialize, Some(session), exchange);
        }
    }

    fn answered(&mut self, exchange: usize) {
        let Some(it) = self.recorded.get(exchange) else { return };
        let Some(response) = it.response else { return };
        let verdict = classify(CLIENT, &it.request, &response);
        if let Some(story) = self.story.exchanges.get_mut(exchange) {
            story.verdict = Some((verdict.action(), verdict.rule()));
        }
        self.look_as_a_server(it, &response, exchange);
        let columns = columns(it);
        if columns.request_kind == RequestKind::Modern {
            return;
        }
        match (columns.request_kind, columns.attachment) {
            (RequestKind::Initialize, _) if columns.response_kind == ResponseKind::Success => {
                self.initialized(it, &columns, exchange);
            }
            (RequestKind::Initialize, Attachment::NotAttached) => {
                self.initialize_refused(it, &response, exchange);
            }
            (_, Attachment::Attached) => {
                if let Some(session) = self.replaced.remove(&exchange) {
                    self.endpoints.entry(it.endpoint).or_default().orphaned.insert(session);
                }
                if let Some(session) = self.session_of(it, exchange) {
                    let decided = (verdict.action(), verdict.rule());
                    self.answered_attached(session, it, &response, decided, exchange);
                }
            }
            (RequestKind::Post, Attachment::NotAttached) => {
                self.answered_bare(it, &columns, &response, exchange);
            }
            (_, Attachment::NotAttached) => {}
        }
    }

    /// What a server is to be told of its answer, whatever a client makes of it.
    fn look_as_a_server(&mut self, it: &Recorded<'a>, response: &Response<'a>, exchange: usize) {
        let verdict = classify(Side::Server, &it.request, response);
        let session = self.session_of(it, exchange);
        if !verdict.session_header().is_forwarded() {
            self.claim(Claim::SessionIdOnError, session, exchange);
        }
    }

    fn initialized(&mut self, it: &Recorded<'a>, columns: &Columns, exchange: usize) {
        match columns.response_session_id {
            ResponseSessionId::WellFormed => {
                let Some(id) = assigned_id(it) else { return };
                let coming = self.coming.get_mut(&(it.endpoint, id));
                if coming.is_some_and(|coming| coming.remove(&(it.sent, exchange))) {
                    self.begin(it.endpoint, id, Beginning::Assigned, exchange);
                }
            }
            ResponseSessionId::IllFormed => {
                self.claim(Claim::IllFormedSessionId, None, exchange);
            }
            ResponseSessionId::Absent => {
                self.endpoints.entry(it.endpoint).or_default().is_sessionless = true;
            }
        }
    }

    fn initialize_refused(&mut self, it: &Recorded<'a>, response: &Response<'a>, exchange: usize) {
        let is_refusal = matches!(response.status.as_u16(), 400 | 404..=428 | 430..=499);
        if let Some(session) = self.replaced.remove(&exchange) {
            self.endpoints.entry(it.endpoint).or_default().orphaned.insert(session);
            if is_refusal {
                self.claim(Claim::ReplacementRefused, Some(session), exchange);
            }
        } else if response.status == StatusCode::NOT_FOUND {
            self.claim(Claim::OpeningNotFound, None, exchange);
        }
    }

    fn answered_attached(
        &mut self,
        session: usize,
        it: &Recorded<'a>,
        response: &Response<'a>,
        (action, rule): (Action, Rule),
        exchange: usize,
    ) {
        match action {
            Action::ClearAndReinit => {
                if is_misreport(rule) {
                    self.claim(misreport(rule), Some(session), exchange);
                }
                if rule == Rule::TerminatedGet && self.may_have_no_stream(session, it) {
                    if let Some(session) = self.sessions.get_mut(session) {
                        session.no_stream.push(exchange);
                    }
                    return;
                }
                if is_uncanonical(it, response) {
                    self.claim(Claim::UncanonicalNotFound, Some(session), exchange);
                }
                if let Some((session, call)) = self.sessions.get_mut(session).zip(call(it)) {
                    session.refused.insert(call);
                }
                self.end(session, it.endpoint, exchange);
            }
            Action::Clear => {
                if is_misreport(rule) {
                    self.claim(misreport(rule), Some(session), exchange);
                }
                self.end(session, it.endpoint, exchange);
                self.endpoints.entry(it.endpoint).or_default().orphaned.remove(&session);
                if let Some(session) = self.sessions.get_mut(session) {
                    session.was_deleted = true;
                }
            }
            Action::PassThrough if rule == Rule::ModernOnlyServer => {
                self.claim(Claim::ModernOnlyServer, Some(session), exchange);
                self.end(session, it.endpoint, exchange);
            }
            Action::PassThrough if response.status.is_success() => {
                self.served(session, it, response, exchange);
            }
            Action::PassThrough if is_unreachable(response) => {
                self.claim(Claim::Unreachable, Some(session), exchange);
            }
            Action::PassThrough if is_misreport_to_servers(it, response) => {
                self.claim(Claim::Misreported, Some(session), exchange);
            }
            Action::PassThrough if is_unrecognized(it, response) => {
                self.claim(Claim::UnrecognizedRefusal, Some(session), exchange);
            }
            Action::PassThrough
            | Action::AdoptSession
            | Action::NotFoundResponse
            | Action::BadRequestResponse
            | Action::UnavailableResponse => {}
        }
    }

    fn served(
        &mut self,
        session: usize,
        it: &Recorded<'a>,
        response: &Response<'a>,
        exchange: usize,
    ) {
        match it.request.method {
            Method::Get => {
                if let Some(session) = self.sessions.get_mut(session) {
                    session.has_stream = true;
                }
                return;
            }
            // Some servers answer 202 to whatever the dead send.
            Method::Post if response.status == StatusCode::ACCEPTED => return,
            Method::Post => {}
            Method::Delete | Method::Other => return,
        }
        let Some(story) = self.story.sessions.get_mut(session) else { return };
        story.served += 1;
        let was_deleted = self.sessions.get(session).is_some_and(|it| it.was_deleted);
        if was_deleted || !self.knowing.contains(&exchange) {
            return;
        }
        // Law 4: it was not terminated, so that its ID was not kept in vain either.
        let Some(end) = story.ended.take() else { return };
        let endpoint = self.endpoints.entry(it.endpoint).or_default();
        endpoint.orphaned.remove(&session);
        endpoint.live.insert(session);
        self.claim(Claim::NotFoundForLiveSession, Some(session), end);
        self.claim(Claim::NotFoundForLiveSession, Some(session), exchange);
        for claim in [
            Claim::KeptDeadId,
            Claim::ReplayedToDeadSession,
            Claim::UncanonicalNotFound,
            Claim::Misreported,
        ] {
            self.withdrawn.extend(self.said.remove(&(claim, Subject::Session(session))));
        }
    }

    fn answered_bare(
        &mut self,
        it: &Recorded<'a>,
        columns: &Columns,
        response: &Response<'a>,
        exchange: usize,
    ) {
        let is_sessionless = self.endpoints.get(it.endpoint).is_some_and(|it| it.is_sessionless);
        let wants_an_id = match columns.response_kind {
            ResponseKind::Misreported(_) => true,
            ResponseKind::BadRequest => is_unrecognized(it, response),
            ResponseKind::Success
            | ResponseKind::ModernOnly
            | ResponseKind::Unauthorized
            | ResponseKind::Forbidden
            | ResponseKind::NotFound
            | ResponseKind::CanonicalNotFound
            | ResponseKind::MethodNotAllowed
            | ResponseKind::OtherStatus => false,
        };
        if is_sessionless && wants_an_id {
            self.claim(Claim::ResponseHeaderDropped, None, exchange);
        }
    }

    fn finish(mut self) -> Story {
        for number in 0..self.story.sessions.len() {
            let Some(story) = self.story.sessions.get(number) else { continue };
            let has_ended = story.ended.is_some();
            let is_unanswered = story.replacement.is_none();
            let end = story.ended.unwrap_or_default();
            let Some(session) = self.sessions.get(number) else { continue };
            let no_stream = if has_ended { Vec::new() } else { session.no_stream.clone() };
            let was_deleted = session.was_deleted;
            for exchange in no_stream {
                self.claim(Claim::StreamNotOfferedAsNotFound, Some(number), exchange);
            }
            let is_explained = [
                Claim::KeptDeadId,
                Claim::ReplayedToDeadSession,
                Claim::NoInitialize,
                Claim::ModernOnlyServer,
            ];
            let is_explained = is_explained.iter().any(|claim| self.is_said(*claim, number));
            if has_ended && is_unanswered && !was_deleted && !is_explained {
                self.claim(Claim::NoInitialize, Some(number), end);
            }
        }
        let Self { recorded, mut story, withdrawn, .. } = self;
        let mut number = 0;
        story.findings.retain(|_| {
            number += 1;
            !withdrawn.contains(&(number - 1))
        });
        story.findings.sort_by_key(|finding| {
            let first = finding.exchanges.first().and_then(|exchange| recorded.get(*exchange));
            first.map(|it| it.sent)
        });
        story
    }

    /// The session that the request names, if it is known.
    fn attached(&self, it: &Recorded<'a>) -> Option<usize> {
        let id = it.request.attached_id(CLIENT)?;
        self.standing.get(&(it.endpoint, id)).copied()
    }

    /// The session that the exchange was found to belong to when it was sent.
    fn session_of(&self, it: &Recorded<'a>, exchange: usize) -> Option<usize> {
        let joined = self.story.exchanges.get(exchange).and_then(|exchange| exchange.session);
        joined.or_else(|| self.attached(it))
    }

    /// Begins the session of an ID that was not seen before, in a request that bears it.
    fn meet(&mut self, it: &Recorded<'a>, exchange: usize) -> Option<usize> {
        let id = it.request.attached_id(CLIENT)?;
        let coming = self.coming.get_mut(&(it.endpoint, id));
        let first = coming.as_ref().and_then(|coming| coming.first().copied());
        Some(match (coming, first) {
            (Some(coming), Some((sent, initialize))) if sent <= it.sent => {
                coming.remove(&(sent, initialize));
                self.begin(it.endpoint, id, Beginning::Assigned, initialize)
            }
            (_, _) => self.begin(it.endpoint, id, Beginning::Earlier, exchange),
        })
    }

    fn begin(
        &mut self,
        endpoint: &'a str,
        id: &'a [u8],
        beginning: Beginning,
        began: usize,
    ) -> usize {
        let number = self.story.sessions.len();
        let before = self.standing.insert((endpoint, id), number);
        let live = &mut self.endpoints.entry(endpoint).or_default().live;
        live.insert(number);
        if let Some(before) = before {
            live.remove(&before);
        }
        let before = before.and_then(|session| self.story.sessions.get(session));
        self.story.sessions.push(SessionStory {
            beginning,
            began,
            generation: before.map_or(1, |session| session.generation + 1),
            exchanges: Vec::new(),
            served: 0,
            ended: None,
            replacement: None,
        });
        if beginning == Beginning::Assigned {
            self.join(number, began);
        }
        // Nobody knows what a session did before the recording.
        let has_stream = beginning == Beginning::Earlier;
        self.sessions.push(Session { has_stream, ..Session::default() });
        number
    }

    /// The newest session of these that are alive, of those whose beginning was recorded:
    /// nobody knows whose the others are.
    fn newest_assigned(&self, endpoint: &Endpoint) -> Option<usize> {
        let is_assigned = |number: &&usize| {
            let story = self.story.sessions.get(**number);
            story.is_some_and(|story| story.beginning == Beginning::Assigned)
        };
        endpoint.live.iter().rev().find(is_assigned).copied()
    }

    fn join(&mut self, session: usize, exchange: usize) {
        if let Some(story) = self.story.sessions.get_mut(session) {
            story.exchanges.push(exchange);
        }
        if let Some(story) = self.story.exchanges.get_mut(exchange) {
            story.session = Some(session);
        }
    }

    /// Ends a session, if it has not ended.
    fn end(&mut self, session: usize, endpoint: &'a str, exchange: usize) {
        let Some(story) = self.story.sessions.get_mut(session) else { return };
        if story.ended.is_some() {
            return;
        }
        story.ended = Some(exchange);
        let endpoint = self.endpoints.entry(endpoint).or_default();
        endpoint.live.remove(&session);
        endpoint.orphaned.insert(session);
    }

    /// Whether a 404 to this GET may only say that the server has no stream.
    fn may_have_no_stream(&self, session: usize, it: &Recorded<'a>) -> bool {
        let resumes = it.last_event_id.is_some_and(|id| !id.is_empty());
        let has_stream = self.sessions.get(session).is_some_and(|session| session.has_stream);
        !resumes && !has_stream
    }

    fn claim(&mut self, claim: Claim, session: Option<usize>, exchange: usize) {
        let key = (claim, Subject::of(session, exchange));
        let known = self.said.get(&key).and_then(|index| self.story.findings.get_mut(*index));
        match known {
            Some(finding) if finding.exchanges.last() == Some(&exchange) => {}
            Some(finding) => finding.exchanges.push(exchange),
            None => {
                self.said.insert(key, self.story.findings.len());
                let exchanges = [exchange].into();
                self.story.findings.push(Finding { claim, session, exchanges });
            }
        }
    }

    fn is_said(&self, claim: Claim, session: usize) -> bool {
        self.said.contains_key(&(claim, Subject::Session(session)))
    }
}
