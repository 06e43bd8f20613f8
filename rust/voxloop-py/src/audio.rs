//! The streams and codecs of `voxloop-audio` for Python.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use voxloop_audio as core;
use voxloop_audio::wav;

use crate::buffer::{AudioChunk, Format, copy_buffer};
use crate::error;

/// Frames from which the work is worth letting other Python threads run meanwhile.
const DETACH_FRAMES: usize = 24_000;

/// A panic while the lock was held leaves plain data behind that is still safe to use.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn raised<T>(py: Python<'_>, result: core::Result<T>) -> PyResult<T> {
    result.map_err(|failure| error::audio(py, &failure))
}

fn wrong_format(py: Python<'_>, came: core::Format, rate: u32, channels: u16) -> PyErr {
    let text = format!(
        "this stream takes {channels} channel(s) at {rate} Hz, the chunk has {} at {} Hz",
        came.channels(),
        came.sample_rate()
    );
    error::misuse(py, "AudioFormatError", &text)
}

/// Decodes a WAV file; the flag says whether it was cut short.
#[pyfunction]
pub(crate) fn wav_decode(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<(AudioChunk, bool)> {
    let bytes = copy_buffer(data)?;
    let decoded = py.detach(|| -> core::Result<_> {
        let decoded = wav::decode::<i16>(&bytes)?;
        let info = decoded.info;
        let chunk = AudioChunk::from_i16(&decoded.samples, info.sample_rate, info.channels)?;
        Ok((chunk, info.truncated))
    });
    raised(py, decoded)
}

/// Encodes a chunk as a WAV file in its own encoding.
#[pyfunction]
pub(crate) fn wav_encode<'py>(
    py: Python<'py>,
    chunk: &Bound<'py, AudioChunk>,
) -> PyResult<Bound<'py, PyBytes>> {
    let chunk = chunk.get();
    let encoded = py.detach(|| wav::wrap(&chunk.layout(), chunk.data()));
    Ok(PyBytes::new(py, &raised(py, encoded)?))
}

/// G.711 bytes from PCM16; the law is `ulaw` or `alaw`.
#[pyfunction]
pub(crate) fn g711_encode<'py>(
    py: Python<'py>,
    chunk: &Bound<'py, AudioChunk>,
    law: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    let samples = raised(py, chunk.get().to_i16())?;
    let encoded = if law == "alaw" {
        core::g711::alaw_encode_slice(&samples)
    } else {
        core::g711::ulaw_encode_slice(&samples)
    };
    Ok(PyBytes::new(py, &encoded))
}

/// PCM16 mono from G.711 bytes; the law is `ulaw` or `alaw`.
#[pyfunction]
pub(crate) fn g711_decode(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    law: &str,
    sample_rate: u32,
) -> PyResult<AudioChunk> {
    let bytes = copy_buffer(data)?;
    let samples = if law == "alaw" {
        core::g711::alaw_decode_slice(&bytes)
    } else {
        core::g711::ulaw_decode_slice(&bytes)
    };
    raised(py, AudioChunk::from_i16(&samples, sample_rate, 1))
}

/// Resamples a whole clip, keeping its channels and encoding.
#[pyfunction]
pub(crate) fn resample(
    py: Python<'_>,
    chunk: &Bound<'_, AudioChunk>,
    sample_rate: u32,
    quality: &str,
) -> PyResult<AudioChunk> {
    let chunk = chunk.get();
    let format = chunk.layout();
    let quality = raised(py, quality.parse())?;
    let resampled = py.detach(|| -> core::Result<_> {
        let (rate, channels) = (format.sample_rate(), format.channels());
        let target = core::Format::new(sample_rate, channels, format.encoding())?;
        let bytes = if format.encoding() == core::Encoding::Float32 {
            let out: Vec<f32> =
                core::resample(&chunk.to_f32()?, rate, sample_rate, channels, quality)?;
            core::pcm::to_le_bytes(&out)
        } else {
            let out: Vec<i16> =
                core::resample(&chunk.to_i16()?, rate, sample_rate, channels, quality)?;
            core::pcm::to_le_bytes(&out)
        };
        Ok(AudioChunk::from_bytes(bytes.into(), target))
    });
    raised(py, resampled)
}

/// The mean of all channels as PCM16.
#[pyfunction]
pub(crate) fn to_mono(py: Python<'_>, chunk: Bound<'_, AudioChunk>) -> PyResult<Py<AudioChunk>> {
    let this = chunk.get();
    let format = this.layout();
    if format.channels() == 1 && format.encoding() == core::Encoding::Pcm16 {
        return Ok(chunk.unbind());
    }
    let mono = this
        .to_i16()
        .and_then(|samples| core::pcm::downmix(&samples, format.channels()))
        .and_then(|samples| AudioChunk::from_i16(&samples, format.sample_rate(), 1));
    Py::new(py, raised(py, mono)?)
}

/// Root mean square level in dB relative to full scale.
#[pyfunction]
pub(crate) fn rms_dbfs(py: Python<'_>, chunk: &Bound<'_, AudioChunk>) -> PyResult<f32> {
    let samples = raised(py, chunk.get().to_f32())?;
    Ok(core::pcm::dbfs(core::pcm::rms(&samples)))
}

/// A streaming resampler of PCM16 or float32 chunks.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct Resampler {
    inner: Mutex<(core::Resampler, core::Encoding)>,
    rate_in: u32,
    rate_out: u32,
    channels: u16,
}

