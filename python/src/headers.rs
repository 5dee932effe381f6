//! Headers as HTTP libraries and ASGI have them: pairs of `bytes`.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arguments::{no_pair_of_bytes, part};

/// The values of the headers of these names, each joined as HTTP joins what is repeated.
///
/// Names count in any case, values without the space around them. What is no UTF-8 is
/// replaced. A header whose name is no `bytes` is none of those that count.
pub(crate) fn values<const N: usize>(
    headers: &Bound<'_, PyAny>,
    names: [&str; N],
) -> PyResult<[Option<String>; N]> {
    let mut values = [const { None }; N];
    for pair in headers.try_iter()? {
        let pair = pair?;
        let Ok(name) = part(&pair, 0)?.cast_into::<PyBytes>() else { continue };
        let name = name.as_bytes();
        let found = names
            .iter()
            .zip(&mut values)
            .find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        if let Some((_, value)) = found {
            let text = part(&pair, 1)?.cast_into::<PyBytes>().map_err(|_| no_pair_of_bytes())?;
            join(value, &String::from_utf8_lossy(stripped(text.as_bytes())));
        }
    }
    Ok(values)
}

fn join(value: &mut Option<String>, next: &str) {
    match value {
        Some(value) => {
            value.push_str(", ");
            value.push_str(next);
        }
        None => *value = Some(next.to_owned()),
    }
}

/// Without the space around it, as Python's `bytes.strip` has it: a vertical tab is one too.
fn stripped(value: &[u8]) -> &[u8] {
    let is_kept = |byte: &u8| !matches!(byte, b' ' | b'\t'..=b'\r');
    let start = value.iter().position(is_kept).unwrap_or(value.len());
    let end = value.iter().rposition(is_kept).map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}
