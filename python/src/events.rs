//! The reader of server-sent events for Python.

use std::sync::{Mutex, PoisonError};

use mcp_session_core::events::{Event as CoreEvent, EventReader as CoreReader};
use pyo3::prelude::*;

use crate::arguments::{Body, LimitArgument};

/// Reads server-sent events from bytes that come in any pieces.
///
/// `limit` (`int`, bytes): how much of one event's data, type or ID is kept; what is longer
/// is passed over and told of as `EventTooLong`. However the bytes are cut, the events are
/// the same. Raises `TypeError` and `ValueError` for a wrong limit.
///
/// >>> from mcp_session import EventReader
/// >>> reader = EventReader()
/// >>> reader.read(b"id: 1\ndata: {}\n")
/// []
/// >>> reader.read(b"\n")
/// [Event('message', '{}', '1')]
/// >>> reader.last_event_id
/// '1'
///
/// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct EventReader(Mutex<CoreReader>);

#[pymethods]
impl EventReader {
    #[new]
    #[pyo3(
        signature = (*, limit=LimitArgument(CoreReader::DEFAULT_LIMIT)),
        text_signature = "(*, limit=4194304)",
    )]
    fn new(limit: LimitArgument) -> Self {
        Self(Mutex::new(CoreReader::new(limit.0)))
    }

    /// Take the next bytes (`bytes`, `bytearray` or `memoryview`) and return the events they
    /// complete, in order: a list of `Event` and `EventTooLong`.
    #[pyo3(signature = (data, /))]
    fn read(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Vec<Py<PyAny>>> {
        let data = Body::of("data", data.as_borrowed())?;
        // Collected first, so that no Python runs while the lock is held.
        let events: Vec<CoreEvent> = self.with(|reader| reader.read(data.bytes()).collect());
        events
            .into_iter()
            .map(|event| match event {
                CoreEvent::Message { event, data, id } => {
                    Ok(Py::new(py, Event { event, data, id: id.as_ref().to_owned() })?.into_any())
                }
                CoreEvent::TooLong => Ok(Py::new(py, EventTooLong)?.into_any()),
            })
            .collect()
    }

    /// The last event ID so far (`str`), for `Last-Event-ID`; empty if there is none.
    #[getter]
    fn last_event_id(&self) -> String {
        self.with(|reader| reader.last_event_id().to_owned())
    }

    /// The time to wait before reconnecting (`int`, milliseconds), or `None` if none was
    /// said.
    #[getter]
    fn retry(&self) -> Option<u64> {
        self.with(|reader| reader.retry())
    }
}

impl EventReader {
    fn with<R>(&self, use_it: impl FnOnce(&mut CoreReader) -> R) -> R {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One server-sent event.
///
/// `event` (`str`): its type, `message` unless it says otherwise. `data` (`str`): its lines,
/// joined by line feeds. `id` (`str`): the last event ID when it was dispatched.
///
/// >>> from mcp_session import EventReader
/// >>> [event] = EventReader().read(b"event: endpoint\ndata: /messages\n\n")
/// >>> event.event, event.data, event.id
/// ('endpoint', '/messages', '')
///
/// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#dispatchMessage
#[pyclass(frozen, eq, hash, module = "mcp_session")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Event {
    #[pyo3(get)]
    event: String,
    #[pyo3(get)]
    data: String,
    #[pyo3(get)]
    id: String,
}

#[pymethods]
impl Event {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str) {
        ("event", "data", "id")
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let fields = (&self.event, &self.data, &self.id).into_pyobject(py)?;
        Ok(format!("Event{}", fields.repr()?))
    }
}

/// An event beyond the reader's limit; its data was not kept.
///
/// >>> from mcp_session import EventReader
/// >>> EventReader(limit=3).read(b"data: four\n\n")
/// [EventTooLong()]
///
/// Source: `EventReader`, whose memory is bounded.
#[pyclass(frozen, eq, hash, module = "mcp_session")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct EventTooLong;

#[pymethods]
impl EventTooLong {
    fn __repr__(&self) -> &'static str {
        "EventTooLong()"
    }
}
