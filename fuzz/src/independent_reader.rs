//! A second reader of JSON: `jiter`, by which pydantic, and so the Python SDK, reads what it is
//! sent.

use jiter::{JsonErrorType, JsonValue};
use mcp_session_core::Kind;

/// What the second reader makes of a text.
pub(crate) enum Json<'j> {
    Read(Value<'j>),
    /// It is no JSON.
    Refused,
    /// It is refused for a reason on which readers are known to differ: it nests too deeply,
    /// or holds a lone surrogate or a number beyond `f64`.
    Differs,
}

/// Reads a text whole.
pub(crate) fn json(text: &[u8]) -> Json<'_> {
    match JsonValue::parse(text, false) {
        Ok(value) => Json::Read(Value(value)),
        Err(error) => {
            let differs = matches!(
                error.error_type,
                JsonErrorType::RecursionLimitExceeded
                    | JsonErrorType::NumberOutOfRange
                    | JsonErrorType::LoneLeadingSurrogateInHexEscape
                    | JsonErrorType::UnexpectedEndOfHexEscape
            );
            if differs { Json::Differs } else { Json::Refused }
        }
    }
}

/// A value that was read, repeated members included.
#[derive(Debug)]
pub(crate) struct Value<'j>(JsonValue<'j>);

impl<'j> Value<'j> {
    /// The kind of the message that this is.
    pub(crate) fn kind(&self) -> Kind {
        if matches!(self.0, JsonValue::Array(_)) {
            return Kind::Batch;
        }
        let is_id = |id: &Self| id.is_any_text() || id.is_any_number();
        let is_named = self.sole("method").is_some_and(|method| method.is_any_text());
        match (self.count("method"), self.count("id"), self.sole("id")) {
            (0, 0 | 1, _) if self.count("result") + self.count("error") > 0 => Kind::Response,
            (1, 0, _) if is_named => Kind::Notification,
            (1, 1, Some(id)) if is_named && is_id(&id) => Kind::Request,
            (_, _, _) => Kind::Malformed,
        }
    }

    /// How often an object has a member of this name.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.members(name).count()
    }

    /// The member of this name, if there is exactly one.
    pub(crate) fn sole(&self, name: &str) -> Option<Self> {
        let mut members = self.members(name);
        let sole = members.next()?;
        members.next().is_none().then(|| Self(sole.clone()))
    }

    pub(crate) fn text(&self) -> Option<&str> {
        let JsonValue::Str(text) = &self.0 else { return None };
        Some(text)
    }

    pub(crate) fn is_text(&self, expected: &str) -> bool {
        self.text() == Some(expected)
    }

    pub(crate) fn is_any_text(&self) -> bool {
        self.text().is_some()
    }

    pub(crate) fn is_integer(&self, expected: i64) -> bool {
        matches!(self.0, JsonValue::Int(number) if number == expected)
    }

    pub(crate) fn is_any_number(&self) -> bool {
        matches!(self.0, JsonValue::Int(_) | JsonValue::BigInt(_) | JsonValue::Float(_))
    }

    /// Whether both are the same id; `None` for numbers that a reader may have rounded, and
    /// for texts in which it may have replaced something.
    pub(crate) fn is_same(&self, other: &serde_json::Value) -> Option<bool> {
        match (&self.0, other) {
            (JsonValue::Str(text), serde_json::Value::String(other)) => {
                (!other.contains(char::REPLACEMENT_CHARACTER)).then(|| text == other)
            }
            (JsonValue::Int(number), serde_json::Value::Number(other)) => {
                other.as_i64().map(|other| *number == other)
            }
            (JsonValue::BigInt(_) | JsonValue::Float(_), serde_json::Value::Number(_)) => None,
            (_, _) => Some(false),
        }
    }

    fn members(&self, name: &str) -> impl Iterator<Item = &JsonValue<'j>> {
        let object = if let JsonValue::Object(members) = &self.0 { &members[..] } else { &[] };
        object.iter().filter(move |(key, _)| key == name).map(|(_, value)| value)
    }
}
