//! The reference model: what the laws and the table of endings say, as plain data.
//!
//! Each session in it is one of the [session machine's model](crate::session::model). It
//! knows no bodies, no heads and no events' bytes: the [world](super::world) tells it what each
//! of them is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcp_session_core::Quirks;
use mcp_session_core::client::{Options, Shield};
use mcp_session_core::session::Reason;

use super::words::{
    Answered, Content, Delivered, End, EventId, Fate, Head, Local, Media, Refused, Sending, Step,
    Welcome, What,
};
use crate::session::model::{Model as SessionModel, Seen};
use crate::session::words::{Answer, Step as SessionStep, What as SessionWhat};

/// What a request meets that does not end in the server's answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    NoServer,
    /// A gateway says that there is no server.
    Gateway,
    RefusedWithAnError,
    Refused,
    GivenUp,
    NoAnswer,
}

/// Who meets it: a column of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Request,
    OneWay,
    Push,
    Resumption,
    Delete,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// An error of this code for each request in it.
    Error(i64),
    Accepted,
    Waits,
    /// As often as one that was never open is worth.
    WaitsAsItsStreams,
    WaitsIfOneWasOpen,
    /// Then an error for the request that it resumes.
    WaitsTwice,
    StreamOfErrors,
    NotFound,
    NoContent,
    AsItCame,
}

/// Which local answer ends what.
const ENDINGS: [(Cause, [Ending; 5]); 6] = {
    use Ending::*;
    [
        (Cause::NoServer, [Error(CLOSED), Accepted, Waits, WaitsTwice, AsItCame]),
        (Cause::Gateway, [Error(CLOSED), Accepted, WaitsAsItsStreams, WaitsTwice, AsItCame]),
        (
            Cause::RefusedWithAnError,
            [Error(OF_SERVER), Accepted, WaitsIfOneWasOpen, StreamOfErrors, AsItCame],
        ),
        (Cause::Refused, [Error(FAILED), Accepted, WaitsIfOneWasOpen, StreamOfErrors, AsItCame]),
        (Cause::GivenUp, [Error(CLOSED), Accepted, NotFound, StreamOfErrors, NoContent]),
        (Cause::NoAnswer, [Error(CLOSED), AsItCame, AsItCame, StreamOfErrors, AsItCame]),
    ]
};

const CLOSED: i64 = -32000;
const FAILED: i64 = -32603;
/// The code of the errors that the world's servers answer with.
pub const OF_SERVER: i64 = -32050;

/// The waits of a stream, by the failures in a row.
const WAITS: [u64; 10] = [0, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000, 15_000];
const LAST_WAIT: u64 = 60_000;

/// How often in a row a stream is refused, out of reach or cut; how often it is resumed in all;
/// and how often in a row it is if nothing comes and no time was named.
const FAILURES: u32 = 3;
const RESUMPTIONS: u32 = 750;
const EMPTY_POLLS: u32 = 60;
const TRIES_WITHOUT_A_STREAM: u32 = 2;

pub struct Model {
    options: Options,
    sessions: Vec<Followed>,
    /// By endpoint and ID.
    names: BTreeMap<(u8, String), usize>,
    answered: BTreeSet<u8>,
    requests: Vec<Request>,
    streams: Vec<Stream>,
    /// The calls whose errors were on their way to a resumption's caller, who went away.
    left_with: BTreeSet<String>,
}

struct Followed {
    session: SessionModel,
    /// Each `before` of the session's model, and the request that it was for.
    befores: Vec<usize>,
    endpoint: u8,
    credentials: BTreeSet<u8>,
    is_closed: bool,
    has_streamed: bool,
    failures: u32,
    interrupted: Vec<(u8, Interrupted)>,
}

struct Request {
    what: What,
    endpoint: u8,
    credentials: u8,
    bears: Option<String>,
    ids: Vec<String>,
    session: Option<usize>,
    is_followed: bool,
    /// Its number in its session's model.
    local: usize,
    is_first: bool,
    /// Whether it has gone out.
    was_sent: bool,
    /// Whether its caller had sent DELETE for its session before.
    is_late: bool,
    /// Whether it is an `initialize` that began a generation.
    has_begun_one: bool,
    tries: u32,
    /// The id that a reply answers to, as its caller knows it.
    replies_to: Option<String>,
    resumes: Option<Interrupted>,
    /// The calls whose errors are its answer.
    brings: Vec<String>,
    /// The open circuit that it met.
    cooldown: usize,
    /// The response in hand.
    head: Option<Head>,
    /// Whether it may be an answer, of no kind that answers have.
    is_odd: bool,
}

#[derive(Clone)]
struct Interrupted {
    /// Where its calls wait.
    generation: usize,
    is_standalone: bool,
    ids: Vec<String>,
    history: History,
}

/// How each resumption since the last new event ID has ended, the latest last.
#[derive(Clone, Default)]
struct History {
    ends: Vec<Ended>,
    in_all: u32,
    /// Whether the server has named a time to ask again, ever.
    has_time: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Badly,
    WithNothing,
    WithSomething,
}

