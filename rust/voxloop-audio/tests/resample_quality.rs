//! Tones through every pair of the usual rates, judged against mathematics and not against the
//! filter's own design.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures and skips are shown")]

use std::f64::consts::TAU;

use voxloop_audio::{Quality, Resampler, Sample, pcm, resample};

const RATES: [u32; 6] = [8_000, 16_000, 22_050, 24_000, 44_100, 48_000];
/// Output frames at either end that the step at the tone's edges reaches.
const MARGIN: usize = 1_600;

fn pairs() -> impl Iterator<Item = (u32, u32)> {
    RATES.into_iter().flat_map(|a| RATES.into_iter().map(move |b| (a, b))).filter(|(a, b)| a != b)
}

fn nyquist(pair: (u32, u32)) -> f64 {
    f64::from(pair.0.min(pair.1)) / 2.0
}

fn tone(rate: u32, frequency: f64, amplitude: f64, frames: usize) -> Vec<f64> {
    let step = TAU * frequency / f64::from(rate);
    (0..frames).map(|n| amplitude * (step * n as f64 + 0.3).sin()).collect()
}

fn to<S: Sample>(samples: &[f64]) -> Vec<S> {
    samples.iter().map(|&v| S::from_f32(v as f32)).collect()
}

/// A quarter of a second of a tone through the resampler, without `MARGIN` frames at either end.
fn through<S: Sample>(
    pair: (u32, u32),
    quality: Quality,
    frequency: f64,
    amplitude: f64,
) -> Vec<f64> {
    let frames = (pair.0 / 4) as usize + 2 * MARGIN * pair.0 as usize / pair.1 as usize;
    let input: Vec<S> = to(&tone(pair.0, frequency, amplitude, frames));
    let out: Vec<S> = resample(&input, pair.0, pair.1, 1, quality).unwrap();
    out[MARGIN..out.len() - MARGIN].iter().map(|s| f64::from(s.to_f32())).collect()
}

