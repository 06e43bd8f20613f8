//! Where the user's sound comes from.

mod clip;
mod pool;
mod push;

use std::ops::Range;
use std::task::{Context, Poll};

use bytes::Bytes;

pub use clip::{Clip, ClipSource};
pub use pool::pooled;
pub use push::{PushHandle, PushSource};

/// What a [`Source`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Supply {
    /// Samples, which were due at this reading of [`voxloop_net::monotonic_ns`].
    Samples {
        /// When the last of them had come, or was due.
        due_ns: u64,
    },
    /// Nothing more will come.
    End,
    /// The device is gone, for this reason.
    Lost(String),
}

/// Sound that comes in time of its own: a file, a queue, a device.
///
/// A device implements it with a bounded queue that its own task fills.
pub trait Source: Send {
    /// Samples per second, mono.
    fn sample_rate(&self) -> u32;
    /// Appends the next samples to `out`, or remembers whom to wake, unless [`Source::next_ns`] says
    /// when to come again.
    fn poll_supply(&mut self, cx: &mut Context<'_>, out: &mut Vec<i16>) -> Poll<Supply>;
    /// For a source that goes by the clock alone: when there is more to give, by
    /// [`voxloop_net::monotonic_ns`]. It wakes nobody; it is polled then.
    fn next_ns(&self) -> Option<u64> {
        None
    }
    /// The samples that were given last as a part of what lies in memory, little-endian, if they
    /// lie there.
    fn part(&self) -> Option<(&Bytes, Range<usize>)> {
        None
    }
    /// Whether its samples pass whether or not anyone takes them. One that does not is left alone
    /// while there is no connection.
    fn is_live(&self) -> bool {
        true
    }
    /// Samples that were given up because nobody had polled for too long.
    fn dropped(&self) -> u64 {
        0
    }
}
