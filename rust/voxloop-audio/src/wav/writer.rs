//! Files whose length is not known when they begin.

use std::io::{Result, Seek, SeekFrom, Write};

use super::write::fmt_chunks;
use super::{WavEncoding, write};
use crate::error::AudioError;
use crate::format::{Encoding, Format, check_whole_frames};
use crate::pcm::Sample;

/// Size of the `ds64` chunk's body: three sizes of 64 bits and an empty table.
const DS64_SIZE: u32 = 28;
/// Samples turned into bytes at once.
const BLOCK: usize = 4_096;

/// Writes a WAV file or stream as its samples come.
///
/// On a stream the header states sizes of all ones, which readers take for "to the end". A file that
/// can be gone back in gets its true sizes from [`WavWriter::finish_seek`]; one that passed 4 GiB
/// becomes an RF64 file in place, for which the header keeps a `JUNK` chunk in reserve. A writer that
/// is dropped before leaves a valid stream behind.
///
/// ```
/// use std::io::Cursor;
/// use voxloop_audio::{Encoding, Format, wav};
///
/// let format = Format::new(24_000, 1, Encoding::Pcm16)?;
/// let mut writer = wav::WavWriter::seekable(Cursor::new(Vec::new()), &format)?;
/// writer.write(&[1_i16, -2, 3])?;
/// let file = writer.finish_seek()?.into_inner();
/// assert_eq!(wav::decode::<i16>(&file)?.samples, [1, -2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct WavWriter<W> {
    to: W,
    format: Format,
    data_bytes: u64,
    /// Offset of the RIFF header, for a file that can be gone back in.
    start: Option<u64>,
    header_bytes: u64,
    bytes: Vec<u8>,
}

impl<W: Write> WavWriter<W> {
    /// Writes the header of a stream: the 44 bytes (58 for float32) that [`header`](super::header)
    /// gives.
    ///
    /// # Errors
    /// Those of the writer beneath.
    pub fn stream(mut to: W, format: &Format) -> Result<Self> {
        let header = write::header(format, None).map_err(misuse)?;
        to.write_all(&header)?;
        Ok(Self::after(to, *format, None, header.len()))
    }

    fn after(to: W, format: Format, start: Option<u64>, header: usize) -> Self {
        let header_bytes = header as u64;
        Self { to, format, data_bytes: 0, start, header_bytes, bytes: Vec::new() }
    }

    /// The format written.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Frames written so far.
    pub fn frames(&self) -> u64 {
        self.data_bytes / self.format.bytes_per_frame() as u64
    }

    /// How the samples are stored.
    pub const fn encoding(&self) -> WavEncoding {
        match self.format.encoding() {
            Encoding::Pcm16 => WavEncoding::Pcm16,
            Encoding::Float32 => WavEncoding::Float32,
        }
    }

    /// Writes interleaved samples, converted to the format's encoding.
    ///
    /// # Errors
    /// Of kind `InvalidInput`, around an [`AudioError`], when the samples end inside a frame; else
    /// those of the writer beneath, after which the file may hold a part of them.
    pub fn write<S: Sample>(&mut self, samples: &[S]) -> Result<()> {
        check_whole_frames(samples.len(), self.format.channels()).map_err(misuse)?;
        for block in samples.chunks(BLOCK) {
            self.bytes.clear();
            match self.format.encoding() {
                Encoding::Pcm16 => {
                    self.bytes
                        .extend(block.iter().flat_map(|s| i16::from_f32(s.to_f32()).to_le_bytes()));
                }
                Encoding::Float32 => {
                    self.bytes.extend(block.iter().flat_map(|s| s.to_f32().to_le_bytes()));
                }
            }
            self.to.write_all(&self.bytes)?;
            self.data_bytes += self.bytes.len() as u64;
        }
        Ok(())
    }

    /// Writes samples that are bytes in the format already.
    ///
    /// # Errors
    /// As [`WavWriter::write`].
    pub fn write_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.format.bytes_to_frames(bytes.len() as u64).map_err(misuse)?;
        self.to.write_all(bytes)?;
        self.data_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Ends the file as a stream, with the sizes of one, and returns the writer beneath.
    ///
    /// # Errors
    /// Those of the writer beneath when it is flushed.
    pub fn finish(mut self) -> Result<W> {
        self.to.flush()?;
        Ok(self.to)
    }
}

impl<W: Write + Seek> WavWriter<W> {
    /// Writes the header of a file that is gone back to at the end, with room for 64-bit sizes: 80
    /// bytes, 94 for float32. It states the sizes of a stream until then.
    ///
    /// # Errors
    /// Those of the writer beneath.
    pub fn seekable(mut to: W, format: &Format) -> Result<Self> {
        let start = to.stream_position()?;
        let header = seekable_header(format, None);
        to.write_all(&header)?;
        Ok(Self::after(to, *format, Some(start), header.len()))
    }

    /// Ends the file with its true sizes and returns the writer beneath, placed at the file's end.
    /// On a writer made by [`WavWriter::stream`] it does what [`WavWriter::finish`] does.
    ///
    /// # Errors
    /// Those of the writer beneath; the file is a valid stream or has its sizes, unless writing the
    /// header failed half way.
    pub fn finish_seek(mut self) -> Result<W> {
        if let Some(start) = self.start {
            let header = seekable_header(&self.format, Some(self.data_bytes));
            self.to.seek(SeekFrom::Start(start))?;
            self.to.write_all(&header)?;
            self.to.seek(SeekFrom::Start(start + self.header_bytes + self.data_bytes))?;
        }
        self.finish()
    }
}

/// The header of a file that is gone back to at its end: a `JUNK` chunk keeps room for 64-bit sizes,
/// and a file past 4 GiB becomes RF64 in the same bytes (80, 94 for float32). Without a size, that
/// of a stream; a part of a frame at the end of `data_bytes` is not counted as one.
pub fn seekable_header(format: &Format, data_bytes: Option<u64>) -> Vec<u8> {
    let mut out = Vec::with_capacity(94);
    let mut chunks = Vec::with_capacity(46);
    let frames = data_bytes.map(|bytes| bytes / format.bytes_per_frame() as u64);
    let frames_32 = frames.and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX);
    fmt_chunks(*format, frames_32, &mut chunks);
    // All that follows the RIFF chunk's own head.
    let around = 4 + 8 + u64::from(DS64_SIZE) + chunks.len() as u64 + 8;
    let riff = data_bytes.map(|bytes| bytes + around);
    let small = riff.and_then(|size| u32::try_from(size).ok()).filter(|&size| size != u32::MAX);
    let large = riff.filter(|_| small.is_none());
    out.extend_from_slice(if large.is_some() { b"RF64" } else { b"RIFF" });
    out.extend_from_slice(&small.unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(if large.is_some() { b"WAVEds64" } else { b"WAVEJUNK" });
    out.extend_from_slice(&DS64_SIZE.to_le_bytes());
    // EBU Tech 3306: sizes of the file, of the data, frames; then a table of no entries.
    for size in [large, large.and(data_bytes), large.and(frames)] {
        out.extend_from_slice(&size.unwrap_or(0).to_le_bytes());
    }
    out.extend_from_slice(&0_u32.to_le_bytes());
    out.extend_from_slice(&chunks);
    out.extend_from_slice(b"data");
    let data = small.and(data_bytes).map_or(u32::MAX, |bytes| bytes as u32);
    out.extend_from_slice(&data.to_le_bytes());
    out
}

fn misuse(error: AudioError) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidInput, error)
}
