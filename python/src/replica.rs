//! The ownership protocol for Python: one process, and one run for each request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp_session_core::server::{EchoId, ResponseHead, Rest};
use mcp_session_core::sessions::{
    Caller, Durability, Entry, HOP_HEADER, Options, Renewal, Replica as CoreReplica, RequestHead,
    Restore, Run as CoreRun, Sessionless, Step, TableKey, Won,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arguments::{
    Body, FlagArgument, MethodArgument, Optional, StatusArgument, Text, wrong_type,
};
use crate::client_shared::{is_long, used};
use crate::enums;
use crate::replica_steps::step_object;
use crate::server::each_header;

/// What one process knows of the sessions of an application that runs in several: its lease,
/// and the sessions that it owns.
///
/// Sans-IO, and made for any number of threads and event loops of one process. `identity`
/// (`str`): one that no other process has or had, random for each start. `key` (`bytes`, at
/// least 16): the secret of the table. `restore` (`bool`): whether a session goes on in another
/// process when its owner is gone. `durable` (`bool`): whether the table cannot lose what it has
/// while its processes live on, as a file cannot; where it can, what it does not know is 503 for
/// a while after it may have. `echo_id` (`bool`): whether the answers made here repeat the
/// request's id. `requires_session` (`bool`): whether a request without a session header is
/// refused, as by a server that requires a session; else the application gets it as it came.
/// `max_sessions` (`int`) and `max_bytes` (`int`): how much is remembered of them.
///
/// Raises `ValueError` for a `key` that is too short and an `identity` that is empty.
///
/// >>> from mcp_session.replica import ReadBody, Replica
/// >>> replica = Replica("8b2f0c5e", b"sixteen bytes or more")
/// >>> replica.renewed(lapsed=True)
/// >>> with replica.begin("POST", [(b"mcp-session-id", b"1868a90c")]) as run:
/// ...     run.step, run.body_read(b'{"id":1,"method":"tools/list"}')
/// (<ReadBody>, <Find>)
///
/// Source: the laws at the head of the crate's module `sessions`.
#[pyclass(frozen, module = "mcp_session.replica")]
pub(crate) struct Replica {
    shared: Arc<Mutex<CoreReplica>>,
    identity: String,
}

#[pymethods]
impl Replica {
    #[new]
    #[pyo3(
        signature = (
            identity, key, *, restore=FlagArgument(true), durable=FlagArgument(false),
            echo_id=FlagArgument(true), requires_session=FlagArgument(true),
            max_sessions=Options::MAX_SESSIONS, max_bytes=Options::MAX_BYTES,
        ),
        text_signature = "(identity, key, *, restore=True, durable=False, echo_id=True, \
            requires_session=True, max_sessions=100000, max_bytes=268435456)",
    )]
    #[expect(clippy::too_many_arguments, reason = "options, by keyword")]
    fn new(
        identity: &str,
        key: Body<'_>,
        restore: FlagArgument,
        durable: FlagArgument,
        echo_id: FlagArgument,
        requires_session: FlagArgument,
        max_sessions: usize,
        max_bytes: usize,
    ) -> PyResult<Self> {
        if identity.is_empty() {
            return Err(PyValueError::new_err("identity must not be empty"));
        }
        let Some(key) = TableKey::new(key.bytes()) else {
            let least = TableKey::LEAST_BYTES;
            return Err(PyValueError::new_err(format!("key must have at least {least} bytes")));
        };
        let options = Options {
            restore: if restore.0 { Restore::Allowed } else { Restore::Refused },
            durability: if durable.0 { Durability::Durable } else { Durability::Forgetful },
            request_id: if echo_id.0 { EchoId::Repeat } else { EchoId::LeaveOut },
            sessionless: if requires_session.0 { Sessionless::Refuse } else { Sessionless::Pass },
            max_sessions,
            max_bytes,
        };
        let replica = CoreReplica::new(identity, key, options);
        Ok(Self { shared: Arc::new(Mutex::new(replica)), identity: identity.to_owned() })
    }

    /// The identity of this process (`str`).
    #[getter]
    fn identity(&self) -> &str {
        &self.identity
    }

    /// Tell that the table has answered a renewal of the heartbeat, in time by the monotonic
    /// clock from before it was sent. `lapsed` (`bool`): whether the lease had been over, or was
    /// not there.
    #[pyo3(signature = (*, lapsed))]
    fn renewed(&self, lapsed: bool) {
        self.lock().renewed(renewal(lapsed));
    }

    /// Tell that a renewal was not answered, or too late.
    fn renewal_failed(&self) {
        self.lock().renewal_failed();
    }

    /// Tell that the lease is over by the monotonic clock, less a margin: before each call of
    /// this and of a run, as a process that was paused wakes anywhere. To tell it again until
    /// the lease is renewed changes nothing.
    fn lease_over(&self) {
        self.lock().lease_over();
    }

    /// Whether the lease stands, as far as this process knows (`bool`).
    #[getter]
    fn lease_is_fresh(&self) -> bool {
        self.lock().lease_is_fresh()
    }

    /// How many sessions it owns (`int`).
    #[getter]
    fn owned_sessions(&self) -> usize {
        self.lock().owned_sessions()
    }

    /// Begin with a session that has to be confirmed or written (`SessionRun`), to be driven to
    /// `Done`; `None` where there is none.
    fn upkeep(&self) -> Option<SessionRun> {
        let (run, step) = CoreRun::upkeep(&mut self.lock())?;
        Some(SessionRun::new(&self.shared, run, step))
    }

    /// Take the keys (list of `bytes`) of sessions that were used: their entries are to live on.
    /// At most 1,000 at once.
    fn take_used<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        let used = self.lock().take_used();
        used.iter().map(|key| PyBytes::new(py, key.as_bytes())).collect()
    }

    /// Take the numbers of the runs (list of `int`) whose session was lost to another process:
    /// their streams have to end.
    fn take_fenced(&self) -> Vec<u64> {
        self.lock().take_fenced().into_iter().map(u64::from).collect()
    }

    /// Open and claim nothing from now on. Returns the numbers of the runs (list of `int`) of
    /// streams that are to be ended.
    fn drain(&self) -> Vec<u64> {
        self.lock().drain().into_iter().map(u64::from).collect()
    }

    /// Whether the lease may be given up (`bool`): it drains, and nothing runs any more.
    #[getter]
    fn can_withdraw(&self) -> bool {
        self.lock().can_withdraw()
    }

    /// Begin with the head of a request (`SessionRun`).
    ///
    /// `method` (`str`), `headers` (iterable of pairs of `bytes`) and `query` (`bytes`) as they
    /// came. `user`, `issuer`, `client` and `subject` (`str` or `None`): all that is known of who
    /// asks, by the authentication and by the token. The credential itself is taken from the
    /// headers. Raises `ValueError` for a `method` that HTTP does not have, `TypeError` for a
    /// wrong type.
    #[pyo3(
        signature = (
            method, headers, query=Body::EMPTY, *, user=None, issuer=None, client=None, subject=None,
        ),
        text_signature = "($self, method, headers, query=b'', *, user=None, issuer=None, \
            client=None, subject=None)",
    )]
    #[expect(clippy::too_many_arguments, reason = "facts, by keyword")]
    fn begin(
        &self,
        method: MethodArgument,
        headers: &Bound<'_, PyAny>,
        query: Body<'_>,
        user: Optional<'_, '_>,
        issuer: Optional<'_, '_>,
        client: Optional<'_, '_>,
        subject: Optional<'_, '_>,
    ) -> PyResult<SessionRun> {
        let mut head = RequestHead::new(method.0, query.bytes());
        each_header(headers, |name, value| head.add_header(name, value))?;
        let user = Text::optional("user", user)?;
        let issuer = Text::optional("issuer", issuer)?;
        let client = Text::optional("client", client)?;
        let subject = Text::optional("subject", subject)?;
        let caller = Caller {
            user: user.as_ref().map(Text::bytes),
            issuer: issuer.as_ref().map(Text::bytes),
            client: client.as_ref().map(Text::bytes),
            subject: subject.as_ref().map(Text::bytes),
            authorization: None,
        };
        let (run, step) = CoreRun::begin(&mut self.lock(), head, caller);
        Ok(SessionRun::new(&self.shared, run, step))
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.lock())
    }
}

