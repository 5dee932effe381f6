//! The reference model: what the ten guarantees say, as plain data.
//!
//! It remembers everything that ever happened (every generation, recovery and request) and
//! looks things up by number; nothing is shared, freed or woken. It knows no bodies and no
//! headers: the [world](crate::world) tells it what each request is.

use mcp_session_core::session::{Reason, ResendPolicy};

use crate::words::{Answer, Sending, Step, What, has_an_id, is_one_way};

struct Generation {
    id: Option<String>,
    version: Option<String>,
    ended: bool,
    succeeded: bool,
    streamed: bool,
}

/// An event ID that was seen on a stream.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) event: u8,
    pub(crate) generation: usize,
    /// Whether on a standalone stream.
    pub(crate) standalone: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Recovery {
    Led,
    Introduced { id: Option<String>, version: String },
    Succeeded,
    Failed(Reason),
    Cancelled,
}

struct Request {
    what: What,
    /// The generations it was sent in.
    sent: Vec<usize>,
    /// The recovery it waits for.
    waits: Option<usize>,
    cancelled: bool,
    /// Whether its event ID did not go out.
    stripped: bool,
    /// Whether its response is the standalone stream, and no POST's.
    standalone: bool,
    issue: u32,
}

pub(crate) struct Model {
    policy: ResendPolicy,
    bound: u32,
    quirks: bool,
    /// The first is before any `initialize`.
    generations: Vec<Generation>,
    recoveries: Vec<Recovery>,
    requests: Vec<Request>,
    /// Generations that died before one success, and failed replacements.
    strikes: u32,
    issued: u32,
    /// The caller's last `initialize` that succeeded.
    saved: Option<usize>,
    closed: bool,
    /// The server's open requests.
    asked: Vec<(Option<usize>, u8)>,
    /// Where each event ID was seen, the last one last.
    events: Vec<Seen>,
}

impl Model {
    pub(crate) fn new(policy: ResendPolicy, bound: u32, quirks: bool) -> Self {
        Self {
            policy,
            bound,
            quirks,
            generations: vec![Generation::new(None, None)],
            recoveries: Vec::new(),
            requests: Vec::new(),
            strikes: 0,
            issued: 0,
            saved: None,
            closed: false,
            asked: Vec::new(),
            events: Vec::new(),
        }
    }

    pub(crate) fn resumed(id: &str, policy: ResendPolicy, bound: u32, quirks: bool) -> Self {
        let mut model = Self::new(policy, bound, quirks);
        model.generations.push(Generation::new(Some(id.to_owned()), None));
        model
    }

    /// The number of the `initialize` a leader has to replay.
    pub(crate) fn saved(&self) -> Option<usize> {
        self.saved
    }

    /// The generation a request was last sent in.
    pub(crate) fn generation_of(&self, request: usize) -> usize {
        *self.requests[request].sent.last().unwrap()
    }

    /// The number of the newest generation.
    pub(crate) fn newest(&self) -> usize {
        self.generations.len() - 1
    }

    pub(crate) fn is_standalone(&self, request: usize) -> bool {
        self.requests[request].standalone
    }

    // ---- Requests

    pub(crate) fn before(&mut self, what: What) -> Step {
        let request = self.requests.len();
        self.requests.push(Request {
            what,
            sent: Vec::new(),
            waits: None,
            cancelled: false,
            stripped: false,
            standalone: false,
            issue: 0,
        });
        if let What::Cancelled(named) = what {
            let waits = |it: &&mut Request| it.waits.is_some() && has_an_id(it.what);
            if let Some(named) = self.requests.get_mut(named).filter(waits) {
                named.cancelled = true;
                return Step::Drop;
            }
        }
        if self.closed {
            return Step::GiveUp(Reason::Closed);
        }
        if what == What::Delete {
            self.closed = true;
            return if self.is_live() { self.send(request) } else { Step::Drop };
        }
        self.go_on(request)
    }

    pub(crate) fn ask(&mut self, request: usize) -> Step {
        let recovery = self.requests[request].waits.unwrap();
        let what = self.requests[request].what;
        if self.requests[request].cancelled {
            return self.end(request, Step::GiveUp(Reason::Cancelled));
        }
        if self.closed {
            return self.end(request, Step::GiveUp(Reason::Closed));
        }
        match self.recoveries[recovery] {
            Recovery::Led | Recovery::Introduced { .. } => Step::Hold,
            Recovery::Failed(reason) if what != What::Initialize => {
                self.end(request, Step::GiveUp(reason))
            }
            Recovery::Failed(_) | Recovery::Cancelled | Recovery::Succeeded => {
                self.requests[request].waits = None;
                self.go_on(request)
            }
        }
    }

