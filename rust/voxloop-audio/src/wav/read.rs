//! Whole files in memory.

use super::header::{Header, HeaderParser, Progress};
use super::{WavEncoding, WavInfo, samples};
use crate::error::{AudioError, Container, Result};
use crate::pcm::Sample;

/// A parsed file that borrows its bytes.
#[derive(Debug, Clone, Copy)]
pub struct WavView<'a> {
    info: WavInfo,
    big_endian: bool,
    data: &'a [u8],
}

impl<'a> WavView<'a> {
    /// What the file holds.
    pub const fn info(&self) -> WavInfo {
        self.info
    }

    /// The stored samples as they are, whole frames only.
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The stored samples when they are PCM16 little-endian already and need no conversion.
    pub fn pcm16_bytes(&self) -> Option<&'a [u8]> {
        let plain = self.info.encoding == WavEncoding::Pcm16 && !self.big_endian;
        plain.then_some(self.data)
    }

    /// The samples, interleaved.
    ///
    /// To `i16`, wider integers keep their upper 16 bits and floats are rounded to nearest; to `f32`,
    /// integers are divided by full scale. Floats are clamped to full scale, NaN gives 0.
    pub fn samples<S: Sample>(&self) -> Vec<S> {
        samples::convert(self.data, self.info.encoding, self.big_endian)
    }
}

/// A decoded file.
#[derive(Debug, Clone, PartialEq)]
pub struct Wav<S> {
    /// What the file holds.
    pub info: WavInfo,
    /// `info.frames * info.channels` samples, interleaved.
    pub samples: Vec<S>,
}

/// Reads the header of a whole file and finds its samples, without touching them.
///
/// # Errors
/// [`AudioError::Container`] when the bytes are not WAV, [`AudioError::Wav`] when they break its
/// rules before the first sample, [`AudioError::WavEncoding`] when the samples are coded in another
/// way.
pub fn parse(bytes: &[u8]) -> Result<WavView<'_>> {
    let header = walk(bytes)?;
    let rest = &bytes[header.data_offset as usize..];
    let (held, mut truncated) = extent(rest, &header);
    let frame = header.fmt.bytes_per_frame();
    let whole = held - held % frame;
    truncated |= whole != held;
    let padded = (held + (held & 1)).min(rest.len());
    let info = WavInfo {
        sample_rate: header.fmt.sample_rate,
        channels: header.fmt.channels,
        encoding: header.fmt.encoding,
        bits: header.fmt.bits,
        channel_mask: header.fmt.channel_mask,
        frames: (whole / frame) as u64,
        truncated,
        more_data: Chunks { rest: &rest[padded..], big_endian: header.big_endian }
            .any(|chunk| chunk == Some(*b"data")),
        data_offset: header.data_offset,
    };
    Ok(WavView { info, big_endian: header.big_endian, data: &rest[..whole] })
}

/// Decodes a whole file to interleaved samples; see [`WavView::samples`] for the conversions.
///
/// # Errors
/// As [`parse`].
pub fn decode<S: Sample>(bytes: &[u8]) -> Result<Wav<S>> {
    let view = parse(bytes)?;
    Ok(Wav { info: view.info(), samples: view.samples() })
}

/// Drives the parser over the file up to the samples.
fn walk(bytes: &[u8]) -> Result<Header> {
    let mut parser = HeaderParser::new();
    loop {
        let offset = parser.offset();
        let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        match parser.step(rest)? {
            Progress::Data(header) => return Ok(header),
            Progress::Took(_) => {}
            Progress::Need(_) if offset == 0 => return Err(too_short(bytes)),
            Progress::Need(_) => {
                let end = bytes.len() as u64;
                return Err(AudioError::wav(end, format!("the file ends in {}", parser.place())));
            }
        }
    }
}

/// Fewer bytes than a RIFF header: another container, or WAV cut short.
fn too_short(bytes: &[u8]) -> AudioError {
    match super::sniff(bytes) {
        Container::OtherRiff => {
            AudioError::wav(bytes.len() as u64, "the file ends in the RIFF header")
        }
        container => AudioError::Container { container },
    }
}

/// Bytes of samples in `rest`, and whether that is other than what the file claims.
fn extent(rest: &[u8], header: &Header) -> (usize, bool) {
    let Some(claimed) = header.claimed else { return (rest.len(), true) };
    match usize::try_from(claimed) {
        // Zero stands in the header of a stream whose writer could not come back, but also in that
        // of an empty file; only in the latter can nothing but chunks follow.
        Ok(0) if !only_chunks(rest, header.big_endian) => (rest.len(), true),
        Ok(size) if size <= rest.len() => (size, false),
        _ => (rest.len(), true),
    }
}

fn only_chunks(rest: &[u8], big_endian: bool) -> bool {
    Chunks { rest, big_endian }.all(|chunk| chunk.is_some())
}

/// The chunks in a run of bytes; the last item is `None` when something else follows.
struct Chunks<'a> {
    rest: &'a [u8],
    big_endian: bool,
}

impl Iterator for Chunks<'_> {
    type Item = Option<[u8; 4]>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = std::mem::take(&mut self.rest);
        // A lone zero is the padding of an odd chunk before.
        if matches!(rest, [] | [0]) {
            return None;
        }
        let Some(([a, b, c, d, size @ ..], body)) = rest.split_first_chunk::<8>() else {
            return Some(None);
        };
        let (id, size) = ([*a, *b, *c, *d], *size);
        let size =
            if self.big_endian { u32::from_be_bytes(size) } else { u32::from_le_bytes(size) };
        let size = size as usize;
        if size > body.len() || !id.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return Some(None);
        }
        self.rest = &body[(size + (size & 1)).min(body.len())..];
        Some(Some(id))
    }
}
