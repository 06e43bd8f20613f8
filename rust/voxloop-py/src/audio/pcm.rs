//! Levels, mixing, channels and conversions of whole chunks.

use std::sync::Mutex;

use pyo3::prelude::*;
use voxloop_audio as core;

use super::input::{any, as_chunk};
use super::{argument, lock, work, wrong_format};
use crate::buffer::AudioChunk;

/// Every sample times `factor`.
#[pyfunction]
pub(crate) fn gain(
    chunk: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = argument::factor)] factor: f32,
) -> PyResult<AudioChunk> {
    let py = chunk.py();
    let held = any(chunk)?;
    let chunk: &AudioChunk = &held;
    let (rate, channels) = (chunk.layout().sample_rate(), chunk.layout().channels());
    work(py, chunk.data().len(), || {
        if chunk.is_float() {
            let mut samples = chunk.f32s()?.into_owned();
            core::pcm::gain(&mut samples, factor)?;
            return AudioChunk::from_samples(samples, rate, channels);
        }
        let mut samples = chunk.i16s()?.into_owned();
        core::pcm::gain(&mut samples, factor)?;
        AudioChunk::from_samples(samples, rate, channels)
    })
}

/// The sum of two chunks of one format and length, clamped to full scale.
#[pyfunction]
pub(crate) fn mix(one: &Bound<'_, PyAny>, other: &Bound<'_, PyAny>) -> PyResult<AudioChunk> {
    let (one_chunk, other_chunk) = (any(one)?, any(other)?);
    let (one, py) = (&*one_chunk, one.py());
    let other: &AudioChunk = &other_chunk;
    let format = one.layout();
    if format != other.layout() {
        return Err(wrong_format(py, other.layout(), format));
    }
    let (rate, channels) = (format.sample_rate(), format.channels());
    work(py, one.data().len(), || {
        if one.is_float() {
            let mut samples = one.f32s()?.into_owned();
            core::pcm::mix_into(&mut samples, &other.f32s()?)?;
            return AudioChunk::from_samples(samples, rate, channels);
        }
        let mut samples = one.i16s()?.into_owned();
        core::pcm::mix_into(&mut samples, &other.i16s()?)?;
        AudioChunk::from_samples(samples, rate, channels)
    })
}

fn level(
    data: &Bound<'_, PyAny>,
    short: fn(&[i16]) -> f32,
    float: fn(&[f32]) -> f32,
) -> PyResult<f32> {
    let chunk = any(data)?;
    let chunk: &AudioChunk = &chunk;
    work(data.py(), chunk.data().len(), || {
        Ok(if chunk.is_float() { float(&chunk.f32s()?) } else { short(&chunk.i16s()?) })
    })
}

/// Root mean square in full-scale units.
#[pyfunction]
pub(crate) fn rms(chunk: &Bound<'_, PyAny>) -> PyResult<f32> {
    level(chunk, core::pcm::rms, core::pcm::rms)
}

/// Largest magnitude in full-scale units.
#[pyfunction]
pub(crate) fn peak(chunk: &Bound<'_, PyAny>) -> PyResult<f32> {
    level(chunk, core::pcm::peak, core::pcm::peak)
}

/// Root mean square level in dB relative to full scale.
#[pyfunction]
pub(crate) fn rms_dbfs(chunk: &Bound<'_, PyAny>) -> PyResult<f32> {
    rms(chunk).map(core::pcm::dbfs)
}

/// Largest magnitude in dB relative to full scale.
#[pyfunction]
pub(crate) fn peak_dbfs(chunk: &Bound<'_, PyAny>) -> PyResult<f32> {
    peak(chunk).map(core::pcm::dbfs)
}

/// The mean of all channels as PCM16.
#[pyfunction]
pub(crate) fn to_mono<'py>(chunk: &Bound<'py, PyAny>) -> PyResult<Bound<'py, AudioChunk>> {
    let py = chunk.py();
    let whole = as_chunk(chunk, None)?;
    let chunk = whole.get();
    let format = chunk.layout();
    if format.channels() == 1 && !chunk.is_float() {
        return Ok(whole);
    }
    let mono = work(py, chunk.data().len(), || {
        let samples = core::pcm::downmix(&chunk.i16s()?, format.channels())?;
        AudioChunk::from_samples(samples, format.sample_rate(), 1)
    })?;
    Bound::new(py, mono)
}

/// One channel, in the chunk's own encoding.
#[pyfunction]
pub(crate) fn channel(
    chunk: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = argument::channel_index)] index: u16,
) -> PyResult<AudioChunk> {
    let py = chunk.py();
    let held = any(chunk)?;
    let chunk: &AudioChunk = &held;
    let (rate, channels) = (chunk.layout().sample_rate(), chunk.layout().channels());
    work(py, chunk.data().len(), || {
        if chunk.is_float() {
            let samples = core::pcm::channel(&chunk.f32s()?, channels, index)?;
            return AudioChunk::from_samples(samples, rate, 1);
        }
        let samples = core::pcm::channel(&chunk.i16s()?, channels, index)?;
        AudioChunk::from_samples(samples, rate, 1)
    })
}

/// PCM16 of the nearest values.
#[pyfunction]
pub(crate) fn to_pcm16<'py>(chunk: &Bound<'py, PyAny>) -> PyResult<Bound<'py, AudioChunk>> {
    let py = chunk.py();
    let whole = as_chunk(chunk, None)?;
    let chunk = whole.get();
    if !chunk.is_float() {
        return Ok(whole);
    }
    let (rate, channels) = (chunk.layout().sample_rate(), chunk.layout().channels());
    let narrow = work(py, chunk.data().len(), || {
        AudioChunk::from_samples(chunk.i16s()?.into_owned(), rate, channels)
    })?;
    Bound::new(py, narrow)
}

/// Floats in [-1, 1).
#[pyfunction]
pub(crate) fn to_float32<'py>(chunk: &Bound<'py, PyAny>) -> PyResult<Bound<'py, AudioChunk>> {
    let py = chunk.py();
    let whole = as_chunk(chunk, None)?;
    let chunk = whole.get();
    if chunk.is_float() {
        return Ok(whole);
    }
    let (rate, channels) = (chunk.layout().sample_rate(), chunk.layout().channels());
    let wide = work(py, chunk.data().len(), || {
        AudioChunk::from_samples(chunk.f32s()?.into_owned(), rate, channels)
    })?;
    Bound::new(py, wide)
}

/// Rounding to 16 bits with triangular dither.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct Dither {
    inner: Mutex<core::pcm::Dither>,
}

#[pymethods]
impl Dither {
    #[new]
    fn new(#[pyo3(from_py_with = argument::seed)] seed: u64) -> Self {
        Self { inner: Mutex::new(core::pcm::Dither::new(seed)) }
    }

    fn process(&self, data: &Bound<'_, PyAny>) -> PyResult<AudioChunk> {
        let chunk = any(data)?;
        let chunk: &AudioChunk = &chunk;
        let (rate, channels) = (chunk.layout().sample_rate(), chunk.layout().channels());
        work(data.py(), chunk.data().len(), || {
            let wide = chunk.f32s()?;
            let mut samples = Vec::with_capacity(wide.len());
            lock(&self.inner).narrow(&wide, &mut samples);
            AudioChunk::from_samples(samples, rate, channels)
        })
    }
}
