//! Voice activity: scripted probabilities for the state machine, real speech and non-speech for the
//! whole detector.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures and skips are shown")]

use std::path::PathBuf;

use proptest::prelude::*;
use voxloop_audio::vad::EdgeDetector;
use voxloop_audio::{Quality, Sample, Vad, VadEvent, VadOutput, VadSettings, pcm, resample, wav};

/// 16 ms frames at 16 kHz with these probabilities.
fn script(settings: VadSettings, probabilities: &[f32]) -> Vec<VadEvent> {
    let mut edges = EdgeDetector::new(16_000, settings).unwrap();
    let mut events = Vec::new();
    for (index, &probability) in probabilities.iter().enumerate() {
        let start = index as u64 * 256;
        events.extend(edges.step(start, start + 256, probability));
    }
    events.extend(edges.finish(probabilities.len() as u64 * 256));
    assert!(!edges.is_speech());
    events
}

fn runs(runs: &[(usize, f32)]) -> Vec<f32> {
    runs.iter().flat_map(|&(count, probability)| vec![probability; count]).collect()
}

fn no_padding() -> VadSettings {
    VadSettings { prefix_padding_ms: 0, ..VadSettings::default() }
}

#[test]
fn a_word_between_silences() {
    let events = script(no_padding(), &runs(&[(10, 0.1), (20, 0.9), (60, 0.1)]));
    let start = VadEvent::SpeechStart { sample: 10 * 256, decided_at: 14 * 256 };
    // 500 ms are 8000 samples: 31.25 frames, so the 32nd frame of silence decides.
    let end = VadEvent::SpeechEnd { sample: 30 * 256, decided_at: 62 * 256 };
    assert_eq!(events, [start, end]);
}

#[test]
fn padding_reaches_back_but_not_past_the_start_or_the_last_end() {
    let settings = VadSettings { silence_ms: 64, ..VadSettings::default() };
    let events =
        script(settings, &runs(&[(2, 0.0), (8, 1.0), (6, 0.0), (8, 1.0), (40, 0.0), (8, 1.0)]));
    let starts: Vec<u64> = events.iter().step_by(2).map(VadEvent::sample).collect();
    assert_eq!(starts, [0, 10 * 256, 64 * 256 - 4_800]);
}

#[test]
fn clicks_are_no_speech_and_short_gaps_no_end() {
    assert!(
        script(no_padding(), &runs(&[(3, 0.0), (3, 1.0), (3, 0.0), (3, 1.0), (9, 0.0)])).is_empty()
    );
    let gap = script(no_padding(), &runs(&[(10, 1.0), (31, 0.0), (10, 1.0), (40, 0.0)]));
    assert_eq!(gap.len(), 2);
    assert_eq!(gap[1].sample(), 51 * 256);
}

#[test]
fn hysteresis_holds_a_soft_ending() {
    let events = script(no_padding(), &runs(&[(5, 0.6), (10, 0.4), (40, 0.2)]));
    assert_eq!(events[1].sample(), 15 * 256);
    assert!(script(no_padding(), &runs(&[(40, 0.45)])).is_empty());
}

#[test]
fn the_end_of_the_stream_ends_speech() {
    let events = script(no_padding(), &runs(&[(10, 1.0), (3, 0.0)]));
    assert_eq!(events[1], VadEvent::SpeechEnd { sample: 10 * 256, decided_at: 13 * 256 });
}

#[test]
fn settings_out_of_range_are_refused() {
    let good = VadSettings::default();
    for bad in [
        VadSettings { threshold: 0.0, ..good },
        VadSettings { threshold: f32::NAN, ..good },
        VadSettings { threshold: 1.1, ..good },
        VadSettings { release: 0.6, ..good },
        VadSettings { release: -0.1, ..good },
        VadSettings { silence_ms: 600_001, ..good },
    ] {
        assert_eq!(Vad::new(16_000, bad).unwrap_err().code(), "audio_format", "{bad:?}");
    }
    assert!(Vad::new(500, good).is_err());
}