    pub(crate) fn answered(&mut self, request: usize, answer: &Answer) -> Step {
        let generation = self.generation_of(request);
        let what = self.requests[request].what;
        if what == What::Initialize {
            return Step::Deliver(self.initialized_anew(request, answer));
        }
        let attached = self.generations[generation].id.is_some();
        let terminated = answer.status == 404 || (self.quirks && answer.misreport);
        if self.closed || !attached || !terminated {
            self.note_success(generation, what, answer);
            return Step::Deliver(None);
        }
        let again = self.requests[request].sent.len() > 1;
        let stripped = self.requests[request].stripped;
        let opens = !again && (what == What::Get || stripped);
        if opens && !self.generations[generation].streamed {
            return Step::Deliver(None);
        }
        self.bury(generation);
        if is_one_way(what) {
            return Step::Drop;
        }
        if self.requests[request].sent.len() > 1 {
            return Step::Deliver(None);
        }
        if !self.may_be_resent(what) {
            return Step::GiveUp(Reason::NotResent);
        }
        match self.go_on(request) {
            Step::Send(sending) => Step::Resend(sending),
            other => other,
        }
    }

    /// The caller went away, wherever the request was.
    pub(crate) fn abandoned(&mut self, request: usize) {
        self.requests[request].waits = None;
    }

    /// A request that is neither held back nor at an end goes out, waits or leads.
    fn go_on(&mut self, request: usize) -> Step {
        let what = self.requests[request].what;
        let recovering = self.recovering();
        if what == What::Initialize {
            return match recovering {
                Some(recovery) => self.hold(request, recovery),
                None => self.send(request),
            };
        }
        if let What::Reply(id) = what {
            if !(self.is_live() && self.may_reply(id)) {
                self.reply_dropped(id);
                return Step::Drop;
            }
        }
        if is_one_way(what) && !self.is_live() {
            return Step::Drop;
        }
        let again = !self.requests[request].sent.is_empty();
        if again && self.strikes >= self.bound {
            return Step::GiveUp(Reason::BoundReached);
        }
        if self.is_live() {
            return match self.event_of_another_generation(what) {
                Some(false) => Step::GiveUp(Reason::StreamLost),
                Some(true) | None => self.send(request),
            };
        }
        if let Some(recovery) = recovering {
            return self.hold(request, recovery);
        }
        if self.saved.is_none() {
            return Step::GiveUp(Reason::NoInitialize);
        }
        self.issued += 1;
        self.recoveries.push(Recovery::Led);
        let _ = self.hold(request, self.recoveries.len() - 1);
        Step::Lead
    }

    fn send(&mut self, request: usize) -> Step {
        let newest = self.newest();
        let what = self.requests[request].what;
        let keeps_event_id = self.event_of_another_generation(what).is_none();
        self.requests[request].sent.push(newest);
        self.requests[request].stripped = !keeps_event_id;
        self.requests[request].standalone = match what {
            What::Resume(event) if keeps_event_id => {
                self.origin_of(event).is_none_or(|it| it.standalone)
            }
            _ => matches!(what, What::Get | What::Resume(_)),
        };
        let generation = &self.generations[newest];
        let mut sending = Sending {
            id: generation.id.clone(),
            version: generation.version.clone(),
            keeps_event_id,
        };
        if what == What::Initialize {
            self.issued += 1;
            self.requests[request].issue = self.issued;
            sending.id = None;
            sending.version = None;
        }
        if let What::Reply(id) = what {
            self.asked.retain(|it| *it != (Some(newest), id));
        }
        Step::Send(sending)
    }

    fn hold(&mut self, request: usize, recovery: usize) -> Step {
        self.requests[request].waits = Some(recovery);
        Step::Hold
    }

    fn end(&mut self, request: usize, step: Step) -> Step {
        self.requests[request].waits = None;
        step
    }

    // ---- Generations

    fn is_live(&self) -> bool {
        !self.generations.last().unwrap().ended
    }

    fn recovering(&self) -> Option<usize> {
        let pending = |it: &Recovery| matches!(it, Recovery::Led | Recovery::Introduced { .. });
        self.recoveries.iter().rposition(pending)
    }

    fn stand(&mut self, id: Option<String>, version: Option<String>) {
        self.generations.last_mut().unwrap().ended = true;
        self.generations.push(Generation::new(id, version));
    }

    fn bury(&mut self, generation: usize) {
        let newest = self.newest();
        let it = &mut self.generations[generation];
        if generation == newest && !it.ended {
            it.ended = true;
            self.strikes += u32::from(!it.succeeded);
        }
    }

    fn note_success(&mut self, generation: usize, what: What, answer: &Answer) {
        if !answer.is_success() {
            return;
        }
        match what {
            What::Get | What::Resume(_) => self.generations[generation].streamed = true,
            What::Initialize | What::Delete => {}
            _ if is_one_way(what) => {}
            // A success of the dead says nothing about the living.
            _ if self.generations[generation].ended => {}
            _ => {
                self.generations[generation].succeeded = true;
                self.strikes = 0;
            }
        }
    }

