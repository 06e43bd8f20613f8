//! Any pair of rates, any length, any pieces, any instruction set: the exact length, and the same
//! bits as the whole.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use voxloop_audio::{Quality, Resampler, Simd};

const RATES: [u32; 12] = [
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000,
];

#[derive(Debug, Arbitrary)]
struct Input {
    from: u32,
    to: u32,
    odd_rates: bool,
    channels: u8,
    low_latency: bool,
    simd: u8,
    sizes: Vec<u8>,
    samples: Vec<f32>,
}

fuzz_target!(|input: Input| {
    let rate = |seed: u32| {
        // Tables for odd pairs take long to design: they are the rare case here too.
        if input.odd_rates { 8_000 + seed % 184_001 } else { RATES[seed as usize % RATES.len()] }
    };
    let (from, to) = (rate(input.from), rate(input.to));
    let channels = u16::from(input.channels % 3) + 1;
    let quality = if input.low_latency { Quality::LowLatency } else { Quality::High };
    let available = Simd::available();
    let simd = available[usize::from(input.simd) % available.len()];
    let new = Resampler::new(from, to, channels, quality).and_then(|new| new.with_simd(simd));
    let mut whole = new.expect("rates within a factor of 24");
    let frames = input.samples.len() / usize::from(channels);
    let samples = &input.samples[..frames * usize::from(channels)];
    let mut pieces = whole.clone();
    let (mut wanted, mut found) = (Vec::<f32>::new(), Vec::<f32>::new());
    whole.process(samples, &mut wanted).expect("whole frames");
    whole.flush(&mut wanted);
    let length = whole.output_frames(frames as u64);
    assert_eq!(wanted.len() as u64, length * u64::from(channels));
    let mut rest = samples;
    for size in input.sizes {
        let count = (usize::from(size) * usize::from(channels)).min(rest.len());
        let (head, tail) = rest.split_at(count);
        pieces.process(head, &mut found).expect("whole frames");
        rest = tail;
    }
    pieces.process(rest, &mut found).expect("whole frames");
    pieces.flush(&mut found);
    // Sums of finite samples may overflow; those that are not numbers need not have equal bits.
    let same = |a: &f32, b: &f32| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
    assert_eq!(wanted.len(), found.len());
    assert!(wanted.iter().zip(&found).all(|(a, b)| same(a, b)));
});
