//! The steps of the ownership protocol, for Python.

use mcp_session_core::sessions::{
    Entry, Forward as CoreForward, HOP_HEADER, HandlerHeader, HiddenId, Lifetime, Origin,
    Reply as CoreReply, RestoreMessage, RunApp as CoreRunApp, Step, Swap as CoreSwap, Watch,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

/// Makes the object of a step.
pub(crate) fn step_object(py: Python<'_>, step: Step) -> PyResult<Py<PyAny>> {
    let bytes = |bytes: &[u8]| PyBytes::new(py, bytes).unbind();
    let id = |id: &HiddenId| PyBytes::new(py, id.as_bytes()).unbind();
    Ok(match step {
        Step::Read { at_most, patience } => {
            Py::new(py, ReadBody { limit: at_most, patience: patience.times() })?.into_any()
        }
        Step::Find(key) => Py::new(py, Find { key: bytes(key.as_bytes()) })?.into_any(),
        Step::Renew => Py::new(py, Renew)?.into_any(),
        Step::Swap(CoreSwap { key, expected, entry: Entry { claim, owner, value }, lifetime }) => {
            let swap = Swap {
                key: bytes(key.as_bytes()),
                expected,
                claim,
                owner: owner.into(),
                value: bytes(&value),
                live: lifetime == Lifetime::Live,
            };
            Py::new(py, swap)?.into_any()
        }
        Step::Forward(CoreForward { owner, addresses, hop }) => {
            let hop = (PyBytes::new(py, HOP_HEADER.as_bytes()), PyBytes::new(py, hop.as_bytes()));
            let hop = hop.into_pyobject(py)?.unbind();
            let forward = Forward { addresses: bytes(&addresses), owner: owner.into(), hop };
            Py::new(py, forward)?.into_any()
        }
        Step::Hold(taking) => Py::new(py, AwaitRun { taking: taking.into() })?.into_any(),
        Step::Wait(time) => Py::new(py, Pause { seconds: time.as_secs_f64() })?.into_any(),
        Step::Restore(RestoreMessage { body, session_id }) => {
            let session_id = session_id.as_ref().map(id);
            Py::new(py, RestoreInApp { body: bytes(&body), session_id })?.into_any()
        }
        Step::Announce(session_id) => {
            Py::new(py, Announce { session_id: id(&session_id) })?.into_any()
        }
        Step::EndInApp(session_id) => {
            Py::new(py, EndInApp { session_id: id(&session_id) })?.into_any()
        }
        Step::RunApp(CoreRunApp { header, origin, watch }) => {
            let (keeps_header, session_id) = match &header {
                HandlerHeader::AsItCame => (true, None),
                HandlerHeader::Absent => (false, None),
                HandlerHeader::Inner(inner) => (false, Some(id(inner))),
            };
            let run = RunApp {
                session_id,
                keeps_header,
                restored: origin == Origin::Restored,
                watches: watch == Watch::Answer,
            };
            Py::new(py, run)?.into_any()
        }
        Step::Reply(CoreReply { status, headers, body }) => {
            let headers = headers.iter().map(|(name, value)| {
                let pair = (
                    PyBytes::new(py, name.as_str().as_bytes()),
                    PyBytes::new(py, value.as_bytes()),
                );
                Ok(pair.into_pyobject(py)?.unbind())
            });
            let headers = headers.collect::<PyResult<_>>()?;
            let reply = Reply { status: status.as_u16(), headers, body: bytes(body.as_bytes()) };
            Py::new(py, reply)?.into_any()
        }
        Step::RelayRestored => Py::new(py, RelayRestored)?.into_any(),
        Step::Relay => Py::new(py, Relay)?.into_any(),
        Step::Pass(session_id) => {
            Py::new(py, Pass { session_id: session_id.as_ref().map(id) })?.into_any()
        }
        Step::KeepBack => Py::new(py, KeepBack)?.into_any(),
        Step::Done => Py::new(py, Done)?.into_any(),
    })
}

/// Read the body of the request, at most `limit` (`int`) bytes of it; then `body_read`.
/// `patience` (`int`): how long that may take, in times of what a client should be kept waiting.
/// Where there is no room for another one, it gives way; then `body_gave_way`.
///
/// >>> from mcp_session.replica import ReadBody
/// >>> ReadBody.__match_args__
/// ('limit', 'patience')
///
/// Source: law 6 of the crate's module `sessions`.
#[pyclass(frozen, get_all, module = "mcp_session.replica")]
pub(crate) struct ReadBody {
    limit: usize,
    patience: u32,
}

/// Look up the entry with this `key` (`bytes`); then `found`, or `table_failed`.
///
/// >>> from mcp_session.replica import Find
/// >>> Find.__match_args__
/// ('key',)
///
/// Source: law 3 of the crate's module `sessions`.
#[pyclass(frozen, get_all, module = "mcp_session.replica")]
pub(crate) struct Find {
    key: Py<PyBytes>,
}

/// Renew the lease of this process; then `renewed`, or `table_failed`. No two renewals of a
/// process are under way at once, those of its heartbeat included: one may tell all that have
/// asked for one before it was sent.
///
/// >>> from mcp_session.replica import Renew
/// >>> Renew.__name__
/// 'Renew'
///
/// Source: laws 2 and 5 of the crate's module `sessions`.
#[pyclass(frozen, module = "mcp_session.replica")]
pub(crate) struct Renew;

/// Write an entry if its claim is the expected one; then `swapped`, or `table_failed`.
///
/// `key` (`bytes`); `expected` (`int`, or `None` where there has to be nothing); `claim` (`int`),
/// `owner` (`str`) and `value` (`bytes`) of the entry; `live` (`bool`): else it is a tombstone,
/// which has a time of its own.
///
/// >>> from mcp_session.replica import Swap
/// >>> Swap.__match_args__
/// ('key', 'expected', 'claim', 'owner', 'value', 'live')
///
/// Source: law 1 of the crate's module `sessions`.
#[pyclass(frozen, get_all, module = "mcp_session.replica")]
pub(crate) struct Swap {
    key: Py<PyBytes>,
    expected: Option<u64>,
    claim: u64,
    owner: String,
    value: Py<PyBytes>,
    live: bool,
}

/// Send the request to its owner, with a header added; then `forward_answered`, or
/// `forward_failed`.
///
/// `addresses` (`bytes`): as the owner has announced them. `owner` (`str`): its identity. `hop`
/// (pair of `bytes`): the header.
///
/// >>> from mcp_session.replica import Forward
/// >>> Forward.__match_args__
/// ('addresses', 'owner', 'hop')
///
/// Source: law 4 of the crate's module `sessions`.
#[pyclass(frozen, get_all, module = "mcp_session.replica")]
pub(crate) struct Forward {
    addresses: Py<PyBytes>,
    owner: String,
    hop: Py<PyTuple>,
}

/// Wait until the run of this number, `taking` (`int`), is taking no more; then `hold_over`.
///
/// >>> from mcp_session.replica import AwaitRun
/// >>> AwaitRun.__match_args__
/// ('taking',)
///
/// Source: law 1 of the crate's module `sessions`.
#[pyclass(frozen, get_all, module = "mcp_session.replica")]
pub(crate) struct AwaitRun {
    taking: u64,
}

/// Wait so many `seconds` (`float`); then `wait_over`.
///
/// >>> from mcp_session.replica import Pause
/// >>> Pause.__match_args__
/// ('seconds',)
///
/// Source: law 1 of the crate's module `sessions`.
#[pyclass(frozen, get_all, module = "mcp_session.replica")]
pub(crate) struct Pause {
    seconds: f64,
}

/// POST a message of ours to the application; then `restore_answered`, or `restore_failed`.
///
/// `body` (`bytes`); `session_id` (`bytes` or `None`): the ID to attach. The other headers are
/// those of the request at hand.
///
/// >>> from mcp_session.replica import RestoreInApp
/// >>> RestoreInApp.__match_args__
/// ('body', 'session_id')
///
/// Source: law 8 of the crate's module `sessions`.
#[pyclass(frozen, get_all, module = "mcp_session.replica")]
pub(crate) struct RestoreInApp {
    body: Py<PyBytes>,
    session_id: Option<Py<PyBytes>>,
}

/// Tell whoever fills a session again that it was restored, and wait for that; then `announced`.
///
/// `session_id` (`bytes`): the ID by which the application knows the session.
///
/// >>> from mcp_session.replica import Announce
/// >>> Announce.__match_args__
/// ('session_id',)
///
/// Source: law 8 of the crate's module `sessions`.
#[pyclass(frozen, get_all, module = "mcp_session.replica")]
pub(crate) struct Announce {
    session_id: Py<PyBytes>,
}

/// DELETE this session in the application; then `ended_in_app`.
///
/// `session_id` (`bytes`): the ID to attach. The other headers are those of the request at hand.
///
/// >>> from mcp_session.replica import EndInApp
/// >>> EndInApp.__match_args__
/// ('session_id',)
///
/// Source: law 9 of the crate's module `sessions`.
#[pyclass(frozen, get_all, module = "mcp_session.replica")]
pub(crate) struct EndInApp {
    session_id: Py<PyBytes>,
}

/// Let the application run the request.
///
/// `session_id` (`bytes` or `None`): what stands in its session header. `keeps_header` (`bool`):
/// whether that stays as it came instead. `restored` (`bool`): whether the session was restored
/// for this request. `watches` (`bool`): whether to tell of what the application answers.
///
/// >>> from mcp_session.replica import RunApp
/// >>> RunApp.__match_args__
/// ('session_id', 'keeps_header', 'restored', 'watches')
///
/// Source: laws 1 and 8 of the crate's module `sessions`.
#[pyclass(frozen, get_all, module = "mcp_session.replica")]
pub(crate) struct RunApp {
    session_id: Option<Py<PyBytes>>,
    keeps_header: bool,
    restored: bool,
    watches: bool,
}

/// Answer so; what was kept back of another answer is thrown away.
///
/// `status` (`int`), `headers` (list of pairs of `bytes`), `body` (`bytes`).
///
/// >>> from mcp_session.replica import Reply
/// >>> Reply.__match_args__
/// ('status', 'headers', 'body')
///
/// Source: law 5 of the crate's module `sessions`.
#[pyclass(frozen, get_all, module = "mcp_session.replica")]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<Py<PyTuple>>,
    body: Py<PyBytes>,
}

