//! ITU-T G.711: u-law and A-law, both ways.
//!
//! Coded as the ITU's own reference software does (recommendation G.191, module G711): the input is a
//! 16-bit word whose 14 (u-law) or 13 (A-law) high bits count, and a negative word is folded by
//! one's complement, so each quantising interval is closed below and open above on the number line.
//! Sun's code, and `audioop` after it, folds u-law by two's complement after the shift, and differs
//! for the negative words that lie on, or up to three steps above, a decision value.

use crate::wide::widest;

/// The word each u-law code stands for.
pub const ULAW_TO_PCM: [i16; 256] = table(true);
/// The word each A-law code stands for.
pub const ALAW_TO_PCM: [i16; 256] = table(false);

/// u-law code of a 16-bit sample.
pub const fn ulaw_encode(sample: i16) -> u8 {
    let (folded, sign) = fold(sample);
    let biased = (folded >> 2) + 33;
    let biased = if biased > 0x1FFF { 0x1FFF } else { biased };
    // 33 to 8191: the highest set bit is 5 to 12, its segment 0 to 7.
    let segment = 10 - biased.leading_zeros();
    let step = (biased >> (segment + 1)) & 0x0F;
    !((segment << 4) as u8 | step as u8) & 0x7F | sign
}

/// 16-bit sample of a u-law code.
pub const fn ulaw_decode(code: u8) -> i16 {
    let inverted = !code;
    let segment = (inverted >> 4) & 0x07;
    let step = (inverted & 0x0F) as i16;
    let magnitude = (((step << 3) + 0x84) << segment) - 0x84;
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

/// A-law code of a 16-bit sample.
pub const fn alaw_encode(sample: i16) -> u8 {
    let (folded, sign) = fold(sample);
    let magnitude = folded >> 4;
    let code = if magnitude < 32 {
        magnitude as u8
    } else {
        // 32 to 2047: the highest set bit is 5 to 10, its segment 2 to 7.
        let segment = 12 - magnitude.leading_zeros();
        (segment << 4) as u8 | ((magnitude >> (segment - 1)) & 0x0F) as u8
    };
    (code | sign) ^ 0x55
}

/// 16-bit sample of an A-law code.
pub const fn alaw_decode(code: u8) -> i16 {
    let plain = code ^ 0x55;
    let segment = (plain >> 4) & 0x07;
    let step = ((plain & 0x0F) as i16) << 4;
    let magnitude = if segment == 0 { step + 8 } else { (step + 0x108) << (segment - 1) };
    if plain & 0x80 == 0 { -magnitude } else { magnitude }
}

/// Samples as u-law codes.
pub fn ulaw_encode_slice(samples: &[i16]) -> Vec<u8> {
    let code = |sample: i16| {
        let biased = ((folded(sample) >> 2) + 33).min(0x1FFF);
        // 33 to 8191: exponents 5 to 12 are segments 0 to 7.
        let code = (biased as f32).to_bits().wrapping_sub(((127 + 5) << 4) << 19) >> 19;
        !(code as u8) ^ sign(sample)
    };
    each(samples, code)
}

/// u-law codes as samples.
pub fn ulaw_decode_slice(codes: &[u8]) -> Vec<i16> {
    each(codes, |code| {
        let plain = i16::from(!code);
        let step = ((plain & 0x0F) << 3) + 0x84;
        signed((step << (plain >> 4 & 0x07)) - 0x84, code)
    })
}

/// Samples as A-law codes.
pub fn alaw_encode_slice(samples: &[i16]) -> Vec<u8> {
    let code = |sample: i16| {
        let magnitude = folded(sample) >> 4;
        // 32 to 2047: exponents 5 to 10 are segments 2 to 7; below, the steps go on evenly.
        let high = (magnitude as f32).to_bits().wrapping_sub(((127 + 3) << 4) << 19) >> 19;
        let code = if magnitude < 32 { magnitude as u32 } else { high };
        code as u8 ^ sign(sample) ^ 0xD5
    };
    each(samples, code)
}

/// A-law codes as samples.
pub fn alaw_decode_slice(codes: &[u8]) -> Vec<i16> {
    each(codes, |code| {
        let plain = i16::from(code ^ 0x55);
        let (segment, step) = (plain >> 4 & 0x07, ((plain & 0x0F) << 4) + 8);
        // The two lowest segments have steps of one size.
        let magnitude = if segment == 0 { step } else { (step + 0x100) << (segment - 1) };
        signed(magnitude, code ^ 0x55)
    })
}

/// `call` of each. In place and not by `collect`, whose loop would not be inlined into [`widest`].
fn each<I: Copy, O: Copy + Default>(from: &[I], call: impl Fn(I) -> O) -> Vec<O> {
    let mut to = vec![O::default(); from.len()];
    let out = to.as_mut_slice();
    widest(move || {
        for (out, &from) in out.iter_mut().zip(from) {
            *out = call(from);
        }
    });
    to
}

/// Non-negative part by one's complement, and the sign bit as both laws send it (set for positive).
const fn fold(sample: i16) -> (u16, u8) {
    if sample < 0 { (!sample as u16, 0) } else { (sample as u16, 0x80) }
}

/// [`fold`] without a branch, for loops over many samples: the bits of a float are its segment and
/// step side by side.
fn folded(sample: i16) -> i32 {
    i32::from(sample ^ (sample >> 15))
}

/// A magnitude with the sign that both laws send: negative where the high bit is clear.
fn signed(magnitude: i16, code: u8) -> i16 {
    let mask = (i16::from(code) >> 7) - 1;
    (magnitude ^ mask) - mask
}

/// The sign bit of a negative sample.
fn sign(sample: i16) -> u8 {
    (sample >> 15) as u8 & 0x80
}

const fn table(ulaw: bool) -> [i16; 256] {
    let mut out = [0; 256];
    let mut code = 0;
    while code < 256 {
        out[code] = if ulaw { ulaw_decode(code as u8) } else { alaw_decode(code as u8) };
        code += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_coded_as_single_samples() {
        let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        let single: Vec<u8> = all.iter().map(|&s| ulaw_encode(s)).collect();
        assert_eq!(ulaw_encode_slice(&all), single);
        let single: Vec<u8> = all.iter().map(|&s| alaw_encode(s)).collect();
        assert_eq!(alaw_encode_slice(&all), single);
        let codes: Vec<u8> = (0..=255).chain(0..=255).chain([3]).collect();
        let single: Vec<i16> = codes.iter().map(|&c| ulaw_decode(c)).collect();
        assert_eq!(ulaw_decode_slice(&codes), single);
        let single: Vec<i16> = codes.iter().map(|&c| alaw_decode(c)).collect();
        assert_eq!(alaw_decode_slice(&codes), single);
    }

    /// Columns 1 and 8 of the recommendation's tables 2a and 1a: upper ends of the segments and the
    /// quantised values of their last intervals, in 14- and 13-bit units.
    const ULAW_SEGMENTS: [(i32, i32); 8] = [
        (31, 30),
        (95, 93),
        (223, 219),
        (479, 471),
        (991, 975),
        (2015, 1983),
        (4063, 3999),
        (8159, 8031),
    ];
    const ALAW_SEGMENTS: [(i32, i32); 7] =
        [(64, 63), (128, 126), (256, 252), (512, 504), (1024, 1008), (2048, 2016), (4096, 4032)];

    /// Decision values and output values by walking the table's segments, in units of the 16-bit
    /// word: the lower bound of each interval with what it decodes to. Independent of the coder.
    fn ulaw_intervals() -> Vec<(i32, i32)> {
        let mut intervals = vec![(0, 0)];
        let mut low = 1;
        for (segment, (end, last)) in ULAW_SEGMENTS.into_iter().enumerate() {
            let step = 2 << segment;
            while low < end {
                intervals.push((low * 4, (low + step / 2) * 4));
                low += step;
            }
            assert_eq!((low, intervals.last().unwrap().1), (end, last * 4));
        }
        intervals
    }

    fn alaw_intervals() -> Vec<(i32, i32)> {
        let mut intervals = Vec::new();
        let mut low = 0;
        for (segment, (end, last)) in ALAW_SEGMENTS.into_iter().enumerate() {
            let step = 2 << segment;
            while low < end {
                intervals.push((low * 8, (low + step / 2) * 8));
                low += step;
            }
            assert_eq!((low, intervals.last().unwrap().1), (end, last * 8));
        }
        intervals
    }

    /// What the table says `sample` decodes to after coding.
    fn quantised(intervals: &[(i32, i32)], sample: i16) -> i32 {
        let folded = if sample < 0 { -(i32::from(sample) + 1) } else { i32::from(sample) };
        let value = intervals.iter().rev().find(|(low, _)| *low <= folded).unwrap().1;
        if sample < 0 { -value } else { value }
    }

    #[test]
    fn every_input_falls_into_the_tables_interval() {
        let (ulaw, alaw) = (ulaw_intervals(), alaw_intervals());
        assert_eq!((ulaw.len(), alaw.len()), (128, 128));
        for sample in i16::MIN..=i16::MAX {
            let coded = ulaw_decode(ulaw_encode(sample));
            assert_eq!(i32::from(coded), quantised(&ulaw, sample), "u-law {sample}");
            let coded = alaw_decode(alaw_encode(sample));
            assert_eq!(i32::from(coded), quantised(&alaw, sample), "A-law {sample}");
            assert_eq!(ulaw_encode(sample) & 0x80 != 0, sample >= 0);
            assert_eq!(alaw_encode(sample) & 0x80 != 0, sample >= 0);
        }
    }

    #[test]
    fn every_code_survives_the_round_trip() {
        for code in 0..=255_u8 {
            let again = ulaw_encode(ulaw_decode(code));
            // 0x7F is minus zero: the word it stands for has no sign, and codes as plus zero.
            assert_eq!(again, if code == 0x7F { 0xFF } else { code });
            assert_eq!(alaw_encode(alaw_decode(code)), code);
            assert_eq!(ULAW_TO_PCM[usize::from(code)], ulaw_decode(code));
            assert_eq!(ALAW_TO_PCM[usize::from(code)], alaw_decode(code));
        }
    }

    #[test]
    fn known_points() {
        for (code, value) in [(0xFF, 0), (0x7F, 0), (0x80, 32_124), (0x00, -32_124), (0xFE, 8)] {
            assert_eq!(ulaw_decode(code), value);
        }
        for (code, value) in [(0xD5, 8), (0x55, -8), (0xAA, 32_256), (0x2A, -32_256)] {
            assert_eq!(alaw_decode(code), value);
        }
        assert_eq!([ulaw_encode(0), ulaw_encode(-1), ulaw_encode(i16::MAX)], [0xFF, 0x7F, 0x80]);
        assert_eq!(ulaw_encode(i16::MIN), 0x00);
        assert_eq!([alaw_encode(0), alaw_encode(-1)], [0xD5, 0x55]);
        assert_eq!([alaw_encode(i16::MAX), alaw_encode(i16::MIN)], [0xAA, 0x2A]);
        assert_eq!(ulaw_decode_slice(&ulaw_encode_slice(&[0, 8, -8])), [0, 8, -8]);
        assert_eq!(alaw_decode_slice(&alaw_encode_slice(&[8, -8])), [8, -8]);
    }
}
