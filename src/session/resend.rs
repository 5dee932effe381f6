//! Which requests are sent again after their session ended.

use crate::json;
use crate::message::{Kind, Message, peek};

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

impl ResendPolicy {
    pub(super) fn qualifies(self, body: &[u8]) -> bool {
        let message = peek(body);
        match message.kind() {
            Kind::Request => self.lets(&message),
            Kind::Batch => {
                let mut all = true;
                for_each_member(body, |member| {
                    all &= member.kind() == Kind::Request && self.lets(member);
                });
                all
            }
            Kind::Notification | Kind::Response | Kind::Malformed => false,
        }
    }

    fn lets(self, request: &Message<'_>) -> bool {
        let by_method = match self {
            Self::All => true,
            Self::ReadOnly => {
                request.method().is_some_and(|method| READING.contains(&method.as_ref()))
            }
            Self::Never => false,
        };
        by_method && !request.has_cursor()
    }
}

/// Whether a batch holds a request: something that is to be answered.
pub(super) fn has_request(body: &[u8]) -> bool {
    let mut has_request = false;
    for_each_member(body, |member| {
        has_request |= match member.kind() {
            // A member that is none of these is answered too: with an error.
            Kind::Request | Kind::Batch | Kind::Malformed => true,
            Kind::Notification | Kind::Response => false,
        };
    });
    has_request
}

/// Looks at each member of a batch.
pub(super) fn for_each_member<'a>(body: &'a [u8], mut look: impl FnMut(&Message<'a>)) {
    // `peek` has found the body to be an array, so all of it is read.
    let _whole = json::text(body)
        .and_then(|text| json::elements(text, |member| look(&peek(member.as_bytes()))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_qualifies(body: &str, all: bool, read_only: bool) {
        let qualifies = |policy: ResendPolicy| policy.qualifies(body.as_bytes());

        assert_eq!(all, qualifies(ResendPolicy::All), "{body}");
        assert_eq!(read_only, qualifies(ResendPolicy::ReadOnly), "{body}");
        assert!(!qualifies(ResendPolicy::Never), "{body}");
    }

    #[test]
    fn a_request_is_resent_by_its_method_and_never_with_a_cursor() {
        assert_qualifies(r#"{"id":1,"method":"tools/list"}"#, true, true);
        assert_qualifies(r#"{"id":1,"method":"tools/call","params":{"name":"x"}}"#, true, false);
        assert_qualifies(r#"{"id":1,"method":"resources/subscribe"}"#, true, false);
        assert_qualifies(r#"{"id":1,"method":"tools/list","params":{"cursor":"x"}}"#, false, false);
        assert_qualifies(r#"{"id":1,"method":"x","params":{"\u0063ursor":1}}"#, false, false);
        assert_qualifies(r#"{"id":1,"method":"x","params":{"a":{"cursor":1}}}"#, true, false);
        assert_qualifies(r#"{"method":"notifications/x"}"#, false, false);
        assert_qualifies(r#"{"id":1,"result":{}}"#, false, false);
        assert_qualifies("{", false, false);
    }

    #[test]
    fn a_batch_is_resent_if_every_member_qualifies() {
        let list = r#"{"id":1,"method":"tools/list"}"#;
        let call = r#"{"id":2,"method":"tools/call"}"#;
        let page = r#"{"id":3,"method":"tools/list","params":{"cursor":"x"}}"#;
        let notification = r#"{"method":"notifications/x"}"#;
        assert_qualifies(&std::format!("[{list},{list}]"), true, true);
        assert_qualifies(&std::format!("[{list},{call}]"), true, false);
        assert_qualifies(&std::format!("[{list},{page}]"), false, false);
        assert_qualifies(&std::format!("[{list},{notification}]"), false, false);
    }
}
