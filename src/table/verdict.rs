//! What comes of a look at the tables.

use super::rows::{Action, Rule, SessionHeader};
use crate::answer::Answer;
use crate::exchange::{Request, SessionId};
use crate::jsonrpc::Message;

/// What to do, and the rows that say so.
///
/// It has two parts, each of which can be acted on alone. The answer: [`action`](Self::action),
/// [`rule`](Self::rule) and what the action needs. And the session header:
/// [`session_header`](Self::session_header), of the request from
/// [`admit`](crate::admit), of the response from [`classify`](crate::classify).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a verdict is to be acted upon"]
pub struct Verdict<'a> {
    action: Action,
    rule: Rule,
    session_header: SessionHeader,
    session_id: Option<SessionId<'a>>,
    response: Option<Answer<'a>>,
}

impl<'a> Verdict<'a> {
    /// What to do.
    pub fn action(&self) -> Action {
        self.action
    }

    /// The row that says so.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// Whether a server or proxy passes the session header on.
    pub fn session_header(&self) -> SessionHeader {
        self.session_header
    }

    /// The ID to adopt; with [`Action::AdoptSession`] only.
    pub fn session_id(&self) -> Option<SessionId<'a>> {
        self.session_id
    }

    /// The answer to give; with the three `*Response` actions only.
    pub fn response(&self) -> Option<Answer<'a>> {
        self.response
    }

    /// `offered` is the value of the response's session header.
    #[inline]
    pub(super) fn new(
        (rule, action): (Rule, Action),
        session_header: SessionHeader,
        request: &Request<'a>,
        offered: Option<&'a [u8]>,
    ) -> Self {
        let id = || request.posted().and_then(Message::echoed_id);
        let (session_id, response) = match action {
            Action::AdoptSession => (offered.and_then(SessionId::parse), None),
            Action::NotFoundResponse => (None, Some(Answer::not_found(id()))),
            Action::BadRequestResponse => (None, Some(Answer::bad_request(id()))),
            Action::UnavailableResponse => (None, Some(Answer::unavailable(id()))),
            Action::PassThrough | Action::ClearAndReinit | Action::Clear => (None, None),
        };
        Self { action, rule, session_header, session_id, response }
    }
}