/// Give the client what the application has answered to the last message of ours, without its
/// session header.
///
/// >>> from mcp_session.replica import RelayRestored
/// >>> RelayRestored.__name__
/// 'RelayRestored'
///
/// Source: law 8 of the crate's module `sessions`.
#[pyclass(frozen, module = "mcp_session.replica")]
pub(crate) struct RelayRestored;

/// Give the client what the owner answers, unchanged.
///
/// >>> from mcp_session.replica import Relay
/// >>> Relay.__name__
/// 'Relay'
///
/// Source: law 4 of the crate's module `sessions`.
#[pyclass(frozen, module = "mcp_session.replica")]
pub(crate) struct Relay;

/// Send what was kept back and the message at hand. Nothing more is told.
///
/// `session_id` (`bytes` or `None`): what stands in the place of the application's own in the
/// session header, where there is one.
///
/// >>> from mcp_session.replica import Pass
/// >>> Pass.__match_args__
/// ('session_id',)
///
/// Source: laws 8 and 9 of the crate's module `sessions`.
#[pyclass(frozen, get_all, module = "mcp_session.replica")]
pub(crate) struct Pass {
    session_id: Option<Py<PyBytes>>,
}

/// Keep the message at hand back, and tell of the next.
///
/// >>> from mcp_session.replica import KeepBack
/// >>> KeepBack.__name__
/// 'KeepBack'
///
/// Source: law 9 of the crate's module `sessions`.
#[pyclass(frozen, module = "mcp_session.replica")]
pub(crate) struct KeepBack;

