//! The instruction sets against each other, over whole streams.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]
#![allow(clippy::print_stdout, reason = "figures are shown")]

use proptest::prelude::*;
use voxloop_audio::{Quality, Resampler, Sample, Simd};

const RATES: [u32; 8] = [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 44_101];

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

fn through<O: Sample>(simd: Simd, pair: (u32, u32), signal: &[i16], chunk: usize) -> Vec<O> {
    let mut resampler =
        Resampler::new(pair.0, pair.1, 1, Quality::High).unwrap().with_simd(simd).unwrap();
    assert_eq!(resampler.simd(), simd);
    let mut out = Vec::new();
    for piece in signal.chunks(chunk) {
        resampler.process(piece, &mut out).unwrap();
    }
    resampler.flush(&mut out);
    out
}

fn bits(samples: &[f32]) -> Vec<u32> {
    samples.iter().map(|sample| sample.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_chunking_gives_the_same_bits_on_every_path(
        from in proptest::sample::select(&RATES[..]),
        to in proptest::sample::select(&RATES[..]),
        length in 0_usize..3_000,
        chunk in 1_usize..700,
        seed: u64,
    ) {
        let signal = noise(length, seed);
        for simd in Simd::available() {
            let whole = through::<f32>(simd, (from, to), &signal, length.max(1));
            let pieces = through::<f32>(simd, (from, to), &signal, chunk);
            prop_assert_eq!(bits(&whole), bits(&pieces), "{:?}", simd);
        }
    }

    #[test]
    fn paths_of_one_kind_agree_to_the_bit_and_all_to_the_last_of_int16(
        from in proptest::sample::select(&RATES[..]),
        to in proptest::sample::select(&RATES[..]),
        seed: u64,
    ) {
        let signal = noise(4_000, seed);
        let exact = through::<f32>(Simd::Portable, (from, to), &signal, 500);
        let rounded = through::<i16>(Simd::Portable, (from, to), &signal, 500);
        for simd in Simd::available() {
            let float = through::<f32>(simd, (from, to), &signal, 500);
            if !simd.is_fused() {
                prop_assert_eq!(bits(&float), bits(&exact));
            }
            for (a, b) in float.iter().zip(&exact) {
                prop_assert!((a - b).abs() < 2e-6, "{simd:?}: {a} {b}");
            }
            let int = through::<i16>(simd, (from, to), &signal, 500);
            for (a, b) in int.iter().zip(&rounded) {
                prop_assert!(a.abs_diff(*b) <= 1, "{simd:?}: {a} {b}");
            }
            let off = int.iter().zip(&rounded).filter(|(a, b)| a != b).count();
            // A difference needs a sum within an f32's last bits of a half.
            prop_assert!(off <= 3 + int.len() / 200, "{simd:?}: {off} of {}", int.len());
        }
        let available = Simd::available();
        if available.contains(&Simd::Avx512) && available.contains(&Simd::Avx2) {
            let wide = through::<f32>(Simd::Avx512, (from, to), &signal, 500);
            prop_assert_eq!(bits(&wide), bits(&through::<f32>(Simd::Avx2, (from, to), &signal, 500)));
        }
    }
}

#[test]
fn what_is_not_a_number_counts_as_silence() {
    for (from, to) in [(48_000, 24_000), (44_100, 24_000), (8_000, 44_101)] {
        let mut broken: Vec<f32> = noise(2_000, 7).iter().map(|s| s.to_f32()).collect();
        let mut clean = broken.clone();
        for (at, value) in [(0, f32::NAN), (700, f32::INFINITY), (1_999, f32::NEG_INFINITY)] {
            (broken[at], clean[at]) = (value, 0.0);
        }
        let resample = |signal: &[f32]| {
            voxloop_audio::resample::<f32, f32>(signal, from, to, 1, Quality::High).unwrap()
        };
        assert_eq!(bits(&resample(&broken)), bits(&resample(&clean)));
    }
}

#[test]
fn how_often_int16_differs_between_the_kinds() {
    let signal = noise(48_000 * 4, 3);
    for pair in [(48_000, 24_000), (24_000, 16_000), (16_000, 24_000), (44_100, 24_000)] {
        let plain = through::<i16>(Simd::Portable, pair, &signal, 960);
        let best = through::<i16>(Simd::available()[0], pair, &signal, 960);
        let off = plain.iter().zip(&best).filter(|(a, b)| a != b).count();
        println!("{pair:?}: {off} of {} samples differ by one", plain.len());
        assert!(off * 200 < plain.len(), "{pair:?}: {off}");
    }
}

#[test]
fn an_absent_instruction_set_is_refused() {
    let available = Simd::available();
    for simd in [Simd::Portable, Simd::Sse2, Simd::Neon, Simd::Avx2, Simd::Avx512] {
        let asked = Resampler::new(8_000, 16_000, 1, Quality::High).unwrap().with_simd(simd);
        assert_eq!(asked.is_ok(), available.contains(&simd));
    }
}