impl Replica {
    fn lock(&self) -> MutexGuard<'_, CoreReplica> {
        lock(&self.shared)
    }
}

/// One request of an application that runs in several processes.
///
/// Made by `Replica.begin`. Each method takes what came of the last step, and returns the next,
/// which is `step` as well. A context manager: leaving it ends the request, however it went.
/// Raises `AlreadyUsedError` where it does not wait for what it is told.
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

    /// What ends a relayed answer that broke off (`bytes`, empty for a stream that a GET opened),
    /// or `None` where nothing can be added to it: `status` (`int`) and `headers` (iterable of pairs of `bytes`) of its head, and the
    /// `tail` (`bytes`, at least four if there are so many) of what was sent of its body.
    #[pyo3(signature = (status, headers, tail, /))]
    fn relay_cut<'py>(
        &self,
        py: Python<'py>,
        status: StatusArgument,
        headers: &Bound<'py, PyAny>,
        tail: Body<'_>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let head = response_head(&status, headers)?;
        let end = self.lock().run.relay_cut(&head, tail.bytes());
        Ok(end.map(|end| PyBytes::new(py, end.as_bytes())))
    }

    /// The same for an answer of the application's that has it from elsewhere, as a gateway has.
    #[pyo3(signature = (status, headers, tail, /))]
    fn upstream_cut<'py>(
        &self,
        py: Python<'py>,
        status: StatusArgument,
        headers: &Bound<'py, PyAny>,
        tail: Body<'_>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let head = response_head(&status, headers)?;
        let end = self.lock().run.upstream_cut(&head, tail.bytes());
        Ok(end.map(|end| PyBytes::new(py, end.as_bytes())))
    }

    /// Tell that the request is ended from outside before anything of its answer went out;
    /// return what it is answered (`Reply`).
    fn interrupted(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.tell(py, 0, |run, _| Ok(run.interrupted()))
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
    fn new(replica: &Arc<Mutex<CoreReplica>>, run: CoreRun, step: Step) -> Self {
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
        tell: impl FnOnce(
            &mut CoreRun,
            &mut CoreReplica,
        ) -> Result<Step, mcp_session_core::sessions::Misuse>
        + Send,
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn renewal(lapsed: bool) -> Renewal {
    if lapsed { Renewal::Lapsed } else { Renewal::Stood }
}

fn response_head(status: &StatusArgument, headers: &Bound<'_, PyAny>) -> PyResult<ResponseHead> {
    let mut head = ResponseHead::new(status.0);
    each_header(headers, |name, value| head.add_header(name, value))?;
    Ok(head)
}
