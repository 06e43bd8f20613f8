//! Where a device with a clock of its own takes its sound.

use std::sync::Arc;

use crate::report::Report;
use crate::shared::{Shared, lock};

/// The end of the way down, for the thread of a device. Clones are the same end.
#[derive(Clone)]
pub struct SinkPort(pub(crate) Arc<Shared>);

impl SinkPort {
    /// Fills a block with sound, or with silence where there is none; how many samples are sound.
    ///
    /// It takes a lock that is held for microseconds, by the network thread and for figures.
    pub fn pull(&self, block: &mut [i16]) -> usize {
        let Some(down) = &self.0.down else {
            block.fill(0);
            return 0;
        };
        lock(down).pull(block)
    }

    /// Says how many of the samples of sound that were pulled have become audible since.
    pub fn played(&self, samples: usize) {
        let Some(down) = &self.0.down else { return };
        let silent = {
            let mut down = lock(down);
            down.played(samples);
            down.fell_silent()
        };
        if let Some(taken_bytes) = silent {
            self.0.reports.put(Report::Silent { taken_bytes });
        }
    }

    /// Says that the device has failed.
    pub fn failed(&self, message: String) {
        self.0.reports.put(Report::Failed(message));
    }
}