fn detect<S: Sample>(rate: u32, signal: &[S], sizes: &[usize]) -> VadOutput {
    let mut vad = Vad::new(rate, VadSettings::default()).unwrap();
    let (mut out, mut rest) = (VadOutput::default(), signal);
    for &size in sizes {
        let (head, tail) = rest.split_at(size.min(rest.len()));
        vad.process(head, &mut out).unwrap();
        rest = tail;
    }
    vad.process(rest, &mut out).unwrap();
    assert_eq!(vad.position(), signal.len() as u64);
    vad.flush(&mut out);
    assert_eq!((vad.position(), vad.is_speech()), (0, false));
    out
}

fn white(samples: usize, amplitude: f32) -> Vec<f32> {
    let mut seed = 1_u64;
    (0..samples)
        .map(|_| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            amplitude * ((seed >> 40) as f32 / 8_388_608.0 - 1.0)
        })
        .collect()
}

#[test]
fn silence_tones_and_quiet_noise_are_no_speech() {
    for rate in [8_000_u32, 16_000, 24_000, 44_100, 48_000] {
        let samples = 2 * rate as usize;
        let tone = |frequency: u32, level: f32| {
            let step = std::f32::consts::TAU / rate as f32;
            // The angle in whole steps of one hertz: exact for any length.
            let angle =
                |n: usize| (n as u64 * u64::from(frequency) % u64::from(rate)) as f32 * step;
            (0..samples).map(|n| level * angle(n).sin()).collect::<Vec<f32>>()
        };
        let mut signals = vec![
            ("zeros".to_owned(), vec![0.0; samples]),
            ("white noise at -50 dBFS".to_owned(), white(samples, 0.0055)),
        ];
        for frequency in [100, 200, 300, 440, 1_000, 3_000] {
            for level in [0.01, 0.3, 0.9] {
                signals.push((format!("{frequency} Hz at {level}"), tone(frequency, level)));
            }
        }
        for (what, signal) in signals {
            let found = detect(rate, &signal, &[]);
            assert!(found.events.is_empty(), "{what} at {rate} Hz: {:?}", found.events);
            let frames = samples as u64 * 16_000 / u64::from(rate);
            assert_eq!(found.frames.len() as u64, frames.div_ceil(256), "{what} at {rate}");
        }
    }
}

/// White noise through a first order low pass that keeps `memory` of each sample, at a level.
fn noise(samples: usize, memory: f32, dbfs: f32) -> Vec<f32> {
    let mut last = 0.0;
    let mut sound: Vec<f32> = white(samples, 1.0)
        .into_iter()
        .map(|sample| {
            last = memory * last + sample;
            last
        })
        .collect();
    let gain = pcm::gain_from_db(dbfs) / pcm::rms(&sound);
    pcm::gain(&mut sound, gain).unwrap();
    sound
}

#[test]
fn steady_noise_is_no_speech_at_any_level_and_rate() {
    for rate in [8_000_u32, 16_000, 24_000, 48_000] {
        for memory in [0.0, 0.7, 0.95] {
            for dbfs in [-65.0, -50.0, -35.0, -20.0, -10.0] {
                let found = detect(rate, &noise(6 * rate as usize, memory, dbfs), &[]);
                let wrong = found.frames.iter().filter(|frame| frame.is_speech).count();
                let share = wrong as f64 / found.frames.len() as f64;
                assert!(share <= 0.03, "{memory} at {dbfs} dBFS, {rate} Hz: {share}");
            }
        }
    }
}

#[test]
fn speech_is_found_in_noise() {
    for (name, rate, signal) in clips() {
        let mut sound: Vec<f32> = pcm::convert(&signal);
        let level = pcm::dbfs(pcm::rms(&sound)) - 15.0;
        pcm::mix_into(&mut sound, &noise(signal.len(), 0.7, level)).unwrap();
        let found = detect(rate, &sound, &[]);
        assert!(!found.events.is_empty(), "{name}");
        // What was speech without the noise is speech with it, but for the softest parts.
        let clean = detect(rate, &signal, &[]);
        let speech = |out: &VadOutput| -> Vec<bool> {
            out.frames.iter().map(|frame| frame.is_speech).collect()
        };
        let both = speech(&clean).into_iter().zip(speech(&found)).filter(|(a, b)| *a && *b).count();
        let share = both as f64 / speech(&clean).into_iter().filter(|a| *a).count() as f64;
        println!("{name}: {share:.3} of the frames");
        assert!(share > 0.8, "{name}: {share}");
    }
}

