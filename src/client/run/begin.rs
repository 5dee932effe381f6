//! Which requests are looked at, and which of them opens a session.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::{Facts, RequestRun, Role, State};
use crate::client::followed::FollowedSession;
use crate::client::head::{Media, RequestHead};
use crate::client::local_answer::Posted;
use crate::client::owned::OwnedEndpoint;
use crate::client::registry::Slot;
use crate::client::step::{Step, Transmission, Trial, Turn};
use crate::client::{Client, Shield};
use crate::exchange::Method;
use crate::jsonrpc::peek;
use crate::session::{Outgoing, Session};

/// Which look at a request is worth while.
///
/// Exhaustive on purpose: the driver has to act on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the request's caller waits for it"]
pub enum Look {
    /// None: send it as if we were not there.
    Pass,
    /// One at its message, if that need not be read for us.
    AtMessage,
    /// One at its message, read or not: it is of a session that is followed.
    AtSession,
}

/// What is done with a request that is about to be sent.
///
/// Exhaustive on purpose: the driver has to act on each.
#[derive(Debug)]
#[must_use = "the request's caller waits for it"]
pub enum Begin<B> {
    /// It is nothing to us: send it as if we were not there.
    Pass,
    /// It is looked at on its way; the step comes first.
    Run(Box<RequestRun<B>>, Step),
}

impl Client {
    /// Says whether a request is worth a look, by its head.
    pub fn look(&mut self, head: &RequestHead<'_>) -> Look {
        let is_followed =
            head.attached().is_some_and(|id| self.registry.find(head.endpoint, id).is_some());
        if is_followed {
            Look::AtSession
        } else if head.method == Method::Post && head.media() == Media::Json {
            Look::AtMessage
        } else {
            Look::Pass
        }
    }

    /// Takes a request that is about to be sent.
    ///
    /// ```
    /// use mcp_session_core::Method;
    /// use mcp_session_core::client::{
    ///     Begin, Client, Credentials, Endpoint, Look, Options, RequestHead, Step,
    /// };
    ///
    /// let mut client = Client::new(Options::default(), 7);
    /// let head = RequestHead {
    ///     method: Method::Post,
    ///     endpoint: Endpoint { scheme: "https", host: "mcp.example", path: "/mcp" },
    ///     credentials: Credentials::OfClient,
    ///     session_id: None,
    ///     protocol_version: None,
    ///     last_event_id: None,
    ///     content_type: Some("application/json"),
    /// };
    /// let body = br#"{"jsonrpc":"2.0","id":0,"method":"initialize"}"#;
    ///
    /// assert_eq!(client.look(&head), Look::AtMessage);
    /// let begun = client.begin(&head, head.outgoing(body));
    /// assert!(matches!(begun, Begin::Run(_, Step::Transmit(_))));
    ///
    /// let page = RequestHead { method: Method::Get, ..head };
    /// assert_eq!(client.look(&page), Look::Pass);
    /// ```
    pub fn begin<B: AsRef<[u8]>>(
        &mut self,
        head: &RequestHead<'_>,
        outgoing: Outgoing<B>,
    ) -> Begin<B> {
        match head.attached().and_then(|id| self.registry.find(head.endpoint, id)) {
            Some(slot) => self.begin_named(slot, head, outgoing),
            None => self.begin_unnamed(head, outgoing),
        }
    }

    fn begin_named<B: AsRef<[u8]>>(
        &mut self,
        slot: Slot,
        head: &RequestHead<'_>,
        outgoing: Outgoing<B>,
    ) -> Begin<B> {
        let mut facts = Facts::new(head, &outgoing);
        let Some(alive) = self.registry.hold(slot) else { return Begin::Pass };
        let Some(followed) = self.registry.session(slot) else { return Begin::Pass };
        if followed.is_closed() {
            if facts.role == Role::Initialize {
                return self.open(head, facts, outgoing);
            }
            facts.role = Role::AfterDelete;
        }
        if !followed.belongs_to(head.credentials) {
            return Begin::unfollowed(Some((slot, alive)), facts, &outgoing);
        }
        let mut run = RequestRun::new(Some((slot, alive)), facts);
        run.resumes = head.last_event_id.and_then(|id| followed.interrupted.take(id));
        let outgoing = match &run.resumes {
            Some(interrupted) => outgoing.resuming(interrupted.stream),
            None => outgoing,
        };
        let step = run.start(self, outgoing);
        if run.closes() {
            self.registry.touch(slot);
        }
        Begin::Run(Box::new(run), step)
    }

