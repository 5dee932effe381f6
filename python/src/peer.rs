//! What processes of one host say to each other, for Python.

use std::sync::Mutex;

use mcp_session_core::sessions::{
    NotHttp, PeerEvent, PeerReader as CoreReader, write_answer, write_piece, write_request,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::arguments::{StatusArgument, Text};
use crate::headers::pairs;
use crate::replica_run::lock;
use crate::server::{PieceArgument, rest};

/// Return the bytes (`bytes`) that begin a request to another process: `method` (`str`), `target`
/// (`bytes`), and `headers` (iterable of pairs of `bytes`). Pieces of its body follow.
///
/// Raises `ValueError` for what no request of HTTP could say.
///
/// >>> from mcp_session._core import PeerReader, peer_piece, peer_request
/// >>> request = peer_request("POST", b"/mcp", [(b"accept", b"*/*")])
/// >>> head, end = PeerReader().read(request + peer_piece(b"{}", more=False))
/// >>> head.method, head.target, head.headers, end.body, end.more
/// ('POST', b'/mcp', [(b'accept', b'*/*')], b'{}', False)
///
/// Source: law 4 of the crate's `sessions::peer`.
#[pyfunction]
#[pyo3(signature = (method, target, headers, /))]
pub(crate) fn peer_request<'py>(
    py: Python<'py>,
    method: &Bound<'py, PyString>,
    target: &Bound<'py, PyBytes>,
    headers: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    let method = Text::of("method", method.as_any().as_borrowed())?;
    let (headers, mut written) = (pairs(headers)?, Vec::new());
    write_request(&mut written, method.as_str(), target.as_bytes(), borrowed(&headers))
        .map_err(|error: NotHttp| PyValueError::new_err(error.to_string()))?;
    Ok(PyBytes::new(py, &written))
}

/// Return the bytes (`bytes`) that begin an answer to another process: `status` (`int`) and
/// `headers` (iterable of pairs of `bytes`). Pieces of its body follow.
///
/// Raises `ValueError` for what no answer of HTTP could say.
#[pyfunction]
#[pyo3(signature = (status, headers, /))]
pub(crate) fn peer_answer<'py>(
    py: Python<'py>,
    status: StatusArgument,
    headers: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (headers, mut written) = (pairs(headers)?, Vec::new());
    write_answer(&mut written, status.0, borrowed(&headers))
        .map_err(|error: NotHttp| PyValueError::new_err(error.to_string()))?;
    Ok(PyBytes::new(py, &written))
}

/// Return the bytes (`bytes`) of a piece of a body: `piece` (`bytes`, `bytearray` or
/// `memoryview`), and whether `more` (`bool`) follows.
#[pyfunction]
#[pyo3(signature = (piece, /, *, more))]
pub(crate) fn peer_piece<'py>(
    py: Python<'py>,
    piece: PieceArgument<'_>,
    more: bool,
) -> Bound<'py, PyBytes> {
    let mut written = Vec::new();
    write_piece(&mut written, piece.0.bytes(), rest(more));
    PyBytes::new(py, &written)
}

/// Reads what another process says, from bytes that come in any pieces.
///
/// Source: the laws at the head of the crate's `sessions::peer`.
#[pyclass(frozen, module = "mcp_session._core")]
pub(crate) struct PeerReader(Mutex<CoreReader>);

#[pymethods]
impl PeerReader {
    #[new]
    fn new() -> Self {
        Self(Mutex::default())
    }

    /// Take the next bytes (`bytes`) and return what has come with them: a list of `PeerRequest`,
    /// `PeerAnswer` and `PeerPiece`. Raises `ValueError`, now and from then on, for what no
    /// process of this version has written.
    #[pyo3(signature = (data, /))]
    fn read<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyBytes>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let (mut events, mut unread) = (Vec::new(), data.as_bytes());
        {
            // No Python runs while it is locked.
            let mut reader = lock(&self.0);
            while let Some(event) = reader
                .read(&mut unread)
                .map_err(|error| PyValueError::new_err(error.to_string()))?
            {
                events.push(event);
            }
        }
        events.into_iter().map(|event| event_object(py, event)).collect()
    }

    /// Whether the last message is whole, and nothing of another has come (`bool`).
    #[getter]
    fn is_between_messages(&self) -> bool {
        lock(&self.0).is_between_messages()
    }
}

/// The head of a request: `method` (`str`), `target` (`bytes`), and `headers` (list of pairs of
/// `bytes`).
#[pyclass(frozen, get_all, module = "mcp_session._core")]
pub(crate) struct PeerRequest {
    method: Py<PyString>,
    target: Py<PyBytes>,
    headers: Py<PyList>,
}

/// The head of an answer: `status` (`int`) and `headers` (list of pairs of `bytes`).
#[pyclass(frozen, get_all, module = "mcp_session._core")]
pub(crate) struct PeerAnswer {
    status: u16,
    headers: Py<PyList>,
}

/// A piece of a body: `body` (`bytes`), and whether `more` (`bool`) follows.
#[pyclass(frozen, get_all, module = "mcp_session._core")]
pub(crate) struct PeerPiece {
    body: Py<PyBytes>,
    more: bool,
}

fn event_object<'py>(py: Python<'py>, event: PeerEvent<'_>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match event {
        PeerEvent::Request(head) => {
            let request = PeerRequest {
                // One of few, which others compare with names in a program.
                method: PyString::intern(py, head.method()).unbind(),
                target: PyBytes::new(py, head.target()).unbind(),
                headers: header_list(py, head.headers())?,
            };
            Bound::new(py, request)?.into_any()
        }
        PeerEvent::Answer(head) => {
            let headers = header_list(py, head.headers())?;
            Bound::new(py, PeerAnswer { status: head.status().as_u16(), headers })?.into_any()
        }
        PeerEvent::Piece(bytes, rest_of_it) => {
            let body = PyBytes::new(py, bytes).unbind();
            Bound::new(py, PeerPiece { body, more: rest_of_it == rest(true) })?.into_any()
        }
    })
}

fn header_list<'a>(
    py: Python<'_>,
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> PyResult<Py<PyList>> {
    let list = PyList::empty(py);
    for (name, value) in headers {
        list.append((PyBytes::new(py, name), PyBytes::new(py, value)))?;
    }
    Ok(list.unbind())
}

fn borrowed<'a>(
    headers: &'a [(Bound<'_, PyBytes>, Bound<'_, PyBytes>)],
) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
}
