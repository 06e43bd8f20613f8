//! Speech by loudness alone: the cheap alternative to the network.

use crate::error::{AudioError, Result};
use crate::format::check_rate;
use crate::framer::{Framer, Tail};
use crate::pcm::{self, Sample};
use crate::vad::{EdgeDetector, VadFrame, VadOutput, VadSettings};

/// Frames judged per second.
const FRAMES_PER_SECOND: u32 = 100;
/// How fast the floor rises toward a level above it, in dB per frame (3 dB per second): it follows
/// a fan that was switched on, not a sentence.
const FLOOR_RISE: f32 = 0.03;
/// How much of the way down to a quieter frame the floor goes at once.
const FLOOR_FALL: f32 = 0.2;
/// Levels below this are digital silence and say nothing about the room.
const QUIETEST: f32 = -90.0;
/// dB from an even chance to one of 73 %.
const SLOPE: f32 = 2.0;

/// When a frame is loud enough to be speech.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GateSettings {
    /// Level below which no frame is speech, in dBFS. Default -50.
    pub threshold_dbfs: f32,
    /// How far above the noise floor a frame must be, in dB. Default 10. The floor is learned: it
    /// falls to quieter frames within a few and rises by 3 dB per second. 0 turns it off.
    pub margin_db: f32,
    /// The times and the probabilities at which speech starts and ends.
    pub edges: VadSettings,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self { threshold_dbfs: -50.0, margin_db: 10.0, edges: VadSettings::default() }
    }
}

/// A voice activity detector that listens to the level alone, in frames of 10 ms of mono audio.
///
/// It gives the same events as [`Vad`](crate::Vad) without a network, and takes any sound that is
/// loud enough for speech: music, keys, a door. The probability of a frame is 0.5 at the
/// threshold and follows its level in dB by a logistic curve.
///
/// ```
/// use voxloop_audio::{EnergyGate, GateSettings, VadOutput};
///
/// let mut gate = EnergyGate::new(24_000, GateSettings::default())?;
/// let mut found = VadOutput::default();
/// gate.process(&[0_i16; 24_000], &mut found)?;
/// gate.flush(&mut found);
/// assert!(found.events.is_empty());
/// # Ok::<(), voxloop_audio::AudioError>(())
/// ```
#[derive(Debug, Clone)]
pub struct EnergyGate {
    settings: GateSettings,
    framer: Framer<f32>,
    edges: EdgeDetector,
    floor: Option<f32>,
    frame: usize,
    judged: u64,
    position: u64,
    sample_rate: u32,
    wide: Vec<f32>,
}

impl EnergyGate {
    /// A gate for mono audio of `sample_rate`.
    ///
    /// # Errors
    /// [`AudioError::Format`] when the rate or a setting is out of range.
    pub fn new(sample_rate: u32, settings: GateSettings) -> Result<Self> {
        check_rate(sample_rate)?;
        for (what, value, low, high) in [
            ("threshold_dbfs", settings.threshold_dbfs, -120.0, 0.0),
            ("margin_db", settings.margin_db, 0.0, 60.0),
        ] {
            if !(low..=high).contains(&value) {
                return Err(AudioError::format(what, value, format!("{low} to {high}")));
            }
        }
        let frame = (sample_rate / FRAMES_PER_SECOND) as usize;
        Ok(Self {
            settings,
            framer: Framer::new(frame, 1)?,
            edges: EdgeDetector::new(sample_rate, settings.edges)?,
            floor: None,
            frame,
            judged: 0,
            position: 0,
            sample_rate,
            wide: Vec::new(),
        })
    }

    /// Rate of the input in Hz.
    pub const fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// The settings in force.
    pub const fn settings(&self) -> GateSettings {
        self.settings
    }

    /// Whether the stream counts as speech now.
    pub const fn is_speech(&self) -> bool {
        self.edges.is_speech()
    }

    /// Input samples taken since the start of the stream.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The learned noise floor in dBFS; `None` before the first frame that is not digital silence.
    pub const fn floor_dbfs(&self) -> Option<f32> {
        self.floor
    }

    /// Takes any number of mono samples and appends what they complete to `out`.
    ///
    /// # Errors
    /// None for mono input; the result leaves room for what later versions may refuse.
    pub fn process<S: Sample>(&mut self, samples: &[S], out: &mut VadOutput) -> Result<()> {
        self.position += samples.len() as u64;
        let mut wide = std::mem::take(&mut self.wide);
        wide.clear();
        S::widen(samples, &mut wide);
        let Self { settings, framer, edges, floor, judged, .. } = self;
        let result = framer.process(&wide, |frame| {
            let end = *judged + frame.len() as u64;
            let probability = judge(settings, floor, frame);
            report(edges, (*judged, end), probability, out);
            *judged = end;
        });
        self.wide = wide;
        result
    }

