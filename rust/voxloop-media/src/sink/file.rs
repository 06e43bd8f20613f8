//! A WAV file of what was heard.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use voxloop_audio::wav::WavWriter;
use voxloop_audio::{Encoding, Format};

use super::Sink;
use crate::error::{MediaError, Result};

const BUFFER_BYTES: usize = 64 * 1024;
/// Silence that is written at most for one pause: ten minutes at 48,000 Hz.
const MAX_PAUSE: u64 = 48_000 * 600;

/// Writes sound with the pauses between, but none before the first and after the last of it.
pub struct WavSink {
    writer: Option<WavWriter<BufWriter<File>>>,
    begun: bool,
    pause: u64,
    bytes: Vec<u8>,
}

impl WavSink {
    /// Makes the file, or empties one that is there.
    ///
    /// # Errors
    /// A rate that is out of range, or those of the operating system.
    pub fn create(path: &Path, sample_rate: u32) -> Result<Self> {
        let format = Format::new(sample_rate, 1, Encoding::Pcm16)?;
        let failed =
            |error: &dyn std::fmt::Display| MediaError::Io(format!("{}: {error}", path.display()));
        let file = File::create(path).map_err(|error| failed(&error))?;
        let writer = WavWriter::seekable(BufWriter::with_capacity(BUFFER_BYTES, file), &format);
        let writer = Some(writer.map_err(|error| failed(&error))?);
        Ok(Self { writer, begun: false, pause: 0, bytes: Vec::new() })
    }

    fn put(&mut self) -> Result<()> {
        if let Some(writer) = &mut self.writer {
            writer.write_bytes(&self.bytes)?;
        }
        self.bytes.clear();
        Ok(())
    }
}

impl Sink for WavSink {
    fn write(&mut self, block: &[i16], sound: usize) -> Result<()> {
        if sound > 0 {
            let pause = if self.begun { self.pause.min(MAX_PAUSE) } else { 0 };
            self.begun = true;
            self.pause = 0;
            self.bytes.resize(pause as usize * 2, 0);
            self.bytes.extend(block[..sound].iter().flat_map(|sample| sample.to_le_bytes()));
            self.put()?;
        }
        self.pause += (block.len() - sound) as u64;
        Ok(())
    }

    fn pause(&mut self, frames: u64) -> Result<()> {
        self.pause = self.pause.saturating_add(frames);
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if let Some(writer) = self.writer.take() {
            writer.finish_seek()?;
        }
        Ok(())
    }
}

impl Drop for WavSink {
    fn drop(&mut self) {
        // A task that was ended early still leaves a whole file.
        let _ = self.finish();
    }
}
