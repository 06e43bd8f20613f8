//! Frames of one size.

use std::sync::Mutex;

use pyo3::prelude::*;
use voxloop_audio as core;

use super::input::audio;
use super::{argument, lock, raised, wrong_format};
use crate::buffer::AudioChunk;

/// Cuts PCM16 or float32 chunks into frames of one size.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct Framer {
    inner: Mutex<core::Framer<u8>>,
    format: core::Format,
}

#[pymethods]
impl Framer {
    #[new]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = argument::format)] format: core::Format,
        #[pyo3(from_py_with = argument::depth)] frames: usize,
    ) -> PyResult<Self> {
        // Bytes stand in for samples, whatever the encoding: chunks always are whole frames.
        let bytes = frames.saturating_mul(format.bytes_per_frame());
        let inner = Mutex::new(raised(py, core::Framer::new(bytes, 1))?);
        Ok(Self { inner, format })
    }

    fn process(&self, data: &Bound<'_, PyAny>) -> PyResult<Vec<AudioChunk>> {
        let chunk = audio(data, Some(self.format))?;
        if chunk.layout() != self.format {
            return Err(wrong_format(data.py(), chunk.layout(), self.format));
        }
        let mut cutter = lock(&self.inner);
        let (mut frames, mut rest) = (Vec::new(), chunk.data().clone());
        if cutter.pending_frames() == 0 {
            // Nothing waits: whole frames are slices of what came.
            let block = cutter.block_samples();
            while rest.len() >= block {
                frames.push(AudioChunk::from_bytes(rest.split_to(block), self.format));
            }
        }
        let done = cutter.process(&rest, |frame| {
            let bytes = bytes::Bytes::copy_from_slice(frame);
            frames.push(AudioChunk::from_bytes(bytes, self.format));
        });
        raised(data.py(), done).map(|()| frames)
    }

    fn flush(&self, #[pyo3(from_py_with = argument::pad)] pad: bool) -> Vec<AudioChunk> {
        let tail = if pad { core::Tail::Pad } else { core::Tail::Short };
        let rest = lock(&self.inner).flush(tail);
        rest.map(|bytes| AudioChunk::from_bytes(bytes.into(), self.format)).into_iter().collect()
    }

    fn reset(&self) {
        lock(&self.inner).reset();
    }

    #[getter]
    fn pending_frames(&self) -> usize {
        lock(&self.inner).pending_frames() / self.format.bytes_per_frame()
    }
}
