//! What an application can hear about its sessions.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::session::Reason;
use crate::table::Rule;

/// More than this is not kept until somebody asks for it; the oldest go first.
const KEPT: usize = 256;

/// What happened to a session.
///
/// Exhaustive on purpose: a driver tells of each.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// The server ended it.
    Terminated {
        /// The ID that the caller knows.
        session: SessionName,
        /// By which row.
        rule: Rule,
    },
    /// Another stands in its place.
    Reinitialized {
        /// The ID that the caller knows.
        session: SessionName,
        /// The new ID; none if the server keeps no session now.
        replaced_by: Option<SessionName>,
        /// The new `InitializeResult`, as JSON.
        result: Vec<u8>,
        /// What the new session refused to be told again, by its JSON-RPC method.
        refused: Vec<String>,
    },
    /// A session that counted as ended was found alive.
    Revived {
        /// The ID that the caller knows.
        session: SessionName,
    },
    /// No new session could be had.
    RecoveryFailed {
        /// The ID that the caller knows.
        session: SessionName,
        /// Why.
        reason: Reason,
        /// What came back.
        detail: String,
    },
    /// A request ended without the server's answer.
    RequestGivenUp {
        /// The ID that the caller knows.
        session: SessionName,
        /// Why.
        reason: Reason,
        /// What its caller was told.
        detail: String,
    },
}

impl fmt::Debug for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Terminated { .. } => "Terminated",
            Self::Reinitialized { .. } => "Reinitialized",
            Self::Revived { .. } => "Revived",
            Self::RecoveryFailed { .. } => "RecoveryFailed",
            Self::RequestGivenUp { .. } => "RequestGivenUp",
        })
    }
}

/// The ID by which a session goes. A credential: a driver shows a fingerprint of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionName(Box<str>);

impl SessionName {
    pub(super) fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The ID itself. Keep it out of logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionName(redacted)")
    }
}

/// Events that wait to be asked for.
#[derive(Default)]
pub(super) struct Events(VecDeque<Event>);

impl Events {
    pub(super) fn push(&mut self, event: Event) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        self.0.pop_front()
    }
}
