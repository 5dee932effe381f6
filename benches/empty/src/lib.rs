//! Empty calls through pyo3: what the benchmarks of the binding are measured against.

#![forbid(unsafe_code)]

use pyo3::prelude::*;

/// Calls that do nothing.
#[pymodule]
mod empty {
    use pyo3::prelude::*;

    /// Do nothing.
    #[pyfunction]
    fn call() {}

    /// Make an object and return it.
    #[pyfunction]
    fn make() -> Object {
        Object
    }

    /// Holds nothing.
    #[pyclass(frozen)]
    struct Object;
}
