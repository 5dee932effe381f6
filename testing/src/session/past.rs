//! All that came before an event, as the guarantees look at it.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use mcp_session_core::Quirks;
use mcp_session_core::session::{Options, Reason};

use super::words::{Answer, Restored, Sending, Step, What, has_an_id, is_one_way};
use super::world::Happened;

/// All that came before an event.
pub struct Past {
    pub options: Options,
    /// The ID of each generation; the first is before any `initialize`.
    pub ids: Vec<Option<String>>,
    pub lives: bool,
    pub succeeded: bool,
    pub strikes: u32,
    /// Whether no new session is made for a while.
    pub is_open: bool,
    /// Whether the newest generation may live though it was said to have ended.
    pub is_doubted: bool,
    pub leader: bool,
    /// Whether the leader's session stands, and is told what the old one was told.
    pub restoring: bool,
    /// The request that tries out a session.
    pub trial: Option<usize>,
    pub closed: bool,
    /// Whether the caller's own `initialize` has succeeded.
    pub replayable: bool,
    initialized: Option<String>,
    /// The request that is the last `initialize` issued; none if it was a leader's.
    last_issued: Option<usize>,
    /// Each `initialize` that went out after the DELETE.
    pub after_close: BTreeSet<usize>,
    pub whats: BTreeMap<usize, What>,
    /// The generations each request was sent in.
    pub sends: BTreeMap<usize, Vec<usize>>,
    in_flight: BTreeSet<usize>,
    /// The number of the last recovery, or trial.
    recovery: usize,
    /// Who waits, and for which recovery.
    waiting: BTreeMap<usize, usize>,
    pub cancelled: BTreeSet<usize>,
    pub failures: BTreeMap<usize, Reason>,
    pub ended: BTreeSet<usize>,
    pub streamed: BTreeSet<usize>,
    /// Those whose event ID did not go out.
    stripped: BTreeSet<usize>,
    pub questions: Vec<Question>,
    pub events: BTreeMap<u8, BTreeSet<usize>>,
    /// What the server was told to keep, in order, the level first.
    pub kept: Vec<Restored>,
    /// What was asked of it, and not answered.
    told: BTreeMap<usize, usize>,
}

/// A question of the server's that is open.
pub struct Question {
    pub generation: usize,
    pub own: String,
    pub shown: String,
    pub is_void: bool,
}

impl Past {
    pub fn new(options: Options, resumed: Option<&str>) -> Self {
        Self {
            options,
            ids: iter::once(None).chain(resumed.map(|it| Some(it.to_owned()))).collect(),
            lives: true,
            succeeded: false,
            strikes: 0,
            is_open: false,
            is_doubted: false,
            leader: false,
            restoring: false,
            trial: None,
            closed: false,
            replayable: false,
            initialized: None,
            last_issued: None,
            after_close: BTreeSet::new(),
            whats: BTreeMap::new(),
            sends: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            recovery: 0,
            waiting: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            failures: BTreeMap::new(),
            ended: BTreeSet::new(),
            streamed: BTreeSet::new(),
            stripped: BTreeSet::new(),
            questions: Vec::new(),
            events: BTreeMap::new(),
            kept: Vec::new(),
            told: BTreeMap::new(),
        }
    }

    pub fn generation(&self) -> usize {
        self.ids.len() - 1
    }

    pub fn generation_of(&self, request: usize) -> usize {
        *self.sends[&request].last().unwrap()
    }

    pub fn what_of(&self, event: &Happened) -> Option<What> {
        match event {
            Happened::Began { what, .. } => Some(*what),
            other => request_of(other).map(|request| self.whats[&request]),
        }
    }

    /// Whether an answer says that the session attached to the request is terminated.
    pub fn terminated(&self, request: usize, answer: &Answer) -> bool {
        let quirk = answer.misreport && self.options.quirks == Quirks::Recognize;
        let attached = self.ids[self.generation_of(request)].is_some();
        let counts = !matches!(self.whats[&request], What::Initialize | What::Delete);
        (answer.status == 404 || quirk) && attached && counts
    }

    pub fn is_of_the_living(&self, request: usize) -> bool {
        self.lives && self.generation_of(request) == self.generation()
    }

