//! What came back: what it means for the session, and what the caller gets.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use http::StatusCode;

use super::state::{Answering, State};
use super::{RequestRun, Role};
use crate::client::followed::LONGEST_ID;
use crate::client::head::{Media, ResponseHead, Source};
use crate::client::local_answer::{CallError, LocalAnswer, Posted};
use crate::client::refusal::{self, IN_DOUBT, Refusal};
use crate::client::server_message::{Heard, PendingAnswers, Readable, said, unanswered};
use crate::client::step::{AnswerBody, Handover, ReadLimit, Step};
use crate::client::watch::Watch;
use crate::client::{Client, Misuse, Options, Shield};
use crate::exchange::{Method, Request, SessionId, Side};
use crate::session::{AfterStep, Cooldown, Delivery, Exchange, GivenUp, Outgoing, Reason, Stream};
use crate::table::{Action, needs_body};

impl<B: AsRef<[u8]>> RequestRun<B> {
    /// Takes an answer that was read whole, or broke off.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: no answer was to be read.
    pub(super) fn answer_read(
        &mut self,
        client: &mut Client,
        body: AnswerBody<'_>,
    ) -> Result<Step, Misuse> {
        let Answering { stream, mut pending, status } =
            self.state.take_answering().ok_or(Misuse)?;
        let Some(followed) = self.followed(client) else { return Ok(Step::deliver()) };
        let body = match body {
            AnswerBody::Whole(body) => body,
            AnswerBody::Cut(kind) => {
                let detail = format!("the answer broke off: {kind}; {IN_DOUBT}");
                followed.note_given_up(Reason::Transport, &detail);
                return Ok(self.ending(detail));
            }
        };
        let (heard, readable) = pending.saw(body);
        let readable = match readable {
            Some(Readable { answer, others }) if !others.is_empty() => {
                let mut seen = |it: Vec<u8>| followed.saw_message(stream, &it).unwrap_or(it);
                let messages: Vec<_> = others.into_iter().chain([answer]).map(&mut seen).collect();
                return Ok(Step::Answer(LocalAnswer::stream_of_messages(&messages)));
            }
            Some(Readable { answer, .. }) => Some(answer),
            None => None,
        };
        let body = readable.as_deref().unwrap_or(body);
        let seen = followed.saw_message(stream, body);
        if pending.is_empty() {
            let body = seen.or(readable);
            return Ok(Step::Deliver(Handover { body, ..Handover::plain() }));
        }
        let detail = match said(body) {
            Some(text) => unanswered(&followed.shown(&text)),
            None => {
                unanswered(&format!("HTTP status {} without a response to it", status.as_u16()))
            }
        };
        followed.note_given_up(Reason::Transport, &detail);
        let error = CallError::connection_closed(detail);
        Ok(match (&self.facts.posted, heard == Heard::Answer) {
            // Some of a batch were answered, and those answers are the caller's.
            (Posted::Batch(_), true) => {
                let missing: Vec<String> = pending.unanswered().map(str::to_owned).collect();
                Step::Answer(LocalAnswer::completing(body, &missing, &error))
            }
            (Posted::Request(_) | Posted::Batch(_) | Posted::OneWay | Posted::Malformed, _) => {
                Step::Answer(LocalAnswer::ending(&self.facts.posted, &error))
            }
        })
    }

    /// Whether a refusal is read before anything is concluded from it.
    pub(super) fn must_read(
        &self,
        exchange: &Exchange<B>,
        options: &Options,
        head: &ResponseHead<'_>,
    ) -> bool {
        let request = Request {
            session_id: exchange.is_attached().then_some(b"attached"),
            ..Request::new(self.facts.method)
        };
        let of_table = needs_body(
            Side::Client(options.session.quirks),
            &request,
            &head.with_body(None, &options.misreports),
        );
        let of_message = match self.facts.method {
            Method::Post => {
                self.facts.role == Role::Ordinary && Refusal::needs_body(head.status, options)
            }
            Method::Get => refusal::is_outage(head.status) && options.outage_shield == Shield::Up,
            Method::Delete | Method::Other => false,
        };
        of_table || of_message
    }

