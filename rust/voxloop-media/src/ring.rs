//! The user's audio since the last commit, so that it can be sent again over a new connection.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use voxloop_audio::Packed;

/// Bytes of PCM16 that are packed together once they were sent: 100 ms at 24,000 Hz.
const PACKED_BYTES: usize = 4_800;

/// Whole samples, one after the other.
#[derive(Debug)]
enum Block {
    /// As they came.
    Plain(Bytes),
    /// Without loss in less room, as they are hardly ever sent again; the first `gone` bytes were
    /// dropped.
    Packed { data: Packed, gone: usize },
}

impl Block {
    fn len(&self) -> usize {
        match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Packed { data, gone } => data.len() - gone,
        }
    }

    fn drop_front(&mut self, count: usize) {
        match self {
            Self::Plain(bytes) => drop(bytes.split_to(count)),
            Self::Packed { gone, .. } => *gone += count,
        }
    }

    fn slice(&self, range: Range<usize>) -> Bytes {
        match self {
            Self::Plain(bytes) => bytes.slice(range),
            Self::Packed { data, gone } => {
                Bytes::from(data.unpack()).slice(range.start + gone..range.end + gone)
            }
        }
    }
}

/// A bounded stretch of a stream of samples of one width; positions count from the stream's start.
///
/// It is also the queue to the socket: what lies between [`Ring::sent`] and the end is still to be
/// sent. Policy when full: the oldest samples go, and count as lost if they were never sent.
#[derive(Debug)]
pub struct Ring {
    /// Each of whole samples; what is dropped is given back. What is shared with others, as clips
    /// are, is never copied.
    blocks: VecDeque<Block>,
    /// Blocks at the front that are as they will be.
    settled_blocks: usize,
    held: usize,
    width: usize,
    capacity: usize,
    start: u64,
    sent: u64,
    lost: u64,
    /// Where the stream stood when commits or clears of ours went out.
    marks: VecDeque<u64>,
    /// Where the server heard the speech end that it commits next.
    stopped: Option<u64>,
    /// Position at which the connection's own count of samples began.
    base: u64,
    /// Counts connections.
    run: u64,
}

/// Where a part of a clip begins in it; `None` for bytes that lie elsewhere.
fn begin_in(part: &Bytes, clip: &Bytes) -> Option<usize> {
    let at = part.as_ptr().addr().checked_sub(clip.as_ptr().addr())?;
    (at < clip.len()).then_some(at)
}

/// Commits that may wait for their answer.
const MAX_MARKS: usize = 64;

impl Ring {
    /// An empty ring for up to `capacity` samples of `width` bytes.
    pub fn new(width: usize, capacity: usize) -> Self {
        Self {
            blocks: VecDeque::new(),
            settled_blocks: 0,
            held: 0,
            width,
            capacity,
            start: 0,
            sent: 0,
            lost: 0,
            marks: VecDeque::new(),
            stopped: None,
            base: 0,
            run: 0,
        }
    }

    /// Appends whole samples.
    pub fn push(&mut self, block: Bytes) {
        self.held += block.len();
        self.blocks.push_back(Block::Plain(block));
        self.pushed();
    }

    /// Appends whole samples of a clip, which is in memory anyway: it is never copied, and parts
    /// that follow each other are one block.
    pub fn push_part(&mut self, clip: &Bytes, part: Range<usize>) {
        self.held += part.len();
        match self.blocks.back_mut() {
            Some(Block::Plain(last))
                if begin_in(last, clip).is_some_and(|at| at + last.len() == part.start) =>
            {
                *last = clip.slice(part.start - last.len()..part.end);
            }
            _ => self.blocks.push_back(Block::Plain(clip.slice(part))),
        }
        self.pushed();
    }

    fn pushed(&mut self) {
        debug_assert!(self.held.is_multiple_of(self.width));
        let excess = (self.held / self.width).saturating_sub(self.capacity) as u64;
        self.drop_until(self.start + excess);
    }

