//! One request of the ownership protocol, for Python.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp_session_core::server::{ResponseHead, Rest};
use mcp_session_core::sessions::{
    BrokenOff, Entry, HOP_HEADER, Misuse, Renewal, Replica as CoreReplica, Run as CoreRun, Step,
    Won,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arguments::{Body, FlagArgument, Optional, StatusArgument, wrong_type};
use crate::client_shared::{is_long, used};
use crate::enums;
use crate::replica_steps::step_object;
use crate::server::each_header;

/// One request of an application that runs in several processes.
///
/// Made by `Replica.begin`. Each method takes what came of the last step, and returns the next,
/// which is `step` as well. A context manager: leaving it ends the request, however it went.
/// Raises `AlreadyUsedError` where it does not wait for what it is told.
///
/// >>> from mcp_session.replica import Replica
/// >>> replica = Replica("8b2f0c5e", b"sixteen bytes or more")
/// >>> replica.renewed(lapsed=True)
/// >>> with replica.begin("GET", [(b"mcp-session-id", b"1868a90c")]) as run:
/// ...     run.step, run.found(None, None)
/// (<Find>, <Reply>)
///
/// Source: the laws at the head of the crate's module `sessions`.
#[pyclass(frozen, module = "mcp_session.replica")]
pub(crate) struct SessionRun {
    replica: Arc<Mutex<CoreReplica>>,
    number: u64,
    /// The run, and the step that it waits for the outcome of. It is locked before the replica.
    run: Mutex<Running>,
}

struct Running {
    run: CoreRun,
    /// What has not been handed out yet.
    next: Option<Step>,
    shown: Option<Py<PyAny>>,
}

#[pymethods]
impl SessionRun {
    /// Its number (`int`).
    #[getter]
    fn number(&self) -> u64 {
        self.number
    }

    /// What to do now.
    #[getter]
    fn step(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let next = {
            let mut running = self.lock();
            match running.next.take() {
                Some(step) => step,
                None => match &running.shown {
                    Some(shown) => return Ok(shown.clone_ref(py)),
                    None => return Err(used()),
                },
            }
        };
        let shown = step_object(py, next)?;
        self.lock().shown = Some(shown.clone_ref(py));
        Ok(shown)
    }

    /// The ID that it bears (`bytes` or `None`), in the one spelling that is looked up.
    #[getter]
    fn session_id<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let running = self.lock();
        running.run.session_id().map(|id| PyBytes::new(py, id))
    }

    /// Whether it claims, restores or writes its session, so that others wait for it (`bool`).
    #[getter]
    fn is_taking(&self) -> bool {
        let running = self.lock();
        running.run.is_taking(&lock(&self.replica))
    }

    /// Tell of the body of the request (`bytes`); of `None` if it was too long, too slow, or
    /// broke off.
    #[pyo3(signature = (body, /))]
    fn body_read(&self, py: Python<'_>, body: Optional<'_, '_>) -> PyResult<Py<PyAny>> {
        let body = Body::optional("body", body)?;
        let body = body.as_ref().map(Body::bytes);
        self.tell(py, body.map_or(0, <[u8]>::len), |run, replica| run.body_read(replica, body))
    }

    /// Tell that there was no room for the body of the request, among those of all others.
    fn no_room_for_body(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.tell(py, 0, CoreRun::no_room_for_body)
    }

    /// Tell that the body of the request has given way to that of another, and that what was read
    /// of it is gone.
    fn body_gave_way(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.tell(py, 0, CoreRun::body_gave_way)
    }

    /// Tell what the table has of the session: `entry` (claim, `int`; owner, `str`; value,
    /// `bytes`), or `None`; and `addresses` (`bytes`), as its owner has announced them, or `None`
    /// if the lease of that is over.
    #[pyo3(signature = (entry, addresses, /))]
    fn found(
        &self,
        py: Python<'_>,
        entry: Option<(u64, String, Bound<'_, PyBytes>)>,
        addresses: Option<Bound<'_, PyBytes>>,
    ) -> PyResult<Py<PyAny>> {
        let addresses = addresses.map(|it| Box::from(it.as_bytes()));
        let found = entry.map(|(claim, owner, value)| {
            let value = Box::from(value.as_bytes());
            (Entry { claim, owner: owner.into(), value }, addresses)
        });
        self.tell(py, 0, |run, replica| run.found(replica, found))
    }

    /// Tell that the table has renewed the lease; `lapsed` (`bool`) as for the replica.
    #[pyo3(signature = (*, lapsed))]
    fn renewed(&self, py: Python<'_>, lapsed: bool) -> PyResult<Py<PyAny>> {
        self.tell(py, 0, |run, replica| run.renewed(replica, renewal(lapsed)))
    }

    /// Tell whether the entry was written (`bool`).
    #[pyo3(signature = (won, /))]
    fn swapped(&self, py: Python<'_>, won: bool) -> PyResult<Py<PyAny>> {
        let won = if won { Won::Yes } else { Won::No };
        self.tell(py, 0, |run, replica| run.swapped(replica, won))
    }

    /// Tell that the table could not be asked, or did not answer in time.
    fn table_failed(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.tell(py, 0, CoreRun::table_failed)
    }

    /// Tell of the head of what the owner has answered: `status` (`int`), `headers` (iterable of
    /// pairs of `bytes`).
    #[pyo3(signature = (status, headers, /))]
    fn forward_answered(
        &self,
        py: Python<'_>,
        status: StatusArgument,
        headers: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyAny>> {
        let mut mark: Option<Vec<u8>> = None;
        each_header(headers, |name, value| {
            if name.eq_ignore_ascii_case(HOP_HEADER.as_bytes()) {
                mark = Some(value.to_vec());
            }
        })?;
        self.tell(py, 0, |run, replica| run.forward_answered(replica, status.0, mark.as_deref()))
    }

    /// Tell how the request did not come to its owner (`ForwardFailure`).
    #[pyo3(signature = (how, /))]
    fn forward_failed(&self, py: Python<'_>, how: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let named = enums::as_forward_failure(how)?;
        let how = named.ok_or_else(|| wrong_type("how", "a ForwardFailure", how))?;
        self.tell(py, 0, |run, replica| run.forward_failed(replica, how))
    }

    /// Tell of the head of the response that goes out to the client: `status` (`int`), `headers`
    /// (iterable of pairs of `bytes`). Returns whether its body is to be told of (`bool`).
    #[pyo3(signature = (status, headers, /))]
    fn head_goes_out(&self, status: StatusArgument, headers: &Bound<'_, PyAny>) -> PyResult<bool> {
        let head = response_head(&status, headers)?;
        Ok(self.lock().run.head_goes_out(&head))
    }

    /// Tell of a piece of that body (`bytes`). Returns whether what follows is to be told of
    /// (`bool`).
    #[pyo3(signature = (piece, /))]
    fn piece_goes_out(&self, py: Python<'_>, piece: Body<'_>) -> bool {
        let piece = piece.bytes();
        let tell = || self.lock().run.piece_goes_out(piece);
        if is_long(piece.len()) { py.detach(tell) } else { tell() }
    }

    /// What goes out before the end of a body that the application has ended (`bytes`): an error
    /// for each request that was not answered. `None` where there is nothing to add.
    fn body_ended<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let end = {
            let running = self.lock();
            running.run.body_ended(&lock(&self.replica))
        };
        end.map(|end| PyBytes::new(py, &end))
    }

    /// What goes out at the end of a body that broke off, was left without an end, or is ended
    /// from outside (`bytes`). `None` where nothing can make it whole. `upstream` (`bool`):
    /// whether it broke off behind the application, which has its answers from elsewhere.
    #[pyo3(
        signature = (*, upstream=FlagArgument(false)), text_signature = "($self, *, upstream=False)",
    )]
    fn body_broke_off<'py>(
        &self,
        py: Python<'py>,
        upstream: FlagArgument,
    ) -> Option<Bound<'py, PyBytes>> {
        let at = if upstream.0 { BrokenOff::Upstream } else { BrokenOff::Owner };
        let end = self.lock().run.body_broke_off(at);
        end.map(|end| PyBytes::new(py, &end))
    }

    /// Tell that the request is ended from outside before anything of its answer went out.
    fn interrupted(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.tell(py, 0, |run, replica| Ok(run.interrupted(replica)))
    }

    /// Tell that the application was told to end a session, whatever it has said to that.
    fn ended_in_app(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.tell(py, 0, CoreRun::ended_in_app)
    }

    /// Tell that the other run is taking no more, or has taken long enough.
    fn hold_over(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.tell(py, 0, CoreRun::hold_over)
    }

    /// Tell that the wait is over.
    fn wait_over(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.tell(py, 0, CoreRun::wait_over)
    }

    /// Tell what the application has answered to a message of ours: `status` (`int`), `headers`
    /// (iterable of pairs of `bytes`), `body` (`bytes`, decoded; of a stream so much that the
    /// answer is in it).
    #[pyo3(signature = (status, headers, body, /))]
    fn restore_answered(
        &self,
        py: Python<'_>,
        status: StatusArgument,
        headers: &Bound<'_, PyAny>,
        body: Body<'_>,
    ) -> PyResult<Py<PyAny>> {
        let head = response_head(&status, headers)?;
        let body = body.bytes();
        self.tell(py, body.len(), |run, replica| run.restore_answered(replica, &head, body))
    }

    /// Tell of the head of what the application answers to a message of ours, as it comes:
    /// `status` (`int`), `headers` (iterable of pairs of `bytes`).
    #[pyo3(signature = (status, headers, /))]
    fn restore_head(&self, status: StatusArgument, headers: &Bound<'_, PyAny>) -> PyResult<()> {
        let head = response_head(&status, headers)?;
        self.lock().run.restore_head(&head);
        Ok(())
    }

    /// Tell of a piece of that answer (`bytes`). Returns whether it has brought the message that
    /// is waited for (`bool`): a stream may stay open behind that.
    #[pyo3(signature = (piece, /))]
    fn restore_piece(&self, piece: Body<'_>) -> bool {
        self.lock().run.restore_piece(piece.bytes())
    }

    /// Tell that whoever wanted to know of the restored session knows.
    fn announced(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.tell(py, 0, CoreRun::announced)
    }

    /// Tell that the application did not answer a message of ours: it raised, or took too long.
    fn restore_failed(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.tell(py, 0, CoreRun::restore_failed)
    }

    /// Tell of the head of what the application answers: `status` (`int`), `headers` (iterable of
    /// pairs of `bytes`).
    #[pyo3(signature = (status, headers, /))]
    fn answer_head(
        &self,
        py: Python<'_>,
        status: StatusArgument,
        headers: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyAny>> {
        let head = response_head(&status, headers)?;
        self.tell(py, 0, |run, replica| run.answer_head(replica, head))
    }

    /// Tell of a piece of what the application answers (`bytes`), and whether more follows
    /// (`bool`). Where the answer broke off, the last piece is empty.
    #[pyo3(signature = (piece, /, *, more))]
    fn answer_piece(&self, py: Python<'_>, piece: Body<'_>, more: bool) -> PyResult<Py<PyAny>> {
        let (piece, rest) = (piece.bytes(), if more { Rest::Follows } else { Rest::Ended });
        self.tell(py, piece.len(), |run, replica| run.answer_piece(replica, piece, rest))
    }

    /// Tell that the application has begun to answer, and knew the session.
    fn answer_begun(&self) {
        self.lock().run.answer_begun();
    }

    /// Tell that the application does not know the session that it was given, so that nothing of
    /// the request was run. In the place of its answer comes what the step says.
    fn app_forgot(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.tell(py, 0, CoreRun::app_forgot)
    }

    /// Tell that the request is over, however it ended.
    fn finish(&self) {
        let mut running = self.lock();
        running.run.finish(&mut lock(&self.replica));
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.finish();
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.lock().run)
    }
}

