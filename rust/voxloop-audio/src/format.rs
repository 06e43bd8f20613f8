//! Sample rate, channel count and encoding, and the arithmetic that follows from them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{AudioError, Result};

/// How one sample is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Encoding {
    /// Signed 16-bit little-endian integers.
    #[default]
    Pcm16,
    /// 32-bit little-endian IEEE floats in full-scale units.
    Float32,
}

impl Encoding {
    /// Bytes of one sample of one channel.
    pub const fn bytes_per_sample(self) -> usize {
        match self {
            Self::Pcm16 => 2,
            Self::Float32 => 4,
        }
    }

    /// The name used at the API's edge: `pcm16` or `float32`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcm16 => "pcm16",
            Self::Float32 => "float32",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Encoding {
    type Err = AudioError;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "pcm16" => Ok(Self::Pcm16),
            "float32" => Ok(Self::Float32),
            _ => Err(AudioError::format("encoding", format!("{text:?}"), "pcm16 or float32")),
        }
    }
}

/// A checked description of a sample stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format {
    sample_rate: u32,
    channels: u16,
    encoding: Encoding,
}

impl Format {
    /// Lowest accepted rate in Hz: below it the Nyquist band holds no intelligible speech, and such
    /// numbers are nearly always milliseconds or kilohertz passed by mistake.
    pub const MIN_SAMPLE_RATE: u32 = 1_000;
    /// Highest accepted rate in Hz: the fastest rate that audio converters are sold with.
    pub const MAX_SAMPLE_RATE: u32 = 768_000;
    /// Most channels: one block of a large microphone array or a multichannel interface.
    pub const MAX_CHANNELS: u16 = 32;

    /// Checks and builds a format.
    ///
    /// # Errors
    /// [`AudioError::Format`] when the rate or the channel count is out of range.
    pub fn new(sample_rate: u32, channels: u16, encoding: Encoding) -> Result<Self> {
        check_rate(sample_rate)?;
        check_channels(channels)?;
        Ok(Self { sample_rate, channels, encoding })
    }

    /// Frames per second.
    pub const fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Samples per frame.
    pub const fn channels(&self) -> u16 {
        self.channels
    }

    /// How a sample is stored.
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Bytes of one frame.
    pub const fn bytes_per_frame(&self) -> usize {
        self.encoding.bytes_per_sample() * self.channels as usize
    }

    /// Bytes of one second.
    pub const fn bytes_per_second(&self) -> u64 {
        self.bytes_per_frame() as u64 * self.sample_rate as u64
    }

    /// Bytes of `frames` frames.
    ///
    /// # Errors
    /// [`AudioError::Format`] when the product does not fit 64 bits.
    pub fn frames_to_bytes(&self, frames: u64) -> Result<u64> {
        frames.checked_mul(self.bytes_per_frame() as u64).ok_or_else(|| {
            AudioError::format("frame count", frames, "a count whose size in bytes fits 64 bits")
        })
    }

    /// Frames in `bytes` bytes, which must be whole frames.
    ///
    /// # Errors
    /// [`AudioError::Format`] when a partial frame is left over.
    pub fn bytes_to_frames(&self, bytes: u64) -> Result<u64> {
        let frame = self.bytes_per_frame() as u64;
        if !bytes.is_multiple_of(frame) {
            return Err(AudioError::format(
                "byte count",
                bytes,
                format!("a multiple of {frame} ({} x {})", self.channels, self.encoding),
            ));
        }
        Ok(bytes / frame)
    }

    /// The time `frames` frames take, rounded down to a nanosecond. Every `u64` fits.
    pub fn frames_to_duration(&self, frames: u64) -> Duration {
        let rate = u64::from(self.sample_rate);
        let nanos = frames % rate * 1_000_000_000 / rate;
        Duration::new(frames / rate, nanos as u32)
    }

