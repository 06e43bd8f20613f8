//! Sound of a realtime connection, decoded before Python sees it.

use std::time::Duration;

use bytes::Bytes;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyList;
use voxloop_audio as audio;
use voxloop_media::incoming::{join, joined};
use voxloop_media::{Cut, Incoming, Piece};

use crate::buffer::AudioChunk;

/// Decoded sound of one part of an answer; pieces that came together are joined.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct AudioDelta {
    piece: Piece,
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
        self.piece.audio.as_deref().unwrap_or_default()
    }

    /// The audio as PCM16 mono at 24,000 Hz without a copy; None if it ends inside a sample.
    fn chunk(&self) -> Option<AudioChunk> {
        let data = self.piece.audio.as_ref().map_or_else(Bytes::new, Clone::clone);
        let format = audio::Format::new(24_000, 1, audio::Encoding::Pcm16).ok()?;
        let whole = data.len().is_multiple_of(format.bytes_per_frame());
        whole.then(|| AudioChunk::from_bytes(data, format))
    }

    /// The messages it came in, as they were: text and seconds of arrival.
    #[getter]
    fn messages(&self) -> Vec<(&str, f64)> {
        self.piece.messages.iter().map(|(text, at_ns)| (text.as_str(), seconds(*at_ns))).collect()
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

/// Collects a batch for Python; runs of sound become one item each.
pub(crate) struct Batch<'py> {
    list: Bound<'py, PyList>,
    run: Vec<Piece>,
}

impl<'py> Batch<'py> {
    pub(crate) fn new(py: Python<'py>) -> Self {
        Self { list: PyList::empty(py), run: Vec::new() }
    }

    pub(crate) fn add(&mut self, item: impl IntoPyObject<'py>) -> PyResult<()> {
        self.close_run()?;
        self.list.append(item)
    }

    pub(crate) fn incoming(&mut self, item: Incoming) -> PyResult<()> {
        match item {
            Incoming::Piece(piece) => {
                if let Some(other) = join(&mut self.run, piece) {
                    self.close_run()?;
                    self.run.push(other);
                }
                Ok(())
            }
            Incoming::Cut(cut) => {
                let at = seconds(cut.at_ns);
                let py = self.list.py();
                let cut = Bound::new(py, MediaCut::from(cut))?;
                self.add((cut, at).into_bound_py_any(py)?)
            }
        }
    }

    pub(crate) fn finish(mut self) -> PyResult<Bound<'py, PyList>> {
        self.close_run()?;
        Ok(self.list)
    }

    fn close_run(&mut self) -> PyResult<()> {
        let Some(piece) = joined(&mut self.run) else { return Ok(()) };
        let at = seconds(piece.at_ns());
        self.list.append((Bound::new(self.list.py(), AudioDelta { piece })?, at))
    }
}

pub(crate) fn seconds(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}
