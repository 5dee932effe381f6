//! The streams that a GET opens: for push, or to resume that of a request.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::time::Duration;

use http::StatusCode;

use super::RequestRun;
use crate::client::followed::FollowedSession;
use crate::client::head::{Media, ResponseHead, Source, is_refusal};
use crate::client::interrupted::{FAILURES, Interrupted};
use crate::client::local_answer::{CallError, LocalAnswer};
use crate::client::refusal::{self, gateway};
use crate::client::step::{Handover, Step, Turn};
use crate::client::watch::Watch;
use crate::client::{Client, Shield, backoff};
use crate::exchange::Method;
use crate::session::{Outgoing, Stream};

impl<B: AsRef<[u8]>> RequestRun<B> {
    /// The wait before a stream is asked for whose predecessors died young.
    pub(super) fn wait_before(&self, followed: &FollowedSession) -> Option<Duration> {
        let is_first_try = self.facts.method == Method::Get
            && self.facts.last_event_id.is_none()
            && self.turn == Turn::First
            && !followed.is_closed();
        is_first_try.then(|| followed.standalone.delay()).filter(|delay| !delay.is_zero())
    }

    /// Takes the response to a GET that is to be delivered, as far as the session goes.
    pub(super) fn stream_answered(
        &mut self,
        client: &mut Client,
        request: Outgoing<B>,
        stream: Stream,
        head: &ResponseHead<'_>,
        handover: Handover,
        body: Option<&[u8]>,
    ) -> Step {
        let guard = client.options.stream_guard;
        if head.status.is_success() {
            return match (head.media(), self.slot) {
                (Media::EventStream, Some(slot)) => {
                    if let Some(followed) = self.followed(client) {
                        followed.standalone.opened();
                    }
                    let resumed = self.resumes.take().zip(self.facts.last_event_id.clone());
                    let watch = Watch::of_get(slot, self.alive.clone(), stream, resumed, guard);
                    Step::Deliver(Handover { watch: Some(Box::new(watch)), ..handover })
                }
                (Media::EventStream | Media::Json | Media::Other, _) if self.resumes.is_some() => {
                    self.lost("the server gave no stream")
                }
                (Media::EventStream | Media::Json | Media::Other, _) => Step::Deliver(handover),
            };
        }
        let is_of_elsewhere =
            head.source == Source::Elsewhere && head.status == StatusCode::NOT_FOUND;
        let is_ours = is_refusal(head.status)
            && !is_of_elsewhere
            && !self.is_of_closed_session(client)
            && head.status != StatusCode::UNAUTHORIZED
            && (head.status != StatusCode::METHOD_NOT_ALLOWED || self.resumes.is_some());
        if !is_ours || client.options.outage_shield == Shield::Down {
            return self.refused_to_its_caller(client, head.status, handover);
        }
        let is_outage = refusal::is_outage(head.status) && refusal::server_error(body).is_none();
        if self.resumes.is_some() {
            let detail = if is_outage { gateway(head.status) } else { refused(head.status) };
            return if refusal::may_pass(head.status) {
                self.wait_for_server(client, request, detail)
            } else {
                self.lost(&detail)
            };
        }
        let Some(followed) = self.followed(client) else { return Step::Deliver(handover) };
        if head.status == StatusCode::NOT_FOUND && !followed.session.is_live() {
            // Of streams it says nothing: the session has ended, and the next may have them.
            return self.wait_for_server(client, request, String::new());
        }
        let may_wait = followed.standalone.was_open() || is_outage;
        match may_wait.then(|| followed.standalone.refused()).flatten() {
            Some(delay) => {
                self.tries += 1;
                self.wait(client, request, delay)
            }
            None => Step::Deliver(handover),
        }
    }

    /// Takes a response without a stream that is the caller's. One that resumes may ask again: the
    /// SDKs follow redirects themselves, and after a refusal they ask once more; then they give up,
    /// and mcp 1.x says so to nobody.
    fn refused_to_its_caller(
        &mut self,
        client: &mut Client,
        status: StatusCode,
        handover: Handover,
    ) -> Step {
        if let Some(interrupted) = self.resumes.as_mut().filter(|_| is_refusal(status)) {
            let is_second = interrupted.resumptions.has_failed();
            if is_second && client.options.outage_shield == Shield::Up {
                return self.lost(&refused(status));
            }
            interrupted.resumptions = interrupted.resumptions.broke_off();
        }
        self.hand_back(client);
        Step::Deliver(handover)
    }

    /// Leaves to another GET what this one was to resume.
    pub(super) fn hand_back(&mut self, client: &mut Client) {
        let Some(interrupted) = self.resumes.take() else { return };
        let resumptions = interrupted.resumptions.once_more();
        if let (Some(event_id), Some(followed)) =
            (self.facts.last_event_id.clone(), self.followed(client))
        {
            // It was remembered by this ID before.
            let _noted =
                followed.interrupted.note(&event_id, Interrupted { resumptions, ..interrupted });
        }
    }

    /// Lets a stream wait until the server is back: the SDKs would give up for good.
    pub(super) fn wait_for_server(
        &mut self,
        client: &mut Client,
        request: Outgoing<B>,
        detail: String,
    ) -> Step {
        if client.options.outage_shield == Shield::Down {
            return self.lost(&detail);
        }
        self.tries = self.tries.saturating_add(1);
        if self.resumes.is_some() && self.tries >= FAILURES {
            return self.lost(&detail);
        }
        self.wait(client, request, backoff::delay(self.tries))
    }

    /// Answers for a stream that is gone, or will not come.
    pub(super) fn lost(&mut self, detail: &str) -> Step {
        Step::Answer(match self.resumes.take() {
            Some(interrupted) => {
                let error = CallError::connection_closed(format!("no answer came: {detail}"));
                LocalAnswer::stream_of(&error, interrupted.ids.iter().map(String::as_str))
            }
            None => LocalAnswer::not_found(),
        })
    }
}

fn refused(status: StatusCode) -> String {
    format!("the server refused its stream with HTTP status {}", status.as_u16())
}
