//! WAV files: parsing without a copy, decoding to samples, encoding.
//!
//! No size field is trusted: chunks may come in any order, sizes may be wrong, zero or all ones, and
//! nothing is allocated by what a header claims.

mod header;
mod read;
mod samples;
mod sniff;
mod stream;
mod write;
mod writer;

pub use read::{Wav, WavView, decode, parse};
pub use sniff::sniff;
pub use stream::WavReader;
pub use write::{encode, header, wrap};
pub use writer::{WavWriter, seekable_header};

use crate::error::Result;
use crate::format::{Encoding, Format};

/// How a WAV file stores its samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WavEncoding {
    /// Unsigned PCM of up to 8 bits, zero at 128.
    PcmU8,
    /// Signed PCM in 16-bit words (9 to 16 bits).
    Pcm16,
    /// Signed PCM in 24-bit words (17 to 24 bits).
    Pcm24,
    /// Signed PCM in 32-bit words (25 to 32 bits).
    Pcm32,
    /// 32-bit IEEE float.
    Float32,
    /// 64-bit IEEE float.
    Float64,
    /// G.711 A-law.
    ALaw,
    /// G.711 u-law.
    ULaw,
}

impl WavEncoding {
    /// Bytes of one sample of one channel.
    pub const fn bytes_per_sample(self) -> usize {
        match self {
            Self::PcmU8 | Self::ALaw | Self::ULaw => 1,
            Self::Pcm16 => 2,
            Self::Pcm24 => 3,
            Self::Pcm32 | Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }

    /// A short name: `pcm_u8`, `pcm16`, `pcm24`, `pcm32`, `float32`, `float64`, `alaw` or `ulaw`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PcmU8 => "pcm_u8",
            Self::Pcm16 => "pcm16",
            Self::Pcm24 => "pcm24",
            Self::Pcm32 => "pcm32",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::ALaw => "alaw",
            Self::ULaw => "ulaw",
        }
    }
}

/// What a WAV file says about itself, and what was found to be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WavInfo {
    /// Frames per second as the file states it: any value but zero.
    pub sample_rate: u32,
    /// Samples per frame as the file states it: any value but zero.
    pub channels: u16,
    /// How the samples are stored.
    pub encoding: WavEncoding,
    /// Bits of a sample that carry signal; at most the width of the stored word.
    pub bits: u16,
    /// Speaker positions of an extensible header.
    pub channel_mask: Option<u32>,
    /// Whole frames that are there.
    pub frames: u64,
    /// The data chunk does not state how much there really is (a stream's 0 or all ones), or states
    /// more than there is, or ends inside a frame.
    pub truncated: bool,
    /// Another `data` chunk follows the first and is ignored.
    pub more_data: bool,
    /// Offset of the first sample from the start of the file.
    pub data_offset: u64,
}

impl WavInfo {
    /// The format of the decoded samples.
    ///
    /// # Errors
    /// [`AudioError::Format`](crate::AudioError::Format) when the file's rate or channel count is
    /// outside what the rest of the crate works with.
    pub fn format(&self, encoding: Encoding) -> Result<Format> {
        Format::new(self.sample_rate, self.channels, encoding)
    }
}