/// There is nothing to answer: it was upkeep.
///
/// >>> from mcp_session.replica import Done
/// >>> Done.__name__
/// 'Done'
///
/// Source: law 10 of the crate's module `sessions`.
#[pyclass(frozen, module = "mcp_session.replica")]
pub(crate) struct Done;

macro_rules! match_args {
    ($class:ident: $($name:literal),*) => {
        #[pymethods]
        impl $class {
            #[classattr]
            fn __match_args__(py: Python<'_>) -> PyResult<Py<PyTuple>> {
                let names: &[&str] = &[$($name),*];
                Ok(PyTuple::new(py, names)?.unbind())
            }

            /// Without what it bears: it tells what the client said.
            fn __repr__(&self) -> &'static str {
                concat!("<", stringify!($class), ">")
            }
        }
    };
}

match_args!(ReadBody: "limit", "patience");
match_args!(Renew:);
match_args!(RelayRestored:);
match_args!(Relay:);
match_args!(KeepBack:);
match_args!(Done:);
match_args!(Find: "key");
match_args!(Swap: "key", "expected", "claim", "owner", "value", "live");
match_args!(Forward: "addresses", "owner", "hop");
match_args!(AwaitRun: "taking");
match_args!(Pause: "seconds");
match_args!(RestoreInApp: "body", "session_id");
match_args!(Announce: "session_id");
match_args!(EndInApp: "session_id");
match_args!(RunApp: "session_id", "keeps_header", "restored", "watches");
match_args!(Reply: "status", "headers", "body");
match_args!(Pass: "session_id");
