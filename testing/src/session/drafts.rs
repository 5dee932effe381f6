//! Requests and answers as the two sides write them.

use mcp_session_core::session::{OrphanId, Outgoing};
use mcp_session_core::{Method, SessionId, peek};

use super::operations::Welcome;
use super::words::{Answer, What};

/// A request as its caller wrote it.
pub struct Drafted {
    pub what: What,
    pub method: Method,
    pub event: Option<String>,
    pub body: Vec<u8>,
}

impl Drafted {
    pub fn new(request: usize, what: What, replies_to: Option<&str>) -> Self {
        let reply =
            format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, replies_to.unwrap_or("null"));
        let call = |id: &str, method: &str, parameters: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{parameters}}}"#)
        };
        let number = request.to_string();
        let first = format!(r#""first of {request}""#);
        let notification = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#;
        let (method, event, body) = match what {
            What::Call => (Method::Post, None, call(&number, "tools/call", r#"{"name":"pay"}"#)),
            What::Read => (Method::Post, None, call(&number, "tools/list", "{}")),
            What::Cursor => (Method::Post, None, call(&number, "tools/list", r#"{"cursor":"c"}"#)),
            What::Initialize => (Method::Post, None, call(&number, "initialize", "{}")),
            What::Notification => (Method::Post, None, notification.to_owned()),
            What::Cancelled(named) => (
                Method::Post,
                None,
                format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{named}}}}}"#
                ),
            ),
            What::SetLevel(level) => {
                let level = format!(r#"{{"level":"level-{level}"}}"#);
                (Method::Post, None, call(&number, "logging/setLevel", &level))
            }
            What::Subscribe(resource) => {
                let uri = format!(r#"{{"uri":"test://{resource}"}}"#);
                (Method::Post, None, call(&number, "resources/subscribe", &uri))
            }
            What::Unsubscribe(resource) => {
                let uri = format!(r#"{{"uri":"test:\/\/{resource}"}}"#);
                (Method::Post, None, call(&number, "resources/unsubscribe", &uri))
            }
            What::Reply(_) | What::ReplyShown(_) => (Method::Post, None, reply),
            What::BatchOfReply(_) => (Method::Post, None, format!("[{notification}, {reply}]")),
            What::Get => (Method::Get, None, String::new()),
            What::Resume(event) => (Method::Get, Some(event_id(event)), String::new()),
            What::Delete => (Method::Delete, None, String::new()),
            What::BatchOfReads | What::BatchWithCall | What::BatchWithCursor => {
                let second = match what {
                    What::BatchWithCall => call(&number, "tools/call", "{}"),
                    What::BatchWithCursor => call(&number, "tools/list", r#"{"cursor":"c"}"#),
                    _ => call(&number, "resources/list", "{}"),
                };
                (Method::Post, None, format!("[{},{second}]", call(&first, "tools/list", "{}")))
            }
            What::BatchOfNotifications => (Method::Post, None, format!("[{notification}]")),
        };
        Self { what, method, event, body: body.into_bytes() }
    }

    pub fn outgoing(&self) -> Outgoing<Vec<u8>> {
        let outgoing = Outgoing::new(self.method, self.body.clone());
        match &self.event {
            Some(event) => outgoing.with_last_event_id(event),
            None => outgoing,
        }
    }
}

pub fn message_of(welcome: Welcome, initialize: &[u8], version: &str) -> Option<Vec<u8>> {
    let message = peek(initialize);
    let id = message.id().unwrap();
    let id = id.as_str();
    let text = match welcome {
        Welcome::Result(_) => format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"{version}","capabilities":{{}},"serverInfo":{{"name":"server","version":"1"}}}}}}"#
        ),
        Welcome::Error(code) => {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"no"}}}}"#)
        }
        Welcome::Broken => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#),
        Welcome::Status(_) => return None,
    };
    Some(text.into_bytes())
}

/// The id of the reply that goes out, as JSON.
pub fn reply_in(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).unwrap();
    let (_, rest) = text.split_once(r#""id":"#)?;
    Some(rest.split_once(',').unwrap().0.to_owned())
}

pub fn event_id(event: u8) -> String {
    format!("event-{event}")
}

pub fn orphan(id: Option<&OrphanId>) -> Option<String> {
    id.and_then(OrphanId::session_id).map(|it| it.as_str().to_owned())
}

pub fn answer_of(status: u16, header: Option<&str>, misreport: bool) -> Answer {
    let id = header.filter(|it| SessionId::parse(it.as_bytes()).is_some()).map(str::to_owned);
    let has_ill_formed_id = header.is_some() && id.is_none();
    Answer { status, id, has_ill_formed_id, misreport, says_error: false }
}

/// One of so many.
pub fn select(which: u8, count: usize) -> Option<usize> {
    (count > 0).then(|| usize::from(which) % count)
}
