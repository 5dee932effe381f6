//! The reference model: what the guarantees say, as plain data.
//!
//! It remembers everything that ever happened (every generation, recovery and request) and
//! looks things up by number; nothing is shared, freed or woken. It knows no bodies and no
//! headers: the [world](super::world) tells it what each request is.

use mcp_session_core::session::{Reason, ResendPolicy};

use super::words::{Answer, Restored, Sending, Step, What, has_an_id, is_one_way, is_reply};

pub(super) struct Generation {
    id: Option<String>,
    version: Option<String>,
    ended: bool,
    succeeded: bool,
    streamed: bool,
    /// Whether a stream for push was opened in it.
    pub(super) reopened: bool,
}

/// An event ID that was seen on a stream.
#[derive(Clone, Copy)]
pub struct Seen {
    pub event: u8,
    pub generation: usize,
    /// Whether on a standalone stream.
    pub standalone: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovery {
    Led,
    Initialized {
        id: Option<String>,
        version: String,
    },
    Restoring {
        generation: usize,
        now: Restored,
        rest: Vec<Restored>,
        refused: usize,
    },
    /// A request tries out a session that was taken for dead.
    Trial,
    /// It has succeeded, was cancelled, or has decided nothing.
    Over,
    Failed(Reason),
}

pub struct Request {
    pub(super) what: What,
    /// The generations it was sent in.
    sent: Vec<usize>,
    /// The recovery it waits for.
    waits: Option<usize>,
    /// The generation that was the newest when it began to wait.
    waited_in: Option<usize>,
    in_flight: bool,
    /// Whether it is to go out, and its driver does something else first.
    kept_back: bool,
    /// The trial that it is.
    trial: Option<usize>,
    cancelled: bool,
    /// Whether its event ID did not go out.
    stripped: bool,
    /// Whether its response is the standalone stream, and no POST's.
    standalone: bool,
    /// The stream that it is known to resume.
    pub(super) resumed: Option<Seen>,
    /// The number of the `initialize`; none if it cannot open a session.
    issue: Option<u32>,
}

/// A question of the server's that is open.
pub struct Question {
    pub(super) generation: usize,
    pub(super) own: String,
    pub(super) shown: String,
    pub(super) told_of_its_end: bool,
}

/// What was asked of the server to keep, and not answered yet.
pub struct Told {
    pub(super) request: usize,
    pub(super) generation: usize,
}

enum Circuit {
    Closed,
    Open {
        seconds: u64,
        /// Whether a request was told of it.
        told: bool,
    },
    Trying,
}

/// What a response has come to.
pub struct Reaction {
    pub step: Step,
    pub ended: bool,
    pub revived: bool,
}

pub struct Model {
    pub(super) policy: ResendPolicy,
    bound: u32,
    quirks: bool,
    /// The first is before any `initialize`.
    pub(super) generations: Vec<Generation>,
    recoveries: Vec<Recovery>,
    pub(super) requests: Vec<Request>,
    /// Generations that died before one success, and failed replacements.
    strikes: u32,
    openings: u32,
    cooldowns: usize,
    circuit: Circuit,
    /// Whether the newest generation may live though it was said to have ended.
    doubted: bool,
    issued: u32,
    /// The caller's last `initialize` that succeeded.
    saved: Option<usize>,
    pub(super) closed: bool,
    /// The stream that the next request is known to resume.
    pub resumed: Option<Seen>,
    pub(super) questions: Vec<Question>,
    /// The questions of which the caller is to be told that they are void, as it knows them.
    pub(super) notices: Vec<String>,
    /// Where each event ID was seen, the last one last.
    pub(super) events: Vec<Seen>,
    pub(super) told: Vec<Told>,
    pub(super) level: Option<u8>,
    pub(super) subscribed: Vec<u8>,
}

impl Model {
    pub fn new(policy: ResendPolicy, bound: u32, quirks: bool) -> Self {
        Self {
            policy,
            bound,
            quirks,
            generations: vec![Generation::new(None, None)],
            recoveries: Vec::new(),
            requests: Vec::new(),
            strikes: 0,
            openings: 0,
            cooldowns: 0,
            circuit: Circuit::Closed,
            doubted: false,
            issued: 0,
            saved: None,
            closed: false,
            resumed: None,
            questions: Vec::new(),
            notices: Vec::new(),
            events: Vec::new(),
            told: Vec::new(),
            level: None,
            subscribed: Vec::new(),
        }
    }

