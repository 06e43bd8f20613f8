//! Audio that Python and Rust share: an immutable run of whole frames over `Bytes`.

use std::borrow::Cow;
use std::ffi::{c_int, c_void};
use std::ptr;

use bytemuck::Pod;
use bytes::Bytes;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PySlice, PyTuple};
use voxloop_audio as core;

use crate::audio::argument;
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
    #[pyo3(
        signature = (sample_rate, channels = 1, encoding = core::Encoding::Pcm16),
        text_signature = "(sample_rate, channels=1, encoding='pcm16')"
    )]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = argument::sample_rate)] sample_rate: u32,
        #[pyo3(from_py_with = argument::channels)] channels: u16,
        #[pyo3(from_py_with = argument::encoding)] encoding: core::Encoding,
    ) -> PyResult<Self> {
        let inner = core::Format::new(sample_rate, channels, encoding);
        Ok(Self { inner: inner.map_err(|failure| error::audio(py, &failure))? })
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

    /// Wraps samples without a copy.
    pub(crate) fn from_samples<S: core::Sample + Pod + Send + Sync>(
        samples: Vec<S>,
        sample_rate: u32,
        channels: u16,
    ) -> core::Result<Self> {
        let format = core::Format::new(sample_rate, channels, S::ENCODING)?;
        Ok(Self::from_bytes(packed(samples), format))
    }

    /// Wraps bytes that may end inside a frame, which is an error.
    pub(crate) fn checked(py: Python<'_>, data: Bytes, format: core::Format) -> PyResult<Self> {
        if data.len().is_multiple_of(format.bytes_per_frame()) {
            return Ok(Self { data, format });
        }
        let text = format!(
            "{} bytes are not a whole number of frames of {} bytes ({} channel(s), {}); \
             keep the odd bytes for the next chunk",
            data.len(),
            format.bytes_per_frame(),
            format.channels(),
            format.encoding().name()
        );
        Err(error::misuse(py, "AudioFormatError", &text))
    }

    pub(crate) fn data(&self) -> &Bytes {
        &self.data
    }

    pub(crate) fn layout(&self) -> core::Format {
        self.format
    }

    pub(crate) fn is_float(&self) -> bool {
        self.format.encoding() == core::Encoding::Float32
    }

    /// The samples as 16-bit integers, interleaved; borrowed if that is what they are.
    pub(crate) fn i16s(&self) -> core::Result<Cow<'_, [i16]>> {
        if self.is_float() {
            let samples = self.f32s()?;
            let mut narrow = Vec::with_capacity(samples.len());
            <i16 as core::Sample>::narrow(&samples, &mut narrow);
            return Ok(Cow::Owned(narrow));
        }
        match in_place(&self.data) {
            Some(samples) => Ok(Cow::Borrowed(samples)),
            None => core::pcm::i16_from_le_bytes(&self.data).map(Cow::Owned),
        }
    }

    /// The samples as floats in [-1, 1), interleaved; borrowed if that is what they are.
    pub(crate) fn f32s(&self) -> core::Result<Cow<'_, [f32]>> {
        if !self.is_float() {
            let samples = self.i16s()?;
            let mut wide = Vec::with_capacity(samples.len());
            <i16 as core::Sample>::widen(&samples, &mut wide);
            return Ok(Cow::Owned(wide));
        }
        match in_place(&self.data) {
            Some(samples) => Ok(Cow::Borrowed(samples)),
            None => core::pcm::f32_from_le_bytes(&self.data).map(Cow::Owned),
        }
    }

    pub(crate) fn frame_count(&self) -> usize {
        self.data.len() / self.format.bytes_per_frame()
    }

    /// `numpy.frombuffer` over `owner`, shaped `(frames,)` or `(frames, channels)`.
    fn array<'py>(&self, owner: &Bound<'py, PyAny>, dtype: &str) -> PyResult<Bound<'py, PyAny>> {
        static FROM_BUFFER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = owner.py();
        let from_buffer = FROM_BUFFER.import(py, "numpy", "frombuffer");
        let from_buffer = from_buffer.map_err(|_| error::numpy_is_missing(py))?;
        let flat = from_buffer.call1((owner, dtype))?;
        if self.format.channels() == 1 {
            return Ok(flat);
        }
        flat.call_method1("reshape", (self.frame_count(), self.format.channels()))
    }
}

