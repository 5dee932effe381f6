//! Headers as HTTP libraries have them: pairs of `bytes`, or more with the name first and the
//! value last.

use std::borrow::Cow;

use mcp_session_core::client::RecoveryMessage;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arguments::{no_pair_of_bytes, part};

/// What stands for one header of the names that were asked for.
pub(crate) enum Value<'py> {
    Missing,
    Once(Bound<'py, PyBytes>),
    Joined(String),
}

/// The values of the headers of these names, each joined as HTTP joins what is repeated.
///
/// Names count in any case. A header whose name is no `bytes` is none of those that count.
pub(crate) fn values<'py, const N: usize>(
    headers: &Bound<'py, PyAny>,
    names: [&str; N],
) -> PyResult<[Value<'py>; N]> {
    let mut values = [const { Value::Missing }; N];
    for pair in headers.try_iter()? {
        let pair = pair?;
        let Ok(name) = part(&pair, 0)?.cast_into::<PyBytes>() else { continue };
        let name = name.as_bytes();
        let found = names
            .iter()
            .zip(&mut values)
            .find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        if let Some((_, value)) = found {
            let last = pair.len().map_err(|_| no_pair_of_bytes())?.max(2) - 1;
            let text = part(&pair, last)?.cast_into::<PyBytes>().map_err(|_| no_pair_of_bytes())?;
            value.add(text);
        }
    }
    Ok(values)
}

/// List what of the headers of the request that opened a session goes out with the messages that
/// make a new one, as pairs of `bytes`.
///
/// `headers` are that request's, `others` those that are added anew to each message: both iterables
/// of pairs of `bytes`. What is of one request, one session or one connection is left out, and so
/// is what is in `others` as it stands. Nothing comes encoded.
///
/// >>> from mcp_session.client import repeated_headers
/// >>> headers = [(b"X-Team", b"search"), (b"mcp-session-id", b"1868a90c"), (b"host", b"a")]
/// >>> repeated_headers(headers, [(b"Host", b"a")])
/// [(b'X-Team', b'search'), (b'accept-encoding', b'identity')]
///
/// Source: guarantee 3 of `Session`.
#[pyfunction]
pub(crate) fn repeated_headers<'py>(
    headers: &Bound<'py, PyAny>,
    others: &Bound<'py, PyAny>,
) -> PyResult<Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>> {
    let (py, others) = (headers.py(), pairs(others)?);
    let mut repeated = pairs(headers)?;
    repeated.retain(|(name, value)| {
        RecoveryMessage::repeats(name.as_bytes())
            && !others.iter().any(|(other, its)| {
                name.as_bytes().eq_ignore_ascii_case(other.as_bytes())
                    && value.as_bytes() == its.as_bytes()
            })
    });
    repeated.push((PyBytes::new(py, b"accept-encoding"), PyBytes::new(py, b"identity")));
    Ok(repeated)
}

/// Headers that are all pairs of `bytes`.
pub(crate) fn pairs<'py>(
    headers: &Bound<'py, PyAny>,
) -> PyResult<Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>> {
    let bytes_of = |pair: &Bound<'py, PyAny>, index| {
        part(pair, index)?.cast_into::<PyBytes>().map_err(|_| no_pair_of_bytes())
    };
    let pair_of = |pair: PyResult<Bound<'py, PyAny>>| {
        let pair = pair?;
        Ok((bytes_of(&pair, 0)?, bytes_of(&pair, 1)?))
    };
    headers.try_iter()?.map(pair_of).collect()
}

impl<'py> Value<'py> {
    /// The value, without the space around it. What is no UTF-8 is replaced.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Missing => None,
            Self::Once(value) => Some(text_of(value)),
            Self::Joined(value) => Some(Cow::Borrowed(value)),
        }
    }

    fn add(&mut self, next: Bound<'py, PyBytes>) {
        *self = match self.text() {
            None => Self::Once(next),
            Some(before) => Self::Joined(format!("{before}, {}", text_of(&next))),
        };
    }
}

fn text_of<'a>(value: &'a Bound<'_, PyBytes>) -> Cow<'a, str> {
    lossy(stripped(value.as_bytes()))
}

/// As text; what is no UTF-8 is replaced. Nearly all of it is, and then it is asked only that.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Without the space around it, as Python's `bytes.strip` has it: a vertical tab is one too.
fn stripped(value: &[u8]) -> &[u8] {
    let is_kept = |byte: &u8| !matches!(byte, b' ' | b'\t'..=b'\r');
    let start = value.iter().position(is_kept).unwrap_or(value.len());
    let end = value.iter().rposition(is_kept).map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}