impl History {
    fn is_enough(&self) -> bool {
        let last_of = |is_such: fn(&Ended) -> bool| {
            u32::try_from(self.ends.iter().rev().take_while(|it| is_such(it)).count()).unwrap()
        };
        let in_order = self.ends.iter().filter(|it| **it != Ended::Badly);
        let at_last = in_order.rev().take_while(|it| **it == Ended::WithNothing);
        last_of(|it| *it == Ended::Badly) >= FAILURES
            || self.in_all >= RESUMPTIONS
            || !self.has_time && u32::try_from(at_last.count()).unwrap() >= EMPTY_POLLS
    }
}

struct Stream {
    session: usize,
    generation: usize,
    /// Whether its event IDs are those of a stream for push.
    is_standalone: bool,
    source: Source,
    ids: Vec<String>,
    /// Whether its call was in no batch, or was alone when its stream was resumed.
    is_of_one: bool,
    last: Option<u8>,
    /// The same, of those that came in on it.
    own_last: Option<u8>,
    has_progressed: bool,
    /// Whether anything has come in.
    has_begun: bool,
    history: History,
    /// Whether its calls have ended before it did.
    has_failed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Answer,
    Push,
    Resumption,
}

/// What comes of a stream's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEnded {
    /// Nobody waits for it any more, or its reader resumes it.
    Quietly,
    /// An error is appended for each of these.
    WithErrors(Vec<String>),
}

/// How a leader's message went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Led {
    GoesOn,
    Replaced,
    Failed(Reason, Option<String>),
}

impl Model {
    pub fn new(options: Options) -> Self {
        Self {
            options,
            sessions: Vec::new(),
            names: BTreeMap::new(),
            answered: BTreeSet::new(),
            requests: Vec::new(),
            streams: Vec::new(),
            left_with: BTreeSet::new(),
        }
    }

    /// The session of a request that is looked at in it.
    pub fn session_of(&self, request: usize) -> Option<usize> {
        let request = &self.requests[request];
        request.session.filter(|_| request.is_followed)
    }

    /// Whether a session was ended by its caller.
    pub fn is_closed(&self, session: usize) -> bool {
        self.sessions[session].is_closed
    }

    /// The request whose `initialize` a leader of this session replays.
    pub fn replayed(&self, session: usize) -> usize {
        let followed = &self.sessions[session];
        followed.befores[followed.session.saved().unwrap()]
    }

    /// Whether a request to this endpoint, with this ID, goes out in a session for these
    /// credentials.
    pub fn is_let_in(&self, endpoint: u8, id: &str, credentials: u8) -> bool {
        let session = self.names.get(&(endpoint, id.to_owned()));
        session.is_some_and(|it| self.sessions[*it].credentials.contains(&credentials))
    }

    // ---- Requests

    pub fn begin(
        &mut self,
        what: What,
        endpoint: u8,
        credentials: u8,
        bears: Option<&str>,
        ids: Vec<String>,
        replies_to: Option<&str>,
    ) -> Step {
        let bears = bears.filter(|id| !id.is_empty()).map(str::to_owned);
        let named = bears.clone().and_then(|id| self.names.get(&(endpoint, id)).copied());
        let request = self.requests.len();
        self.requests.push(Request {
            what,
            endpoint,
            credentials,
            bears: bears.clone(),
            ids,
            session: named,
            is_followed: false,
            local: 0,
            is_first: true,
            was_sent: false,
            is_late: named.is_some_and(|session| self.sessions[session].is_closed),
            has_begun_one: false,
            tries: 0,
            replies_to: replies_to.map(str::to_owned),
            resumes: None,
            brings: Vec::new(),
            cooldown: 0,
            head: None,
            is_odd: false,
        });
        let opens = what == What::Initialize
            && named.map_or_else(|| bears.is_none(), |session| self.sessions[session].is_closed);
        if opens {
            let session = SessionModel::new(
                self.options.session.resend,
                self.options.session.bound,
                self.options.session.quirks == Quirks::Recognize,
            );
            self.requests[request].session = Some(self.sessions.len());
            self.requests[request].is_late = false;
            self.sessions.push(Followed {
                session,
                befores: Vec::new(),
                endpoint,
                credentials: [credentials].into(),
                is_closed: false,
                has_streamed: false,
                failures: 0,
                interrupted: Vec::new(),
            });
            self.requests[request].is_followed = true;
            return self.start(request);
        }
        match named {
            Some(session) if self.sessions[session].credentials.contains(&credentials) => {
                self.requests[request].is_followed = true;
                if let What::Resume(event) = what {
                    let waiting = &mut self.sessions[session].interrupted;
                    let first = waiting.iter().position(|it| it.0 == event);
                    self.requests[request].resumes = first.map(|at| waiting.remove(at).1);
                }
                self.start(request)
            }
            Some(_) => self.as_it_is(request),
            None if what.is_post() && self.has_outage_shield() && what != What::Malformed => {
                self.as_it_is(request)
            }
            None => Step::Pass,
        }
    }

    pub fn responded(&mut self, request: usize, head: Head, id: Option<&str>) -> Step {
        self.requests[request].head = Some(head);
        if !self.requests[request].is_followed {
            if self.is_shielded_without_session(request, head) {
                return Step::Read;
            }
            self.answered_as_it_is(request, head);
            return Step::Deliver(Delivered::default());
        }
        if self.must_read(request, head) {
            return Step::Read;
        }
        self.concluded(request, head, id, Refused::Unknown)
    }

