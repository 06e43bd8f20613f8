//! Audio that Python and Rust share: an immutable run of whole frames over `Bytes`.

use std::ffi::{c_int, c_void};
use std::ptr;

use bytes::Bytes;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PySlice, PyTuple};
use voxloop_audio as core;

use crate::error;

/// How samples are laid out: rate, channels, encoding. Compared and hashed by value.
#[pyclass(frozen, eq, hash, skip_from_py_object, module = "voxloop._native")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Format {
    pub(crate) inner: core::Format,
}

#[pymethods]
impl Format {
    #[new]
    #[pyo3(signature = (sample_rate, channels = 1, encoding = "pcm16"))]
    fn new(py: Python<'_>, sample_rate: u32, channels: u16, encoding: &str) -> PyResult<Self> {
        let inner = encoding
            .parse()
            .and_then(|encoding| core::Format::new(sample_rate, channels, encoding))
            .map_err(|failure| error::audio(py, &failure))?;
        Ok(Self { inner })
    }

    #[getter]
    fn sample_rate(&self) -> u32 {
        self.inner.sample_rate()
    }

    #[getter]
    fn channels(&self) -> u16 {
        self.inner.channels()
    }

    #[getter]
    fn encoding(&self) -> &'static str {
        self.inner.encoding().name()
    }

    #[getter]
    fn bytes_per_frame(&self) -> usize {
        self.inner.bytes_per_frame()
    }

    fn __repr__(&self) -> String {
        let inner = &self.inner;
        format!(
            "Format(sample_rate={}, channels={}, encoding='{}')",
            inner.sample_rate(),
            inner.channels(),
            inner.encoding().name()
        )
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let this = slf.get();
        let arguments = (this.sample_rate(), this.channels(), this.encoding());
        (slf.get_type(), arguments).into_pyobject(slf.py())
    }
}

/// A run of whole frames that never changes; offers the buffer protocol without a copy.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct AudioChunk {
    data: Bytes,
    format: core::Format,
}

impl AudioChunk {
    /// Wraps bytes whose length is a whole number of frames of `format`.
    pub(crate) fn from_bytes(data: Bytes, format: core::Format) -> Self {
        debug_assert_eq!(data.len() % format.bytes_per_frame(), 0);
        Self { data, format }
    }

    /// Wraps 16-bit samples.
    pub(crate) fn from_i16(samples: &[i16], sample_rate: u32, channels: u16) -> core::Result<Self> {
        let format = core::Format::new(sample_rate, channels, core::Encoding::Pcm16)?;
        Ok(Self::from_bytes(core::pcm::to_le_bytes(samples).into(), format))
    }

    pub(crate) fn data(&self) -> &Bytes {
        &self.data
    }

    pub(crate) fn layout(&self) -> core::Format {
        self.format
    }

    /// The samples as 16-bit integers, interleaved.
    pub(crate) fn to_i16(&self) -> core::Result<Vec<i16>> {
        match self.format.encoding() {
            core::Encoding::Pcm16 => core::pcm::i16_from_le_bytes(&self.data),
            core::Encoding::Float32 => {
                Ok(core::pcm::convert(&core::pcm::f32_from_le_bytes(&self.data)?))
            }
            other => Err(core::AudioError::Format {
                what: "encoding",
                came: other.name().to_owned(),
                wanted: "pcm16 or float32".to_owned(),
            }),
        }
    }

    /// The samples as floats in [-1, 1), interleaved.
    pub(crate) fn to_f32(&self) -> core::Result<Vec<f32>> {
        match self.format.encoding() {
            core::Encoding::Float32 => core::pcm::f32_from_le_bytes(&self.data),
            _ => Ok(core::pcm::convert(&self.to_i16()?)),
        }
    }

    fn frame_count(&self) -> usize {
        self.data.len() / self.format.bytes_per_frame()
    }

    /// `numpy.frombuffer` over `owner`, shaped `(frames,)` or `(frames, channels)`.
    fn array<'py>(&self, owner: &Bound<'py, PyAny>, dtype: &str) -> PyResult<Bound<'py, PyAny>> {
        let py = owner.py();
        let numpy = py.import("numpy").map_err(|_| error::numpy_is_missing(py))?;
        let flat = numpy.call_method1("frombuffer", (owner, dtype))?;
        if self.format.channels() == 1 {
            return Ok(flat);
        }
        flat.call_method1("reshape", (self.frame_count(), self.format.channels()))
    }
}