impl Resampler {
    fn wrap(&self, bytes: Vec<u8>, encoding: core::Encoding) -> core::Result<AudioChunk> {
        let format = core::Format::new(self.rate_out, self.channels, encoding)?;
        Ok(AudioChunk::from_bytes(bytes.into(), format))
    }

    fn run(&self, chunk: Option<&AudioChunk>) -> core::Result<AudioChunk> {
        let mut state = lock(&self.inner);
        if let Some(chunk) = chunk {
            state.1 = chunk.layout().encoding();
        }
        let encoding = state.1;
        let bytes = if encoding == core::Encoding::Float32 {
            let mut out: Vec<f32> = Vec::new();
            match chunk {
                Some(chunk) => state.0.process(&chunk.to_f32()?, &mut out)?,
                None => state.0.flush(&mut out),
            }
            core::pcm::to_le_bytes(&out)
        } else {
            let mut out: Vec<i16> = Vec::new();
            match chunk {
                Some(chunk) => state.0.process(&chunk.to_i16()?, &mut out)?,
                None => state.0.flush(&mut out),
            }
            core::pcm::to_le_bytes(&out)
        };
        self.wrap(bytes, encoding)
    }
}

#[pymethods]
impl Resampler {
    #[new]
    fn new(
        py: Python<'_>,
        rate_in: u32,
        rate_out: u32,
        channels: u16,
        quality: &str,
    ) -> PyResult<Self> {
        let quality = raised(py, quality.parse())?;
        let inner = py.detach(|| core::Resampler::new(rate_in, rate_out, channels, quality));
        let inner = Mutex::new((raised(py, inner)?, core::Encoding::Pcm16));
        Ok(Self { inner, rate_in, rate_out, channels })
    }

    fn process(&self, py: Python<'_>, chunk: &Bound<'_, AudioChunk>) -> PyResult<AudioChunk> {
        let chunk = chunk.get();
        let format = chunk.layout();
        if format.sample_rate() != self.rate_in || format.channels() != self.channels {
            return Err(wrong_format(py, format, self.rate_in, self.channels));
        }
        let frames = chunk.data().len() / format.bytes_per_frame();
        let result = if frames >= DETACH_FRAMES {
            py.detach(|| self.run(Some(chunk)))
        } else {
            self.run(Some(chunk))
        };
        raised(py, result)
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
}

/// Cuts PCM16 or float32 chunks into frames of one size.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct Framer {
    inner: Mutex<core::Framer<u8>>,
    format: core::Format,
}

#[pymethods]
impl Framer {
    #[new]
    fn new(py: Python<'_>, format: &Format, frames: usize) -> PyResult<Self> {
        let format = format.inner;
        // Bytes stand in for samples: a frame is `bytes_per_frame` of them, whatever the encoding.
        let width = format.bytes_per_frame() as u16;
        let inner = Mutex::new(raised(py, core::Framer::new(frames, width))?);
        Ok(Self { inner, format })
    }

    fn process(&self, py: Python<'_>, chunk: &Bound<'_, AudioChunk>) -> PyResult<Vec<AudioChunk>> {
        let chunk = chunk.get();
        if chunk.layout() != self.format {
            let (rate, channels) = (self.format.sample_rate(), self.format.channels());
            return Err(wrong_format(py, chunk.layout(), rate, channels));
        }
        let mut frames = Vec::new();
        let done = lock(&self.inner).process(chunk.data(), |frame| {
            let bytes = bytes::Bytes::copy_from_slice(frame);
            frames.push(AudioChunk::from_bytes(bytes, self.format));
        });
        raised(py, done).map(|()| frames)
    }

    fn flush(&self, pad: bool) -> Vec<AudioChunk> {
        let tail = if pad { core::Tail::Pad } else { core::Tail::Short };
        let rest = lock(&self.inner).flush(tail);
        rest.map(|bytes| AudioChunk::from_bytes(bytes.into(), self.format)).into_iter().collect()
    }
}

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

/// Voice activity detection on mono PCM16.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct Vad {
    inner: Mutex<core::Vad>,
    sample_rate: u32,
}

#[pymethods]
impl Vad {
    #[new]
    fn new(
        py: Python<'_>,
        sample_rate: u32,
        threshold: f32,
        silence_ms: u32,
        min_speech_ms: u32,
    ) -> PyResult<Self> {
        let defaults = core::VadSettings::default();
        let settings = core::VadSettings {
            threshold,
            release: defaults.release.min(threshold),
            min_speech_ms,
            silence_ms,
            // Callers cut their own prefix: the edge itself is what latency is measured from.
            prefix_padding_ms: 0,
        };
        let inner = Mutex::new(raised(py, core::Vad::new(sample_rate, settings))?);
        Ok(Self { inner, sample_rate })
    }

    fn process(&self, py: Python<'_>, chunk: &Bound<'_, AudioChunk>) -> PyResult<Vec<VadEvent>> {
        let chunk = chunk.get();
        let format = chunk.layout();
        if format.sample_rate() != self.sample_rate || format.channels() != 1 {
            return Err(wrong_format(py, format, self.sample_rate, 1));
        }
        let result = py.detach(|| -> core::Result<_> {
            let mut out = core::VadOutput::default();
            lock(&self.inner).process(&chunk.to_i16()?, &mut out)?;
            Ok(out.events.iter().map(VadEvent::from).collect())
        });
        raised(py, result)
    }

    fn flush(&self) -> Vec<VadEvent> {
        let mut out = core::VadOutput::default();
        lock(&self.inner).flush(&mut out);
        out.events.iter().map(VadEvent::from).collect()
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
