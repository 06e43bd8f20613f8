//! Sound for the caller's thread, in batches.

use std::sync::Arc;

use super::Sink;
use crate::error::Result;
use crate::report::{Report, Reports};

/// Puts sound among the reports, a batch at a time; silence is left out.
pub struct BatchSink {
    reports: Arc<Reports>,
    batch: usize,
    held: Vec<i16>,
}

impl BatchSink {
    /// Batches of `frames` frames, or less at a pause.
    pub fn new(reports: Arc<Reports>, frames: usize) -> Self {
        Self { reports, batch: frames.max(1), held: Vec::new() }
    }
}

impl Sink for BatchSink {
    fn write(&mut self, block: &[i16], sound: usize) -> Result<()> {
        self.held.extend_from_slice(&block[..sound]);
        if self.held.len() >= self.batch {
            self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) {
        if !self.held.is_empty() {
            self.reports.put(Report::Sound(std::mem::take(&mut self.held)));
        }
    }

    fn finish(&mut self) -> Result<()> {
        self.flush();
        Ok(())
    }
}
