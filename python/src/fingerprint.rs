//! What is shown of a session's ID.

use pyo3::prelude::*;

/// What stands for an ID in this process. The ID is a credential, and is shown to nobody.
pub(crate) fn fingerprint(py: Python<'_>, session_id: &str) -> PyResult<String> {
    let module = py.import("mcp_session._fingerprint")?;
    module.getattr("fingerprint")?.call1((session_id,))?.extract()
}
