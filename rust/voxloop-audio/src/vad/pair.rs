//! Telling two steady tones, as a telephone exchange makes them, from a voice.
//!
//! Dial, busy and ringing tones and the keys of a telephone are sums of two sinusoids, and the
//! network takes many of them for a voice. Two sinusoids of constant frequency and level leave next
//! to nothing of such a signal over [`WINDOW`] samples, and a good part of a voice, whose pitch and
//! level move and which has more harmonics.

use std::f64::consts::{PI, TAU};

use super::tone::demodulate;
use crate::fourier::{Complex, transform};

/// Samples looked at: 48 ms at 16 kHz, three frames of the network. Ringing tones 40 Hz apart go
/// through two periods of their difference.
pub(super) const WINDOW: usize = 768;
/// Part of the window's energy that the two may leave unexplained: -25 dB. See the tests for what
/// voices and tones leave.
const REST: f64 = 3e-3;
/// What the strongest of the two alone, and what a first guess of both must not leave; they spare a
/// voice the search.
const ONE_REST: f64 = 0.7;
const FIRST_REST: f64 = 0.3;
/// Points of the transform that gives the first guess.
const TRANSFORM: usize = 1_024;
/// Rounds of the search, and half the first step's width in radians per sample: a tenth of the main
/// lobe of the window.
const ROUNDS: i32 = 5;
const SEARCH_WIDTH: f64 = 1.6e-3;
/// Frequencies nearer to 0 than this many radians per sample (25 Hz at 16 kHz), or above 4 kHz, are
/// not looked for: telephones send none there.
const EDGE: f64 = 0.01;
const TOP: f64 = PI / 2.0;

/// Whether two sinusoids of constant frequency and level explain the window.
pub(super) fn is_pair(window: &[f32]) -> bool {
    rest(window) < REST
}

/// Energy of the window that the best two sinusoids found leave, as a part of the whole; 1 when it
/// is silence or clearly not such a pair.
pub(super) fn rest(window: &[f32]) -> f64 {
    let signal: Vec<f64> = window.iter().map(|&v| f64::from(v)).collect();
    let energy: f64 = signal.iter().map(|v| v * v).sum();
    if energy < 1e-9 {
        return 1.0;
    }
    let one = loudest(&signal);
    let one = top(one, 2.0 * SEARCH_WIDTH, |one| fit(&signal, [one]).0);
    let (held, [cosine, sine]) = fit(&signal, [one]);
    if 1.0 - held / energy > ONE_REST {
        return 1.0;
    }
    let without: Vec<f64> = signal
        .iter()
        .zip(turns(one))
        .map(|(value, (cos, sin))| value - cosine * cos - sine * sin)
        .collect();
    let mut pair = [one, loudest(&without)];
    let left = |pair: [f64; 2]| 1.0 - fit(&signal, pair).0 / energy;
    if left(pair) > FIRST_REST {
        return 1.0;
    }
    for round in 0..ROUNDS {
        let width = SEARCH_WIDTH * 0.5_f64.powi(round);
        let [one, other] = pair;
        pair[1] = top(other, width, |other| -left([one, other]));
        let other = pair[1];
        pair[0] = top(one, width, |one| -left([one, other]));
    }
    left(pair)
}

/// Angle per sample of the highest point of the transform.
fn loudest(signal: &[f64]) -> f64 {
    let mut bins = vec![Complex::default(); TRANSFORM];
    for (bin, &value) in bins.iter_mut().zip(signal) {
        bin.re = value;
    }
    transform(&mut bins);
    let step = TAU / TRANSFORM as f64;
    let (low, high) = ((EDGE / step).ceil() as usize, (TOP / step) as usize);
    let power = |at: &usize| bins[*at].re * bins[*at].re + bins[*at].im * bins[*at].im;
    let best = (low..=high).max_by(|a, b| power(a).total_cmp(&power(b))).unwrap_or(low);
    best as f64 * step
}

