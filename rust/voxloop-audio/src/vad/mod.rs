//! Voice activity detection: where speech starts and ends in a stream.

mod click;
mod edges;
mod pair;
mod steady;
mod tone;

use std::fmt;

use self::click::is_click;
use self::pair::{WINDOW, is_pair};
use self::steady::{Spectrum, Steady};
use self::tone::is_tone;
use crate::error::Result;
use crate::format::check_rate;
use crate::framer::Framer;
use crate::pcm::Sample;
use crate::resample::{Quality, Resampler};

pub use edges::{EdgeDetector, VadEvent, VadSettings};

/// Rate the network was trained at.
const NETWORK_RATE: u32 = 16_000;
/// Samples the network takes at once: 16 ms.
const NETWORK_FRAME: usize = 256;
/// Frames that the network finds less likely than this are not speech anyway.
const OTHER_CHECK: f32 = 0.05;
/// Two tones hold at least this part of a window's energy in two lines of its spectrum.
const PAIR_CHECK: f64 = 0.95;

/// What the network said about one frame of 16 ms.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct VadFrame {
    /// First input sample of the frame.
    pub start: u64,
    /// Input sample after the frame's last.
    pub end: u64,
    /// Probability of speech, 0 to 1.
    pub probability: f32,
    /// Whether the stream counts as speech after this frame.
    pub is_speech: bool,
}

/// What a call to [`Vad::process`] or [`Vad::flush`] found, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VadOutput {
    /// Starts and ends of speech.
    pub events: Vec<VadEvent>,
    /// One entry per frame.
    pub frames: Vec<VadFrame>,
}

impl VadOutput {
    /// Empties both lists and keeps their memory.
    pub fn clear(&mut self) {
        self.events.clear();
        self.frames.clear();
    }
}

/// A streaming voice activity detector for mono audio of any rate.
///
/// The probabilities come from the network of the `earshot` crate, which works on 16 ms frames at
/// 16 kHz; other rates are converted by a [`Resampler`] first. A frame that is one steady sinusoid,
/// or with the two frames before it a pair of them or nothing but a click, or the end of a quarter
/// of a second of steady noise, gets probability 0, whatever the network says: it mistakes tones near 300 Hz, those of
/// telephones, and loud noise for a voice. All positions are in samples of the input from the start
/// of the stream, and all results are the same however the input was cut.
///
/// ```
/// use voxloop_audio::{Vad, VadOutput, VadSettings};
///
/// let mut vad = Vad::new(24_000, VadSettings::default())?;
/// let mut found = VadOutput::default();
/// vad.process(&[0_i16; 24_000], &mut found)?;
/// vad.flush(&mut found);
/// assert!(found.events.is_empty());
/// # Ok::<(), voxloop_audio::AudioError>(())
/// ```
pub struct Vad {
    network: Box<earshot::Detector>,
    resampler: Resampler,
    framer: Framer<f32>,
    edges: EdgeDetector,
    /// Frames seen.
    frames: u64,
    /// Input samples seen.
    position: u64,
    last_probability: f32,
    /// The last frames, the newest at the end.
    window: Box<[f32; WINDOW]>,
    steady: Box<Steady>,
    at_network_rate: Vec<f32>,
}

impl fmt::Debug for Vad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vad")
            .field("sample_rate", &self.sample_rate())
            .field("position", &self.position)
            .field("is_speech", &self.is_speech())
            .finish_non_exhaustive()
    }
}

impl Vad {
    /// A detector for mono audio of `sample_rate` Hz.
    ///
    /// # Errors
    /// [`AudioError::Format`](crate::AudioError::Format) when the rate or a setting is out of range.
    pub fn new(sample_rate: u32, settings: VadSettings) -> Result<Self> {
        check_rate(sample_rate)?;
        Ok(Self {
            network: earshot::Detector::default_boxed(),
            resampler: Resampler::new(sample_rate, NETWORK_RATE, 1, Quality::LowLatency)?,
            framer: Framer::new(NETWORK_FRAME, 1)?,
            edges: EdgeDetector::new(sample_rate, settings)?,
            frames: 0,
            position: 0,
            last_probability: 0.0,
            window: Box::new([0.0; WINDOW]),
            steady: Box::new(Steady::new()),
            at_network_rate: Vec::new(),
        })
    }

    /// Rate of the input in Hz.
    pub const fn sample_rate(&self) -> u32 {
        self.resampler.input_rate()
    }

    /// The settings in force.
    pub const fn settings(&self) -> VadSettings {
        self.edges.settings()
    }

