//! Sound of a realtime connection, decoded before Python sees it.

use std::time::Duration;

use bytes::Bytes;
use pyo3::prelude::*;
use voxloop_audio as audio;
use voxloop_media::{Cut, Incoming, Piece};

use crate::buffer::AudioChunk;

/// Decoded sound of one part of an answer; pieces that came together are joined.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct AudioDelta {
    piece: Piece,
    /// The audio of the piece, which is empty there then.
    data: Bytes,
}

impl AudioDelta {
    fn new(mut piece: Piece) -> Self {
        let data = piece.audio.as_mut().map(std::mem::take).unwrap_or_default();
        Self { piece, data: data.into() }
    }
}

#[pymethods]
impl AudioDelta {
    #[getter]
    fn item_id(&self) -> &str {
        &self.piece.item_id
    }

    #[getter]
    fn response_id(&self) -> &str {
        &self.piece.response_id
    }

    #[getter]
    fn content_index(&self) -> u32 {
        self.piece.content_index
    }

    #[getter]
    fn output_index(&self) -> u32 {
        self.piece.output_index
    }

    #[getter]
    fn nbytes(&self) -> usize {
        self.piece.audio_bytes
    }

    /// Whether a sink has taken the audio.
    #[getter]
    fn taken(&self) -> bool {
        self.piece.audio.is_none()
    }

    /// Whether the audio was dropped: its answer was stopped, or there was no room for it.
    #[getter]
    fn dropped(&self) -> bool {
        self.piece.dropped
    }

    /// The bytes as they came; they may end inside a sample. Empty if a sink has taken them.
    #[getter]
    fn data(&self) -> &[u8] {
        &self.data
    }

    /// The audio as PCM16 mono at 24,000 Hz without a copy; None if it ends inside a sample.
    fn chunk(&self) -> Option<AudioChunk> {
        let format = audio::Format::new(24_000, 1, audio::Encoding::Pcm16).ok()?;
        let whole = self.data.len().is_multiple_of(format.bytes_per_frame());
        whole.then(|| AudioChunk::from_bytes(self.data.clone(), format))
    }

    /// The messages it came in, as they were: text and seconds of arrival. None of sound that a sink
    /// has, unless someone wanted them as they came.
    #[getter]
    fn messages(&self) -> Vec<(&str, f64)> {
        let messages = self.piece.messages.iter().filter(|(text, _)| !text.is_empty());
        messages.map(|(text, at_ns)| (text.as_str(), seconds(*at_ns))).collect()
    }

    fn __repr__(&self) -> String {
        format!("<AudioDelta {} bytes of {}>", self.piece.audio_bytes, self.piece.item_id)
    }
}

/// One message that an interruption cut short.
#[pyclass(frozen, get_all, skip_from_py_object, module = "voxloop._native")]
#[derive(Clone)]
pub(crate) struct CutItem {
    item_id: String,
    response_id: String,
    content_index: u32,
    heard_ms: u64,
    received_ms: u64,
    in_conversation: bool,
    sent: bool,
}

/// An interruption that the media have carried out.
#[pyclass(frozen, get_all, module = "voxloop._native")]
pub(crate) struct MediaCut {
    reason: &'static str,
    items: Vec<CutItem>,
    muted: Vec<String>,
    taken_bytes: u64,
    at: f64,
    seconds: f64,
}

impl From<Cut> for MediaCut {
    fn from(cut: Cut) -> Self {
        let items = cut.items.into_iter().map(|item| CutItem {
            item_id: item.item_id,
            response_id: item.response_id,
            content_index: item.content_index,
            heard_ms: item.heard_ms,
            received_ms: item.received_ms,
            in_conversation: item.in_conversation,
            sent: item.sent,
        });
        Self {
            reason: cut.reason.name(),
            items: items.collect(),
            muted: cut.muted,
            taken_bytes: cut.taken_bytes,
            at: seconds(cut.at_ns),
            seconds: seconds(cut.took_ns),
        }
    }
}

/// What an interpreter made, as Python gets it: the item and the seconds of its arrival.
pub(crate) fn incoming(py: Python<'_>, item: Incoming) -> PyResult<(Bound<'_, PyAny>, f64)> {
    Ok(match item {
        Incoming::Piece(piece) => {
            let at = seconds(piece.at_ns);
            (Bound::new(py, AudioDelta::new(piece))?.into_any(), at)
        }
        Incoming::Cut(cut) => {
            let at = seconds(cut.at_ns);
            (Bound::new(py, MediaCut::from(cut))?.into_any(), at)
        }
    })
}

pub(crate) fn seconds(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}
