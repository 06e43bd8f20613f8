//! What went by, for whoever writes it down: it is kept here and taken in batches, now and then.
//!
//! Nobody is woken. Off, it costs a load of an atomic; on, it is bounded.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::shared::lock;

/// Sound of one direction that may wait, in bytes: almost three minutes at 24,000 Hz.
const SOUND_BYTES: usize = 8 << 20;
/// Text that may wait, in bytes: two minutes of sound at 24,000 Hz.
const TEXT_BYTES: usize = 8 << 20;
/// A gap in time up to this does not end a stretch.
const GAP_NS: u64 = 20_000_000;

/// Sound without a gap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stretch {
    /// When its first sample was said or heard, by [`voxloop_net::monotonic_ns`].
    pub start_ns: u64,
    /// Its samples.
    pub samples: Vec<i16>,
}

/// What [`Tap::take`] gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tapped {
    /// The user's sound, at the wire's rate.
    pub up: Vec<Stretch>,
    /// The answer's sound as it was heard, at the sink's rate.
    pub down: Vec<Stretch>,
    /// Events that were queued for the connection, each with its time.
    pub texts: Vec<(u64, String)>,
    /// Pieces and events that were left out since the last time.
    pub dropped: u64,
}

/// Keeps what went by. Policy: what comes while 8 MiB of its kind wait is left out and counted;
/// what comes after that still stands at its time.
#[derive(Debug, Default)]
pub struct Tap {
    sound: AtomicBool,
    texts: AtomicBool,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    tapped: Tapped,
    up_bytes: usize,
    down_bytes: usize,
    text_bytes: usize,
}

impl Tap {
    /// Says what is wanted from now on. What is no longer wanted may still be taken.
    pub fn want(&self, sound: bool, texts: bool) {
        self.sound.store(sound, Ordering::Relaxed);
        self.texts.store(texts, Ordering::Relaxed);
    }

    /// Whether sound is wanted.
    pub fn wants_sound(&self) -> bool {
        self.sound.load(Ordering::Relaxed)
    }

    /// Whether events are wanted.
    pub fn wants_texts(&self) -> bool {
        self.texts.load(Ordering::Relaxed)
    }

    /// Sound of the user that had come, or was due, at `end_ns`.
    pub(crate) fn up(&self, end_ns: u64, rate: u32, samples: &[i16]) {
        if self.wants_sound() {
            let start_ns = end_ns.saturating_sub(duration_ns(samples.len(), rate));
            let held = &mut *lock(&self.held);
            let dropped = put(&mut held.tapped.up, &mut held.up_bytes, start_ns, rate, samples);
            held.tapped.dropped += u64::from(dropped);
        }
    }

    /// Sound that was heard from `start_ns` on.
    pub(crate) fn down(&self, start_ns: u64, rate: u32, samples: &[i16]) {
        if self.wants_sound() && !samples.is_empty() {
            let held = &mut *lock(&self.held);
            let dropped = put(&mut held.tapped.down, &mut held.down_bytes, start_ns, rate, samples);
            held.tapped.dropped += u64::from(dropped);
        }
    }

    /// An event that is queued for the connection.
    pub(crate) fn text(&self, at_ns: u64, text: String) {
        let held = &mut *lock(&self.held);
        if held.text_bytes + text.len() > TEXT_BYTES {
            held.tapped.dropped += 1;
            return;
        }
        held.text_bytes += text.len();
        held.tapped.texts.push((at_ns, text));
    }

    /// Takes all that is held.
    pub fn take(&self) -> Tapped {
        std::mem::take(&mut *lock(&self.held)).tapped
    }
}

/// Time that samples of a rate take.
pub(crate) fn duration_ns(samples: usize, rate: u32) -> u64 {
    let ns = samples as u128 * 1_000_000_000 / u128::from(rate.max(1));
    u64::try_from(ns).unwrap_or(u64::MAX)
}

/// Adds to the last stretch, or begins another; true if there is no room.
fn put(
    to: &mut Vec<Stretch>,
    bytes: &mut usize,
    start_ns: u64,
    rate: u32,
    samples: &[i16],
) -> bool {
    let more = std::mem::size_of_val(samples);
    if *bytes + more > SOUND_BYTES {
        return true;
    }
    *bytes += more;
    match to.last_mut() {
        Some(last)
            if start_ns <= last.start_ns + duration_ns(last.samples.len(), rate) + GAP_NS =>
        {
            last.samples.extend_from_slice(samples);
        }
        _ => to.push(Stretch { start_ns, samples: samples.to_vec() }),
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn nothing_is_kept_unless_it_is_wanted() {
        let tap = Tap::default();
        tap.up(5 * MS, 1_000, &[1, 2]);
        tap.down(5 * MS, 1_000, &[1, 2]);
        assert_eq!(tap.take(), Tapped::default());
    }

    #[test]
    fn what_follows_at_once_is_one_stretch_and_a_gap_begins_another() {
        let tap = Tap::default();
        tap.want(true, false);
        tap.up(1_010 * MS, 1_000, &[1; 10]);
        tap.up(1_039 * MS, 1_000, &[2; 10]);
        tap.up(1_100 * MS, 1_000, &[3; 10]);
        tap.down(2_000 * MS, 1_000, &[4]);
        tap.text(9, "{}".into());
        let Tapped { up, down, texts, dropped } = tap.take();
        assert_eq!(up.iter().map(|s| s.start_ns / MS).collect::<Vec<_>>(), [1_000, 1_090]);
        assert_eq!(up.iter().map(|s| s.samples.len()).collect::<Vec<_>>(), [20, 10]);
        assert_eq!(down, [Stretch { start_ns: 2_000 * MS, samples: vec![4] }]);
        assert_eq!((texts, dropped), (vec![(9, "{}".into())], 0));
        assert_eq!(tap.take(), Tapped::default());
    }

    #[test]
    fn it_is_bounded_and_counts_what_it_leaves_out() {
        let tap = Tap::default();
        tap.want(true, true);
        let second = vec![7; 48_000];
        for number in 0..100 {
            tap.up(number * 1_000 * MS, 48_000, &second);
        }
        let fit = SOUND_BYTES / 96_000;
        let tapped = tap.take();
        assert_eq!(tapped.dropped, 100 - fit as u64);
        assert_eq!(tapped.up.iter().map(|s| s.samples.len()).sum::<usize>(), fit * 48_000);
        tap.up(200_000 * MS, 48_000, &second);
        assert_eq!(tap.take().up[0].start_ns, 199_000 * MS, "what comes then is at its time");
    }
}
