//! What the handles of one client have in common.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mcp_session_core::client::{Client as CoreClient, Event, ResponseHead, SessionName};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::arguments::StatusArgument;
use crate::enums;
use crate::fingerprint::fingerprint;
use crate::headers::{Value, values};
use crate::session::AlreadyUsedError;

/// What every run of one client shares.
pub(crate) struct Shared(Mutex<CoreClient>);

impl Shared {
    pub(crate) fn new(client: CoreClient) -> Self {
        Self(Mutex::new(client))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, CoreClient> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Events as tuples: the name of the kind, what stands for the ID by which the session goes (empty
/// if it has none), and what else there is to say.
pub(crate) fn event_objects(py: Python<'_>, events: Vec<Event>) -> PyResult<Py<PyList>> {
    let shown = |session: &SessionName| match session.as_str() {
        "" => Ok(String::new()),
        id => fingerprint(py, id),
    };
    let list = PyList::empty(py);
    for event in events {
        list.append(match event {
            Event::Terminated { session, rule } => {
                ("terminated", shown(&session)?, enums::rule(py, rule)?)
                    .into_pyobject(py)?
                    .into_any()
            }
            Event::Reinitialized { session, replaced_by, result, refused } => (
                "reinitialized",
                shown(&session)?,
                replaced_by.as_ref().map_or(Ok(String::new()), shown)?,
                PyBytes::new(py, &result),
                PyTuple::new(py, refused)?,
            )
                .into_pyobject(py)?
                .into_any(),
            Event::Revived { session } => {
                ("revived", shown(&session)?).into_pyobject(py)?.into_any()
            }
            Event::RecoveryFailed { session, reason, detail } => {
                ("recovery_failed", shown(&session)?, enums::reason(py, reason)?, detail)
                    .into_pyobject(py)?
                    .into_any()
            }
            Event::RequestGivenUp { session, reason, detail } => {
                ("request_given_up", shown(&session)?, enums::reason(py, reason)?, detail)
                    .into_pyobject(py)?
                    .into_any()
            }
        })?;
    }
    Ok(list.unbind())
}

/// Looks at a head, and at whether it says that the body is encoded.
pub(crate) fn with_head<R>(
    status: &StatusArgument,
    headers: &Bound<'_, PyAny>,
    look: impl FnOnce(&ResponseHead<'_>, bool) -> PyResult<R>,
) -> PyResult<R> {
    let names = ["mcp-session-id", "content-type", "content-encoding", "www-authenticate"];
    let values = values(headers, names)?;
    let [session_id, content_type, content_encoding, www_authenticate] =
        values.each_ref().map(Value::text);
    let head = ResponseHead {
        session_id: session_id.as_deref(),
        content_type: content_type.as_deref(),
        www_authenticate: www_authenticate.as_deref(),
        // Bodies are given decoded.
        content_encoding: None,
        ..ResponseHead::new(status.0)
    };
    look(&head, content_encoding.is_some())
}

pub(crate) fn used() -> PyErr {
    AlreadyUsedError::new_err("it does not wait for that now")
}

/// Bodies longer than this are looked at without holding up other Python threads.
pub(crate) fn is_long(length: usize) -> bool {
    length >= 64 * 1024
}
