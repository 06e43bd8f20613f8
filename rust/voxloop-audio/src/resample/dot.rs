//! The inner product that all of the resampler's time goes into.

/// Accumulators side by side: four vectors of the baseline instruction set, enough to hide the
/// latency of an addition, and one or two of a wider one.
const LANES: usize = 16;

/// Rows of taps are padded to a multiple of this, so that [`dot`] has no rest.
pub(super) const ROW_ALIGN: usize = LANES;

/// Sum of products of two rows of the same length, a multiple of [`ROW_ALIGN`].
///
/// The order of additions depends on the length alone, which is what makes the resampler's output
/// independent of how the input was cut.
pub(super) fn dot(taps: &[f32], samples: &[f32]) -> f32 {
    debug_assert_eq!(taps.len(), samples.len());
    let (tap_blocks, _) = taps.as_chunks::<LANES>();
    let (sample_blocks, _) = samples.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for (t, s) in tap_blocks.iter().zip(sample_blocks) {
        for lane in 0..LANES {
            sums[lane] += t[lane] * s[lane];
        }
    }
    // One after the other: a tree of halves makes the compiler use half-filled vectors above.
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_a_plain_sum_in_double_precision() {
        for length in [0, 16, 32, 192, 288, 368] {
            let taps: Vec<f32> = (0..length).map(|i| (i as f32 * 0.37).sin()).collect();
            let samples: Vec<f32> = (0..length).map(|i| (i as f32 * 0.11).cos()).collect();
            let plain: f64 = taps.iter().zip(&samples).map(|(a, b)| f64::from(a * b)).sum();
            assert!((f64::from(dot(&taps, &samples)) - plain).abs() < 1e-5, "{length}");
        }
    }
}
