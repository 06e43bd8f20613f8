//! What media tell the caller, in order, behind a descriptor.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use voxloop_queue::Signal;

use crate::cut::Cut;
use crate::shared::lock;

/// Something that media have to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Sound for the caller, at the sink's rate, as it is heard.
    Sound(Vec<i16>),
    /// All sound taken so far, this many bytes of it, was played or given up.
    Silent {
        /// Bytes of the wire, in all.
        taken_bytes: u64,
    },
    /// The answer was cut short by a detector on this side.
    Cut(Cut),
    /// The source has come to its end, and all of it was given to the connection.
    SourceEnded,
    /// Source or sink cannot go on.
    Failed(String),
    /// The device of the source or the sink is gone.
    DeviceLost(String),
    /// Source and sink are done: nothing more comes.
    Closed,
}

/// Sound that may wait for the caller, in bytes: 87 s at 24,000 Hz.
const SOUND_BYTES: usize = 4 << 20;

/// A queue of reports. Policy: sound that the caller leaves lying beyond 4 MiB is dropped and
/// counted; the others are few, one for each thing that happens, and are never dropped.
pub struct Reports {
    state: Mutex<(Vec<Report>, usize)>,
    signal: Signal,
    dropped: AtomicU64,
}

impl Reports {
    /// An empty queue.
    ///
    /// # Errors
    /// The operating system's, when the process is out of descriptors.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            state: Mutex::new((Vec::new(), 0)),
            signal: Signal::open()?,
            dropped: AtomicU64::new(0),
        })
    }

    /// The descriptor that is readable when there is something to take.
    pub fn signal(&self) -> &Signal {
        &self.signal
    }

    /// Frames of sound that were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Queues a report.
    pub fn put(&self, report: Report) {
        let mut state = lock(&self.state);
        match &report {
            Report::Sound(samples) if state.1 + samples.len() * 2 > SOUND_BYTES => {
                self.dropped.fetch_add(samples.len() as u64, Ordering::Relaxed);
                return;
            }
            Report::Sound(samples) => state.1 += samples.len() * 2,
            // Only the latest silence says anything.
            Report::Silent { .. } => {
                if let Some(Report::Silent { .. }) = state.0.last() {
                    state.0.pop();
                }
            }
            _ => {}
        }
        state.0.push(report);
        drop(state);
        self.signal.fire();
    }

    /// Takes all that has come, in order.
    pub fn drain(&self) -> Vec<Report> {
        self.signal.rearm();
        let mut state = lock(&self.state);
        state.1 = 0;
        std::mem::take(&mut state.0)
    }
}