    /// Takes a response, its body as far as that was to be read.
    pub(super) fn answered(
        &mut self,
        client: &mut Client,
        exchange: Exchange<B>,
        head: &ResponseHead<'_>,
        body: Option<&[u8]>,
    ) -> Step {
        let answer = exchange.answered(&head.with_body(body, &client.options.misreports));
        let followed = self.slot.and_then(|slot| client.registry.session(slot));
        let Some(followed) = followed else { return Step::deliver() };
        if let Some(id) = head.session_id.filter(|id| !id.is_empty()) {
            followed.had_id(id);
        }
        let Ok(after) = followed.session.after_answer(answer) else {
            return Step::deliver();
        };
        if after.ended_session {
            followed.note_terminated(after.rule);
        }
        if after.revived_session {
            followed.note_revived();
        }
        match after.step {
            AfterStep::Deliver(delivery) => {
                self.deliver(client, delivery, after.action, head, body)
            }
            AfterStep::Resend(transmit) => self.transmit(transmit),
            AfterStep::Hold(hold) => self.hold(hold),
            AfterStep::Lead(lead, hold) => self.lead(lead, hold),
            AfterStep::Drop(_) => self.dropped(),
            AfterStep::GiveUp(given_up) => self.give_up(client, given_up),
        }
    }

    fn deliver(
        &mut self,
        client: &mut Client,
        delivery: Delivery<B>,
        action: Action,
        head: &ResponseHead<'_>,
        body: Option<&[u8]>,
    ) -> Step {
        let Delivery { request, stream, orphan, .. } = delivery;
        let mut handover = Handover { orphan, ..Handover::plain() };
        let is_success = head.status.is_success();
        if is_success {
            self.note_success(client);
        }
        match self.facts.method {
            Method::Get => {
                return self.stream_answered(client, request, stream, head, handover, body);
            }
            Method::Delete => {
                if is_success {
                    self.forget(client);
                } else if action == Action::Clear && head.status != StatusCode::METHOD_NOT_ALLOWED {
                    // It is gone, by an answer of which the SDKs would warn.
                    self.forget(client);
                    return Step::Answer(LocalAnswer::no_content());
                }
                return Step::Deliver(handover);
            }
            Method::Other => return Step::Deliver(handover),
            Method::Post => {}
        }
        match self.facts.role {
            Role::Initialize => {
                if is_success && handover.orphan.is_none() {
                    handover.alias = self.opened(client, head);
                }
                return self.watched_unless_plain(client, stream, head, handover);
            }
            Role::Discover => return Step::Deliver(handover),
            // Its questions and event IDs are remembered: its caller comes back to them.
            Role::AfterDelete => return self.watched_unless_plain(client, stream, head, handover),
            Role::Ordinary => {}
        }
        if is_success {
            return self.succeeded(client, stream, head, handover);
        }
        let refusal = Refusal::of(head.status, body, &client.options);
        self.refused(client, refusal, handover)
    }

    /// What becomes of a refusal of a message of the caller's.
    pub(super) fn refused(
        &self,
        client: &mut Client,
        refusal: Refusal,
        handover: Handover,
    ) -> Step {
        match refusal {
            Refusal::AsItCame => Step::Deliver(handover),
            Refusal::Outage(error) | Refusal::Failed(error) => {
                if let Some(followed) = self.followed(client) {
                    let detail = followed.shown(error.message());
                    followed.note_given_up(Reason::Transport, &detail);
                }
                Step::Answer(LocalAnswer::ending(&self.facts.posted, &error))
            }
        }
    }

    /// Whether a refusal is the end of the call alone, though the call is of no session.
    pub(super) fn is_shielded_without_session(&self, client: &Client, status: StatusCode) -> bool {
        self.slot.is_none()
            && self.facts.role == Role::Ordinary
            && client.options.status_shield == Shield::Up
            && Refusal::needs_body(status, &client.options)
            && client.registry.has_answered(self.facts.endpoint.borrowed())
    }

