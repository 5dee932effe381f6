//! Misreports that a caller adds to the listed ones.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use http::StatusCode;

use super::normal_form::normal_form;

/// What a caller knows of the servers it talks to: the words in which they report a
/// terminated session, beside the listed ones.
///
/// Each is a status and a text. The text is compared as the listed ones are: it is the whole
/// trimmed body, or of a JSON object the whole `error.message`, a string `error` or a string
/// `message`; ASCII case, runs of white space, one final full stop and one leading
/// "bad request: ", "invalid request: " or "unauthorized: " make no difference. A 401 or 403
/// with a challenge is never one. They count on both sides, for a client whether or not it
/// recognizes [`Quirks`](crate::Quirks). Give them with a [`Response`](crate::Response).
///
/// ```
/// use http::StatusCode;
/// use mcp_session_core::{Method, Misreports, Quirks, Request, Response, Rule, Side, classify};
///
/// let misreports = Misreports::new([(StatusCode::CONFLICT, "Worker has forgotten you")])?;
/// let request = Request { session_id: Some(b"1868a90c"), ..Request::new(Method::Post) };
/// let response = Response {
///     body: Some(br#"{"error":"worker has forgotten you."}"#),
///     misreports: &misreports,
///     ..Response::new(StatusCode::CONFLICT)
/// };
///
/// let verdict = classify(Side::Client(Quirks::Ignore), &request, &response);
///
/// assert_eq!(verdict.rule(), Rule::MisreportOfCaller);
/// # Ok::<(), mcp_session_core::MisreportError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Misreports {
    /// Each text in normal form.
    wordings: Vec<(StatusCode, Box<str>)>,
}

impl Misreports {
    /// How many there may be.
    pub const LIMIT: usize = 64;

    /// How long a text may be, in bytes.
    pub const TEXT_LIMIT: usize = 256;

    /// None.
    pub const fn none() -> Self {
        Self { wordings: Vec::new() }
    }

    /// # Errors
    ///
    /// More than [`LIMIT`](Self::LIMIT) of them; a status that is no refusal or is 404, which
    /// is the specification's own; a text of nothing, or of more than
    /// [`TEXT_LIMIT`](Self::TEXT_LIMIT) bytes.
    pub fn new<'t>(
        wordings: impl IntoIterator<Item = (StatusCode, &'t str)>,
    ) -> Result<Self, MisreportError> {
        let mut checked = Vec::new();
        for (status, text) in wordings {
            if checked.len() == Self::LIMIT {
                return Err(MisreportError::TooMany);
            }
            let is_refusal = status.is_client_error() || status.is_server_error();
            if !is_refusal || status == StatusCode::NOT_FOUND {
                return Err(MisreportError::Status(status));
            }
            if text.len() > Self::TEXT_LIMIT {
                return Err(MisreportError::TextTooLong);
            }
            let normal: Vec<u8> = normal_form(text.trim_ascii().as_bytes()).collect();
            if normal.trim_ascii().is_empty() {
                return Err(MisreportError::TextEmpty);
            }
            checked.push((status, String::from_utf8_lossy(&normal).into()));
        }
        Ok(Self { wordings: checked })
    }

    /// The texts of one status, in normal form.
    pub(crate) fn texts(&self, status: StatusCode) -> impl Iterator<Item = &str> {
        self.wordings.iter().filter(move |(own, _)| *own == status).map(|(_, text)| &**text)
    }
}

impl fmt::Debug for Misreports {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_list()
            .entries(self.wordings.iter().map(|(status, text)| (status.as_u16(), text)))
            .finish()
    }
}

/// Why a caller's [`Misreports`] were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MisreportError {
    /// There are more than [`Misreports::LIMIT`].
    TooMany,
    /// This status cannot be one of a misreport.
    Status(StatusCode),
    /// A text has nothing in it that is compared.
    TextEmpty,
    /// A text is longer than [`Misreports::TEXT_LIMIT`].
    TextTooLong,
}

impl fmt::Display for MisreportError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(formatter, "more than {} misreports", Misreports::LIMIT),
            Self::Status(status) => write!(
                formatter,
                "a misreport's status is 400 to 599 other than 404, not {}",
                status.as_u16()
            ),
            Self::TextEmpty => formatter.write_str("a misreport's text is empty"),
            Self::TextTooLong => {
                write!(
                    formatter,
                    "a misreport's text is of more than {} bytes",
                    Misreports::TEXT_LIMIT
                )
            }
        }
    }
}

impl Error for MisreportError {}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    #[test]
    fn what_cannot_be_a_misreport_is_refused_and_says_why() {
        let long = "x".repeat(Misreports::TEXT_LIMIT + 1);
        for (status, text, error) in [
            (200, "x", "a misreport's status is 400 to 599 other than 404, not 200"),
            (399, "x", "a misreport's status is 400 to 599 other than 404, not 399"),
            (404, "x", "a misreport's status is 400 to 599 other than 404, not 404"),
            (600, "x", "a misreport's status is 400 to 599 other than 404, not 600"),
            (400, "", "a misreport's text is empty"),
            (400, " Bad Request: .", "a misreport's text is empty"),
            (400, &long, "a misreport's text is of more than 256 bytes"),
        ] {
            let refused = Misreports::new([(StatusCode::from_u16(status).unwrap(), text)]);

            assert_eq!(Some(error), refused.err().map(|it| format!("{it}")).as_deref());
        }
        let many = |count| Misreports::new([(StatusCode::CONFLICT, "x")].repeat(count));
        assert!(many(Misreports::LIMIT).is_ok());
        assert_eq!(Err(MisreportError::TooMany), many(Misreports::LIMIT + 1));
        assert!(Misreports::new([(StatusCode::CONFLICT, &long[1..])]).is_ok());
    }

    #[test]
    fn texts_are_kept_in_normal_form_by_their_status() {
        let misreports = Misreports::new([
            (StatusCode::CONFLICT, " Bad Request:  Gone\tagain. "),
            (StatusCode::GONE, "other"),
        ])
        .unwrap();

        assert!(misreports.texts(StatusCode::CONFLICT).eq(["gone again"]));
        assert_eq!(r#"[(409, "gone again"), (410, "other")]"#, format!("{misreports:?}"));
        assert!(Misreports::none().texts(StatusCode::CONFLICT).next().is_none());
    }
}
