//! The enums of the package, by the values of the core.
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
    static REASONS: Members<{ Reason::ALL.len() }> = Members::of("Reason");
    REASONS.member(py, reason as usize, || format!("{reason:?}"))
}

pub(crate) fn action(py: Python<'_>, action: Action) -> PyResult<Py<PyAny>> {
    static ACTIONS: Members<{ Action::ALL.len() }> = Members::of("Action");
    ACTIONS.member(py, action as usize, || format!("{action:?}"))
}

pub(crate) fn kind(py: Python<'_>, kind: Kind) -> PyResult<Py<PyAny>> {
    static KINDS: Members<5> = Members::of("Kind");
    KINDS.member(py, kind as usize, || format!("{kind:?}").to_ascii_lowercase())
}

pub(crate) fn rule(py: Python<'_>, rule: Rule) -> PyResult<Py<PyAny>> {
    static RULES: Members<{ Rule::ALL.len() }> = Members::of("Rule");
    RULES.member(py, rule as usize, || rule.name().to_owned())
}

/// The members of one enum, each looked up when it is first needed.
struct Members<const N: usize> {
    class: &'static str,
    members: [PyOnceLock<Py<PyAny>>; N],
}

impl<const N: usize> Members<N> {
    const fn of(class: &'static str) -> Self {
        Self { class, members: [const { PyOnceLock::new() }; N] }
    }

    fn member(
        &self,
        py: Python<'_>,
        index: usize,
        value: impl FnOnce() -> String,
    ) -> PyResult<Py<PyAny>> {
        let look_up = || member(py, self.class, &value());
        match self.members.get(index) {
            Some(slot) => Ok(slot.get_or_try_init(py, look_up)?.clone_ref(py)),
            None => look_up(),
        }
    }
}

fn member(py: Python<'_>, class: &str, value: &str) -> PyResult<Py<PyAny>> {
    Ok(py.import("mcp_session")?.getattr(class)?.call1((value,))?.unbind())
}