/// Pairs of tones that go on and off; the numbers are hertz and seconds.
const CADENCES: [(&str, [u32; 2], f64, f64); 10] = [
    ("dial tone", [350, 440], 3.0, 0.0),
    ("ringing", [440, 480], 2.0, 1.0),
    ("busy", [480, 620], 0.5, 0.5),
    ("reorder", [480, 620], 0.25, 0.25),
    ("European dial tone", [425, 425], 3.0, 0.0),
    ("British dial tone", [350, 450], 3.0, 0.0),
    ("British ringing", [400, 450], 0.4, 0.2),
    ("key 1", [697, 1_209], 0.1, 0.1),
    ("key 5", [770, 1_336], 0.08, 0.06),
    ("key D", [941, 1_633], 0.2, 0.1),
];

#[test]
fn tones_of_telephones_are_no_speech() {
    for rate in [8_000_u32, 16_000, 24_000, 48_000] {
        for (what, tones, on, off) in CADENCES {
            for level in [0.01, 0.1, 0.4] {
                let noise = white(3 * rate as usize, level * 0.001);
                let sound = |(n, noise): (usize, f32)| {
                    let time = n as f64 / f64::from(rate);
                    let sine = |hertz: u32| (std::f64::consts::TAU * f64::from(hertz) * time).sin();
                    let both = f64::from(level) * tones.into_iter().map(sine).sum::<f64>();
                    if time % (on + off) < on { both as f32 + noise } else { noise }
                };
                let signal: Vec<f32> = noise.into_iter().enumerate().map(sound).collect();
                let found = detect(rate, &signal, &[]);
                assert!(found.events.is_empty(), "{what} {level} at {rate}: {:?}", found.events);
                let coded = voxloop_audio::g711::ulaw_encode_slice(&pcm::convert(&signal));
                let coded = voxloop_audio::g711::ulaw_decode_slice(&coded);
                let found = detect(rate, &coded, &[]);
                assert!(found.events.is_empty(), "{what} {level} at {rate} in u-law");
            }
        }
    }
}

#[test]
fn nan_and_loud_input_do_no_lasting_harm() {
    let mut vad = Vad::new(24_000, VadSettings::default()).unwrap();
    let mut out = VadOutput::default();
    vad.process(&[f32::NAN, f32::INFINITY, 40.0, -40.0], &mut out).unwrap();
    vad.process(&vec![0.0_f32; 24_000], &mut out).unwrap();
    assert!(out.frames.iter().all(|frame| (0.0..=1.0).contains(&frame.probability)));
    assert!(vad.last_probability() < 0.2);
}

/// The folder of speech clips: `VOXLOOP_SPEECH`, or `shared/speech` in a folder above.
fn speech() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("VOXLOOP_SPEECH") {
        return Some(PathBuf::from(folder));
    }
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().map(|above| above.join("shared/speech")).find(|folder| folder.is_dir())
}

fn clips() -> Vec<(String, u32, Vec<i16>)> {
    let Some(folder) = speech() else {
        eprintln!("SKIPPED: no speech clips; set VOXLOOP_SPEECH to a folder of WAV files");
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "wav"));
    paths.sort();
    assert!(!paths.is_empty(), "no WAV files in {}", folder.display());
    let read = |path: &PathBuf| {
        let wav = wav::decode::<i16>(&std::fs::read(path).unwrap()).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, wav.info.sample_rate, pcm::downmix(&wav.samples, wav.info.channels).unwrap())
    };
    paths.iter().map(read).collect()
}

