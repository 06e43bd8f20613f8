//! The splitter of `voxloop-text` for Python.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use voxloop_text as core;

use crate::error;

/// Cuts streamed text into segments.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct Splitter {
    inner: Mutex<core::Splitter>,
}

#[pymethods]
impl Splitter {
    #[new]
    #[pyo3(signature = (*, first_sentence, first_clause, first_most, sentence, most))]
    fn new(
        py: Python<'_>,
        first_sentence: u64,
        first_clause: u64,
        first_most: u64,
        sentence: u64,
        most: u64,
    ) -> PyResult<Self> {
        let limits = core::Limits { first_sentence, first_clause, first_most, sentence, most };
        core::Splitter::new(limits)
            .map(|splitter| Self { inner: Mutex::new(splitter) })
            .map_err(|failure| error::misuse(py, "ConfigError", &failure.to_string()))
    }

    fn push<'py>(&self, py: Python<'py>, delta: &str) -> PyResult<Bound<'py, PyList>> {
        let ready = PyList::empty(py);
        let mut failed = Ok(());
        self.lock().push(delta, |segment| {
            if failed.is_ok() {
                failed = ready.append(PyString::new(py, segment));
            }
        });
        failed.map(|()| ready)
    }

    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let ready = PyList::empty(py);
        let mut failed = Ok(());
        self.lock().flush(|rest| failed = ready.append(PyString::new(py, rest)));
        failed.map(|()| ready)
    }
}

impl Splitter {
    fn lock(&self) -> MutexGuard<'_, core::Splitter> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
