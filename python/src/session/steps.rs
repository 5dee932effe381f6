//! What the machine answers, as small classes to `match` on.

use mcp_session_core::session::{
    AdoptedId, After, AfterStep, Before, Cooldown as CoreCooldown, Failure as CoreFailure,
    Generation, GivenUp, OrphanId, Reason, Recovered, Replaced as CoreReplaced,
    Stream as CoreStream, Transmit,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3::{PyClass, PyClassInitializer};

use super::facts::{Facts, step};
use super::handles::{Exchange, Hold, Lead, Once, Restore, Stream};
use crate::arguments::KeptBody;
use crate::enums;

/// Send the request, with what stands here in place of its own headers.
///
/// `session_id` (`str` or `None`): the ID to attach; no other goes out. `protocol_version`
/// (`str` or `None`): what to put into `MCP-Protocol-Version`, if another was negotiated.
/// `last_event_id` (`str` or `None`): what to put into `Last-Event-ID`. `body` (`bytes` or
/// `None`): what goes out in place of the request's own body. `exchange` (`Exchange`): to be
/// given back with the response; the step itself, which is one.
///
/// >>> from mcp_session import Send, Session
/// >>> Session().before_request("GET")
/// Send()
///
/// Source: guarantee 7, "A session that lost its ID never sends without one".
#[pyclass(frozen, extends = Exchange, module = "mcp_session")]
pub(crate) struct Send {
    sending: Sending,
    facts: Facts,
}

/// Send the request once more, now. Its attributes are those of `Send`.
///
/// >>> from mcp_session import Resend
/// >>> Resend.__match_args__
/// ('exchange', 'session_id')
///
/// Source: guarantee 4, "A request is resent at most once".
#[pyclass(frozen, extends = Exchange, module = "mcp_session")]
pub(crate) struct Resend {
    sending: Sending,
    facts: Facts,
}

struct Sending {
    session_id: Option<AdoptedId>,
    protocol_version: Option<String>,
    last_event_id: Option<String>,
    body: Option<Vec<u8>>,
    is_trial: bool,
}

/// Hand the response to the caller, unchanged.
///
/// `stream` (`Stream`): where its messages and event IDs belong. `orphan_session_id`
/// (`str` or `None`): an ID that was not adopted and is to be DELETEd.
///
/// >>> from mcp_session import Session
/// >>> session = Session()
/// >>> session.after_response(session.before_request("GET").exchange, 200)
/// Deliver()
///
/// Source: guarantee 4.
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Deliver {
    stream: CoreStream,
    opened_session: bool,
    orphan_session_id: Option<String>,
    facts: Facts,
}

/// Send nothing, or make no use of the response: the caller is answered 202.
///
/// >>> from mcp_session import Drop
/// >>> Drop.__name__
/// 'Drop'
///
/// Source: guarantee 8, "What belonged to the dead generation stays there".
#[pyclass(frozen, eq, hash, module = "mcp_session")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Drop {
    facts: Facts,
}

/// Send nothing, or make no use of the response: the caller is told why.
///
/// `reason` (`Reason`), `text` (`str`): the same as a clause to be read. `retry_after`
/// (`Cooldown` or `None`): the time in which no new session is made, if there is one now. A GET
/// is answered 404, a request with an error of its own.
///
/// >>> from mcp_session import Session
/// >>> session = Session.resumed("1868a90c")
/// >>> call = session.before_request("POST", body=b'{"id":1,"method":"tools/list"}')
/// >>> session.after_response(call.exchange, 404)
/// GiveUp(Reason.NO_INITIALIZE)
///
/// Source: guarantee 4.
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct GiveUp {
    reason: Reason,
    retry_after: Option<CoreCooldown>,
    facts: Facts,
}

/// A time in which no new session is made, because too many have died.
///
/// Wait `seconds` (`float`), from the moment in which it was first told, then tell
/// `Session.cooldown_over`. `number` (`int`): each is another.
///
/// >>> from mcp_session import Cooldown
/// >>> Cooldown.__match_args__
/// ('seconds',)
///
/// Source: guarantee 5, "one may lead again when the driver says that 1 s, then 2 s, ... 60 s have
/// passed".
#[pyclass(frozen, eq, hash, module = "mcp_session")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Cooldown(pub(super) CoreCooldown);

/// The new session stands in place of the one that ended, and those waiting are released.
///
/// `generation` (`int`): its number. `refused` (`list[tuple[str, str]]`): each method that it
/// could not be told again, and why not.
///
/// >>> from mcp_session import Replaced
/// >>> Replaced.__match_args__
/// ('generation', 'refused')
///
/// Source: guarantee 11, "One that is refused is reported, and fails nothing".
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Replaced(CoreReplaced);

