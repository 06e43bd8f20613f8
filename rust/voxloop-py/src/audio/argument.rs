//! Numbers and names that Python gives: each is checked here, so that what cannot be used is an
//! `AudioFormatError` that says what came, and never the conversion's own error.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBoolMethods, PyFloat, PyInt, PyString};
use voxloop_audio as core;

use crate::buffer::Format;
use crate::error;

/// Longest text of a refused value in a message.
const SHOWN: usize = 60;

type Given<'a, 'py> = &'a Bound<'py, PyAny>;

/// Whole numbers and floats by the name they have in messages.
macro_rules! numbers {
    ($convert:ident: $($name:ident -> $type:ty, $what:literal, $wanted:literal;)+) => {
        $(
            pub(crate) fn $name(value: Given<'_, '_>) -> PyResult<$type> {
                $convert(value).ok_or_else(|| refused(value, $what, $wanted))
            }
        )+
    };
}

numbers! {
    whole:
    sample_rate -> u32, "sample rate", "hertz as a whole number, 1000 to 768000";
    channels -> u16, "channels", "a whole number, 1 to 32";
    channel_index -> u16, "channel", "a whole number, 0 to 31";
    frames -> u64, "frames", "a whole number, 0 or more";
    block_frames -> u32, "frames of a block", "a whole number, 1 or more";
    depth -> usize, "frames", "a whole number, 0 or more";
    catch_up -> u32, "catch_up", "a whole number of blocks, 1 or more";
    lead -> u32, "lead", "a whole number of blocks, 0 or more";
    seed -> u64, "seed", "a whole number, 0 to 2**64 - 1";
    silence_ms -> u32, "silence_ms", "milliseconds as a whole number, 0 or more";
    min_speech_ms -> u32, "min_speech_ms", "milliseconds as a whole number, 0 or more";
}

numbers! {
    real:
    clock -> f64, "clock", "seconds of a clock that counts up from 0";
    factor -> f32, "gain", "a finite factor";
    threshold -> f32, "threshold", "a probability, above 0 to 1";
    release -> f32, "release", "a probability, 0 to the threshold";
    threshold_dbfs -> f32, "threshold_dbfs", "decibels, -120 to 0";
    margin_db -> f32, "margin_db", "decibels, 0 to 60";
}

pub(crate) fn encoding(value: Given<'_, '_>) -> PyResult<core::Encoding> {
    name(value, "encoding", "'pcm16' or 'float32'")
}

pub(crate) fn quality(value: Given<'_, '_>) -> PyResult<core::Quality> {
    name(value, "quality", "'high' or 'low_latency'")
}

pub(crate) fn width(value: Given<'_, '_>) -> PyResult<core::pcm::Width> {
    name(value, "width", "'pcm_u8', 'pcm24' or 'pcm32'")
}

pub(crate) fn item(value: Given<'_, '_>) -> PyResult<String> {
    let text = value.cast::<PyString>().ok().and_then(|text| text.to_str().ok().map(str::to_owned));
    text.ok_or_else(|| refused(value, "item", "its identity as a str"))
}

pub(crate) fn pad(value: Given<'_, '_>) -> PyResult<bool> {
    let flag = value.cast::<PyBool>().ok().map(PyBoolMethods::is_true);
    flag.ok_or_else(|| refused(value, "pad", "True or False"))
}

pub(crate) fn format(value: Given<'_, '_>) -> PyResult<core::Format> {
    let format = value.cast::<Format>().ok().map(|format| format.get().inner);
    format.ok_or_else(|| refused(value, "format", "an audio.Format"))
}

pub(crate) fn format_or_none(value: Given<'_, '_>) -> PyResult<Option<core::Format>> {
    if value.is_none() { Ok(None) } else { format(value).map(Some) }
}

/// What counts as a whole number in Python, numpy's integers too, but for `bool`.
fn whole<T: for<'a, 'py> FromPyObject<'a, 'py>>(value: Given<'_, '_>) -> Option<T> {
    if !value.is_exact_instance_of::<PyInt>() && value.is_instance_of::<PyBool>() {
        return None;
    }
    value.extract().ok()
}

/// What counts as a number in Python, but for `bool`. What is beyond single precision becomes
/// infinite, which the core refuses by name.
fn real<T: Narrow>(value: Given<'_, '_>) -> Option<T> {
    if !value.is_exact_instance_of::<PyFloat>() && value.is_instance_of::<PyBool>() {
        return None;
    }
    value.extract().ok().map(T::narrow)
}

trait Narrow {
    fn narrow(value: f64) -> Self;
}

impl Narrow for f64 {
    fn narrow(value: f64) -> Self {
        value
    }
}

impl Narrow for f32 {
    fn narrow(value: f64) -> Self {
        value as f32
    }
}

fn name<T: std::str::FromStr>(value: Given<'_, '_>, what: &str, wanted: &str) -> PyResult<T> {
    let text = value.cast::<PyString>().ok();
    let parsed = text.and_then(|text| text.to_str().ok()?.parse().ok());
    parsed.ok_or_else(|| refused(value, what, wanted))
}

fn refused(value: Given<'_, '_>, what: &str, wanted: &str) -> PyErr {
    let text = format!("{what}: got {}, wanted {wanted}", shown(value));
    error::misuse(value.py(), "AudioFormatError", &text)
}

/// A value as Python writes it; its type alone where that is long or fails.
fn shown(value: Given<'_, '_>) -> String {
    let written = value.repr().and_then(|text| text.to_str().map(str::to_owned));
    match (written, value.get_type().name()) {
        (Ok(text), _) if text.len() <= SHOWN => text,
        (_, Ok(kind)) => format!("a value of type {kind}"),
        _ => "a value of another type".to_owned(),
    }
}
