//! The native module of the Python package: the only crate that knows pyo3.
//!
//! It holds no logic of its own. Values are copied at the boundary, errors become the exceptions
//! of `voxloop._errors`, and tokio threads never touch Python.

// Methods of Python classes take `&self`, however small the class is.
#![allow(clippy::trivially_copy_pass_by_ref)]

mod audio;
mod buffer;
mod error;
mod net;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    #[pymodule_export]
    use super::audio::{
        Framer, Resampler, Vad, VadEvent, g711_decode, g711_encode, resample, rms_dbfs, to_mono,
        wav_decode, wav_encode,
    };
    #[pymodule_export]
    use super::buffer::{AudioChunk, Format};
    #[pymodule_export]
    use super::net::{
        Handshake, HttpCall, HttpHead, SseParser, WebSocket, after_fork_in_child,
        configure_runtime, live_tasks, retry_delay, shutdown,
    };
}
