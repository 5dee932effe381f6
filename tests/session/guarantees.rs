//! The guarantees as predicates over what happened, each without the model: they look at the
//! machine's own answers only.
//!
//! Every one says of each event whether it may follow what came before it, so to check the
//! whole history once is to check it after every operation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::iter;

use mcp_session_core::Quirks;
use mcp_session_core::session::{Options, Reason, ResendPolicy};

use crate::words::{Answer, Sending, Step, What, has_an_id, is_one_way};
use crate::world::{CREDENTIAL, Happened};

/// Whether an event may follow its past.
type Guarantee = fn(&Past, &Happened) -> bool;

pub(crate) fn check_all(history: &[Happened], options: &Options, resumed: Option<&str>) {
    let checks: [(&str, Guarantee); 9] = [
        ("guarantee 1", guarantee_1_a_404_ends_only_the_generation_it_was_attached_to),
        ("guarantee 2", guarantee_2_one_replacement_at_a_time),
        ("guarantee 3", guarantee_3_no_leader_wedges_anyone),
        ("guarantee 4", guarantee_4_each_request_ends_once_and_is_sent_at_most_twice),
        ("guarantee 5", guarantee_5_nothing_is_resent_at_the_bound),
        ("guarantee 6", guarantee_6_a_get_replaces_nothing_without_a_stream),
        ("guarantee 7", guarantee_7_ids_come_from_the_last_initialize_issued),
        ("guarantee 8", guarantee_8_what_belonged_to_the_dead_stays_there),
        ("guarantee 9", guarantee_9_nothing_follows_a_delete),
    ];
    let mut past = Past::new(*options, resumed);
    for (number, event) in history.iter().enumerate() {
        for (name, holds) in checks {
            assert!(holds(&past, event), "{name}, event {number}: {event:?} in {}", told(history));
        }
        past.note(event);
    }
}

/// To be asked once nothing is left to do.
pub(crate) fn everything_has_ended(history: &[Happened], options: &Options, resumed: Option<&str>) {
    let mut past = Past::new(*options, resumed);
    for event in history {
        past.note(event);
    }
    for request in past.whats.keys() {
        assert!(
            past.ended.contains(request),
            "guarantee 4: {request} never ends: {}",
            told(history)
        );
    }
}

/// A late 404 leaves the living alone: nothing leads or waits while a generation lives.
fn guarantee_1_a_404_ends_only_the_generation_it_was_attached_to(
    past: &Past,
    event: &Happened,
) -> bool {
    let living = match event {
        // What the answer itself has ended.
        Happened::Answered { request, answer, .. } => past.lives && !past.ends(*request, answer),
        _ => past.lives,
    };
    !(living && matches!(step_of(event), Some(Step::Lead | Step::Hold)))
}

fn guarantee_2_one_replacement_at_a_time(past: &Past, event: &Happened) -> bool {
    !(past.leader && matches!(step_of(event), Some(Step::Lead)))
}

/// A failure is shared, a cancelled leader hands over, and a new request always goes on.
fn guarantee_3_no_leader_wedges_anyone(past: &Past, event: &Happened) -> bool {
    match event {
        Happened::Asked { request, step } => {
            let excused = past.closed || past.cancelled.contains(request);
            let replays = past.whats[request] == What::Initialize;
            match past.failures.get(request) {
                Some(reason) if !excused && !replays => *step == Step::GiveUp(*reason),
                _ if excused || past.leader => true,
                // Nobody leads, so whoever asks goes on, one way or the other.
                _ => *step != Step::Hold,
            }
        }
        Happened::Began { what: What::Call, step, .. } if !past.closed => match step {
            Step::Send(_) => past.lives,
            Step::Lead => !past.lives && !past.leader,
            Step::Hold => past.leader,
            Step::GiveUp(reason) => *reason == Reason::NoInitialize && !past.replayable,
            Step::Resend(_) | Step::Drop | Step::Deliver(_) => false,
        },
        _ => true,
    }
}

fn guarantee_4_each_request_ends_once_and_is_sent_at_most_twice(
    past: &Past,
    event: &Happened,
) -> bool {
    let Some(request) = request_of(event) else { return true };
    let sends = past.sends.get(&request).map_or(0, Vec::len);
    let second_404_is_delivered = match event {
        Happened::Answered { answer, step, .. } if past.terminated(request, answer) => {
            sends < 2 || *step == Step::Deliver(None)
        }
        _ => true,
    };
    let sends_again = sending_of(event).is_some() && sends >= 2;
    !past.ended.contains(&request) && !sends_again && second_404_is_delivered
}

