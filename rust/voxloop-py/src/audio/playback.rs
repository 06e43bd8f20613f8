//! Between a stream that comes in bursts and a device that plays: depth, account, schedule.

use std::sync::Mutex;
use std::time::Duration;

use pyo3::prelude::*;
use voxloop_audio as core;

use super::input::audio;
use super::{argument, check_layout, lock, raised};
use crate::buffer::AudioChunk;

/// Counters of a jitter buffer, in frames but for the counts of events.
#[pyclass(frozen, get_all, eq, skip_from_py_object, module = "voxloop._native")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct JitterStats {
    pushed: u64,
    played: u64,
    dropped: u64,
    cleared: u64,
    concealed: u64,
    underruns: u64,
    overruns: u64,
}

#[pymethods]
impl JitterStats {
    fn __repr__(&self) -> String {
        let Self { pushed, played, dropped, cleared, concealed, underruns, overruns } = self;
        format!(
            "JitterStats(pushed={pushed}, played={played}, dropped={dropped}, cleared={cleared}, \
             concealed={concealed}, underruns={underruns}, overruns={overruns})"
        )
    }
}

enum Queue {
    I16(core::JitterBuffer<i16>),
    F32(core::JitterBuffer<f32>),
}

/// The same call on whichever queue it is.
macro_rules! either {
    ($queue:expr, $inner:ident => $call:expr) => {
        match $queue {
            Queue::I16($inner) => $call,
            Queue::F32($inner) => $call,
        }
    };
}

/// Holds sound back until enough is there.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct JitterBuffer {
    inner: Mutex<Queue>,
    format: core::Format,
}

#[pymethods]
impl JitterBuffer {
    #[new]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = argument::format)] format: core::Format,
        #[pyo3(from_py_with = argument::depth)] target: usize,
        #[pyo3(from_py_with = argument::depth)] capacity: usize,
        drop_newest: bool,
    ) -> PyResult<Self> {
        let channels = format.channels();
        let overrun =
            if drop_newest { core::Overrun::DropNewest } else { core::Overrun::DropOldest };
        let queue = if format.encoding() == core::Encoding::Float32 {
            core::JitterBuffer::new(target, capacity, channels, overrun).map(Queue::F32)
        } else {
            core::JitterBuffer::new(target, capacity, channels, overrun).map(Queue::I16)
        };
        Ok(Self { inner: Mutex::new(raised(py, queue)?), format })
    }

    fn push(&self, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        let py = data.py();
        let chunk = audio(data, Some(self.format))?;
        check_layout(py, chunk.layout(), self.format.sample_rate(), self.format.channels())?;
        let dropped = match &mut *lock(&self.inner) {
            Queue::I16(queue) => chunk.i16s().and_then(|samples| queue.push(&samples)),
            Queue::F32(queue) => chunk.f32s().and_then(|samples| queue.push(&samples)),
        };
        raised(py, dropped)
    }

    fn pull(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = argument::depth)] frames: usize,
    ) -> PyResult<(AudioChunk, usize)> {
        let (rate, channels) = (self.format.sample_rate(), self.format.channels());
        let most = core::Format::MAX_SAMPLE_RATE as usize * 60;
        if frames > most {
            let error = core::AudioError::Format {
                what: "frames",
                came: frames.to_string(),
                wanted: format!("at most {most} at once"),
            };
            return raised(py, Err(error));
        }
        let samples = frames * usize::from(channels);
        let pulled = match &mut *lock(&self.inner) {
            Queue::I16(queue) => {
                let mut out = vec![0; samples];
                queue.pull(&mut out).and_then(|given| {
                    AudioChunk::from_samples(out, rate, channels).map(|chunk| (chunk, given))
                })
            }
            Queue::F32(queue) => {
                let mut out = vec![0.0_f32; samples];
                queue.pull(&mut out).and_then(|given| {
                    AudioChunk::from_samples(out, rate, channels).map(|chunk| (chunk, given))
                })
            }
        };
        raised(py, pulled)
    }

    fn end(&self) {
        either!(&mut *lock(&self.inner), queue => queue.end());
    }

    fn clear(&self) -> usize {
        either!(&mut *lock(&self.inner), queue => queue.clear())
    }

    #[getter]
    fn depth(&self) -> usize {
        either!(&*lock(&self.inner), queue => queue.depth())
    }

    #[getter]
    fn target(&self) -> usize {
        either!(&*lock(&self.inner), queue => queue.target())
    }

    fn set_target(&self, #[pyo3(from_py_with = argument::depth)] frames: usize) {
        either!(&mut *lock(&self.inner), queue => queue.set_target(frames));
    }

    #[getter]
    fn capacity(&self) -> usize {
        either!(&*lock(&self.inner), queue => queue.capacity())
    }

    #[getter]
    fn is_playing(&self) -> bool {
        either!(&*lock(&self.inner), queue => queue.is_playing())
    }

    #[getter]
    fn stats(&self) -> JitterStats {
        let stats = either!(&*lock(&self.inner), queue => queue.stats());
        JitterStats {
            pushed: stats.pushed,
            played: stats.played,
            dropped: stats.dropped,
            cleared: stats.cleared,
            concealed: stats.concealed,
            underruns: stats.underruns,
            overruns: stats.overruns,
        }
    }
}