    /// Ends the stream: judges the last, partial frame, ends speech that is still going on, and
    /// returns to the start state.
    pub fn flush(&mut self, out: &mut VadOutput) {
        if let Some(last) = self.framer.flush(Tail::Short) {
            let probability = judge(&self.settings, &mut self.floor, &last);
            report(&mut self.edges, (self.judged, self.position), probability, out);
        }
        out.events.extend(self.edges.finish(self.position));
        self.reset();
    }

    /// Forgets the stream, the floor too, and returns to the start state.
    pub fn reset(&mut self) {
        self.framer.reset();
        self.edges.reset();
        self.floor = None;
        (self.judged, self.position) = (0, 0);
    }

    /// Samples of a frame.
    pub const fn frame_samples(&self) -> usize {
        self.frame
    }
}

fn judge(settings: &GateSettings, floor: &mut Option<f32>, frame: &[f32]) -> f32 {
    let level = pcm::dbfs(pcm::rms(frame));
    // Not a number comes of a broken source and is no speech.
    if level.is_nan() || level < QUIETEST {
        return 0.0;
    }
    let level = level.min(0.0);
    let known = *floor.get_or_insert(level.min(settings.threshold_dbfs));
    let threshold = if settings.margin_db > 0.0 {
        settings.threshold_dbfs.max(known + settings.margin_db)
    } else {
        settings.threshold_dbfs
    };
    *floor = Some(if level < known {
        known + FLOOR_FALL * (level - known)
    } else {
        (known + FLOOR_RISE).min(level)
    });
    1.0 / (1.0 + ((threshold - level) / SLOPE).exp())
}

fn report(
    edges: &mut EdgeDetector,
    (start, end): (u64, u64),
    probability: f32,
    out: &mut VadOutput,
) {
    out.events.extend(edges.step(start, end, probability));
    let is_speech = edges.is_speech();
    out.frames.push(VadFrame { start, end, probability, is_speech });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vad::VadEvent;
    use proptest::prelude::*;

    fn noise(samples: usize, dbfs: f32) -> Vec<f32> {
        // Uniform noise has a root mean square of its peak over the root of three.
        let peak = 10.0_f32.powf(dbfs / 20.0) * 3.0_f32.sqrt();
        let mut seed = 9_u64;
        let next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            peak * ((seed >> 40) as f32 / 8_388_608.0 - 1.0)
        };
        std::iter::repeat_with(next).take(samples).collect()
    }

    fn gate(signal: &[f32], cuts: &[usize]) -> VadOutput {
        let mut gate = EnergyGate::new(16_000, GateSettings::default()).unwrap();
        let (mut out, mut rest) = (VadOutput::default(), signal);
        for &cut in cuts {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            gate.process(head, &mut out).unwrap();
            rest = tail;
        }
        gate.process(rest, &mut out).unwrap();
        assert_eq!(gate.position(), signal.len() as u64);
        gate.flush(&mut out);
        out
    }

    #[test]
    fn a_loud_stretch_is_found_where_it_is() {
        let signal = [noise(16_000, -65.0), noise(8_000, -20.0), noise(24_000, -65.0)].concat();
        let found = gate(&signal, &[]);
        let [start, end] = found.events[..] else { panic!("{:?}", found.events) };
        assert_eq!(start.sample(), 16_000 - 4_800);
        assert!(matches!(end, VadEvent::SpeechEnd { sample: 24_000, .. }), "{end:?}");
    }

    #[test]
    fn a_steady_noise_becomes_the_floor() {
        // Ten seconds of a fan at -40 dBFS, then speech 20 dB above it.
        let signal = [noise(320_000, -40.0), noise(8_000, -20.0), noise(16_000, -40.0)].concat();
        let found = gate(&signal, &[]);
        let last = found.events[found.events.len() - 2];
        assert_eq!(last.sample(), 320_000 - 4_800, "{:?}", found.events);
    }

    #[test]
    fn silence_and_what_is_not_a_number_are_no_speech() {
        assert!(gate(&vec![0.0; 16_000], &[]).events.is_empty());
        let broken = gate(&vec![f32::NAN; 16_000], &[]);
        assert!(
            broken.events.is_empty()
                && broken.frames.iter().all(|f| f.probability < f32::MIN_POSITIVE)
        );
        assert!(gate(&noise(32_000, -55.0), &[]).events.is_empty());
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let good = GateSettings::default();
        for bad in [
            GateSettings { threshold_dbfs: 1.0, ..good },
            GateSettings { threshold_dbfs: f32::NAN, ..good },
            GateSettings { margin_db: -1.0, ..good },
        ] {
            assert_eq!(EnergyGate::new(8_000, bad).unwrap_err().code(), "audio_format");
        }
    }

    proptest! {
        #[test]
        fn chunked_equals_whole(
            cuts in proptest::collection::vec(0_usize..700, 0..20),
            length in 0_usize..9_000,
        ) {
            let signal = noise(length, -30.0);
            prop_assert_eq!(gate(&signal, &cuts), gate(&signal, &[]));
        }
    }
}
