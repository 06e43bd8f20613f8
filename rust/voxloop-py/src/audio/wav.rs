//! WAV files.

use std::mem;
use std::sync::Mutex;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use voxloop_audio as core;
use voxloop_audio::wav;

use super::input::as_chunk;
use super::{argument, lock, raised, work};
use crate::buffer::{AudioChunk, packed, raw_bytes};

/// What a WAV file says about itself, and what was found to be true.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct WavInfo {
    inner: wav::WavInfo,
}

#[pymethods]
impl WavInfo {
    #[getter]
    fn sample_rate(&self) -> u32 {
        self.inner.sample_rate
    }

    #[getter]
    fn channels(&self) -> u16 {
        self.inner.channels
    }

    #[getter]
    fn encoding(&self) -> &'static str {
        self.inner.encoding.name()
    }

    #[getter]
    fn bits(&self) -> u16 {
        self.inner.bits
    }

    #[getter]
    fn channel_mask(&self) -> Option<u32> {
        self.inner.channel_mask
    }

    #[getter]
    fn frames(&self) -> u64 {
        self.inner.frames
    }

    #[getter]
    fn duration(&self) -> f64 {
        self.inner.frames as f64 / f64::from(self.inner.sample_rate)
    }

    #[getter]
    fn truncated(&self) -> bool {
        self.inner.truncated
    }

    #[getter]
    fn more_data(&self) -> bool {
        self.inner.more_data
    }

    #[getter]
    fn data_offset(&self) -> u64 {
        self.inner.data_offset
    }

    fn __repr__(&self) -> String {
        let wav::WavInfo { sample_rate, channels, encoding, bits, frames, truncated, .. } =
            self.inner;
        let cut = if truncated { ", truncated" } else { "" };
        format!(
            "<WavInfo {frames} frames, {sample_rate} Hz, {channels} channel(s), {} of {bits} \
             bits{cut}>",
            encoding.name()
        )
    }
}

/// Reads the header of a whole file.
#[pyfunction]
pub(crate) fn wav_parse(data: &Bound<'_, PyAny>) -> PyResult<WavInfo> {
    let bytes = raw_bytes(data)?;
    let view = raised(data.py(), wav::parse(&bytes))?;
    Ok(WavInfo { inner: view.info() })
}

/// Decodes a whole file; what is PCM16 already shares the file's memory.
#[pyfunction]
pub(crate) fn wav_decode(
    data: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = argument::encoding)] encoding: core::Encoding,
) -> PyResult<(AudioChunk, WavInfo)> {
    let py = data.py();
    let bytes = raw_bytes(data)?;
    let view = raised(py, wav::parse(&bytes))?;
    let info = view.info();
    let format = raised(py, info.format(encoding))?;
    let plain = view.pcm16_bytes().filter(|_| encoding == core::Encoding::Pcm16);
    let samples = match plain {
        Some(stored) => bytes.slice_ref(stored),
        None => work(py, view.data().len(), || Ok(decoded(&view, encoding)))?,
    };
    Ok((AudioChunk::from_bytes(samples, format), WavInfo { inner: info }))
}

fn decoded(view: &wav::WavView<'_>, encoding: core::Encoding) -> Bytes {
    match encoding {
        core::Encoding::Float32 => packed(view.samples::<f32>()),
        _ => packed(view.samples::<i16>()),
    }
}

/// Encodes a chunk as a WAV file in its own encoding.
#[pyfunction]
pub(crate) fn wav_encode<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = data.py();
    let chunk = as_chunk(data, None)?;
    let (layout, length) = (chunk.get().layout(), chunk.get().data().len());
    let header = raised(py, wav::header(&layout, Some(length as u64)))?;
    // Python's own concatenation writes each byte once; a buffer of ours would be zeroed before.
    PyBytes::new(py, &header).add(chunk)
}

/// The header of a file whose length may not be known; one that is gone back to keeps room for
/// 64-bit sizes.
#[pyfunction]
pub(crate) fn wav_header(
    py: Python<'_>,
    #[pyo3(from_py_with = argument::format)] format: core::Format,
    data_bytes: Option<u64>,
    seekable: bool,
) -> PyResult<Bound<'_, PyBytes>> {
    let header = if seekable {
        wav::seekable_header(&format, data_bytes)
    } else {
        raised(py, wav::header(&format, data_bytes))?
    };
    Ok(PyBytes::new(py, &header))
}

/// Decodes a WAV file that is fed to it in pieces of any size.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct WavDecoder {
    inner: Mutex<wav::WavReader>,
    encoding: core::Encoding,
}

impl WavDecoder {
    fn chunk(&self, samples: Bytes, info: &wav::WavInfo) -> core::Result<AudioChunk> {
        Ok(AudioChunk::from_bytes(samples, info.format(self.encoding)?))
    }

    fn push(&self, bytes: &[u8]) -> core::Result<Option<AudioChunk>> {
        let mut reader = lock(&self.inner);
        let samples = if self.encoding == core::Encoding::Float32 {
            let mut out: Vec<f32> = Vec::new();
            reader.push(bytes, &mut out)?;
            packed(out)
        } else {
            let mut out: Vec<i16> = Vec::new();
            reader.push(bytes, &mut out)?;
            packed(out)
        };
        reader.info().map(|info| self.chunk(samples, &info)).transpose()
    }

    fn end(&self) -> core::Result<(AudioChunk, WavInfo)> {
        let reader = mem::take(&mut *lock(&self.inner));
        let (samples, info) = if self.encoding == core::Encoding::Float32 {
            let mut out: Vec<f32> = Vec::new();
            let info = reader.finish(&mut out)?;
            (packed(out), info)
        } else {
            let mut out: Vec<i16> = Vec::new();
            let info = reader.finish(&mut out)?;
            (packed(out), info)
        };
        Ok((self.chunk(samples, &info)?, WavInfo { inner: info }))
    }
}

#[pymethods]
impl WavDecoder {
    #[new]
    fn new(#[pyo3(from_py_with = argument::encoding)] encoding: core::Encoding) -> Self {
        Self { inner: Mutex::new(wav::WavReader::new()), encoding }
    }

    fn feed(&self, data: &Bound<'_, PyAny>) -> PyResult<Option<AudioChunk>> {
        let bytes = raw_bytes(data)?;
        work(data.py(), bytes.len(), || self.push(&bytes))
    }

    fn finish(&self, py: Python<'_>) -> PyResult<(AudioChunk, WavInfo)> {
        raised(py, self.end())
    }

    #[getter]
    fn info(&self) -> Option<WavInfo> {
        lock(&self.inner).info().map(|inner| WavInfo { inner })
    }
}
