//! Lengths, chunking, channels and state of the streaming resampler.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use proptest::prelude::*;
use voxloop_audio::{Quality, Resampler, Sample, resample};

const RATES: [u32; 9] = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 44_101];

fn noise(samples: usize, mut seed: u64) -> Vec<i16> {
    (0..samples)
        .map(|_| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 48) as i16
        })
        .collect()
}

/// The signal in pieces of the given numbers of frames, the rest at once.
fn in_pieces<S: Sample>(resampler: &mut Resampler, signal: &[S], sizes: &[usize]) -> Vec<S> {
    let channels = usize::from(resampler.channels());
    let (mut out, mut rest) = (Vec::new(), signal);
    for size in sizes {
        let (head, tail) = rest.split_at((size * channels).min(rest.len()));
        resampler.process(head, &mut out).unwrap();
        rest = tail;
    }
    resampler.process(rest, &mut out).unwrap();
    resampler.flush(&mut out);
    out
}

/// `round(frames * to / from)`, halves to even, by comparing the remainder alone.
fn rounded(frames: usize, from: u32, to: u32) -> usize {
    let (product, from) = (frames * to as usize, from as usize);
    let (whole, rest) = (product / from, product % from);
    match (rest * 2).cmp(&from) {
        std::cmp::Ordering::Less => whole,
        std::cmp::Ordering::Greater => whole + 1,
        std::cmp::Ordering::Equal => whole + whole % 2,
    }
}

fn any_rate() -> impl Strategy<Value = u32> {
    proptest::sample::select(&RATES[..])
}

