//! What is about to be sent, read once.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::bodies::for_each_member;
use super::resend::Repeatable;
use super::restores::Told;
use super::streams::Stream;
use crate::exchange::Method;
use crate::jsonrpc::{Kind, Message, RequestId, RequestIdKey, peek, range_of};
use crate::table::RequestKind;

/// A request that is about to be sent: its method, its `Last-Event-ID`, its body.
///
/// The body is read when this is made, so make it where nobody waits: a
/// [`Session`](super::Session) that is given it reads no body, whatever its length.
///
/// ```
/// use mcp_session_core::Kind;
/// use mcp_session_core::session::Outgoing;
///
/// let call = Outgoing::post(br#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#);
///
/// assert_eq!(call.kind(), Some(Kind::Request));
/// assert_eq!(call.id().map(|id| id.as_str()), Some("7"));
/// ```
pub struct Outgoing<B>(Box<Read<B>>);

/// Apart, because a request is handed on many times until it has ended.
struct Read<B> {
    method: Method,
    body: B,
    facts: Facts,
}

impl<B: AsRef<[u8]>> Outgoing<B> {
    /// A POST of one message, or of a batch.
    pub fn post(body: B) -> Self {
        Self::new(Method::Post, body)
    }

    /// A request of any method; only a POST's body is read.
    pub fn new(method: Method, body: B) -> Self {
        let facts = match method {
            Method::Post => read(body.as_ref()),
            Method::Get => Facts::new(Errand::Stream),
            Method::Delete => Facts::new(Errand::Terminate),
            Method::Other => Facts::new(Errand::Other),
        };
        Self(Box::new(Read { method, body, facts }))
    }

    /// The id of a POST of a single message, as it stands in the body.
    pub fn id(&self) -> Option<RequestId<'_>> {
        let text = self.0.body.as_ref().get(self.0.facts.id_range.clone()?)?;
        RequestId::from_json(core::str::from_utf8(text).ok()?)
    }

    /// How safely it can be sent again. Reads the body anew: nearly no request is.
    pub(super) fn repeatable(&self) -> Repeatable {
        let body = self.0.body.as_ref();
        match self.0.facts.errand {
            Errand::Request => Repeatable::of(&peek(body)),
            Errand::Batch => {
                let mut repeatable = Repeatable::Always;
                let has_others = peek(body).for_each_object(|member| {
                    repeatable = repeatable.and(match member.kind() {
                        Kind::Request => Repeatable::of(member),
                        Kind::Notification | Kind::Response | Kind::Batch | Kind::Malformed => {
                            Repeatable::Never
                        }
                    });
                });
                if has_others { Repeatable::Never } else { repeatable }
            }
            Errand::Initialize
            | Errand::Notification
            | Errand::Initialized
            | Errand::Replies
            | Errand::Malformed
            | Errand::Stream
            | Errand::Terminate
            | Errand::Other => Repeatable::Never,
        }
    }
}

impl<B: AsRef<[u8]> + Default> Outgoing<B> {
    /// A GET that opens the standalone stream.
    pub fn get() -> Self {
        Self::new(Method::Get, B::default())
    }

    /// A DELETE.
    pub fn delete() -> Self {
        Self::new(Method::Delete, B::default())
    }

    /// A request of a method that MCP does not use.
    pub fn other() -> Self {
        Self::new(Method::Other, B::default())
    }
}

impl<B> Outgoing<B> {
    /// The same request with this `Last-Event-ID`.
    #[must_use]
    pub fn with_last_event_id(mut self, event_id: &str) -> Self {
        self.0.facts.last_event_id = Some(event_id.into());
        self
    }

    /// The same request, where it is known which stream its event ID resumes.
    ///
    /// Servers may count event IDs anew in each session, so that streams of several have borne
    /// it.
    #[must_use]
    pub fn resuming(mut self, stream: Stream) -> Self {
        self.0.facts.resumes = Some(stream);
        self
    }

    /// The HTTP method.
    pub fn method(&self) -> Method {
        self.0.method
    }

    /// The value of `Last-Event-ID`, as the caller wrote it.
    pub fn last_event_id(&self) -> Option<&str> {
        self.0.facts.last_event_id.as_deref()
    }

    /// The body.
    pub fn body(&self) -> &B {
        &self.0.body
    }

    /// The body, for whoever needs nothing else any more.
    pub fn into_body(self) -> B {
        self.0.body
    }

    /// What the body of a POST is; `None` for any other method.
    pub fn kind(&self) -> Option<Kind> {
        self.0.facts.kind
    }

    /// Whether it is a POST of a single request of the method `initialize`.
    pub fn is_initialize(&self) -> bool {
        self.0.facts.errand == Errand::Initialize
    }

    /// Whether a caller waits for an answer to what the body asks: a request, or a batch that
    /// holds one.
    pub fn is_request(&self) -> bool {
        self.0.facts.errand.is_request() || self.is_initialize()
    }

    /// What was read in it.
    pub(super) fn facts(&self) -> &Facts {
        &self.0.facts
    }
}

impl<B> fmt::Debug for Outgoing<B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bodies hold what users say to tools; they are nobody's to log.
        formatter
            .debug_struct("Outgoing")
            .field("method", &self.0.method)
            .field("kind", &self.0.facts.kind)
            .finish_non_exhaustive()
    }
}

