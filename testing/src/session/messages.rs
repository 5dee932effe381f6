//! The driver's other half: what comes in on streams, and what the clock says.

use mcp_session_core::peek;
use mcp_session_core::session::Seen;

use super::drafts::{event_id, select};
use super::model;
use super::operations::{Answered, Happened};
use super::words::What;
use super::world::{Delivered, World};

impl World {
    pub(super) fn server_asks(&mut self, which: u8, id: u8) {
        let Some(which) = select(which, self.streams.len()) else { return };
        let Delivered { stream, generation, .. } = self.streams[which];
        let own = id.to_string();
        let message = format!(r#"{{"jsonrpc":"2.0","id":{own},"method":"elicitation/create"}}"#);
        let (may_be_own, before) = self.model.server_asks(generation, &own);
        let shown = match self.session.saw_message(stream, message.as_bytes()) {
            Seen::Unchanged => own.clone(),
            Seen::Rewritten(body) => {
                let shown = peek(&body).id().map(|it| it.as_str().to_owned()).unwrap();
                let expected =
                    format!(r#"{{"jsonrpc":"2.0","id":{shown},"method":"elicitation/create"}}"#);
                assert_eq!(expected.as_bytes(), body, "only the id is another");
                shown
            }
        };
        let expected =
            before.unwrap_or_else(|| if may_be_own { own.clone() } else { shown.clone() });
        assert_eq!(expected, shown, "after {}", self.told());
        assert!(
            may_be_own || shown != own || self.is_shown_as(generation, &own),
            "{}",
            self.told()
        );
        self.shown.push(shown.clone());
        self.model.server_asked(generation, &own, &shown);
        self.history.push(Happened::ServerAsked { generation, own, shown });
    }

    pub(super) fn is_shown_as(&self, generation: usize, own: &str) -> bool {
        self.model.server_asks(generation, own).1.is_some_and(|it| it == own)
    }

    pub(super) fn server_cancels(&mut self, which: u8, id: u8) {
        let Some(which) = select(which, self.streams.len()) else { return };
        let Delivered { stream, generation, .. } = self.streams[which];
        let own = id.to_string();
        let message = |id: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
            )
        };
        let expected = match self.model.server_cancelled(generation, &own) {
            Some(shown) if shown != own => Seen::Rewritten(message(&shown).into_bytes()),
            Some(_) | None => Seen::Unchanged,
        };
        let seen = self.session.saw_message(stream, message(&own).as_bytes());
        assert_eq!(expected, seen, "after {}", self.told());
        self.history.push(Happened::ServerCancelled { generation, own });
    }

    pub(super) fn answer_seen(&mut self, which: u8, how: Answered) {
        let Some(which) = select(which, self.streams.len()) else { return };
        let Delivered { request, stream, generation, .. } = self.streams[which];
        let (what, is_result) = match how {
            Answered::Result => (r#""result":{}"#, true),
            Answered::Error => (r#""error":{"code":1,"message":"no"}"#, false),
        };
        let message = format!(r#"{{"jsonrpc":"2.0","id":{request},{what}}}"#);
        let seen = self.session.saw_message(stream, message.as_bytes());
        assert_eq!(Seen::Unchanged, seen);
        self.model.answer_seen(request, generation, is_result);
        self.history.push(Happened::AnswerSeen { request, generation, is_result });
    }

    pub(super) fn event_seen(&mut self, which: u8, event: u8) {
        let Some(which) = select(which, self.streams.len()) else { return };
        let Delivered { stream, generation, standalone, .. } = self.streams[which];
        self.session.saw_event_id(stream, &event_id(event));
        self.model.event_seen(model::Seen { event, generation, standalone });
        self.history.push(Happened::EventSeen { generation, event });
    }

    pub(super) fn cooldown_over(&mut self) {
        let Some(cooldown) = self.cooldowns.last() else { return };
        self.session.cooldown_over(*cooldown);
        self.model.cooldown_over();
        self.history.push(Happened::CooldownOver);
    }

    pub(super) fn earlier_cooldown_over(&mut self) {
        let Some((_last, earlier)) = self.cooldowns.split_last() else { return };
        for cooldown in earlier {
            self.session.cooldown_over(*cooldown);
        }
    }

    pub(super) fn take_notices(&mut self) {
        let mut shown: Vec<String> = Vec::new();
        for notice in self.session.take_notices() {
            let text = std::str::from_utf8(&notice).unwrap();
            let (_, rest) = text.split_once(r#""requestId":"#).unwrap();
            shown.push(rest.split_once(',').unwrap().0.to_owned());
            let message = peek(&notice);
            assert_eq!(Some("notifications/cancelled"), message.method().as_deref());
        }
        shown.sort();
        assert_eq!(self.model.take_notices(), shown, "after {}", self.told());
        if !shown.is_empty() {
            self.history.push(Happened::Voided { shown });
        }
    }

    /// The id, as JSON, that a reply answers to.
    pub(super) fn replies_to(&self, what: What) -> Option<String> {
        match what {
            What::Reply(id) | What::BatchOfReply(id) => Some(id.to_string()),
            What::ReplyShown(which) => {
                let shown = select(which, self.shown.len()).map(|it| self.shown[it].clone());
                Some(shown.unwrap_or_else(|| "0".to_owned()))
            }
            _ => None,
        }
    }
}
