//! The discrete Fourier transform.

use std::f64::consts::TAU;
use std::sync::OnceLock;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Complex {
    pub(crate) re: f64,
    pub(crate) im: f64,
}

/// Points of the transform whose factors are kept.
const USUAL: usize = 1_024;

/// Forward discrete Fourier transform in place, radix two (J. W. Cooley and J. W. Tukey, 1965); the
/// length is a power of two.
pub(crate) fn transform(bins: &mut [Complex]) {
    static KEPT: OnceLock<Vec<Complex>> = OnceLock::new();
    if bins.len() == USUAL {
        return by_factors(bins, KEPT.get_or_init(|| factors(USUAL)));
    }
    let factors = factors(bins.len());
    by_factors(bins, &factors);
}

fn factors(length: usize) -> Vec<Complex> {
    let one = |k: usize| {
        let (sin, cos) = (-TAU * k as f64 / length as f64).sin_cos();
        Complex { re: cos, im: sin }
    };
    (0..length / 2).map(one).collect()
}

fn by_factors(bins: &mut [Complex], twiddles: &[Complex]) {
    let length = bins.len();
    let shift = usize::BITS - length.trailing_zeros();
    for index in 1..length {
        let mirrored = index.reverse_bits() >> shift;
        if index < mirrored {
            bins.swap(index, mirrored);
        }
    }
    let mut half = 1;
    while half < length {
        for block in bins.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for (k, (a, b)) in low.iter_mut().zip(high).enumerate() {
                let w = twiddles[k * (length / (2 * half))];
                let turned =
                    Complex { re: b.re * w.re - b.im * w.im, im: b.re * w.im + b.im * w.re };
                *b = Complex { re: a.re - turned.re, im: a.im - turned.im };
                *a = Complex { re: a.re + turned.re, im: a.im + turned.im };
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transform_matches_the_definition() {
        let signal: Vec<f64> = (0..16).map(|i| f64::from(i * i % 7)).collect();
        let mut bins: Vec<_> = signal.iter().map(|&re| Complex { re, im: 0.0 }).collect();
        transform(&mut bins);
        for (k, bin) in bins.iter().enumerate() {
            let angle = |n: usize| -TAU * (k * n) as f64 / 16.0;
            let re: f64 = signal.iter().enumerate().map(|(n, x)| x * angle(n).cos()).sum();
            let im: f64 = signal.iter().enumerate().map(|(n, x)| x * angle(n).sin()).sum();
            assert!((bin.re - re).abs() < 1e-9 && (bin.im - im).abs() < 1e-9, "{k}");
        }
    }
}
