//! The enums of the package, by the values of the core.
//!
//! They are Python's own `enum.Enum`, so that type checkers can exhaust them; here they are
//! looked up once and handed out again and again. A member is called as the core calls it, in
//! Python's spelling.

use mcp_session_core::session::Reason;
use mcp_session_core::sessions::ForwardFailure;
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
        let member = |name| member(py, "mcp_session", "Side", name);
        Ok(Sides { client: member("CLIENT")?, server: member("SERVER")? })
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
        let member = |name| member(py, "mcp_session", "ResendPolicy", name);
        Ok(Policies {
            all: member("ALL")?,
            read_only: member("READ_ONLY")?,
            never: member("NEVER")?,
        })
    })
}

pub(crate) struct Lookups {
    pub(crate) known: Py<PyAny>,
    pub(crate) unknown: Py<PyAny>,
    pub(crate) unavailable: Py<PyAny>,
}

pub(crate) fn lookups(py: Python<'_>) -> PyResult<&Lookups> {
    static LOOKUPS: PyOnceLock<Lookups> = PyOnceLock::new();
    LOOKUPS.get_or_try_init(py, || {
        let member = |name| member(py, "mcp_session", "Lookup", name);
        Ok(Lookups {
            known: member("KNOWN")?,
            unknown: member("UNKNOWN")?,
            unavailable: member("UNAVAILABLE")?,
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
    static KINDS: Members<{ KINDS_OF_MESSAGES.len() }> = Members::of("Kind");
    KINDS.member(py, kind as usize, || format!("{kind:?}"))
}

pub(crate) fn rule(py: Python<'_>, rule: Rule) -> PyResult<Py<PyAny>> {
    static RULES: Members<{ Rule::ALL.len() }> = Members::of("Rule");
    RULES.member(py, rule as usize, || rule.name().to_owned())
}

/// The action of a member of the enum; `None` for anything else.
pub(crate) fn as_action(member: &Bound<'_, PyAny>) -> PyResult<Option<Action>> {
    of_member(member, &Action::ALL, action)
}

/// As [`as_action`].
pub(crate) fn as_rule(member: &Bound<'_, PyAny>) -> PyResult<Option<Rule>> {
    of_member(member, Rule::ALL, rule)
}

/// As [`as_action`].
pub(crate) fn as_kind(member: &Bound<'_, PyAny>) -> PyResult<Option<Kind>> {
    of_member(member, &KINDS_OF_MESSAGES, kind)
}

/// As Python shows a member: `Action.CLEAR`.
pub(crate) fn shown(member: &Bound<'_, PyAny>) -> PyResult<String> {
    Ok(format!("{}.{}", member.get_type().getattr("__name__")?, member.getattr("name")?))
}

const KINDS_OF_MESSAGES: [Kind; 5] =
    [Kind::Request, Kind::Notification, Kind::Response, Kind::Batch, Kind::Malformed];

/// What a driver of the server machine has to do, as Python has it: in one enum, without
/// what the core's steps bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerStep {
    Read,
    Run,
    RunWithoutSessionId,
    Hold,
    Watch,
    LetGo,
    LetGoWithoutSessionId,
    Replace,
    Pass,
    PassWithoutSessionId,
    Discard,
}

pub(crate) fn server_step(py: Python<'_>, step: ServerStep) -> PyResult<Py<PyAny>> {
    static STEPS: Members<{ ServerStep::Discard as usize + 1 }> =
        Members::from("mcp_session.server", "ServerStep");
    STEPS.member(py, step as usize, || format!("{step:?}"))
}

/// As [`as_action`].
pub(crate) fn as_forward_failure(member: &Bound<'_, PyAny>) -> PyResult<Option<ForwardFailure>> {
    static FAILURES: Members<3> = Members::from("mcp_session.replica", "ForwardFailure");
    let all = [ForwardFailure::Refused, ForwardFailure::Unreachable, ForwardFailure::InDoubt];
    let by_value = |py: Python<'_>, how| FAILURES.member(py, how as usize, || format!("{how:?}"));
    of_member(member, &all, by_value)
}

/// The members of one enum, each looked up when it is first needed.
struct Members<const N: usize> {
    module: &'static str,
    class: &'static str,
    members: [PyOnceLock<Py<PyAny>>; N],
}

impl<const N: usize> Members<N> {
    const fn of(class: &'static str) -> Self {
        Self::from("mcp_session", class)
    }

    const fn from(module: &'static str, class: &'static str) -> Self {
        Self { module, class, members: [const { PyOnceLock::new() }; N] }
    }

    /// `name` is the member's in the core.
    fn member(
        &self,
        py: Python<'_>,
        index: usize,
        name: impl FnOnce() -> String,
    ) -> PyResult<Py<PyAny>> {
        let look_up = || member(py, self.module, self.class, &in_capitals(&name()));
        match self.members.get(index) {
            Some(slot) => Ok(slot.get_or_try_init(py, look_up)?.clone_ref(py)),
            None => look_up(),
        }
    }
}

fn member(py: Python<'_>, module: &str, class: &str, name: &str) -> PyResult<Py<PyAny>> {
    Ok(py.import(module)?.getattr(class)?.getattr(name)?.unbind())
}

/// `ClearAndReinit` as `CLEAR_AND_REINIT`.
fn in_capitals(name: &str) -> String {
    let mut spelled = String::with_capacity(name.len() + 8);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !spelled.is_empty() {
            spelled.push('_');
        }
        spelled.push(letter.to_ascii_uppercase());
    }
    spelled
}

fn of_member<T: Copy>(
    member: &Bound<'_, PyAny>,
    all: &[T],
    by_value: impl Fn(Python<'_>, T) -> PyResult<Py<PyAny>>,
) -> PyResult<Option<T>> {
    for value in all {
        if member.is(&by_value(member.py(), *value)?) {
            return Ok(Some(*value));
        }
    }
    Ok(None)
}
