//! A buffer between sound that arrives in bursts and a device that takes it steadily.

use std::collections::VecDeque;

use crate::error::{AudioError, Result};
use crate::format::{check_channels, check_whole_frames};

/// What a full [`JitterBuffer`] gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Overrun {
    /// The oldest frames: the delay stays bounded and the listener hears the latest.
    #[default]
    DropOldest,
    /// What does not fit of the frames that come in.
    DropNewest,
}

/// Counters of a [`JitterBuffer`] since it was made, in frames but for the two counts of events.
/// `pushed` equals `played + dropped + cleared` and what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct JitterStats {
    /// Taken by [`JitterBuffer::push`], those dropped at once included.
    pub pushed: u64,
    /// Given out by [`JitterBuffer::pull`].
    pub played: u64,
    /// Given up because the buffer was full.
    pub dropped: u64,
    /// Given up by [`JitterBuffer::clear`].
    pub cleared: u64,
    /// Silence given out in place of frames that had not come in time, until playing went on.
    pub concealed: u64,
    /// Times that playing ran dry.
    pub underruns: u64,
    /// Calls of [`JitterBuffer::push`] that found too little room.
    pub overruns: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing has been played since the start, an end or a clear.
    Waiting,
    /// Ran dry; what it gives is in place of sound.
    Starved,
    Playing,
    /// No more will come: the rest is played whatever the depth.
    Draining,
}

/// Holds sound back until `target` frames are there, then gives it out; when it runs dry, it gives
/// silence and waits for `target` frames again. Never holds more than `capacity` frames.
///
/// ```
/// use voxloop_audio::{JitterBuffer, Overrun};
///
/// let mut buffer = JitterBuffer::<i16>::new(480, 4_800, 1, Overrun::DropOldest)?;
/// let mut block = [0; 240];
/// buffer.push(&[1; 240])?;
/// assert_eq!(buffer.pull(&mut block)?, 0);
/// buffer.push(&[1; 240])?;
/// assert_eq!(buffer.pull(&mut block)?, 240);
/// # Ok::<(), voxloop_audio::AudioError>(())
/// ```
#[derive(Debug, Clone)]
pub struct JitterBuffer<T> {
    queue: VecDeque<T>,
    target: usize,
    capacity: usize,
    channels: u16,
    overrun: Overrun,
    state: State,
    stats: JitterStats,
}

impl<T: Copy + Default> JitterBuffer<T> {
    /// A buffer that starts to play at `target` frames and never holds more than `capacity`.
    ///
    /// # Errors
    /// [`AudioError::Format`] when `capacity` is zero, less than `target` or beyond memory
    /// arithmetic, or the channel count is out of range.
    pub fn new(target: usize, capacity: usize, channels: u16, overrun: Overrun) -> Result<Self> {
        check_channels(channels)?;
        if capacity == 0 || capacity < target {
            let wanted = format!("at least 1 and the target of {target}");
            return Err(AudioError::format("jitter capacity", capacity, wanted));
        }
        if capacity.checked_mul(usize::from(channels)).is_none() {
            return Err(AudioError::format("jitter capacity", capacity, "a size within memory"));
        }
        Ok(Self {
            queue: VecDeque::new(),
            target,
            capacity,
            channels,
            overrun,
            state: State::Waiting,
            stats: JitterStats::default(),
        })
    }

    /// Frames from which it plays.
    pub const fn target(&self) -> usize {
        self.target
    }

    /// Changes the depth from which it plays, at most the capacity; what plays goes on playing.
    pub fn set_target(&mut self, target: usize) {
        self.target = target.min(self.capacity);
    }

    /// Most frames held.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Frames held.
    pub fn depth(&self) -> usize {
        self.queue.len() / usize::from(self.channels)
    }

    /// Whether the next [`JitterBuffer::pull`] gives sound.
    pub fn is_playing(&self) -> bool {
        match self.state {
            State::Playing | State::Draining => !self.queue.is_empty(),
            State::Waiting | State::Starved => {
                !self.queue.is_empty() && self.depth() >= self.target
            }
        }
    }

    /// The counters.
    pub const fn stats(&self) -> JitterStats {
        self.stats
    }

