//! Filter prototypes: the impulse response as a continuous function of time.

use std::f64::consts::PI;

/// The passband ends here and the stopband begins at 1.0, as parts of the narrower Nyquist
/// frequency: the band that soxr's HQ setting keeps.
const HIGH_PASS_EDGE: f64 = 0.9135;
/// Attenuation the window is designed for, in dB: 120 with a margin for the estimate's error.
const HIGH_ATTENUATION: f64 = 121.0;

/// An impulse response of unit area over time in samples of the narrower rate.
pub(super) trait Prototype {
    /// Open interval outside which the response is zero; it contains 0.
    fn support(&self) -> (f64, f64);
    /// The response `time` samples after the impulse.
    fn at(&self, time: f64) -> f64;
}

/// A sinc under a Kaiser window, symmetric about zero: linear phase, no delay of its own beyond the
/// half of the window that lies in the future.
pub(super) struct KaiserSinc {
    half_width: f64,
    cutoff: f64,
    beta: f64,
    scale: f64,
}

impl KaiserSinc {
    /// The response of the high quality.
    pub(super) fn high() -> Self {
        Self::new(HIGH_PASS_EDGE, 1.0, HIGH_ATTENUATION)
    }

    /// Length and window shape by Kaiser's estimates (J. F. Kaiser, 1974): attenuation in dB, edges
    /// as parts of the Nyquist frequency.
    pub(super) fn new(pass: f64, stop: f64, attenuation: f64) -> Self {
        let width = (attenuation - 7.95) / (2.285 * (stop - pass) * PI);
        let beta = 0.1102 * (attenuation - 8.7);
        Self {
            half_width: width / 2.0,
            cutoff: f64::midpoint(pass, stop),
            beta,
            scale: 1.0 / bessel_i0(beta),
        }
    }
}

impl Prototype for KaiserSinc {
    fn support(&self) -> (f64, f64) {
        (-self.half_width, self.half_width)
    }

    fn at(&self, time: f64) -> f64 {
        let along = time / self.half_width;
        if along.abs() >= 1.0 {
            return 0.0;
        }
        let window = bessel_i0(self.beta * (1.0 - along * along).sqrt()) * self.scale;
        self.cutoff * sinc(self.cutoff * time) * window
    }
}

/// `sin(pi x) / (pi x)`.
fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 {
        return 1.0;
    }
    (PI * x).sin() / (PI * x)
}

/// Modified Bessel function of the first kind, order zero, by its power series; the terms are all
/// positive, so the sum is good to the last bits for the arguments used here (up to 20).
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bessel_matches_published_values() {
        // Abramowitz and Stegun, table 9.8 (scaled there by exp(-x)).
        for (x, wanted) in [(0.0, 1.0), (1.0, 1.266_065_877_752), (5.0, 27.239_871_823_6)] {
            assert!((bessel_i0(x) / wanted - 1.0).abs() < 1e-12, "{x}");
        }
    }

    #[test]
    fn linear_phase_is_symmetric_with_unit_area() {
        let high = KaiserSinc::high();
        let (low, up) = high.support();
        assert!((low + up).abs() < 1e-12);
        let area: f64 = (-2_000..2_000).map(|i| high.at(f64::from(i) / 20.0) / 20.0).sum();
        assert!((area - 1.0).abs() < 1e-5, "{area}");
        assert!((high.at(3.3) - high.at(-3.3)).abs() < 1e-15);
    }
}