/// Cosines and sines of the multiples of an angle.
fn turns(angle: f64) -> impl Iterator<Item = (f64, f64)> {
    let (sin, cos) = angle.sin_cos();
    std::iter::successors(Some((1.0, 0.0)), move |&(c, s)| {
        Some((c * cos - s * sin, s * cos + c * sin))
    })
}

/// Top of the parabola through three values around `at`.
fn top(at: f64, width: f64, value: impl Fn(f64) -> f64) -> f64 {
    let (low, middle, high) = (value(at - width), value(at), value(at + width));
    let bend = low - 2.0 * middle + high;
    let step = if bend < 0.0 { 0.5 * (low - high) / bend } else { (high - low).signum() };
    (at + width * step.clamp(-1.0, 1.0)).clamp(EDGE, TOP)
}

/// Least squares fit of a cosine and a sine of each frequency: its energy, and the factors of those
/// of the first.
fn fit<const N: usize>(signal: &[f64], frequencies: [f64; N]) -> (f64, [f64; 2]) {
    const { assert!(N == 1 || N == 2) };
    let mut rows = [[0.0; 5]; 4];
    let mut wanted = [0.0; 4];
    for (at, &one) in frequencies.iter().enumerate() {
        // The demodulation's imaginary part is the correlation with minus the sine.
        let (re, im) = demodulate(signal, one);
        (wanted[2 * at], wanted[2 * at + 1]) = (re, -im);
        for (to, &other) in frequencies.iter().enumerate() {
            let [cc, ss, cs, sc] = products(one, other, signal.len());
            (rows[2 * at][2 * to], rows[2 * at][2 * to + 1]) = (cc, cs);
            (rows[2 * at + 1][2 * to], rows[2 * at + 1][2 * to + 1]) = (sc, ss);
        }
    }
    for (at, row) in rows.iter_mut().enumerate() {
        row[4] = wanted[at];
        if at >= 2 * N {
            row[at] = signal.len() as f64;
        }
    }
    let Some(found) = solve(rows) else { return (0.0, [0.0; 2]) };
    let energy = found.iter().zip(wanted).map(|(factor, sum)| factor * sum).sum();
    (energy, [found[0], found[1]])
}

/// Sums over the window of the products cos cos, sin sin, cos sin and sin cos of the multiples of
/// two angles.
fn products(a: f64, b: f64, length: usize) -> [f64; 4] {
    let count = length as f64;
    let sums = |angle: f64| {
        let half = (0.5 * angle).sin();
        let size = if half.abs() < 1e-9 { count } else { (0.5 * count * angle).sin() / half };
        let turn = 0.5 * (count - 1.0) * angle;
        (size * turn.cos(), size * turn.sin())
    };
    let ((c_sum, s_sum), (c_gap, s_gap)) = (sums(a + b), sums(b - a));
    [c_gap + c_sum, c_gap - c_sum, s_sum + s_gap, s_sum - s_gap].map(|twice| 0.5 * twice)
}

