//! G.711 and integer PCM of other widths.

use std::borrow::Cow;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use voxloop_audio as core;
use voxloop_audio::pcm::Width;

use super::input::any;
use super::{argument, work};
use crate::buffer::{AudioChunk, copied_bytes};

/// The bytes of a bytes-like object, borrowed where they cannot change.
pub(super) fn raw<'a>(data: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, [u8]>> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(Cow::Borrowed(bytes.as_bytes()));
    }
    if let Ok(chunk) = data.cast::<AudioChunk>() {
        return Ok(Cow::Borrowed(chunk.get().data()));
    }
    copied_bytes(data).map(|bytes| Cow::Owned(bytes.into()))
}

fn encode<'py>(
    data: &Bound<'py, PyAny>,
    code: fn(&[i16]) -> Vec<u8>,
) -> PyResult<Bound<'py, PyBytes>> {
    let chunk = any(data)?;
    let chunk: &AudioChunk = &chunk;
    let encoded = work(data.py(), chunk.data().len(), || chunk.i16s().map(|s| code(&s)))?;
    Ok(PyBytes::new(data.py(), &encoded))
}

fn decode(
    data: &Bound<'_, PyAny>,
    sample_rate: u32,
    code: fn(&[u8]) -> Vec<i16>,
) -> PyResult<AudioChunk> {
    let bytes = raw(data)?;
    let bytes: &[u8] = &bytes;
    work(data.py(), bytes.len(), || AudioChunk::from_samples(code(bytes), sample_rate, 1))
}

/// u-law codes of samples.
#[pyfunction]
pub(crate) fn ulaw_encode<'py>(chunk: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    encode(chunk, core::g711::ulaw_encode_slice)
}

/// A-law codes of samples.
#[pyfunction]
pub(crate) fn alaw_encode<'py>(chunk: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    encode(chunk, core::g711::alaw_encode_slice)
}

/// PCM16 mono from u-law codes.
#[pyfunction]
#[pyo3(signature = (data, *, sample_rate = 8_000))]
pub(crate) fn ulaw_decode(
    data: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = argument::sample_rate)] sample_rate: u32,
) -> PyResult<AudioChunk> {
    decode(data, sample_rate, core::g711::ulaw_decode_slice)
}

/// PCM16 mono from A-law codes.
#[pyfunction]
#[pyo3(signature = (data, *, sample_rate = 8_000))]
pub(crate) fn alaw_decode(
    data: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = argument::sample_rate)] sample_rate: u32,
) -> PyResult<AudioChunk> {
    decode(data, sample_rate, core::g711::alaw_decode_slice)
}

/// Samples as integers of another width: `pcm_u8`, `pcm24` or `pcm32`.
#[pyfunction]
pub(crate) fn pcm_encode<'py>(
    data: &Bound<'py, PyAny>,
    #[pyo3(from_py_with = argument::width)] width: Width,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = data.py();
    let chunk = any(data)?;
    let chunk: &AudioChunk = &chunk;
    let encoded = work(py, chunk.data().len(), || {
        Ok(if chunk.is_float() {
            core::pcm::to_width(&chunk.f32s()?, width)
        } else {
            core::pcm::to_width(&chunk.i16s()?, width)
        })
    })?;
    Ok(PyBytes::new(py, &encoded))
}

/// A chunk of `format` from integers of another width.
#[pyfunction]
pub(crate) fn pcm_decode(
    data: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = argument::width)] width: Width,
    #[pyo3(from_py_with = argument::format)] format: core::Format,
) -> PyResult<AudioChunk> {
    let py = data.py();
    let bytes = raw(data)?;
    let bytes: &[u8] = &bytes;
    let decoded = work(py, bytes.len(), || {
        Ok(match format.encoding() {
            core::Encoding::Float32 => {
                crate::buffer::packed(core::pcm::from_width::<f32>(bytes, width)?)
            }
            _ => crate::buffer::packed(core::pcm::from_width::<i16>(bytes, width)?),
        })
    })?;
    AudioChunk::checked(py, decoded, format)
}