    pub fn resumed(id: &str, policy: ResendPolicy, bound: u32, quirks: bool) -> Self {
        let mut model = Self::new(policy, bound, quirks);
        model.generations.push(Generation::new(Some(id.to_owned()), None));
        model
    }

    /// The number of the `initialize` a leader has to replay.
    pub fn saved(&self) -> Option<usize> {
        self.saved
    }

    /// The generation a request was last sent in.
    pub fn generation_of(&self, request: usize) -> usize {
        *self.requests[request].sent.last().unwrap()
    }

    /// The number of the newest generation.
    pub fn newest(&self) -> usize {
        self.generations.len() - 1
    }

    /// The ID of the session that stands, if one does; it may have none.
    pub fn live_id(&self) -> Option<Option<&str>> {
        let stands = self.is_live() && self.newest() > 0;
        stands.then(|| self.generations.last().unwrap().id.as_deref())
    }

    /// Whether a request that is in flight bears an ID.
    pub fn is_attached(&self, request: usize) -> bool {
        let bears_one = self.requests[request].what != What::Initialize;
        bears_one && self.generations[self.generation_of(request)].id.is_some()
    }

    /// How often the circuit has opened.
    pub fn cooldowns(&self) -> usize {
        self.cooldowns
    }

    pub fn is_cancelled(&self, request: usize) -> bool {
        self.requests[request].cancelled
    }

    /// Takes that a request has not gone out yet, or has.
    pub fn keep_back(&mut self, request: usize, now: bool) {
        self.requests[request].kept_back = now;
    }

    pub fn is_standalone(&self, request: usize) -> bool {
        self.requests[request].standalone
    }

    // ---- Requests

    /// `reply` is the id, as JSON, that a reply answers to.
    pub fn before(&mut self, what: What, reply: Option<&str>) -> Step {
        let request = self.requests.len();
        self.requests.push(Request {
            what,
            sent: Vec::new(),
            waits: None,
            waited_in: None,
            in_flight: false,
            kept_back: false,
            trial: None,
            cancelled: false,
            stripped: false,
            standalone: false,
            resumed: self.resumed.take(),
            issue: None,
        });
        if let What::Cancelled(named) = what {
            if self.cancels(named) {
                return Step::Drop;
            }
        }
        if what == What::Delete {
            self.closed = true;
        }
        if is_reply(what) {
            return self.replied(request, reply.unwrap());
        }
        self.go_on(request)
    }

    /// Returns whether nobody else is to hear of it.
    fn cancels(&mut self, named: usize) -> bool {
        let newest = self.newest();
        let Some(request) = self.requests.get_mut(named).filter(|it| has_an_id(it.what)) else {
            return false;
        };
        let waits = request.waits.is_some() || (request.in_flight && request.kept_back);
        let of_the_dead = request.in_flight && *request.sent.last().unwrap() != newest;
        request.cancelled |= waits || request.in_flight;
        waits || of_the_dead
    }

    pub fn ask(&mut self, request: usize) -> Step {
        let recovery = self.requests[request].waits.unwrap();
        let what = self.requests[request].what;
        if self.requests[request].cancelled {
            return self.give_up(request, Reason::Cancelled);
        }
        if self.closed {
            return self.give_up(request, Reason::Closed);
        }
        match self.recoveries[recovery] {
            Recovery::Failed(reason) if what != What::Initialize => self.give_up(request, reason),
            _ if self.is_pending(recovery) => Step::Hold,
            _ => {
                self.requests[request].waits = None;
                self.go_on(request)
            }
        }
    }