/// How far one item has come, in frames.
#[pyclass(frozen, get_all, eq, skip_from_py_object, module = "voxloop._native")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heard {
    played: u64,
    pending: u64,
    dropped: u64,
}

#[pymethods]
impl Heard {
    #[getter]
    fn is_complete(&self) -> bool {
        self.pending == 0 && self.dropped == 0
    }

    fn __repr__(&self) -> String {
        let Self { played, pending, dropped } = self;
        format!("Heard(played={played}, pending={pending}, dropped={dropped})")
    }
}

impl From<core::Heard> for Heard {
    fn from(heard: core::Heard) -> Self {
        Self { played: heard.played, pending: heard.pending, dropped: heard.dropped }
    }
}

/// What of each item was really heard.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct PlaybackLedger {
    inner: Mutex<core::PlaybackLedger<String>>,
}

#[pymethods]
impl PlaybackLedger {
    #[new]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = argument::sample_rate)] sample_rate: u32,
    ) -> PyResult<Self> {
        let inner = raised(py, core::PlaybackLedger::new(sample_rate))?;
        Ok(Self { inner: Mutex::new(inner) })
    }

    fn queue(
        &self,
        #[pyo3(from_py_with = argument::item)] item: String,
        #[pyo3(from_py_with = argument::frames)] frames: u64,
    ) {
        lock(&self.inner).queue(item, frames);
    }

    fn play(&self, #[pyo3(from_py_with = argument::frames)] frames: u64) -> u64 {
        lock(&self.inner).play(frames)
    }

    fn clear(&self) -> u64 {
        lock(&self.inner).clear()
    }

    #[allow(clippy::needless_pass_by_value)] // the ledger's keys are whole strings
    fn heard(&self, #[pyo3(from_py_with = argument::item)] item: String) -> Heard {
        lock(&self.inner).heard(&item).into()
    }

    #[allow(clippy::needless_pass_by_value)]
    fn heard_ms(&self, #[pyo3(from_py_with = argument::item)] item: String) -> u64 {
        lock(&self.inner).heard_ms(&item)
    }

    #[allow(clippy::needless_pass_by_value)]
    fn forget(&self, #[pyo3(from_py_with = argument::item)] item: String) -> bool {
        lock(&self.inner).forget(&item)
    }

    fn items(&self) -> Vec<(String, Heard)> {
        lock(&self.inner).items().map(|(item, heard)| (item.clone(), heard.into())).collect()
    }

    #[getter]
    fn current(&self) -> Option<String> {
        lock(&self.inner).current().cloned()
    }

    #[getter]
    fn pending_frames(&self) -> u64 {
        lock(&self.inner).pending_frames()
    }

    #[getter]
    fn played_frames(&self) -> u64 {
        lock(&self.inner).played_frames()
    }

    #[getter]
    fn silence_frames(&self) -> u64 {
        lock(&self.inner).silence_frames()
    }
}

/// What a pacer says at one reading of the clock.
#[pyclass(frozen, get_all, eq, skip_from_py_object, module = "voxloop._native")]
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    due: u64,
    skipped: u64,
    wait: f64,
}

#[pymethods]
impl Pace {
    fn __repr__(&self) -> String {
        let Self { due, skipped, wait } = self;
        format!("Pace(due={due}, skipped={skipped}, wait={wait})")
    }
}

/// When blocks of one size are due.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct Pacer {
    inner: Mutex<core::Pacer>,
}

#[pymethods]
impl Pacer {
    #[new]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = argument::sample_rate)] sample_rate: u32,
        #[pyo3(from_py_with = argument::block_frames)] frames: u32,
        #[pyo3(from_py_with = argument::catch_up)] catch_up: u32,
        #[pyo3(from_py_with = argument::lead)] lead: u32,
    ) -> PyResult<Self> {
        let inner = raised(py, core::Pacer::new(sample_rate, frames, catch_up))?.with_lead(lead);
        Ok(Self { inner: Mutex::new(inner) })
    }

    fn poll(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = argument::clock)] now: f64,
    ) -> PyResult<Pace> {
        let reading = Duration::try_from_secs_f64(now).map_err(|_| core::AudioError::Format {
            what: "clock",
            came: now.to_string(),
            wanted: "seconds of a clock that counts up from 0".to_owned(),
        });
        let pace = lock(&self.inner).poll(raised(py, reading)?);
        // A shorter wait may vanish when it is added to a clock: a test's clock would stand still.
        let wait = pace.wait.as_secs_f64().max(1e-6);
        Ok(Pace { due: pace.due, skipped: pace.skipped, wait })
    }

    fn reset(&self) {
        lock(&self.inner).reset();
    }

    #[getter]
    fn interval(&self) -> f64 {
        lock(&self.inner).interval().as_secs_f64()
    }

    #[getter]
    fn skipped(&self) -> u64 {
        lock(&self.inner).skipped()
    }
}
