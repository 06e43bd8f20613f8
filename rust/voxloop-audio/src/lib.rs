//! PCM, WAV, G.711, resampling, framing and voice activity detection for voice loops.
//!
//! Everything here is synchronous, owns no thread and does no I/O: bytes and samples go in, samples
//! and positions come out. Streaming types ([`Resampler`], [`Framer`], [`Vad`]) give the same result
//! bit for bit whatever the sizes of the chunks they are fed.
//!
//! Samples are interleaved; a *frame* is one sample of every channel. `f32` samples are in full-scale
//! units, so `1.0` stands for 32768 steps of an `i16`.
#![deny(unsafe_code)]

pub mod error;
pub mod format;
mod fourier;
pub mod framer;
pub mod g711;
pub mod gate;
pub mod jitter;
pub mod pacer;
pub mod pack;
pub mod pcm;
pub mod playback;
pub mod resample;
pub mod vad;
pub mod wav;
mod wide;

pub use error::{AudioError, Container, Result};
pub use format::{Encoding, Format};
pub use framer::{Framer, Tail};
pub use gate::{EnergyGate, GateSettings};
pub use jitter::{JitterBuffer, JitterStats, Overrun};
pub use pacer::{Pace, Pacer};
pub use pack::Packed;
pub use pcm::Sample;
pub use playback::{Heard, PlaybackLedger};
pub use resample::{Quality, Resampler, Simd, resample};
pub use vad::{Vad, VadEvent, VadFrame, VadOutput, VadSettings};
