//! A clip in memory, at the pace of speech or as fast as it is taken.

use std::ops::Range;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use voxloop_audio::Pacer;
use voxloop_net::monotonic_ns;

use super::{Source, Supply};
use crate::error::{MediaError, Result};

/// Frames that are late are all made good for: a file loses nothing.
const CATCH_UP: u32 = u32::MAX;

/// A clip and how it is given out.
#[derive(Debug, Clone)]
pub struct Clip {
    /// PCM16 mono, little-endian.
    pub data: Bytes,
    /// Samples per second.
    pub sample_rate: u32,
    /// Length of one frame.
    pub frame_ms: u32,
    /// At the pace of speech; else as fast as it is taken.
    pub realtime: bool,
    /// Begins anew at its end.
    pub looped: bool,
}

/// Gives out a [`Clip`].
pub struct ClipSource {
    clip: Clip,
    frame: usize,
    at: usize,
    /// Where the frame that was given last begins, if it did not pass the end.
    last: Option<usize>,
    pacer: Pacer,
    /// Frames that are due and were not given out, and the number of the next frame.
    due: u64,
    number: u64,
    /// When the next frame is due.
    next_ns: u64,
}

impl ClipSource {
    /// A source that begins with the clip when it is first polled.
    ///
    /// # Errors
    /// A rate or a length that is out of range, or an odd number of bytes.
    pub fn new(clip: Clip) -> Result<Self> {
        let frame = u64::from(clip.sample_rate) * u64::from(clip.frame_ms) / 1_000;
        let frame = u32::try_from(frame).unwrap_or(0);
        if frame == 0 || !clip.data.len().is_multiple_of(2) {
            return Err(MediaError::Config("a clip needs a rate, a frame length and PCM16".into()));
        }
        Ok(Self {
            pacer: Pacer::new(clip.sample_rate, frame, CATCH_UP)?,
            clip,
            frame: frame as usize,
            at: 0,
            last: None,
            due: 0,
            number: 0,
            next_ns: 0,
        })
    }

    fn take(&mut self, out: &mut Vec<i16>) -> bool {
        let mut wanted = self.frame * 2;
        let whole = self.clip.data.len() - self.at >= wanted;
        self.last = whole.then_some(self.at);
        while wanted > 0 {
            if self.at == self.clip.data.len() {
                if !self.clip.looped || self.clip.data.is_empty() {
                    break;
                }
                self.at = 0;
            }
            let end = self.clip.data.len().min(self.at + wanted);
            let pairs = self.clip.data[self.at..end].chunks_exact(2);
            out.extend(pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
            wanted -= end - self.at;
            self.at = end;
        }
        wanted < self.frame * 2
    }
}

impl Source for ClipSource {
    fn sample_rate(&self) -> u32 {
        self.clip.sample_rate
    }

    fn part(&self) -> Option<(&Bytes, Range<usize>)> {
        self.last.map(|at| (&self.clip.data, at..at + self.frame * 2))
    }

    fn is_live(&self) -> bool {
        self.clip.realtime
    }

    fn next_ns(&self) -> Option<u64> {
        self.clip.realtime.then_some(self.next_ns)
    }

    fn poll_supply(&mut self, _cx: &mut Context<'_>, out: &mut Vec<i16>) -> Poll<Supply> {
        if !self.clip.realtime {
            let due_ns = monotonic_ns();
            return Poll::Ready(if self.take(out) {
                Supply::Samples { due_ns }
            } else {
                Supply::End
            });
        }
        if self.due == 0 {
            let now_ns = monotonic_ns();
            let pace = self.pacer.poll(Duration::from_nanos(now_ns));
            self.due = pace.due;
            let wait = u64::try_from(pace.wait.as_nanos()).unwrap_or(u64::MAX);
            self.next_ns = now_ns.saturating_add(wait);
            if self.due == 0 {
                return Poll::Pending;
            }
        }
        self.due -= 1;
        let due = self.pacer.due(self.number).unwrap_or_default();
        self.number += 1;
        let due_ns = u64::try_from(due.as_nanos()).unwrap_or(u64::MAX);
        Poll::Ready(if self.take(out) { Supply::Samples { due_ns } } else { Supply::End })
    }
}