    /// A 2xx to a message of the caller's.
    fn succeeded(
        &mut self,
        client: &Client,
        stream: Stream,
        head: &ResponseHead<'_>,
        handover: Handover,
    ) -> Step {
        let pending = match &self.facts.posted {
            Posted::Batch(ids) => PendingAnswers::of_batch(ids),
            posted @ (Posted::Request(_) | Posted::OneWay | Posted::Malformed) => {
                PendingAnswers::of(posted.ids())
            }
        };
        match head.media() {
            Media::EventStream => self.watched(client, stream, pending, handover),
            media @ (Media::Json | Media::Other)
                if client.options.stream_guard == Shield::Up && !pending.is_empty() =>
            {
                let status = head.status;
                self.state = State::Answering(Answering { stream, pending, status });
                match media {
                    // A page, perhaps without an end: the SDKs read none of it.
                    Media::Other => Step::Read(ReadLimit::REFUSAL),
                    Media::Json | Media::EventStream => Step::ReadAnswer,
                }
            }
            Media::Json | Media::Other => Step::Deliver(handover),
        }
    }

    fn watched_unless_plain(
        &self,
        client: &Client,
        stream: Stream,
        head: &ResponseHead<'_>,
        handover: Handover,
    ) -> Step {
        match (head.status.is_success(), head.media()) {
            // Its answer is the caller's alone to wait for.
            (true, Media::EventStream) => {
                self.watched(client, stream, PendingAnswers::default(), handover)
            }
            (true | false, Media::EventStream | Media::Json | Media::Other) => {
                Step::Deliver(handover)
            }
        }
    }

    fn watched(
        &self,
        client: &Client,
        stream: Stream,
        pending: PendingAnswers,
        handover: Handover,
    ) -> Step {
        let Some(slot) = self.slot else { return Step::Deliver(handover) };
        let alive = self.alive.clone();
        let watch = Watch::of_answer(slot, alive, stream, pending, client.options.stream_guard);
        Step::Deliver(Handover { watch: Some(Box::new(watch)), ..handover })
    }

    /// Takes in the session that an `initialize` of the caller's has opened; gives the ID by
    /// which the caller will name it, where that is another than the server's.
    fn opened(&self, client: &mut Client, head: &ResponseHead<'_>) -> Option<String> {
        let slot = self.slot?;
        client.registry.opened(slot);
        let is_usable =
            |id: &&str| SessionId::parse(id.as_bytes()).is_some() && id.len() <= LONGEST_ID;
        let id = head.session_id.filter(is_usable)?;
        let endpoint = self.facts.endpoint.borrowed();
        let known_as = client.registry.name_for_caller(slot, endpoint, id);
        let followed = client.registry.session(slot)?;
        followed.set_known_as(&known_as);
        followed.had_id(id);
        (known_as != id).then_some(known_as)
    }

    /// Takes a success: of the endpoint, and for the credentials that were sent.
    fn note_success(&self, client: &mut Client) {
        if self.facts.method == Method::Post {
            client.registry.note_answered(self.facts.endpoint.borrowed());
        }
    }

    pub(super) fn unfollowed_response(&self, client: &mut Client, head: &ResponseHead<'_>) -> Step {
        if head.status.is_success() && head.source == Source::Server {
            self.note_success(client);
            let attached = self.facts.session_id.as_deref();
            let credentials = self.facts.credentials;
            // Servers answer 202 to the dead, and `initialize` whatever ID it bears.
            let is_call = self.facts.role == Role::Ordinary && !self.facts.posted.ids().is_empty();
            if let Some(followed) = self.followed(client).filter(|_| is_call) {
                // Only who bore the ID that stands has been let into this session.
                if followed.live_id().as_deref() == attached {
                    followed.accepted(credentials);
                }
            }
        }
        Step::deliver()
    }

