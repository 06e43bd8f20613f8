//! What of each item was really heard: the account between what was sent to a device and what the
//! device has played.

use std::collections::VecDeque;
use std::time::Duration;

use crate::error::Result;
use crate::format::check_rate;

/// How far one item has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Heard {
    /// Frames of the item that were played.
    pub played: u64,
    /// Frames that are queued and not yet played.
    pub pending: u64,
    /// Frames that were queued and given up by a clear.
    pub dropped: u64,
}

impl Heard {
    /// Whether all of the item that was queued has been played.
    pub const fn is_complete(&self) -> bool {
        self.pending == 0 && self.dropped == 0
    }
}

#[derive(Debug, Clone)]
struct Segment<K> {
    item: K,
    frames: u64,
}

/// Follows sound of several items through a first-in, first-out device queue.
///
/// Sound is entered with [`PlaybackLedger::queue`] as it is handed to the device, and
/// [`PlaybackLedger::play`] says how many frames the device has played since; the ledger knows then
/// how much of each item was heard, to the frame, in whatever order the items' pieces came.
///
/// ```
/// use voxloop_audio::PlaybackLedger;
///
/// let mut ledger = PlaybackLedger::new(24_000)?;
/// ledger.queue("a", 24_000);
/// ledger.queue("b", 12_000);
/// ledger.play(30_000);
/// assert_eq!(ledger.heard_ms(&"a"), 1_000);
/// assert_eq!(ledger.heard_ms(&"b"), 250);
/// assert_eq!(ledger.clear(), 6_000);
/// # Ok::<(), voxloop_audio::AudioError>(())
/// ```
#[derive(Debug, Clone)]
pub struct PlaybackLedger<K> {
    sample_rate: u32,
    queue: VecDeque<Segment<K>>,
    /// Every item known, in the order of its first frame.
    items: Vec<(K, Heard)>,
    pending: u64,
    played: u64,
    silence: u64,
}

impl<K: Clone + PartialEq> PlaybackLedger<K> {
    /// A ledger for a device that plays `sample_rate` frames per second.
    ///
    /// # Errors
    /// [`AudioError::Format`](crate::AudioError::Format) when the rate is out of range.
    pub fn new(sample_rate: u32) -> Result<Self> {
        check_rate(sample_rate)?;
        Ok(Self {
            sample_rate,
            queue: VecDeque::new(),
            items: Vec::new(),
            pending: 0,
            played: 0,
            silence: 0,
        })
    }

    /// Enters frames of an item at the end of the device's queue. A piece that goes on where the
    /// last one ended takes no memory of its own.
    pub fn queue(&mut self, item: K, frames: u64) {
        let frames = frames.min(u64::MAX - self.pending);
        self.pending += frames;
        let index = self.index(&item).unwrap_or_else(|| {
            self.items.push((item.clone(), Heard::default()));
            self.items.len() - 1
        });
        self.items[index].1.pending += frames;
        match self.queue.back_mut() {
            _ if frames == 0 => {}
            Some(last) if last.item == item => last.frames += frames,
            _ => self.queue.push_back(Segment { item, frames }),
        }
    }

    /// Says that the device has played this many frames more. Those beyond what was queued were
    /// silence and belong to no item; returns how many those are.
    pub fn play(&mut self, frames: u64) -> u64 {
        let mut rest = frames;
        while rest > 0 {
            let Some(front) = self.queue.front_mut() else { break };
            let now = rest.min(front.frames);
            front.frames -= now;
            rest -= now;
            let item = front.item.clone();
            if front.frames == 0 {
                self.queue.pop_front();
            }
            self.account(&item, |heard| {
                heard.pending -= now;
                heard.played += now;
            });
        }
        self.pending -= frames - rest;
        self.played = self.played.saturating_add(frames - rest);
        self.silence = self.silence.saturating_add(rest);
        rest
    }

    /// Gives up all that is queued, as when the listener interrupts; returns how many frames.
    pub fn clear(&mut self) -> u64 {
        for (_, heard) in &mut self.items {
            heard.dropped += heard.pending;
            heard.pending = 0;
        }
        self.queue.clear();
        std::mem::take(&mut self.pending)
    }

    /// How far an item has come; all zeros for one that was never queued.
    pub fn heard(&self, item: &K) -> Heard {
        self.index(item).map_or_else(Heard::default, |index| self.items[index].1)
    }

    /// Whole milliseconds of an item that were heard, rounded down: never more than there was.
    pub fn heard_ms(&self, item: &K) -> u64 {
        let scaled = u128::from(self.heard(item).played) * 1_000;
        (scaled / u128::from(self.sample_rate)) as u64
    }

    /// Time of an item that was heard, rounded down to nanoseconds.
    pub fn heard_duration(&self, item: &K) -> Duration {
        let (played, rate) = (self.heard(item).played, u64::from(self.sample_rate));
        let nanos = (played % rate) * 1_000_000_000 / rate;
        Duration::new(played / rate, nanos as u32)
    }

