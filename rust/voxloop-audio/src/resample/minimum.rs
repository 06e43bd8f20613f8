//! The minimum phase prototype of the low-latency quality.
//!
//! A linear phase response is turned into the one with the same magnitude and the least delay by the
//! real cepstrum (A. V. Oppenheim and R. W. Schafer, Discrete-Time Signal Processing, "minimum phase
//! and all-pass decomposition"): fold the anticausal half of the inverse transform of the log
//! magnitude onto the causal half, and transform back.

use std::sync::OnceLock;

use super::design::{KaiserSinc, Prototype};
use crate::fourier::{Complex, transform};

/// Band edges as parts of the narrower Nyquist frequency, and attenuation in dB: past what 16 bits
/// can hold, at half the length of the high quality.
const PASS_EDGE: f64 = 0.86;
const ATTENUATION: f64 = 98.0;
/// Grid points per sample of the narrower rate.
const GRID: usize = 16;
/// Transform length: 23 times the response, so that the cepstrum's tail folds in below -150 dB.
const TRANSFORM: usize = 1 << 15;
/// Added in power to the magnitude before its logarithm, as zeros of the response lie on the unit
/// circle: -120 dB, below the stopband.
const FLOOR: f64 = 1e-6;
/// Points of the interpolation between grid points; the response fills 1/16 of the grid's band,
/// where eight-point Lagrange interpolation is right to -170 dB.
const POINTS: usize = 8;

/// A response on a fine grid, zero before its first point, with time zero at its mean delay at low
/// frequencies: a slow signal comes out where it went in.
#[derive(Debug)]
pub(super) struct MinimumPhase {
    grid: Vec<f64>,
    /// Grid points before time zero.
    origin: f64,
}

impl MinimumPhase {
    /// The response of the low-latency quality, computed once per process.
    pub(super) fn low_latency() -> &'static Self {
        static RESPONSE: OnceLock<MinimumPhase> = OnceLock::new();
        RESPONSE.get_or_init(|| Self::of(&KaiserSinc::new(PASS_EDGE, 1.0, ATTENUATION)))
    }

    fn of(linear: &KaiserSinc) -> Self {
        let reach = (linear.support().1 * GRID as f64).floor() as i64;
        let length = 2 * reach as usize + 1;
        let mut bins = vec![Complex::default(); TRANSFORM];
        for (bin, at) in bins.iter_mut().zip(-reach..=reach) {
            bin.re = linear.at(at as f64 / GRID as f64) / GRID as f64;
        }
        transform(&mut bins);
        for bin in &mut bins {
            let power = bin.re * bin.re + bin.im * bin.im + FLOOR * FLOOR;
            *bin = Complex { re: 0.5 * power.ln(), im: 0.0 };
        }
        // The log magnitude is real and even, so the forward transform serves as the inverse.
        transform(&mut bins);
        for (index, bin) in bins.iter_mut().enumerate() {
            let fold = match index {
                0 => 1.0,
                _ if index == TRANSFORM / 2 => 1.0,
                _ if index < TRANSFORM / 2 => 2.0,
                _ => 0.0,
            };
            *bin = Complex { re: bin.re * fold / TRANSFORM as f64, im: 0.0 };
        }
        transform(&mut bins);
        for bin in &mut bins {
            let (size, angle) = (bin.re.exp(), bin.im);
            // Conjugated: the forward transform of the conjugate is the inverse's conjugate.
            *bin = Complex { re: size * angle.cos(), im: -size * angle.sin() };
        }
        transform(&mut bins);
        let scale = GRID as f64 / TRANSFORM as f64;
        let grid: Vec<f64> = bins[..length].iter().map(|bin| bin.re * scale).collect();
        let moment: f64 = grid.iter().enumerate().map(|(at, value)| at as f64 * value).sum();
        let origin = moment / grid.iter().sum::<f64>();
        Self { grid, origin }
    }
}

impl Prototype for MinimumPhase {
    fn support(&self) -> (f64, f64) {
        let step = GRID as f64;
        (-self.origin / step, (self.grid.len() as f64 - self.origin) / step)
    }

    fn at(&self, time: f64) -> f64 {
        let place = time * GRID as f64 + self.origin;
        if place <= 0.0 || place >= self.grid.len() as f64 {
            return 0.0;
        }
        // The interpolating points are `POINTS / 2 - 1` before the place to `POINTS / 2` after it.
        let before = POINTS / 2 - 1;
        let whole = place as usize;
        let part = place - whole as f64 + before as f64;
        let value = |point: usize| {
            let index = (whole + point).checked_sub(before)?;
            self.grid.get(index).copied()
        };
        (0..POINTS).map(|point| value(point).unwrap_or(0.0) * lagrange(point, part)).sum()
    }
}

/// Weight of one of the points `0..POINTS` for the place `at`.
fn lagrange(point: usize, at: f64) -> f64 {
    (0..POINTS)
        .filter(|&other| other != point)
        .map(|other| (at - other as f64) / (point as f64 - other as f64))
        .product()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Magnitude in dB and delay in samples at a frequency given as a part of the Nyquist frequency.
    fn response(of: &MinimumPhase, frequency: f64) -> (f64, f64) {
        let (mut re, mut im, mut dre, mut dim) = (0.0, 0.0, 0.0, 0.0);
        for (index, value) in of.grid.iter().enumerate() {
            let time = (index as f64 - of.origin) / GRID as f64;
            let (sin, cos) = (-std::f64::consts::PI * frequency * time).sin_cos();
            re += value * cos;
            im += value * sin;
            dre += time * value * cos;
            dim += time * value * sin;
        }
        let power = re * re + im * im;
        let delay = (dre * re + dim * im) / power;
        (10.0 * (power / (GRID * GRID) as f64).log10(), delay)
    }

    #[test]
    fn magnitude_and_delay() {
        let minimum = MinimumPhase::low_latency();
        for step in 1..=86 {
            let (gain, delay) = response(minimum, f64::from(step) * 0.01);
            assert!(gain.abs() < 1e-3, "{step}: {gain} dB");
            assert!((-0.01..10.0).contains(&delay), "{step}: {delay} samples");
        }
        for step in 0..400 {
            let (gain, _) = response(minimum, 1.0 + f64::from(step) * 0.01);
            assert!(gain < -96.0, "{step}: {gain} dB");
        }
        let (_, delay) = response(minimum, 1e-3);
        assert!(delay.abs() < 1e-3, "{delay}");
        let held = -minimum.support().0;
        assert!((2.0..3.0).contains(&held), "{held}");
    }

    #[test]
    fn interpolation_meets_the_grid() {
        let minimum = MinimumPhase::low_latency();
        for index in [1, 40, 44, 100, 900] {
            let time = (index as f64 - minimum.origin) / GRID as f64;
            assert!((minimum.at(time) - minimum.grid[index]).abs() < 1e-9, "{index}");
        }
        assert!(minimum.at(minimum.support().0 - 0.01).abs() < f64::MIN_POSITIVE);
    }
}
