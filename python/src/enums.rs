//! The enums of `mcp_session._enums`, by the values of the core.
//!
//! They are Python's own `enum.Enum`, so that type checkers can exhaust them; here they are
//! looked up once and handed out again and again.

use mcp_session_core::session::Reason;
use mcp_session_core::{Action, Kind, Rule};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

pub(crate) struct Sides {
    pub(crate) client: Py<PyAny>,
    pub(crate) server: Py<PyAny>,
}

pub(crate) fn sides(py: Python<'_>) -> PyResult<&Sides> {
    static SIDES: PyOnceLock<Sides> = PyOnceLock::new();
    SIDES.get_or_try_init(py, || {
        let member = |name| member(py, "Side", name);
        Ok(Sides { client: member("client")?, server: member("server")? })
    })
}

pub(crate) struct Policies {
    pub(crate) all: Py<PyAny>,
    pub(crate) read_only: Py<PyAny>,
    pub(crate) never: Py<PyAny>,
}

pub(crate) fn policies(py: Python<'_>) -> PyResult<&Policies> {
    static POLICIES: PyOnceLock<Policies> = PyOnceLock::new();
    POLICIES.get_or_try_init(py, || {
        let member = |name| member(py, "ResendPolicy", name);
        Ok(Policies {
            all: member("all")?,
            read_only: member("read_only")?,
            never: member("never")?,
        })
    })
}

pub(crate) fn reason(py: Python<'_>, reason: Reason) -> PyResult<Py<PyAny>> {
    member(py, "Reason", &format!("{reason:?}"))
}

pub(crate) fn action(py: Python<'_>, action: Action) -> PyResult<&Py<PyAny>> {
    macro_rules! members {
        ($( $variant:ident )+) => {
            match action {
                $( Action::$variant => {
                    static MEMBER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
                    MEMBER.get_or_try_init(py, || member(py, "Action", stringify!($variant)))
                } )+
            }
        };
    }
    members! {
        PassThrough AdoptSession ClearAndReinit Clear
        NotFoundResponse BadRequestResponse UnavailableResponse
    }
}

pub(crate) fn kind(py: Python<'_>, kind: Kind) -> PyResult<Py<PyAny>> {
    let name = match kind {
        Kind::Request => "request",
        Kind::Notification => "notification",
        Kind::Response => "response",
        Kind::Batch => "batch",
        Kind::Malformed => "malformed",
    };
    member(py, "Kind", name)
}

pub(crate) fn rule(py: Python<'_>, rule: Rule) -> PyResult<Py<PyAny>> {
    member(py, "Rule", rule.name())
}

fn member(py: Python<'_>, class: &str, value: &str) -> PyResult<Py<PyAny>> {
    Ok(py.import("mcp_session._enums")?.getattr(class)?.call1((value,))?.unbind())
}