    /// What becomes of a request whose server is not there.
    pub(super) fn unreachable(
        &mut self,
        client: &mut Client,
        outgoing: Option<Outgoing<B>>,
        detail: String,
    ) -> Step {
        // Nobody waits in a session that its caller has ended.
        let is_over = self.facts.method == Method::Get && self.is_of_closed_session(client);
        if client.options.outage_shield == Shield::Down
            || self.facts.role != Role::Ordinary
            || is_over
        {
            self.hand_back(client);
            return Step::Raise;
        }
        match (self.facts.method, &self.facts.posted, outgoing) {
            (Method::Get, _, Some(outgoing)) => self.wait_for_server(client, outgoing, detail),
            (Method::Post, Posted::Malformed, _) => Step::Raise,
            (Method::Post, Posted::Request(_) | Posted::Batch(_) | Posted::OneWay, Some(_)) => {
                if let Some(followed) = self.followed(client) {
                    followed.note_given_up(Reason::Transport, &detail);
                }
                self.ending(detail)
            }
            (Method::Post, Posted::Request(_) | Posted::Batch(_) | Posted::OneWay, None)
                if client.registry.has_answered(self.facts.endpoint.borrowed()) =>
            {
                self.ending(detail)
            }
            (Method::Post | Method::Get | Method::Delete | Method::Other, _, _) => Step::Raise,
        }
    }

    pub(super) fn give_up(&mut self, client: &mut Client, given_up: GivenUp<B>) -> Step {
        let GivenUp { request, reason, retry_after, .. } = given_up;
        // What was sent once is not sent anew by a way around: its policy, its cancellation and
        // its second 404 stand.
        let may_begin_anew =
            reason == Reason::BoundReached && (self.facts.method == Method::Get || !self.was_sent);
        if let Some(cooldown) = retry_after.filter(|_| may_begin_anew) {
            self.state = State::CircuitOpen(request, cooldown, reason);
            return Step::CircuitOpen(cooldown);
        }
        self.give_up_at_once(client, request, reason)
    }

    /// What becomes of a request while no new session may be made.
    pub(super) fn cut_off(
        &mut self,
        client: &mut Client,
        request: Outgoing<B>,
        cooldown: Cooldown,
        reason: Reason,
    ) -> Step {
        if self.facts.method == Method::Get && self.resumes.is_none() {
            return self.wait(client, request, cooldown.duration());
        }
        self.give_up_at_once(client, request, reason)
    }

    pub(super) fn give_up_at_once(
        &mut self,
        client: &mut Client,
        request: Outgoing<B>,
        reason: Reason,
    ) -> Step {
        let Some(followed) = self.followed(client) else { return Step::Raise };
        let detail = followed.given_up(reason);
        match self.facts.method {
            Method::Delete => Step::Answer(LocalAnswer::no_content()),
            Method::Get if may_pass(reason) => self.wait_for_server(client, request, detail),
            Method::Get => self.lost(&detail),
            Method::Post | Method::Other => {
                followed.note_given_up(reason, &detail);
                self.ending(detail)
            }
        }
    }

    /// What becomes of a request that was held for too long.
    pub(super) fn ended_while_held(
        &mut self,
        client: &mut Client,
        request: Outgoing<B>,
        detail: String,
    ) -> Step {
        match self.facts.method {
            // A stream has time.
            Method::Get => self.wait_for_server(client, request, detail),
            Method::Post | Method::Delete | Method::Other => self.ending(detail),
        }
    }

    pub(super) fn dropped(&self) -> Step {
        Step::Answer(match self.facts.method {
            Method::Delete => LocalAnswer::no_content(),
            Method::Post | Method::Get | Method::Other => LocalAnswer::accepted(),
        })
    }

    /// Ends a POST for the server.
    pub(super) fn ending(&self, detail: String) -> Step {
        let error = CallError::connection_closed(detail);
        Step::Answer(LocalAnswer::ending(&self.facts.posted, &error))
    }

    fn forget(&self, client: &mut Client) {
        if let Some(slot) = self.slot {
            client.registry.forget(slot);
        }
    }
}

/// Whether a stream that was given up for this reason may be had later.
fn may_pass(reason: Reason) -> bool {
    match reason {
        Reason::Transport
        | Reason::InitializeRefused
        | Reason::InitializedRefused
        | Reason::IllFormedSessionId
        | Reason::BoundReached => true,
        Reason::Closed
        | Reason::NoInitialize
        | Reason::ModernOnlyServer
        | Reason::NotResent
        | Reason::Cancelled
        | Reason::StreamLost => false,
    }
}
