//! The native module of the Python package: the only crate that knows pyo3.
//!
//! It holds no logic of its own. Immutable bytes are shared across the boundary, all else is copied, errors become the exceptions
//! of `voxloop._errors`, and tokio threads never touch Python.

// Methods of Python classes take `&self`, however small the class is.
#![allow(clippy::trivially_copy_pass_by_ref)]

mod audio;
mod buffer;
mod error;
mod media;
mod net;
mod realtime;
mod text;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    #[pymodule_export]
    use super::audio::codec::{
        alaw_decode, alaw_encode, pcm_decode, pcm_encode, ulaw_decode, ulaw_encode,
    };
    #[pymodule_export]
    use super::audio::frames::Framer;
    #[pymodule_export]
    use super::audio::input::as_chunk;
    #[pymodule_export]
    use super::audio::pack::Packed;
    #[pymodule_export]
    use super::audio::pcm::{
        Dither, channel, gain, mix, peak, peak_dbfs, rms, rms_dbfs, to_float32, to_mono, to_pcm16,
    };
    #[pymodule_export]
    use super::audio::playback::{Heard, JitterBuffer, JitterStats, Pace, Pacer, PlaybackLedger};
    #[pymodule_export]
    use super::audio::resample::{Resampler, resample};
    #[pymodule_export]
    use super::audio::vad::{EnergyGate, Vad, VadEvent, VadFrame};
    #[pymodule_export]
    use super::audio::wav::{WavDecoder, WavInfo, wav_decode, wav_encode, wav_header, wav_parse};
    #[pymodule_export]
    use super::buffer::{AudioChunk, Format};
    #[pymodule_export]
    use super::media::{Media, MediaSink, MediaSource, PushQueue, media_devices};
    #[pymodule_export]
    use super::net::http::{HttpCall, HttpHead};
    #[pymodule_export]
    use super::net::websocket::{Handshake, WebSocket};
    #[pymodule_export]
    use super::net::{
        SseParser, after_fork_in_child, configure_runtime, drop_idle_connections, live_tasks,
        quota_codes, retry_delay, shutdown,
    };
    #[pymodule_export]
    use super::realtime::{AudioDelta, CutItem, MediaCut};
    #[pymodule_export]
    use super::text::Splitter;
    /// The version of the package, whose metadata are made from the same line.
    #[pymodule_export]
    #[allow(non_upper_case_globals)] // PEP 396's name
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