/// Gauss elimination with the largest pivot; `None` when the rows are not independent.
fn solve(mut rows: [[f64; 5]; 4]) -> Option<[f64; 4]> {
    for column in 0..4 {
        let largest =
            |a: &usize, b: &usize| rows[*a][column].abs().total_cmp(&rows[*b][column].abs());
        let pivot = (column..4).max_by(largest)?;
        rows.swap(column, pivot);
        if rows[column][column].abs() < 1e-9 * WINDOW as f64 {
            return None;
        }
        let top = rows[column];
        for row in &mut rows[column + 1..] {
            let factor = row[column] / top[column];
            for (value, &above) in row.iter_mut().zip(&top).skip(column) {
                *value -= factor * above;
            }
        }
    }
    let mut found = [0.0; 4];
    for row in (0..4).rev() {
        let known: f64 = (row + 1..4).map(|at| rows[row][at] * found[at]).sum();
        found[row] = (rows[row][4] - known) / rows[row][row];
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{g711, pcm, wav};

    /// Two tones of the given amplitudes and noise beside them, `at` samples into the sound.
    fn tones(pairs: [(f64, f64); 2], noise: f64, at: usize) -> Vec<f32> {
        let mut seed = 1 + at as u64;
        let one = |n: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let time = (n + at) as f64 / 16_000.0;
            let sound: f64 =
                pairs.iter().map(|(hertz, level)| level * (TAU * hertz * time).sin()).sum();
            (sound + noise * ((seed >> 40) as f64 / 8_388_608.0 - 1.0)) as f32
        };
        (0..WINDOW).map(one).collect()
    }

    #[test]
    fn tones_of_telephones_are_told_through_noise_and_g711() {
        let low = [697.0, 770.0, 852.0, 941.0];
        let keys =
            low.into_iter().flat_map(|a| [1_209.0, 1_336.0, 1_477.0, 1_633.0].map(|b| (a, b)));
        let exchange =
            [(350.0, 440.0), (440.0, 480.0), (480.0, 620.0), (350.0, 450.0), (400.0, 450.0)];
        for (a, b) in keys.chain(exchange) {
            for at in [0, 997, 5_001] {
                // Equal, or the keys' largest permitted difference of 8 dB; noise 35 dB below.
                for (first, second) in [(0.2, 0.2), (0.2, 0.08), (0.08, 0.2)] {
                    let sound = tones([(a, first), (b, second)], 0.005, at);
                    assert!(is_pair(&sound), "{a} and {b} Hz: {}", rest(&sound));
                    let coded = g711::ulaw_encode_slice(&pcm::convert(&sound));
                    let coded: Vec<f32> = pcm::convert(&g711::ulaw_decode_slice(&coded));
                    assert!(is_pair(&coded), "{a} and {b} Hz in u-law: {}", rest(&coded));
                }
            }
        }
    }

    #[test]
    fn three_tones_glides_noise_and_silence_are_no_pair() {
        assert!(!is_pair(&[0.0; WINDOW]));
        assert!(!is_pair(&tones([(1.0, 0.0); 2], 0.3, 0)));
        let mut three = tones([(200.0, 0.2), (400.0, 0.1)], 0.0, 0);
        for (sample, third) in three.iter_mut().zip(tones([(600.0, 0.05); 2], 0.0, 0)) {
            *sample += third;
        }
        assert!(!is_pair(&three), "{}", rest(&three));
        // The first two harmonics of a pitch that rises by 4 % in the window.
        let glide: Vec<f32> = (0..WINDOW)
            .map(|n| {
                let time = n as f64 / 16_000.0;
                let angle = TAU * 180.0 * (time + 0.4 * time * time);
                (0.2 * angle.sin() + 0.1 * (2.0 * angle).sin()) as f32
            })
            .collect();
        assert!(!is_pair(&glide), "{}", rest(&glide));
    }

    /// `REST` lies between what tones leave (at most 0.0012 with noise 30 dB below) and this: the
    /// least that any frame of the clips left was 0.012.
    #[test]
    fn no_frame_of_real_speech_is_near() {
        let here = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let above = here.ancestors().map(|above| above.join("shared/speech"));
        let folder = std::env::var_os("VOXLOOP_SPEECH")
            .map(std::path::PathBuf::from)
            .or_else(|| above.into_iter().find(|folder| folder.is_dir()));
        let Some(folder) = folder else { return };
        let mut frames = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|end| end != "wav") {
                continue;
            }
            let clip = wav::decode::<f32>(&std::fs::read(&path).unwrap()).unwrap();
            let mono = pcm::downmix(&clip.samples, clip.info.channels).unwrap();
            let rate = clip.info.sample_rate;
            let sound: Vec<f32> =
                crate::resample(&mono, rate, 16_000, 1, crate::Quality::LowLatency).unwrap();
            for (index, window) in sound.windows(WINDOW).step_by(256).enumerate() {
                // The quiet between words may hold a hum.
                if pcm::rms(window) > 0.003 {
                    let left = rest(window);
                    assert!(left > 2.0 * REST, "{} at {index}: {left}", path.display());
                    frames += 1;
                }
            }
        }
        assert!(frames > 1_000, "{frames}");
    }
}
