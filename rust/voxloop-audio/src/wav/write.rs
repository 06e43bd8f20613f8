//! Headers and whole files.

use crate::error::{AudioError, Result};
use crate::format::{Encoding, Format, check_whole_frames};
use crate::pcm::Sample;

/// The header of a file in `format`: the canonical 44 bytes for PCM16; for float32 the 58 bytes with
/// the extension size and the `fact` chunk that the specification asks of all that is not PCM.
///
/// `data_bytes` is the size of the samples that follow; `None` writes the all-ones sizes of a stream
/// whose length is not known.
///
/// # Errors
/// [`AudioError::Format`] when the size is not whole frames or the file would pass 4 GiB.
pub fn header(format: &Format, data_bytes: Option<u64>) -> Result<Vec<u8>> {
    let float = format.encoding() == Encoding::Float32;
    let header_size = if float { 58_u32 } else { 44 };
    let (data_size, riff_size, frames) = match data_bytes {
        None => (u32::MAX, u32::MAX, u32::MAX),
        Some(bytes) => {
            let frames = format.bytes_to_frames(bytes)?;
            let most = u32::MAX - (header_size - 8);
            let size = u32::try_from(bytes).ok().filter(|&size| size < most).ok_or_else(|| {
                AudioError::format("WAV data size", bytes, format!("less than {most} bytes"))
            })?;
            (size, size + (header_size - 8), frames as u32)
        }
    };
    let mut out = Vec::with_capacity(header_size as usize);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&riff_size.to_le_bytes());
    out.extend_from_slice(b"WAVE");
    fmt_chunks(*format, frames, &mut out);
    out.extend_from_slice(b"data");
    out.extend_from_slice(&data_size.to_le_bytes());
    Ok(out)
}

/// The `fmt ` chunk, and for float32 the `fact` chunk.
pub(super) fn fmt_chunks(format: Format, frames: u32, out: &mut Vec<u8>) {
    let float = format.encoding() == Encoding::Float32;
    // Both products fit: at most 768 kHz, 32 channels, 4 bytes.
    let byte_rate = format.bytes_per_second() as u32;
    let block_align = format.bytes_per_frame() as u16;
    let bits = format.encoding().bytes_per_sample() as u16 * 8;
    out.extend_from_slice(b"fmt ");
    out.extend_from_slice(&(if float { 18_u32 } else { 16 }).to_le_bytes());
    out.extend_from_slice(&(if float { 3_u16 } else { 1 }).to_le_bytes());
    out.extend_from_slice(&format.channels().to_le_bytes());
    out.extend_from_slice(&format.sample_rate().to_le_bytes());
    out.extend_from_slice(&byte_rate.to_le_bytes());
    out.extend_from_slice(&block_align.to_le_bytes());
    out.extend_from_slice(&bits.to_le_bytes());
    if float {
        out.extend_from_slice(&0_u16.to_le_bytes());
        out.extend_from_slice(b"fact");
        out.extend_from_slice(&4_u32.to_le_bytes());
        out.extend_from_slice(&frames.to_le_bytes());
    }
}

/// A whole file around samples that are bytes in `format` already.
///
/// # Errors
/// As [`header`].
pub fn wrap(format: &Format, data: &[u8]) -> Result<Vec<u8>> {
    let mut out = header(format, Some(data.len() as u64))?;
    out.reserve_exact(data.len());
    out.extend_from_slice(data);
    Ok(out)
}

/// A whole file of interleaved samples: PCM16 for `i16`, float32 for `f32`.
///
/// # Errors
/// [`AudioError::Format`] when the rate or channel count is out of range, the samples end inside a
/// frame or the file would pass 4 GiB.
pub fn encode<S: Sample>(samples: &[S], sample_rate: u32, channels: u16) -> Result<Vec<u8>> {
    let format = Format::new(sample_rate, channels, S::ENCODING)?;
    check_whole_frames(samples.len(), channels)?;
    let mut out = header(&format, Some(size_of_val(samples) as u64))?;
    out.reserve_exact(size_of_val(samples));
    S::write_le(samples, &mut out);
    Ok(out)
}
