//! The media of a realtime session for Python: recipes for sources and sinks, and the running whole.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use voxloop_audio as audio;
use voxloop_media as core;
use voxloop_media::device;
use voxloop_media::sink::{BatchSink, NullSink, WavSink};
use voxloop_media::source::{Clip, ClipSource, PushHandle, Source, pooled};

use crate::buffer::{AudioChunk, packed};
use crate::error;
use crate::net::websocket::WebSocket;
use crate::realtime::{MediaCut, seconds};

type MakeSource = Box<dyn FnOnce() -> core::Result<Box<dyn Source>> + Send>;

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// How a source is made, once.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct MediaSource {
    make: Mutex<Option<MakeSource>>,
}

impl MediaSource {
    fn made_by(make: impl FnOnce() -> core::Result<Box<dyn Source>> + Send + 'static) -> Self {
        Self { make: Mutex::new(Some(Box::new(make))) }
    }
}

#[pymethods]
impl MediaSource {
    /// A clip, mono, at the pace of speech or as fast as it is taken.
    #[staticmethod]
    fn clip(
        py: Python<'_>,
        chunk: &AudioChunk,
        realtime: bool,
        looped: bool,
        frame_ms: u32,
    ) -> PyResult<Self> {
        // Never the memory of a Python object: it would be let go on a network thread.
        let data = if chunk.is_float() {
            let samples = chunk.i16s().map_err(|failure| error::audio(py, &failure))?;
            pooled(&packed(samples.into_owned()))
        } else {
            pooled(chunk.data())
        };
        let sample_rate = chunk.layout().sample_rate();
        let clip = Clip { data, sample_rate, frame_ms, realtime, looped };
        Ok(Self::made_by(move || Ok(Box::new(ClipSource::new(clip)?))))
    }

    /// A microphone, opened now and heard from when it is attached. Blocks: call it in a thread.
    #[staticmethod]
    fn microphone(py: Python<'_>, name: Option<&str>, frame_ms: u32) -> PyResult<Self> {
        let opened = py.detach(|| device::open_microphone(name, frame_ms));
        let source = opened.map_err(|failure| error::media(py, &failure))?;
        Ok(Self::made_by(move || Ok(source)))
    }

    /// What is pushed into a queue.
    #[staticmethod]
    fn pushed(queue: &PushQueue) -> Self {
        let handle = queue.handle.clone();
        Self::made_by(move || Ok(Box::new(handle.source()?)))
    }
}

/// How a sink is made, once.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct MediaSink {
    setup: Mutex<Option<core::SinkSetup>>,
}

impl MediaSink {
    fn paced(
        sample_rate: u32,
        buffer_ms: u32,
        make: impl FnOnce(Arc<core::Reports>) -> core::Result<Box<dyn core::sink::Sink>>
        + Send
        + 'static,
    ) -> Self {
        let drive = core::Drive::Paced(Box::new(make));
        Self { setup: Mutex::new(Some(core::SinkSetup { sample_rate, buffer_ms, drive })) }
    }
}

#[pymethods]
impl MediaSink {
    /// Paced like a device, and forgotten.
    #[staticmethod]
    fn null(sample_rate: u32, buffer_ms: u32) -> Self {
        Self::paced(sample_rate, buffer_ms, |_| Ok(Box::new(NullSink)))
    }

    /// A WAV file of what was heard.
    #[staticmethod]
    fn wav(path: PathBuf, sample_rate: u32, buffer_ms: u32) -> Self {
        Self::paced(sample_rate, buffer_ms, move |_| {
            Ok(Box::new(WavSink::create(&path, sample_rate)?))
        })
    }

    /// A speaker, opened now and fed from when it is attached. Blocks: call it in a thread.
    #[staticmethod]
    fn speaker(
        py: Python<'_>,
        name: Option<&str>,
        latency_ms: u32,
        buffer_ms: u32,
    ) -> PyResult<Self> {
        let opened = py.detach(|| device::open_speaker(name, latency_ms, buffer_ms));
        let setup = opened.map_err(|failure| error::media(py, &failure))?;
        Ok(Self { setup: Mutex::new(Some(setup)) })
    }

    /// Batches among the reports.
    #[staticmethod]
    fn batches(sample_rate: u32, buffer_ms: u32, batch_ms: u32) -> Self {
        let frames = (u64::from(sample_rate) * u64::from(batch_ms) / 1_000) as usize;
        Self::paced(sample_rate, buffer_ms, move |reports| {
            Ok(Box::new(BatchSink::new(reports, frames)))
        })
    }
}

/// A device: name, description, whether it is a speaker, the default, a monitor; rate and channels.
type DeviceRow = (String, String, bool, bool, bool, u32, u16);

