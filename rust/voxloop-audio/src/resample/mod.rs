//! Sample rate conversion by a polyphase windowed sinc, streaming and one shot.
//!
//! For an output rate of `up / down` times the input rate in lowest terms, output frame `k` lies at
//! input time `k * down / up`; its value is the inner product of the input around that time with the
//! filter's impulse response sampled there. The responses for the `up` possible positions between two
//! input frames are tabled once per ratio and shared by all resamplers of the process.
//!
//! Outputs are computed in groups of eight (or four) counted from the start of the stream, over one
//! window of input each. A group that the input so far completes in part is computed again when the
//! rest has come, by the same sums: that keeps the output independent of how the input was cut.

mod design;
mod dot;
mod minimum;
mod polyphase;
mod simd;

use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{AudioError, Result};
use crate::format::{Encoding, check_channels, check_rate, check_whole_frames};
use crate::pcm::Sample;
use polyphase::{Between, Groups, Rows, Table, table};
use simd::{Cursor, Job, Path};

pub use simd::Simd;

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
    path: Path,
    /// Input still needed, one row per channel, and as many zeros as [`Table::slack`] says.
    planes: Vec<Vec<f32>>,
    /// The group that holds the next output; its base is a position in `planes`.
    cursor: Cursor,
    /// Outputs of that group that have been given out.
    given: usize,
    fed: u64,
    produced: u64,
    /// Output of one block before it is narrowed: of one channel, and interleaved.
    plane_out: Vec<f32>,
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
            path: Path::best(),
            planes: vec![Vec::new(); usize::from(channels)],
            cursor: Cursor::default(),
            given: 0,
            fed: 0,
            produced: 0,
            plane_out: Vec::new(),
            wide: Vec::new(),
        };
        new.reset();
        Ok(new)
    }

    /// The same with a given instruction set instead of the fastest there is, for outputs that are
    /// the same to the last bit of an `f32` on different processors.
    ///
    /// # Errors
    /// [`AudioError::Format`] when this processor does not have it.
    pub fn with_simd(mut self, simd: Simd) -> Result<Self> {
        self.path = Path::new(simd).ok_or_else(|| {
            let wanted: Vec<_> = Simd::available().into_iter().map(Simd::name).collect();
            AudioError::format("instruction set", simd.name(), wanted.join(", "))
        })?;
        Ok(self)
    }

    /// The instruction set in use.
    pub const fn simd(&self) -> Simd {
        self.path.simd()
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
    /// without dither. A NaN or infinite input sample counts as silence, unless the rates are equal.
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
            self.produced = self.fed;
            self.wide.clear();
            I::widen(input, &mut self.wide);
            O::narrow(&self.wide, out);
            return Ok(());
        }
        for block in input.chunks(BLOCK_FRAMES * usize::from(self.channels)) {
            self.fed += (block.len() / usize::from(self.channels)) as u64;
            self.take(block);
            let done = self.run(u64::MAX);
            O::narrow(&self.wide[done], out);
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
        let done = self.run(total);
        O::narrow(&self.wide[done], out);
        debug_assert_eq!(self.produced, total);
        self.reset();
    }

    /// Forgets the stream and returns to the start state.
    pub fn reset(&mut self) {
        let history = self.table.taps - 1 - self.table.ahead;
        // Of one rate nothing is held back.
        let same = self.input_rate == self.output_rate;
        let length = if same { 0 } else { history + self.table.slack() };
        for plane in &mut self.planes {
            plane.clear();
            plane.resize(length, 0.0);
        }
        self.cursor = Cursor::default();
        (self.given, self.fed, self.produced) = (0, 0, 0);
    }

    fn ahead(&self) -> u64 {
        if self.input_rate == self.output_rate { 0 } else { self.table.ahead as u64 }
    }

    /// Appends a block to the planes.
    fn take<I: Sample>(&mut self, block: &[I]) {
        let slack = self.table.slack();
        let channels = self.planes.len();
        for (index, plane) in self.planes.iter_mut().enumerate() {
            let held = plane.len() - slack;
            plane.truncate(held);
            if channels == 1 {
                I::widen(block, plane);
            } else {
                plane.extend(block.iter().skip(index).step_by(channels).map(|s| s.to_f32()));
            }
            if I::ENCODING == Encoding::Float32 {
                // Times a tap of zero they would spoil outputs that do not depend on them.
                for sample in &mut plane[held..] {
                    *sample = if sample.is_finite() { *sample } else { 0.0 };
                }
            }
            plane.resize(plane.len() + slack, 0.0);
        }
    }

    /// Computes the frames whose input is complete, up to frame `limit` of the stream, and drops the
    /// input that no later frame needs. The frames lie in `wide`, where the result says.
    fn run(&mut self, limit: u64) -> Range<usize> {
        let table = Arc::clone(&self.table);
        let held = self.planes[0].len() - table.slack();
        let done = match &table.rows {
            Rows::Groups(groups) => self.run_groups(groups, held, limit),
            Rows::Between(between) => self.run_between(between, held, limit),
        };
        let used = self.cursor.base.min(held);
        for plane in &mut self.planes {
            plane.drain(..used);
        }
        self.cursor.base -= used;
        done
    }

    fn run_groups(&mut self, groups: &Groups, held: usize, limit: u64) -> Range<usize> {
        let more = (limit - self.produced).min(usize::MAX as u64) as usize;
        let ready = self.ready(held).saturating_sub(self.given).min(more);
        if ready == 0 {
            return 0..0;
        }
        let size = groups.size;
        let (from, to) = (self.given, self.given + ready);
        let length = to.next_multiple_of(size);
        let channels = self.planes.len();
        let one = if channels == 1 { &mut self.wide } else { &mut self.plane_out };
        // Grown once: the values are all written over.
        one.resize(length.max(one.len()), 0.0);
        let mut done = from..to;
        for (index, plane) in self.planes.iter().enumerate() {
            let job = Job {
                taps: &groups.data,
                vectors: groups.vectors,
                samples: plane,
                from: self.cursor,
                stride: groups.stride,
            };
            let one = if channels == 1 { &mut self.wide } else { &mut self.plane_out };
            match size {
                8 => self.path.run::<8>(&job, &mut one[..length]),
                _ => self.path.run::<4>(&job, &mut one[..length]),
            }
            if channels > 1 {
                self.wide.resize((ready * channels).max(self.wide.len()), 0.0);
                let places = self.wide.iter_mut().skip(index).step_by(channels);
                places.zip(&self.plane_out[from..to]).for_each(|(to, from)| *to = *from);
                done = 0..ready * channels;
            }
        }
        self.produced += ready as u64;
        self.advance(to / size, groups);
        self.given = to % size;
        done
    }

    /// Outputs, from the first of the cursor's group on, whose windows end within `held` samples.
    fn ready(&self, held: usize) -> usize {
        let Some(room) = held.checked_sub(self.cursor.base + self.table.taps) else { return 0 };
        let (up, down) = (u64::from(self.table.up), u64::from(self.table.down));
        ((room as u64 + 1) * up - u64::from(self.cursor.phase)).div_ceil(down) as usize
    }

    fn advance(&mut self, groups: usize, of: &Groups) {
        let (up, down) = (u64::from(self.table.up), u64::from(self.table.down));
        let place = u64::from(self.cursor.phase) + (groups * of.size) as u64 * down;
        self.cursor.base += (place / up) as usize;
        self.cursor.phase = (place % up) as u32;
        self.cursor.group = (self.cursor.group + groups) % of.stride.groups;
    }

    fn run_between(&mut self, between: &Between, held: usize, limit: u64) -> Range<usize> {
        let Table { up, down, taps, .. } = *self.table;
        let (step, step_phase) = ((down / up) as usize, down % up);
        self.wide.clear();
        while self.cursor.base + taps <= held && self.produced < limit {
            for plane in &self.planes {
                let window = &plane[self.cursor.base..self.cursor.base + taps];
                self.wide.push(between.apply(self.cursor.phase, window));
            }
            self.cursor.base += step;
            self.cursor.phase += step_phase;
            if self.cursor.phase >= up {
                self.cursor.phase -= up;
                self.cursor.base += 1;
            }
            self.produced += 1;
        }
        0..self.wide.len()
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
