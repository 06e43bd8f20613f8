//! Integer samples of other widths, as little-endian bytes.

use std::str::FromStr;

use super::Sample;
use crate::error::{AudioError, Result};

/// An integer width other than the core's 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Width {
    /// 8 bits, unsigned, zero at 128.
    U8,
    /// 24 bits, signed, in three bytes.
    I24,
    /// 32 bits, signed.
    I32,
}

impl Width {
    /// Bytes of a sample.
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I24 => 3,
            Self::I32 => 4,
        }
    }

    /// The name used at the API's edge: `pcm_u8`, `pcm24` or `pcm32`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "pcm_u8",
            Self::I24 => "pcm24",
            Self::I32 => "pcm32",
        }
    }
}

impl FromStr for Width {
    type Err = AudioError;

    fn from_str(text: &str) -> Result<Self> {
        [Self::U8, Self::I24, Self::I32].into_iter().find(|width| width.name() == text).ok_or_else(
            || AudioError::format("width", format!("{text:?}"), "pcm_u8, pcm24 or pcm32"),
        )
    }
}

/// Bytes as samples: to `i16`, wider integers keep their upper 16 bits; to `f32`, integers are
/// divided by full scale.
///
/// # Errors
/// [`AudioError::Format`] when the bytes are not whole samples.
pub fn from_width<S: Sample>(bytes: &[u8], width: Width) -> Result<Vec<S>> {
    if !bytes.len().is_multiple_of(width.bytes()) {
        let wanted = format!("a multiple of {}", width.bytes());
        return Err(AudioError::format("byte count", bytes.len(), wanted));
    }
    let left = |word: [u8; 4]| S::from_left_justified(i32::from_le_bytes(word));
    Ok(match width {
        Width::U8 => bytes.iter().map(|b| left([0, 0, 0, b ^ 0x80])).collect(),
        Width::I24 => bytes.as_chunks().0.iter().map(|&[a, b, c]| left([0, a, b, c])).collect(),
        Width::I32 => bytes.as_chunks().0.iter().map(|&word| left(word)).collect(),
    })
}

/// Samples as bytes. From `i16`, 8 bits are the upper half (`(x >> 8) + 128`) and wider words are
/// shifted up; from `f32`, values are rounded to nearest and clamped, and NaN gives the zero.
pub fn to_width<S: Sample>(samples: &[S], width: Width) -> Vec<u8> {
    let mut out = Vec::with_capacity(samples.len() * width.bytes());
    match width {
        Width::U8 => out.extend(samples.iter().map(|&s| narrowed(s, 8).to_le_bytes()[0] ^ 0x80)),
        Width::I24 => {
            out.extend(samples.iter().flat_map(|&s| {
                let [a, b, c, _] = narrowed(s, 24).to_le_bytes();
                [a, b, c]
            }));
        }
        Width::I32 => out.extend(samples.iter().flat_map(|s| s.to_left_justified().to_le_bytes())),
    }
    out
}

/// A sample in the low `bits` of a word: `i16` cut, `f32` rounded.
fn narrowed<S: Sample>(sample: S, bits: u32) -> i32 {
    let word = sample.to_left_justified();
    let shift = 32 - bits;
    if S::ENCODING == crate::format::Encoding::Pcm16 {
        return word >> shift;
    }
    // Rounded from the left-justified word, itself exact to 32 bits: halves go up.
    let half = 1 << (shift - 1);
    word.saturating_add(half) >> shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn extremes_of_every_width() {
        let samples = [i16::MIN, -1, 0, 1, i16::MAX];
        assert_eq!(to_width(&samples, Width::U8), [0, 127, 128, 128, 255]);
        assert_eq!(to_width(&[i16::MIN, 1], Width::I24), [0, 0, 0x80, 0, 1, 0]);
        assert_eq!(to_width(&[i16::MIN, 1], Width::I32), [0, 0, 0, 0x80, 0, 0, 1, 0]);
        let floats = [-2.0_f32, -1.0, 0.0, 0.5, 1.0, f32::NAN];
        assert_eq!(to_width(&floats, Width::U8), [0, 0, 128, 192, 255, 128]);
        let words = [i32::MIN, i32::MIN, 0, 1 << 30, i32::MAX, 0];
        assert_eq!(to_width(&floats, Width::I32), words.map(i32::to_le_bytes).concat());
        assert!(from_width::<i16>(&[1, 2], Width::I24).is_err());
        assert_eq!("pcm24".parse::<Width>().unwrap(), Width::I24);
        assert!("pcm16".parse::<Width>().is_err());
    }

    proptest! {
        #[test]
        fn sixteen_bits_survive_wider_words(samples: Vec<i16>) {
            for width in [Width::I24, Width::I32] {
                let bytes = to_width(&samples, width);
                prop_assert_eq!(&from_width::<i16>(&bytes, width).unwrap(), &samples);
            }
        }

        #[test]
        fn bytes_survive_floats(bytes: Vec<u8>) {
            for width in [Width::U8, Width::I24] {
                let whole = &bytes[..bytes.len() - bytes.len() % width.bytes()];
                let floats = from_width::<f32>(whole, width).unwrap();
                prop_assert_eq!(&to_width(&floats, width), whole);
            }
        }

        #[test]
        fn a_float_goes_to_its_nearest_step(value in -1.1_f32..1.1) {
            let [a, b, c] = to_width(&[value], Width::I24)[..] else { panic!("three bytes") };
            let step = f64::from(i32::from_le_bytes([0, a, b, c]) >> 8);
            let exact = (f64::from(value) * 8_388_608.0).clamp(-8_388_608.0, 8_388_607.0);
            prop_assert!((step - exact).abs() <= 0.502);
        }
    }
}