    /// The item that is being played, or plays next.
    pub fn current(&self) -> Option<&K> {
        self.queue.front().map(|segment| &segment.item)
    }

    /// Every item known, in the order of its first frame.
    pub fn items(&self) -> impl Iterator<Item = (&K, Heard)> {
        self.items.iter().map(|(item, heard)| (item, *heard))
    }

    /// Drops the account of an item of which nothing is pending; whether there was one.
    pub fn forget(&mut self, item: &K) -> bool {
        let found = self.index(item).filter(|&index| self.items[index].1.pending == 0);
        found.map(|index| self.items.remove(index)).is_some()
    }

    /// Frames queued and not yet played.
    pub const fn pending_frames(&self) -> u64 {
        self.pending
    }

    /// Frames of any item played in all.
    pub const fn played_frames(&self) -> u64 {
        self.played
    }

    /// Frames the device played while nothing was queued.
    pub const fn silence_frames(&self) -> u64 {
        self.silence
    }

    /// Frames per second.
    pub const fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Newest first: the item asked for is nearly always among the last.
    fn index(&self, item: &K) -> Option<usize> {
        self.items.iter().rposition(|(known, _)| known == item)
    }

    fn account(&mut self, item: &K, change: impl FnOnce(&mut Heard)) {
        if let Some(index) = self.index(item) {
            change(&mut self.items[index].1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn items_that_come_again_are_summed() {
        let mut ledger = PlaybackLedger::new(8_000).unwrap();
        ledger.queue('a', 80);
        ledger.queue('b', 40);
        ledger.queue('a', 160);
        assert_eq!(ledger.play(100), 0);
        assert_eq!(ledger.current(), Some(&'b'));
        assert_eq!((ledger.heard_ms(&'a'), ledger.heard_ms(&'b')), (10, 2));
        ledger.play(60);
        assert_eq!((ledger.heard(&'a').played, ledger.heard(&'b').played), (120, 40));
        assert!(ledger.heard(&'b').is_complete() && !ledger.heard(&'a').is_complete());
        assert_eq!(ledger.clear(), 120);
        let wanted = Heard { played: 120, pending: 0, dropped: 120 };
        assert_eq!(ledger.heard(&'a'), wanted);
        assert_eq!(ledger.items().map(|(item, _)| *item).collect::<String>(), "ab");
    }

    #[test]
    fn silence_belongs_to_no_item() {
        let mut ledger = PlaybackLedger::new(8_000).unwrap();
        assert_eq!(ledger.play(5), 5);
        ledger.queue("x", 3);
        assert_eq!(ledger.play(10), 7);
        assert_eq!((ledger.silence_frames(), ledger.played_frames()), (12, 3));
        assert_eq!(ledger.heard(&"y"), Heard::default());
    }

    #[test]
    fn times_are_rounded_down_and_exact_for_long_runs() {
        let mut ledger = PlaybackLedger::new(44_100).unwrap();
        ledger.queue(1, 44_099);
        ledger.play(44_099);
        assert_eq!(ledger.heard_ms(&1), 999);
        assert_eq!(ledger.heard_duration(&1), Duration::from_nanos(999_977_324));
        let day = 44_100 * 86_400;
        ledger.queue(2, day);
        ledger.play(day);
        assert_eq!(ledger.heard_ms(&2), 86_400_000);
    }

    #[test]
    fn only_what_is_over_is_forgotten_and_pieces_are_joined() {
        let mut ledger = PlaybackLedger::new(8_000).unwrap();
        for _ in 0..1_000 {
            ledger.queue("long", 160);
        }
        assert_eq!(ledger.queue.len(), 1);
        assert!(!ledger.forget(&"long"));
        ledger.play(160_000);
        assert!(ledger.forget(&"long") && !ledger.forget(&"long"));
        assert_eq!(ledger.items().count(), 0);
    }

    proptest! {
        #[test]
        fn agrees_with_a_list_of_single_frames(
            steps in proptest::collection::vec((0_u8..4, 0_u8..3, 0_u64..30), 0..60),
        ) {
            let mut ledger = PlaybackLedger::new(1_000).unwrap();
            let mut device: VecDeque<u8> = VecDeque::new();
            let mut heard = [0_u64; 3];
            for (what, item, frames) in steps {
                match what {
                    0 | 1 => {
                        ledger.queue(item, frames);
                        device.extend(std::iter::repeat_n(item, frames as usize));
                    }
                    2 => {
                        ledger.play(frames);
                        for item in device.drain(..(frames as usize).min(device.len())) {
                            heard[usize::from(item)] += 1;
                        }
                    }
                    _ => {
                        prop_assert_eq!(ledger.clear(), device.len() as u64);
                        device.clear();
                    }
                }
                prop_assert_eq!(ledger.pending_frames(), device.len() as u64);
                prop_assert_eq!(ledger.current(), device.front());
                for item in 0..3_u8 {
                    prop_assert_eq!(ledger.heard_ms(&item), heard[usize::from(item)]);
                }
            }
        }
    }
}
