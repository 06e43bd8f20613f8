//! The first questions to the server, one at a time, blocking: connect, log in, make a stream.

use std::ffi::CString;
use std::io::{Cursor, Read};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use pulseaudio::protocol as pa;

use super::link::{Link, Message};
use super::server;
use crate::error::{DeviceFault, MediaError, Result};

/// How long the server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that is being set up.
pub(super) struct Opening {
    socket: UnixStream,
    version: u16,
    seq: u32,
    /// Whole messages that came between answers, for the task that takes over.
    strays: Vec<u8>,
}

impl Opening {
    pub(super) fn connect() -> Result<Self> {
        let path = server::socket()?;
        let unreachable = |error: std::io::Error| {
            let path = path.display();
            DeviceFault::NoServer.error(format!("no sound server answers at {path}: {error}"))
        };
        let socket = UnixStream::connect(&path).map_err(unreachable)?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(unreachable)?;
        socket.set_write_timeout(Some(PATIENCE)).map_err(unreachable)?;
        let mut opening = Self { socket, version: pa::MAX_VERSION, seq: 0, strays: Vec::new() };
        let auth = pa::AuthParams {
            version: pa::MAX_VERSION,
            supports_shm: false,
            supports_memfd: false,
            cookie: server::cookie(),
        };
        let reply: pa::AuthReply = opening.ask(&pa::Command::Auth(auth))?;
        opening.version = pa::MAX_VERSION.min(reply.version);
        if opening.version < pa::MIN_VERSION {
            return Err(DeviceFault::Refused.error("the sound server is too old to be used"));
        }
        let mut props = pa::Props::new();
        props.set(pa::Prop::ApplicationName, c"voxloop");
        let _: pa::SetClientNameReply = opening.ask(&pa::Command::SetClientName(props))?;
        Ok(opening)
    }

    /// The answer to a question.
    pub(super) fn ask<R: pa::CommandReply>(&mut self, command: &pa::Command) -> Result<R> {
        self.seq += 1;
        pa::write_command_message(&mut self.socket, self.seq, command, self.version)
            .map_err(|error| silent(&error))?;
        loop {
            let raw = self.read()?;
            match Message::parse(&raw, self.version) {
                Message::Reply(seq, payload) if seq == self.seq => {
                    let mut cursor = Cursor::new(payload);
                    let mut reader = pa::TagStructReader::new(&mut cursor, self.version);
                    return reader.read().map_err(|error| silent(&error));
                }
                Message::Error(seq, error) if seq == self.seq => return Err(refused(error)),
                _ => self.strays.extend_from_slice(&raw),
            }
        }
    }

    fn read(&mut self) -> Result<Vec<u8>> {
        let mut raw = vec![0; pa::DESCRIPTOR_SIZE];
        self.socket.read_exact(&mut raw).map_err(|error| silent(&error))?;
        let length = Message::length(&raw).unwrap_or(pa::DESCRIPTOR_SIZE);
        raw.resize(length, 0);
        let rest = &mut raw[pa::DESCRIPTOR_SIZE..];
        self.socket.read_exact(rest).map_err(|error| silent(&error))?;
        Ok(raw)
    }

    /// From here on a task has it.
    pub(super) fn into_link(self) -> Result<Link> {
        self.socket.set_nonblocking(true)?;
        Ok(Link::new(self.socket, self.version, self.seq, self.strays))
    }
}

fn silent(error: &dyn std::fmt::Display) -> MediaError {
    DeviceFault::NoServer.error(format!("the sound server does not answer as it should: {error}"))
}

fn refused(error: pa::PulseError) -> MediaError {
    match error {
        pa::PulseError::NoEntity => DeviceFault::NotFound.error("there is no such device"),
        pa::PulseError::AccessDenied | pa::PulseError::AuthKey => DeviceFault::Refused.error(
            "the sound server refused this user; is it another user's, or is PULSE_COOKIE wrong?",
        ),
        other => DeviceFault::Refused.error(format!("the sound server refused: {other:?}")),
    }
}

/// A device's name as the server takes it.
pub(super) fn device_name(name: Option<&str>, default: &std::ffi::CStr) -> Result<CString> {
    match name {
        None => Ok(default.to_owned()),
        Some(name) => CString::new(name)
            .map_err(|_| DeviceFault::NotFound.error("the name of a device has no zero byte")),
    }
}

/// Says which device there is none of.
pub(super) fn named(error: MediaError, name: Option<&str>, what: &str) -> MediaError {
    match (error, name) {
        (MediaError::Device { fault: DeviceFault::NotFound, .. }, Some(name)) => {
            DeviceFault::NotFound.error(format!(
                "there is no {what} named {name:?}; voxloop.audio.devices() tells what there is"
            ))
        }
        (MediaError::Device { fault: DeviceFault::NotFound, .. }, None) => DeviceFault::NotFound
            .error(format!("the sound server has no {what}; plug one in, or choose another")),
        (error, _) => error,
    }
}