fn guarantee_5_nothing_is_resent_at_the_bound(past: &Past, event: &Happened) -> bool {
    let Some(request) = request_of(event) else { return true };
    let again = past.sends.contains_key(&request);
    let dies = match event {
        Happened::Answered { answer, .. } => past.ends(request, answer) && !past.succeeded,
        _ => false,
    };
    let reached = past.strikes + u32::from(dies) >= past.options.bound;
    let goes_on = matches!(step_of(event), Some(Step::Lead | Step::Resend(_) | Step::Send(_)));
    !(again && reached && goes_on)
}

fn guarantee_6_a_get_replaces_nothing_without_a_stream(past: &Past, event: &Happened) -> bool {
    let Some(request) = request_of(event) else { return true };
    match event {
        Happened::Answered { answer, step, .. } if past.opens(request) => {
            let streamed = past.streamed.contains(&past.generation_of(request));
            !past.terminated(request, answer) || streamed || *step == Step::Deliver(None)
        }
        _ => match (past.what_of(event), sending_of(event)) {
            (Some(What::Resume(event)), Some(Sending { keeps_event_id: true, .. })) => {
                past.events.get(&event).is_none_or(|seen| seen.contains(&past.generation()))
            }
            _ => true,
        },
    }
}

fn guarantee_7_ids_come_from_the_last_initialize_issued(past: &Past, event: &Happened) -> bool {
    let sends_rightly = match (past.what_of(event), sending_of(event)) {
        (Some(What::Initialize), Some(sending)) => {
            sending.id.is_none() && sending.version.is_none()
        }
        (_, Some(sending)) => past.lives_after(event) && sending.id == *past.ids.last().unwrap(),
        (_, None) => true,
    };
    let returns_rightly = match event {
        Happened::Answered { request, answer, step }
            if past.whats[request] == What::Initialize && answer.is_success() =>
        {
            // To DELETE the living session's own ID would end it.
            let living =
                past.ids.last().filter(|_| past.lives && !past.closed).and_then(Option::as_ref);
            let unadopted =
                answer.id.clone().filter(|id| !past.adopts(*request) && living != Some(id));
            *step == Step::Deliver(unadopted)
        }
        Happened::Failed { issued_id, unadopted, .. } => issued_id == unadopted,
        _ => true,
    };
    sends_rightly && returns_rightly
}

fn guarantee_8_what_belonged_to_the_dead_stays_there(past: &Past, event: &Happened) -> bool {
    let Some(request) = request_of(event) else { return true };
    let what = past.what_of(event).unwrap();
    let is_sent = sending_of(event).is_some();
    let again = is_sent && past.sends.contains_key(&request);
    let may_go_again = match what {
        What::Get | What::Resume(_) => true,
        What::Call | What::BatchWithCall => past.options.resend == ResendPolicy::All,
        What::Read | What::BatchOfReads => past.options.resend != ResendPolicy::Never,
        _ => false,
    };
    let replies_rightly = match what {
        What::Reply(id) if is_sent => {
            past.asked.iter().all(|it| it.1 != id || it.0 == Some(past.generation()))
        }
        _ => true,
    };
    let is_dropped = match event {
        Happened::Answered { answer, step, .. } if is_one_way(what) => {
            past.closed || !past.terminated(request, answer) || *step == Step::Drop
        }
        _ => true,
    };
    let ends_when_cancelled = match event {
        Happened::Asked { step, .. } if past.cancelled.contains(&request) => {
            *step == Step::GiveUp(Reason::Cancelled)
        }
        _ => true,
    };
    (!again || may_go_again) && replies_rightly && is_dropped && ends_when_cancelled
}

fn guarantee_9_nothing_follows_a_delete(past: &Past, event: &Happened) -> bool {
    match (past.what_of(event), step_of(event)) {
        (Some(What::Delete), Some(Step::Hold | Step::Lead)) => false,
        (_, Some(Step::Send(_) | Step::Resend(_) | Step::Hold | Step::Lead)) => !past.closed,
        _ => !(past.closed && matches!(event, Happened::Replaced)),
    }
}

pub(crate) fn guarantee_10_no_id_is_shown(shown: &impl Debug) {
    let text = format!("{shown:?}");
    assert!(!text.contains(CREDENTIAL), "guarantee 10: {text}");
}

