//! Microphones and speakers.
//!
//! A backend gives three functions: `list`, `open_microphone` and `open_speaker`. They may block for
//! as long as a sound server takes to answer, at most some seconds; what they give is run by the
//! network threads from when it is attached until it is dropped.

#[cfg(target_os = "linux")]
mod pulse;
#[cfg(target_os = "linux")]
use pulse as backend;

#[cfg(not(target_os = "linux"))]
mod none;
#[cfg(not(target_os = "linux"))]
use none as backend;

use crate::error::Result;
use crate::session::SinkSetup;
use crate::source::Source;

/// Which way a device works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It hears.
    Microphone,
    /// It plays.
    Speaker,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// What it is opened by.
    pub name: String,
    /// Its name for people.
    pub description: String,
    /// Which way it works.
    pub direction: Direction,
    /// Taken where none is named.
    pub is_default: bool,
    /// It hears what a speaker plays.
    pub is_monitor: bool,
    /// Frames per second.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u16,
}

/// All devices of this machine.
///
/// # Errors
/// [`MediaError::Device`](crate::MediaError::Device).
pub fn list() -> Result<Vec<DeviceInfo>> {
    backend::list()
}

/// A microphone that gives its sound in pieces of about `frame_ms`; the default one without a name.
///
/// # Errors
/// [`MediaError::Device`](crate::MediaError::Device).
pub fn open_microphone(name: Option<&str>, frame_ms: u32) -> Result<Box<dyn Source>> {
    backend::open_microphone(name, frame_ms)
}

/// A speaker that holds about `latency_ms` of sound, behind a buffer that holds `buffer_ms` before
/// playing begins; the default one without a name.
///
/// # Errors
/// [`MediaError::Device`](crate::MediaError::Device).
pub fn open_speaker(name: Option<&str>, latency_ms: u32, buffer_ms: u32) -> Result<SinkSetup> {
    backend::open_speaker(name, latency_ms, buffer_ms)
}