/// Least squares fit of one frequency: amplitude, phase, and what remains (root mean square).
fn fit(signal: &[f64], rate: u32, frequency: f64) -> (f64, f64, f64) {
    let step = TAU * frequency / f64::from(rate);
    let basis = |n: usize| (step * n as f64).sin_cos();
    let (mut ss, mut sc, mut cc, mut sy, mut cy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (n, &y) in signal.iter().enumerate() {
        let (s, c) = basis(n);
        ss += s * s;
        sc += s * c;
        cc += c * c;
        sy += s * y;
        cy += c * y;
    }
    let determinant = ss * cc - sc * sc;
    let a = (sy * cc - cy * sc) / determinant;
    let b = (cy * ss - sy * sc) / determinant;
    let rest = signal.iter().enumerate().map(|(n, &y)| {
        let (s, c) = basis(n);
        (y - a * s - b * c).powi(2)
    });
    let rms = (rest.sum::<f64>() / signal.len() as f64).sqrt();
    (a.hypot(b), b.atan2(a), rms)
}

/// The signal less its part at one frequency, which would leak into a fit at another.
fn without(signal: &[f64], rate: u32, frequency: f64) -> Vec<f64> {
    let (amplitude, phase, _) = fit(signal, rate, frequency);
    let step = TAU * frequency / f64::from(rate);
    let part = |n: usize| amplitude * (step * n as f64 + phase).sin();
    signal.iter().enumerate().map(|(n, &y)| y - part(n)).collect()
}

fn db(ratio: f64) -> f64 {
    20.0 * ratio.log10()
}

/// Loudest line, in dB to `amplitude`, that a tone above the narrower Nyquist frequency leaves, or
/// that an image of a tone below it makes.
fn worst_alias<S: Sample>(pair: (u32, u32), quality: Quality) -> f64 {
    let mut worst = f64::NEG_INFINITY;
    let amplitude = 0.9;
    if pair.0 > pair.1 {
        let (from, to) = (nyquist(pair), f64::from(pair.0) / 2.0);
        for step in 0..14 {
            // Denser near the edge, where the stopband is highest.
            let frequency = from + (to - from) * (f64::from(step) / 14.0).powi(2) + 3.7;
            let out = through::<S>(pair, quality, frequency, amplitude);
            let image = frequency % f64::from(pair.1);
            let line = fit(&out, pair.1, image.min(f64::from(pair.1) - image)).0;
            worst = worst.max(db(line / amplitude));
        }
        return worst;
    }
    for step in 0..12 {
        // Up to the very edge, where the image comes nearest to the band.
        let frequency = nyquist(pair) * (0.05 + 0.945 * f64::from(step) / 11.0);
        let out = without(&through::<S>(pair, quality, frequency, amplitude), pair.1, frequency);
        for multiple in 1..=6 {
            for image in
                [f64::from(pair.0 * multiple) - frequency, f64::from(pair.0 * multiple) + frequency]
            {
                if image < f64::from(pair.1) / 2.0 {
                    worst = worst.max(db(fit(&out, pair.1, image).0 / amplitude));
                }
            }
        }
    }
    worst
}

#[test]
fn high_is_flat_to_nine_tenths() {
    for pair in pairs() {
        for step in 1..=18 {
            let frequency = nyquist(pair) * 0.05 * f64::from(step);
            let gain =
                db(fit(&through::<f32>(pair, Quality::High, frequency, 0.5), pair.1, frequency).0
                    / 0.5);
            assert!(gain.abs() < 1e-3, "{pair:?} {frequency}: {gain} dB");
        }
    }
}

#[test]
fn high_rejects_aliases_and_images() {
    for pair in pairs() {
        let float = worst_alias::<f32>(pair, Quality::High);
        let int = worst_alias::<i16>(pair, Quality::High);
        println!("high {pair:?}: float {float:.1} dB, int16 {int:.1} dB");
        assert!(float <= -120.0, "{pair:?}: {float} dB in float");
        assert!(int <= -100.0, "{pair:?}: {int} dB through int16");
    }
}

#[test]
fn high_keeps_tones_clean_and_in_place() {
    for pair in pairs() {
        for frequency in [1_000.0, 3_300.0] {
            let out = through::<f32>(pair, Quality::High, frequency, 0.9);
            // The fit starts MARGIN frames into the output.
            let place = TAU * frequency * MARGIN as f64 / f64::from(pair.1) + 0.3;
            let (amplitude, phase, rest) = fit(&out, pair.1, frequency);
            let turn = (phase - place) / TAU;
            let off = (turn - turn.round()) * f64::from(pair.1) / frequency;
            let snr = db(amplitude / 2.0_f64.sqrt() / rest);
            assert!(off.abs() < 1e-4, "{pair:?} {frequency}: {off} frames late");
            assert!(snr >= 125.0, "{pair:?} {frequency}: {snr} dB in float");
            // To int16 from float: one rounding, as in the output of a decoder.
            let source: Vec<f32> = to(&tone(pair.0, frequency, 0.999, pair.0 as usize / 2));
            let out: Vec<i16> = resample(&source, pair.0, pair.1, 1, Quality::High).unwrap();
            let inner = &out[MARGIN..out.len() - MARGIN];
            let wide: Vec<f64> =
                pcm::convert::<i16, f32>(inner).iter().map(|&v| f64::from(v)).collect();
            let (amplitude, _, rest) = fit(&wide, pair.1, frequency);
            let once = db(amplitude / 2.0_f64.sqrt() / rest);
            let out = through::<i16>(pair, Quality::High, frequency, 0.999);
            let (amplitude, _, rest) = fit(&out, pair.1, frequency);
            let twice = db(amplitude / 2.0_f64.sqrt() / rest);
            println!(
                "high {pair:?} {frequency}: float {snr:.1}, float to int16 {once:.1}, int16 {twice:.1} dB"
            );
            assert!(once >= 97.0, "{pair:?} {frequency}: {once} dB");
            assert!(twice >= 94.5, "{pair:?} {frequency}: {twice} dB");
        }
    }
}

#[test]
fn low_latency_band_and_rejection() {
    for pair in pairs() {
        for step in 1..=16 {
            let frequency = nyquist(pair) * 0.05 * f64::from(step);
            let out = through::<f32>(pair, Quality::LowLatency, frequency, 0.5);
            let gain = db(fit(&out, pair.1, frequency).0 / 0.5);
            assert!(gain.abs() < 1e-3, "{pair:?} {frequency}: {gain} dB");
        }
        let float = worst_alias::<f32>(pair, Quality::LowLatency);
        let int = worst_alias::<i16>(pair, Quality::LowLatency);
        println!("low_latency {pair:?}: float {float:.1} dB, int16 {int:.1} dB");
        assert!(float <= -96.0 && int <= -94.0, "{pair:?}: {float} and {int} dB");
    }
}

/// Seconds between a tone going in and coming out: what is held back plus the phase's lag.
fn delay_at(pair: (u32, u32), quality: Quality, frequency: f64) -> f64 {
    let out = through::<f32>(pair, quality, frequency, 0.5);
    let place = TAU * frequency * MARGIN as f64 / f64::from(pair.1) + 0.3;
    let turn = (place - fit(&out, pair.1, frequency).1) / TAU;
    let held = Resampler::new(pair.0, pair.1, 1, quality).unwrap().delay().as_secs_f64();
    held + (turn - turn.round()) / frequency
}

#[test]
fn delays_stay_within_their_limits() {
    for pair in pairs() {
        let slow = f64::from(pair.0.min(pair.1));
        let high = Resampler::new(pair.0, pair.1, 1, Quality::High).unwrap();
        // Half a linear phase filter of this band, and one sample.
        let limit = 91.0 / slow + 1.0 / f64::from(pair.0.min(pair.1));
        assert!(high.delay().as_secs_f64() <= limit, "{pair:?}: {:?}", high.delay());
        let frames = high.delay().as_secs_f64() * f64::from(pair.1);
        assert!((high.delay_frames() as f64 - frames).abs() < 1.001, "{pair:?}");
        let low = Resampler::new(pair.0, pair.1, 1, Quality::LowLatency).unwrap();
        let worst = [0.1, 0.2, 0.4, 0.6, 0.8, 0.85]
            .map(|part| delay_at(pair, Quality::LowLatency, part * nyquist(pair)))
            .into_iter()
            .fold(0.0, f64::max);
        println!(
            "{pair:?}: high {:.2} ms, low latency held {:.3} ms, worst in band {:.3} ms",
            high.delay().as_secs_f64() * 1e3,
            low.delay().as_secs_f64() * 1e3,
            worst * 1e3
        );
        assert!(worst <= 2e-3, "{pair:?}: {worst} s");
    }
}

#[test]
fn held_back_output_is_what_delay_frames_says() {
    for pair in pairs() {
        for quality in [Quality::High, Quality::LowLatency] {
            let mut resampler = Resampler::new(pair.0, pair.1, 1, quality).unwrap();
            let (mut out, mut most) = (Vec::<f32>::new(), 0);
            for fed in 1..=1_500_u64 {
                resampler.process(&[0.0_f32], &mut out).unwrap();
                most = most.max(resampler.output_frames(fed).saturating_sub(out.len() as u64));
            }
            let stated = resampler.delay_frames();
            // One more for the frame that rounding the count up already promises.
            assert!(
                most <= stated + 1 && stated <= most + 1,
                "{pair:?} {quality:?}: {most} {stated}"
            );
        }
    }
}

#[test]
fn rates_without_a_common_factor_keep_the_quality() {
    for pair in [(44_101, 48_000), (47_999, 16_001), (8_000, 44_099)] {
        let amplitude = 0.9;
        let out = through::<f32>(pair, Quality::High, 997.0, amplitude);
        let (gain, _, rest) = fit(&out, pair.1, 997.0);
        assert!(db(gain / amplitude).abs() < 1e-3);
        assert!(db(amplitude / 2.0_f64.sqrt() / rest) >= 120.0, "{pair:?}");
        let alias = worst_alias::<f32>(pair, Quality::High);
        println!("{pair:?}: {alias:.1} dB");
        assert!(alias <= -120.0, "{pair:?}: {alias}");
    }
}