/// All that came before an event.
struct Past {
    options: Options,
    /// The ID of each generation; the first is before any `initialize`.
    ids: Vec<Option<String>>,
    lives: bool,
    succeeded: bool,
    strikes: u32,
    leader: bool,
    closed: bool,
    /// Whether the caller's own `initialize` has succeeded.
    replayable: bool,
    introduced: Option<String>,
    /// The request that is the last `initialize` issued; none if it was a leader's.
    last_issued: Option<usize>,
    whats: BTreeMap<usize, What>,
    /// The generations each request was sent in.
    sends: BTreeMap<usize, Vec<usize>>,
    /// The number of the last recovery.
    recovery: usize,
    /// Who waits, and for which recovery.
    waiting: BTreeMap<usize, usize>,
    cancelled: BTreeSet<usize>,
    failures: BTreeMap<usize, Reason>,
    ended: BTreeSet<usize>,
    streamed: BTreeSet<usize>,
    /// Those whose event ID did not go out.
    stripped: BTreeSet<usize>,
    /// The questions of the server that are open; `None` asked those that may be answered.
    asked: Vec<(Option<usize>, u8)>,
    events: BTreeMap<u8, BTreeSet<usize>>,
}

impl Past {
    fn new(options: Options, resumed: Option<&str>) -> Self {
        Self {
            options,
            ids: iter::once(None).chain(resumed.map(|it| Some(it.to_owned()))).collect(),
            lives: true,
            succeeded: false,
            strikes: 0,
            leader: false,
            closed: false,
            replayable: false,
            introduced: None,
            last_issued: None,
            whats: BTreeMap::new(),
            sends: BTreeMap::new(),
            recovery: 0,
            waiting: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            failures: BTreeMap::new(),
            ended: BTreeSet::new(),
            streamed: BTreeSet::new(),
            stripped: BTreeSet::new(),
            asked: Vec::new(),
            events: BTreeMap::new(),
        }
    }

    fn generation(&self) -> usize {
        self.ids.len() - 1
    }

    fn generation_of(&self, request: usize) -> usize {
        *self.sends[&request].last().unwrap()
    }

    fn what_of(&self, event: &Happened) -> Option<What> {
        match event {
            Happened::Began { what, .. } => Some(*what),
            other => request_of(other).map(|request| self.whats[&request]),
        }
    }

    /// Whether an answer says that the session attached to the request is terminated.
    fn terminated(&self, request: usize, answer: &Answer) -> bool {
        let quirk = answer.misreport && self.options.quirks == Quirks::Recognize;
        let attached = self.ids[self.generation_of(request)].is_some();
        let counts = !matches!(self.whats[&request], What::Initialize | What::Delete);
        (answer.status == 404 || quirk) && attached && counts
    }

    /// Whether an answer ends the newest generation.
    fn ends(&self, request: usize, answer: &Answer) -> bool {
        let generation = self.generation_of(request);
        let offered = match self.whats[&request] {
            What::Get | What::Resume(_) if self.opens(request) => {
                let again = self.sends[&request].len() > 1;
                again || self.streamed.contains(&generation)
            }
            _ => true,
        };
        self.lives && offered && generation == self.generation() && self.terminated(request, answer)
    }

    /// Whether it went out without an event ID, as one that opens the standalone stream.
    fn opens(&self, request: usize) -> bool {
        self.whats[&request] == What::Get || self.stripped.contains(&request)
    }

    fn lives_after(&self, event: &Happened) -> bool {
        match event {
            Happened::Answered { request, answer, .. } => {
                self.lives && !self.ends(*request, answer)
            }
            _ => self.lives,
        }
    }

    fn adopts(&self, request: usize) -> bool {
        !self.closed && self.last_issued == Some(request)
    }

    fn begin_generation(&mut self, id: Option<String>) {
        self.ids.push(id);
        self.lives = true;
        self.succeeded = false;
    }