    pub fn refused(&mut self, request: usize, refused: Refused) -> Step {
        if self.requests[request].is_odd {
            return self.ended(request, Cause::NoAnswer).unwrap();
        }
        let head = self.requests[request].head.unwrap();
        if !self.requests[request].is_followed {
            return self.refusal(request, head, refused);
        }
        self.concluded(request, head, None, refused)
    }

    pub fn answered(&mut self, request: usize, answered: Answered) -> Step {
        let it = &self.requests[request];
        let open = match answered {
            Answered::Mixed if !it.what.is_batch() => {
                return Step::Answer(Local::AnswerBehind(it.ids[0].clone()));
            }
            Answered::Right | Answered::Mixed => return Step::Deliver(Delivered::default()),
            Answered::First | Answered::FirstAlone if it.ids.len() == 1 => {
                return Step::Deliver(Delivered::default());
            }
            Answered::First | Answered::FirstAlone => {
                return Step::Answer(Local::Completed(CLOSED, it.ids[1..].to_vec()));
            }
            Answered::OtherId
            | Answered::NullId
            | Answered::Empty
            | Answered::Garbage
            | Answered::Cut => Cause::NoAnswer,
        };
        self.ended(request, open).unwrap()
    }

    pub fn failed(&mut self, request: usize) -> Step {
        if self.requests[request].is_odd {
            return self.ended(request, Cause::NoAnswer).unwrap();
        }
        if self.requests[request].is_followed {
            self.let_go(request);
        }
        let it = &self.requests[request];
        let is_shielded = self.has_outage_shield()
            && !matches!(it.what, What::Initialize | What::Malformed)
            && (it.is_followed || it.what != What::Discover)
            && !it.is_late;
        if !is_shielded || it.what.is_get() && self.is_of_closed(request) {
            self.leave_to_the_next(request);
            return Step::Raise;
        }
        let has_answered = it.what.is_post() && self.answered.contains(&it.endpoint);
        if !it.is_followed && !has_answered {
            return Step::Raise;
        }
        self.ended(request, Cause::NoServer).unwrap_or(Step::Raise)
    }

    pub fn went_on(&mut self, request: usize, was_held: bool) -> Step {
        self.requests[request].is_first = false;
        if !was_held && self.is_of_closed(request) {
            return self.lost(request);
        }
        if !was_held {
            return self.start(request);
        }
        let local = self.requests[request].local;
        let step = self.session(request).session.ask(local);
        self.taken(request, step)
    }

    pub fn timed_out(&mut self, request: usize) -> Step {
        self.requests[request].is_first = false;
        self.let_go(request);
        self.not_let_through(request)
    }

    /// Takes that a response in hand was drained, and that the request goes out, if it is to be
    /// sent again; says what is next, if that has changed.
    pub fn goes_out(&mut self, request: usize, is_sent_again: bool) -> Option<Step> {
        let it = &self.requests[request];
        let (local, followed) = (it.local, &mut self.sessions[it.session?]);
        if !is_sent_again {
            return None;
        }
        if !followed.session.is_cancelled(local) && !followed.is_closed {
            followed.session.keep_back(local, false);
            return None;
        }
        self.let_go(request);
        self.ended(request, Cause::GivenUp)
    }

    /// Takes that an open circuit stands.
    pub fn circuit_stood(&mut self, request: usize, seconds: u64) -> Step {
        let it = &self.requests[request];
        if it.what.is_get() && it.resumes.is_none() {
            return Step::Wait(Duration::from_secs(seconds));
        }
        self.not_let_through(request)
    }

    /// Takes that the time of an open circuit has passed.
    pub fn circuit_cooled(&mut self, request: usize) -> Step {
        if self.is_of_closed(request) {
            return self.ended(request, Cause::GivenUp).unwrap();
        }
        let told = self.requests[request].cooldown;
        let session = &mut self.session(request).session;
        // Another may have opened since.
        if session.cooldowns() == told {
            session.cooldown_over();
        }
        self.start(request)
    }

    /// The caller went away, wherever the request was.
    pub fn dropped(&mut self, request: usize) {
        if self.requests[request].is_followed {
            self.let_go(request);
            self.leave_to_the_next(request);
        }
        self.left_with.extend(self.requests[request].brings.iter().cloned());
    }

    fn start(&mut self, request: usize) -> Step {
        let what = self.requests[request].what;
        if what == What::Get && self.requests[request].is_first && !self.is_of_closed(request) {
            // The first death costs nothing.
            let wait = wait_after(self.session(request).failures.saturating_sub(1));
            if !wait.is_zero() {
                return Step::Wait(wait);
            }
        }
        let session = self.requests[request].session.unwrap();
        let what = self.in_session(session, what);
        let followed = &mut self.sessions[session];
        self.requests[request].local = followed.befores.len();
        followed.befores.push(request);
        followed.is_closed |= what == SessionWhat::Delete;
        let replies_to = self.requests[request].replies_to.as_deref();
        let resumes = self.requests[request].resumes.as_ref();
        followed.session.resumed = resumes.map(|it| Seen {
            event: 0,
            generation: it.generation,
            standalone: it.is_standalone,
        });
        let step = followed.session.before(what, replies_to);
        self.taken(request, step)
    }

