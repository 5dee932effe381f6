//! What a step tells beside what to do.

use mcp_session_core::session::Generation;
use mcp_session_core::{Action, Rule};
use pyo3::prelude::*;

use crate::enums;

/// What a response did to the session; of a step before a request, nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Facts {
    pub(super) verdict: Option<(Rule, Action)>,
    pub(super) ended_session: bool,
    pub(super) revived_session: bool,
    pub(super) generation: Generation,
}

impl Facts {
    pub(super) fn rule(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.verdict.map(|(rule, _)| enums::rule(py, rule)).transpose()
    }

    pub(super) fn action(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.verdict.map(|(_, action)| enums::action(py, action)).transpose()
    }
}

/// A step's methods, and those which every step has: it keeps its [`Facts`] as `facts`.
macro_rules! step {
    (impl $class:ident { $($method:item)* }) => {
        #[pymethods]
        impl $class {
            $($method)*

            /// The row that says what the response means (`Rule`); `None` before a request.
            #[getter]
            fn rule(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
                self.facts.rule(py)
            }

            /// What that row says to do, taken alone (`Action`); `None` before a request.
            #[getter]
            fn action(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
                self.facts.action(py)
            }

            /// Whether this response ended the session that stood (`bool`).
            #[getter]
            fn ended_session(&self) -> bool {
                self.facts.ended_session
            }

            /// Whether this response showed that the session that was taken for dead still lives
            /// (`bool`).
            #[getter]
            fn revived_session(&self) -> bool {
                self.facts.revived_session
            }

            /// The session it belongs to, by its number (`int`); a later one is greater.
            #[getter]
            fn generation(&self) -> u64 {
                self.facts.generation.into()
            }
        }
    };
}
pub(super) use step;