    /// A request without an ID, or with one by which no session goes here.
    fn begin_unnamed<B: AsRef<[u8]>>(
        &mut self,
        head: &RequestHead<'_>,
        outgoing: Outgoing<B>,
    ) -> Begin<B> {
        if head.method != Method::Post || head.media() != Media::Json {
            return Begin::Pass;
        }
        let facts = Facts::new(head, &outgoing);
        if facts.role == Role::Initialize && facts.session_id.is_none() {
            self.open(head, facts, outgoing)
        } else if self.options.outage_shield == Shield::Up && facts.posted != Posted::Malformed {
            Begin::unfollowed(None, facts, &outgoing)
        } else {
            Begin::Pass
        }
    }

    fn open<B: AsRef<[u8]>>(
        &mut self,
        head: &RequestHead<'_>,
        facts: Facts,
        outgoing: Outgoing<B>,
    ) -> Begin<B> {
        let session = Session::new(self.options.session);
        let followed = FollowedSession::new(session, head.endpoint, head.credentials);
        let opened = self.registry.open(followed);
        let mut run = RequestRun::new(Some(opened), facts);
        let step = run.start(self, outgoing);
        Begin::Run(Box::new(run), step)
    }
}

impl<B: AsRef<[u8]>> Begin<B> {
    /// A request that goes out as it is. Nothing but its failure, and that it was answered, is
    /// of interest.
    fn unfollowed(
        session: Option<(Slot, Arc<()>)>,
        mut facts: Facts,
        outgoing: &Outgoing<B>,
    ) -> Self {
        // An `initialize` opens no session that is followed here, whatever ID it bears.
        if facts.role == Role::Initialize || is_discovery(outgoing.body().as_ref()) {
            facts.role = Role::Discover;
        }
        let run = RequestRun { state: State::Unfollowed, ..RequestRun::new(session, facts) };
        let unchanged = Transmission {
            changes: alloc::vec::Vec::new(),
            body: None,
            turn: Turn::First,
            trial: Trial::No,
        };
        Self::Run(Box::new(run), Step::Transmit(unchanged))
    }
}

impl<B> RequestRun<B> {
    fn new(session: Option<(Slot, Arc<()>)>, facts: Facts) -> Self {
        let (slot, alive) = session.unzip();
        Self {
            slot,
            alive,
            facts,
            turn: Turn::First,
            was_sent: false,
            tries: 0,
            resumes: None,
            state: State::Ended,
        }
    }
}

impl Facts {
    fn new<B: AsRef<[u8]>>(head: &RequestHead<'_>, outgoing: &Outgoing<B>) -> Self {
        let role = if outgoing.is_initialize() { Role::Initialize } else { Role::Ordinary };
        let posted = match (outgoing.kind(), outgoing.id()) {
            (Some(kind), id) => Posted::of(kind, id, outgoing.body().as_ref()),
            (None, _) => Posted::Malformed,
        };
        let owned = |value: Option<&str>| value.filter(|it| !it.is_empty()).map(Into::into);
        Self {
            method: head.method,
            role,
            posted,
            endpoint: OwnedEndpoint::new(head.endpoint),
            credentials: head.credentials,
            waits_as: outgoing.id_key().cloned(),
            wakes: outgoing.cancelled_key().cloned(),
            session_id: owned(head.session_id),
            protocol_version: head.protocol_version.map(Into::into),
            last_event_id: head.last_event_id.map(Into::into),
        }
    }
}

/// Whether a request asks what the server is, in the revisions without `initialize`.
fn is_discovery(body: &[u8]) -> bool {
    peek(body).method().as_deref() == Some("server/discover")
}
