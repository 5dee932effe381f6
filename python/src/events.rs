//! The reader of server-sent events for Python.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp_session_core::sse::{Event as CoreEvent, EventReader as CoreReader};
use pyo3::prelude::*;
use pyo3::sync::MutexExt as _;
use pyo3::types::PyString;

use crate::arguments::{KeptBody, LimitArgument};

/// Reads of more bytes than this let other threads run.
const DETACH_FROM: usize = 64 * 1024;

/// Reads server-sent events from bytes that come in any pieces.
///
/// `limit` (`int`, bytes): how much of one event's data or type is kept; what is longer is
/// passed over and told of as `EventTooLong`. An ID beyond 1,024 bytes, or the limit, is
/// ignored. However the bytes are cut, the events are the same. Raises `TypeError` and
/// `ValueError` for a wrong limit.
///
/// >>> from mcp_session import EventReader
/// >>> reader = EventReader()
/// >>> list(reader.read(b"id: 1\ndata: {}\n"))
/// []
/// >>> list(reader.read(b"\n"))
/// [Event('message', '{}', '1')]
/// >>> reader.last_event_id
/// '1'
///
/// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct EventReader(Mutex<State>);

/// No Python runs while this is locked, and nobody waits for it who keeps others from running.
struct State {
    core: CoreReader,
    /// The bytes that came last, and how many of them have been read.
    piece: Option<Arc<KeptBody>>,
    at: usize,
    /// The last event ID, as Python has it.
    id: Option<SharedId>,
}

#[pymethods]
impl EventReader {
    #[new]
    #[pyo3(
        signature = (*, limit=LimitArgument(CoreReader::DEFAULT_LIMIT)),
        text_signature = "(*, limit=4194304)",
    )]
    fn new(limit: LimitArgument) -> Self {
        let core = CoreReader::new(limit.0);
        Self(Mutex::new(State { core, piece: None, at: 0, id: None }))
    }

    /// Take the next bytes (`bytes`, `bytearray` or `memoryview`) and return an iterator over
    /// the events they complete, in order: `Event` and `EventTooLong`.
    ///
    /// Each is made as it is taken, so that no bytes make more of them than there is room for.
    /// Those that were not taken are lost when the iterator is dropped, or the next bytes come.
    #[pyo3(signature = (data, /))]
    fn read(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<Events> {
        let piece = Arc::new(KeptBody::of("data", data.as_borrowed())?);
        let (py, reader) = (slf.py(), slf.get());
        loop {
            let mut state = reader.locked(py);
            match &state.piece {
                Some(former) => {
                    let former = Arc::clone(former);
                    drop(state);
                    reader.read_rest(py, &former);
                }
                None => {
                    (state.piece, state.at) = (Some(Arc::clone(&piece)), 0);
                    break;
                }
            }
        }
        Ok(Events { reader: slf.clone().unbind(), piece })
    }

    /// The last event ID so far (`str`), for `Last-Event-ID`; empty if there is none.
    #[getter]
    fn last_event_id(&self, py: Python<'_>) -> Py<PyString> {
        let id = Arc::clone(self.locked(py).core.shared_last_event_id());
        self.shared(py, id).object
    }

    /// The time to wait before reconnecting (`int`, milliseconds), or `None` if none was
    /// said.
    #[getter]
    fn retry(&self, py: Python<'_>) -> Option<u64> {
        self.locked(py).core.retry()
    }
}

impl EventReader {
    fn locked(&self, py: Python<'_>) -> MutexGuard<'_, State> {
        self.0.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    /// The next event of a piece, if that still is the one to be read.
    fn next(&self, py: Python<'_>, piece: &Arc<KeptBody>) -> Option<CoreEvent> {
        let bytes = (**piece).as_ref();
        self.reading(py, piece, bytes.len(), |state| {
            let mut events = state.core.read(bytes.get(state.at..).unwrap_or_default());
            let event = events.next();
            let left = events.bytes_left();
            events.pause();
            state.at = bytes.len().saturating_sub(left);
            event
        })
    }

    /// Reads what is left of a piece.
    fn read_rest(&self, py: Python<'_>, piece: &Arc<KeptBody>) {
        let bytes = (**piece).as_ref();
        self.reading(py, piece, bytes.len(), |state| {
            drop(state.core.read(bytes.get(state.at..).unwrap_or_default()));
            None
        });
    }

    /// Reads this piece until there is no further event; other threads run if it is long.
    fn reading(
        &self,
        py: Python<'_>,
        piece: &Arc<KeptBody>,
        length: usize,
        read: impl FnOnce(&mut State) -> Option<CoreEvent> + Send,
    ) -> Option<CoreEvent> {
        let read = |mut state: MutexGuard<'_, State>| {
            if !state.piece.as_ref().is_some_and(|current| Arc::ptr_eq(current, piece)) {
                return None;
            }
            let event = read(&mut state);
            if event.is_none() {
                // The caller has it too: nothing of Python's is freed here.
                state.piece = None;
            }
            event
        };
        if length < DETACH_FROM {
            read(self.locked(py))
        } else {
            py.detach(|| read(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
        }
    }

    /// An ID as Python has it: one object for all the events that have it.
    fn shared(&self, py: Python<'_>, id: Arc<str>) -> SharedId {
        let known = self.locked(py).id.as_ref().map(|known| known.clone_ref(py));
        if let Some(known) = known.filter(|known| Arc::ptr_eq(&known.text, &id)) {
            return known;
        }
        let shared = SharedId { object: PyString::new(py, &id).unbind(), text: id };
        let kept = shared.clone_ref(py);
        let former = self.locked(py).id.replace(kept);
        drop(former);
        shared
    }
}

/// The events that some bytes complete.
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Events {
    reader: Py<EventReader>,
    piece: Arc<KeptBody>,
}

#[pymethods]
impl Events {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let reader = self.reader.get();
        Ok(match reader.next(py, &self.piece) {
            Some(CoreEvent::Message { event, data, id }) => {
                let id = reader.shared(py, id);
                Some(Py::new(py, Event { event, data, id })?.into_any())
            }
            Some(CoreEvent::TooLong) => Some(Py::new(py, EventTooLong)?.into_any()),
            None => None,
        })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // As the interpreter ends, what is left does not matter.
        Python::try_attach(|py| self.reader.get().read_rest(py, &self.piece));
    }
}

/// A last event ID.
struct SharedId {
    text: Arc<str>,
    object: Py<PyString>,
}

impl SharedId {
    fn clone_ref(&self, py: Python<'_>) -> Self {
        Self { text: Arc::clone(&self.text), object: self.object.clone_ref(py) }
    }
}

impl PartialEq for SharedId {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for SharedId {}

impl Hash for SharedId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
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
    id: SharedId,
}

#[pymethods]
impl Event {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str) {
        ("event", "data", "id")
    }

    #[getter]
    fn id(&self, py: Python<'_>) -> Py<PyString> {
        self.id.object.clone_ref(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let fields = (&self.event, &self.data, &*self.id.text).into_pyobject(py)?;
        Ok(format!("Event{}", fields.repr()?))
    }
}

/// An event beyond the reader's limit; its data was not kept.
///
/// >>> from mcp_session import EventReader
/// >>> list(EventReader(limit=3).read(b"data: four\n\n"))
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
