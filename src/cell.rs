//! The columns that the rows of the tables are written over: the facts of an exchange, as
//! far as they matter. A finite space, so the tests exhaust it.

use crate::era::Era;
use crate::facts::{Method, Request, Response};
use crate::message::Message;
use crate::reply;
use crate::session_id::SessionId;
use crate::table::{Misreport, Side};

/// One exchange, seen from one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// Whose eyes.
    pub side: Side,
    /// What was sent.
    pub sent: Sent,
    /// Whether a session ID was attached to it.
    pub attachment: Attachment,
    /// What came back.
    pub reply: Reply,
    /// The session header of what came back.
    pub response_id: ResponseId,
}

impl Cell {
    /// Reads the facts of an exchange.
    #[inline]
    pub fn of(side: Side, request: &Request<'_>, response: &Response<'_>) -> Self {
        Self {
            side,
            sent: Sent::of(request),
            attachment: Attachment::of(side, request),
            reply: reply::read(side, request, response),
            response_id: ResponseId::of(response),
        }
    }

    pub(crate) fn columns(&self) -> (Side, Sent, Attachment, Reply, ResponseId) {
        (self.side, self.sent, self.attachment, self.reply, self.response_id)
    }
}

/// One request that asks for admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Admission {
    /// What was sent.
    pub sent: Sent,
    /// Whether a session ID was attached to it.
    pub attachment: Attachment,
    /// What the table of sessions says of the ID.
    pub lookup: Lookup,
}

impl Admission {
    /// Reads the facts of a request.
    pub fn of(request: &Request<'_>, lookup: Lookup) -> Self {
        Self { sent: Sent::of(request), attachment: Attachment::of(Side::Server, request), lookup }
    }

    pub(crate) fn columns(&self) -> (Sent, Attachment, Lookup) {
        (self.sent, self.attachment, self.lookup)
    }
}

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sent {
    /// A request of an era without sessions.
    Modern,
    /// A POST of a single JSON-RPC request of the method `initialize`: legacy always.
    Initialize,
    /// Any other legacy POST.
    Post,
    /// A legacy GET.
    Get,
    /// A legacy DELETE.
    Delete,
    /// A legacy request of an HTTP method that MCP does not use.
    OtherMethod,
}

impl Sent {
    #[inline]
    fn of(request: &Request<'_>) -> Self {
        let message = request.posted();
        let is_initialize = message.is_some_and(Message::is_initialize);
        // An `initialize` is legacy always.
        let era = match (is_initialize, request.protocol_version, message) {
            (true, _, _) | (false, None, None) => Era::Legacy,
            (false, version, message) => Era::of(version, message),
        };
        match (era, request.method) {
            (Era::Modern, _) => Self::Modern,
            (Era::Legacy, Method::Post) if is_initialize => Self::Initialize,
            (Era::Legacy, Method::Post) => Self::Post,
            (Era::Legacy, Method::Get) => Self::Get,
            (Era::Legacy, Method::Delete) => Self::Delete,
            (Era::Legacy, Method::Other) => Self::OtherMethod,
        }
    }
}

impl Sent {
    /// Everything that a request whose body is not known may turn out to be.
    pub(crate) fn possible(request: &Request<'_>) -> &'static [Self] {
        let named = request.protocol_version.is_some_and(|version| !version.is_empty());
        match (request.method, named, Era::of(request.protocol_version, None)) {
            (Method::Post, true, Era::Modern) => &[Self::Modern, Self::Initialize],
            (Method::Post, true, Era::Legacy) => &[Self::Post, Self::Initialize],
            (Method::Post, false, _) => &[Self::Post, Self::Initialize, Self::Modern],
            (Method::Get | Method::Delete | Method::Other, _, _) => &[],
        }
    }
}

/// Whether a request bore a session ID, well-formed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attachment {
    /// It did.
    Attached,
    /// It bore none, or an empty one.
    NotAttached,
}

impl Attachment {
    #[inline]
    fn of(side: Side, request: &Request<'_>) -> Self {
        match request.attached_id(side) {
            Some(_) => Self::Attached,
            None => Self::NotAttached,
        }
    }
}

/// What came back: the status, and the body where it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// 200 to 299.
    Success,
    /// 400, other than those below.
    BadRequest,
    /// 400 with the JSON-RPC code -32022, `UnsupportedProtocolVersion`.
    ModernOnly,
    /// 401, other than those below.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404, other than the next.
    NotFound,
    /// 404 with the body that a server should send; read on the server side only.
    CanonicalNotFound,
    /// 405.
    MethodNotAllowed,
    /// A known misreport; read on the server side, and on the client side with quirks.
    Misreported(Misreport),
    /// rmcp's 500 for a session it has lost; read on the server side only.
    ResumeSessionNotFound,
    /// rmcp's 500 for a session it has ended; read on the server side only.
    ResumeServiceTerminated,
    /// Any other status.
    OtherStatus,
}

/// The session header of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseId {
    /// None, or an empty one.
    Absent,
    /// Visible ASCII.
    WellFormed,
    /// Anything else, a repeated header included.
    IllFormed,
}

impl ResponseId {
    #[inline]
    fn of(response: &Response<'_>) -> Self {
        match response.session_id {
            None | Some([]) => Self::Absent,
            Some(id) if SessionId::parse(id).is_some() => Self::WellFormed,
            Some(_) => Self::IllFormed,
        }
    }
}

/// What a table of sessions says of an ID.
///
/// Exhaustive on purpose: a further answer would need a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// The session is alive.
    Known,
    /// It is terminated, or was never known.
    Unknown,
    /// Nobody could be asked.
    Unavailable,
}
