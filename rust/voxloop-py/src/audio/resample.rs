//! Sample rate conversion.

use std::sync::Mutex;

use pyo3::prelude::*;
use voxloop_audio as core;

use super::input::{any, audio};
use super::{argument, check_layout, lock, raised, work};
use crate::buffer::AudioChunk;

/// Resamples a whole clip, keeping its channels and encoding.
#[pyfunction]
pub(crate) fn resample(
    data: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = argument::sample_rate)] sample_rate: u32,
    #[pyo3(from_py_with = argument::quality)] quality: core::Quality,
) -> PyResult<AudioChunk> {
    let py = data.py();
    let chunk = any(data)?;
    let chunk: &AudioChunk = &chunk;
    let (rate, channels) = (chunk.layout().sample_rate(), chunk.layout().channels());
    let resampled = py.detach(|| {
        if chunk.is_float() {
            let samples: Vec<f32> =
                core::resample(&chunk.f32s()?, rate, sample_rate, channels, quality)?;
            return AudioChunk::from_samples(samples, sample_rate, channels);
        }
        let samples: Vec<i16> =
            core::resample(&chunk.i16s()?, rate, sample_rate, channels, quality)?;
        AudioChunk::from_samples(samples, sample_rate, channels)
    });
    raised(py, resampled)
}

/// A streaming resampler of PCM16 or float32 chunks.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct Resampler {
    /// The resampler, and whether the last input was of floats.
    inner: Mutex<(core::Resampler, bool)>,
    format: core::Format,
    rate_out: u32,
}

impl Resampler {
    fn run(&self, chunk: Option<&AudioChunk>) -> core::Result<AudioChunk> {
        let mut state = lock(&self.inner);
        if let Some(chunk) = chunk {
            state.1 = chunk.is_float();
        }
        let channels = self.format.channels();
        if state.1 {
            let mut out: Vec<f32> = Vec::new();
            match chunk {
                Some(chunk) => state.0.process(&chunk.f32s()?, &mut out)?,
                None => state.0.flush(&mut out),
            }
            return AudioChunk::from_samples(out, self.rate_out, channels);
        }
        let mut out: Vec<i16> = Vec::new();
        match chunk {
            Some(chunk) => state.0.process(&chunk.i16s()?, &mut out)?,
            None => state.0.flush(&mut out),
        }
        AudioChunk::from_samples(out, self.rate_out, channels)
    }
}

#[pymethods]
impl Resampler {
    /// `simd` names an instruction set other than the fastest, for benches and tests.
    #[new]
    #[pyo3(signature = (rate_in, rate_out, channels, quality, simd = None))]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = argument::sample_rate)] rate_in: u32,
        #[pyo3(from_py_with = argument::sample_rate)] rate_out: u32,
        #[pyo3(from_py_with = argument::channels)] channels: u16,
        #[pyo3(from_py_with = argument::quality)] quality: core::Quality,
        simd: Option<&str>,
    ) -> PyResult<Self> {
        let format = raised(py, core::Format::new(rate_in, channels, core::Encoding::Pcm16))?;
        let simd: Option<core::Simd> = raised(py, simd.map(str::parse).transpose())?;
        let inner = py.detach(|| {
            let new = core::Resampler::new(rate_in, rate_out, channels, quality)?;
            if let Some(simd) = simd { new.with_simd(simd) } else { Ok(new) }
        });
        Ok(Self { inner: Mutex::new((raised(py, inner)?, false)), format, rate_out })
    }

    fn process(&self, data: &Bound<'_, PyAny>) -> PyResult<AudioChunk> {
        let chunk = audio(data, Some(self.format))?;
        let chunk: &AudioChunk = &chunk;
        check_layout(data.py(), chunk.layout(), self.format.sample_rate(), self.format.channels())?;
        work(data.py(), chunk.data().len(), || self.run(Some(chunk)))
    }

    fn flush(&self, py: Python<'_>) -> PyResult<AudioChunk> {
        raised(py, self.run(None))
    }

    fn reset(&self) {
        lock(&self.inner).0.reset();
    }

    #[getter]
    fn delay_frames(&self) -> u64 {
        lock(&self.inner).0.delay_frames()
    }

    #[getter]
    fn simd(&self) -> &'static str {
        lock(&self.inner).0.simd().name()
    }
}
