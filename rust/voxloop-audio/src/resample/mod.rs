//! Sample rate conversion by a polyphase windowed sinc, streaming and one shot.
//!
//! For an output rate of `up / down` times the input rate in lowest terms, output frame `k` lies at
//! input time `k * down / up`; its value is the inner product of the input around that time with the
//! filter's impulse response sampled there. The responses for the `up` possible positions between two
//! input frames are tabled once per ratio and shared by all resamplers of the process.

mod design;
mod dot;
mod minimum;
mod polyphase;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{AudioError, Result};
use crate::format::{check_channels, check_rate, check_whole_frames};
use crate::pcm::Sample;
use polyphase::{Table, table};

/// Input is worked on in blocks of this many frames, so that the buffers stay in the nearest cache.
const BLOCK_FRAMES: usize = 2_048;

/// What a resampler gives up for its delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Quality {
    /// Linear phase, flat to 0.9135 of the narrower Nyquist frequency, 120 dB of rejection from the
    /// Nyquist frequency on. Delay 91 samples of the narrower rate: 11.4 ms at 8 kHz, 3.8 at 24.
    #[default]
    High,
    /// Minimum phase, flat to 0.86 of the narrower Nyquist frequency, 97 dB of rejection from the
    /// Nyquist frequency on. Output is held back by about 3 samples of the narrower rate (0.4 ms
    /// at 8 kHz), and low frequencies stay aligned in time; toward the band's end the phase lags, by up
    /// to 10 samples more (1.2 ms at 8 kHz).
    LowLatency,
}

impl Quality {
    /// The name used at the API's edge: `high` or `low_latency`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::LowLatency => "low_latency",
        }
    }
}

impl FromStr for Quality {
    type Err = AudioError;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "high" => Ok(Self::High),
            "low_latency" => Ok(Self::LowLatency),
            _ => Err(AudioError::format(
                "quality",
                format!("{text:?}"),
                "\"high\" or \"low_latency\"",
            )),
        }
    }
}

/// A streaming sample rate converter for interleaved audio.
///
/// The output is aligned in time with the input (what happens at input time `t` is at output time
/// `t`), its total length after [`Resampler::flush`] is exactly [`Resampler::output_frames`] of the
/// input's, and it is the same bit for bit however the input was cut. State is kept over any pause.
///
/// ```
/// use voxloop_audio::{Quality, Resampler};
///
/// let mut resampler = Resampler::new(48_000, 24_000, 1, Quality::High)?;
/// let mut out: Vec<i16> = Vec::new();
/// resampler.process(&[0_i16; 960], &mut out)?;
/// resampler.flush(&mut out);
/// assert_eq!(out.len(), 480);
/// # Ok::<(), voxloop_audio::AudioError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Resampler {
    table: Arc<Table>,
    input_rate: u32,
    output_rate: u32,
    channels: u16,
    quality: Quality,
    /// Input still needed, one row per channel.
    planes: Vec<Vec<f32>>,
    /// Position in `planes` of the first sample of the next output frame's window.
    start: usize,
    /// Where the next output frame lies between two input frames, in units of `1 / up`.
    phase: u32,
    fed: u64,
    produced: u64,
    /// Output of one block before it is narrowed.
    wide: Vec<f32>,
}

impl Resampler {
    /// A converter from `input_rate` to `output_rate` Hz. Equal rates pass the samples on unchanged.
    ///
    /// # Errors
    /// [`AudioError::Format`] when a rate or the channel count is out of the range of
    /// [`Format`](crate::Format), or the rates are more than a factor of 256 apart.
    pub fn new(input_rate: u32, output_rate: u32, channels: u16, quality: Quality) -> Result<Self> {
        check_rate(input_rate)?;
        check_rate(output_rate)?;
        check_channels(channels)?;
        if input_rate.max(output_rate) / input_rate.min(output_rate) > 256 {
            return Err(AudioError::format(
                "sample rates",
                format!("{input_rate} to {output_rate} Hz"),
                "rates at most a factor of 256 apart",
            ));
        }
        let common = gcd(input_rate, output_rate);
        let mut new = Self {
            table: table(output_rate / common, input_rate / common, quality),
            input_rate,
            output_rate,
            channels,
            quality,
            planes: vec![Vec::new(); usize::from(channels)],
            start: 0,
            phase: 0,
            fed: 0,
            produced: 0,
            wide: Vec::new(),
        };
        new.reset();
        Ok(new)
    }

    /// Rate of the input in Hz.
    pub const fn input_rate(&self) -> u32 {
        self.input_rate
    }

    /// Rate of the output in Hz.
    pub const fn output_rate(&self) -> u32 {
        self.output_rate
    }

    /// Samples per frame.
    pub const fn channels(&self) -> u16 {
        self.channels
    }

    /// The quality asked for.
    pub const fn quality(&self) -> Quality {
        self.quality
    }

    /// Most output frames that are held back because their filter reaches into input yet to come:
    /// the algorithmic delay in frames of the output rate, rounded up.
    pub fn delay_frames(&self) -> u64 {
        let (up, down) = (u64::from(self.table.up), u64::from(self.table.down));
        (self.ahead() * up).div_ceil(down)
    }

