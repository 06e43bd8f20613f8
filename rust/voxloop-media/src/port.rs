//! Where a device with a clock of its own takes its sound.

use std::sync::Arc;

use voxloop_net::monotonic_ns;

use crate::report::Report;
use crate::shared::{Shared, lock};
use crate::tap::duration_ns;

/// The end of the way down, for whoever drives a device. Clones are the same end.
#[derive(Clone)]
pub struct SinkPort(pub(crate) Arc<Shared>);

/// What [`SinkPort::pull`] has given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulled {
    /// Samples of sound, which come first.
    pub sound: usize,
    /// The number of cuts before it: see [`SinkPort::cuts`].
    pub cuts: u64,
}

impl SinkPort {
    /// Fills a block with sound, or with silence where there is none.
    ///
    /// It takes a lock that is held for microseconds, by the network thread and for figures.
    pub fn pull(&self, block: &mut [i16]) -> Pulled {
        let Some(down) = &self.0.down else {
            block.fill(0);
            return Pulled::default();
        };
        let pulled = {
            let mut down = lock(down);
            Pulled { sound: down.pull(block), cuts: down.cuts() }
        };
        self.0.counters.sound_down(block);
        pulled
    }

    /// Says how many of the samples of sound that were pulled have become audible since. Those that
    /// were pulled before the latest cut are in nobody's account any more and are passed over.
    pub fn played(&self, samples: usize, cuts: u64) {
        let Some(down) = &self.0.down else { return };
        let (silent, heard, rate) = {
            let mut down = lock(down);
            if down.cuts() == cuts {
                down.played(samples);
            }
            (down.fell_silent(), down.take_heard(), down.sink_rate())
        };
        let start_ns = monotonic_ns().saturating_sub(duration_ns(heard.len(), rate));
        self.0.tap.down(start_ns, rate, &heard);
        if let Some(taken_bytes) = silent {
            self.0.reports.put(Report::Silent { taken_bytes });
        }
    }

    /// How often the sink was silenced: when it changes, what the device still holds must go.
    pub fn cuts(&self) -> u64 {
        self.0.down.as_ref().map_or(0, |down| lock(down).cuts())
    }

    /// Waits for more sound, an end of it, or a cut. Only one may wait.
    ///
    /// Dropping it loses nothing.
    pub async fn changed(&self) {
        self.0.sounded.notified().await;
    }

    /// A block was given to the device, this much later than it was asked for.
    pub fn block(&self, late_ns: u64) {
        self.0.counters.block_down(late_ns);
    }

    /// The device ran dry while there was sound to play.
    pub fn underrun(&self) {
        self.0.counters.device_underrun();
    }

    /// Says that the device is gone.
    pub fn lost(&self, message: String) {
        self.0.reports.put(Report::DeviceLost(message));
    }
}