    /// Frames in `duration`, rounded to the nearest, halves up.
    ///
    /// # Errors
    /// [`AudioError::Format`] when the count does not fit 64 bits.
    pub fn duration_to_frames(&self, duration: Duration) -> Result<u64> {
        let scaled = duration.as_nanos() * u128::from(self.sample_rate);
        u64::try_from((scaled + 500_000_000) / 1_000_000_000).map_err(|_| {
            AudioError::format("duration", format!("{duration:?}"), "frames that fit 64 bits")
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz, {} channel(s), {}", self.sample_rate, self.channels, self.encoding)
    }
}

/// Refuses a rate outside [`Format::MIN_SAMPLE_RATE`] to [`Format::MAX_SAMPLE_RATE`].
pub(crate) fn check_rate(sample_rate: u32) -> Result<()> {
    if (Format::MIN_SAMPLE_RATE..=Format::MAX_SAMPLE_RATE).contains(&sample_rate) {
        return Ok(());
    }
    let (low, high) = (Format::MIN_SAMPLE_RATE, Format::MAX_SAMPLE_RATE);
    Err(AudioError::format(
        "sample rate",
        format!("{sample_rate} Hz"),
        format!("{low} to {high} Hz"),
    ))
}

/// Refuses a channel count outside 1 to [`Format::MAX_CHANNELS`].
pub(crate) fn check_channels(channels: u16) -> Result<()> {
    if (1..=Format::MAX_CHANNELS).contains(&channels) {
        return Ok(());
    }
    Err(AudioError::format("channels", channels, format!("1 to {}", Format::MAX_CHANNELS)))
}

/// Refuses a run of interleaved samples that ends inside a frame.
pub(crate) fn check_whole_frames(samples: usize, channels: u16) -> Result<()> {
    if samples.is_multiple_of(usize::from(channels)) {
        return Ok(());
    }
    Err(AudioError::format(
        "sample count",
        samples,
        format!("whole frames, a multiple of {channels} channels"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mono24() -> Format {
        Format::new(24_000, 1, Encoding::Pcm16).unwrap()
    }

    #[test]
    fn limits_are_enforced_at_both_ends() {
        for (rate, channels, ok) in [
            (999, 1, false),
            (1_000, 1, true),
            (768_000, 32, true),
            (768_001, 1, false),
            (24_000, 0, false),
            (24_000, 33, false),
        ] {
            assert_eq!(
                Format::new(rate, channels, Encoding::Pcm16).is_ok(),
                ok,
                "{rate} {channels}"
            );
        }
        let error = Format::new(0, 1, Encoding::Pcm16).unwrap_err();
        assert_eq!(error.code(), "audio_format");
        assert_eq!(error.to_string(), "sample rate: got 0 Hz, wanted 1000 to 768000 Hz");
    }

    #[test]
    fn frames_bytes_and_time_agree() {
        let stereo = Format::new(48_000, 2, Encoding::Float32).unwrap();
        assert_eq!(stereo.bytes_per_frame(), 8);
        assert_eq!(stereo.bytes_per_second(), 384_000);
        assert_eq!(stereo.frames_to_bytes(480).unwrap(), 3_840);
        assert_eq!(stereo.bytes_to_frames(3_840).unwrap(), 480);
        assert!(stereo.bytes_to_frames(3_841).is_err());
        assert_eq!(mono24().frames_to_duration(480), Duration::from_millis(20));
        assert_eq!(mono24().duration_to_frames(Duration::from_millis(20)).unwrap(), 480);
    }

    #[test]
    fn arithmetic_at_the_edge_of_64_bits() {
        assert!(mono24().frames_to_bytes(u64::MAX / 2).is_ok());
        assert!(mono24().frames_to_bytes(u64::MAX / 2 + 1).is_err());
        let long = mono24().frames_to_duration(u64::MAX);
        assert_eq!(mono24().duration_to_frames(long).unwrap(), u64::MAX);
        let fast = Format::new(768_000, 1, Encoding::Pcm16).unwrap();
        assert!(fast.duration_to_frames(Duration::MAX).is_err());
    }

    #[test]
    fn encoding_names_round_trip() {
        for encoding in [Encoding::Pcm16, Encoding::Float32] {
            assert_eq!(encoding.name().parse::<Encoding>().unwrap(), encoding);
        }
        assert!("pcm_s16le".parse::<Encoding>().is_err());
    }
}
