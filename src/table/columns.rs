//! The columns that the rows of the tables are written over: the facts of an exchange, as
//! far as they matter. A finite space, so the tests exhaust it.

use super::response_body::{self, ResponseKind};
use crate::exchange::{Era, Method, Quirks, Request, Response, SessionId, Side};
use crate::jsonrpc::Message;

/// One exchange, seen from one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Columns {
    /// Which side evaluates it.
    pub side: Side,
    /// What was sent.
    pub request_kind: RequestKind,
    /// Whether a session ID was attached to it.
    pub attachment: Attachment,
    /// What came back.
    pub response_kind: ResponseKind,
    /// The session header of what came back.
    pub response_session_id: ResponseSessionId,
}

impl Columns {
    /// Reads the facts of an exchange.
    #[inline]
    pub fn of(side: Side, request: &Request<'_>, response: &Response<'_>) -> Self {
        Self {
            side,
            request_kind: RequestKind::of(request),
            attachment: Attachment::of(side, request),
            response_kind: response_body::read(side, request, response),
            response_session_id: ResponseSessionId::of(response),
        }
    }

    /// Reads what came back to a client that knows what it sent.
    pub(crate) fn of_client(
        quirks: Quirks,
        method: Method,
        sent: RequestKind,
        attachment: Attachment,
        response: &Response<'_>,
    ) -> Self {
        let side = Side::Client(quirks);
        Self {
            side,
            request_kind: sent,
            attachment,
            response_kind: response_body::read(side, &Request::new(method), response),
            response_session_id: ResponseSessionId::of(response),
        }
    }

    pub(crate) fn all(&self) -> (Side, RequestKind, Attachment, ResponseKind, ResponseSessionId) {
        (
            self.side,
            self.request_kind,
            self.attachment,
            self.response_kind,
            self.response_session_id,
        )
    }
}

/// One request that asks for admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Admission {
    /// What was sent.
    pub request_kind: RequestKind,
    /// Whether a session ID was attached to it.
    pub attachment: Attachment,
    /// What the table of sessions says of the ID.
    pub lookup: Lookup,
}

impl Admission {
    /// Reads the facts of a request.
    pub fn of(request: &Request<'_>, lookup: Lookup) -> Self {
        Self {
            request_kind: RequestKind::of(request),
            attachment: Attachment::of(Side::Server, request),
            lookup,
        }
    }

    pub(crate) fn all(&self) -> (RequestKind, Attachment, Lookup) {
        (self.request_kind, self.attachment, self.lookup)
    }
}

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
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

impl RequestKind {
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

impl RequestKind {
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

/// The session header of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseSessionId {
    /// None, or an empty one.
    Absent,
    /// Visible ASCII.
    WellFormed,
    /// Anything else, a repeated header included.
    IllFormed,
}

impl ResponseSessionId {
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