impl SessionRun {
    pub(crate) fn new(replica: &Arc<Mutex<CoreReplica>>, run: CoreRun, step: Step) -> Self {
        let number = run.number().into();
        let running = Running { run, next: Some(step), shown: None };
        Self { replica: Arc::clone(replica), number, run: Mutex::new(running) }
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        lock(&self.run)
    }

    /// Tells the machine, lets go of the interpreter where it reads much, and gives the next
    /// step out. No lock is held while anything of Python's runs.
    fn tell(
        &self,
        py: Python<'_>,
        length: usize,
        tell: impl FnOnce(&mut CoreRun, &mut CoreReplica) -> Result<Step, Misuse> + Send,
    ) -> PyResult<Py<PyAny>> {
        let told = || {
            let mut running = self.lock();
            tell(&mut running.run, &mut lock(&self.replica))
        };
        let step = if is_long(length) { py.detach(told) } else { told() };
        let shown = step_object(py, step.map_err(|_| used())?)?;
        let replaced = {
            let mut running = self.lock();
            running.next = None;
            running.shown.replace(shown.clone_ref(py))
        };
        drop(replaced);
        Ok(shown)
    }
}

/// The backstop, where nobody has finished the run.
impl Drop for SessionRun {
    fn drop(&mut self) {
        self.finish();
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn renewal(lapsed: bool) -> Renewal {
    if lapsed { Renewal::Lapsed } else { Renewal::Stood }
}

fn response_head(status: &StatusArgument, headers: &Bound<'_, PyAny>) -> PyResult<ResponseHead> {
    let mut head = ResponseHead::new(status.0);
    each_header(headers, |name, value| head.add_header(name, value))?;
    Ok(head)
}
