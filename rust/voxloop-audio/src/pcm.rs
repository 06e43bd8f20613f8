//! Sample conversions, downmix and level.
//!
//! `f32 = i16 / 32768` exactly, and back by `round(f32 * 32768)` with halves to the even neighbour,
//! clamped to the `i16` range, NaN to zero; so `i16 -> f32 -> i16` is the identity.

use crate::error::{AudioError, Result};
use crate::format::{Encoding, check_channels, check_whole_frames};
use crate::wide::widest;

mod dither;
mod level;
mod width;

pub use dither::Dither;
pub use level::{gain, gain_from_db, mix_into};
pub use width::{Width, from_width, to_width};

mod sealed {
    pub trait Sealed {}
    impl Sealed for i16 {}
    impl Sealed for f32 {}
}

/// A sample type of the core: `i16` or `f32`.
///
/// The slice methods are the ones that matter: later versions may give them wider instructions.
pub trait Sample: sealed::Sealed + Copy + Default + PartialEq + std::fmt::Debug + 'static {
    /// How the type is stored.
    const ENCODING: Encoding;
    /// This sample in full-scale units.
    fn to_f32(self) -> f32;
    /// The nearest sample to `value`; `i16` clamps and maps NaN to zero, `f32` passes it on.
    fn from_f32(value: f32) -> Self;
    /// The sample whose high bits are those of `word`; `i16` keeps the upper 16 (no rounding, as
    /// libsndfile), `f32` all that fit its 24 bits, rounded to nearest.
    fn from_left_justified(word: i32) -> Self;
    /// This sample at the high end of a word; `f32` is rounded to nearest, halves to even, and
    /// clamped, NaN gives 0.
    fn to_left_justified(self) -> i32;
    /// Multiplies each sample: `i16` rounds to nearest, halves to even, and clamps; `f32` does
    /// neither.
    fn scale(samples: &mut [Self], factor: f32);
    /// Sum of the squares in full-scale units.
    fn energy(samples: &[Self]) -> f64;
    /// Largest magnitude in full-scale units; 0 for no samples.
    fn peak(samples: &[Self]) -> f32;
    /// Adds each of `other` to the sample at its place, clamped to full scale.
    fn add(samples: &mut [Self], other: &[Self]);
    /// Appends `samples` as little-endian bytes to `out`.
    fn write_le(samples: &[Self], out: &mut Vec<u8>);
    /// Appends `samples` in full-scale units to `out`.
    fn widen(samples: &[Self], out: &mut Vec<f32>);
    /// Appends the nearest samples to `values` to `out`.
    fn narrow(values: &[f32], out: &mut Vec<Self>);
}

impl Sample for i16 {
    const ENCODING: Encoding = Encoding::Pcm16;

    fn to_f32(self) -> f32 {
        f32::from(self) * (1.0 / 32_768.0)
    }

    fn from_f32(value: f32) -> Self {
        f32_to_i16(value)
    }

    fn from_left_justified(word: i32) -> Self {
        (word >> 16) as i16
    }

    fn to_left_justified(self) -> i32 {
        i32::from(self) << 16
    }

    fn scale(samples: &mut [Self], factor: f32) {
        // Finite times finite is a number; it is as if divided and multiplied by full scale.
        let one = move |sample: i16| {
            let scaled = (f32::from(sample) * factor).clamp(-32_768.0, 32_767.0);
            (scaled + MAGIC).to_bits().wrapping_sub(MAGIC.to_bits()) as i16
        };
        widest(move || {
            for sample in samples {
                *sample = one(*sample);
            }
        });
    }

    fn energy(samples: &[Self]) -> f64 {
        // Exact: a square fits 31 bits, and 64 hold more of them than memory does samples.
        let square = |&sample: &i16| (i32::from(sample) * i32::from(sample)) as u64;
        let sum: u64 = widest(move || samples.iter().map(square).sum());
        sum as f64 / (32_768.0 * 32_768.0)
    }

    fn peak(samples: &[Self]) -> f32 {
        let most = widest(move || samples.iter().map(|s| s.unsigned_abs()).fold(0, u16::max));
        f32::from(most) * (1.0 / 32_768.0)
    }

