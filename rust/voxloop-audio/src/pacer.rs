//! When to send the next block: a schedule that does not drift, as arithmetic over a clock that is
//! passed in.

use std::time::Duration;

use crate::error::{AudioError, Result};
use crate::format::check_rate;

/// What a [`Pacer`] says at one reading of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Pace {
    /// Blocks to send now.
    pub due: u64,
    /// Blocks of the schedule that are given up, because the caller came too late for them.
    pub skipped: u64,
    /// From now until the next block is due.
    pub wait: Duration,
}

/// The times at which blocks of `frames` frames are due: block `n` at `start + n * frames / rate`,
/// computed from `n` each time, so that no error adds up.
///
/// The clock is any that counts up, as a duration since whatever it likes; one that steps back is
/// held at its latest reading. A caller that comes late finds several blocks due at once, and after
/// more than `catch_up` of them the schedule moves on instead: a stall must not become a burst.
///
/// ```
/// use std::time::Duration;
/// use voxloop_audio::Pacer;
///
/// let mut pacer = Pacer::new(24_000, 480, 5)?;
/// let start = Duration::from_secs(100);
/// assert_eq!(pacer.poll(start).due, 1);
/// let pace = pacer.poll(start + Duration::from_millis(25));
/// assert_eq!((pace.due, pace.wait), (1, Duration::from_millis(15)));
/// # Ok::<(), voxloop_audio::AudioError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pacer {
    sample_rate: u32,
    frames: u32,
    catch_up: u64,
    lead: u64,
    /// Reading at which block 0 is due, and how many blocks were sent or given up since.
    start: Option<Duration>,
    block: u64,
    latest: Duration,
    skipped: u64,
}

impl Pacer {
    /// A schedule for blocks of `frames` frames at `sample_rate`; at most `catch_up` blocks that are
    /// late are made good for at once.
    ///
    /// # Errors
    /// [`AudioError::Format`] when the rate is out of range, or `frames` or `catch_up` is zero.
    pub fn new(sample_rate: u32, frames: u32, catch_up: u32) -> Result<Self> {
        check_rate(sample_rate)?;
        for (what, count) in [("frames per block", frames), ("blocks to catch up", catch_up)] {
            if count == 0 {
                return Err(AudioError::format(what, count, "at least 1"));
            }
        }
        Ok(Self {
            sample_rate,
            frames,
            catch_up: u64::from(catch_up),
            lead: 0,
            start: None,
            block: 0,
            latest: Duration::ZERO,
            skipped: 0,
        })
    }

    /// The same with every block due `blocks` of its kind earlier: the depth that a receiver's
    /// buffer is filled to at the start.
    #[must_use]
    pub const fn with_lead(mut self, blocks: u32) -> Self {
        self.lead = blocks as u64;
        self
    }

    /// When a block of the running schedule is due, lead included; `None` before the first
    /// [`Pacer::poll`].
    pub fn due(&self, block: u64) -> Option<Duration> {
        Some(self.start?.saturating_add(self.offset(block.saturating_sub(self.lead))))
    }

    /// What is due at this reading of the clock; the first one starts the schedule.
    pub fn poll(&mut self, now: Duration) -> Pace {
        self.latest = self.latest.max(now);
        let now = self.latest;
        let start = *self.start.get_or_insert(now);
        // Blocks whose time has come: the first is due at the start.
        let reached = self.reached(now.saturating_sub(start)).saturating_add(1 + self.lead);
        let late = reached.saturating_sub(self.block);
        // The lead is sent at once, and is not late.
        let allowed =
            if self.block == 0 { self.catch_up.max(1 + self.lead) } else { self.catch_up };
        let skipped = late.saturating_sub(allowed);
        self.block += late;
        self.skipped += skipped;
        let next = start.saturating_add(self.offset(self.block.saturating_sub(self.lead)));
        Pace { due: late - skipped, skipped, wait: next.saturating_sub(now) }
    }

    /// Ends the schedule; the next [`Pacer::poll`] starts another. The count of skipped blocks and
    /// the latest reading stay.
    pub const fn reset(&mut self) {
        self.start = None;
        self.block = 0;
    }

    /// Blocks given up in all.
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Time from one block to the next, rounded down to nanoseconds.
    pub fn interval(&self) -> Duration {
        Duration::from_nanos(u64::from(self.frames) * 1_000_000_000 / u64::from(self.sample_rate))
    }

