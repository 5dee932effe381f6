//! The server's requests that are open, and to which generation each reply goes.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use super::bounded::Bounded;
use super::identity::Generation;
use super::outgoing::Facts;
use crate::jsonrpc::{RequestId, RequestIdKey, spliced};

/// A question of the server's, under the id by which the caller knows it.
///
/// Servers count their requests anew in each session. A question whose id is still open in
/// another generation is shown to the caller under an id of ours, so that what the caller
/// replies is never taken for an answer to something else. A dead generation's question keeps
/// its id until it is replied to: its reply may be on the way.
#[derive(Default)]
pub(super) struct Questions {
    /// By the id under which the caller knows them.
    shown: Bounded<RequestIdKey, Question>,
    /// Where each is shown, by its server's own id.
    asked: BTreeMap<(Generation, RequestIdKey), RequestIdKey>,
    /// How many ids of ours were given out.
    aliases: u64,
}

struct Question {
    generation: Generation,
    /// The server's own id.
    own: RequestIdKey,
    /// The ids as JSON: the server's own, and ours.
    own_text: Box<str>,
    alias: Option<Box<str>>,
    /// Whether the caller was told that it has ended.
    is_ended: bool,
}

impl Question {
    fn end(&mut self) -> Option<Box<[u8]>> {
        if core::mem::replace(&mut self.is_ended, true) {
            return None;
        }
        let id = self.alias.as_deref().unwrap_or(&self.own_text);
        let notice = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"the session has ended"}}}}"#
        );
        Some(notice.into_bytes().into())
    }
}

/// What becomes of a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes out as it is.
    Keep,
    /// It goes out with this id, as JSON.
    Rewrite(Box<str>),
    /// It does not go out.
    Withhold,
}

/// What becomes of a body with replies.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Translation {
    Unchanged,
    Rewritten(Vec<u8>),
    /// None of it goes out.
    Nothing,
}

impl Questions {
    /// Takes a question; returns the id of ours, as JSON, under which the caller is to see it.
    pub(super) fn ask(&mut self, generation: Generation, id: RequestId<'_>) -> Option<Box<str>> {
        let own = id.key()?;
        let asked = (generation, own);
        if let Some(shown) = self.asked.get(&asked) {
            // A stream that is resumed asks again.
            return self.shown.get(shown)?.alias.clone();
        }
        let (_, own) = asked;
        let (shown, alias) = if self.shown.get(&own).is_none() {
            (own.clone(), None)
        } else {
            let (key, alias) = self.unused_id()?;
            (key, Some(alias))
        };
        let question = Question {
            generation,
            own: own.clone(),
            own_text: id.as_str().into(),
            alias: alias.clone(),
            is_ended: false,
        };
        self.asked.insert((generation, own), shown.clone());
        if let Some((_, oldest)) = self.shown.insert(shown, question) {
            self.asked.remove(&(oldest.generation, oldest.own));
        }
        alias
    }

    /// Takes that the server has cancelled its question; returns the id of ours under which the
    /// caller knows it, if it is one of ours.
    pub(super) fn cancel(&mut self, generation: Generation, id: RequestId<'_>) -> Option<Box<str>> {
        let shown = self.asked.remove(&(generation, id.key()?))?;
        self.shown.remove(&shown)?.alias
    }

    /// Takes a reply to the question of this id, with the generation that stands. It is open no
    /// more, wherever the reply goes: the caller replies once.
    pub(super) fn reply(
        &mut self,
        shown: Option<&RequestIdKey>,
        standing: Option<Generation>,
    ) -> Fate {
        let Some(question) = shown.and_then(|shown| self.shown.remove(shown)) else {
            // Nobody was seen to ask. It can be meant for no other generation only if there
            // was none.
            let is_first = standing.is_some_and(|standing| standing <= Generation(1));
            return if is_first { Fate::Keep } else { Fate::Withhold };
        };
        self.asked.remove(&(question.generation, question.own));
        match question.alias {
            _ if Some(question.generation) != standing => Fate::Withhold,
            Some(_) => Fate::Rewrite(question.own_text),
            None => Fate::Keep,
        }
    }

    /// Puts the server's own ids into a body, and leaves out the replies that do not go out.
    pub(super) fn translate(
        &mut self,
        body: &[u8],
        facts: &Facts,
        standing: Option<Generation>,
    ) -> Translation {
        let fates: Vec<Fate> = facts
            .members
            .iter()
            .map(|member| match &member.reply {
                Some(reply) => self.reply(reply.key.as_ref(), standing),
                None => Fate::Keep,
            })
            .collect();
        if fates.iter().all(|fate| *fate == Fate::Keep) {
            return Translation::Unchanged;
        }
        let withheld = fates.iter().filter(|fate| **fate == Fate::Withhold).count();
        if withheld == fates.len() {
            return Translation::Nothing;
        }
        let members = facts.members.iter().zip(&fates);
        if withheld == 0 {
            let edits = members.filter_map(|(member, fate)| match (fate, &member.reply) {
                (Fate::Rewrite(id), Some(reply)) => Some((reply.id.clone(), id.as_bytes())),
                (Fate::Rewrite(_) | Fate::Keep | Fate::Withhold, _) => None,
            });
            return Translation::Rewritten(spliced(body, edits));
        }
        let mut parts = Vec::new();
        for (member, fate) in members {
            let text = body.get(member.range.clone()).unwrap_or_default();
            match (fate, &member.reply) {
                (Fate::Withhold, _) => {}
                (Fate::Rewrite(id), Some(reply)) => {
                    let start = reply.id.start.saturating_sub(member.range.start);
                    let end = reply.id.end.saturating_sub(member.range.start);
                    parts.push(spliced(text, core::iter::once((start..end, id.as_bytes()))));
                }
                (Fate::Keep | Fate::Rewrite(_), _) => parts.push(text.to_vec()),
            }
        }
        Translation::Rewritten([&b"["[..], &parts.join(&b','), b"]"].concat())
    }

    /// What tells the caller that the questions of a generation that has ended are void: one
    /// `notifications/cancelled` for each, once.
    pub(super) fn end(&mut self, generation: Generation) -> Vec<Box<[u8]>> {
        self.shown
            .values_mut()
            .filter(|question| question.generation == generation)
            .filter_map(Question::end)
            .collect()
    }

    /// As [`end`](Self::end), of one question.
    pub(super) fn end_one(
        &mut self,
        generation: Generation,
        id: RequestId<'_>,
    ) -> Option<Box<[u8]>> {
        let shown = self.asked.get(&(generation, id.key()?))?;
        self.shown.get_mut(shown)?.end()
    }

    /// Whether questions of other generations are open.
    #[cfg(feature = "client")]
    pub(super) fn are_open_outside(&self, generation: Generation) -> bool {
        let ends = [self.asked.first_key_value(), self.asked.last_key_value()];
        ends.into_iter().flatten().any(|((asked_in, _), _)| *asked_in != generation)
    }

    fn unused_id(&mut self) -> Option<(RequestIdKey, Box<str>)> {
        loop {
            self.aliases += 1;
            let id = format!(r#""mcp-session-question-{}""#, self.aliases);
            let key = RequestId::from_json(&id)?.key()?;
            if self.shown.get(&key).is_none() {
                return Some((key, id.into()));
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.shown.len(), self.asked.len());
        self.shown.len()
    }
}
