//! The model's other half: how a leader ends, and what belongs to a generation (questions, what
//! is kept, event IDs).

use mcp_session_core::session::{Reason, ResendPolicy};

use super::model::{Model, Question, Recovery, Seen, Told};
use super::words::{Restored, Step, What};

impl Model {
    pub fn lead_failed(&mut self) -> (Reason, Option<String>) {
        let id = match self.led().clone() {
            Recovery::Initialized { id, .. } => id,
            _ => None,
        };
        if self.closed {
            return (Reason::Closed, id);
        }
        self.fail(Reason::Transport);
        (Reason::Transport, id)
    }

    /// Returns what was restored, and what is to be restored next; otherwise how many were
    /// refused.
    pub fn restore_answered(&mut self, accepted: bool) -> (Restored, Result<Restored, usize>) {
        let Recovery::Restoring { generation, now, mut rest, refused } = self.led().clone() else {
            panic!("nobody restores")
        };
        let refused = refused + usize::from(!accepted);
        if !accepted {
            match now {
                Restored::Level(_) => self.level = None,
                Restored::Resource(resource) => self.subscribed.retain(|it| *it != resource),
            }
        }
        if rest.is_empty() || self.closed || generation != self.newest() {
            *self.led() = Recovery::Over;
            return (now, Err(refused));
        }
        let next = rest.remove(0);
        *self.led() = Recovery::Restoring { generation, now: next, rest, refused };
        (now, Ok(next))
    }

    /// What restoring goes on with where one got no answer, which the next session is told again.
    pub fn restore_unanswered(&mut self) -> (Restored, Result<Restored, usize>) {
        let (level, subscribed) = (self.level, self.subscribed.clone());
        let next = self.restore_answered(false);
        (self.level, self.subscribed) = (level, subscribed);
        next
    }

    /// Returns how many were refused or not told.
    pub fn restore_failed(&mut self) -> usize {
        let Recovery::Restoring { rest, refused, .. } = self.led().clone() else {
            panic!("nobody restores")
        };
        *self.led() = Recovery::Over;
        refused + 1 + rest.len()
    }

    /// Whether the caller may see the question under its own id; and the one it is shown under,
    /// if it was asked before.
    pub fn server_asks(&self, generation: usize, own: &str) -> (bool, Option<String>) {
        let asked = self.questions.iter().find(|it| it.generation == generation && it.own == own);
        let is_taken = self.questions.iter().any(|it| it.shown == own);
        (!is_taken, asked.map(|it| it.shown.clone()))
    }

    pub fn server_asked(&mut self, generation: usize, own: &str, shown: &str) {
        let asked = self.questions.iter().any(|it| it.generation == generation && it.own == own);
        if !asked {
            self.questions.push(Question {
                generation,
                own: own.to_owned(),
                shown: shown.to_owned(),
                told_of_its_end: false,
            });
        }
        if generation < self.newest() {
            self.void(|it| it.generation == generation && it.own == own);
        }
    }

    /// Returns the id under which the caller knows the question, if it is open.
    pub fn server_cancelled(&mut self, generation: usize, own: &str) -> Option<String> {
        let position =
            self.questions.iter().position(|it| it.generation == generation && it.own == own)?;
        Some(self.questions.remove(position).shown)
    }

    pub(super) fn void_questions(&mut self) {
        let newest = self.newest();
        self.void(|it| it.generation == newest);
    }

    pub(super) fn void(&mut self, of_it: impl Fn(&Question) -> bool) {
        for question in self.questions.iter_mut().filter(|it| of_it(it) && !it.told_of_its_end) {
            question.told_of_its_end = true;
            self.notices.push(question.shown.clone());
        }
    }

    /// The ids of the questions that are void, sorted.
    pub fn take_notices(&mut self) -> Vec<String> {
        self.notices.sort();
        std::mem::take(&mut self.notices)
    }

    /// A reply goes to the generation that asked, under the id that it asked by; or to the
    /// first, if nobody was seen to ask.
    pub(super) fn replied(&mut self, request: usize, shown: &str) -> Step {
        let newest = self.newest();
        let can_go = self.closed || self.is_live();
        let own = match self.questions.iter().position(|it| it.shown == shown) {
            Some(position) => {
                let question = self.questions.remove(position);
                (question.generation == newest).then_some(question.own)
            }
            None => (newest <= 1).then(|| shown.to_owned()),
        };
        match own {
            Some(own) if can_go => self.send(request, false, Some(own)),
            _ if can_go && matches!(self.requests[request].what, What::BatchOfReply(_)) => {
                // The notification beside it goes out alone.
                self.send(request, false, None)
            }
            _ => Step::Drop,
        }
    }

    /// Takes an answer to a request that was seen on a stream of that generation.
    pub fn answer_seen(&mut self, request: usize, generation: usize, is_result: bool) {
        let of_it = |it: &Told| it.request == request && it.generation == generation;
        let Some(position) = self.told.iter().position(of_it) else { return };
        self.told.remove(position);
        match self.requests[request].what {
            _ if !is_result => {}
            What::SetLevel(level) => self.level = Some(level),
            What::Subscribe(resource) => {
                self.subscribed.retain(|it| *it != resource);
                self.subscribed.push(resource);
            }
            What::Unsubscribe(resource) => self.subscribed.retain(|it| *it != resource),
            _ => {}
        }
    }

    pub fn event_seen(&mut self, seen: Seen) {
        self.events.push(seen);
    }

    /// What a request's event ID resumes: what is known of it, or else the stream that bore it
    /// last; before a stream for push was opened in this generation, the one before it.
    pub(super) fn origin_of(&self, request: usize, event: u8) -> Option<&Seen> {
        let request = &self.requests[request];
        if request.resumed.is_some() {
            return request.resumed.as_ref();
        }
        let last = self.events.iter().rfind(|it| it.event == event)?;
        let for_push = self.events.iter().rfind(|it| it.event == event && it.standalone);
        let newest = self.newest();
        let is_to_be_reopened = last.generation == newest && !self.generations[newest].reopened;
        for_push.filter(|_| is_to_be_reopened).or(Some(last))
    }

    /// Whether the standalone stream can be opened instead, if the event ID may not be sent.
    pub(super) fn event_of_another_generation(&self, request: usize) -> Option<bool> {
        let What::Resume(event) = self.requests[request].what else { return None };
        match self.origin_of(request, event) {
            Some(seen) => (seen.generation != self.newest()).then_some(seen.standalone),
            // Nobody saw it. It can be of no other generation only if there was none.
            None => (self.newest() > 1).then_some(false),
        }
    }

    pub(super) fn may_be_resent(&self, what: What) -> bool {
        match (what, self.policy) {
            (What::Get | What::Resume(_), _) => true,
            (What::Cursor | What::BatchWithCursor, _) => false,
            (_, ResendPolicy::All) => true,
            (What::Read | What::BatchOfReads, ResendPolicy::ReadOnly) => true,
            _ => false,
        }
    }
}
