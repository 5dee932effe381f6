//! The body of a request that is read whole before it is known who runs it.

use std::sync::{Mutex, MutexGuard};

use mcp_session_core::server::{BodyNumber, CollectedBody as CoreCollectedBody};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::asgi::Message;
use crate::replica_run::lock;
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
#[pyclass(frozen, module = "mcp_session._core")]
pub(crate) struct CollectedBody {
    body: Mutex<CoreCollectedBody>,
    policy: Py<ServerPolicy>,
    /// Among those that give way.
    number: Mutex<Option<BodyNumber>>,
}

#[pymethods]
impl CollectedBody {
    #[new]
    #[pyo3(signature = (policy, at_most, /))]
    fn new(policy: Bound<'_, ServerPolicy>, at_most: usize) -> Self {
        let body = Mutex::new(CoreCollectedBody::new(&policy.get().policy, at_most));
        Self { body, policy: policy.unbind(), number: Mutex::default() }
    }

    /// Whether to read a message, tell of it by `request`, and ask again (`bool`).
    #[getter]
    fn reads_on(&self) -> bool {
        self.lock().reads_on()
    }

    /// Whether it has to be told of what is read (`bool`).
    #[getter]
    fn remembers_request(&self) -> bool {
        self.lock().reads_on()
    }

    /// Tell of what the server's `receive` returned; of `None` if it raised.
    #[pyo3(signature = (message, /))]
    fn request(&self, message: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        Message::of_request(message, |piece| match piece {
            Some((piece, more)) => self.lock().piece(piece.bytes(), rest(more)),
            None => self.lock().cut(),
        })?;
        if !self.reads_on() {
            self.give_way_no_more();
        }
        Ok(())
    }

    /// Tell that its client lets wait for the rest: it gives way from now on. Returns the number
    /// (`int`) by which it does.
    fn wait(&self) -> u64 {
        let number = self.policy.get().unfinished().begin();
        *lock(&self.number) = Some(number);
        number.into()
    }

    /// Return the number (`int`) of the body that has to give way before this one is told of a
    /// message; `None` where there is room for that, or nothing would make any.
    #[pyo3(signature = (message, /))]
    fn displaces(&self, message: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
        let mut is_short_of_room = false;
        Message::of_request(Some(message), |piece| {
            is_short_of_room = piece.is_some_and(|(piece, more)| {
                self.lock().is_short_of_room(piece.bytes(), rest(more))
            });
        })?;
        let number = *lock(&self.number);
        let give_way = || self.policy.get().unfinished().give_way(number);
        Ok(is_short_of_room.then(give_way).flatten().map(u64::from))
    }

    /// Tell that it gives way, and that nobody has anything of it any more.
    fn give_way(&self) {
        self.lock().give_way();
    }

    /// Tell that the application has waited for the request long enough.
    fn wait_over(&self) {
        self.lock().cut();
        self.give_way_no_more();
    }

    /// Whether all of it is there (`bool`).
    #[getter]
    fn is_whole(&self) -> bool {
        self.lock().is_whole()
    }

    /// Whether it was given up because all requests together had too much (`bool`).
    #[getter]
    fn has_no_room(&self) -> bool {
        self.lock().has_no_room()
    }

    /// Whether it has given way to another, and what was read of it is gone (`bool`).
    #[getter]
    fn gave_way(&self) -> bool {
        self.lock().gave_way()
    }

    /// Tell that nobody has anything of it any more: it does not count from now on.
    fn let_go(&self) {
        self.lock().let_go();
        self.give_way_no_more();
    }

    /// Take the bytes, once they are whole; else `None`. They are handed out once.
    fn take<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let taken = self.lock().take();
        taken.map(|bytes| PyBytes::new(py, &bytes))
    }
}

impl CollectedBody {
    fn lock(&self) -> MutexGuard<'_, CoreCollectedBody> {
        lock(&self.body)
    }

    fn give_way_no_more(&self) {
        if let Some(number) = lock(&self.number).take() {
            self.policy.get().unfinished().end(number);
        }
    }
}

/// The backstop, where nobody has let go of it.
impl Drop for CollectedBody {
    fn drop(&mut self) {
        self.give_way_no_more();
    }
}
