//! From probabilities to starts and ends of speech: a state machine without audio or clock.

use crate::error::{AudioError, Result};
use crate::format::check_rate;

/// When a run of probabilities becomes speech, and when it ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VadSettings {
    /// Probability from which a frame counts as speech, above 0 and at most 1. Default 0.5.
    pub threshold: f32,
    /// Probability below which a frame counts as silence once speech has begun; at most
    /// `threshold`. Default 0.35: a word's soft end must not cut it.
    pub release: f32,
    /// Speech that must have been heard without a break before a start is reported, in ms.
    /// Default 64: four frames of the network, longer than a click, shorter than a syllable.
    pub min_speech_ms: u32,
    /// Silence after which an end is reported, in ms. Default 500.
    pub silence_ms: u32,
    /// How much earlier than its first frame a start is placed, in ms. Default 300.
    pub prefix_padding_ms: u32,
}

impl Default for VadSettings {
    fn default() -> Self {
        Self {
            threshold: 0.5,
            release: 0.35,
            min_speech_ms: 64,
            silence_ms: 500,
            prefix_padding_ms: 300,
        }
    }
}

impl VadSettings {
    /// Longest of the three times, in ms.
    pub const MAX_MS: u32 = 600_000;

    fn check(&self) -> Result<()> {
        if !(self.threshold > 0.0 && self.threshold <= 1.0) {
            return Err(AudioError::format("threshold", self.threshold, "above 0, at most 1"));
        }
        if !(self.release >= 0.0 && self.release <= self.threshold) {
            let wanted = format!("0 to the threshold of {}", self.threshold);
            return Err(AudioError::format("release", self.release, wanted));
        }
        for (what, ms) in [
            ("min_speech_ms", self.min_speech_ms),
            ("silence_ms", self.silence_ms),
            ("prefix_padding_ms", self.prefix_padding_ms),
        ] {
            if ms > Self::MAX_MS {
                return Err(AudioError::format(what, ms, format!("at most {}", Self::MAX_MS)));
            }
        }
        Ok(())
    }
}

/// An edge of speech. Positions are input samples from the start of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VadEvent {
    /// Speech has begun.
    SpeechStart {
        /// Where: the first frame of speech less the prefix padding, not before the stream's start
        /// or the last end of speech.
        sample: u64,
        /// How far the stream had been judged when this was decided.
        decided_at: u64,
    },
    /// Speech has ended.
    SpeechEnd {
        /// Where: the sample after the last frame of speech.
        sample: u64,
        /// How far the stream had been judged when this was decided; later than `sample` by the
        /// silence waited for.
        decided_at: u64,
    },
}

impl VadEvent {
    /// The position of the edge.
    pub const fn sample(&self) -> u64 {
        match self {
            Self::SpeechStart { sample, .. } | Self::SpeechEnd { sample, .. } => *sample,
        }
    }

    /// How far the stream had been judged when the edge was decided.
    pub const fn decided_at(&self) -> u64 {
        match self {
            Self::SpeechStart { decided_at, .. } | Self::SpeechEnd { decided_at, .. } => {
                *decided_at
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Silence,
    /// Frames of speech since `start`, not yet long enough.
    Rising {
        start: u64,
    },
    /// Speech; its last frame so far ended at `last_end`.
    Speech {
        last_end: u64,
    },
}

/// Turns one probability per frame into edges of speech.
#[derive(Debug, Clone)]
pub struct EdgeDetector {
    settings: VadSettings,
    min_speech: u64,
    silence: u64,
    padding: u64,
    state: State,
    /// End of the last speech reported.
    last_end: u64,
}

impl EdgeDetector {
    /// A detector for positions in samples of `sample_rate` Hz.
    ///
    /// # Errors
    /// [`AudioError::Format`] when the rate or a setting is out of range.
    pub fn new(sample_rate: u32, settings: VadSettings) -> Result<Self> {
        check_rate(sample_rate)?;
        settings.check()?;
        let samples = |ms: u32| u64::from(ms) * u64::from(sample_rate) / 1_000;
        Ok(Self {
            settings,
            min_speech: samples(settings.min_speech_ms),
            silence: samples(settings.silence_ms),
            padding: samples(settings.prefix_padding_ms),
            state: State::Silence,
            last_end: 0,
        })
    }

    /// The settings in force.
    pub const fn settings(&self) -> VadSettings {
        self.settings
    }

    /// Whether a start has been reported and its end has not.
    pub const fn is_speech(&self) -> bool {
        matches!(self.state, State::Speech { .. })
    }

    /// Judges the frame of samples `start..end`, which follows the last one without a gap.
    pub fn step(&mut self, start: u64, end: u64, probability: f32) -> Option<VadEvent> {
        let heard = match self.state {
            State::Silence => probability >= self.settings.threshold,
            State::Rising { .. } | State::Speech { .. } => probability >= self.settings.release,
        };
        match (self.state, heard) {
            (State::Silence, false) => None,
            (State::Silence, true) => self.rise(start, end),
            (State::Rising { start }, true) => self.rise(start, end),
            (State::Rising { .. }, false) => {
                self.state = State::Silence;
                None
            }
            (State::Speech { .. }, true) => {
                self.state = State::Speech { last_end: end };
                None
            }
            (State::Speech { last_end }, false) => {
                (end - last_end >= self.silence).then(|| self.fall(last_end, end))
            }
        }
    }

    /// Ends the stream at sample `end`: the end of speech that is still going on.
    pub fn finish(&mut self, end: u64) -> Option<VadEvent> {
        let State::Speech { last_end } = self.state else {
            self.state = State::Silence;
            return None;
        };
        Some(self.fall(last_end.min(end), end))
    }

    /// Forgets the stream.
    pub fn reset(&mut self) {
        self.state = State::Silence;
        self.last_end = 0;
    }

    fn rise(&mut self, start: u64, end: u64) -> Option<VadEvent> {
        if end - start < self.min_speech {
            self.state = State::Rising { start };
            return None;
        }
        self.state = State::Speech { last_end: end };
        let sample = start.saturating_sub(self.padding).max(self.last_end);
        Some(VadEvent::SpeechStart { sample, decided_at: end })
    }

    fn fall(&mut self, sample: u64, decided_at: u64) -> VadEvent {
        self.state = State::Silence;
        self.last_end = sample;
        VadEvent::SpeechEnd { sample, decided_at }
    }
}