#[pymethods]
impl AudioChunk {
    #[new]
    fn new(
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = argument::format)] format: core::Format,
    ) -> PyResult<Self> {
        let bytes = raw_bytes(data)?;
        Self::checked(py, bytes, format)
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
        if this.is_float() {
            return this.array(slf.as_any(), "<f4");
        }
        let format = this.format;
        let wide = this.f32s().and_then(|samples| {
            Self::from_samples(samples.into_owned(), format.sample_rate(), format.channels())
        });
        let wide = wide.map_err(|failure| error::audio(slf.py(), &failure))?;
        let wide = Bound::new(slf.py(), wide)?;
        wide.get().array(wide.as_any(), "<f4")
    }

    fn __len__(&self) -> usize {
        self.frame_count()
    }

    fn __getitem__(&self, index: &Bound<'_, PyAny>) -> PyResult<Self> {
        let Ok(slice) = index.cast::<PySlice>() else {
            let text = "a chunk is cut by a slice of frames: chunk[a:b]";
            return Err(error::misuse(index.py(), "AudioFormatError", text));
        };
        let range = slice.indices(self.frame_count().cast_signed())?;
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

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let this = slf.get();
        let format = Bound::new(slf.py(), Format { inner: this.format })?;
        let arguments = (this.__bytes__(slf.py()), format);
        (slf.get_type(), arguments).into_pyobject(slf.py())
    }

    /// What never changes is its own copy.
    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[allow(clippy::needless_pass_by_value)] // the signature is Python's
    fn __deepcopy__(slf: Py<Self>, _memo: Bound<'_, PyAny>) -> Py<Self> {
        slf
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

/// The samples that little-endian bytes are, where this machine and their place in memory allow it.
fn in_place<S: Pod>(data: &[u8]) -> Option<&[S]> {
    if cfg!(target_endian = "big") {
        return None;
    }
    bytemuck::try_cast_slice(data).ok()
}

/// Samples as the bytes they are, kept in place.
pub(crate) fn packed<S: core::Sample + Pod + Send + Sync>(samples: Vec<S>) -> Bytes {
    struct Kept<S>(Vec<S>);
    impl<S: Pod> AsRef<[u8]> for Kept<S> {
        fn as_ref(&self) -> &[u8] {
            bytemuck::cast_slice(&self.0)
        }
    }
    if cfg!(target_endian = "big") {
        return core::pcm::to_le_bytes(&samples).into();
    }
    Bytes::from_owner(Kept(samples))
}

/// The bytes of a bytes-like object. Those of `bytes` and of chunks never change and are shared; of
/// all else a copy is made: its owner may change or move it as soon as Python runs again.
pub(crate) fn raw_bytes(data: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    if let Ok(chunk) = data.cast::<AudioChunk>() {
        return Ok(chunk.get().data.clone());
    }
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(shared(bytes));
    }
    copied_bytes(data)
}

/// A `bytes` object without a copy; it lives as long as the result.
pub(crate) fn shared(bytes: &Bound<'_, PyBytes>) -> Bytes {
    Bytes::from_owner(PyBackedBytes::from(bytes.clone()))
}

/// A copy of any buffer as bytes in C order.
pub(crate) fn copied_bytes(data: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    static MEMORY_VIEW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = data.py();
    let Ok(view) = MEMORY_VIEW.import(py, "builtins", "memoryview")?.call1((data,)) else {
        let kind = data.get_type().name().map_or_else(|_| "it".to_owned(), |name| name.to_string());
        let text = format!("data must be bytes-like, not {kind}");
        return Err(error::misuse(py, "AudioFormatError", &text));
    };
    let bytes = view.call_method0("tobytes")?;
    Ok(shared(bytes.cast::<PyBytes>()?))
}