fn any_quality() -> impl Strategy<Value = Quality> {
    proptest::sample::select(&[Quality::High, Quality::LowLatency][..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_chunking_gives_the_same_bits_and_the_exact_length(
        from in any_rate(),
        to in any_rate(),
        quality in any_quality(),
        channels in 1_u16..4,
        frames in 0_usize..3_000,
        sizes in proptest::collection::vec(0_usize..700, 0..12),
        seed: u64,
    ) {
        let signal = noise(frames * usize::from(channels), seed);
        let whole: Vec<i16> = resample(&signal, from, to, channels, quality).unwrap();
        prop_assert_eq!(whole.len(), rounded(frames, from, to) * usize::from(channels));
        let mut resampler = Resampler::new(from, to, channels, quality).unwrap();
        prop_assert_eq!(&in_pieces(&mut resampler, &signal, &sizes), &whole);
        // Flushed is as new.
        prop_assert_eq!(&in_pieces(&mut resampler, &signal, &[1, 2, 3]), &whole);
        let float: Vec<f32> = signal.iter().map(|s| s.to_f32()).collect();
        let whole: Vec<f32> = resample(&float, from, to, channels, quality).unwrap();
        let pieces = in_pieces(&mut resampler, &float, &sizes);
        prop_assert!(whole.iter().map(|v| v.to_bits()).eq(pieces.iter().map(|v| v.to_bits())));
    }

    #[test]
    fn channels_do_not_touch_each_other(from in any_rate(), to in any_rate(), seed: u64) {
        let (left, right) = (noise(900, seed), noise(900, !seed));
        let both: Vec<i16> = left.iter().zip(&right).flat_map(|(&l, &r)| [l, r]).collect();
        let stereo: Vec<i16> = resample(&both, from, to, 2, Quality::High).unwrap();
        let mono = |signal: &[i16]| -> Vec<i16> { resample(signal, from, to, 1, Quality::High).unwrap() };
        let wanted: Vec<i16> = mono(&left).iter().zip(&mono(&right)).flat_map(|(&l, &r)| [l, r]).collect();
        prop_assert_eq!(stereo, wanted);
    }
}

#[test]
fn single_samples_equal_the_whole() {
    let signal = noise(1_200, 7);
    for (from, to) in [(48_000, 24_000), (24_000, 16_000), (8_000, 24_000), (44_100, 24_000)] {
        let whole: Vec<i16> = resample(&signal, from, to, 1, Quality::High).unwrap();
        let mut resampler = Resampler::new(from, to, 1, Quality::High).unwrap();
        assert_eq!(in_pieces(&mut resampler, &signal, &[1; 1_200]), whole);
    }
}

#[test]
fn equal_rates_pass_through_at_once() {
    let signal = noise(500, 3);
    let mut resampler = Resampler::new(24_000, 24_000, 1, Quality::High).unwrap();
    let mut out: Vec<i16> = Vec::new();
    resampler.process(&signal, &mut out).unwrap();
    assert_eq!(out, signal);
    resampler.flush(&mut out);
    assert_eq!(out, signal);
    assert_eq!(resampler.delay_frames(), 0);
    assert!(resampler.delay().is_zero());
}

#[test]
fn every_length_near_zero_is_right() {
    for (from, to) in [(48_000, 24_000), (24_000, 48_000), (44_100, 8_000), (8_000, 192_000)] {
        for frames in 0..40 {
            for quality in [Quality::High, Quality::LowLatency] {
                let out: Vec<f32> = resample(&vec![0.5_f32; frames], from, to, 1, quality).unwrap();
                assert_eq!(out.len(), rounded(frames, from, to), "{from} {to} {frames}");
            }
        }
    }
}

#[test]
fn full_scale_is_clamped_and_never_wraps() {
    // A full-scale square wave overshoots by the filter's ringing.
    let square: Vec<i16> =
        (0..4_800).map(|n| if n / 40 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    let out: Vec<i16> = resample(&square, 48_000, 24_000, 1, Quality::High).unwrap();
    for (n, &sample) in out.iter().enumerate().skip(100).take(2_200) {
        // Within a half period, away from the edge, the sign must hold.
        if n % 20 > 3 && n % 20 < 17 {
            assert_eq!(sample > 0, n / 20 % 2 == 0, "{n}: {sample}");
        }
    }
    assert!(out.contains(&i16::MAX) && out.contains(&i16::MIN));
}

#[test]
fn constant_input_stays_constant() {
    for (from, to) in [(48_000, 24_000), (8_000, 24_000), (44_100, 16_000)] {
        let out: Vec<i16> = resample(&[12_345_i16; 8_000], from, to, 1, Quality::High).unwrap();
        let edge = 1_200.min(out.len() / 3);
        assert!(out[edge..out.len() - edge].iter().all(|&v| v == 12_345), "{from} {to}");
    }
}

#[test]
fn a_clone_goes_on_by_itself() {
    let signal = noise(2_000, 11);
    let mut first = Resampler::new(24_000, 16_000, 1, Quality::High).unwrap();
    let mut head: Vec<i16> = Vec::new();
    first.process(&signal[..777], &mut head).unwrap();
    let mut second = first.clone();
    let (mut a, mut b): (Vec<i16>, Vec<i16>) = (head.clone(), head);
    first.process(&signal[777..], &mut a).unwrap();
    first.flush(&mut a);
    second.process(&signal[777..], &mut b).unwrap();
    second.flush(&mut b);
    assert_eq!(a, b);
}

#[test]
fn what_cannot_be_done_is_refused() {
    for (from, to, channels) in
        [(999, 8_000, 1), (8_000, 768_001, 1), (8_000, 16_000, 0), (1_000, 768_000, 1)]
    {
        let error = Resampler::new(from, to, channels, Quality::High).unwrap_err();
        assert_eq!(error.code(), "audio_format");
    }
    let mut stereo = Resampler::new(48_000, 24_000, 2, Quality::High).unwrap();
    let mut out: Vec<i16> = Vec::new();
    assert!(stereo.process(&[1_i16, 2, 3], &mut out).is_err());
    stereo.flush(&mut out);
    assert!(out.is_empty());
    assert!("medium".parse::<Quality>().is_err());
    for quality in [Quality::High, Quality::LowLatency] {
        assert_eq!(quality.name().parse::<Quality>().unwrap(), quality);
    }
}

#[test]
fn an_output_that_is_used_again_does_not_grow_with_the_stream() {
    for (from, to) in [(24_000, 24_000), (24_000, 48_000), (48_000, 8_000)] {
        let mut resampler = Resampler::new(from, to, 1, Quality::High).unwrap();
        let (input, mut out) = (vec![1_i16; 480], Vec::<i16>::new());
        for _ in 0..5_000 {
            out.clear();
            resampler.process(&input, &mut out).unwrap();
        }
        assert!(out.capacity() < 10_000, "{from} to {to}: {}", out.capacity());
    }
}
