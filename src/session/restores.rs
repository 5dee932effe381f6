//! What a session was told that its server keeps, to be told again to the next one.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::sync::Arc;
use core::fmt;

use super::bounded::Bounded;
use super::identity::Generation;
use crate::jsonrpc::{Message, RequestId, RequestIdKey, json};

/// At most this many resources are subscribed again.
const SUBSCRIPTIONS: usize = 256;

/// A request that changes what the server keeps for the session.
#[derive(Clone)]
pub(crate) enum Told {
    /// The level, as JSON.
    Level(Arc<str>),
    /// The resource, as JSON.
    Subscribe(RequestIdKey, Arc<str>),
    Unsubscribe(RequestIdKey),
}

impl Told {
    /// What a request tells, if it is one of those. A value of more than 1,024 bytes is not
    /// remembered.
    pub(crate) fn of(request: &Message<'_>) -> Option<Self> {
        let value = |name| {
            let text = request.parameter(name)?;
            let key = RequestId::from_json(text).filter(|_| text.starts_with('"'))?.key()?;
            Some((key, text))
        };
        if request.has_method("logging/setLevel") {
            value("level").map(|(_, text)| Self::Level(text.into()))
        } else if request.has_method("resources/subscribe") {
            value("uri").map(|(key, text)| Self::Subscribe(key, text.into()))
        } else if request.has_method("resources/unsubscribe") {
            value("uri").map(|(key, _)| Self::Unsubscribe(key))
        } else {
            None
        }
    }
}

/// Whether an answer is a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    Result,
    Error,
}

/// What is told again, and what may come to be.
#[derive(Default)]
pub(super) struct Restores {
    /// What was asked and not answered yet, by the id of the request.
    open: Bounded<RequestIdKey, (Generation, Told)>,
    kept: Kept,
}

impl Restores {
    pub(super) fn sent(&mut self, id: &RequestIdKey, generation: Generation, told: &Told) {
        self.open.insert(id.clone(), (generation, told.clone()));
    }

    /// Takes an answer to a request of this id.
    pub(super) fn answered(&mut self, id: RequestId<'_>, generation: Generation, how: Answered) {
        if self.open.is_empty() {
            return;
        }
        let Some(key) = id.key() else { return };
        if self.open.get(&key).is_none_or(|(asked, _)| *asked != generation) {
            return;
        }
        let Some((_, told)) = self.open.remove(&key) else { return };
        match how {
            Answered::Error => {}
            Answered::Result => self.kept.take(told),
        }
    }

    /// Takes that a server does not keep this any more.
    pub(super) fn refused(&mut self, planned: &Planned) {
        self.kept.refused(planned);
    }

    /// The caller begins anew, and tells everything itself.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether a request of this id waits for its answer.
    pub(super) fn is_open(&self, id: &RequestIdKey) -> bool {
        self.open.get(id).is_some()
    }

    /// All that a new session is to be told, in order.
    pub(super) fn plan(&self) -> VecDeque<Planned> {
        self.kept.plan()
    }
}

/// What the server of a session keeps for it.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    level: Option<Arc<str>>,
    subscribed: Bounded<RequestIdKey, Arc<str>, SUBSCRIPTIONS>,
}

impl Kept {
    /// Takes what a server has answered with a result.
    pub(crate) fn take(&mut self, told: Told) {
        match told {
            Told::Level(level) => self.level = Some(level),
            Told::Subscribe(uri, text) => {
                self.subscribed.insert(uri, text);
            }
            Told::Unsubscribe(uri) => {
                self.subscribed.remove(&uri);
            }
        }
    }

    /// Takes that a server does not keep this any more.
    pub(crate) fn refused(&mut self, planned: &Planned) {
        match &planned.uri {
            None => self.level = None,
            Some(uri) => {
                self.subscribed.remove(uri);
            }
        }
    }

    /// All that a new session is to be told, in order.
    pub(crate) fn plan(&self) -> VecDeque<Planned> {
        let level = self.level.iter().map(|level| Planned { uri: None, value: Arc::clone(level) });
        let keys = self.subscribed.values().map(|text| Planned {
            uri: RequestId::from_json(text).and_then(RequestId::key),
            value: Arc::clone(text),
        });
        level.chain(keys).collect()
    }
}

/// One thing that is to be told again.
pub(crate) struct Planned {
    /// The resource; none if it is the level.
    uri: Option<RequestIdKey>,
    value: Arc<str>,
}

impl Planned {
    pub(crate) fn method(&self) -> RestoredMethod {
        if self.uri.is_some() { RestoredMethod::Subscribe } else { RestoredMethod::SetLevel }
    }

    /// The level or the resource, as JSON.
    pub(crate) fn value(&self) -> &str {
        &self.value
    }

    /// The request, with this id, which is JSON.
    pub(crate) fn request(&self, id: &str) -> Box<[u8]> {
        let (method, name, value) = match self.method() {
            RestoredMethod::SetLevel => ("logging/setLevel", "level", &self.value),
            RestoredMethod::Subscribe => ("resources/subscribe", "uri", &self.value),
        };
        let request = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"{name}":{value}}}}}"#
        );
        request.into_bytes().into()
    }
}

/// What was told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestoredMethod {
    /// `logging/setLevel`.
    SetLevel,
    /// `resources/subscribe`.
    Subscribe,
}

impl RestoredMethod {
    /// The method's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SetLevel => "logging/setLevel",
            Self::Subscribe => "resources/subscribe",
        }
    }
}

/// What came back to a [`Restore`](super::Restore), read once.
#[derive(Debug)]
pub struct RestoreAnswer(pub(super) Option<Refusal>);

/// Something that the new session could not be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RefusedRestore {
    /// What it was.
    pub method: RestoredMethod,
    /// Why not.
    pub refusal: Refusal,
}

impl RefusedRestore {
    pub(super) fn new(method: RestoredMethod, refusal: Refusal) -> Self {
        Self { method, refusal }
    }
}

/// How a restore was refused. Nothing of the server's own words is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// By this HTTP status.
    Status(u16),
    /// By a JSON-RPC error; its code, if that is an integer.
    Error(Option<i64>),
    /// By no answer to it.
    Unanswered,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(formatter, "the answer was {status}"),
            Self::Error(Some(code)) => write!(formatter, "the answer was the error {code}"),
            Self::Error(None) => formatter.write_str("the answer was an error"),
            Self::Unanswered => formatter.write_str("no answer came"),
        }
    }
}

impl Refusal {
    /// What a message that is no result says.
    pub(super) fn of(message: &[u8]) -> Self {
        let code = json::text(message)
            .and_then(|text| json::members(text, ["error"]))
            .and_then(|[error]| json::members(error.last()?, ["code"]))
            .and_then(|[code]| code.last()?.parse().ok());
        Self::Error(code)
    }
}