    /// Takes whole frames; returns how many frames, of these or older ones, were given up for them.
    ///
    /// # Errors
    /// [`AudioError::Format`] when `samples` end inside a frame; nothing is taken then.
    pub fn push(&mut self, samples: &[T]) -> Result<usize> {
        check_whole_frames(samples.len(), self.channels)?;
        let channels = usize::from(self.channels);
        let most = self.capacity * channels;
        let excess = (self.queue.len() + samples.len()).saturating_sub(most);
        let (old, new) = match self.overrun {
            Overrun::DropOldest => (excess.min(self.queue.len()), excess),
            Overrun::DropNewest => (0, excess),
        };
        self.queue.drain(..old);
        let kept = match self.overrun {
            Overrun::DropOldest => &samples[new - old..],
            Overrun::DropNewest => &samples[..samples.len() - new],
        };
        self.queue.extend(kept);
        let dropped = excess / channels;
        self.stats.pushed += (samples.len() / channels) as u64;
        self.stats.dropped += dropped as u64;
        self.stats.overruns += u64::from(dropped > 0);
        if self.state == State::Draining {
            self.state = State::Playing;
        }
        Ok(dropped)
    }

    /// Fills `out` with sound, or with silence where there is none to play; returns the frames of
    /// sound, which come first.
    ///
    /// # Errors
    /// [`AudioError::Format`] when `out` ends inside a frame; nothing is given then.
    pub fn pull(&mut self, out: &mut [T]) -> Result<usize> {
        check_whole_frames(out.len(), self.channels)?;
        let channels = usize::from(self.channels);
        let wanted = out.len() / channels;
        let mut given = 0;
        if self.is_playing() && wanted > 0 {
            given = wanted.min(self.depth());
            let (front, back) = self.queue.as_slices();
            let first = front.len().min(given * channels);
            out[..first].copy_from_slice(&front[..first]);
            out[first..given * channels].copy_from_slice(&back[..given * channels - first]);
            self.queue.drain(..given * channels);
            if self.state != State::Draining {
                self.state = State::Playing;
            }
        }
        out[given * channels..].fill(T::default());
        self.stats.played += given as u64;
        if given < wanted {
            self.state = match self.state {
                State::Playing => {
                    self.stats.underruns += 1;
                    State::Starved
                }
                State::Draining => State::Waiting,
                other => other,
            };
        }
        if self.state == State::Starved {
            self.stats.concealed += (wanted - given) as u64;
        }
        Ok(given)
    }

    /// No more will come for now: what is held plays out without waiting for the target, and running
    /// dry is no underrun. The next [`JitterBuffer::push`] ends this.
    pub fn end(&mut self) {
        self.state = if self.queue.is_empty() { State::Waiting } else { State::Draining };
    }

