//! Bytes that the caller pushes, bounded.

use std::future::Future;
use std::os::fd::RawFd;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use voxloop_audio::Format;
use voxloop_net::monotonic_ns;
use voxloop_queue::{Outbox, Unsent};

use super::{Source, Supply};
use crate::error::{MediaError, Result};

/// The caller's end closed the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

type Queue = Outbox<(Bytes, u64), Closed>;

/// The caller's end: it refuses what has no room, and its descriptor says when there is some.
#[derive(Clone)]
pub struct PushHandle {
    queue: Arc<Queue>,
    sample_rate: u32,
    /// Whether a source takes from it.
    taken: Arc<AtomicBool>,
}

impl PushHandle {
    /// A queue for PCM16 mono at `sample_rate`, for at most `max_bytes` of it.
    ///
    /// # Errors
    /// A rate that is out of range, or no descriptor is left.
    pub fn new(sample_rate: u32, max_bytes: usize) -> Result<Self> {
        Format::new(sample_rate, 1, voxloop_audio::Encoding::Pcm16)?;
        Ok(Self {
            queue: Arc::new(Outbox::new(max_bytes)?),
            sample_rate,
            taken: Arc::new(AtomicBool::new(false)),
        })
    }

    /// Samples per second.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Readable when a push that was refused may be tried again.
    pub fn fileno(&self) -> RawFd {
        self.queue.signal().fileno()
    }

    /// Queues whole samples, little-endian; false when there is no room.
    ///
    /// # Errors
    /// [`Closed`] once it was closed.
    pub fn try_push(&self, data: Bytes) -> std::result::Result<bool, Closed> {
        let bytes = data.len();
        match self.queue.try_push((data, monotonic_ns()), bytes) {
            Ok(()) => Ok(true),
            Err(Unsent::Full(_)) => Ok(false),
            Err(Unsent::Closed(closed)) => Err(closed),
        }
    }

    /// Nothing more will come; what is queued is still sent.
    pub fn close(&self) {
        // An end that stands already is as good.
        let _ = self.queue.push_last((Bytes::new(), monotonic_ns()), Closed);
    }

    /// The other end, of which there is one at a time: two would tear the sound in pieces.
    ///
    /// # Errors
    /// There is one.
    pub fn source(&self) -> Result<PushSource> {
        if self.taken.swap(true, Ordering::AcqRel) {
            return Err(MediaError::Busy(
                "this source is attached already; leave that block first, or make one source for \
                 each session",
            ));
        }
        Ok(PushSource {
            queue: Arc::clone(&self.queue),
            sample_rate: self.sample_rate,
            taken: Arc::clone(&self.taken),
        })
    }
}

/// Gives out what was pushed, at once.
pub struct PushSource {
    queue: Arc<Queue>,
    sample_rate: u32,
    taken: Arc<AtomicBool>,
}

impl Drop for PushSource {
    fn drop(&mut self) {
        self.taken.store(false, Ordering::Release);
    }
}

impl Source for PushSource {
    fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    fn poll_supply(&mut self, cx: &mut Context<'_>, out: &mut Vec<i16>) -> Poll<Supply> {
        // One item: its bytes leave the budget once they are on their way.
        let next = pin!(self.queue.next_batch(1));
        let Some(batch) = std::task::ready!(next.poll(cx)) else {
            return Poll::Ready(Supply::End);
        };
        let mut due_ns = monotonic_ns();
        for (data, pushed_ns) in batch.items {
            due_ns = due_ns.min(pushed_ns);
            out.extend(data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
        }
        self.queue.release(batch.cost);
        Poll::Ready(Supply::Samples { due_ns })
    }

    fn is_live(&self) -> bool {
        false
    }
}