#[pymethods]
impl AudioChunk {
    #[new]
    fn new(py: Python<'_>, data: &Bound<'_, PyAny>, format: &Format) -> PyResult<Self> {
        let bytes = copy_buffer(data)?;
        let format = format.inner;
        if bytes.len() % format.bytes_per_frame() != 0 {
            let text = format!(
                "{} bytes are not a whole number of frames of {} bytes ({} channel(s), {}); \
                 keep the odd bytes for the next chunk",
                bytes.len(),
                format.bytes_per_frame(),
                format.channels(),
                format.encoding().name()
            );
            return Err(error::misuse(py, "AudioFormatError", &text));
        }
        Ok(Self { data: bytes, format })
    }

    #[getter]
    fn format(&self) -> Format {
        Format { inner: self.format }
    }

    #[getter]
    fn sample_rate(&self) -> u32 {
        self.format.sample_rate()
    }

    #[getter]
    fn channels(&self) -> u16 {
        self.format.channels()
    }

    #[getter]
    fn frames(&self) -> usize {
        self.frame_count()
    }

    #[getter]
    fn nbytes(&self) -> usize {
        self.data.len()
    }

    #[getter]
    fn duration(&self) -> f64 {
        self.frame_count() as f64 / f64::from(self.format.sample_rate())
    }

    fn numpy<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let dtype = match slf.get().format.encoding() {
            core::Encoding::Float32 => "<f4",
            _ => "<i2",
        };
        slf.get().array(slf.as_any(), dtype)
    }

    fn float32<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let samples = this.to_f32().map_err(|failure| error::audio(slf.py(), &failure))?;
        let bytes = PyBytes::new(slf.py(), &core::pcm::to_le_bytes(&samples));
        this.array(bytes.as_any(), "<f4")
    }

    fn __len__(&self) -> usize {
        self.frame_count()
    }

    fn __getitem__(&self, index: &Bound<'_, PySlice>) -> PyResult<Self> {
        let range = index.indices(self.frame_count().cast_signed())?;
        if range.step != 1 {
            let text = format!("a chunk is cut in steps of 1 frame, not {}", range.step);
            return Err(error::misuse(index.py(), "AudioFormatError", &text));
        }
        let width = self.format.bytes_per_frame();
        let start = range.start.cast_unsigned();
        let end = start + range.slicelength;
        Ok(Self::from_bytes(self.data.slice(start * width..end * width), self.format))
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.data)
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.format == other.format && self.data == other.data
    }

    fn __hash__(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut state = DefaultHasher::new();
        self.format.hash(&mut state);
        self.data.hash(&mut state);
        state.finish()
    }

    fn __repr__(&self) -> String {
        format!(
            "<AudioChunk {} frames, {} Hz, {} channel(s), {}>",
            self.frame_count(),
            self.format.sample_rate(),
            self.format.channels(),
            self.format.encoding().name()
        )
    }

    #[allow(unsafe_code, clippy::needless_pass_by_value)] // the signature is pyo3's
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("a buffer view must be given"));
        }
        let data = &slf.get().data;
        // SAFETY: `view` is valid by the protocol. The pointer stays valid while the view lives:
        // `PyBuffer_FillInfo` keeps a reference to `slf`, whose `Bytes` never change.
        let status = unsafe {
            ffi::PyBuffer_FillInfo(
                view,
                slf.as_ptr(),
                data.as_ptr().cast_mut().cast::<c_void>(),
                data.len().cast_signed(),
                1,
                flags,
            )
        };
        if status == -1 {
            // SAFETY: on failure the view must own nothing.
            unsafe { (*view).obj = ptr::null_mut() };
            return Err(PyErr::fetch(slf.py()));
        }
        Ok(())
    }
}

/// Copies a bytes-like object: its owner may change or move it as soon as Python runs again.
pub(crate) fn copy_buffer(data: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    if let Ok(chunk) = data.cast::<AudioChunk>() {
        return Ok(chunk.get().data.clone());
    }
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(Bytes::copy_from_slice(bytes.as_bytes()));
    }
    let buffer = pyo3::buffer::PyUntypedBuffer::get(data)?;
    let view = data.py().import("builtins")?.getattr("memoryview")?.call1((data,))?;
    let bytes = view.call_method0("tobytes")?;
    drop(buffer);
    Ok(Bytes::copy_from_slice(bytes.cast::<PyBytes>()?.as_bytes()))
}