    fn drop_until(&mut self, position: u64) {
        let position = position.clamp(self.start, self.end());
        let mut left = (position - self.start) as usize * self.width;
        self.held -= left;
        while left > 0
            && let Some(block) = self.blocks.front_mut()
        {
            let now = left.min(block.len());
            // Less than a block: the rest of it stays where it is.
            block.drop_front(now);
            left -= now;
            if block.len() == 0 {
                self.blocks.pop_front();
                self.settled_blocks = self.settled_blocks.saturating_sub(1);
            }
        }
        self.start = position;
        if self.sent < position {
            self.lost += position - self.sent;
            self.sent = position;
        }
    }

    /// Position of the oldest sample kept.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Position behind the newest sample.
    pub fn end(&self) -> u64 {
        self.start + (self.held / self.width) as u64
    }

    /// Position up to which the connection has been given everything.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Samples that were dropped before they could be sent.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Up to `samples` samples that are to be sent next; empty when there are none.
    pub fn unsent(&self, samples: usize) -> Bytes {
        let unsent = (self.end() - self.sent) as usize * self.width;
        // From the newest back to the one where it begins: most often there is one.
        let (mut first, mut behind) = (self.blocks.len(), 0);
        while behind < unsent && first > 0 {
            first -= 1;
            behind += self.blocks[first].len();
        }
        let wanted = unsent.min(samples * self.width);
        let Some(block) = self.blocks.get(first) else { return Bytes::new() };
        let skip = behind - unsent;
        if block.len() - skip >= wanted {
            return block.slice(skip..skip + wanted);
        }
        let mut joined = BytesMut::with_capacity(wanted);
        joined.extend_from_slice(&block.slice(skip..block.len()));
        for block in self.blocks.range(first + 1..) {
            let now = block.len().min(wanted - joined.len());
            joined.extend_from_slice(&block.slice(0..now));
        }
        joined.freeze()
    }

    /// Number of the connection, to be given back to [`Ring::mark_sent`].
    pub fn run(&self) -> u64 {
        self.run
    }

    /// Samples up to this position were given to the connection of that number.
    pub fn mark_sent(&mut self, position: u64, run: u64) {
        if run == self.run {
            self.sent = self.sent.max(position.min(self.end()));
            self.pack();
        }
    }

    /// Packs what was sent, a whole piece at a time.
    fn pack(&mut self) {
        if self.width != 2 {
            return; // G.711 does not get smaller
        }
        let mut behind: usize = self.blocks.range(self.settled_blocks..).map(Block::len).sum();
        let unsent = (self.end() - self.sent) as usize * self.width;
        let (first, mut end, mut bytes) = (self.settled_blocks, self.settled_blocks, 0);
        while bytes < PACKED_BYTES {
            let Some(Block::Plain(block)) = self.blocks.get(end) else { return };
            if behind - block.len() <= unsent {
                return; // its bytes may be on their way at this moment
            }
            behind -= block.len();
            if !block.is_unique() {
                // Of a clip: whoever has it as well keeps it as it is.
                self.settled_blocks = end + 1;
                return;
            }
            bytes += block.len();
            end += 1;
        }
        let mut joined = Vec::with_capacity(bytes);
        for block in self.blocks.range(first..end) {
            joined.extend_from_slice(&block.slice(0..block.len()));
        }
        self.blocks[first] = Block::Packed { data: Packed::new(&joined), gone: 0 };
        self.blocks.drain(first + 1..end);
        self.settled_blocks = first + 1;
    }

    /// A new connection: all that is kept is to be sent again. Returns how many samples that is.
    pub fn rewind(&mut self) -> u64 {
        let again = self.sent - self.start;
        self.sent = self.start;
        self.base = self.start;
        self.run += 1;
        self.marks.clear();
        self.stopped = None;
        again
    }

