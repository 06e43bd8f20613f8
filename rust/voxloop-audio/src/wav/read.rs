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
        let words = self.data.len() / self.info.encoding.bytes_per_sample();
        let mut out = Vec::with_capacity(words);
        samples::convert_into(self.data, self.info.encoding, self.big_endian, &mut out);
        out
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
            .any(|chunk| &chunk == b"data"),
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
pub(super) fn too_short(bytes: &[u8]) -> AudioError {
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
        Ok(0) if !is_over(rest, header.big_endian) => (rest.len(), true),
        Ok(size) if size <= rest.len() => (size, false),
        _ => (rest.len(), true),
    }
}

/// After a data chunk of size 0, whether it really is empty. Zero stands in the header of a stream
/// whose writer could not come back, but also in that of an empty file, after which nothing can
/// follow but chunks. The next eight bytes decide, so that a stream needs to hold no more back.
pub(super) fn is_over(rest: &[u8], big_endian: bool) -> bool {
    match rest.first_chunk::<8>() {
        Some(head) => chunk_head(*head, big_endian).is_some_and(|(_, size)| size < LARGEST_EXTRA),
        // A lone zero is padding.
        None => matches!(rest, [] | [0]),
    }
}

/// A chunk after the samples is taken for one below this size: four bytes that happen to be letters
/// and one that is zero are rare at the start of sound.
const LARGEST_EXTRA: u32 = 1 << 24;

/// The identifier and size of a chunk, if its identifier is made of letters, digits, blanks and
/// underscores.
pub(super) fn chunk_head(head: [u8; 8], big_endian: bool) -> Option<([u8; 4], u32)> {
    let [a, b, c, d, size @ ..] = head;
    let id = [a, b, c, d];
    let size = if big_endian { u32::from_be_bytes(size) } else { u32::from_le_bytes(size) };
    id.iter().all(|b| b.is_ascii_alphanumeric() || b" _".contains(b)).then_some((id, size))
}

/// The identifiers of the chunks in a run of bytes, up to what is not a chunk.
struct Chunks<'a> {
    rest: &'a [u8],
    big_endian: bool,
}

impl Iterator for Chunks<'_> {
    type Item = [u8; 4];

    fn next(&mut self) -> Option<Self::Item> {
        let (head, body) = std::mem::take(&mut self.rest).split_first_chunk::<8>()?;
        let (id, size) = chunk_head(*head, self.big_endian)?;
        let padded = (size as usize).saturating_add((size & 1) as usize);
        self.rest = body.get(padded..).unwrap_or_default();
        Some(id)
    }
}
