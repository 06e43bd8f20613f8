//! Audio that is kept in less room.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use voxloop_audio as core;

use super::codec::raw;

/// Bytes that are kept; those of PCM16 take about half of their room.
#[pyclass(frozen, eq, module = "voxloop._native")]
#[derive(PartialEq, Eq)]
pub(crate) struct Packed(core::Packed);

#[pymethods]
impl Packed {
    #[new]
    fn new(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(core::Packed::new(&raw(data)?)))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.unpack())
    }

    fn __sizeof__(&self) -> usize {
        size_of::<Self>() + self.0.held()
    }

    fn __repr__(&self) -> String {
        format!("Packed({} bytes in {})", self.0.len(), self.0.held())
    }
}