    /// A commit or a clear is on its way behind the samples sent so far.
    pub fn mark(&mut self) {
        if self.marks.len() == MAX_MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(self.sent);
    }

    /// What was marked last did not go out.
    pub fn unmark(&mut self) {
        self.marks.pop_back();
    }

    /// The server heard speech end at this many milliseconds of the connection's audio.
    pub fn speech_stopped(&mut self, audio_end_ms: u64, rate: u32) {
        let samples = u128::from(audio_end_ms) * u128::from(rate) / 1_000;
        let position = self.base.saturating_add(u64::try_from(samples).unwrap_or(u64::MAX));
        self.stopped = Some(position.min(self.sent));
    }

    /// The server has made a message of the audio, or has cleared it: it is safe there, or gone.
    ///
    /// How far is known by the end of speech that the server told, else by our own commit; without
    /// either, all that was sent counts.
    pub fn settled(&mut self) {
        let position = match self.stopped.take() {
            Some(stopped) => stopped,
            None => self.marks.pop_front().unwrap_or(self.sent),
        };
        self.drop_until(position.min(self.sent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(samples: u8) -> Ring {
        let mut ring = Ring::new(1, 100);
        ring.push((0..samples).collect::<Vec<_>>().into());
        ring
    }

    fn sent(ring: &mut Ring, position: u64) {
        ring.mark_sent(position, ring.run());
    }

    #[test]
    fn what_is_kept_is_sent_again() {
        let mut ring = filled(10);
        assert_eq!(ring.unsent(4)[..], [0, 1, 2, 3]);
        sent(&mut ring, 8);
        assert_eq!(ring.unsent(4)[..], [8, 9]);
        let before = ring.run();
        assert_eq!(ring.rewind(), 8);
        ring.mark_sent(10, before); // of the connection that is gone
        assert_eq!(ring.unsent(100), (0..10).collect::<Vec<u8>>());
    }

    #[test]
    fn a_commit_of_ours_settles_what_was_sent_before_it() {
        let mut ring = filled(10);
        sent(&mut ring, 6);
        ring.mark();
        sent(&mut ring, 9);
        ring.settled();
        assert_eq!((ring.start(), ring.sent(), ring.end(), ring.lost()), (6, 9, 10, 0));
        ring.settled();
        assert_eq!(ring.start(), 9);
    }

    #[test]
    fn a_commit_of_the_server_settles_up_to_the_end_of_speech() {
        let mut ring = filled(10);
        sent(&mut ring, 9);
        ring.speech_stopped(4, 1_000);
        ring.settled();
        assert_eq!(ring.start(), 4);
        ring.rewind();
        sent(&mut ring, 10);
        ring.speech_stopped(3, 1_000);
        ring.settled();
        assert_eq!(ring.start(), 7, "a connection counts from where it was given the audio");
        ring.speech_stopped(u64::MAX, 48_000);
        ring.settled();
        assert_eq!(ring.start(), 10);
    }

    #[test]
    fn blocks_are_cut_and_joined_as_they_are_wanted() {
        let mut ring = Ring::new(2, 1_000);
        for block in [&[0_u8, 1, 2, 3][..], &[4, 5], &[6, 7, 8, 9, 10, 11]] {
            ring.push(Bytes::copy_from_slice(block));
        }
        assert_eq!(ring.unsent(1)[..], [0, 1]);
        assert_eq!(ring.unsent(4)[..], (0..8).collect::<Vec<u8>>());
        sent(&mut ring, 1);
        assert_eq!(ring.unsent(2)[..], [2, 3, 4, 5]);
        assert_eq!(ring.unsent(99)[..], (2..12).collect::<Vec<u8>>());
        ring.settled();
        assert_eq!(ring.start(), 1);
        assert_eq!(ring.unsent(1)[..], [2, 3]);
        sent(&mut ring, 4);
        ring.settled();
        assert_eq!((ring.start(), ring.end(), &ring.unsent(9)[..]), (4, 6, &[8, 9, 10, 11][..]));
        sent(&mut ring, 6);
        assert!(ring.unsent(9).is_empty());
        assert_eq!(ring.rewind(), 2);
        assert_eq!(ring.unsent(9)[..], [8, 9, 10, 11]);
        ring.settled();
        sent(&mut ring, 6);
        ring.settled();
        assert_eq!((ring.start(), ring.blocks.len()), (6, 0));
    }

    #[test]
    fn what_was_sent_is_packed_and_comes_back_to_the_byte() {
        let whole: Vec<u8> = (0..40_000_u32).flat_map(|n| ((n * 7) as i16).to_le_bytes()).collect();
        for size in [2, 318, 960, 4_800, 9_600] {
            let mut ring = Ring::new(2, 25_000);
            for block in whole.chunks(size) {
                ring.push(Bytes::copy_from_slice(block));
                // The last 10 ms have yet to be sent; what is sent is held until that was told.
                while ring.end() - ring.sent() > 240 {
                    let bytes = ring.unsent(480);
                    let position = ring.sent() + bytes.len() as u64 / 2;
                    sent(&mut ring, position);
                    drop(bytes);
                }
            }
            assert_eq!((ring.start(), ring.end(), ring.lost()), (15_000, 40_000, 0));
            assert!(ring.blocks.iter().any(|block| matches!(block, Block::Packed { .. })));
            let most = 50_000 / PACKED_BYTES.max(size) + 4_800 / size + 480 * 2 / size + 4;
            assert!(ring.blocks.len() <= most, "{} of {size}", ring.blocks.len());
            ring.rewind();
            let mut again = Vec::new();
            while ring.sent() < ring.end() {
                let next = ring.unsent(481);
                again.extend_from_slice(&next);
                let run = ring.run();
                ring.mark_sent(ring.sent() + next.len() as u64 / 2, run);
            }
            assert!(again == whole[30_000..], "{size}");
            ring.mark();
            ring.settled();
            assert_eq!((ring.start(), ring.blocks.len(), ring.settled_blocks), (40_000, 0, 0));
        }
    }

    #[test]
    fn a_clip_is_never_copied_and_is_one_block_until_it_begins_anew() {
        let clip = Bytes::from((0..48_000_u32).map(|n| (n / 3) as u8).collect::<Vec<_>>());
        let (mut ring, mut whole) = (Ring::new(2, 100_000), Vec::new());
        for at in (0..48_000).chain(0..9_600).step_by(960) {
            ring.push_part(&clip, at..at + 960);
            whole.extend_from_slice(&clip[at..at + 960]);
            let position = ring.end() - 10;
            sent(&mut ring, position);
        }
        let same = |block: &Block| matches!(block, Block::Plain(bytes) if !bytes.is_unique());
        assert!(ring.blocks.iter().all(same));
        assert_eq!(ring.blocks.len(), 2);
        assert_eq!(ring.unsent(10)[..], clip[9_580..9_600]);
        ring.mark();
        ring.push(vec![7; 4].into()); // not of the clip, and of it once more
        ring.push_part(&clip, 9_600..9_604);
        ring.settled();
        assert_eq!((ring.start(), ring.blocks.len()), (28_790, 3));
        ring.rewind();
        let rest = [&whole[57_580..], &[7; 4], &clip[9_600..9_604]].concat();
        assert_eq!(ring.unsent(999)[..], rest);
    }

    #[test]
    fn a_full_ring_loses_its_oldest_and_says_so() {
        let mut ring = Ring::new(2, 4);
        ring.push(vec![0; 8].into());
        sent(&mut ring, 3);
        ring.push(vec![1; 4].into());
        assert_eq!((ring.start(), ring.sent(), ring.lost()), (2, 3, 0));
        ring.push(vec![2; 6].into());
        assert_eq!((ring.start(), ring.sent(), ring.end(), ring.lost()), (5, 5, 9, 2));
    }
}