    pub fn answered(&mut self, request: usize, answer: &Answer) -> Reaction {
        let lived = self.is_live();
        let revives = self.revives(request, answer);
        let step = self.taken(request, answer);
        let what = self.requests[request].what;
        let ended = lived && !self.is_live() && what != What::Initialize;
        Reaction { step, ended, revived: revives }
    }

    fn taken(&mut self, request: usize, answer: &Answer) -> Step {
        let generation = self.generation_of(request);
        let what = self.requests[request].what;
        let trial = self.requests[request].trial.take();
        self.requests[request].in_flight = false;
        if let Some(trial) = trial {
            self.recoveries[trial] = Recovery::Over;
        }
        if what == What::Initialize {
            return Step::Deliver(self.initialized_anew(request, answer));
        }
        let attached = self.generations[generation].id.is_some();
        let terminated = answer.status == 404 || (self.quirks && answer.misreport);
        // A DELETE that is answered 404 has done what it was for.
        let counts = what != What::Delete;
        if self.closed || !attached || !terminated || !counts {
            self.note_success(request, trial.is_some(), answer);
            return Step::Deliver(None);
        }
        let again = self.requests[request].sent.len() > 1;
        let stripped = self.requests[request].stripped;
        let opens = !again && (what == What::Get || stripped);
        if opens && !self.generations[generation].streamed {
            return Step::Deliver(None);
        }
        let made_for_it =
            again || self.requests[request].waited_in.is_some_and(|it| it < generation);
        let newest = generation == self.newest() && self.is_live();
        if made_for_it && newest && self.generations[generation].succeeded {
            return Step::Deliver(None);
        }
        let ended = self.bury(generation);
        if trial.is_some() && generation == self.newest() {
            self.doubted = false;
        }
        if is_one_way(what) {
            return Step::Drop;
        }
        if again {
            self.doubted |= ended;
            return Step::Deliver(None);
        }
        if !self.may_be_resent(what) {
            return self.give_up(request, Reason::NotResent);
        }
        if self.requests[request].cancelled {
            return self.give_up(request, Reason::Cancelled);
        }
        match self.go_on(request) {
            Step::Send(sending) => Step::Resend(sending),
            other => other,
        }
    }

    /// The caller went away, wherever the request was.
    pub fn abandoned(&mut self, request: usize) {
        self.requests[request].waits = None;
        self.requests[request].in_flight = false;
        if let Some(trial) = self.requests[request].trial.take() {
            self.recoveries[trial] = Recovery::Over;
        }
    }

    /// A request that is neither held back nor at an end goes out, waits or leads.
    fn go_on(&mut self, request: usize) -> Step {
        let what = self.requests[request].what;
        let recovering = self.recovering();
        if self.closed {
            return self.out(request, false);
        }
        let again = !self.requests[request].sent.is_empty();
        if again && self.strikes >= self.bound {
            return self.give_up(request, Reason::BoundReached);
        }
        if is_one_way(what) {
            return if self.is_live() { self.out(request, false) } else { Step::Drop };
        }
        if let Some(recovery) = recovering {
            return self.hold(request, recovery);
        }
        if self.is_live() || what == What::Initialize {
            return self.out(request, false);
        }
        if self.doubted {
            return self.out(request, true);
        }
        if let Circuit::Open { .. } = self.circuit {
            return self.give_up(request, Reason::BoundReached);
        }
        if self.saved.is_none() {
            return self.give_up(request, Reason::NoInitialize);
        }
        self.issued += 1;
        self.recoveries.push(Recovery::Led);
        let _ = self.hold(request, self.recoveries.len() - 1);
        Step::Lead
    }

    /// It goes out, if its event ID lets it.
    fn out(&mut self, request: usize, trial: bool) -> Step {
        match self.event_of_another_generation(request) {
            Some(false) => self.give_up(request, Reason::StreamLost),
            Some(true) | None => self.send(request, trial, None),
        }
    }