    /// The algorithmic delay as time: input that must have come after an instant before the output
    /// of that instant is given out.
    pub fn delay(&self) -> Duration {
        let nanos = u128::from(self.ahead()) * 1_000_000_000 / u128::from(self.input_rate);
        Duration::from_nanos(nanos as u64)
    }

    /// Output frames for `input_frames` frames in all: `input_frames * output_rate / input_rate`
    /// rounded to the nearest, halves to even (as Python's `round`).
    pub fn output_frames(&self, input_frames: u64) -> u64 {
        output_frames(input_frames, self.table.up, self.table.down)
    }

    /// Takes interleaved samples and appends the output that they complete to `out`.
    ///
    /// Input and output may be of different types; `i16` output is rounded to nearest and clamped,
    /// without dither. A NaN or infinite input sample spoils the output within the filter's reach.
    ///
    /// # Errors
    /// [`AudioError::Format`] when `input` ends inside a frame; nothing is taken then.
    pub fn process<I: Sample, O: Sample>(&mut self, input: &[I], out: &mut Vec<O>) -> Result<()> {
        check_whole_frames(input.len(), self.channels)?;
        let frames = (input.len() / usize::from(self.channels)) as u64;
        let more = self.output_frames(self.fed + frames).saturating_sub(self.produced);
        out.reserve(more as usize * usize::from(self.channels));
        if self.input_rate == self.output_rate {
            self.fed += frames;
            self.wide.clear();
            I::widen(input, &mut self.wide);
            O::narrow(&self.wide, out);
            return Ok(());
        }
        for block in input.chunks(BLOCK_FRAMES * usize::from(self.channels)) {
            self.fed += (block.len() / usize::from(self.channels)) as u64;
            self.take(block);
            self.run(u64::MAX);
            O::narrow(&self.wide, out);
        }
        Ok(())
    }

    /// Ends the stream: appends what is still held back to `out` and returns to the start state, so
    /// that the next [`Resampler::process`] begins another stream.
    pub fn flush<O: Sample>(&mut self, out: &mut Vec<O>) {
        if self.input_rate == self.output_rate {
            return self.reset();
        }
        let total = self.output_frames(self.fed);
        let silence = self.table.ahead;
        for plane in &mut self.planes {
            plane.resize(plane.len() + silence, 0.0);
        }
        self.run(total);
        O::narrow(&self.wide, out);
        debug_assert_eq!(self.produced, total);
        self.reset();
    }

    /// Forgets the stream and returns to the start state.
    pub fn reset(&mut self) {
        let history = self.table.taps - 1 - self.table.ahead;
        for plane in &mut self.planes {
            plane.clear();
            plane.resize(history, 0.0);
        }
        (self.start, self.phase, self.fed, self.produced) = (0, 0, 0, 0);
    }

    fn ahead(&self) -> u64 {
        if self.input_rate == self.output_rate { 0 } else { self.table.ahead as u64 }
    }

    /// Appends a block to the planes.
    fn take<I: Sample>(&mut self, block: &[I]) {
        if let [plane] = self.planes.as_mut_slice() {
            I::widen(block, plane);
            return;
        }
        let channels = self.planes.len();
        for (index, plane) in self.planes.iter_mut().enumerate() {
            plane.extend(block.iter().skip(index).step_by(channels).map(|s| s.to_f32()));
        }
    }

    /// Computes the frames whose input is complete into `wide`, up to frame `limit` of the stream,
    /// and drops the input that no later frame needs.
    fn run(&mut self, limit: u64) {
        let Table { up, down, taps, .. } = *self.table;
        let (step, step_phase) = ((down / up) as usize, down % up);
        let held = self.planes[0].len();
        self.wide.clear();
        while self.start + taps <= held && self.produced < limit {
            for plane in &self.planes {
                let window = &plane[self.start..self.start + taps];
                self.wide.push(self.table.apply(self.phase, window));
            }
            self.start += step;
            self.phase += step_phase;
            if self.phase >= up {
                self.phase -= up;
                self.start += 1;
            }
            self.produced += 1;
        }
        let done = self.start.min(held);
        for plane in &mut self.planes {
            plane.drain(..done);
        }
        self.start -= done;
    }
}

/// Converts a whole signal at once; the same samples as a [`Resampler`] gives in pieces.
///
/// # Errors
/// As [`Resampler::new`] and [`Resampler::process`].
pub fn resample<I: Sample, O: Sample>(
    samples: &[I],
    input_rate: u32,
    output_rate: u32,
    channels: u16,
    quality: Quality,
) -> Result<Vec<O>> {
    let mut resampler = Resampler::new(input_rate, output_rate, channels, quality)?;
    let mut out = Vec::new();
    resampler.process(samples, &mut out)?;
    resampler.flush(&mut out);
    Ok(out)
}

/// `frames * up / down` to the nearest integer, halves to even.
fn output_frames(frames: u64, up: u32, down: u32) -> u64 {
    let scaled = u128::from(frames) * u128::from(up);
    let down = u128::from(down);
    let (whole, rest) = (scaled / down, scaled % down * 2);
    let round_up = rest > down || (rest == down && whole % 2 == 1);
    u64::try_from(whole + u128::from(round_up)).unwrap_or(u64::MAX)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
