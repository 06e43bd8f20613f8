//! Stored words to samples.

use super::WavEncoding;
use crate::g711::{ALAW_TO_PCM, ULAW_TO_PCM};
use crate::pcm::Sample;

/// Appends the samples of `data`, which holds whole words; both endiannesses.
pub(super) fn convert_into<S: Sample>(
    data: &[u8],
    encoding: WavEncoding,
    big_endian: bool,
    out: &mut Vec<S>,
) {
    match encoding {
        WavEncoding::PcmU8 => words(data, big_endian, out, |[b]| left([0, 0, 0, b ^ 0x80])),
        WavEncoding::Pcm16 => words(data, big_endian, out, |[a, b]| left([0, 0, a, b])),
        WavEncoding::Pcm24 => words(data, big_endian, out, |[a, b, c]| left([0, a, b, c])),
        WavEncoding::Pcm32 => words(data, big_endian, out, left),
        WavEncoding::Float32 => {
            words(data, big_endian, out, |word| float(f64::from(f32::from_le_bytes(word))));
        }
        WavEncoding::Float64 => {
            words(data, big_endian, out, |word| float(f64::from_le_bytes(word)));
        }
        WavEncoding::ALaw => words(data, false, out, |[code]| law(&ALAW_TO_PCM, code)),
        WavEncoding::ULaw => words(data, false, out, |[code]| law(&ULAW_TO_PCM, code)),
    }
}

fn words<const N: usize, S>(
    data: &[u8],
    big_endian: bool,
    out: &mut Vec<S>,
    one: impl Fn([u8; N]) -> S,
) {
    let (words, _) = data.as_chunks::<N>();
    if big_endian {
        out.extend(words.iter().map(|&word| one(reversed(word))));
    } else {
        out.extend(words.iter().map(|&word| one(word)));
    }
}

fn reversed<const N: usize>(mut word: [u8; N]) -> [u8; N] {
    word.reverse();
    word
}

fn left<S: Sample>(word: [u8; 4]) -> S {
    S::from_left_justified(i32::from_le_bytes(word))
}

/// NaN gives 0, the rest is clamped to full scale.
fn float<S: Sample>(value: f64) -> S {
    let value = if value.is_nan() { 0.0 } else { value };
    S::from_f32(value.clamp(-1.0, 1.0) as f32)
}

fn law<S: Sample>(table: &[i16; 256], code: u8) -> S {
    S::from_left_justified(i32::from(table[usize::from(code)]) << 16)
}