    /// Gives up all that is held, as when the listener interrupts; returns how many frames. The
    /// next sound waits for the target again.
    pub fn clear(&mut self) -> usize {
        let frames = self.depth();
        self.queue.clear();
        self.state = State::Waiting;
        self.stats.cleared += frames as u64;
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn buffer(target: usize, capacity: usize, overrun: Overrun) -> JitterBuffer<i16> {
        JitterBuffer::new(target, capacity, 1, overrun).unwrap()
    }

    fn pull(from: &mut JitterBuffer<i16>, frames: usize) -> (usize, Vec<i16>) {
        let mut out = vec![99; frames];
        let given = from.pull(&mut out).unwrap();
        (given, out)
    }

    #[test]
    fn waits_plays_runs_dry_and_waits_again() {
        let mut jitter = buffer(4, 10, Overrun::DropOldest);
        jitter.push(&[1, 2, 3]).unwrap();
        assert_eq!(pull(&mut jitter, 2), (0, vec![0, 0]));
        jitter.push(&[4]).unwrap();
        assert_eq!(pull(&mut jitter, 3), (3, vec![1, 2, 3]));
        assert_eq!(pull(&mut jitter, 3), (1, vec![4, 0, 0]));
        jitter.push(&[5, 6]).unwrap();
        assert_eq!(pull(&mut jitter, 2), (0, vec![0, 0]));
        jitter.push(&[7, 8]).unwrap();
        assert_eq!(pull(&mut jitter, 4), (4, vec![5, 6, 7, 8]));
        let stats = jitter.stats();
        assert_eq!((stats.underruns, stats.concealed, stats.played), (1, 4, 8));
    }

    #[test]
    fn an_end_plays_the_rest_and_is_no_underrun() {
        let mut jitter = buffer(4, 10, Overrun::DropOldest);
        jitter.push(&[1, 2]).unwrap();
        jitter.end();
        assert!(jitter.is_playing());
        assert_eq!(pull(&mut jitter, 3), (2, vec![1, 2, 0]));
        assert_eq!(pull(&mut jitter, 3).0, 0);
        assert_eq!((jitter.stats().underruns, jitter.stats().concealed), (0, 0));
        jitter.end();
        jitter.push(&[3]).unwrap();
        assert!(!jitter.is_playing());
    }

    #[test]
    fn full_drops_by_policy_and_counts() {
        let mut oldest = buffer(0, 4, Overrun::DropOldest);
        assert_eq!(oldest.push(&[1, 2, 3]).unwrap(), 0);
        assert_eq!(oldest.push(&[4, 5, 6]).unwrap(), 2);
        assert_eq!(oldest.push(&[7, 8, 9, 10, 11, 12]).unwrap(), 6);
        assert_eq!(pull(&mut oldest, 5).1, [9, 10, 11, 12, 0]);
        let mut newest = buffer(0, 4, Overrun::DropNewest);
        assert_eq!(newest.push(&[1, 2, 3, 4, 5]).unwrap(), 1);
        assert_eq!(newest.push(&[6]).unwrap(), 1);
        assert_eq!(pull(&mut newest, 4).1, [1, 2, 3, 4]);
        assert_eq!((newest.stats().overruns, newest.stats().dropped), (2, 2));
    }

    #[test]
    fn clear_silences_at_once() {
        let mut jitter = buffer(2, 10, Overrun::DropOldest);
        jitter.push(&[1, 2, 3, 4]).unwrap();
        assert_eq!(pull(&mut jitter, 1).0, 1);
        assert_eq!(jitter.clear(), 3);
        assert_eq!(pull(&mut jitter, 2), (0, vec![0, 0]));
        assert_eq!((jitter.stats().cleared, jitter.stats().underruns), (3, 0));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(JitterBuffer::<i16>::new(5, 4, 1, Overrun::DropOldest).is_err());
        assert!(JitterBuffer::<i16>::new(0, 0, 1, Overrun::DropOldest).is_err());
        assert!(JitterBuffer::<i16>::new(0, usize::MAX, 2, Overrun::DropOldest).is_err());
        let mut stereo = JitterBuffer::<i16>::new(0, 4, 2, Overrun::DropOldest).unwrap();
        assert!(stereo.push(&[1]).is_err());
        assert!(stereo.pull(&mut [0; 3]).is_err());
        assert_eq!(stereo.depth(), 0);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(usize),
        Pull(usize),
        End,
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0_usize..40).prop_map(Step::Push),
            4 => (0_usize..40).prop_map(Step::Pull),
            1 => Just(Step::End),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_lost_doubled_or_out_of_order(
            target in 0_usize..30,
            room in 1_usize..60,
            newest: bool,
            steps in proptest::collection::vec(step(), 0..60),
        ) {
            let overrun = if newest { Overrun::DropNewest } else { Overrun::DropOldest };
            let mut jitter = JitterBuffer::<u64>::new(target, target + room, 1, overrun).unwrap();
            let (mut next, mut last) = (1_u64, 0);
            for step in steps {
                match step {
                    Step::Push(frames) => {
                        let samples: Vec<u64> = (next..).take(frames).collect();
                        next += frames as u64;
                        jitter.push(&samples).unwrap();
                    }
                    Step::Pull(frames) => {
                        let mut out = vec![u64::MAX; frames];
                        let given = jitter.pull(&mut out).unwrap();
                        prop_assert!(out[given..].iter().all(|&v| v == 0));
                        for &value in &out[..given] {
                            prop_assert!(value > last);
                            last = value;
                        }
                    }
                    Step::End => jitter.end(),
                    Step::Clear => _ = jitter.clear(),
                }
                let stats = jitter.stats();
                let held = jitter.depth() as u64;
                prop_assert_eq!(stats.pushed, stats.played + stats.dropped + stats.cleared + held);
                prop_assert!(jitter.depth() <= jitter.capacity());
            }
        }

        #[test]
        fn the_split_of_a_push_does_not_matter(
            cuts in proptest::collection::vec(0_usize..20, 0..20),
            pull in 1_usize..200,
        ) {
            let total: usize = cuts.iter().sum();
            let samples: Vec<u64> = (1..=total as u64).collect();
            let mut whole = JitterBuffer::new(10, 64, 1, Overrun::DropOldest).unwrap();
            let mut pieces = whole.clone();
            whole.push(&samples).unwrap();
            let mut rest = samples.as_slice();
            for cut in cuts {
                let (head, tail) = rest.split_at(cut);
                pieces.push(head).unwrap();
                rest = tail;
            }
            let (mut a, mut b) = (vec![0; pull], vec![0; pull]);
            prop_assert_eq!(whole.pull(&mut a).unwrap(), pieces.pull(&mut b).unwrap());
            prop_assert_eq!(a, b);
        }
    }
}
