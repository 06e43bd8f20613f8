//! Audio in whatever form a caller holds it.

use std::ops::Deref;

use bytes::Bytes;
use pyo3::buffer::{Element, PyUntypedBuffer};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use voxloop_audio as core;

use super::argument;
use crate::buffer::{AudioChunk, copied_bytes, packed, shared};
use crate::error;

/// What bytes and arrays are without a format: the Realtime API's.
const DEFAULT_RATE: u32 = 24_000;

/// A chunk that Python holds, or one made of what Python holds.
pub(crate) enum Audio<'a, 'py> {
    Given(&'a Bound<'py, AudioChunk>),
    Made(AudioChunk),
}

impl Deref for Audio<'_, '_> {
    type Target = AudioChunk;

    fn deref(&self) -> &AudioChunk {
        match self {
            Self::Given(chunk) => chunk.get(),
            Self::Made(chunk) => chunk,
        }
    }
}

/// A chunk from anything that holds audio, as `voxloop.audio.as_chunk` says.
#[pyfunction]
#[pyo3(signature = (data, format = None))]
pub(crate) fn as_chunk<'py>(
    data: &Bound<'py, PyAny>,
    #[pyo3(from_py_with = argument::format_or_none)] format: Option<core::Format>,
) -> PyResult<Bound<'py, AudioChunk>> {
    match audio(data, format)? {
        Audio::Given(chunk) => Ok(chunk.clone()),
        Audio::Made(chunk) => Bound::new(data.py(), chunk),
    }
}

/// Audio at the default rate, unless it says another itself.
pub(crate) fn any<'a, 'py>(data: &'a Bound<'py, PyAny>) -> PyResult<Audio<'a, 'py>> {
    audio(data, None)
}

/// Audio laid out as `format` says, unless it says otherwise itself.
pub(crate) fn audio<'a, 'py>(
    data: &'a Bound<'py, PyAny>,
    format: Option<core::Format>,
) -> PyResult<Audio<'a, 'py>> {
    if let Ok(chunk) = data.cast::<AudioChunk>() {
        return Ok(Audio::Given(chunk));
    }
    let py = data.py();
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return AudioChunk::checked(py, shared(bytes), layout(py, format)?).map(Audio::Made);
    }
    let Ok(buffer) = PyUntypedBuffer::get(data) else { return Err(no_audio(data)) };
    let layout = layout(py, format)?;
    let (bytes, encoding) = match (buffer.format().to_bytes(), buffer.item_size()) {
        (b"B" | b"b" | b"c" | b"<B" | b"<b", 1) => {
            return AudioChunk::checked(py, copied_bytes(data)?, layout).map(Audio::Made);
        }
        (b"h" | b"<h" | b"=h", 2) => (copied::<i16>(data, &buffer)?, core::Encoding::Pcm16),
        (b"f" | b"<f" | b"=f", 4) => (copied::<f32>(data, &buffer)?, core::Encoding::Float32),
        _ => return Err(wrong_dtype(data, &buffer)),
    };
    let channels = match buffer.shape() {
        [_] => 1,
        &[_, channels] if channels > 0 => channels,
        shape => return Err(wrong_shape(py, shape)),
    };
    if let Some(format) = format.filter(|format| usize::from(format.channels()) != channels) {
        let text = format!(
            "the array has {channels} channel(s) by its shape {:?}, the format says {}",
            buffer.shape(),
            format.channels()
        );
        return Err(error::misuse(py, "AudioFormatError", &text));
    }
    let channels = u16::try_from(channels).unwrap_or(u16::MAX);
    let format = core::Format::new(layout.sample_rate(), channels, encoding)
        .map_err(|failure| error::audio(py, &failure))?;
    AudioChunk::checked(py, bytes, format).map(Audio::Made)
}

fn layout(py: Python<'_>, given: Option<core::Format>) -> PyResult<core::Format> {
    match given {
        Some(format) => Ok(format),
        None => core::Format::new(DEFAULT_RATE, 1, core::Encoding::Pcm16)
            .map_err(|failure| error::audio(py, &failure)),
    }
}

/// The samples of an array in C order, whatever its strides.
fn copied<S>(data: &Bound<'_, PyAny>, buffer: &PyUntypedBuffer) -> PyResult<Bytes>
where
    S: Element + core::Sample + bytemuck::Pod + Send + Sync,
{
    match buffer.as_typed::<S>() {
        Ok(typed) if cfg!(target_endian = "little") => Ok(packed(typed.to_vec(data.py())?)),
        // Samples at odd places in memory.
        _ => copied_bytes(data),
    }
}

fn no_audio(data: &Bound<'_, PyAny>) -> PyErr {
    let kind = data.get_type().name().map_or_else(|_| "it".to_owned(), |name| name.to_string());
    let text = format!(
        "audio must be an AudioChunk, bytes-like PCM16, array.array or a numpy array of int16 or \
         float32, not {kind}"
    );
    error::misuse(data.py(), "AudioFormatError", &text)
}

fn wrong_dtype(data: &Bound<'_, PyAny>, buffer: &PyUntypedBuffer) -> PyErr {
    let dtype = data.getattr("dtype").map_or_else(
        |_| format!("items of type '{}'", buffer.format().to_string_lossy()),
        |dtype| dtype.to_string(),
    );
    let text = format!(
        "samples must be int16 or float32, not {dtype}; convert them first \
         (float64: .astype('float32'))"
    );
    error::misuse(data.py(), "AudioFormatError", &text)
}

fn wrong_shape(py: Python<'_>, shape: &[usize]) -> PyErr {
    let sizes: Vec<_> = shape.iter().map(ToString::to_string).collect();
    let text = format!(
        "samples must have shape (frames,) or (frames, channels), not ({})",
        sizes.join(", ")
    );
    error::misuse(py, "AudioFormatError", &text)
}