    fn note(&mut self, event: &Happened) {
        match event {
            Happened::Began { request, what, .. } => {
                self.whats.insert(*request, *what);
                self.closed |= *what == What::Delete;
                if let What::Cancelled(named) = what {
                    if self.waiting.contains_key(named) && has_an_id(self.whats[named]) {
                        self.cancelled.insert(*named);
                    }
                }
            }
            Happened::Asked { request, .. } => {
                self.waiting.remove(request);
                self.failures.remove(request);
            }
            Happened::Answered { request, answer, .. } => self.note_answer(*request, answer),
            Happened::Abandoned { request } => {
                self.waiting.remove(request);
                self.ended.insert(*request);
            }
            Happened::Introduced { id } => self.introduced.clone_from(id),
            Happened::Replaced => {
                let id = self.introduced.take();
                self.begin_generation(id);
                self.leader = false;
            }
            Happened::Failed { reason, .. } => {
                let shares = self.waiting.iter().filter(|it| *it.1 == self.recovery);
                self.failures.extend(shares.map(|it| (*it.0, *reason)));
                self.strikes += 1;
                self.leader = false;
            }
            Happened::LeaderDropped => self.leader = false,
            Happened::ServerAsked { generation, id } => {
                self.asked.retain(|it| *it != (Some(*generation), *id));
                self.asked.push((Some(*generation), *id));
            }
            Happened::EventSeen { generation, event } => {
                self.events.entry(*event).or_default().insert(*generation);
            }
        }
        if let (Some(request), Some(step)) = (request_of(event), step_of(event)) {
            self.note_step(request, step);
        }
    }

    fn note_answer(&mut self, request: usize, answer: &Answer) {
        let what = self.whats[&request];
        let generation = self.generation_of(request);
        if self.ends(request, answer) {
            self.lives = false;
            self.strikes += u32::from(!self.succeeded);
        }
        if !answer.is_success() {
            return;
        }
        match what {
            What::Initialize if answer.has_ill_formed_id => {}
            What::Initialize if self.adopts(request) => {
                self.replayable = true;
                self.begin_generation(answer.id.clone());
            }
            What::Get | What::Resume(_) => {
                self.streamed.insert(generation);
            }
            What::Initialize | What::Delete => {}
            _ if is_one_way(what) => {}
            _ if !self.lives || generation != self.generation() => {}
            _ => {
                self.succeeded = true;
                self.strikes = 0;
            }
        }
    }

    fn note_step(&mut self, request: usize, step: &Step) {
        match step {
            Step::Send(sending) | Step::Resend(sending) => {
                if !sending.keeps_event_id {
                    self.stripped.insert(request);
                }
                let generation = self.generation();
                self.sends.entry(request).or_default().push(generation);
                match self.whats[&request] {
                    What::Initialize => self.last_issued = Some(request),
                    What::Reply(id) => {
                        self.asked.retain(|it| *it != (Some(generation), id));
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
            Step::Drop | Step::GiveUp(_) | Step::Deliver(_) => {
                if let (Step::Drop, What::Reply(id)) = (step, self.whats[&request]) {
                    if !self.sends.contains_key(&request) {
                        self.note_dropped_reply(id);
                    }
                }
                self.ended.insert(request);
            }
        }
    }

    /// Of those who asked under this id one less waits. Which, is known only of the dead.
    fn note_dropped_reply(&mut self, id: u8) {
        type Asked = Vec<(Option<usize>, u8)>;
        let (of_id, mut others): (Asked, Asked) = self.asked.iter().partition(|it| it.1 == id);
        let is_ambiguous = self.lives && of_id.iter().any(|it| it.0 == Some(self.generation()));
        let mut waiting: Vec<Option<usize>> =
            of_id.iter().map(|it| it.0.filter(|_| !is_ambiguous)).collect();
        waiting.sort();
        others.extend(waiting.into_iter().skip(1).map(|asking| (asking, id)));
        self.asked = others;
    }
}

fn request_of(event: &Happened) -> Option<usize> {
    match event {
        Happened::Began { request, .. }
        | Happened::Asked { request, .. }
        | Happened::Answered { request, .. }
        | Happened::Abandoned { request } => Some(*request),
        _ => None,
    }
}

pub(crate) fn step_of(event: &Happened) -> Option<&Step> {
    match event {
        Happened::Began { step, .. }
        | Happened::Asked { step, .. }
        | Happened::Answered { step, .. } => Some(step),
        _ => None,
    }
}

fn sending_of(event: &Happened) -> Option<&Sending> {
    match step_of(event) {
        Some(Step::Send(sending) | Step::Resend(sending)) => Some(sending),
        _ => None,
    }
}

pub(crate) fn told(history: &[Happened]) -> String {
    history.iter().map(|it| format!("\n  {it:?}")).collect()
}