    fn as_it_is(&self, request: usize) -> Step {
        Step::Transmit(Sending {
            id: self.requests[request].bears.clone(),
            version: None,
            keeps_event_id: true,
            is_first: true,
            reply: self.requests[request].replies_to.clone(),
        })
    }

    fn answered_as_it_is(&mut self, request: usize, head: Head) {
        let it = &self.requests[request];
        if !head.is_success() {
            return;
        }
        if it.what.is_post() {
            self.answered.insert(it.endpoint);
        }
        let is_call = !matches!(it.what, What::Initialize | What::Discover) && !it.ids.is_empty();
        if let Some(session) = it.session.filter(|_| is_call) {
            let followed = &mut self.sessions[session];
            let live = followed.session.live_id().filter(|_| !followed.is_closed);
            if live.is_some_and(|live| live == it.bears.as_deref()) {
                followed.credentials.insert(it.credentials);
            }
        }
    }

    fn taken(&mut self, request: usize, step: SessionStep) -> Step {
        let it = &mut self.requests[request];
        match step {
            SessionStep::Send(sending) | SessionStep::Resend(sending) => {
                let session = &mut self.sessions[it.session.unwrap()].session;
                session.keep_back(it.local, !it.is_first);
                let is_first = core::mem::replace(&mut it.is_first, false);
                it.was_sent = true;
                Step::Transmit(Sending {
                    id: sending.id,
                    version: sending.version,
                    keeps_event_id: sending.keeps_event_id,
                    is_first,
                    reply: sending.reply,
                })
            }
            SessionStep::Hold => Step::Hold,
            SessionStep::Lead => Step::Lead,
            SessionStep::Drop if it.what == What::Delete => Step::Answer(Local::NoContent),
            SessionStep::Drop => Step::Answer(Local::Accepted),
            // What was sent once is not sent again by a way around.
            SessionStep::GiveUp(Reason::BoundReached, Some(seconds))
                if it.what.is_get() || !it.was_sent =>
            {
                it.cooldown = self.sessions[it.session.unwrap()].session.cooldowns();
                Step::Circuit(seconds)
            }
            SessionStep::GiveUp(reason, _) if may_pass(reason) => self.not_let_through(request),
            SessionStep::GiveUp(..) => self.ended(request, Cause::GivenUp).unwrap(),
            SessionStep::Deliver(_) => panic!("delivered before it was answered"),
        }
    }

    fn must_read(&self, request: usize, head: Head) -> bool {
        let it = &self.requests[request];
        let session = &self.sessions[it.session.unwrap()].session;
        let is_attached = session.is_attached(it.local);
        let may_be_misreport = self.options.session.quirks == Quirks::Recognize
            && is_attached
            && matches!(head.status, 400 | 401);
        let may_say_why = match it.what {
            What::Initialize | What::Delete => false,
            _ if it.is_late && it.what.is_post() => false,
            What::Get | What::Resume(_) => is_outage(head.status) && self.has_outage_shield(),
            _ => self.is_shielded(head.status),
        };
        may_be_misreport || may_say_why
    }

    /// Whether a refusal of a call that is of no session is the end of that call alone.
    fn is_shielded_without_session(&self, request: usize, head: Head) -> bool {
        let it = &self.requests[request];
        it.session.is_none()
            && !matches!(it.what, What::Initialize | What::Discover)
            && self.options.status_shield == Shield::Up
            && self.is_shielded(head.status)
            && self.answered.contains(&it.endpoint)
    }

    /// Whether a refusal of a message with this status is anything but what it is.
    fn is_shielded(&self, status: u16) -> bool {
        match status {
            401 | 403 | 404 => false,
            400.. if self.options.status_shield == Shield::Up => true,
            _ => is_outage(status) && self.has_outage_shield(),
        }
    }

    fn concluded(
        &mut self,
        request: usize,
        head: Head,
        id: Option<&str>,
        refused: Refused,
    ) -> Step {
        let it = &self.requests[request];
        let local = it.local;
        let has_ill_formed_id = id.is_some_and(|id| id.contains(' '));
        let answer = Answer {
            status: head.status,
            id: id.filter(|_| !has_ill_formed_id).map(str::to_owned),
            has_ill_formed_id,
            misreport: refused == Refused::Misreport && matches!(head.status, 400 | 401),
            says_error: false,
        };
        let followed = &mut self.sessions[it.session.unwrap()];
        let ends_by_delete = it.what == What::Delete
            && followed.session.is_attached(local)
            && !head.is_success()
            && (head.status == 404
                || (answer.misreport && self.options.session.quirks == Quirks::Recognize));
        let newest = followed.session.newest();
        let step = followed.session.answered(local, &answer).step;
        self.requests[request].has_begun_one = followed.session.newest() > newest;
        match step {
            SessionStep::Deliver(_) if ends_by_delete => {
                self.forget(request);
                Step::Answer(Local::NoContent)
            }
            SessionStep::Deliver(orphan) => {
                self.delivered(request, head, answer.id.as_deref(), refused, orphan)
            }
            other => self.taken(request, other),
        }
    }