/// A recovery has failed; its reason is shared with those waiting.
///
/// `reason` (`Reason`), `text` (`str`): the same as a clause to be read. `orphan_session_id`
/// (`str` or `None`): an ID that was not adopted and is to be DELETEd.
///
/// >>> from mcp_session import Failure
/// >>> Failure.__match_args__
/// ('reason', 'orphan_session_id')
///
/// Source: guarantee 3, "a failure is shared with those waiting".
#[pyclass(frozen, module = "mcp_session")]
pub(crate) struct Failure {
    reason: Reason,
    orphan_session_id: Option<String>,
}

macro_rules! sending {
    ($class:ident) => {
        step! {
            impl $class {
                #[classattr]
                fn __match_args__() -> (&'static str, &'static str) {
                    ("exchange", "session_id")
                }

                /// To be given back with the response (`Exchange`): the step itself.
                #[getter]
                fn exchange<'py>(this: &Bound<'py, Self>) -> Bound<'py, Exchange> {
                    this.as_super().clone()
                }

                /// The ID to attach (`str`), or `None`.
                #[getter]
                fn session_id(&self) -> Option<&str> {
                    Some(self.sending.session_id.as_ref()?.session_id()?.as_str())
                }

                /// What to put into `MCP-Protocol-Version` (`str`), or `None` to leave it.
                #[getter]
                fn protocol_version(&self) -> Option<&str> {
                    self.sending.protocol_version.as_deref()
                }

                /// What to put into `Last-Event-ID` (`str`), or `None` to leave it out.
                #[getter]
                fn last_event_id(&self) -> Option<&str> {
                    self.sending.last_event_id.as_deref()
                }

                /// What goes out in place of the request's own body (`bytes`), or `None` to leave
                /// it: a reply under the id by which the server asked.
                #[getter]
                fn body<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
                    self.sending.body.as_deref().map(|body| PyBytes::new(py, body))
                }

                /// Whether it tries out a session that was taken for dead (`bool`).
                #[getter]
                fn is_trial(&self) -> bool {
                    self.sending.is_trial
                }

                fn __repr__(&self) -> String {
                    let has_id = self.sending.session_id.is_some();
                    let id = if has_id { "session_id=<redacted>" } else { "" };
                    format!(concat!(stringify!($class), "({})"), id)
                }
            }
        }
    };
}

sending!(Send);
sending!(Resend);

step! {
    impl Deliver {
        #[classattr]
        fn __match_args__() -> (&'static str, &'static str) {
            ("stream", "orphan_session_id")
        }

        /// Where its messages and event IDs belong (`Stream`).
        #[getter]
        fn stream(&self) -> Stream {
            Stream(self.stream)
        }

        /// Whether it opened the session that stands now (`bool`): the answer to an `initialize`
        /// of the caller's own.
        #[getter]
        fn opened_session(&self) -> bool {
            self.opened_session
        }

        /// An ID that is to be DELETEd (`str`), or `None`.
        #[getter]
        fn orphan_session_id(&self) -> Option<&str> {
            self.orphan_session_id.as_deref()
        }

        fn __repr__(&self) -> &'static str {
            "Deliver()"
        }
    }
}

step! {
    impl Drop {
        fn __repr__(&self) -> &'static str {
            "Drop()"
        }
    }
}

step! {
    impl GiveUp {
        #[classattr]
        fn __match_args__() -> (&'static str,) {
            ("reason",)
        }

        /// Why (`Reason`).
        #[getter]
        fn reason(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
            enums::reason(py, self.reason)
        }

        /// Why, as a clause to be read (`str`).
        #[getter]
        fn text(&self) -> String {
            self.reason.to_string()
        }

        /// The time in which no new session is made (`Cooldown`), or `None`.
        #[getter]
        fn retry_after(&self) -> Option<Cooldown> {
            self.retry_after.map(Cooldown)
        }

        fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
            Ok(format!("GiveUp({})", enums::reason(py, self.reason)?.bind(py).str()?))
        }
    }
}

#[pymethods]
impl Cooldown {
    #[classattr]
    fn __match_args__() -> (&'static str,) {
        ("seconds",)
    }

    /// How long it takes (`float`).
    #[getter]
    fn seconds(&self) -> f64 {
        self.0.duration().as_secs_f64()
    }

    /// Its number (`int`).
    #[getter]
    fn number(&self) -> u64 {
        self.0.number()
    }

    fn __repr__(&self) -> String {
        format!("Cooldown({:?})", self.seconds())
    }
}

