//! The application's answer, read for the message that answers a request.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::jsonrpc::{Kind, Message, RequestId, peek};
use crate::server::{ResponseHead, Rest};
use crate::sse::{Event, EventReader};

/// What an answer costs at most, in bytes, until its message is known. A piece counts for at
/// least 64.
const LONGEST_ANSWER: usize = 1024 * 1024;
const LEAST_PIECE: usize = 64;

/// Reads the body of an answer, piece by piece.
pub(super) struct AnswerReader {
    body: Body,
    cost: usize,
}

enum Body {
    Json(Vec<u8>),
    Events(Box<EventReader>),
}

/// What a piece has brought.
pub(super) enum Progress {
    /// The message may still come.
    Pending,
    /// This is the message.
    Answered(Box<[u8]>),
    /// It did not come, or is too far away.
    Unanswered,
}

impl AnswerReader {
    /// Begins with a head.
    pub(super) fn new(head: &ResponseHead) -> Self {
        let body = if is_event_stream(head) {
            Body::Events(Box::new(EventReader::new(LONGEST_ANSWER)))
        } else {
            Body::Json(Vec::new())
        };
        Self { body, cost: 0 }
    }

    /// Takes the next piece.
    pub(super) fn add(&mut self, piece: &[u8], rest: Rest, id: RequestId<'_>) -> Progress {
        self.cost = self.cost.saturating_add(piece.len().max(LEAST_PIECE));
        if self.cost > LONGEST_ANSWER + LEAST_PIECE {
            return Progress::Unanswered;
        }
        let answer = match &mut self.body {
            Body::Json(body) => {
                body.extend_from_slice(piece);
                let is_whole = rest == Rest::Ended && peek(body).answers(id);
                is_whole.then(|| core::mem::take(body).into())
            }
            Body::Events(events) => events.read(piece).find_map(|event| match event {
                Event::Message { data, .. } => {
                    peek(data.as_bytes()).answers(id).then(|| data.into_bytes().into())
                }
                Event::TooLong => None,
            }),
        };
        match (answer, rest) {
            (Some(answer), _) => Progress::Answered(answer),
            (None, Rest::Follows) => Progress::Pending,
            (None, Rest::Ended) => Progress::Unanswered,
        }
    }
}

/// Whether the body behind a head is a stream of events.
pub(super) fn is_event_stream(head: &ResponseHead) -> bool {
    let content_type = head.response(None).content_type.unwrap_or_default();
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// Whether it says that the client is initialized.
pub(super) fn is_initialized(message: &Message<'_>) -> bool {
    message.kind() == Kind::Notification
        && message.method().is_some_and(|method| method == "notifications/initialized")
}