    fn delivered(
        &mut self,
        request: usize,
        head: Head,
        id: Option<&str>,
        refused: Refused,
        orphan: Option<String>,
    ) -> Step {
        let it = &self.requests[request];
        let (what, endpoint) = (it.what, it.endpoint);
        let has_ids = !it.ids.is_empty();
        let plain = Step::Deliver(Delivered::default());
        if !head.is_success() {
            return self.refusal(request, head, refused);
        }
        if what.is_post() {
            self.answered.insert(endpoint);
        }
        let is_stream = head.media == Media::Stream;
        let watched = Step::Deliver(Delivered { is_watched: true, ..Delivered::default() });
        match what {
            What::Delete => {
                self.forget(request);
                plain
            }
            What::Initialize => {
                let id = id.filter(|_| orphan.is_none());
                let has_alias = id.is_some_and(|id| self.is_named_otherwise(request, id));
                if is_stream {
                    self.stream_opened(request, Source::Answer);
                }
                Step::Deliver(Delivered { is_watched: is_stream, has_alias, orphan })
            }
            What::Get | What::Resume(_) if is_stream => {
                self.session(request).has_streamed = true;
                let is_resumed = self.requests[request].resumes.is_some();
                let source = if is_resumed { Source::Resumption } else { Source::Push };
                self.stream_opened(request, source);
                watched
            }
            What::Get | What::Resume(_) if self.requests[request].resumes.is_some() => {
                self.ended(request, Cause::NoAnswer).unwrap()
            }
            What::Get | What::Resume(_) => plain,
            _ if self.requests[request].is_late && !is_stream => plain,
            _ if is_stream => {
                self.stream_opened(request, Source::Answer);
                watched
            }
            _ if has_ids && self.options.stream_guard == Shield::Up => {
                if head.media == Media::Json {
                    return Step::ReadAnswer;
                }
                self.requests[request].is_odd = true;
                Step::Read
            }
            _ => plain,
        }
    }

    fn refusal(&mut self, request: usize, head: Head, refused: Refused) -> Step {
        let as_it_came = Step::Deliver(Delivered::default());
        let what = self.requests[request].what;
        let says_why = refused == Refused::Error;
        let cause = match head.status {
            status if is_outage(status) && !says_why => Cause::Gateway,
            _ if says_why => Cause::RefusedWithAnError,
            _ => Cause::Refused,
        };
        match what {
            What::Initialize | What::Delete => as_it_came,
            What::Get | What::Resume(_) => {
                let is_the_callers = match head.status {
                    401 => true,
                    405 => self.requests[request].resumes.is_none(),
                    status => status < 400,
                };
                let is_the_callers = is_the_callers || self.is_of_closed(request);
                if is_the_callers || !self.has_outage_shield() {
                    return self.refused_to_its_caller(request, head.status).unwrap_or(as_it_came);
                }
                let may_pass = matches!(head.status, 408 | 409 | 425 | 429 | 500..);
                let is_resumption = self.requests[request].resumes.is_some();
                let cause = if is_resumption && may_pass { Cause::Gateway } else { cause };
                let is_of_the_dead = !is_resumption
                    && head.status == 404
                    && self.session(request).session.live_id().is_none();
                let cause = if is_of_the_dead { Cause::NoServer } else { cause };
                self.ended(request, cause).unwrap_or(as_it_came)
            }
            _ if self.requests[request].is_late || !self.is_shielded(head.status) => as_it_came,
            _ if says_why && self.options.status_shield == Shield::Down => as_it_came,
            _ if cause == Cause::Gateway && !self.has_outage_shield() => {
                self.ended(request, Cause::Refused).unwrap()
            }
            _ => self.ended(request, cause).unwrap(),
        }
    }

    /// What is done for a resumption in place of the response that is its caller's, if anything:
    /// it is for the next to resume, but if it was refused twice.
    fn refused_to_its_caller(&mut self, request: usize, status: u16) -> Option<Step> {
        let is_refused = status >= 400;
        let history = &mut self.requests[request].resumes.as_mut()?.history;
        let is_second = is_refused && history.ends.last() == Some(&Ended::Badly);
        if is_refused {
            history.ends.push(Ended::Badly);
        }
        if is_second && self.has_outage_shield() {
            return Some(self.lost(request));
        }
        self.leave_to_the_next(request);
        None
    }

    fn leave_to_the_next(&mut self, request: usize) {
        let What::Resume(event) = self.requests[request].what else { return };
        if let Some(mut interrupted) = self.requests[request].resumes.take() {
            interrupted.history.in_all += 1;
            self.session(request).interrupted.push((event, interrupted));
        }
    }

    /// How one ends that no session could be had for in time; a stream has more of it.
    fn not_let_through(&mut self, request: usize) -> Step {
        let cause =
            if self.requests[request].what.is_get() { Cause::NoServer } else { Cause::GivenUp };
        match self.ended(request, cause) {
            Some(step) => step,
            None => self.ended(request, Cause::GivenUp).unwrap(),
        }
    }

