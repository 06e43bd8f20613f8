//! Where the answer's sound goes.

mod batch;
mod file;

pub use batch::BatchSink;
pub use file::WavSink;

use crate::error::Result;

/// A place for sound that is paced from outside: it gets a block when the block is to be heard.
///
/// A device has a clock of its own; it takes blocks from a [`crate::SinkPort`] instead, on its own
/// thread.
pub trait Sink: Send {
    /// A block of sound; the samples behind `sound` are silence, because no more had come.
    ///
    /// # Errors
    /// What keeps it from going on; it gets no more blocks then.
    fn write(&mut self, block: &[i16], sound: usize) -> Result<()>;

    /// Nothing was played for this many frames.
    ///
    /// # Errors
    /// As [`Sink::write`].
    fn pause(&mut self, frames: u64) -> Result<()> {
        let _ = frames;
        Ok(())
    }

    /// No more comes for now: what is held for later is to be given out.
    fn flush(&mut self) {}

    /// The end.
    ///
    /// # Errors
    /// As [`Sink::write`].
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Takes sound at the pace of a device and forgets it.
#[derive(Debug, Clone, Copy, Default)]
pub struct NullSink;

impl Sink for NullSink {
    fn write(&mut self, _block: &[i16], _sound: usize) -> Result<()> {
        Ok(())
    }
}
