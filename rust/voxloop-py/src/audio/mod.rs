//! The streams and codecs of `voxloop-audio` for Python.

pub(crate) mod argument;
pub(crate) mod codec;
pub(crate) mod frames;
pub(crate) mod input;
pub(crate) mod pack;
pub(crate) mod pcm;
pub(crate) mod playback;
pub(crate) mod resample;
pub(crate) mod vad;
pub(crate) mod wav;

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::marker::Ungil;
use pyo3::prelude::*;
use voxloop_audio as core;

use crate::error;

/// Samples from which the work is worth letting other Python threads run meanwhile.
const DETACH_SAMPLES: usize = 24_000;

/// A panic while the lock was held leaves plain data behind that is still safe to use.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn raised<T>(py: Python<'_>, result: core::Result<T>) -> PyResult<T> {
    result.map_err(|failure| error::audio(py, &failure))
}

/// Does work on `samples` samples, without the interpreter where there are many of them.
fn work<T: Send>(
    py: Python<'_>,
    samples: usize,
    call: impl FnOnce() -> core::Result<T> + Ungil,
) -> PyResult<T> {
    let result = if samples < DETACH_SAMPLES { call() } else { py.detach(call) };
    raised(py, result)
}

fn wrong_format(py: Python<'_>, came: core::Format, wanted: core::Format) -> PyErr {
    let text = format!("this takes audio of {wanted}, what came has {came}; convert it first");
    error::misuse(py, "AudioFormatError", &text)
}

/// Refuses audio of another rate or channel count; the encoding may differ.
fn check_layout(py: Python<'_>, came: core::Format, rate: u32, channels: u16) -> PyResult<()> {
    if came.sample_rate() == rate && came.channels() == channels {
        return Ok(());
    }
    let text = format!(
        "this takes {channels} channel(s) at {rate} Hz, what came has {} at {} Hz",
        came.channels(),
        came.sample_rate()
    );
    Err(error::misuse(py, "AudioFormatError", &text))
}
