//! The ownership protocol for Python: one process, and one run for each request.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use mcp_session_core::server::EchoId;
use mcp_session_core::sessions::{
    Caller, Durability, Options, OwnersLease, Replica as CoreReplica, RequestHead, Restore,
    Run as CoreRun, SessionKey, Sessionless, TableKey,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arguments::{Body, FlagArgument, Optional, ServedMethod, Text};
use crate::replica_run::{SessionRun, renewal};
use crate::server::each_header;
use crate::values::lock;

/// What one process knows of the sessions of an application that runs in several: its lease,
/// and the sessions that it owns.
///
/// Sans-IO, and made for any number of threads and event loops of one process. `identity`
/// (`str`): one that no other process has or had, random for each start. `key` (`bytes`, at
/// least 16): the secret of the table. `restore` (`bool`): whether a session goes on in another
/// process when its owner is gone. `durable` (`bool`): whether the table cannot lose what it has
/// while its processes live on, or says so, as a file does; where it can, what it does not know
/// is 503 for a while after it may have. `echo_id` (`bool`): whether the answers made here repeat
/// the request's id. `requires_session` (`bool`): whether a request without a session header is
/// refused, as by a server that requires a session; else the application gets it as it came.
/// `max_sessions` (`int`) and `max_bytes` (`int`): how much is remembered of them. `lease`
/// (`float`, seconds): for how long a lease stands that is not renewed.
///
/// Raises `ValueError` for a `key` that is too short, an `identity` that is empty, and a `lease`
/// that is negative.
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
            lease=Options::LEASE.as_secs_f64(),
        ),
        text_signature = "(identity, key, *, restore=True, durable=False, echo_id=True, \
            requires_session=True, max_sessions=100000, max_bytes=268435456, lease=1.5)",
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
        lease: f64,
    ) -> PyResult<Self> {
        if identity.is_empty() {
            return Err(PyValueError::new_err("identity must not be empty"));
        }
        let Some(key) = TableKey::new(key.bytes()) else {
            let least = TableKey::LEAST_BYTES;
            return Err(PyValueError::new_err(format!("key must have at least {least} bytes")));
        };
        if lease.is_nan() || lease < 0.0 {
            return Err(PyValueError::new_err("lease must be a number of seconds, not negative"));
        }
        let options = Options {
            restore: if restore.0 { Restore::Allowed } else { Restore::Refused },
            durability: if durable.0 { Durability::Durable } else { Durability::Forgetful },
            request_id: if echo_id.0 { EchoId::Repeat } else { EchoId::LeaveOut },
            sessionless: if requires_session.0 { Sessionless::Refuse } else { Sessionless::Pass },
            max_sessions,
            max_bytes,
            lease: Duration::try_from_secs_f64(lease).unwrap_or(Duration::MAX),
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

    /// Tell that it is time to let the entries of sessions in use live on: of which something
    /// runs counts as used.
    fn note_running(&self) {
        self.lock().note_running();
    }

    /// Tell which of those entries the table does not have (iterable of `bytes`): it has lost
    /// them.
    #[pyo3(signature = (keys, /))]
    fn missing(&self, keys: &Bound<'_, PyAny>) -> PyResult<()> {
        let keys = keys.try_iter()?.map(|key| session_key(&key?)).collect::<PyResult<Vec<_>>>()?;
        self.lock().missing(keys);
        Ok(())
    }

    /// Begin a round of looks at the processes that requests wait for, about twice in the time of
    /// a lease. Returns the keys (list of `bytes`) to look up; each is told by `looked_after`.
    fn look_after<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        let keys = self.lock().look_after();
        keys.iter().map(|key| PyBytes::new(py, key.as_bytes())).collect()
    }

    /// Tell what the table has of such a session: `owner` (`str`), `claim` (`int`), and `alive`
    /// (`bool`), whether the lease of the owner stands. A table that does not answer, or has no
    /// entry, says nothing.
    #[pyo3(signature = (key, owner, claim, /, *, alive))]
    fn looked_after(
        &self,
        key: &Bound<'_, PyAny>,
        owner: &str,
        claim: u64,
        alive: bool,
    ) -> PyResult<()> {
        let lease = if alive { OwnersLease::Stands } else { OwnersLease::Missing };
        self.lock().looked_after(&session_key(key)?, owner, claim, lease);
        Ok(())
    }

    /// Take the numbers of the runs (list of `int`) that have to end: of a session that was lost
    /// to another process, or that wait for one in vain. Of each is told that it was
    /// `interrupted`, or that its body broke off.
    fn take_fenced(&self) -> Vec<u64> {
        self.lock().take_fenced().into_iter().map(u64::from).collect()
    }

    /// Open and claim nothing from now on. Returns the numbers of the runs (list of `int`) of
    /// streams that are to be ended, those included that another process serves.
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
    /// headers. A `method` that MCP does not use, in whatever letters, is no matter of a session.
    /// Raises `TypeError` for a wrong type.
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
        method: ServedMethod,
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

fn session_key(key: &Bound<'_, PyAny>) -> PyResult<SessionKey> {
    let key: [u8; 32] = key.extract()?;
    Ok(SessionKey::from_bytes(key))
}