    pub(super) fn send(&mut self, request: usize, trial: bool, reply: Option<String>) -> Step {
        let newest = self.newest();
        let what = self.requests[request].what;
        let keeps_event_id = self.event_of_another_generation(request).is_none();
        let sent = &mut self.requests[request];
        sent.sent.push(newest);
        sent.in_flight = true;
        sent.stripped = !keeps_event_id;
        self.requests[request].standalone = match what {
            What::Resume(event) if keeps_event_id => {
                self.origin_of(request, event).is_none_or(|it| it.standalone)
            }
            _ => matches!(what, What::Get | What::Resume(_)),
        };
        if trial {
            self.recoveries.push(Recovery::Trial);
            self.requests[request].trial = Some(self.recoveries.len() - 1);
        }
        if matches!(what, What::SetLevel(_) | What::Subscribe(_) | What::Unsubscribe(_)) {
            self.told.retain(|it| it.request != request);
            self.told.push(Told { request, generation: newest });
        }
        let generation = &self.generations[newest];
        let mut sending = Sending {
            id: generation.id.clone(),
            version: generation.version.clone(),
            keeps_event_id,
            trial,
            reply,
        };
        if what == What::Initialize {
            if !self.closed {
                self.issued += 1;
                self.requests[request].issue = Some(self.issued);
            }
            sending.id = None;
            sending.version = None;
        }
        Step::Send(sending)
    }

    fn hold(&mut self, request: usize, recovery: usize) -> Step {
        self.requests[request].waits = Some(recovery);
        let newest = self.newest();
        self.requests[request].waited_in.get_or_insert(newest);
        Step::Hold
    }

    fn give_up(&mut self, request: usize, reason: Reason) -> Step {
        self.requests[request].waits = None;
        let seconds = match &mut self.circuit {
            Circuit::Open { seconds, told } if !self.closed => {
                *told = true;
                Some(*seconds)
            }
            Circuit::Open { .. } | Circuit::Closed | Circuit::Trying => None,
        };
        Step::GiveUp(reason, seconds)
    }

    // ---- Generations

    pub(super) fn is_live(&self) -> bool {
        !self.closed && !self.generations.last().unwrap().ended
    }

    fn is_pending(&self, recovery: usize) -> bool {
        !matches!(self.recoveries[recovery], Recovery::Over | Recovery::Failed(_))
    }

    fn recovering(&self) -> Option<usize> {
        (0..self.recoveries.len()).rev().find(|it| self.is_pending(*it))
    }

    fn stand(&mut self, id: Option<String>, version: Option<String>) {
        self.void_questions();
        self.doubted = false;
        self.generations.last_mut().unwrap().ended = true;
        self.generations.push(Generation::new(id, version));
    }

    /// Returns whether it had lived until now.
    fn bury(&mut self, generation: usize) -> bool {
        if generation != self.newest() || self.generations[generation].ended {
            return false;
        }
        self.generations[generation].ended = true;
        self.doubted = false;
        self.strikes += u32::from(!self.generations[generation].succeeded);
        self.open_at_bound();
        self.void_questions();
        true
    }

    fn strike(&mut self) {
        self.strikes += 1;
        self.open_at_bound();
    }

    fn open_at_bound(&mut self) {
        if self.strikes >= self.bound {
            let seconds = [1, 2, 4, 8, 16, 32].get(self.openings as usize).copied();
            self.circuit = Circuit::Open { seconds: seconds.unwrap_or(60), told: false };
            self.openings += 1;
            self.cooldowns += 1;
        }
    }

    /// Takes that the last cooldown that was told is over.
    pub fn cooldown_over(&mut self) {
        if let Circuit::Open { told: true, .. } = self.circuit {
            self.circuit = Circuit::Trying;
        }
    }

    /// Whether a trial shows that a session lives which was taken for dead.
    fn revives(&self, request: usize, answer: &Answer) -> bool {
        let it = &self.requests[request];
        let shows = !matches!(it.what, What::Initialize | What::Delete) && !is_one_way(it.what);
        let of_newest = it.sent.last() == Some(&self.newest());
        it.trial.is_some()
            && of_newest
            && answer.is_success()
            && shows
            && !self.closed
            && !self.is_live()
    }

