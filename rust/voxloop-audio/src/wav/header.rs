//! The walk over a file's chunks up to its samples, as a state machine that is fed bytes.
//!
//! It never looks back and skips by count, so a reader of a stream can drive it as well as the
//! reader of a whole file.

use super::WavEncoding;
use super::sniff::sniff;
use crate::error::{AudioError, Container, Result};

const TAG_EXTENSIBLE: u16 = 0xFFFE;
/// What follows the format tag in the subformat of an extensible header.
const SUBFORMAT_SUFFIX: [u8; 14] =
    [0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71];
/// The part of the `fmt ` chunk that has meaning here.
const FMT_MAX: u64 = 40;
/// The part of the `ds64` chunk that has meaning here: the sizes of the file and of the data.
const DS64_MIN: u64 = 16;

/// The `fmt ` chunk, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fmt {
    pub(super) sample_rate: u32,
    pub(super) channels: u16,
    pub(super) encoding: WavEncoding,
    pub(super) bits: u16,
    pub(super) channel_mask: Option<u32>,
}

impl Fmt {
    pub(super) const fn bytes_per_frame(&self) -> usize {
        self.encoding.bytes_per_sample() * self.channels as usize
    }
}

/// All that precedes the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) fmt: Fmt,
    /// Integers and floats are big-endian (RIFX).
    pub(super) big_endian: bool,
    /// Offset of the first sample.
    pub(super) data_offset: u64,
    /// Bytes of samples the file claims; `None` when it says it does not know.
    pub(super) claimed: Option<u64>,
}

/// What [`HeaderParser::step`] did with the bytes it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing: it wants this many at once.
    Need(usize),
    /// Took or skips this many, which may be more than it was shown.
    Took(u64),
    /// The samples begin here.
    Data(Header),
}

#[derive(Debug, Clone, Copy)]
enum State {
    Riff,
    Chunk,
    Fmt { size: u64 },
    Ds64 { size: u64 },
}

/// The walk over the chunks.
#[derive(Debug)]
pub(super) struct HeaderParser {
    state: State,
    offset: u64,
    big_endian: bool,
    sizes_64: bool,
    data_size_64: Option<u64>,
    fmt: Option<Fmt>,
}

