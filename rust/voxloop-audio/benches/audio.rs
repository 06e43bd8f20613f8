//! Time per call of what a voice loop does every 20 ms, and of whole minutes.
//!
//! Inputs are fresh noise: branches that learn a repeated block would flatter a codec. Each figure
//! is for the number of output samples that criterion's throughput states.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a bench that fails stops")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use voxloop_audio::{
    EnergyGate, Framer, GateSettings, JitterBuffer, Overrun, Quality, Resampler, Simd, Vad,
    VadOutput, VadSettings, g711, pcm, resample, wav,
};

const PAIRS: [(u32, u32); 6] = [
    (48_000, 24_000),
    (24_000, 16_000),
    (16_000, 24_000),
    (8_000, 24_000),
    (44_100, 24_000),
    (24_000, 48_000),
];

fn noise(samples: usize) -> Vec<i16> {
    let mut seed = 1_u64;
    let next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 50) as i16 - 8_192
    };
    std::iter::repeat_with(next).take(samples).collect()
}

/// One second in 20 ms chunks, a new output for each as a caller from Python gets it.
fn chunked(c: &mut Criterion) {
    let mut group = c.benchmark_group("resample_20ms");
    for (from, to) in PAIRS {
        let signal = noise(from as usize);
        group.throughput(Throughput::Elements(u64::from(to)));
        for (quality, simd) in Simd::available()
            .into_iter()
            .map(|simd| (Quality::High, simd))
            .chain([(Quality::LowLatency, Simd::available()[0])])
        {
            let name = format!("{}/{}", quality.name(), simd.name());
            group.bench_function(BenchmarkId::new(name, format!("{from}-{to}")), |b| {
                let new = Resampler::new(from, to, 1, quality).unwrap();
                let mut resampler = new.with_simd(simd).unwrap();
                b.iter(|| {
                    for chunk in signal.chunks(from as usize / 50) {
                        let mut out = Vec::<i16>::new();
                        resampler.process(chunk, &mut out).unwrap();
                        black_box(&out);
                    }
                });
            });
        }
    }
    group.finish();
}

fn one_shot(c: &mut Criterion) {
    let mut group = c.benchmark_group("resample_60s");
    group.sample_size(10);
    for (from, to) in PAIRS {
        let signal = noise(60 * from as usize);
        group.throughput(Throughput::Elements(60 * u64::from(to)));
        group.bench_function(BenchmarkId::from_parameter(format!("{from}-{to}")), |b| {
            b.iter(|| {
                resample::<i16, i16>(black_box(&signal), from, to, 1, Quality::High).unwrap()
            });
        });
    }
    group.finish();
}

/// What is done to a chunk of 20 ms at 24 kHz.
fn calls(c: &mut Criterion) {
    let signal = noise(480);
    let other = noise(960).split_off(480);
    let floats: Vec<f32> = pcm::convert(&signal);
    let law = g711::ulaw_encode_slice(&signal);
    let mut group = c.benchmark_group("call_20ms");
    group.throughput(Throughput::Elements(480));
    group.bench_function("to_float", |b| b.iter(|| pcm::convert::<i16, f32>(black_box(&signal))));
    group.bench_function("from_float", |b| b.iter(|| pcm::convert::<f32, i16>(black_box(&floats))));
    group.bench_function("ulaw_encode", |b| b.iter(|| g711::ulaw_encode_slice(black_box(&signal))));
    group.bench_function("ulaw_decode", |b| b.iter(|| g711::ulaw_decode_slice(black_box(&law))));
    group.bench_function("rms", |b| b.iter(|| pcm::rms(black_box(&signal))));
    let mut work = signal.clone();
    group.bench_function("gain", |b| b.iter(|| pcm::gain(black_box(&mut work), 0.99).unwrap()));
    group.bench_function("mix", |b| {
        b.iter(|| pcm::mix_into(black_box(&mut work), black_box(&other)).unwrap());
    });
    let mut dither = pcm::Dither::new(1);
    let mut out = Vec::with_capacity(480);
    group.bench_function("dither", |b| {
        b.iter(|| {
            out.clear();
            dither.narrow(black_box(&floats), &mut out);
        });
    });
    for width in [pcm::Width::U8, pcm::Width::I24, pcm::Width::I32] {
        group.bench_function(BenchmarkId::new("to_width", width.name()), |b| {
            b.iter(|| pcm::to_width(black_box(&signal), width));
        });
    }
    let mut framer = Framer::<i16>::new(480, 1).unwrap();
    framer.process(&[0; 100], |_| ()).unwrap();
    group.bench_function("frame", |b| {
        b.iter(|| framer.process(black_box(&signal), |block| _ = black_box(block)).unwrap());
    });
    let mut jitter = JitterBuffer::<i16>::new(0, 4_800, 1, Overrun::DropOldest).unwrap();
    group.bench_function("jitter", |b| {
        b.iter(|| {
            jitter.push(black_box(&signal)).unwrap();
            jitter.pull(&mut out).unwrap();
            jitter.clear()
        });
    });
    group.finish();
}

