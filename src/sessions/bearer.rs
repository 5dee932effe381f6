//! What a bearer token says of itself, where nobody who has verified it is asked.

use alloc::vec::Vec;

use crate::jsonrpc::json;

/// Longer tokens than any header line that a server takes.
const LONGEST: usize = 64 * 1024;

/// The claims of a JSON Web Token by which it names whom it is for.
///
/// They are not verified here. The application verifies the token with each request, those
/// included by which a session is restored, and refuses one that was forged. So they tell apart
/// callers whose tokens are good, and stay the same when a token is refreshed.
///
/// > JWTs encode claims to be transmitted as a JSON \[RFC7159\] object that is used as the
/// > payload of a JSON Web Signature (JWS) structure
/// >
/// > <https://www.rfc-editor.org/rfc/rfc7519.html#section-1>
pub(super) struct Claims {
    pub(super) issuer: Vec<u8>,
    /// Whom the token was issued to, if it says so.
    pub(super) client: Vec<u8>,
    pub(super) subject: Vec<u8>,
}

impl Claims {
    /// The claims in a value of `Authorization`, if it is a bearer token of that form which
    /// names its issuer and its subject, each once.
    pub(super) fn of(authorization: &[u8]) -> Option<Self> {
        let (scheme, token) = authorization.split_at_checked(b"bearer ".len())?;
        if !scheme.eq_ignore_ascii_case(b"bearer ") || token.len() > LONGEST {
            return None;
        }
        let mut parts = token.trim_ascii().split(|byte| *byte == b'.');
        let (_, payload) = (parts.next()?, parts.next()?);
        if parts.next().is_none_or(<[u8]>::is_empty) || parts.next().is_some() {
            return None;
        }
        let payload = decoded(payload)?;
        let names = ["iss", "sub", "client_id", "azp"];
        let [issuer, subject, client, party] = json::members(json::text(&payload)?, names)?;
        let text = |member: json::Member<'_>| json::string_bytes(member.once()?);
        let known = |text: &Vec<u8>| !text.is_empty();
        Some(Self {
            issuer: text(issuer).filter(known)?,
            client: text(client).or_else(|| text(party)).unwrap_or_default(),
            subject: text(subject).filter(known)?,
        })
    }
}

/// Decodes base64url without padding, of which the bits that are left over do not count.
///
/// <https://www.rfc-editor.org/rfc/rfc4648.html#section-5>
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.chunks(4) {
        let mut bits = 0_u32;
        for byte in group {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'-' => 62,
                b'_' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        let [_, first, second, third] = (bits << (6 * (4 - group.len()))).to_be_bytes();
        bytes.extend([first, second, third].into_iter().take(group.len() * 6 / 8));
    }
    (text.len() % 4 != 1).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"iss":"https://issuer.example","sub":"ada","azp":"cli","exp":1}`
    const ADA: &str =
        "eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoiYWRhIiwiYXpwIjoiY2xpIiwiZXhwIjoxfQ";

    fn names(authorization: &str) -> Option<(Vec<u8>, Vec<u8>, Vec<u8>)> {
        let Claims { issuer, client, subject } = Claims::of(authorization.as_bytes())?;
        Some((issuer, client, subject))
    }

    #[test]
    fn a_token_names_issuer_client_and_subject_whatever_else_it_says() {
        let named = (b"https://issuer.example".to_vec(), b"cli".to_vec(), b"ada".to_vec());
        for authorization in
            [std::format!("Bearer e30.{ADA}.sig"), std::format!("bearer  another.{ADA}.another ")]
        {
            assert_eq!(names(&authorization).as_ref(), Some(&named), "{authorization}");
        }
    }

    #[test]
    fn what_is_no_such_token_names_nobody() {
        for authorization in [
            "",
            "Bearer ",
            "Bearer opaque",
            "Basic a.e30.b",
            "Bearer a.e30.b",                                        // {}
            "Bearer a.eyJzdWIiOiJhIn0.b",                            // {"sub":"a"}
            "Bearer a.eyJpc3MiOiJpIiwic3ViIjoiIn0.b",                // {"iss":"i","sub":""}
            "Bearer a.eyJpc3MiOiJpIiwic3ViIjoxfQ.b",                 // {"iss":"i","sub":1}
            "Bearer a.eyJpc3MiOiJpIiwic3ViIjoiYSIsInN1YiI6ImIifQ.b", // "sub" twice
            "Bearer a.W10.b",                                        // []
            "Bearer a.e3.b",
            "Bearer a.e.b",
            "Bearer a.!!!!.b",
        ] {
            assert_eq!(names(authorization), None, "{authorization}");
        }
        assert_eq!(names(&std::format!("Bearer e30.{ADA}")), None);
        assert_eq!(names(&std::format!("Bearer e30.{ADA}.")), None);
        assert_eq!(names(&std::format!("Bearer e30.{ADA}.sig.more")), None);
    }

    #[test]
    fn every_length_is_decoded_as_it_was_encoded() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("_w", b"\xff"),
            ("_-8", b"\xff\xef"),
            ("_-_v", b"\xff\xef\xef"),
            ("AAAAAQ", b"\0\0\0\x01"),
        ] {
            assert_eq!(decoded(text.as_bytes()).as_deref(), Some(bytes), "{text}");
        }
    }
}