    /// `block * frames / rate`, rounded up: never early.
    fn offset(&self, block: u64) -> Duration {
        let frames = u128::from(block) * u128::from(self.frames);
        let rate = u128::from(self.sample_rate);
        let nanos = (frames % rate * 1_000_000_000).div_ceil(rate);
        let seconds = u64::try_from(frames / rate).unwrap_or(u64::MAX);
        Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos as u64))
    }

    /// The last block whose offset is not after `passed`.
    fn reached(&self, passed: Duration) -> u64 {
        let rate = u128::from(self.sample_rate);
        // At most 2^64 seconds of 2^20 frames and 2^30 nanoseconds: beyond 128 bits only past 500
        // years of the clock.
        let frames = passed.as_nanos().saturating_mul(rate) / 1_000_000_000;
        u64::try_from(frames / u128::from(self.frames)).unwrap_or(u64::MAX - self.lead - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_day_of_blocks_that_fit_no_nanosecond_does_not_drift() {
        // 1024 frames at 44.1 kHz: 23.2199546... ms.
        let mut pacer = Pacer::new(44_100, 1_024, 3).unwrap();
        let mut now = Duration::from_secs(7);
        let mut sent = 0;
        let day = 24 * 3_600 * 44_100 / 1_024;
        while sent < day {
            let pace = pacer.poll(now);
            assert_eq!(pace.due, 1, "after {sent} blocks");
            sent += pace.due;
            now += pace.wait;
        }
        let exact = Duration::from_secs(7).as_nanos() as f64 + day as f64 * 1_024e9 / 44_100.0;
        assert!((now.as_nanos() as f64 - exact).abs() < 100.0);
        assert_eq!(pacer.skipped(), 0);
    }

    #[test]
    fn a_late_caller_catches_up_within_bounds() {
        let mut pacer = Pacer::new(8_000, 160, 4).unwrap();
        assert_eq!(pacer.poll(MS(1_000)), Pace { due: 1, skipped: 0, wait: MS(20) });
        assert_eq!(pacer.poll(MS(1_010)), Pace { due: 0, skipped: 0, wait: MS(10) });
        assert_eq!(pacer.poll(MS(1_065)), Pace { due: 3, skipped: 0, wait: MS(15) });
        assert_eq!(pacer.poll(MS(3_000)), Pace { due: 4, skipped: 93, wait: MS(20) });
        assert_eq!(pacer.skipped(), 93);
        assert_eq!(pacer.due(200), Some(MS(5_000)));
    }

    #[test]
    fn a_clock_that_steps_back_changes_nothing() {
        let mut pacer = Pacer::new(8_000, 160, 4).unwrap();
        pacer.poll(MS(500));
        assert_eq!(pacer.poll(MS(100)), Pace { due: 0, skipped: 0, wait: MS(20) });
        assert_eq!(pacer.poll(MS(520)).due, 1);
    }

    #[test]
    fn a_lead_goes_out_at_once() {
        let mut pacer = Pacer::new(8_000, 160, 2).unwrap().with_lead(5);
        assert_eq!(pacer.poll(MS(0)), Pace { due: 6, skipped: 0, wait: MS(20) });
        assert_eq!(pacer.poll(MS(20)).due, 1);
        assert_eq!(pacer.due(7), Some(MS(40)));
        pacer.reset();
        assert_eq!(pacer.due(7), None);
        assert_eq!(pacer.poll(MS(900)).due, 6);
    }

    #[test]
    fn extreme_readings_do_not_panic() {
        let mut pacer = Pacer::new(768_000, 1, 1).unwrap().with_lead(u32::MAX);
        for now in [Duration::ZERO, Duration::MAX, Duration::ZERO, Duration::MAX] {
            let pace = pacer.poll(now);
            assert!(pace.due <= u64::from(u32::MAX) + 1);
        }
        assert!(Pacer::new(8_000, 0, 1).is_err() && Pacer::new(8_000, 1, 0).is_err());
    }

    proptest! {
        #[test]
        fn what_is_sent_follows_the_clock_alone(
            rate in 1_000_u32..200_000,
            frames in 1_u32..5_000,
            steps in proptest::collection::vec(0_u64..50_000_000, 1..60),
        ) {
            let mut pacer = Pacer::new(rate, frames, u32::MAX).unwrap();
            let (mut now, mut sent) = (Duration::from_secs(3), 0);
            let start = now;
            for step in steps {
                sent += pacer.poll(now).due;
                let passed = now.saturating_sub(start).as_nanos();
                let block = u128::from(frames) * 1_000_000_000;
                prop_assert_eq!(u128::from(sent), passed * u128::from(rate) / block + 1);
                // A caller that waits as told finds the next block due, and not before.
                let wait = pacer.clone().poll(now).wait;
                prop_assert_eq!(pacer.clone().poll(now + wait).due, 1);
                prop_assert_eq!(pacer.clone().poll((now + wait).saturating_sub(Duration::from_nanos(1))).due, 0);
                now += Duration::from_nanos(step);
            }
        }
    }
}