    /// Takes the answer to the caller's own `initialize`; returns the ID nobody wants.
    fn initialized_anew(&mut self, request: usize, answer: &Answer) -> Option<String> {
        if !answer.is_success() || answer.has_ill_formed_id {
            return None;
        }
        if self.closed || self.requests[request].issue != self.issued {
            let living = self
                .generations
                .last()
                .filter(|it| !it.ended && !self.closed)
                .and_then(|it| it.id.as_ref());
            return answer.id.clone().filter(|id| living != Some(id));
        }
        self.saved = Some(request);
        self.stand(answer.id.clone(), None);
        None
    }

    // ---- The leader

    /// Returns the reason and the ID nobody wants, if the recovery has failed.
    pub(crate) fn initialize_answered(
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
            return Err((reason, id));
        }
        *self.led() = Recovery::Introduced { id, version: version.to_owned() };
        Ok(())
    }

    pub(crate) fn initialized_answered(
        &mut self,
        accepted: bool,
    ) -> Result<(), (Reason, Option<String>)> {
        let Recovery::Introduced { id, version } = self.led().clone() else { panic!("no leader") };
        if self.closed {
            return Err((Reason::Closed, id));
        }
        if !accepted {
            self.fail(Reason::InitializedRefused);
            return Err((Reason::InitializedRefused, id));
        }
        *self.led() = Recovery::Succeeded;
        self.stand(id, Some(version));
        Ok(())
    }

    pub(crate) fn lead_failed(&mut self) -> (Reason, Option<String>) {
        let id = match self.led().clone() {
            Recovery::Introduced { id, .. } => id,
            _ => None,
        };
        if self.closed {
            return (Reason::Closed, id);
        }
        self.fail(Reason::Transport);
        (Reason::Transport, id)
    }

    pub(crate) fn lead_dropped(&mut self) {
        *self.led() = Recovery::Cancelled;
    }

    fn fail(&mut self, reason: Reason) {
        *self.led() = Recovery::Failed(reason);
        self.strikes += 1;
    }

    fn led(&mut self) -> &mut Recovery {
        self.recoveries.last_mut().unwrap()
    }

    // ---- What belongs to a generation

    pub(crate) fn server_asked(&mut self, generation: usize, id: u8) {
        self.asked.retain(|it| *it != (Some(generation), id));
        self.asked.push((Some(generation), id));
    }

    pub(crate) fn event_seen(&mut self, seen: Seen) {
        self.events.push(seen);
    }

    fn origin_of(&self, event: u8) -> Option<&Seen> {
        self.events.iter().rfind(|it| it.event == event)
    }

    /// A reply goes to the generation that asked, and only if no other did.
    fn may_reply(&self, id: u8) -> bool {
        let newest = self.newest();
        let askers: Vec<_> = self.asked.iter().filter(|it| it.1 == id).map(|it| it.0).collect();
        askers == [Some(newest)] || (askers.is_empty() && newest <= 1)
    }

    /// Somebody's question is answered, and nobody hears of it. If it may have been that of the
    /// live generation, that can no longer be told from the others.
    fn reply_dropped(&mut self, id: u8) {
        let of_id = |it: &(Option<usize>, u8)| it.1 == id;
        if self.is_live() && self.asked.contains(&(Some(self.newest()), id)) {
            self.asked.iter_mut().filter(|it| it.1 == id).for_each(|it| it.0 = None);
        }
        if let Some(oldest) = self.asked.iter().copied().filter(of_id).min() {
            let position = self.asked.iter().position(|it| *it == oldest).unwrap();
            self.asked.remove(position);
        }
    }

    /// Whether the standalone stream can be opened instead, if the event ID may not be sent.
    fn event_of_another_generation(&self, what: What) -> Option<bool> {
        let What::Resume(event) = what else { return None };
        match self.origin_of(event) {
            Some(seen) => (seen.generation != self.newest()).then_some(seen.standalone),
            // Nobody saw it. It can be of no other generation only if there was none.
            None => (self.newest() > 1).then_some(false),
        }
    }

    fn may_be_resent(&self, what: What) -> bool {
        match (what, self.policy) {
            (What::Get | What::Resume(_), _) => true,
            (What::Cursor | What::BatchWithCursor, _) => false,
            (_, ResendPolicy::All) => true,
            (What::Read | What::BatchOfReads, ResendPolicy::ReadOnly) => true,
            _ => false,
        }
    }
}

impl Generation {
    fn new(id: Option<String>, version: Option<String>) -> Self {
        Self { id, version, ended: false, succeeded: false, streamed: false }
    }
}