    /// How a request ends, by the table; `None` if with what came.
    fn ended(&mut self, request: usize, cause: Cause) -> Option<Step> {
        let it = &self.requests[request];
        let column = match it.what {
            What::Delete => Column::Delete,
            What::Get | What::Resume(_) if it.resumes.is_some() => Column::Resumption,
            What::Get | What::Resume(_) => Column::Push,
            _ if it.ids.is_empty() => Column::OneWay,
            _ => Column::Request,
        };
        let (_, row) = ENDINGS.iter().find(|row| row.0 == cause).unwrap();
        match row[column as usize] {
            Ending::Error(code) => {
                let ids = it.ids.clone();
                Some(Step::Answer(if it.what.is_batch() {
                    Local::Errors(code, ids)
                } else {
                    Local::Error(code, ids[0].clone())
                }))
            }
            Ending::Accepted => Some(Step::Answer(Local::Accepted)),
            Ending::NotFound => Some(Step::Answer(Local::NotFound)),
            Ending::NoContent => Some(Step::Answer(Local::NoContent)),
            Ending::AsItCame => None,
            Ending::StreamOfErrors => Some(self.lost(request)),
            Ending::WaitsTwice if !self.has_outage_shield() => Some(self.lost(request)),
            Ending::WaitsTwice => {
                self.requests[request].tries += 1;
                Some(match self.requests[request].tries {
                    FAILURES.. => self.lost(request),
                    tries => Step::Wait(wait_after(tries)),
                })
            }
            Ending::Waits if !self.has_outage_shield() => None,
            Ending::Waits => {
                self.requests[request].tries += 1;
                Some(Step::Wait(wait_after(self.requests[request].tries)))
            }
            Ending::WaitsIfOneWasOpen if !self.session(request).has_streamed => None,
            Ending::WaitsAsItsStreams | Ending::WaitsIfOneWasOpen => {
                let followed = self.session(request);
                followed.failures += 1;
                if !followed.has_streamed && followed.failures >= TRIES_WITHOUT_A_STREAM {
                    return None;
                }
                let wait = wait_after(followed.failures);
                self.requests[request].tries += 1;
                Some(Step::Wait(wait))
            }
        }
    }

    fn lost(&mut self, request: usize) -> Step {
        Step::Answer(match self.requests[request].resumes.take() {
            Some(interrupted) => {
                self.requests[request].brings.clone_from(&interrupted.ids);
                Local::Stream(CLOSED, interrupted.ids)
            }
            None => Local::NotFound,
        })
    }

    /// Whether its session was ended by its caller.
    fn is_of_closed(&self, request: usize) -> bool {
        self.requests[request].session.is_some_and(|session| self.sessions[session].is_closed)
    }

    fn let_go(&mut self, request: usize) {
        let local = self.requests[request].local;
        self.requests[request].head = None;
        let followed = self.session(request);
        if followed.befores.get(local) == Some(&request) {
            followed.session.abandoned(local);
        }
    }

    // ---- Names

    /// Takes the ID that a new session has got; whether its caller is told another.
    fn is_named_otherwise(&mut self, request: usize, id: &str) -> bool {
        let session = self.requests[request].session.unwrap();
        let key = (self.requests[request].endpoint, id.to_owned());
        let is_taken = self
            .names
            .get(&key)
            .is_some_and(|other| *other != session && !self.sessions[*other].is_closed);
        if !is_taken {
            self.names.insert(key, session);
        }
        is_taken
    }

    /// Takes the other ID that a caller is told.
    pub fn is_named(&mut self, request: usize, alias: &str) {
        let session = self.requests[request].session.unwrap();
        let key = (self.requests[request].endpoint, alias.to_owned());
        let before = self.names.insert(key, session);
        assert_eq!(None, before, "an alias is a name already");
    }

    fn forget(&mut self, request: usize) {
        let session = self.requests[request].session.unwrap();
        self.names.retain(|_, named| *named != session);
    }

    // ---- Leaders

    pub fn welcomed(
        &mut self,
        session: usize,
        welcome: Welcome,
        id: Option<&str>,
        version: &str,
    ) -> Led {
        let has_ill_formed_id = id.is_some_and(|id| id.contains(' '));
        let (status, refusal) = match welcome {
            Welcome::Result(..) if has_ill_formed_id => (200, Some(Reason::IllFormedSessionId)),
            Welcome::Result(..) => (200, None),
            Welcome::Error(-32022) => (200, Some(Reason::ModernOnlyServer)),
            Welcome::Error(_) | Welcome::Broken => (200, Some(Reason::InitializeRefused)),
            Welcome::Status(status) => (status, Some(Reason::InitializeRefused)),
        };
        let id = id.filter(|_| !has_ill_formed_id).map(str::to_owned);
        let answer = Answer { status, id, has_ill_formed_id, misreport: false, says_error: false };
        match self.sessions[session].session.initialize_answered(&answer, refusal, version) {
            Ok(()) => Led::GoesOn,
            Err((reason, orphan)) => Led::Failed(reason, orphan),
        }
    }

    pub fn accepted(&mut self, session: usize, is_accepted: bool) -> Led {
        let followed = &mut self.sessions[session];
        match followed.session.initialized_answered(is_accepted) {
            Err((reason, orphan)) => Led::Failed(reason, orphan),
            Ok(restored) => {
                assert_eq!(None, restored, "nothing was told");
                followed.failures = followed.failures.min(1);
                if let Some(id) = followed.session.live_id().flatten() {
                    let key = (followed.endpoint, id.to_owned());
                    self.names.entry(key).or_insert(session);
                }
                Led::Replaced
            }
        }
    }

