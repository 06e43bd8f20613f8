//! Telling a steady pure tone from a voice.
//!
//! The network takes a sine between 200 and 450 Hz, where a voice has its first harmonics, for
//! speech. A voice has several harmonics, none of which holds nearly all of a frame's energy: over
//! 7000 frames of read and spoken English the best single sinusoid left more than -18 dB of all but
//! one (-31 dB), and less than -45 dB of any tone above -50 dBFS.

use std::f64::consts::PI;

/// Part of a frame's energy that a tone may leave unexplained: -32 dB.
const REST: f64 = 6e-4;
/// What even a first guess of the frequency must not leave of a tone; spares a voice the search.
const FIRST_REST: f64 = 0.1;
/// Steps of the search for the best frequency, and half the first step's width in radians per
/// sample: a twelfth of the main lobe of a 256-sample frame.
const REFINEMENTS: i32 = 3;
const SEARCH_WIDTH: f64 = 2e-3;
/// Frequencies nearer to 0 or half the rate than this many radians per sample (25 Hz at 16 kHz) are
/// not told apart from a constant.
const EDGE: f64 = 0.01;

/// Whether one sinusoid of constant frequency and level explains the frame.
pub(super) fn is_tone(frame: &[f32]) -> bool {
    rest(frame) < REST
}

/// Energy of the frame that the best single sinusoid leaves, as a part of the whole; 1 when it is
/// silence or clearly not a tone.
fn rest(frame: &[f32]) -> f64 {
    let signal: Vec<f64> = frame.iter().map(|&v| f64::from(v)).collect();
    let energy: f64 = signal.iter().map(|v| v * v).sum();
    if energy < 1e-9 {
        return 1.0;
    }
    let mut frequency = predicted_frequency(&signal);
    if 1.0 - explained(&signal, frequency) / energy > FIRST_REST {
        return 1.0;
    }
    for step in 0..REFINEMENTS {
        frequency = peak(&signal, frequency, SEARCH_WIDTH * 0.25_f64.powi(step));
    }
    1.0 - explained(&signal, frequency) / energy
}

/// Radians per sample of the sinusoid whose recurrence `x[n-1] + x[n+1] = 2 cos(w) x[n]` fits best.
fn predicted_frequency(signal: &[f64]) -> f64 {
    let (mut cross, mut square) = (0.0, 0.0);
    for three in signal.windows(3) {
        let outer = three[0] + three[2];
        cross += outer * three[1];
        square += outer * outer;
    }
    // By total least squares of the two, which noise does not bias toward the middle of the band:
    // ratio of the outer pair to the middle, from their covariance.
    let middle: f64 = signal[1..signal.len() - 1].iter().map(|v| v * v).sum();
    let skew = square - 2.0 * middle;
    let ratio = (skew + (skew * skew + 8.0 * cross * cross).sqrt()) / (4.0 * cross);
    if ratio.is_nan() {
        return PI / 2.0;
    }
    ratio.clamp(-1.0, 1.0).acos().clamp(EDGE, PI - EDGE)
}

/// Top of the parabola through the energies explained at three frequencies.
fn peak(signal: &[f64], frequency: f64, width: f64) -> f64 {
    let at = |offset: f64| explained(signal, frequency + offset);
    let (low, middle, high) = (at(-width), at(0.0), at(width));
    let bend = low - 2.0 * middle + high;
    let step = if bend < 0.0 { 0.5 * (low - high) / bend } else { 0.0 };
    (frequency + width * step.clamp(-1.0, 1.0)).clamp(EDGE, PI - EDGE)
}

/// Correlation with a complex exponential.
pub(super) fn demodulate(signal: &[f64], frequency: f64) -> (f64, f64) {
    let (sin, cos) = frequency.sin_cos();
    let (mut s, mut c) = (0.0, 1.0);
    let (mut re, mut im) = (0.0, 0.0);
    for value in signal {
        re += value * c;
        im += value * s;
        (c, s) = (c * cos + s * sin, s * cos - c * sin);
    }
    (re, im)
}

/// Energy of the least squares fit of one frequency.
fn explained(signal: &[f64], frequency: f64) -> f64 {
    let (re, im) = demodulate(signal, frequency);
    // Sums of cos^2, sin^2 and their product over the frame, from the exponential at twice the
    // frequency.
    let count = signal.len() as f64;
    let half = (count * frequency).sin() / frequency.sin();
    let turn = (count - 1.0) * frequency;
    let (even, odd) = (half * turn.cos(), half * turn.sin());
    let (cc, ss, cs) = (0.5 * (count + even), 0.5 * (count - even), 0.5 * odd);
    let determinant = cc * ss - cs * cs;
    if determinant.abs() < 1e-6 * count * count {
        return 0.0;
    }
    // The demodulation's imaginary part is the correlation with minus the sine.
    (re * re * ss + im * im * cc + 2.0 * re * im * cs) / determinant
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(parts: &[(f64, f64)], noise: f64) -> Vec<f32> {
        let mut seed = 1_u64;
        let mut out = Vec::new();
        for n in 0..256 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let tones = parts.iter().map(|(hertz, level)| {
                level * (2.0 * PI * hertz * f64::from(n) / 16_000.0 + 1.0).sin()
            });
            out.push(
                (tones.sum::<f64>() + noise * ((seed >> 40) as f64 / 8_388_608.0 - 1.0)) as f32,
            );
        }
        out
    }

    #[test]
    fn single_tones_are_told_at_any_frequency_and_level() {
        for step in 3..120 {
            let hertz = f64::from(step) * 66.0;
            for level in [0.003, 0.1, 0.95] {
                assert!(is_tone(&frame(&[(hertz, level)], level * 0.01)), "{hertz} Hz at {level}");
            }
        }
    }

    #[test]
    fn harmonics_noise_and_silence_are_no_tone() {
        assert!(!is_tone(&frame(&[], 0.0)));
        assert!(!is_tone(&frame(&[], 0.1)));
        assert!(!is_tone(&frame(&[(300.0, 0.1)], 0.02)));
        for first in [90.0, 120.0, 200.0, 300.0] {
            let voice = frame(&[(first, 0.2), (2.0 * first, 0.02), (3.0 * first, 0.01)], 0.0);
            assert!(!is_tone(&voice), "{first}");
        }
    }

    #[test]
    fn a_tone_that_begins_or_bends_is_not_steady() {
        let mut half = frame(&[(300.0, 0.3)], 0.0);
        half[..128].fill(0.0);
        assert!(!is_tone(&half));
        let glide: Vec<f32> =
            (0..256).map(|n| (0.1 * f64::from(n) + 1e-4 * f64::from(n * n)).sin() as f32).collect();
        assert!(!is_tone(&glide));
    }
}