/// All devices of this machine. Blocks: call it in a thread.
#[pyfunction]
pub(crate) fn media_devices(py: Python<'_>) -> PyResult<Vec<DeviceRow>> {
    let found = py.detach(device::list).map_err(|failure| error::media(py, &failure))?;
    let row = |one: device::DeviceInfo| {
        let speaker = one.direction == device::Direction::Speaker;
        let (rate, channels) = (one.sample_rate, one.channels);
        (one.name, one.description, speaker, one.is_default, one.is_monitor, rate, channels)
    };
    Ok(found.into_iter().map(row).collect())
}

/// Sound that Python pushes: PCM16 mono, bounded in bytes.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct PushQueue {
    handle: PushHandle,
}

#[pymethods]
impl PushQueue {
    #[new]
    fn new(py: Python<'_>, sample_rate: u32, max_bytes: usize) -> PyResult<Self> {
        let handle = PushHandle::new(sample_rate, max_bytes);
        Ok(Self { handle: handle.map_err(|failure| error::media(py, &failure))? })
    }

    fn send_fileno(&self) -> i32 {
        self.handle.fileno()
    }

    /// False when there is no room.
    fn try_send(&self, py: Python<'_>, data: &Bound<'_, PyBytes>) -> PyResult<bool> {
        // Copied: Python objects are not to be let go on a network thread.
        let data = bytes::Bytes::copy_from_slice(data.as_bytes());
        self.handle.try_push(data).map_err(|_| {
            error::misuse(py, "UseAfterClose", "this source was closed; push before close()")
        })
    }

    fn close(&self) {
        self.handle.close();
    }
}

/// A running source and sink.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct Media {
    inner: core::Media,
    sink_format: Option<audio::Format>,
    input_rate: u32,
}

/// Sound of the user and sound that was heard, each with the time of its first sample; events for the
/// connection, each with its time; and how many of all these were left out.
type TappedRow = (Vec<(f64, AudioChunk)>, Vec<(f64, AudioChunk)>, Vec<(f64, String)>, u64);

