//! Telling steady noise (a fan, a line, a car) from a voice.
//!
//! The network takes loud noise for speech, and any noise in a telephone's band, of which the upper
//! half of its own is empty. The level of a voice rises and falls in every band within a syllable,
//! and where a vowel is held it has a pitch; steady noise does neither.

use std::f64::consts::PI;
use std::sync::OnceLock;

use super::pair::WINDOW;
use crate::fourier::{Complex, transform};

/// Frames over which levels are compared: 256 ms, a syllable and a half.
const HISTORY: usize = 16;
/// Frames from which a judgement is made: within the shortest speech of the default settings.
const FEWEST: usize = 2;
/// Frames of a window.
const FRAMES: usize = 3;
/// Points of the transform of a window.
const TRANSFORM: usize = 1_024;
const RATE: f64 = 16_000.0;
/// Points of the transform on either side of a line that the window spreads it over.
const LINE: usize = 4;
/// Edges of the bands in Hz, all within that of a telephone, and the largest standard deviation of
/// the level in dB that noise has in each. Wider bands average more and move less.
const BANDS: [(f64, f64, f64); 4] =
    [(250.0, 500.0, 3.0), (500.0, 1_000.0, 2.2), (1_000.0, 2_000.0, 1.6), (2_000.0, 3_300.0, 1.4)];
/// Largest correlation of noise with itself at a pitch's distance.
const VOICING: f32 = 0.45;
/// Samples of the shortest and the longest pitch period: 400 and 60 Hz.
const PITCH: (usize, usize) = (40, 266);
/// What the pitch is looked for in is each sample less this part of the one before: noise that falls
/// toward high frequencies, as a car's does from 10 Hz on, correlates with itself otherwise.
const EMPHASIS: f32 = 0.998;
/// Added to a band's power: -120 dBFS.
const FLOOR: f64 = 1e-12;

/// The levels of the last frames.
#[derive(Debug, Clone)]
pub(super) struct Steady {
    levels: [[f64; BANDS.len()]; HISTORY],
    count: usize,
    /// Frames to come whose windows reach back into what does not count: a tone's end, or what was
    /// before the start.
    passing: usize,
    after_tone: bool,
}

impl Steady {
    pub(super) const fn new() -> Self {
        let levels = [[0.0; BANDS.len()]; HISTORY];
        Self { levels, count: 0, passing: FRAMES - 1, after_tone: false }
    }

    /// Takes the spectrum of the window that ends with the newest frame. Windows that reach back before the start or
    /// into a tone are not compared.
    pub(super) fn push(&mut self, spectrum: &Spectrum) {
        if self.passing > 0 {
            self.passing -= 1;
            return;
        }
        self.after_tone = false;
        self.levels[self.count % HISTORY] = spectrum.levels;
        self.count += 1;
    }

    /// The newest frame was a tone: forgets what was before. The next may hold the tone's end, and
    /// the windows of two more reach into that.
    pub(super) const fn tone(&mut self) {
        (self.count, self.passing, self.after_tone) = (0, FRAMES, true);
    }

    /// Whether the newest window reaches back into a tone.
    pub(super) const fn holds_tone(&self) -> bool {
        self.after_tone
    }

    /// Whether the newest window ends a stretch of steady noise.
    pub(super) fn is_noise(&self, window: &[f32; WINDOW]) -> bool {
        let held = &self.levels[..self.count.min(HISTORY)];
        if held.len() < FEWEST {
            return false;
        }
        let count = held.len() as f64;
        let steady = BANDS.iter().enumerate().all(|(band, (_, _, most))| {
            let mean = held.iter().map(|levels| levels[band]).sum::<f64>() / count;
            let square = held.iter().map(|levels| (levels[band] - mean).powi(2)).sum::<f64>();
            (square / count).sqrt() < *most
        });
        steady && voicing(window) < VOICING
    }
}

/// What the spectrum of a window says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spectrum {
    /// Level of each band in dB.
    levels: [f64; BANDS.len()],
    /// Part of the energy in the two highest lines, with the width the window gives them.
    pub(super) lines: f64,
}