    fn add(samples: &mut [Self], other: &[Self]) {
        widest(move || {
            for (sample, &other) in samples.iter_mut().zip(other) {
                *sample = sample.saturating_add(other);
            }
        });
    }

    fn write_le(samples: &[Self], out: &mut Vec<u8>) {
        out.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
    }

    fn widen(samples: &[Self], out: &mut Vec<f32>) {
        widest(|| out.extend(samples.iter().map(|&s| s.to_f32())));
    }

    fn narrow(values: &[f32], out: &mut Vec<Self>) {
        widest(|| out.extend(values.iter().map(|&v| f32_to_i16(v))));
    }
}

impl Sample for f32 {
    const ENCODING: Encoding = Encoding::Float32;

    fn to_f32(self) -> f32 {
        self
    }

    fn from_f32(value: f32) -> Self {
        value
    }

    fn from_left_justified(word: i32) -> Self {
        word as f32 * (1.0 / 2_147_483_648.0)
    }

    fn to_left_justified(self) -> i32 {
        // The conversion clamps, and takes NaN to 0; in double precision nothing is rounded before.
        (f64::from(self) * 2_147_483_648.0).round_ties_even() as i32
    }

    fn scale(samples: &mut [Self], factor: f32) {
        for sample in samples {
            *sample *= factor;
        }
    }

    fn energy(samples: &[Self]) -> f64 {
        // Sums side by side, so that no addition waits for the one before.
        let (blocks, rest) = samples.as_chunks::<16>();
        let square = |sample: f32| f64::from(sample) * f64::from(sample);
        let sums = widest(move || {
            let mut sums = [0.0_f64; 16];
            for block in blocks {
                for (sum, &sample) in sums.iter_mut().zip(block) {
                    *sum += square(sample);
                }
            }
            sums
        });
        rest.iter().map(|&sample| square(sample)).chain(sums).sum()
    }

    fn peak(samples: &[Self]) -> f32 {
        // Maxima side by side, so that none waits for the one before.
        let (blocks, rest) = samples.as_chunks::<16>();
        let maxima = widest(move || {
            let mut maxima = [0.0_f32; 16];
            for block in blocks {
                for (max, sample) in maxima.iter_mut().zip(block) {
                    *max = max.max(sample.abs());
                }
            }
            maxima
        });
        rest.iter().map(|sample| sample.abs()).chain(maxima).fold(0.0, f32::max)
    }

    fn add(samples: &mut [Self], other: &[Self]) {
        for (sample, &other) in samples.iter_mut().zip(other) {
            *sample = (*sample + other).clamp(-1.0, 1.0);
        }
    }

    fn write_le(samples: &[Self], out: &mut Vec<u8>) {
        out.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
    }

    fn widen(samples: &[Self], out: &mut Vec<f32>) {
        out.extend_from_slice(samples);
    }

    fn narrow(values: &[f32], out: &mut Vec<Self>) {
        out.extend_from_slice(values);
    }
}

/// 1.5 * 2^23: added to a float of at most 16 bits, it leaves the rounded integer in the low bits.
const MAGIC: f32 = 12_582_912.0;

/// Nearest `i16` to `value * 32768`, halves to even, clamped; NaN gives 0.
///
/// Adding 1.5 * 2^23 leaves the rounded integer in the low bits of the float, which vectorises on
/// plain SSE2 where `f32::round_ties_even` is a call per sample.
pub fn f32_to_i16(value: f32) -> i16 {
    let value = if value.is_nan() { 0.0 } else { value };
    let scaled = (value * 32_768.0).clamp(-32_768.0, 32_767.0);
    (scaled + MAGIC).to_bits().wrapping_sub(MAGIC.to_bits()) as i16
}

/// Little-endian bytes as samples.
///
/// # Errors
/// [`AudioError::Format`] on an odd byte count.
pub fn i16_from_le_bytes(bytes: &[u8]) -> Result<Vec<i16>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(AudioError::format("pcm16 byte count", bytes.len(), "an even count"));
    }
    Ok(pairs.iter().map(|&p| i16::from_le_bytes(p)).collect())
}

/// Little-endian bytes as float samples, unchanged (NaN and values beyond full scale stay).
///
/// # Errors
/// [`AudioError::Format`] when the byte count is not a multiple of four.
pub fn f32_from_le_bytes(bytes: &[u8]) -> Result<Vec<f32>> {
    let (quads, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(AudioError::format("float32 byte count", bytes.len(), "a multiple of 4"));
    }
    Ok(quads.iter().map(|&q| f32::from_le_bytes(q)).collect())
}