    /// Whether the stream counts as speech now: after a start, before its end.
    pub const fn is_speech(&self) -> bool {
        self.edges.is_speech()
    }

    /// The probability of the last frame; 0 before the first.
    pub const fn last_probability(&self) -> f32 {
        self.last_probability
    }

    /// Input samples taken since the start of the stream.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Takes any number of mono samples and appends what they complete to `out`.
    ///
    /// # Errors
    /// None for mono input; the result leaves room for what later versions may refuse.
    pub fn process<S: Sample>(&mut self, pcm: &[S], out: &mut VadOutput) -> Result<()> {
        self.position += pcm.len() as u64;
        let mut samples = std::mem::take(&mut self.at_network_rate);
        samples.clear();
        let resampled = self.resampler.process(pcm, &mut samples);
        if resampled.is_ok() {
            self.frames(&samples, u64::MAX, out)?;
        }
        self.at_network_rate = samples;
        resampled
    }

    /// Ends the stream: judges the last, partial frame (filled up with silence), ends speech that is
    /// still going on, and returns to the start state.
    pub fn flush(&mut self, out: &mut VadOutput) {
        let mut samples = Vec::new();
        self.resampler.flush(&mut samples);
        let rest = (self.framer.pending_frames() + samples.len()) % NETWORK_FRAME;
        if rest > 0 {
            samples.resize(samples.len() + NETWORK_FRAME - rest, 0.0);
        }
        let end = self.position;
        // Mono input always is whole frames.
        let _ = self.frames(&samples, end, out);
        out.events.extend(self.edges.finish(end));
        self.reset();
    }

    /// Forgets the stream and returns to the start state.
    pub fn reset(&mut self) {
        self.network.reset();
        self.resampler.reset();
        self.framer.reset();
        self.edges.reset();
        self.window.fill(0.0);
        *self.steady = Steady::new();
        (self.frames, self.position, self.last_probability) = (0, 0, 0.0);
    }

    /// Judges the frames that `samples` (at the network's rate) complete; positions stop at `end`.
    fn frames(&mut self, samples: &[f32], end: u64, out: &mut VadOutput) -> Result<()> {
        let rate = self.sample_rate();
        let Self { network, framer, edges, frames, last_probability, window, steady, .. } = self;
        framer.process(samples, |frame| {
            take(window, frame);
            let spectrum = Spectrum::of(window);
            steady.push(&spectrum);
            let probability = judge(network, window, &spectrum, steady);
            *last_probability = probability;
            let start = input_position(*frames, rate).min(end);
            *frames += 1;
            let frame_end = input_position(*frames, rate).min(end);
            out.events.extend(edges.step(start, frame_end, probability));
            let is_speech = edges.is_speech();
            out.frames.push(VadFrame { start, end: frame_end, probability, is_speech });
        })
    }
}

/// Moves the window on by a frame. The network takes finite values in full scale only; a filter's
/// overshoot or a broken source must not poison its state.
fn take(window: &mut [f32; WINDOW], frame: &[f32]) {
    window.copy_within(NETWORK_FRAME.., 0);
    for (to, &from) in window[WINDOW - NETWORK_FRAME..].iter_mut().zip(frame) {
        *to = if from.is_nan() { 0.0 } else { from.clamp(-1.0, 1.0) };
    }
}

/// The network's word on the window's last frame, unless it is plainly something else.
fn judge(
    network: &mut earshot::Detector,
    window: &[f32; WINDOW],
    spectrum: &Spectrum,
    steady: &mut Steady,
) -> f32 {
    let frame = &window[WINDOW - NETWORK_FRAME..];
    let probability = network.predict_f32(frame);
    if probability < OTHER_CHECK {
        return probability;
    }
    let tone = is_tone(frame) || spectrum.lines > PAIR_CHECK && is_pair(window);
    if tone {
        steady.tone();
    }
    if tone || steady.holds_tone() {
        // What it has heard would have it take the noise after the tone for speech.
        network.reset();
        return 0.0;
    }
    if is_click(window) {
        network.reset();
        return 0.0;
    }
    if steady.is_noise(window) { 0.0 } else { probability }
}

/// First input sample of a frame of the network: its time in samples of the input, rounded down.
fn input_position(frame: u64, rate: u32) -> u64 {
    let scaled = u128::from(frame) * NETWORK_FRAME as u128 * u128::from(rate);
    (scaled / u128::from(NETWORK_RATE)) as u64
}