    fn note_success(&mut self, request: usize, trial: bool, answer: &Answer) {
        if !answer.is_success() || self.closed {
            return;
        }
        let what = self.requests[request].what;
        let generation = self.generation_of(request);
        let is_stream = matches!(what, What::Get | What::Resume(_));
        let it = &mut self.generations[generation];
        it.streamed |= is_stream;
        it.reopened |= is_stream && self.requests[request].standalone;
        if is_one_way(what) || matches!(what, What::Delete | What::Initialize) {
            return;
        }
        if trial && it.ended && generation + 1 == self.generations.len() {
            let it = &mut self.generations[generation];
            it.ended = false;
            it.succeeded = false;
            self.doubted = false;
        }
        let it = &mut self.generations[generation];
        // A success of the dead says nothing about the living.
        if is_stream || it.ended {
            return;
        }
        it.succeeded = true;
        self.strikes = 0;
        self.openings = 0;
        self.circuit = Circuit::Closed;
    }

    /// Takes the answer to the caller's own `initialize`; returns the ID nobody wants.
    fn initialized_anew(&mut self, request: usize, answer: &Answer) -> Option<String> {
        if !answer.is_success() || answer.has_ill_formed_id {
            return None;
        }
        let issue = self.requests[request].issue?;
        if self.closed || issue != self.issued || answer.says_error {
            let living = self
                .generations
                .last()
                .filter(|it| !it.ended && !self.closed)
                .and_then(|it| it.id.as_ref());
            return answer.id.clone().filter(|id| living != Some(id));
        }
        self.saved = Some(request);
        for recovery in self.recoveries.iter_mut().filter(|it| **it == Recovery::Trial) {
            *recovery = Recovery::Over;
        }
        self.stand(answer.id.clone(), None);
        (self.told, self.level, self.subscribed) = (Vec::new(), None, Vec::new());
        None
    }

    // ---- The leader

    /// Returns the reason and the ID nobody wants, if the recovery has failed.
    pub fn initialize_answered(
        &mut self,
        answer: &Answer,
        refusal: Option<Reason>,
        version: &str,
    ) -> Result<(), (Reason, Option<String>)> {
        let id = answer.id.clone().filter(|_| answer.is_success());
        if self.closed {
            return Err((Reason::Closed, id));
        }
        if let Some(reason) = refusal {
            self.fail(reason);
            self.doubted |= !self.is_live();
            return Err((reason, id));
        }
        *self.led() = Recovery::Initialized { id, version: version.to_owned() };
        Ok(())
    }

    /// Returns what is to be restored first, if anything is.
    pub fn initialized_answered(
        &mut self,
        accepted: bool,
    ) -> Result<Option<Restored>, (Reason, Option<String>)> {
        let Recovery::Initialized { id, version } = self.led().clone() else { panic!("no leader") };
        if self.closed {
            return Err((Reason::Closed, id));
        }
        if !accepted {
            self.fail(Reason::InitializedRefused);
            return Err((Reason::InitializedRefused, id));
        }
        self.stand(id, Some(version));
        let generation = self.newest();
        let mut rest: Vec<Restored> = self.level.map(Restored::Level).into_iter().collect();
        rest.extend(self.subscribed.iter().copied().map(Restored::Resource));
        if rest.is_empty() {
            *self.led() = Recovery::Over;
            return Ok(None);
        }
        let now = rest.remove(0);
        *self.led() = Recovery::Restoring { generation, now, rest, refused: 0 };
        Ok(Some(now))
    }

    pub fn lead_dropped(&mut self) {
        *self.led() = Recovery::Over;
    }

    pub(super) fn fail(&mut self, reason: Reason) {
        *self.led() = Recovery::Failed(reason);
        self.strike();
    }

    /// The recovery that has a leader: while it has, no other begins.
    pub(super) fn led(&mut self) -> &mut Recovery {
        self.recoveries.last_mut().unwrap()
    }
}

impl Generation {
    fn new(id: Option<String>, version: Option<String>) -> Self {
        Self { id, version, ended: false, succeeded: false, streamed: false, reopened: false }
    }
}