    /// Whether it went out without an event ID, as one that opens the standalone stream.
    pub fn opens(&self, request: usize) -> bool {
        self.whats[&request] == What::Get || self.stripped.contains(&request)
    }

    /// Whether this is the answer to the trial.
    pub fn ends_trial(&self, event: &Happened) -> bool {
        let is_trial = |request: &usize| self.trial == Some(*request);
        !self.leader && matches!(event, Happened::Answered { request, .. } if is_trial(request))
    }

    pub fn lives_after(&self, event: &Happened) -> bool {
        self.lives && !matches!(event, Happened::Answered { ended: true, .. })
    }

    pub fn adopts(&self, request: usize) -> bool {
        !self.closed && self.last_issued == Some(request)
    }

    fn begin_generation(&mut self, id: Option<String>) {
        self.ids.push(id);
        self.lives = true;
        self.succeeded = false;
        self.is_doubted = false;
        self.trial = None;
    }

    fn strike(&mut self) {
        self.strikes += 1;
        self.is_open |= self.strikes >= self.options.bound;
    }

    pub fn note(&mut self, event: &Happened) {
        match event {
            Happened::Began { request, what, .. } => {
                self.whats.insert(*request, *what);
                self.closed |= *what == What::Delete;
                if let What::Cancelled(named) = what {
                    let is_open =
                        self.waiting.contains_key(named) || self.in_flight.contains(named);
                    if is_open && has_an_id(self.whats[named]) {
                        self.cancelled.insert(*named);
                    }
                }
            }
            Happened::Asked { request, .. } => {
                self.waiting.remove(request);
                self.failures.remove(request);
            }
            Happened::Answered { request, answer, ended, revived, .. } => {
                self.in_flight.remove(request);
                self.note_answer(*request, answer, *ended, *revived);
                self.trial = self.trial.filter(|it| it != request);
            }
            Happened::Abandoned { request } => {
                self.waiting.remove(request);
                self.in_flight.remove(request);
                self.trial = self.trial.filter(|it| it != request);
                self.ended.insert(*request);
            }
            Happened::Initialized { id } => self.initialized.clone_from(id),
            Happened::Stands { .. } => {
                let id = self.initialized.take();
                self.begin_generation(id);
                self.restoring = true;
            }
            Happened::Restored { .. } => {}
            Happened::Replaced => {
                self.leader = false;
                self.restoring = false;
            }
            Happened::Failed { reason, .. } => {
                let shares = self.waiting.iter().filter(|it| *it.1 == self.recovery);
                self.failures.extend(shares.map(|it| (*it.0, *reason)));
                self.strike();
                self.leader = false;
                let answered = matches!(
                    reason,
                    Reason::InitializeRefused
                        | Reason::IllFormedSessionId
                        | Reason::ModernOnlyServer
                );
                self.is_doubted |= answered && !self.lives;
            }
            Happened::LeaderDropped => {
                self.leader = false;
                self.restoring = false;
            }
            Happened::CooldownOver => self.is_open = false,
            Happened::RestoreRefused { what } => self.kept.retain(|it| it != what),
            _ => self.note_message(event),
        }
        if let (Some(request), Some(step)) = (request_of(event), step_of(event)) {
            self.note_step(request, step);
        }
        if let Happened::Began { what: _, reply: Some(shown), .. } = event {
            self.questions.retain(|it| it.shown != *shown);
        }
    }

    fn note_message(&mut self, event: &Happened) {
        match event {
            Happened::ServerAsked { generation, own, shown } => {
                let is_new = self.questions.iter().all(|it| it.shown != *shown);
                if is_new {
                    self.questions.push(Question {
                        generation: *generation,
                        own: own.clone(),
                        shown: shown.clone(),
                        is_void: false,
                    });
                }
            }
            Happened::ServerCancelled { generation, own } => {
                self.questions.retain(|it| it.generation != *generation || it.own != *own);
            }
            Happened::Voided { shown } => {
                let voided = self.questions.iter_mut().filter(|it| shown.contains(&it.shown));
                voided.for_each(|it| it.is_void = true);
            }
            Happened::EventSeen { generation, event } => {
                self.events.entry(*event).or_default().insert(*generation);
            }
            Happened::AnswerSeen { request, generation, is_result }
                if self.told.get(request) == Some(generation) =>
            {
                self.told.remove(request);
                if *is_result {
                    self.keep(self.whats[request]);
                }
            }
            _ => {}
        }
    }

