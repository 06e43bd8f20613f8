//! The resampler of `voxloop-audio` against those of rubato, on the same noise in the same rounds.
//!
//! rubato's `Fft` is synchronous and fast; its `Async` interpolates between the taps of a long
//! windowed sinc, with the settings that its documentation gives for high quality. Both take floats;
//! voxloop does too here.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, Fft, FixedAsync, FixedSync, Resampler as _, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};
use voxloop_audio::{Quality, Resampler};

const PAIRS: [(u32, u32); 6] = [
    (48_000, 24_000),
    (24_000, 16_000),
    (16_000, 24_000),
    (8_000, 24_000),
    (44_100, 24_000),
    (24_000, 48_000),
];
const ROUNDS: usize = 9;
const SECONDS: u32 = 4;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn noise(samples: usize, round: usize) -> Vec<f32> {
    let mut seed = round as u64 + 1;
    let next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    std::iter::repeat_with(next).take(samples).collect()
}

fn fft((from, to): (u32, u32)) -> Outcome<Fft<f32>> {
    let chunk = from as usize / 50;
    Ok(Fft::new(from as usize, to as usize, chunk, 1, FixedSync::Input)?)
}

fn sinc((from, to): (u32, u32)) -> Outcome<Async<f32>> {
    let parameters = SincInterpolationParameters {
        sinc_len: 256,
        f_cutoff: Some(0.95),
        oversampling_factor: 256,
        interpolation: SincInterpolationType::Cubic,
        window: WindowFunction::BlackmanHarris2,
    };
    let ratio = f64::from(to) / f64::from(from);
    Ok(Async::new_sinc(ratio, 1.1, &parameters, from as usize / 50, 1, FixedAsync::Input)?)
}

/// Nanoseconds per output sample, in chunks of 20 ms or what the resampler asks for instead.
fn rubato(resampler: &mut dyn rubato::Resampler<f32>, signal: &[f32]) -> Outcome<f64> {
    let mut out = vec![0.0; resampler.output_frames_max()];
    let room = out.len();
    let (mut at, mut count) = (0, 0);
    let start = Instant::now();
    while let Some(chunk) = signal.get(at..at + resampler.input_frames_next()) {
        let input = InterleavedSlice::new(chunk, 1, chunk.len())?;
        let mut output = InterleavedSlice::new_mut(&mut out, 1, room)?;
        let (taken, given) = resampler.process_into_buffer(&input, &mut output, None)?;
        (at, count) = (at + taken, count + given);
        black_box(&output);
    }
    Ok(start.elapsed().as_secs_f64() * 1e9 / count as f64)
}

fn voxloop((from, to): (u32, u32), quality: Quality, signal: &[f32]) -> Outcome<f64> {
    let mut resampler = Resampler::new(from, to, 1, quality)?;
    let mut count = 0;
    let start = Instant::now();
    for chunk in signal.chunks(from as usize / 50) {
        let mut out: Vec<f32> = Vec::new();
        resampler.process(chunk, &mut out)?;
        count += out.len();
        black_box(&out);
    }
    Ok(start.elapsed().as_secs_f64() * 1e9 / count as f64)
}

fn main() -> Outcome<()> {
    println!("ns per output sample in 20 ms chunks of floats, minimum / median; delay in ms");
    println!("| pair | voxloop high | low_latency | rubato Fft | rubato Async sinc 256 |");
    println!("|---|---|---|---|---|");
    for pair in PAIRS {
        let mut times: [Vec<f64>; 4] = Default::default();
        for round in 0..ROUNDS {
            let signal = noise((pair.0 * SECONDS) as usize, round);
            for turn in 0..4 {
                let which = (turn + round) % 4;
                times[which].push(match which {
                    0 => voxloop(pair, Quality::High, &signal)?,
                    1 => voxloop(pair, Quality::LowLatency, &signal)?,
                    2 => rubato(&mut fft(pair)?, &signal)?,
                    _ => rubato(&mut sinc(pair)?, &signal)?,
                });
            }
        }
        let own = |quality| -> Outcome<f64> {
            Ok(Resampler::new(pair.0, pair.1, 1, quality)?.delay().as_secs_f64() * 1e3)
        };
        let theirs = |frames: usize| frames as f64 / f64::from(pair.1) * 1e3;
        let delays = [
            own(Quality::High)?,
            own(Quality::LowLatency)?,
            theirs(fft(pair)?.output_delay()),
            theirs(sinc(pair)?.output_delay()),
        ];
        print!("| {} to {} |", pair.0, pair.1);
        for (mut found, delay) in times.into_iter().zip(delays) {
            found.sort_by(f64::total_cmp);
            print!(" {:.1} / {:.1}, {delay:.1} ms |", found[0], found[ROUNDS / 2]);
        }
        println!();
    }
    Ok(())
}