fn files(c: &mut Criterion) {
    let minute = noise(60 * 24_000);
    let file = wav::encode(&minute, 24_000, 1).unwrap();
    let mut group = c.benchmark_group("60s");
    group.throughput(Throughput::Elements(minute.len() as u64));
    group.bench_function("wav_parse", |b| b.iter(|| wav::parse(black_box(&file)).unwrap().info()));
    group
        .bench_function("wav_decode", |b| b.iter(|| wav::decode::<i16>(black_box(&file)).unwrap()));
    group.bench_function("wav_encode", |b| b.iter(|| wav::encode(black_box(&minute), 24_000, 1)));
    group.bench_function("ulaw_encode", |b| b.iter(|| g711::ulaw_encode_slice(black_box(&minute))));
    group.bench_function("wav_reader_4k", |b| {
        let mut out = Vec::<i16>::with_capacity(minute.len());
        b.iter(|| {
            out.clear();
            let mut reader = wav::WavReader::new();
            file.chunks(4_096).for_each(|piece| reader.push(piece, &mut out).unwrap());
            reader.finish(&mut out).unwrap()
        });
    });
    group.finish();
}

fn detectors(c: &mut Criterion) {
    let second = noise(24_000);
    // A voice-like sound, which none of the checks for other sounds ends early.
    let voice: Vec<f32> = (0..24_000_u32)
        .map(|n| {
            let time = n as f32 / 24_000.0;
            let pitch = std::f32::consts::TAU * 130.0 * time * (1.0 + 0.05 * time);
            let sum: f32 = (1..20).map(|k| (k as f32 * pitch).sin() / k as f32).sum();
            0.2 * sum * (12.0 * time).sin().powi(2)
        })
        .collect();
    let mut group = c.benchmark_group("vad_1s");
    group.sample_size(20);
    let mut out = VadOutput::default();
    let mut vad = Vad::new(24_000, VadSettings::default()).unwrap();
    let mut run = |vad: &mut Vad, sound: &[f32]| {
        for chunk in sound.chunks(480) {
            vad.process(chunk, &mut out).unwrap();
        }
        out.clear();
    };
    let quiet: Vec<f32> = pcm::convert::<i16, f32>(&second).iter().map(|v| v * 0.01).collect();
    let loud: Vec<f32> = pcm::convert(&second);
    group.bench_function("voice", |b| b.iter(|| run(&mut vad, &voice)));
    group.bench_function("loud_noise", |b| b.iter(|| run(&mut vad, &loud)));
    group.bench_function("quiet_noise", |b| b.iter(|| run(&mut vad, &quiet)));
    let mut gate = EnergyGate::new(24_000, GateSettings::default()).unwrap();
    let mut out = VadOutput::default();
    group.bench_function("gate", |b| {
        b.iter(|| {
            for chunk in voice.chunks(480) {
                gate.process(chunk, &mut out).unwrap();
            }
            out.clear();
        });
    });
    group.finish();
}

criterion_group!(benches, chunked, one_shot, calls, files, detectors);
criterion_main!(benches);
