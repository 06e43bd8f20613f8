//! A connection to the server for a task: whole messages in, commands and sound out.

use std::io::{self, Cursor, ErrorKind};
use std::os::unix::net::UnixStream as Blocking;

use pulseaudio::protocol as pa;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Longer than any message of a server; more is no message.
const LONGEST: usize = 16 << 20;
/// Bytes read at once.
const CHUNK: usize = 16 << 10;

/// What the server says.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // there is one at a time
pub(super) enum Message {
    /// An answer to a command, with what follows its head.
    Reply(u32, Vec<u8>),
    /// A command was refused.
    Error(u32, pa::PulseError),
    /// Something happened.
    Event(pa::Command),
    /// Sound of a stream.
    Sound(u32, Vec<u8>),
    /// Nothing for us.
    Other,
}

impl Message {
    /// Length of a whole message, from its first bytes; `None` if there are too few.
    pub(super) fn length(bytes: &[u8]) -> Option<usize> {
        let head = bytes.get(..pa::DESCRIPTOR_SIZE)?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        Some(length.min(LONGEST) + pa::DESCRIPTOR_SIZE)
    }

    /// A whole message.
    pub(super) fn parse(raw: &[u8], version: u16) -> Self {
        let Ok(head) = pa::read_descriptor(&mut Cursor::new(raw)) else { return Self::Other };
        let body = &raw[pa::DESCRIPTOR_SIZE..];
        if head.channel != u32::MAX {
            return Self::Sound(head.channel, body.to_vec());
        }
        let mut cursor = Cursor::new(body);
        match pa::Command::read_tag_prefixed(&mut cursor, version) {
            Ok((seq, pa::Command::Reply)) => {
                Self::Reply(seq, body[cursor.position() as usize..].to_vec())
            }
            Ok((seq, pa::Command::Error(error))) => Self::Error(seq, error),
            Ok((_, event)) => Self::Event(event),
            // Events that this side never asked for.
            Err(_) => Self::Other,
        }
    }
}

/// The connection.
pub(super) struct Link {
    /// Not yet known to the network threads, until the task runs on one.
    fresh: Option<Blocking>,
    socket: Option<UnixStream>,
    version: u16,
    seq: u32,
    inbound: Vec<u8>,
    outbound: Vec<u8>,
}

impl Link {
    pub(super) fn new(socket: Blocking, version: u16, seq: u32, inbound: Vec<u8>) -> Self {
        let outbound = Vec::new();
        Self { fresh: Some(socket), socket: None, version, seq, inbound, outbound }
    }

    pub(super) fn version(&self) -> u16 {
        self.version
    }

    /// The next whole message that has come.
    pub(super) fn next(&mut self) -> Option<Message> {
        let length = Message::length(&self.inbound)?;
        if self.inbound.len() < length {
            return None;
        }
        let message = Message::parse(&self.inbound[..length], self.version);
        self.inbound.drain(..length);
        Some(message)
    }

    /// Queues a command; its number.
    pub(super) fn send(&mut self, command: &pa::Command) -> u32 {
        self.seq += 1;
        // Writing to memory cannot fail.
        let _ = pa::write_command_message(&mut self.outbound, self.seq, command, self.version);
        self.seq
    }

    /// Queues sound of a stream.
    pub(super) fn sound(&mut self, channel: u32, samples: &[i16]) {
        let flags = pa::DescriptorFlags::empty();
        let length = samples.len() as u32 * 2;
        let head = pa::Descriptor { length, channel, offset: 0, flags };
        let _ = pa::write_descriptor(&mut self.outbound, &head);
        self.outbound.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    }

    /// Reads or writes once the socket allows it.
    ///
    /// Dropping it loses nothing.
    pub(super) async fn exchange(&mut self) -> io::Result<()> {
        if let Some(fresh) = self.fresh.take() {
            self.socket = Some(UnixStream::from_std(fresh)?);
        }
        let Some(socket) = &self.socket else { return Err(ErrorKind::NotConnected.into()) };
        let interest = if self.outbound.is_empty() {
            Interest::READABLE
        } else {
            Interest::READABLE | Interest::WRITABLE
        };
        let ready = socket.ready(interest).await?;
        if ready.is_readable() {
            let old = self.inbound.len();
            self.inbound.resize(old + CHUNK, 0);
            let read = passed(socket.try_read(&mut self.inbound[old..]));
            self.inbound.truncate(old + read.as_ref().map_or(0, |read| read.unwrap_or(0)));
            if read? == Some(0) {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        if ready.is_writable() && !self.outbound.is_empty() {
            let written = passed(socket.try_write(&self.outbound))?.unwrap_or(0);
            self.outbound.drain(..written);
        }
        Ok(())
    }
}

/// A socket that was not ready after all has nothing to say.
fn passed(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