/// Starts and ends alternate, in order, inside the signal.
fn check_order(events: &[VadEvent], length: u64) {
    for (index, event) in events.iter().enumerate() {
        assert_eq!(matches!(event, VadEvent::SpeechStart { .. }), index % 2 == 0);
        assert!(event.sample() <= event.decided_at() && event.decided_at() <= length);
    }
    assert!(events.is_sorted_by_key(VadEvent::sample));
    assert_eq!(events.len() % 2, 0);
}

#[test]
fn no_clip_of_real_speech_is_dropped_at_any_rate() {
    for (name, rate, signal) in clips() {
        let at_home = detect(rate, &signal, &[]);
        for other in [8_000, 16_000, 24_000, 48_000] {
            let there: Vec<i16> = resample(&signal, rate, other, 1, Quality::High).unwrap();
            let found = detect(other, &there, &[480; 50]);
            check_order(&found.events, there.len() as u64);
            assert!(!found.events.is_empty(), "{name} at {other} Hz");
            // The same first word, to within what telephone bandwidth may blur.
            let seconds = |event: VadEvent, rate: u32| event.sample() as f64 / f64::from(rate);
            let shift = seconds(found.events[0], other) - seconds(at_home.events[0], rate);
            assert!(shift.abs() < 0.3, "{name} at {other} Hz: {shift} s");
        }
        check_order(&at_home.events, signal.len() as u64);
        println!("{name}: {:?}", at_home.events);
    }
}

#[test]
fn speech_in_any_chunks_gives_the_same_edges() {
    for (name, rate, signal) in clips().into_iter().take(4) {
        let there: Vec<i16> = resample(&signal, rate, 44_100, 1, Quality::LowLatency).unwrap();
        let whole = detect(44_100, &there, &[]);
        for size in [1, 441, 882, 5_000] {
            let sizes = vec![size; there.len().min(60_000) / size];
            assert_eq!(detect(44_100, &there, &sizes), whole, "{name} in {size}");
        }
        let float: Vec<f32> = pcm::convert(&there);
        assert_eq!(detect(44_100, &float, &[77; 99]), whole, "{name} as floats");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn chunked_equals_whole(
        rate in proptest::sample::select(&[8_000_u32, 11_025, 16_000, 24_000, 44_100][..]),
        sizes in proptest::collection::vec(0_usize..900, 0..20),
        length in 0_usize..9_000,
    ) {
        let signal = white(length, 0.4);
        let whole = detect(rate, &signal, &[]);
        prop_assert_eq!(&detect(rate, &signal, &sizes), &whole);
        let mut at = 0;
        for frame in &whole.frames {
            prop_assert_eq!(frame.start, at);
            at = frame.end;
        }
        prop_assert_eq!(at, length as u64);
    }

    #[test]
    fn edges_alternate_and_keep_their_distance(
        probabilities in proptest::collection::vec(0.0_f32..1.0, 0..400),
        min_speech_ms in 0_u32..200,
        silence_ms in 0_u32..200,
        prefix_padding_ms in 0_u32..400,
    ) {
        let settings = VadSettings { min_speech_ms, silence_ms, prefix_padding_ms, ..VadSettings::default() };
        let events = script(settings, &probabilities);
        check_order(&events, probabilities.len() as u64 * 256);
        for pair in events.chunks_exact(2) {
            prop_assert!(pair[1].sample() - pair[0].sample() >= u64::from(min_speech_ms) * 16);
        }
    }
}

/// Noise like a car's, in a telephone's band, a minute each.
#[test]
fn deep_noise_in_a_telephone_band_is_hardly_ever_speech() {
    let mut worst = 0;
    for (memory, dbfs) in [(0.985, -26.0), (0.985, -14.0), (0.997, -26.0), (0.997, -14.0)] {
        let mut vad = Vad::new(8_000, VadSettings::default()).unwrap();
        let mut out = VadOutput::default();
        vad.process(&noise(8_000 * 60, memory, dbfs), &mut out).unwrap();
        let speech = out.frames.iter().filter(|frame| frame.is_speech).count();
        println!("{memory} {dbfs}: {speech} of {}", out.frames.len());
        worst = worst.max(speech);
    }
    assert!(worst <= 112, "3 % of 3,749 frames: {worst}");
}
