//! The body of a request that is read whole before it is known who runs it.

use mcp_session_core::server::CollectedBody as CoreCollectedBody;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::asgi::Message;
use crate::server::{ServerPolicy, rest};

/// The body of a request, as ASGI brings it, collected before anything is done about it.
///
/// `policy` (`ServerPolicy`): what bounds all requests together. `at_most` (`int`, bytes): how
/// much of this one is of use. What is collected counts until this is let go.
///
/// >>> from mcp_session._core import CollectedBody, ServerPolicy
/// >>> body = CollectedBody(ServerPolicy(), 1024)
/// >>> body.request({"type": "http.request", "body": b"{}", "more_body": False})
/// >>> body.reads_on, body.take()
/// (False, b'{}')
///
/// Source: law 4 of the server machine.
#[pyclass(module = "mcp_session._core")]
pub(crate) struct CollectedBody(CoreCollectedBody);

#[pymethods]
impl CollectedBody {
    #[new]
    #[pyo3(signature = (policy, at_most, /))]
    fn new(policy: &Bound<'_, ServerPolicy>, at_most: usize) -> Self {
        Self(CoreCollectedBody::new(&policy.get().policy, at_most))
    }

    /// Whether to read a message, tell of it by `request`, and ask again (`bool`).
    #[getter]
    fn reads_on(&self) -> bool {
        self.0.reads_on()
    }

    /// Whether it has to be told of what is read (`bool`).
    #[getter]
    fn remembers_request(&self) -> bool {
        self.0.reads_on()
    }

    /// Tell of what the server's `receive` returned; of `None` if it raised.
    #[pyo3(signature = (message, /))]
    fn request(&mut self, message: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        Message::of_request(message, |piece| match piece {
            Some((piece, more)) => self.0.piece(piece.bytes(), rest(more)),
            None => self.0.cut(),
        })
    }

    /// Tell that the application has waited for the request long enough.
    fn wait_over(&mut self) {
        self.0.cut();
    }

    /// Whether all of it is there (`bool`).
    #[getter]
    fn is_whole(&self) -> bool {
        self.0.is_whole()
    }

    /// Whether it was given up because all requests together had too much (`bool`).
    #[getter]
    fn has_no_room(&self) -> bool {
        self.0.has_no_room()
    }

    /// Take the bytes, once they are whole; else `None`. They are handed out once.
    fn take<'py>(&mut self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.0.take().map(|bytes| PyBytes::new(py, &bytes))
    }
}