#[pymethods]
impl Media {
    #[new]
    #[pyo3(signature = (*, source, sink, input_format, output_format, frame_ms, barge_in,
        local_vad, keep_seconds, prefix, tap_sound, tap_texts))]
    #[allow(clippy::too_many_arguments)] // keyword-only in Python, one per setting
    fn new(
        py: Python<'_>,
        source: Option<&MediaSource>,
        sink: Option<&MediaSink>,
        input_format: &str,
        output_format: &str,
        frame_ms: u32,
        barge_in: bool,
        local_vad: Option<&str>,
        keep_seconds: u32,
        prefix: String,
        tap_sound: bool,
        tap_texts: bool,
    ) -> PyResult<Self> {
        let raised = |failure: core::MediaError| error::media(py, &failure);
        let used = || error::misuse(py, "UseAfterClose", "a source or sink is attached only once");
        let local_vad = match local_vad {
            None => None,
            Some("energy") => Some(core::LocalVad::Energy),
            Some(_) => Some(core::LocalVad::Network),
        };
        let settings = core::MediaSettings {
            input: core::WireFormat::named(input_format).map_err(raised)?,
            output: core::WireFormat::named(output_format).map_err(raised)?,
            frame_ms,
            barge_in,
            local_vad,
            keep_s: keep_seconds,
            prefix,
            tap: (tap_sound, tap_texts),
        };
        let input_rate = settings.input.rate();
        let source = match source {
            Some(source) => Some(take(&source.make).ok_or_else(used)?),
            None => None,
        };
        let setup = match sink {
            Some(sink) => Some(take(&sink.setup).ok_or_else(used)?),
            None => None,
        };
        let sink_format = setup
            .as_ref()
            .map(|setup| audio::Format::new(setup.sample_rate, 1, audio::Encoding::Pcm16))
            .transpose()
            .map_err(|failure| error::audio(py, &failure))?;
        let opened = py.detach(|| {
            let source = source.map(|make| make()).transpose()?;
            core::Media::open(settings, source, setup)
        });
        Ok(Self { inner: opened.map_err(raised)?, sink_format, input_rate })
    }

    /// Goes on over a connection; samples of the user's audio that are sent again.
    fn bind(&self, py: Python<'_>, socket: &WebSocket) -> PyResult<u64> {
        let hub = socket.hub().ok_or_else(|| {
            error::misuse(py, "ConfigError", "this connection does not decode audio")
        })?;
        Ok(self.inner.bind(hub, socket.client().sender()))
    }

    fn unbind(&self) {
        self.inner.unbind();
    }

    /// Silences the sink at once; None if there was nothing to stop.
    fn cut(&self) -> Option<MediaCut> {
        self.inner.cut().map(MediaCut::from)
    }

    /// Sound that came as text; whether the sink took it.
    fn deliver(
        &self,
        item_id: String,
        response_id: String,
        content_index: u32,
        data: &[u8],
    ) -> bool {
        self.inner.deliver(&core::codec::Delta {
            item_id,
            response_id,
            content_index,
            output_index: 0,
            audio: data.to_vec(),
        })
    }

    fn outside(&self, response_id: &str) {
        self.inner.outside(response_id);
    }

    /// Milliseconds heard, and frames of the wire played, pending and dropped.
    fn heard(&self, item_id: &str) -> Option<(u64, u64, u64, u64)> {
        let (heard, ms) = self.inner.heard(item_id)?;
        Some((ms, heard.played, heard.pending, heard.dropped))
    }

    fn fileno(&self) -> i32 {
        self.inner.reports().signal().fileno()
    }

    /// What has happened: (name, value) each.
    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for report in self.inner.reports().drain() {
            let (name, value) = match report {
                core::Report::Sound(samples) => ("sound", self.chunk(py, samples)?),
                core::Report::Silent { taken_bytes } => {
                    ("silent", taken_bytes.into_bound_py_any(py)?)
                }
                core::Report::Cut(cut) => ("cut", MediaCut::from(cut).into_bound_py_any(py)?),
                core::Report::SourceEnded => ("source_ended", py.None().into_bound(py)),
                core::Report::DeviceLost(message) => {
                    ("device_lost", message.into_bound_py_any(py)?)
                }
                core::Report::Failed(message) => ("failed", message.into_bound_py_any(py)?),
                core::Report::Closed => ("closed", py.None().into_bound(py)),
            };
            list.append((name, value))?;
        }
        Ok(list)
    }

    /// Says whether sound, and events for the connection, are to be kept for `tapped`.
    fn tap(&self, sound: bool, texts: bool) {
        self.inner.tap(sound, texts);
    }

    /// What went by since the last time: see `TappedRow`.
    fn tapped(&self, py: Python<'_>) -> PyResult<TappedRow> {
        let core::Tapped { up, down, texts, dropped } = self.inner.tapped();
        let sink_rate = self.sink_format.map_or(24_000, |format| format.sample_rate());
        let chunks = |stretches: Vec<core::Stretch>, rate| {
            let chunk = |one: core::Stretch| {
                let chunk = AudioChunk::from_samples(one.samples, rate, 1);
                Ok((seconds(one.start_ns), chunk.map_err(|failure| error::audio(py, &failure))?))
            };
            stretches.into_iter().map(chunk).collect::<PyResult<Vec<_>>>()
        };
        let texts = texts.into_iter().map(|(at_ns, text)| (seconds(at_ns), text)).collect();
        Ok((chunks(up, self.input_rate)?, chunks(down, sink_rate)?, texts, dropped))
    }

    /// Samples of the user's audio given to connections so far, and those that wait.
    fn sent_up(&self) -> (u64, u64) {
        self.inner.sent_up()
    }

    /// Bytes of the answer's sound taken so far.
    fn taken_bytes(&self) -> u64 {
        self.inner.taken_bytes()
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.inner.close());
    }

    fn abort(&self, py: Python<'_>) {
        py.detach(|| self.inner.abort());
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.inner.stats();
        let dict = PyDict::new(py);
        for (name, count) in [
            ("frames_up", stats.frames_up),
            ("late_frames_up", stats.late_frames_up),
            ("sent_up", stats.sent_up),
            ("position_up", stats.position_up),
            ("lost_up", stats.lost_up),
            ("kept_up", stats.kept_up),
            ("source_dropped", stats.source_dropped),
            ("device_underruns", stats.device_underruns),
            ("blocks_down", stats.blocks_down),
            ("late_blocks_down", stats.late_blocks_down),
            ("dropped_callback_frames", stats.dropped_reports),
            ("pieces_down", stats.down.pieces),
            ("late_pieces", stats.down.late_pieces),
            ("overruns", stats.down.overruns),
            ("underruns", stats.down.buffer.underruns),
            ("played_frames", stats.down.played_frames),
            ("queued_frames", stats.down.depth),
            ("interruptions", stats.interruptions),
        ] {
            dict.set_item(name, count)?;
        }
        dict.set_item("level_up", f64::from(stats.level_up) / 32_768.0)?;
        dict.set_item("level_down", f64::from(stats.level_down) / 32_768.0)?;
        dict.set_item("worst_up", seconds(stats.worst_up_ns))?;
        dict.set_item("worst_down", seconds(stats.worst_down_ns))?;
        let recent = stats
            .recent
            .into_iter()
            .map(|one| (one.reason.name(), seconds(one.at_ns), seconds(one.took_ns), one.heard));
        dict.set_item("recent", recent.collect::<Vec<_>>())?;
        Ok(dict)
    }
}

impl Media {
    fn chunk<'py>(&self, py: Python<'py>, samples: Vec<i16>) -> PyResult<Bound<'py, PyAny>> {
        let rate = self.sink_format.map_or(24_000, |format| format.sample_rate());
        let chunk = AudioChunk::from_samples(samples, rate, 1);
        chunk.map_err(|failure| error::audio(py, &failure))?.into_bound_py_any(py)
    }
}