/// Samples as little-endian bytes.
pub fn to_le_bytes<S: Sample>(samples: &[S]) -> Vec<u8> {
    let mut out = Vec::with_capacity(size_of_val(samples));
    S::write_le(samples, &mut out);
    out
}

/// Samples of one type as another.
pub fn convert<I: Sample, O: Sample>(samples: &[I]) -> Vec<O> {
    widest(|| samples.iter().map(|&s| O::from_f32(s.to_f32())).collect())
}

/// Joins bytes that come in pieces of any size into `i16` samples: an odd byte waits for its other
/// half.
#[derive(Debug, Clone, Default)]
pub struct SampleJoiner {
    odd: Option<u8>,
}

impl SampleJoiner {
    /// A joiner with nothing pending.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the samples that `bytes` completes to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<i16>) {
        let mut bytes = bytes;
        if let (Some(low), Some((&high, rest))) = (self.odd, bytes.split_first()) {
            out.push(i16::from_le_bytes([low, high]));
            self.odd = None;
            bytes = rest;
        }
        let (pairs, rest) = bytes.as_chunks::<2>();
        out.extend(pairs.iter().map(|&p| i16::from_le_bytes(p)));
        if let Some(&last) = rest.first() {
            self.odd = Some(last);
        }
    }

    /// Whether half a sample is waiting.
    pub fn pending(&self) -> bool {
        self.odd.is_some()
    }

    /// Ends the stream: half a sample, if one is waiting, with a zero high byte.
    pub fn flush(&mut self) -> Option<i16> {
        self.odd.take().map(|low| i16::from_le_bytes([low, 0]))
    }
}

/// Interleaved samples mixed to mono: the mean of each frame, rounded for `i16` as by
/// [`f32_to_i16`].
///
/// # Errors
/// [`AudioError::Format`] when `channels` is out of range or the samples end inside a frame.
pub fn downmix<S: Sample>(samples: &[S], channels: u16) -> Result<Vec<S>> {
    check_channels(channels)?;
    check_whole_frames(samples.len(), channels)?;
    if channels == 1 {
        return Ok(samples.to_vec());
    }
    // 32 channels of 16 bits sum exactly in the 24 bits of an f32; only the division rounds.
    let scale = 1.0 / f64::from(channels);
    let mean = |frame: &[S]| {
        let sum: f64 = frame.iter().map(|s| f64::from(s.to_f32())).sum();
        S::from_f32((sum * scale) as f32)
    };
    Ok(samples.chunks_exact(usize::from(channels)).map(mean).collect())
}

/// One channel of interleaved samples.
///
/// # Errors
/// [`AudioError::Format`] when `index` is not a channel or the samples end inside a frame.
pub fn channel<S: Sample>(samples: &[S], channels: u16, index: u16) -> Result<Vec<S>> {
    check_channels(channels)?;
    check_whole_frames(samples.len(), channels)?;
    if index >= channels {
        return Err(AudioError::format("channel", index, format!("0 to {}", channels - 1)));
    }
    Ok(samples.iter().skip(usize::from(index)).step_by(usize::from(channels)).copied().collect())
}

/// Root mean square in full-scale units; 0 for no samples.
pub fn rms<S: Sample>(samples: &[S]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum = S::energy(samples);
    (sum / samples.len() as f64).sqrt() as f32
}

/// Largest magnitude in full-scale units; 0 for no samples.
pub fn peak<S: Sample>(samples: &[S]) -> f32 {
    S::peak(samples)
}

