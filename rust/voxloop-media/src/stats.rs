//! What has happened so far, for people and benches.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use crate::cut::Reason;
use crate::downlink::DownlinkStats;
use crate::shared::lock;

/// A frame or a block that is later than this counts as late.
pub const LATE_NS: u64 = 20_000_000;
/// Interruptions that are remembered one by one.
const KEPT: usize = 1_000;

/// One interruption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interruption {
    /// Why.
    pub reason: Reason,
    /// When its cause arrived.
    pub at_ns: u64,
    /// From then until the sink was silent and the truncations were queued.
    pub took_ns: u64,
    /// Messages that were cut, and milliseconds that were heard of each.
    pub heard: Vec<(String, u64)>,
}

/// A snapshot of the counters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MediaStats {
    /// Frames of the user's audio that were given to the connection.
    pub frames_up: u64,
    /// Of those, later than 20 ms after they were due.
    pub late_frames_up: u64,
    /// The latest of them, in nanoseconds.
    pub worst_up_ns: u64,
    /// Samples of the user's audio that were given to connections; sent again, they count again.
    pub sent_up: u64,
    /// Samples of the user's audio so far, at the wire's rate.
    pub position_up: u64,
    /// Samples dropped before they could be sent.
    pub lost_up: u64,
    /// Samples kept for another connection.
    pub kept_up: u64,
    /// Samples of a device that were dropped because nobody took them in time.
    pub source_dropped: u64,
    /// Peak of the user's latest piece of sound, of 32,768.
    pub level_up: u16,
    /// Peak of the latest block that the sink was given, of 32,768.
    pub level_down: u16,
    /// Blocks given to the sink.
    pub blocks_down: u64,
    /// Of those, later than 20 ms after they were due.
    pub late_blocks_down: u64,
    /// The latest of them, in nanoseconds.
    pub worst_down_ns: u64,
    /// Times that a device ran dry while there was sound to play.
    pub device_underruns: u64,
    /// Frames that the caller left lying and that were dropped.
    pub dropped_reports: u64,
    /// The way down; all zero without a sink.
    pub down: DownlinkStats,
    /// Interruptions so far.
    pub interruptions: u64,
    /// The last thousand of them.
    pub recent: Vec<Interruption>,
}

/// The live counters. Relaxed: each is a number on its own.
#[derive(Default)]
pub(crate) struct Counters {
    frames_up: AtomicU64,
    late_up: AtomicU64,
    samples_up: AtomicU64,
    worst_up: AtomicU64,
    blocks: AtomicU64,
    late_blocks: AtomicU64,
    worst_block: AtomicU64,
    level_up: AtomicU16,
    level_down: AtomicU16,
    source_dropped: AtomicU64,
    device_underruns: AtomicU64,
    interruptions: AtomicU64,
    recent: Mutex<VecDeque<Interruption>>,
}

impl Counters {
    pub(crate) fn frame_up(&self, late_ns: u64) {
        self.frames_up.fetch_add(1, Ordering::Relaxed);
        self.late_up.fetch_add(u64::from(late_ns > LATE_NS), Ordering::Relaxed);
        self.worst_up.fetch_max(late_ns, Ordering::Relaxed);
    }

    pub(crate) fn sent_up(&self, samples: u64) {
        self.samples_up.fetch_add(samples, Ordering::Relaxed);
    }

    pub(crate) fn samples_up(&self) -> u64 {
        self.samples_up.load(Ordering::Relaxed)
    }

    pub(crate) fn block_down(&self, late_ns: u64) {
        self.blocks.fetch_add(1, Ordering::Relaxed);
        self.late_blocks.fetch_add(u64::from(late_ns > LATE_NS), Ordering::Relaxed);
        self.worst_block.fetch_max(late_ns, Ordering::Relaxed);
    }

    pub(crate) fn sound_up(&self, samples: &[i16]) {
        self.level_up.store(peak(samples), Ordering::Relaxed);
    }

    pub(crate) fn sound_down(&self, samples: &[i16]) {
        self.level_down.store(peak(samples), Ordering::Relaxed);
    }

    pub(crate) fn source_dropped(&self, samples: u64) {
        self.source_dropped.store(samples, Ordering::Relaxed);
    }

    pub(crate) fn device_underrun(&self) {
        self.device_underruns.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn interrupted(&self, interruption: Interruption) {
        self.interruptions.fetch_add(1, Ordering::Relaxed);
        let mut recent = lock(&self.recent);
        if recent.len() == KEPT {
            recent.pop_front();
        }
        recent.push_back(interruption);
    }

    pub(crate) fn report(&self) -> MediaStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        MediaStats {
            frames_up: load(&self.frames_up),
            late_frames_up: load(&self.late_up),
            worst_up_ns: load(&self.worst_up),
            sent_up: load(&self.samples_up),
            blocks_down: load(&self.blocks),
            late_blocks_down: load(&self.late_blocks),
            worst_down_ns: load(&self.worst_block),
            level_up: self.level_up.load(Ordering::Relaxed),
            level_down: self.level_down.load(Ordering::Relaxed),
            source_dropped: load(&self.source_dropped),
            device_underruns: load(&self.device_underruns),
            interruptions: load(&self.interruptions),
            recent: lock(&self.recent).iter().cloned().collect(),
            ..MediaStats::default()
        }
    }
}

fn peak(samples: &[i16]) -> u16 {
    // Both ends at once: the compiler takes signed extremes by vectors, absolute values it does not.
    let (mut least, mut most) = (0, 0);
    for &sample in samples {
        least = sample.min(least);
        most = sample.max(most);
    }
    least.unsigned_abs().max(most.unsigned_abs())
}