impl Spectrum {
    pub(super) fn of(window: &[f32; WINDOW]) -> Self {
        let mut bins = vec![Complex::default(); TRANSFORM];
        for ((bin, &sample), &weight) in bins.iter_mut().zip(window).zip(hann()) {
            bin.re = f64::from(sample) * weight;
        }
        transform(&mut bins);
        let mut power: Vec<f64> =
            bins[..TRANSFORM / 2].iter().map(|b| b.re * b.re + b.im * b.im).collect();
        let levels = BANDS.map(|(low, high, _)| {
            let bin = |hertz: f64| (hertz / RATE * TRANSFORM as f64) as usize;
            let power: f64 = power[bin(low)..bin(high)].iter().sum();
            10.0 * (power / (WINDOW * WINDOW) as f64 + FLOOR).log10()
        });
        let all: f64 = power.iter().sum();
        let mut line = || {
            let top = (0..power.len()).max_by(|&a, &b| power[a].total_cmp(&power[b])).unwrap_or(0);
            let end = (top + LINE + 1).min(power.len());
            let around = &mut power[top.saturating_sub(LINE)..end];
            let held: f64 = around.iter().sum();
            around.fill(0.0);
            held
        };
        let lines = (line() + line()) / all.max(f64::MIN_POSITIVE);
        Self { levels, lines }
    }
}

/// A raised cosine over the window.
fn hann() -> &'static [f64; WINDOW] {
    static WEIGHTS: OnceLock<[f64; WINDOW]> = OnceLock::new();
    WEIGHTS.get_or_init(|| {
        std::array::from_fn(|at| (PI * (at as f64 + 0.5) / WINDOW as f64).sin().powi(2))
    })
}

/// Largest correlation of the window with itself at the distance of a pitch, 0 to 1.
fn voicing(window: &[f32; WINDOW]) -> f32 {
    let mut signal = [0.0_f32; WINDOW];
    for (to, two) in signal[1..].iter_mut().zip(window.windows(2)) {
        *to = two[1] - EMPHASIS * two[0];
    }
    let dot = |a: &[f32], b: &[f32]| -> f32 {
        let mut sums = [0.0_f32; 16];
        for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum += a * b;
            }
        }
        sums.iter().sum()
    };
    let (short, long) = PITCH;
    // All distances over the same stretch, a multiple of sixteen samples.
    let length = (WINDOW - long) / 16 * 16;
    let here = &signal[..length];
    let energy = dot(here, here);
    (short..=long)
        .map(|lag| {
            let there = &signal[lag..lag + length];
            dot(here, there) / (energy * dot(there, there)).sqrt().max(f32::MIN_POSITIVE)
        })
        .fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(sound: &[f32]) -> Vec<bool> {
        let mut steady = Steady::new();
        let windows = sound.windows(WINDOW).step_by(256);
        windows
            .map(|window| {
                let window: &[f32; WINDOW] = window.try_into().unwrap();
                steady.push(&Spectrum::of(window));
                steady.is_noise(window)
            })
            .collect()
    }

    fn white(count: usize) -> impl Iterator<Item = f32> {
        let mut seed = 77_u64;
        std::iter::repeat_with(move || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 40) as f32 / 8_388_608.0 - 1.0
        })
        .take(count)
    }

    fn voice(count: usize, steady: bool) -> Vec<f32> {
        let angle = |n: usize, k: usize| (n * k) as f32 * std::f32::consts::TAU * 130.0 / 16_000.0;
        (0..count)
            .map(|n| {
                let sum: f32 = (1..20).map(|k| angle(n, k).sin() / k as f32).sum();
                // Four syllables a second.
                let syllable = (n as f32 * std::f32::consts::PI / 4_000.0).sin().powi(2);
                0.2 * sum * if steady { 1.0 } else { syllable }
            })
            .collect()
    }

    #[test]
    fn noise_of_any_colour_is_steady() {
        for memory in [0.0, 0.7, 0.98] {
            let mut last = 0.0;
            let mut colour = |sample: f32| {
                last = memory * last + sample;
                last
            };
            for level in [0.5, 0.01, 1e-4] {
                let sound: Vec<f32> = white(80_000).map(|v| level * colour(v)).collect();
                let found = judge(&sound)[3..].iter().filter(|noise| !**noise).count();
                assert!(found <= 3, "{memory} {level}: {found} of 307");
            }
        }
    }

    #[test]
    fn a_voice_is_not_even_held_or_in_noise() {
        assert!(judge(&voice(32_000, true)).iter().all(|noise| !noise));
        assert!(judge(&voice(32_000, false))[4..].iter().all(|noise| !noise));
        // Noise at about 10 dB below the voice, in all bands.
        let mixed: Vec<f32> =
            voice(32_000, false).iter().zip(white(32_000)).map(|(v, n)| v + 0.05 * n).collect();
        let wrong = judge(&mixed)[10..].iter().filter(|noise| **noise).count();
        assert_eq!(wrong, 0);
    }
}