    fn keep(&mut self, what: What) {
        match what {
            What::SetLevel(level) => {
                self.kept.retain(|it| !matches!(it, Restored::Level(_)));
                self.kept.insert(0, Restored::Level(level));
            }
            What::Subscribe(resource) => {
                self.kept.retain(|it| *it != Restored::Resource(resource));
                self.kept.push(Restored::Resource(resource));
            }
            What::Unsubscribe(resource) => {
                self.kept.retain(|it| *it != Restored::Resource(resource));
            }
            _ => {}
        }
    }

    fn note_answer(&mut self, request: usize, answer: &Answer, ended: bool, revived: bool) {
        let what = self.whats[&request];
        let generation = self.generation_of(request);
        if ended {
            self.lives = false;
            if self.succeeded {
                self.is_open |= self.strikes >= self.options.bound;
            } else {
                self.strike();
            }
            // A second 404 may be its request's alone.
            self.is_doubted = self.sends[&request].len() > 1;
        } else if self.trial == Some(request) && self.terminated(request, answer) {
            let again = self.sends[&request].len() > 1;
            let opens = self.opens(request) && !again;
            if !opens || self.streamed.contains(&generation) {
                self.is_doubted = false;
            }
        }
        if revived {
            self.lives = true;
            self.succeeded = false;
            self.is_doubted = false;
        }
        if !answer.is_success() {
            return;
        }
        match what {
            What::Initialize if answer.has_ill_formed_id || answer.says_error => {}
            What::Initialize if self.adopts(request) => {
                self.replayable = true;
                self.begin_generation(answer.id.clone());
                (self.kept, self.told) = (Vec::new(), BTreeMap::new());
            }
            What::Get | What::Resume(_) => {
                self.streamed.insert(generation);
            }
            What::Initialize | What::Delete => {}
            _ if is_one_way(what) || self.closed => {}
            _ if !self.lives || generation != self.generation() => {}
            _ => {
                self.succeeded = true;
                self.strikes = 0;
                self.is_open = false;
            }
        }
    }

    fn note_step(&mut self, request: usize, step: &Step) {
        match step {
            Step::Send(sending) | Step::Resend(sending) => {
                if !sending.keeps_event_id {
                    self.stripped.insert(request);
                }
                if sending.trial {
                    self.trial = Some(request);
                    self.recovery += 1;
                }
                let generation = self.generation();
                self.sends.entry(request).or_default().push(generation);
                self.in_flight.insert(request);
                match self.whats[&request] {
                    What::Initialize if self.closed => {
                        self.after_close.insert(request);
                    }
                    What::Initialize => self.last_issued = Some(request),
                    What::SetLevel(_) | What::Subscribe(_) | What::Unsubscribe(_) => {
                        self.told.insert(request, generation);
                    }
                    _ => {}
                }
            }
            Step::Lead => {
                self.leader = true;
                self.last_issued = None;
                self.recovery += 1;
                self.waiting.insert(request, self.recovery);
            }
            Step::Hold => {
                self.waiting.insert(request, self.recovery);
            }
            Step::Drop | Step::GiveUp(..) | Step::Deliver(_) => {
                self.ended.insert(request);
            }
        }
    }
}

pub fn request_of(event: &Happened) -> Option<usize> {
    match event {
        Happened::Began { request, .. }
        | Happened::Asked { request, .. }
        | Happened::Answered { request, .. }
        | Happened::Abandoned { request } => Some(*request),
        _ => None,
    }
}

pub fn step_of(event: &Happened) -> Option<&Step> {
    match event {
        Happened::Began { step, .. }
        | Happened::Asked { step, .. }
        | Happened::Answered { step, .. } => Some(step),
        _ => None,
    }
}

pub fn sending_of(event: &Happened) -> Option<&Sending> {
    match step_of(event) {
        Some(Step::Send(sending) | Step::Resend(sending)) => Some(sending),
        _ => None,
    }
}
