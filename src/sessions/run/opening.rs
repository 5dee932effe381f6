//! An `initialize`: the application opens a session, and the table is told before the client.

use alloc::boxed::Box;

use super::super::entry::{LiveRecord, kept_body, kept_version};
use super::super::key::SessionKey;
use super::super::replica::{Owned, Replica};
use super::super::step::{HandlerHeader, HiddenId, Origin, RunApp, Step, Watch};
use super::Run;
use super::reading::{AnswerReader, Progress};
use super::state::{Attached, Opened, Opening, Purpose, State};
use crate::server::{ResponseHead, Rest};
use crate::session::{InitializeAnswer, Kept};

impl Run {
    pub(super) fn open(&mut self, replica: &Replica) -> Step {
        self.attached = None;
        if replica.is_draining || !replica.owned.has_room() {
            return self.unavailable();
        }
        self.state = State::Opening(Box::new(Opening { answering: None }));
        Step::RunApp(RunApp {
            header: HandlerHeader::Absent,
            origin: Origin::Own,
            watch: Watch::Answer,
        })
    }

    /// The head of the answer to an `initialize`.
    pub(super) fn opening_head(
        &mut self,
        replica: &mut Replica,
        mut opening: Box<Opening>,
        head: ResponseHead,
    ) -> Step {
        let is_encoded = {
            let response = head.response(None);
            let answer = InitializeAnswer::new(&response, None);
            let Some(id) = answer.session_id() else { return self.end_passing(None) };
            let inner = HiddenId(id.as_str().as_bytes().into());
            let is_encoded = response.content_encoding.is_some();
            let reader = AnswerReader::new(&head);
            opening.answering = Some((head.clone(), inner, reader));
            is_encoded
        };
        if is_encoded {
            // The version cannot be read: what stands in its place is what clients send of it.
            return self.record_opening(replica, *opening, None);
        }
        self.state = State::Opening(opening);
        Step::KeepBack
    }

    /// A piece of that answer.
    pub(super) fn opening_piece(
        &mut self,
        replica: &mut Replica,
        mut opening: Box<Opening>,
        piece: &[u8],
        rest: Rest,
    ) -> Step {
        let id = self.message().and_then(|message| message.id());
        let (Some((_, _, reader)), Some(id)) = (&mut opening.answering, id) else {
            return self.end_passing(None);
        };
        match reader.add(piece, rest, id) {
            Progress::Pending => {
                self.state = State::Opening(opening);
                Step::KeepBack
            }
            Progress::Answered(message) => self.record_opening(replica, *opening, Some(&message)),
            Progress::Unanswered => self.record_opening(replica, *opening, None),
        }
    }

    fn record_opening(
        &mut self,
        replica: &mut Replica,
        opening: Opening,
        message: Option<&[u8]>,
    ) -> Step {
        let Some((head, inner, _)) = opening.answering else { return self.end_passing(None) };
        let response = head.response(None);
        let answer = InitializeAnswer::new(&response, message);
        let record = LiveRecord {
            principal: self.principal,
            version: answer.version().and_then(kept_version),
            initialize: self.body.as_deref().map(kept_body).unwrap_or_default(),
            initialized: None,
            kept: Kept::default(),
        };
        self.write_opened(replica, Opened { inner, record, minted: None })
    }

    /// Another session has the ID: a server that counts, or that was started twice with one
    /// seed. The client gets one that nobody else has.
    pub(super) fn open_under_another(&mut self, replica: &mut Replica, opened: Opened) -> Step {
        if opened.minted.is_some() {
            return self.not_opened(opened.inner);
        }
        let minted = Some(replica.mint_id());
        self.write_opened(replica, Opened { minted, ..opened })
    }

    pub(super) fn opened(
        &mut self,
        replica: &mut Replica,
        key: SessionKey,
        claim: u64,
        confirmed: Option<u64>,
        opened: Opened,
    ) -> Step {
        let Opened { inner, record, minted } = opened;
        replica.release(&key, self.number);
        let generation = replica.next_generation();
        replica.own(key, Owned::new(claim, confirmed, inner, generation, record));
        replica.note_used(key);
        self.end_passing(minted)
    }

    /// The table does not know of the session, so its client will not either: it ends in the
    /// application, and the client may try again.
    pub(super) fn not_opened(&mut self, inner: HiddenId) -> Step {
        self.state = State::Ending;
        Step::EndInApp(inner)
    }

    fn write_opened(&mut self, replica: &mut Replica, opened: Opened) -> Step {
        let id = opened.minted.as_ref().unwrap_or(&opened.inner);
        let key = replica.key.session_key(id.as_bytes());
        self.attached = Some(Attached { key, hop: None });
        let value = opened.record.encode();
        self.write(replica, key, None, 0, value, Purpose::Open(Box::new(opened)))
    }
}