impl HeaderParser {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Riff,
            offset: 0,
            big_endian: false,
            sizes_64: false,
            data_size_64: None,
            fmt: None,
        }
    }

    /// Where the next step begins, from the start of the file.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// What the bytes ended inside of, for an error.
    pub(super) const fn place(&self) -> &'static str {
        match (self.state, self.fmt) {
            (State::Riff, _) => "the RIFF header",
            (State::Fmt { .. }, _) => "the fmt chunk",
            (State::Ds64 { .. }, _) => "the ds64 chunk",
            (State::Chunk, None) => "the chunks before any fmt chunk",
            (State::Chunk, Some(_)) => "the chunks before any data chunk",
        }
    }

    /// Looks at the bytes at [`HeaderParser::offset`].
    pub(super) fn step(&mut self, bytes: &[u8]) -> Result<Progress> {
        let progress = match self.state {
            State::Riff => self.riff(bytes),
            State::Chunk => self.chunk(bytes),
            State::Fmt { size } => self.fmt(bytes, size),
            State::Ds64 { size } => Ok(self.ds64(bytes, size)),
        }?;
        if let Progress::Took(count) = progress {
            self.offset = self.offset.saturating_add(count);
        }
        Ok(progress)
    }

    fn riff(&mut self, bytes: &[u8]) -> Result<Progress> {
        let Some(head) = bytes.first_chunk::<12>() else { return Ok(Progress::Need(12)) };
        let container = sniff(head);
        if container != Container::Wav {
            return Err(AudioError::Container { container });
        }
        self.big_endian = head.starts_with(b"RIFX");
        self.sizes_64 = matches!(&head[..4], b"RF64" | b"BW64");
        self.state = State::Chunk;
        Ok(Progress::Took(12))
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<Progress> {
        let Some(head) = bytes.first_chunk::<8>() else { return Ok(Progress::Need(8)) };
        let size = self.u32_at(head, 4);
        let padded = u64::from(size) + u64::from(size & 1);
        match &head[..4] {
            b"data" => return self.data(size),
            b"fmt " if self.fmt.is_none() => self.state = State::Fmt { size: u64::from(size) },
            b"ds64" if self.sizes_64 => self.state = State::Ds64 { size: u64::from(size) },
            _ => return Ok(Progress::Took(8 + padded)),
        }
        Ok(Progress::Took(8))
    }

    fn data(&self, size: u32) -> Result<Progress> {
        let Some(fmt) = self.fmt else {
            return Err(AudioError::wav(self.offset, "the data chunk comes before any fmt chunk"));
        };
        let claimed = match (size, self.data_size_64) {
            (u32::MAX, Some(u64::MAX) | None) => None,
            (u32::MAX, Some(size)) => Some(size),
            (size, _) => Some(u64::from(size)),
        };
        let data_offset = self.offset + 8;
        Ok(Progress::Data(Header { fmt, big_endian: self.big_endian, data_offset, claimed }))
    }

    fn ds64(&mut self, bytes: &[u8], size: u64) -> Progress {
        if size < DS64_MIN {
            // Too short to hold the data size: as if it were not there.
            self.state = State::Chunk;
            return Progress::Took(size + (size & 1));
        }
        let Some((_, data)) = bytes.first_chunk::<16>().map(|b| b.split_at(8)) else {
            return Progress::Need(16);
        };
        let word = |at: usize| {
            u64::from(u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]))
        };
        self.data_size_64 = Some(word(0) | word(4) << 32);
        self.state = State::Chunk;
        Progress::Took(size + (size & 1))
    }

    fn fmt(&mut self, bytes: &[u8], size: u64) -> Result<Progress> {
        if size < 16 {
            let reason = format!("the fmt chunk has {size} bytes, wanted at least 16");
            return Err(AudioError::wav(self.offset, reason));
        }
        let wanted = size.min(FMT_MAX) as usize;
        let Some(body) = bytes.get(..wanted) else { return Ok(Progress::Need(wanted)) };
        self.fmt = Some(self.read_fmt(body)?);
        self.state = State::Chunk;
        Ok(Progress::Took(size + (size & 1)))
    }

    fn read_fmt(&self, body: &[u8]) -> Result<Fmt> {
        let mut tag = self.u16_at(body, 0);
        let (channels, sample_rate) = (self.u16_at(body, 2), self.u32_at(body, 4));
        let container_bits = self.u16_at(body, 14);
        let (mut bits, mut channel_mask) = (container_bits, None);
        for (what, zero) in [
            ("channels", channels == 0),
            ("samples per second", sample_rate == 0),
            ("bits per sample", container_bits == 0),
        ] {
            if zero {
                return Err(AudioError::wav(self.offset, format!("the fmt chunk states 0 {what}")));
            }
        }
        if tag == TAG_EXTENSIBLE {
            tag = self.extensible_tag(body)?;
            channel_mask = Some(self.u32_at(body, 20));
            // Zero valid bits is what writers leave that mean all of them.
            let valid = self.u16_at(body, 18);
            bits = if valid == 0 { container_bits } else { valid.min(container_bits) };
        }
        let encoding = encoding_of(tag, container_bits).ok_or_else(|| AudioError::WavEncoding {
            offset: self.offset,
            tag,
            name: tag_name(tag),
            bits: container_bits,
        })?;
        Ok(Fmt { sample_rate, channels, encoding, bits, channel_mask })
    }

    fn extensible_tag(&self, body: &[u8]) -> Result<u16> {
        let Some(subformat) = body.get(24..40) else {
            let reason = format!("an extensible fmt chunk has {} bytes, wanted 40", body.len());
            return Err(AudioError::wav(self.offset, reason));
        };
        // In RIFX files too the identifier's later bytes stand as they do here.
        let suffix_starts =
            if self.big_endian { &SUBFORMAT_SUFFIX[6..] } else { &SUBFORMAT_SUFFIX[..] };
        if !subformat.ends_with(suffix_starts) {
            let reason = format!("unknown extensible subformat {subformat:02x?}");
            return Err(AudioError::wav(self.offset + 24, reason));
        }
        Ok(self.u16_at(subformat, if self.big_endian { 2 } else { 0 }))
    }

    fn u16_at(&self, bytes: &[u8], at: usize) -> u16 {
        let word = [bytes[at], bytes[at + 1]];
        if self.big_endian { u16::from_be_bytes(word) } else { u16::from_le_bytes(word) }
    }

    fn u32_at(&self, bytes: &[u8], at: usize) -> u32 {
        let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        if self.big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
    }
}

/// Odd widths live in the next larger word, at its upper end.
fn encoding_of(tag: u16, bits: u16) -> Option<WavEncoding> {
    Some(match (tag, bits) {
        (1, 1..=8) => WavEncoding::PcmU8,
        (1, 9..=16) => WavEncoding::Pcm16,
        (1, 17..=24) => WavEncoding::Pcm24,
        (1, 25..=32) => WavEncoding::Pcm32,
        (3, 32) => WavEncoding::Float32,
        (3, 64) => WavEncoding::Float64,
        (6, 8) => WavEncoding::ALaw,
        (7, 8) => WavEncoding::ULaw,
        _ => return None,
    })
}

/// Names of the tags that turn up in the wild, from Microsoft's registry.
fn tag_name(tag: u16) -> &'static str {
    match tag {
        0x0001 => "PCM",
        0x0002 => "Microsoft ADPCM",
        0x0003 => "IEEE float",
        0x0006 => "A-law",
        0x0007 => "u-law",
        0x0010 => "OKI ADPCM",
        0x0011 => "IMA ADPCM",
        0x0014 | 0x0040 => "G.723 ADPCM",
        0x0022 => "TrueSpeech",
        0x0031 => "GSM 6.10",
        0x0045 | 0x0064 => "G.726 ADPCM",
        0x0050 => "MPEG",
        0x0055 => "MP3",
        0x0065 => "G.722 ADPCM",
        0x00FF | 0x1600 | 0x1610 => "AAC",
        0x0160..=0x0163 => "Windows Media Audio",
        0x2000 => "AC-3",
        0x674F..=0x6771 => "Vorbis",
        0x704F => "Opus",
        0xF1AC => "FLAC",
        _ => "unknown",
    }
}
