//! A bounded look at a JSON-RPC message: its kind, its method, its id.
//!
//! Any bytes may come in. The body is read whole, so that a malformed tail or a second
//! `id` is never overlooked; nothing is copied; memory is bounded by the depth of nesting: one
//! bit for each level.
//! [`peek`] never fails: what is no message is [`Kind::Malformed`].
//!
//! # Rulings
//!
//! Where readers of JSON differ, this is what holds here. "As `Value`" means: as
//! `serde_json::Value` rules it.
//!
//! | input | ruling | reason |
//! |---|---|---|
//! | empty, or white space only | malformed | as `Value` |
//! | invalid UTF-8 anywhere | malformed | as `Value`; "JSON-RPC messages **MUST** be UTF-8 encoded" |
//! | a byte order mark | malformed | as `Value`; RFC 8259, section 8.1 forbids sending one |
//! | anything but white space behind the message | malformed | as `Value` |
//! | `NaN`, `Infinity`, `01`, `.5`, control characters in strings | malformed | as `Value` |
//! | a name spelled with escapes (`"\u0069d"`) | the same name | as `Value` |
//! | a second `id` or `method` | malformed | unlike `Value`, which lets the last one win: two readers that choose differently would not mean the same request |
//! | any other repeated name | the last one wins | as `Value` |
//! | nesting up to 1,048,576 levels | read | unlike `Value`, which stops at 128: a peer that reads deeper would get no id back |
//! | nesting beyond | malformed | bounds the memory one body can cost to 128 KiB |
//! | a number beyond `f64` (`1e400`) | a number | unlike `Value`: the grammar has no range, and an id is echoed, not computed with |
//! | 2^64, `-0`, `7.0`, 5,000 digits | a number, kept as it stands | `Value` would round the first |
//! | a lone surrogate (`"\ud800"`) | a string, kept as it stands | unlike `Value`: RFC 8259, section 8.2 has it in the grammar, and the Python and JavaScript SDKs read it |
//! | a batch, `[]` included | [`Kind::Batch`] | an array that is malformed inside is malformed |
//! | `null` or any other value for `id` beside `method` | malformed | "Unlike base JSON-RPC, the ID **MUST NOT** be `null`" |
//! | `null` or any other value for `id` beside `result` or `error` | a response without an id | what servers answer when they could not read the request |
//! | no `jsonrpc`, or another version | not looked at | the kind does not depend on it |

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

use super::id::RequestId;
#[cfg(any(feature = "client", feature = "sessions"))]
use super::id::is_integer;
use super::json::{self, Elements, Member};

/// Looks at the body of a POST.
///
/// Time is linear in the length of the body. See the [module](self) for what counts as
/// malformed.
///
/// ```
/// use mcp_session_core::{Kind, peek};
///
/// let message = peek(br#"{"jsonrpc":"2.0","id":7.0,"method":"tools/list"}"#);
///
/// assert_eq!(message.kind(), Kind::Request);
/// assert_eq!(message.method().as_deref(), Some("tools/list"));
/// assert_eq!(message.id().map(|id| id.as_str()), Some("7.0"));
/// assert_eq!(peek(b"{").kind(), Kind::Malformed);
/// ```
pub fn peek(body: &[u8]) -> Message<'_> {
    json::text(body).map_or(Message::MALFORMED, Message::of)
}

/// Whether a body is a single request of the method `initialize`.
///
/// As [`Message::is_initialize`], for bodies of which nothing else is asked: most are not read.
pub(crate) fn is_initialize(body: &[u8]) -> bool {
    may_name_initialize(body) && peek(body).is_initialize()
}

/// What a body is, in JSON-RPC's terms.
///
/// Exhaustive on purpose: JSON-RPC has no further kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A `method`, and an `id` that is a string or a number.
    Request,
    /// A `method` and no `id`.
    Notification,
    /// No `method`, but a `result` or an `error`.
    Response,
    /// An array.
    Batch,
    /// Anything else.
    Malformed,
}

/// What [`peek`] saw, borrowed from the body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    kind: Kind,
    method: Option<&'a str>,
    id: Option<RequestId<'a>>,
    /// The `params` of a request or notification, the text of a batch, the `error` or else the
    /// `result` of a response.
    content: Option<&'a str>,
    is_result: bool,
}

impl<'a> Message<'a> {
    const MALFORMED: Self =
        Self { kind: Kind::Malformed, method: None, id: None, content: None, is_result: false };

    /// What a text is: a body, or a member of a batch.
    pub(super) fn of(text: &'a str) -> Self {
        match json::first_byte(text) {
            Some(b'{') => single(text).unwrap_or(Self::MALFORMED),
            Some(b'[') if json::is_valid(text) => {
                let array = text.trim_matches([' ', '\t', '\n', '\r']);
                Self { kind: Kind::Batch, content: Some(array), ..Self::MALFORMED }
            }
            Some(_) | None => Self::MALFORMED,
        }
    }