    pub fn lead_failed(&mut self, session: usize) -> Led {
        let (reason, orphan) = self.sessions[session].session.lead_failed();
        Led::Failed(reason, orphan)
    }

    pub fn lead_dropped(&mut self, session: usize) {
        self.sessions[session].session.lead_dropped();
    }

    // ---- Streams

    /// The ids that a stream's next answers may be to.
    pub fn awaited(&self, stream: usize) -> &[String] {
        &self.streams[stream].ids
    }

    /// The last event that a stream has brought, or was resumed from.
    pub fn last_event(&self, stream: usize) -> Option<u8> {
        self.streams[stream].last
    }

    pub fn is_outlived(&self, stream: usize) -> bool {
        let stream = &self.streams[stream];
        let followed = &self.sessions[stream.session];
        stream.source != Source::Answer
            && self.options.stream_guard == Shield::Up
            && !followed.is_closed
            && followed.session.live_id().is_some()
            && followed.session.newest() != stream.generation
    }

    /// Takes that something has come in.
    pub fn was_fed(&mut self, stream: usize) {
        self.streams[stream].has_begun = true;
    }

    /// Takes that a stream has named the time when to ask again.
    pub fn saw_retry(&mut self, stream: usize) {
        self.streams[stream].history.has_time = true;
    }

    /// Takes an event that has come in whole, with the calls that it answers.
    pub fn heard(&mut self, stream: usize, content: Content, answers: &[String]) -> Fate {
        let is_guarded = self.options.stream_guard == Shield::Up;
        let it = &mut self.streams[stream];
        let is_to_bring_answers = is_guarded && (it.has_failed || !it.ids.is_empty());
        match content {
            Content::Answer(_) | Content::LongAnswer(_) | Content::Batch | Content::MixedBatch
                if it.has_failed =>
            {
                match content {
                    _ if answers.is_empty() => Fate::AsItCame,
                    Content::MixedBatch => Fate::OthersAlone,
                    _ => Fate::LeftOut,
                }
            }
            Content::Answer(_) | Content::LongAnswer(_) | Content::Batch | Content::MixedBatch => {
                it.ids.retain(|id| !answers.contains(id));
                let is_batch = matches!(content, Content::Batch | Content::MixedBatch);
                if is_batch && is_guarded && it.is_of_one && !answers.is_empty() {
                    Fate::Alone
                } else {
                    Fate::AsItCame
                }
            }
            Content::OtherAnswer if is_to_bring_answers => Fate::LeftOut,
            Content::Garbage if it.has_failed => Fate::LeftOut,
            Content::Garbage if is_to_bring_answers => {
                it.has_failed = true;
                Fate::Replaced(core::mem::take(&mut it.ids))
            }
            Content::OtherAnswer
            | Content::Garbage
            | Content::Question(_)
            | Content::Notification
            | Content::Comment
            | Content::Retry
            | Content::Nothing => Fate::AsItCame,
        }
    }

    /// Takes a question, and the id under which its reader sees it; whether that may be.
    pub fn saw_question(&mut self, stream: usize, own: &str, shown: &str) -> bool {
        let stream = &self.streams[stream];
        let session = &mut self.sessions[stream.session].session;
        let (may_be_its_own, before) = session.server_asks(stream.generation, own);
        session.server_asked(stream.generation, own, shown);
        match before {
            Some(before) => shown == before,
            None => (shown == own) == may_be_its_own,
        }
    }

    /// The questions of which a stream's reader is told that they are void.
    pub fn take_notices(&mut self, stream: usize) -> Vec<String> {
        self.sessions[self.streams[stream].session].session.take_notices()
    }

    pub fn saw_event_id(&mut self, stream: usize, event_id: EventId) {
        let stream = &mut self.streams[stream];
        match event_id {
            EventId::Absent => {}
            EventId::Reset if stream.own_last.is_none() => {}
            EventId::Is(event) if stream.own_last == Some(event) => {}
            EventId::Reset => {
                stream.own_last = None;
                stream.last = None;
                stream.has_progressed = true;
            }
            EventId::Is(event) => {
                stream.own_last = Some(event);
                stream.last = Some(event);
                stream.has_progressed = true;
                self.sessions[stream.session].session.event_seen(Seen {
                    event,
                    generation: stream.generation,
                    standalone: stream.is_standalone,
                });
            }
        }
    }

    pub fn stream_ended(&mut self, stream: usize, end: End, lived_long: bool) -> StreamEnded {
        let stream = &self.streams[stream];
        let followed = &mut self.sessions[stream.session];
        if stream.source == Source::Push && end != End::Outlived {
            followed.failures = if lived_long { 0 } else { followed.failures + 1 };
        }
        if stream.ids.is_empty() || self.options.stream_guard == Shield::Down {
            return StreamEnded::Quietly;
        }
        let mut history = stream.history.clone();
        if stream.has_progressed {
            history.ends.clear();
        } else {
            history.ends.push(match end {
                End::Clean if stream.has_begun => Ended::WithSomething,
                End::Clean => Ended::WithNothing,
                End::Cut | End::Outlived => Ended::Badly,
            });
        }
        match stream.last {
            Some(event) if !history.is_enough() => {
                let interrupted = Interrupted {
                    generation: stream.generation,
                    is_standalone: stream.is_standalone,
                    ids: stream.ids.clone(),
                    history,
                };
                followed.interrupted.push((event, interrupted));
                StreamEnded::Quietly
            }
            _ => StreamEnded::WithErrors(stream.ids.clone()),
        }
    }

