//! Chunks of any size in, frames of one exact size out.

use crate::error::{AudioError, Result};
use crate::format::{check_channels, check_whole_frames};

/// What [`Framer::flush`] does with a last block that is not full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Tail {
    /// Fill it up with silence.
    #[default]
    Pad,
    /// Give it out short.
    Short,
    /// Throw it away.
    Drop,
}

/// Cuts an interleaved stream into blocks of exactly `frames` frames.
///
/// Holds less than one block; full blocks that lie whole in the input are passed on without a copy.
#[derive(Debug, Clone)]
pub struct Framer<T> {
    block: usize,
    channels: u16,
    pending: Vec<T>,
}

impl<T: Copy + Default> Framer<T> {
    /// A framer for blocks of `frames` frames of `channels` samples.
    ///
    /// # Errors
    /// [`AudioError::Format`] when `frames` is zero or the block does not fit memory arithmetic, or
    /// the channel count is out of range.
    pub fn new(frames: usize, channels: u16) -> Result<Self> {
        check_channels(channels)?;
        let block =
            frames.checked_mul(usize::from(channels)).filter(|&n| n > 0).ok_or_else(|| {
                AudioError::format("frames per block", frames, "at least 1, within memory")
            })?;
        Ok(Self { block, channels, pending: Vec::new() })
    }

    /// Samples (not frames) of a full block.
    pub const fn block_samples(&self) -> usize {
        self.block
    }

    /// Frames that wait for the rest of their block.
    pub fn pending_frames(&self) -> usize {
        self.pending.len() / usize::from(self.channels)
    }

    /// Takes any number of whole frames and calls `emit` with each block that is complete.
    ///
    /// # Errors
    /// [`AudioError::Format`] when `input` ends inside a frame; nothing is taken then.
    pub fn process(&mut self, input: &[T], mut emit: impl FnMut(&[T])) -> Result<()> {
        check_whole_frames(input.len(), self.channels)?;
        let mut rest = input;
        if !self.pending.is_empty() {
            let (head, tail) = rest.split_at((self.block - self.pending.len()).min(rest.len()));
            self.pending.extend_from_slice(head);
            rest = tail;
            if self.pending.len() < self.block {
                return Ok(());
            }
            emit(&self.pending);
            self.pending.clear();
        }
        let blocks = rest.chunks_exact(self.block);
        self.pending.extend_from_slice(blocks.remainder());
        blocks.for_each(emit);
        Ok(())
    }

    /// As [`Framer::process`], with the blocks appended to `out` one after the other.
    ///
    /// # Errors
    /// As [`Framer::process`].
    pub fn process_into(&mut self, input: &[T], out: &mut Vec<T>) -> Result<()> {
        self.process(input, |block| out.extend_from_slice(block))
    }

    /// Ends the stream: the last, partial block by `tail`, or `None` when there is nothing to give.
    /// The framer is empty afterwards and may be used for another stream.
    pub fn flush(&mut self, tail: Tail) -> Option<Vec<T>> {
        let mut last = std::mem::take(&mut self.pending);
        if last.is_empty() || tail == Tail::Drop {
            return None;
        }
        if tail == Tail::Pad {
            last.resize(self.block, T::default());
        }
        Some(last)
    }

    /// Forgets what is pending.
    pub fn reset(&mut self) {
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tail_policies() {
        for (tail, wanted) in [
            (Tail::Pad, Some(vec![5_i16, 6, 0, 0])),
            (Tail::Short, Some(vec![5, 6])),
            (Tail::Drop, None),
        ] {
            let mut framer = Framer::new(2, 2).unwrap();
            let mut out = Vec::new();
            framer.process_into(&[1, 2, 3, 4, 5, 6], &mut out).unwrap();
            assert_eq!(out, [1, 2, 3, 4]);
            assert_eq!(framer.pending_frames(), 1);
            assert_eq!(framer.flush(tail), wanted);
            assert_eq!(framer.flush(tail), None);
        }
    }

    #[test]
    fn refuses_what_it_cannot_cut() {
        assert!(Framer::<i16>::new(0, 1).is_err());
        assert!(Framer::<i16>::new(1, 0).is_err());
        assert!(Framer::<i16>::new(usize::MAX, 2).is_err());
        let mut framer = Framer::<i16>::new(4, 2).unwrap();
        assert!(framer.process(&[1, 2, 3], |_| ()).is_err());
        assert_eq!(framer.pending_frames(), 0);
    }

    proptest! {
        #[test]
        fn chunked_equals_whole(
            frames in 1_usize..17,
            channels in 1_u16..4,
            sizes in proptest::collection::vec(0_usize..60, 0..30),
        ) {
            let total: usize = sizes.iter().sum::<usize>() * usize::from(channels);
            let input: Vec<i16> = (0_i16..).take(total).collect();
            let mut framer = Framer::new(frames, channels).unwrap();
            let (mut out, mut rest) = (Vec::new(), input.as_slice());
            for size in sizes {
                let (head, tail) = rest.split_at(size * usize::from(channels));
                let block = framer.block_samples();
                framer.process(head, |b| { assert_eq!(b.len(), block); out.extend_from_slice(b) })?;
                prop_assert!(framer.pending_frames() < frames);
                rest = tail;
            }
            out.extend(framer.flush(Tail::Short).unwrap_or_default());
            prop_assert_eq!(out, input);
        }
    }
}