    /// What a text is to the SDKs, to which a `method` that is `null` is none.
    #[cfg(any(feature = "client", feature = "sessions"))]
    pub(super) fn of_sdk(text: &'a str) -> Self {
        let message = Self::of(text);
        if message.kind != Kind::Malformed {
            return message;
        }
        let without_method = json::members(text, NAMES).and_then(|members| match members {
            [id, Member::Once("null"), params, result, error] => {
                judged([id, Member::Absent, params, result, error])
            }
            _ => None,
        });
        without_method.unwrap_or(Self::MALFORMED)
    }

    /// What the body is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The method of a request or a notification.
    ///
    /// Borrowed unless the body spells it with escapes. A lone surrogate reads as U+FFFD,
    /// once for each of the three bytes it would take.
    pub fn method(&self) -> Option<Cow<'a, str>> {
        let value = self.method?;
        let plain = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match plain {
            Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
            Some(_) | None => json::string_bytes(value)
                .map(|bytes| Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())),
        }
    }

    /// The id of a request, or the one a response answers to.
    pub fn id(&self) -> Option<RequestId<'a>> {
        self.id
    }

    /// The id to repeat in an answer to this message: a request's, unless it is too long
    /// to be sent back (see [`RequestId::ECHO_LIMIT`]).
    pub fn echoed_id(&self) -> Option<RequestId<'a>> {
        match self.kind {
            Kind::Request => self.id.filter(|id| id.as_str().len() <= RequestId::ECHO_LIMIT),
            Kind::Notification | Kind::Response | Kind::Batch | Kind::Malformed => None,
        }
    }

    /// Whether this is a single request of the method `initialize`.
    pub fn is_initialize(&self) -> bool {
        self.kind == Kind::Request && self.has_method("initialize")
    }

    /// Whether this is the method of a request or a notification.
    pub(crate) fn has_method(&self, name: &str) -> bool {
        self.method.is_some_and(|method| json::string_is(method, name))
    }

    /// The members of a batch, in order; none of what is no batch.
    ///
    /// A member that is no message is [`Kind::Malformed`]; a batch may stand in a batch.
    ///
    /// ```
    /// use mcp_session_core::{Kind, peek};
    ///
    /// let kinds = peek(br#"[{"id":1,"method":"ping"},7]"#).members().map(|it| it.kind());
    ///
    /// assert!(kinds.eq([Kind::Request, Kind::Malformed]));
    /// ```
    pub fn members(&self) -> Members<'a> {
        let array = self.content.filter(|_| self.kind == Kind::Batch);
        Members(array.map_or_else(Elements::none, Elements::of_valid))
    }

    /// The members of a batch, each with its text.
    pub(crate) fn members_with_text(&self) -> impl Iterator<Item = (&'a str, Self)> + use<'a> {
        let mut members = self.members();
        core::iter::from_fn(move || members.next_with_text())
    }

    /// Looks at the members of a batch that may be messages; returns whether there are others.
    ///
    /// Those that are none cost little: many fit into few bytes.
    pub(crate) fn for_each_object(&self, mut look: impl FnMut(&Self)) -> bool {
        let mut members = self.members();
        let mut has_others = members.0.pass_over_others();
        while let Some((_, message)) = members.next_with_text() {
            look(&message);
            has_others |= members.0.pass_over_others();
        }
        has_others
    }

    /// Whether this is a response to the request of that id, or a batch that has one.
    ///
    /// A response has a `result`, or an `error` that is not `null`; ids are compared as JSON
    /// values.
    ///
    /// ```
    /// use mcp_session_core::peek;
    ///
    /// let id = peek(br#"{"id":7,"method":"ping"}"#).id().expect("a request has an id");
    ///
    /// assert!(peek(br#"[{"jsonrpc":"2.0","id":7.0,"result":{},"error":null}]"#).answers(id));
    /// assert!(!peek(br#"{"jsonrpc":"2.0","id":7,"error":null}"#).answers(id));
    /// ```
    pub fn answers(&self, id: RequestId<'_>) -> bool {
        let is_answer = |message: &Self| {
            message.kind == Kind::Response
                && message.content.is_some()
                && message.id.is_some_and(|answered| answered.is_same_value(id))
        };
        let mut is_answered = is_answer(self);
        self.for_each_object(|member| is_answered |= is_answer(member));
        is_answered
    }

    /// The id of the request that a `notifications/cancelled` names.
    pub(crate) fn cancelled_id(&self) -> Option<RequestId<'a>> {
        let is_cancelled =
            self.kind == Kind::Notification && self.has_method("notifications/cancelled");
        let [id] = json::members(self.content.filter(|_| is_cancelled)?, ["requestId"])?;
        RequestId::from_json(id.last()?)
    }

    /// Whether it is a response with a result, and with no error beside it but `null`.
    pub(crate) fn is_result(&self) -> bool {
        self.is_result
    }

    /// Whether it is a response as the schema of MCP has it: `jsonrpc` is `"2.0"`, and there is a
    /// `result` that is an object or an `error` with an integer `code` and a `message`. The SDKs
    /// read no other. `text` is the message's own.
    ///
    /// > Responses **MUST** include either a `result` or an `error`. [...] Error codes **MUST** be
    /// > integers.
    /// >
    /// > <https://modelcontextprotocol.io/specification/2025-06-18/basic#responses>
    #[cfg(any(feature = "client", feature = "sessions"))]
    pub(super) fn is_by_the_schema(&self, text: &str) -> bool {
        let Some(content) = self.content.filter(|_| is_of_2_0(text)) else { return false };
        if self.is_result {
            return content.starts_with('{');
        }
        json::members(content, ["code", "message"]).is_some_and(|[code, message]| {
            code.last().is_some_and(is_integer)
                && message.last().is_some_and(|message| message.starts_with('"'))
        })
    }

    /// The JSON value of a member of `params`.
    pub(crate) fn parameter(&self, name: &str) -> Option<&'a str> {
        let [parameter] = json::members(self.params()?, [name])?;
        parameter.last()
    }

    /// Whether `params.cursor` is there.
    pub(crate) fn has_cursor(&self) -> bool {
        self.params()
            .and_then(|params| json::members(params, ["cursor"]))
            .is_some_and(|[cursor]| cursor != Member::Absent)
    }

    /// The JSON value of the version named in `params._meta`.
    pub(crate) fn meta_protocol_version(&self) -> Option<&'a str> {
        let [meta] = json::members(self.params()?, ["_meta"])?;
        let [version] = json::members(meta.last()?, [META_PROTOCOL_VERSION])?;
        version.last()
    }

    fn params(&self) -> Option<&'a str> {
        match self.kind {
            Kind::Request | Kind::Notification => self.content,
            Kind::Response | Kind::Batch | Kind::Malformed => None,
        }
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Params hold what users say to tools; they are nobody's to log.
        formatter
            .debug_struct("Message")
            .field("kind", &self.kind)
            .field("method", &self.method())
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The members of a batch, as [`Message::members`] hands them out.
#[derive(Clone, Debug)]
pub struct Members<'a>(Elements<'a>);