    /// The event IDs after which requests wait, with whom their reader is.
    pub fn to_be_resumed(&self) -> Vec<(u8, u8, u8, String)> {
        let mut all = Vec::new();
        for (number, followed) in self.sessions.iter().enumerate() {
            let name = self.names.iter().find(|(_, session)| **session == number);
            if let (Some(((endpoint, id), _)), Some(credentials)) =
                (name, followed.credentials.first())
            {
                let events = followed.interrupted.iter().map(|it| it.0);
                all.extend(events.map(|event| (event, *endpoint, *credentials, id.clone())));
            }
        }
        all
    }

    /// The calls whose reader is out of reach of any answer: their session was forgotten, or
    /// whoever resumed went away with their errors in hand; and those that came after DELETE,
    /// which end as their server ends them.
    pub fn out_of_reach(&self) -> BTreeSet<String> {
        let interrupted = self.sessions.iter().flat_map(|it| &it.interrupted);
        let forgotten = interrupted.flat_map(|(_, it)| &it.ids);
        let late = self.requests.iter().filter(|it| it.is_late).flat_map(|it| &it.ids);
        forgotten.chain(&self.left_with).chain(late).cloned().collect()
    }

    /// Whether a request opens a session, or replaces that of its caller.
    pub fn opens(&self, request: usize) -> bool {
        let request = &self.requests[request];
        request.what == What::Initialize && request.is_followed
    }

    fn stream_opened(&mut self, request: usize, source: Source) {
        let it = &mut self.requests[request];
        let new = History::default;
        let (ids, history) = match (source, it.resumes.take()) {
            (Source::Answer, _) if it.what == What::Initialize || it.is_late => (Vec::new(), new()),
            (Source::Answer, _) => (it.ids.clone(), new()),
            (Source::Push | Source::Resumption, None) => (Vec::new(), new()),
            (Source::Push | Source::Resumption, Some(resumed)) => {
                let in_all = resumed.history.in_all + 1;
                (resumed.ids, History { in_all, ..resumed.history })
            }
        };
        let session = it.session.unwrap();
        let followed = &self.sessions[session].session;
        self.streams.push(Stream {
            session,
            // An `initialize` that wins belongs to the generation it began.
            generation: if it.has_begun_one {
                followed.newest()
            } else {
                followed.generation_of(it.local)
            },
            is_standalone: followed.is_standalone(it.local),
            source,
            is_of_one: ids.len() == 1 && !(source == Source::Answer && it.what.is_batch()),
            ids,
            last: match (it.what, source) {
                (What::Resume(event), Source::Resumption) => Some(event),
                _ => None,
            },
            own_last: None,
            has_progressed: source != Source::Resumption,
            has_begun: false,
            history,
            has_failed: false,
        });
    }

    fn session(&mut self, request: usize) -> &mut Followed {
        &mut self.sessions[self.requests[request].session.unwrap()]
    }

    fn has_outage_shield(&self) -> bool {
        self.options.outage_shield == Shield::Up
    }

    /// What a request is to its session's model.
    fn in_session(&self, session: usize, what: What) -> SessionWhat {
        match what {
            What::Initialize => SessionWhat::Initialize,
            What::Discover | What::Call => SessionWhat::Call,
            What::Read => SessionWhat::Read,
            // It is never sent again.
            What::Batch | What::BrokenBatch => SessionWhat::BatchWithCursor,
            What::BatchOfNotifications => SessionWhat::BatchOfNotifications,
            What::Notification => SessionWhat::Notification,
            What::Cancelled(named) => {
                let is_of_it = |it: &&Request| it.session == Some(session) && it.is_followed;
                let named = self.requests.get(named).filter(is_of_it);
                SessionWhat::Cancelled(named.map_or(usize::MAX, |it| it.local))
            }
            What::Reply(id) => SessionWhat::Reply(id),
            What::Malformed => panic!("not in a session"),
            What::Get => SessionWhat::Get,
            What::Resume(event) => SessionWhat::Resume(event),
            What::Delete => SessionWhat::Delete,
        }
    }
}

/// The wait before another try, after so many that failed in a row.
fn wait_after(failures: u32) -> Duration {
    let wait = WAITS.get(usize::try_from(failures).unwrap()).copied().unwrap_or(LAST_WAIT);
    Duration::from_millis(wait)
}

/// Whether a stream that was given up may be had later.
fn may_pass(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::Closed
            | Reason::NoInitialize
            | Reason::ModernOnlyServer
            | Reason::NotResent
            | Reason::Cancelled
            | Reason::StreamLost
    )
}

fn is_outage(status: u16) -> bool {
    matches!(status, 502 | 503 | 504 | 520 | 521 | 522 | 523 | 524 | 530)
}