/// A level in full-scale units as decibels relative to full scale; minus infinity for 0.
///
/// The reference is 1.0: a full-scale sine reads -3.01 by [`rms`] and 0 by [`peak`].
pub fn dbfs(level: f32) -> f32 {
    20.0 * level.log10()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_i16_survives_the_float_round_trip() {
        for value in i16::MIN..=i16::MAX {
            assert_eq!(f32_to_i16(value.to_f32()), value);
        }
    }

    #[test]
    fn rounding_and_limits() {
        let step = 1.0 / 32_768.0;
        let cases = [
            (f32::NAN, 0),
            (f32::INFINITY, 32_767),
            (f32::NEG_INFINITY, -32_768),
            (1.0, 32_767),
            (-1.0, -32_768),
            (7.0, 32_767),
            (-7.0, -32_768),
            (0.5 * step, 0),
            (1.5 * step, 2),
            (2.5 * step, 2),
            (-0.5 * step, 0),
            (-1.5 * step, -2),
            (-0.0, 0),
            (f32::MIN_POSITIVE, 0),
        ];
        for (value, wanted) in cases {
            assert_eq!(f32_to_i16(value), wanted, "{value}");
        }
    }

    #[test]
    fn slices_convert_as_single_samples_do() {
        let values: Vec<f32> = (-1_000..1_000).map(|i| i as f32 * 0.0013).collect();
        let mut narrow = Vec::new();
        i16::narrow(&values, &mut narrow);
        assert_eq!(narrow, convert::<f32, i16>(&values));
        let mut wide = Vec::new();
        i16::widen(&narrow, &mut wide);
        assert_eq!(wide, convert::<i16, f32>(&narrow));
    }

    #[test]
    fn downmix_and_channel_choice() {
        assert_eq!(downmix(&[10_i16, 20, -32_768, -32_768], 2).unwrap(), [15, -32_768]);
        assert_eq!(downmix(&[1_i16, 2], 2).unwrap(), [2]);
        assert_eq!(downmix(&[32_767_i16; 64], 32).unwrap(), [32_767, 32_767]);
        assert_eq!(downmix(&[0.25_f32, 0.75], 2).unwrap(), [0.5]);
        assert_eq!(channel(&[1_i16, 2, 3, 4], 2, 1).unwrap(), [2, 4]);
        assert!(downmix(&[1_i16, 2, 3], 2).is_err());
        assert!(channel(&[1_i16, 2], 2, 2).is_err());
    }

    #[test]
    fn levels_of_known_signals() {
        let sine: Vec<f32> =
            (0..4_800).map(|i| (i as f32 * std::f32::consts::TAU / 48.0).sin()).collect();
        assert!((dbfs(rms(&sine)) + 3.0103).abs() < 1e-3);
        assert!(dbfs(peak(&sine)).abs() < 1e-3);
        assert!((peak(&[i16::MIN]) - 1.0).abs() < f32::EPSILON);
        assert!(rms::<i16>(&[]).abs() < f32::EPSILON);
        assert!(dbfs(rms(&[0_i16; 8])).is_infinite());
    }

    #[test]
    fn odd_byte_counts_are_refused() {
        assert_eq!(i16_from_le_bytes(&[1, 0, 0xff, 0xff]).unwrap(), [1, -1]);
        assert_eq!(i16_from_le_bytes(&[1]).unwrap_err().code(), "audio_format");
        assert!(f32_from_le_bytes(&[0; 6]).is_err());
        assert_eq!(to_le_bytes(&[1_i16, -2]), [1, 0, 0xfe, 0xff]);
        assert_eq!(f32_from_le_bytes(&to_le_bytes(&[0.5_f32, -2.0])).unwrap(), [0.5, -2.0]);
    }

    proptest! {
        #[test]
        fn joined_bytes_equal_the_whole(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            cuts in proptest::collection::vec(0_usize..7, 1..80),
        ) {
            let mut joiner = SampleJoiner::new();
            let (mut out, mut rest) = (Vec::new(), bytes.as_slice());
            for cut in cuts {
                let (head, tail) = rest.split_at(cut.min(rest.len()));
                joiner.push(head, &mut out);
                rest = tail;
            }
            joiner.push(rest, &mut out);
            let odd = bytes.len() % 2 == 1;
            prop_assert_eq!(joiner.pending(), odd);
            out.extend(joiner.flush());
            let mut padded = bytes.clone();
            padded.extend(odd.then_some(0));
            prop_assert_eq!(out, i16_from_le_bytes(&padded).unwrap());
        }

        #[test]
        fn float_to_int_is_the_nearest(value in -1.2_f32..1.2) {
            let exact = (f64::from(value) * 32_768.0).clamp(-32_768.0, 32_767.0);
            prop_assert_eq!(f32_to_i16(value), exact.round_ties_even() as i16);
        }
    }
}
