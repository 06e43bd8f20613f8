//! Where speech starts and ends.

use std::sync::Mutex;

use pyo3::prelude::*;
use voxloop_audio as core;

use super::input::audio;
use super::{argument, check_layout, lock, raised};
use crate::buffer::AudioChunk;

/// An edge of speech.
#[pyclass(frozen, eq, hash, skip_from_py_object, module = "voxloop._native")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct VadEvent {
    starts: bool,
    /// Input frame of the edge itself.
    #[pyo3(get)]
    frame: u64,
    /// Input frames judged when the edge became certain.
    #[pyo3(get)]
    decided_at: u64,
}

#[pymethods]
impl VadEvent {
    #[getter]
    fn kind(&self) -> &'static str {
        if self.starts { "speech_start" } else { "speech_end" }
    }

    fn __repr__(&self) -> String {
        let Self { frame, decided_at, .. } = self;
        format!("VadEvent(kind='{}', frame={frame}, decided_at={decided_at})", self.kind())
    }
}

impl From<&core::VadEvent> for VadEvent {
    fn from(event: &core::VadEvent) -> Self {
        Self {
            starts: matches!(event, core::VadEvent::SpeechStart { .. }),
            frame: event.sample(),
            decided_at: event.decided_at(),
        }
    }
}

/// What was found in one stretch of the input.
#[pyclass(frozen, eq, skip_from_py_object, module = "voxloop._native")]
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct VadFrame {
    inner: core::vad::VadFrame,
}

#[pymethods]
impl VadFrame {
    #[getter]
    fn start(&self) -> u64 {
        self.inner.start
    }

    #[getter]
    fn end(&self) -> u64 {
        self.inner.end
    }

    #[getter]
    fn probability(&self) -> f32 {
        self.inner.probability
    }

    #[getter]
    fn is_speech(&self) -> bool {
        self.inner.is_speech
    }

    fn __repr__(&self) -> String {
        let core::vad::VadFrame { start, end, probability, .. } = self.inner;
        format!("VadFrame(start={start}, end={end}, probability={probability:.3})")
    }
}

type Found = (Vec<VadEvent>, Vec<VadFrame>);

fn found(out: &core::VadOutput) -> Found {
    let frames = out.frames.iter().map(|&inner| VadFrame { inner }).collect();
    (out.events.iter().map(VadEvent::from).collect(), frames)
}

/// What the network and the gate have in common.
trait Detector: Send {
    fn push(&mut self, samples: &[i16], out: &mut core::VadOutput) -> core::Result<()>;
}

impl Detector for core::Vad {
    fn push(&mut self, samples: &[i16], out: &mut core::VadOutput) -> core::Result<()> {
        self.process(samples, out)
    }
}

impl Detector for core::EnergyGate {
    fn push(&mut self, samples: &[i16], out: &mut core::VadOutput) -> core::Result<()> {
        self.process(samples, out)
    }
}

/// Mixes to mono and feeds a detector.
fn judge<D: Detector>(
    detector: &Mutex<D>,
    format: core::Format,
    data: &Bound<'_, PyAny>,
) -> PyResult<core::VadOutput> {
    let py = data.py();
    let given = data.cast::<AudioChunk>().ok().map(|chunk| chunk.get().layout());
    let chunk = audio(data, given.or(Some(format)))?;
    let chunk: &AudioChunk = &chunk;
    let came = chunk.layout();
    check_layout(py, came, format.sample_rate(), came.channels())?;
    let result = py.detach(|| {
        let mut out = core::VadOutput::default();
        let samples = chunk.i16s()?;
        if came.channels() == 1 {
            lock(detector).push(&samples, &mut out)?;
        } else {
            lock(detector).push(&core::pcm::downmix(&samples, came.channels())?, &mut out)?;
        }
        Ok(out)
    });
    raised(py, result)
}

fn mono(py: Python<'_>, sample_rate: u32) -> PyResult<core::Format> {
    raised(py, core::Format::new(sample_rate, 1, core::Encoding::Pcm16))
}

fn edges(threshold: f32, release: f32, silence_ms: u32, min_speech_ms: u32) -> core::VadSettings {
    // Callers cut their own prefix: the edge itself is what latency is measured from.
    core::VadSettings { threshold, release, min_speech_ms, silence_ms, prefix_padding_ms: 0 }
}

/// Voice activity detection by a network.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct Vad {
    inner: Mutex<core::Vad>,
    format: core::Format,
}

#[pymethods]
impl Vad {
    #[new]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = argument::sample_rate)] sample_rate: u32,
        #[pyo3(from_py_with = argument::threshold)] threshold: f32,
        #[pyo3(from_py_with = argument::release)] release: f32,
        #[pyo3(from_py_with = argument::silence_ms)] silence_ms: u32,
        #[pyo3(from_py_with = argument::min_speech_ms)] min_speech_ms: u32,
    ) -> PyResult<Self> {
        let settings = edges(threshold, release, silence_ms, min_speech_ms);
        let inner = Mutex::new(raised(py, core::Vad::new(sample_rate, settings))?);
        Ok(Self { inner, format: mono(py, sample_rate)? })
    }

    fn process(&self, data: &Bound<'_, PyAny>) -> PyResult<Found> {
        judge(&self.inner, self.format, data).map(|out| found(&out))
    }

    fn flush(&self) -> Found {
        let mut out = core::VadOutput::default();
        lock(&self.inner).flush(&mut out);
        found(&out)
    }

    fn reset(&self) {
        lock(&self.inner).reset();
    }

    #[getter]
    fn is_speech(&self) -> bool {
        lock(&self.inner).is_speech()
    }

    #[getter]
    fn probability(&self) -> f32 {
        lock(&self.inner).last_probability()
    }

    #[getter]
    fn position(&self) -> u64 {
        lock(&self.inner).position()
    }
}

/// Voice activity detection by level.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct EnergyGate {
    inner: Mutex<core::EnergyGate>,
    format: core::Format,
}

#[pymethods]
impl EnergyGate {
    #[new]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = argument::sample_rate)] sample_rate: u32,
        #[pyo3(from_py_with = argument::threshold_dbfs)] threshold_dbfs: f32,
        #[pyo3(from_py_with = argument::margin_db)] margin_db: f32,
        #[pyo3(from_py_with = argument::silence_ms)] silence_ms: u32,
        #[pyo3(from_py_with = argument::min_speech_ms)] min_speech_ms: u32,
    ) -> PyResult<Self> {
        let defaults = core::VadSettings::default();
        let edges = edges(defaults.threshold, defaults.release, silence_ms, min_speech_ms);
        let settings = core::GateSettings { threshold_dbfs, margin_db, edges };
        let inner = Mutex::new(raised(py, core::EnergyGate::new(sample_rate, settings))?);
        Ok(Self { inner, format: mono(py, sample_rate)? })
    }

    fn process(&self, data: &Bound<'_, PyAny>) -> PyResult<Found> {
        judge(&self.inner, self.format, data).map(|out| found(&out))
    }

    fn flush(&self) -> Found {
        let mut out = core::VadOutput::default();
        lock(&self.inner).flush(&mut out);
        found(&out)
    }

    fn reset(&self) {
        lock(&self.inner).reset();
    }

    #[getter]
    fn is_speech(&self) -> bool {
        lock(&self.inner).is_speech()
    }

    #[getter]
    fn floor_dbfs(&self) -> Option<f32> {
        lock(&self.inner).floor_dbfs()
    }

    #[getter]
    fn position(&self) -> u64 {
        lock(&self.inner).position()
    }
}
