//! Which requests are sent again after their session ended.

use crate::jsonrpc::Message;

/// Which requests are sent again after a 404 that ended their session.
///
/// Whatever the policy, a request with `params.cursor` is not: cursors belong to the session
/// that gave them out. A batch is sent again whole, if every member qualifies, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResendPolicy {
    /// All of them: a 404 means that the request was not processed.
    All,
    /// Those of a method that only reads; for servers behind a proxy that may answer 404
    /// after the request was forwarded.
    ReadOnly,
    /// None.
    Never,
}

impl ResendPolicy {
    pub(super) fn allows(self, request: Repeatable) -> bool {
        match (self, request) {
            (Self::All, Repeatable::Always | Repeatable::Changing)
            | (Self::ReadOnly, Repeatable::Always) => true,
            (Self::ReadOnly, Repeatable::Changing)
            | (Self::Never, Repeatable::Always | Repeatable::Changing)
            | (Self::All | Self::ReadOnly | Self::Never, Repeatable::Never) => false,
        }
    }
}

/// How safely a request can be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeatable {
    /// It only reads.
    Always,
    /// It may change something.
    Changing,
    /// It means nothing in another session, or is no request.
    Never,
}

impl Repeatable {
    /// That of a request.
    pub(super) fn of(request: &Message<'_>) -> Self {
        if request.has_cursor() {
            return Self::Never;
        }
        let reads = READING.iter().any(|method| request.has_method(method));
        if reads { Self::Always } else { Self::Changing }
    }

    /// That of both together.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Never, _) | (_, Self::Never) => Self::Never,
            (Self::Changing, _) | (_, Self::Changing) => Self::Changing,
            (Self::Always, Self::Always) => Self::Always,
        }
    }
}

/// The methods of the specification that change nothing.
const READING: [&str; 8] = [
    "ping",
    "completion/complete",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "tools/list",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Outgoing;

    #[track_caller]
    fn assert_resent(body: &str, all: bool, read_only: bool) {
        let resent = |policy: ResendPolicy| policy.allows(Outgoing::post(body).repeatable());

        assert_eq!(all, resent(ResendPolicy::All), "{body}");
        assert_eq!(read_only, resent(ResendPolicy::ReadOnly), "{body}");
        assert!(!resent(ResendPolicy::Never), "{body}");
    }

    #[test]
    fn a_request_is_resent_by_its_method_and_never_with_a_cursor() {
        assert_resent(r#"{"id":1,"method":"tools/list"}"#, true, true);
        assert_resent(r#"{"id":1,"method":"tools/call","params":{"name":"x"}}"#, true, false);
        assert_resent(r#"{"id":1,"method":"resources/subscribe"}"#, true, false);
        assert_resent(r#"{"id":1,"method":"tools/list","params":{"cursor":"x"}}"#, false, false);
        assert_resent(r#"{"id":1,"method":"x","params":{"\u0063ursor":1}}"#, false, false);
        assert_resent(r#"{"id":1,"method":"x","params":{"a":{"cursor":1}}}"#, true, false);
        assert_resent(r#"{"method":"notifications/x"}"#, false, false);
        assert_resent(r#"{"id":1,"result":{}}"#, false, false);
        assert_resent("{", false, false);
    }

    #[test]
    fn a_batch_is_resent_if_every_member_qualifies() {
        let list = r#"{"id":1,"method":"tools/list"}"#;
        let call = r#"{"id":2,"method":"tools/call"}"#;
        let page = r#"{"id":3,"method":"tools/list","params":{"cursor":"x"}}"#;
        let notification = r#"{"method":"notifications/x"}"#;
        assert_resent(&std::format!("[{list},{list}]"), true, true);
        assert_resent(&std::format!("[{list},{call}]"), true, false);
        assert_resent(&std::format!("[{list},{page}]"), false, false);
        assert_resent(&std::format!("[{list},{notification}]"), false, false);
    }
}
