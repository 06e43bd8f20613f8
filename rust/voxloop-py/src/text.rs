//! The splitter of `voxloop-text` for Python.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};
use voxloop_text as core;

use crate::error;

/// Cuts streamed text into segments; `voxloop.voice.SentenceSplitter` is made of it.
#[pyclass(frozen, subclass, module = "voxloop._native")]
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

    /// Take the next piece of text; give the segments that are complete by now.
    ///
    /// Half a surrogate pair is no character; it is replaced by U+FFFD.
    fn push<'py>(&self, delta: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyList>> {
        let py = delta.py();
        match delta.to_str() {
            Ok(text) => self.take(py, text),
            Err(failure) if failure.is_instance_of::<PyUnicodeEncodeError>(py) => {
                self.take(py, &without_surrogates(delta)?)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Give what is left; what follows is a new message, whose first segment is short again.
    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let ready = PyList::empty(py);
        let mut failed = Ok(());
        self.lock().flush(|rest| failed = ready.append(PyString::new(py, rest)));
        failed.map(|()| ready)
    }
}

impl Splitter {
    fn take<'py>(&self, py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyList>> {
        let ready = PyList::empty(py);
        let mut failed = Ok(());
        self.lock().push(text, |segment| {
            if failed.is_ok() {
                failed = ready.append(PyString::new(py, segment));
            }
        });
        failed.map(|()| ready)
    }

    fn lock(&self) -> MutexGuard<'_, core::Splitter> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text with its surrogate pairs joined, and what is left of them replaced.
fn without_surrogates(text: &Bound<'_, PyString>) -> PyResult<String> {
    let encoded = text.call_method1("encode", ("utf-16-le", "surrogatepass"))?;
    let bytes = encoded.cast::<PyBytes>()?.as_bytes();
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    Ok(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}
