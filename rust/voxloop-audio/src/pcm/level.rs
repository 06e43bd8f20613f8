//! Gain and mixing.

use super::Sample;
use crate::error::{AudioError, Result};

/// Multiplies every sample by `factor`. `i16` is rounded to nearest, halves to even, and clamped;
/// `f32` is not clamped.
///
/// # Errors
/// [`AudioError::Format`] when `factor` is not finite; nothing is changed then.
pub fn gain<S: Sample>(samples: &mut [S], factor: f32) -> Result<()> {
    if !factor.is_finite() {
        return Err(AudioError::format("gain", factor, "a finite factor"));
    }
    S::scale(samples, factor);
    Ok(())
}

/// The factor of a gain in dB; 0 for minus infinity.
pub fn gain_from_db(db: f32) -> f32 {
    10.0_f32.powf(db / 20.0)
}

/// Adds `other` to `samples`, each sum clamped to full scale; NaN in `f32` stays.
///
/// # Errors
/// [`AudioError::Format`] when the lengths differ; nothing is changed then.
pub fn mix_into<S: Sample>(samples: &mut [S], other: &[S]) -> Result<()> {
    if samples.len() != other.len() {
        let wanted = format!("{}, as many as it is mixed into", samples.len());
        return Err(AudioError::format("samples to mix", other.len(), wanted));
    }
    S::add(samples, other);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mixing_clamps_at_both_ends() {
        let mut samples = [30_000_i16, -30_000, 5, i16::MIN];
        mix_into(&mut samples, &[10_000, -10_000, -7, i16::MIN]).unwrap();
        assert_eq!(samples, [i16::MAX, i16::MIN, -2, i16::MIN]);
        let mut floats = [0.75_f32, -0.75, 0.25];
        mix_into(&mut floats, &[0.5, -0.5, 0.25]).unwrap();
        assert_eq!(floats.map(f32::to_bits), [1.0_f32, -1.0, 0.5].map(f32::to_bits));
        assert!(mix_into(&mut samples, &[1]).is_err());
    }

    #[test]
    fn gains_known_and_refused() {
        let mut samples = [10_000_i16, -10_000, 20_000, 1, 3];
        gain(&mut samples, 2.0).unwrap();
        assert_eq!(samples, [20_000, -20_000, i16::MAX, 2, 6]);
        gain(&mut samples, 0.25).unwrap();
        assert_eq!(samples, [5_000, -5_000, 8_192, 0, 2]);
        for factor in [f32::NAN, f32::INFINITY] {
            assert_eq!(gain(&mut samples, factor).unwrap_err().code(), "audio_format");
        }
        assert!((gain_from_db(6.0) - 1.995_262).abs() < 1e-5);
        assert!(gain_from_db(f32::NEG_INFINITY).abs() < f32::MIN_POSITIVE);
    }

    proptest! {
        #[test]
        fn gain_is_the_nearest_within_single_precision(
            sample: i16,
            factor in -4.0_f32..4.0,
        ) {
            let mut samples = [sample];
            gain(&mut samples, factor).unwrap();
            let exact = (f64::from(sample) * f64::from(factor)).clamp(-32_768.0, 32_767.0);
            prop_assert!((f64::from(samples[0]) - exact).abs() < 0.5 + 0.004);
        }
    }
}