#[pymethods]
impl Replaced {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("generation", "refused")
    }

    /// The number of the new session (`int`).
    #[getter]
    fn generation(&self) -> u64 {
        self.0.generation.into()
    }

    /// Each method that it could not be told again, and why not (`list[tuple[str, str]]`).
    #[getter]
    fn refused(&self) -> Vec<(&'static str, String)> {
        self.0.refused.iter().map(|it| (it.method.as_str(), it.refusal.to_string())).collect()
    }

    fn __repr__(&self) -> String {
        format!("Replaced({})", self.generation())
    }
}

#[pymethods]
impl Failure {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("reason", "orphan_session_id")
    }

    /// Why (`Reason`).
    #[getter]
    fn reason(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        enums::reason(py, self.reason)
    }

    /// Why, as a clause to be read (`str`).
    #[getter]
    fn text(&self) -> String {
        self.reason.to_string()
    }

    /// An ID that is to be DELETEd (`str`), or `None`.
    #[getter]
    fn orphan_session_id(&self) -> Option<&str> {
        self.orphan_session_id.as_deref()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Failure({})", enums::reason(py, self.reason)?.bind(py).str()?))
    }
}

/// The step before a request, in the generation that stands.
pub(super) fn before(
    py: Python<'_>,
    before: Before<KeptBody>,
    generation: Generation,
) -> PyResult<Py<PyAny>> {
    let (ended_session, revived_session) = (false, false);
    let facts = Facts { verdict: None, ended_session, revived_session, generation };
    match before {
        Before::Transmit(transmit) => {
            let (sending, exchange) = sending(transmit);
            object(py, (Send { sending, facts }, exchange))
        }
        Before::Hold(hold) => object(py, Hold::new(hold, facts)),
        Before::Lead(lead, hold) => object(py, Lead::new(py, lead, hold, facts)?),
        Before::Drop(_) => object(py, Drop { facts }),
        Before::GiveUp(GivenUp { reason, retry_after, .. }) => {
            object(py, GiveUp { reason, retry_after, facts })
        }
    }
}

/// The step after a response.
pub(super) fn after(py: Python<'_>, after: After<KeptBody>) -> PyResult<Py<PyAny>> {
    let After { step, rule, action, ended_session, revived_session, generation, .. } = after;
    let facts = Facts { verdict: Some((rule, action)), ended_session, revived_session, generation };
    match step {
        AfterStep::Deliver(delivery) => {
            let deliver = Deliver {
                stream: delivery.stream,
                opened_session: delivery.opened_session,
                orphan_session_id: orphan_id(delivery.orphan.as_ref()),
                facts,
            };
            object(py, deliver)
        }
        AfterStep::Resend(transmit) => {
            let (sending, exchange) = sending(transmit);
            object(py, (Resend { sending, facts }, exchange))
        }
        AfterStep::Hold(hold) => object(py, Hold::new(hold, facts)),
        AfterStep::Lead(lead, hold) => object(py, Lead::new(py, lead, hold, facts)?),
        AfterStep::Drop(_) => object(py, Drop { facts }),
        AfterStep::GiveUp(GivenUp { reason, retry_after, .. }) => {
            object(py, GiveUp { reason, retry_after, facts })
        }
    }
}

pub(super) fn failure(py: Python<'_>, failure: &CoreFailure) -> PyResult<Py<PyAny>> {
    let orphan_session_id = orphan_id(failure.orphan.as_ref());
    object(py, Failure { reason: failure.reason, orphan_session_id })
}

/// What a leader does next, or that it is done.
pub(super) fn recovered(py: Python<'_>, recovered: Recovered) -> PyResult<Py<PyAny>> {
    match recovered {
        Recovered::Restore(restore) => object(py, Restore(Once::new(restore))),
        Recovered::Done(replaced) => object(py, Replaced(replaced)),
    }
}

pub(super) fn object<T: PyClass>(
    py: Python<'_>,
    value: impl Into<PyClassInitializer<T>>,
) -> PyResult<Py<PyAny>> {
    Ok(Py::new(py, value)?.into_any())
}

fn sending(transmit: Transmit<KeptBody>) -> (Sending, Exchange) {
    let sending = Sending {
        session_id: transmit.adopted_id(),
        protocol_version: transmit.protocol_version().map(str::to_owned),
        last_event_id: transmit.last_event_id().map(str::to_owned),
        body: transmit.replaced_body().map(<[u8]>::to_vec),
        is_trial: transmit.is_trial(),
    };
    (sending, Exchange(Once::new(transmit.exchange)))
}

fn orphan_id(orphan: Option<&OrphanId>) -> Option<String> {
    orphan?.session_id().map(|id| id.as_str().to_owned())
}