impl<'a> Members<'a> {
    fn next_with_text(&mut self) -> Option<(&'a str, Message<'a>)> {
        let (text, members) = self.0.next_with_members(NAMES)?;
        let message = match members {
            Some(members) => judged(members).unwrap_or(Message::MALFORMED),
            None => Message::of(text),
        };
        Some((text, message))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        self.next_with_text().map(|(_, message)| message)
    }
}

/// The member of a request's `params._meta` by which a modern request names its version.
pub(crate) const META_PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// False for a body that has neither the rarest letter of the name nor a backslash: each other
/// spelling of it has an escape.
fn may_name_initialize(body: &[u8]) -> bool {
    // Without a way out of the inner loop it is as fast as memory is.
    let has_one = |bytes: &[u8]| {
        bytes.iter().fold(false, |found, byte| found | (*byte == b'z') | (*byte == b'\\'))
    };
    body.chunks(1024).any(has_one)
}

fn single(text: &str) -> Option<Message<'_>> {
    judged(json::members_inlined(text, NAMES)?)
}

/// What tells messages apart.
const NAMES: [&str; 5] = ["id", "method", "params", "result", "error"];

/// What an object with these members is; `None` if it is no message.
#[inline(always)]
fn judged<'a>([id, method, params, result, error]: [Member<'a>; 5]) -> Option<Message<'a>> {
    let request_id = id.last().and_then(RequestId::from_json);
    let kind = match (method, id, request_id) {
        (Member::Repeated(_), _, _) | (_, Member::Repeated(_), _) => return None,
        (Member::Once(name), _, _) if !name.starts_with('"') => return None,
        (Member::Once(_), Member::Once(_), Some(_)) => Kind::Request,
        (Member::Once(_), Member::Once(_), None) => return None,
        (Member::Once(_), Member::Absent, _) => Kind::Notification,
        (Member::Absent, _, _) if (result, error) == (Member::Absent, Member::Absent) => {
            return None;
        }
        (Member::Absent, _, _) => Kind::Response,
    };
    let content = match kind {
        Kind::Response => error.last().filter(|error| *error != "null").or_else(|| result.last()),
        Kind::Request | Kind::Notification | Kind::Batch | Kind::Malformed => params.last(),
    };
    let is_result = kind == Kind::Response
        && result.last().is_some()
        && matches!(error.last(), None | Some("null"));
    Some(Message { kind, method: method.once(), id: request_id, content, is_result })
}

/// Whether an object's `jsonrpc` is `"2.0"`.
#[cfg(any(feature = "client", feature = "sessions"))]
fn is_of_2_0(text: &str) -> bool {
    // Where it stands first, as most servers write it, the rest is not read once more: a second
    // version behind it is not looked for.
    text.starts_with(r#"{"jsonrpc":"2.0","#)
        || json::members(text, ["jsonrpc"])
            .and_then(|[version]| version.last())
            .is_some_and(|version| json::string_is(version, "2.0"))
}

#[cfg(test)]
mod tests;