/// What a request is for, as far as the machine tells requests apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    Initialize,
    Request,
    /// A batch that holds a request.
    Batch,
    Notification,
    /// `notifications/initialized`.
    Initialized,
    /// A reply, or a batch of replies and notifications only.
    Replies,
    Malformed,
    Stream,
    Terminate,
    Other,
}

impl Errand {
    /// The row's column. Everything in a session is legacy, whatever a request says of
    /// itself; before there is one, nothing is attached that could be terminated.
    pub(super) fn request_kind(self) -> RequestKind {
        match self {
            Self::Initialize => RequestKind::Initialize,
            Self::Request
            | Self::Batch
            | Self::Notification
            | Self::Initialized
            | Self::Replies
            | Self::Malformed => RequestKind::Post,
            Self::Stream => RequestKind::Get,
            Self::Terminate => RequestKind::Delete,
            Self::Other => RequestKind::OtherMethod,
        }
    }

    /// Whether it is a JSON-RPC request, or a batch with one, and no `initialize`.
    pub(super) fn is_request(self) -> bool {
        match self {
            Self::Request | Self::Batch => true,
            Self::Initialize
            | Self::Notification
            | Self::Initialized
            | Self::Replies
            | Self::Malformed
            | Self::Stream
            | Self::Terminate
            | Self::Other => false,
        }
    }
}

/// What was read in a body, and beside it.
pub(super) struct Facts {
    last_event_id: Option<Box<str>>,
    /// The stream that this resumes, where that is known.
    pub(super) resumes: Option<Stream>,
    pub(super) errand: Errand,
    kind: Option<Kind>,
    /// Where the id of a single message stands in the body.
    id_range: Option<Range<usize>>,
    /// The id of a single request.
    pub(super) id: Option<RequestIdKey>,
    /// The id of the request that a `notifications/cancelled` names.
    pub(super) cancelled: Option<RequestIdKey>,
    /// The reply that it is, or each member of a batch that holds one, in order.
    pub(super) members: Vec<Member>,
    /// What it tells the server to keep, by the id of the request that does.
    pub(super) tells: Vec<(RequestIdKey, Told)>,
}

/// A member of a batch; or a single message, taken as one.
pub(super) struct Member {
    /// Where it stands in the body.
    pub(super) range: Range<usize>,
    /// What it replies to, if it is a reply with an id.
    pub(super) reply: Option<Reply>,
}

/// A reply to a request of the server.
pub(super) struct Reply {
    /// The id it answers to; none if it is too long to be remembered.
    pub(super) key: Option<RequestIdKey>,
    /// Where that stands in the body.
    pub(super) id: Range<usize>,
}

impl Facts {
    fn new(errand: Errand) -> Self {
        Self {
            last_event_id: None,
            resumes: None,
            errand,
            kind: None,
            id_range: None,
            id: None,
            cancelled: None,
            members: Vec::new(),
            tells: Vec::new(),
        }
    }
}

fn read(body: &[u8]) -> Facts {
    let message = peek(body);
    let kind = message.kind();
    let id = message.id();
    let id_range = id.and_then(|id| range_of(body, id.as_str().as_bytes()));
    let facts = match kind {
        Kind::Request => Facts {
            id: id.and_then(RequestId::key),
            tells: tells(&message).into_iter().collect(),
            ..Facts::new(if message.is_initialize() { Errand::Initialize } else { Errand::Request })
        },
        Kind::Notification => {
            let is_initialized = message.has_method("notifications/initialized");
            Facts {
                cancelled: message.cancelled_id().and_then(RequestId::key),
                ..Facts::new(if is_initialized {
                    Errand::Initialized
                } else {
                    Errand::Notification
                })
            }
        }
        Kind::Response => {
            let range = 0..body.len();
            let member = Member { range, reply: reply(body, &message) };
            Facts { members: Vec::from([member]), ..Facts::new(Errand::Replies) }
        }
        Kind::Batch => batch(body, &message),
        Kind::Malformed => Facts::new(Errand::Malformed),
    };
    Facts { kind: Some(kind), id_range, ..facts }
}

fn batch(body: &[u8], message: &Message<'_>) -> Facts {
    let mut facts = Facts::new(Errand::Replies);
    let mut has_reply = false;
    let mut is_malformed = false;
    let has_others = message.for_each_object(|member| match member.kind() {
        Kind::Request => {
            facts.errand = Errand::Batch;
            facts.tells.extend(tells(member));
        }
        Kind::Batch | Kind::Malformed => is_malformed = true,
        Kind::Notification => {}
        Kind::Response => has_reply |= reply(body, member).is_some(),
    });
    if has_others || is_malformed {
        // A member that is no message is answered too: with an error.
        facts.errand = Errand::Batch;
    }
    if has_reply {
        // Else nothing is ever taken out of it.
        for_each_member(body, message, |range, member| {
            let is_response = member.kind() == Kind::Response;
            let reply = is_response.then(|| reply(body, member)).flatten();
            facts.members.push(Member { range, reply });
        });
    }
    facts
}

fn reply(body: &[u8], response: &Message<'_>) -> Option<Reply> {
    let id = response.id()?;
    Some(Reply { key: id.key(), id: range_of(body, id.as_str().as_bytes())? })
}

fn tells(request: &Message<'_>) -> Option<(RequestIdKey, Told)> {
    Some((request.id()?.key()?, Told::of(request)?))
}
