//! `PulseAudio`, and `PipeWire` where it speaks for it: its own protocol over its socket.
//!
//! No C library and no thread: a stream is a task on the network threads that answers the server's
//! requests. Dropping the task closes the socket, and the server forgets the stream.

mod account;
mod cadence;
mod link;
mod microphone;
mod opening;
mod server;
mod speaker;

use pulseaudio::protocol as pa;

use super::{DeviceInfo, Direction};
use crate::error::Result;
use crate::session::SinkSetup;
use crate::source::Source;
use opening::Opening;

pub(super) fn list() -> Result<Vec<DeviceInfo>> {
    let mut server = Opening::connect()?;
    let info: pa::ServerInfo = server.ask(&pa::Command::GetServerInfo)?;
    let sinks: Vec<pa::SinkInfo> = server.ask(&pa::Command::GetSinkInfoList)?;
    let sources: Vec<pa::SourceInfo> = server.ask(&pa::Command::GetSourceInfoList)?;
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let speakers = sinks.iter().map(|sink| DeviceInfo {
        name: text(&sink.name),
        description: text(sink.description.as_deref().unwrap_or(&sink.name)),
        direction: Direction::Speaker,
        is_default: info.default_sink_name.as_ref() == Some(&sink.name),
        is_monitor: false,
        sample_rate: sink.sample_spec.sample_rate,
        channels: sink.sample_spec.channels.into(),
    });
    let microphones = sources.iter().map(|source| DeviceInfo {
        name: text(&source.name),
        description: text(source.description.as_deref().unwrap_or(&source.name)),
        direction: Direction::Microphone,
        is_default: info.default_source_name.as_ref() == Some(&source.name),
        is_monitor: source.monitor_of_sink_index.is_some(),
        sample_rate: source.sample_spec.sample_rate,
        channels: source.sample_spec.channels.into(),
    });
    Ok(speakers.chain(microphones).collect())
}

pub(super) fn open_microphone(name: Option<&str>, frame_ms: u32) -> Result<Box<dyn Source>> {
    Ok(Box::new(microphone::open(name, frame_ms)?))
}

pub(super) fn open_speaker(
    name: Option<&str>,
    latency_ms: u32,
    buffer_ms: u32,
) -> Result<SinkSetup> {
    speaker::open(name, latency_ms, buffer_ms)
}

/// What a stream of ours is: mono, 16 bits, at the rate of the device, so that the one resampler
/// there is is ours.
fn mono(rate: u32) -> pa::SampleSpec {
    pa::SampleSpec { format: pa::SampleFormat::S16Le, channels: 1, sample_rate: rate }
}

/// The device's rate where we can have it.
fn rate_of(spec: pa::SampleSpec) -> u32 {
    let rate = spec.sample_rate;
    if (8_000..=192_000).contains(&rate) && rate.is_multiple_of(50) { rate } else { 48_000 }
}

/// Bytes of so many milliseconds.
fn bytes_of(ms: u32, rate: u32) -> u32 {
    (u64::from(ms) * u64::from(rate) / 1_000) as u32 * 2
}

/// What the server shows to people.
fn props(name: &std::ffi::CStr) -> pa::Props {
    let mut props = pa::Props::new();
    props.set(pa::Prop::MediaName, name);
    props
}
