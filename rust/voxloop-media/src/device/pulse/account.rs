//! Which of the samples that were written have become audible.

use std::collections::VecDeque;

/// A stretch of sound among what was written: first sample and the one after the last.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: u64,
    end: u64,
}

/// What the server said last: so much was audible at that time.
#[derive(Debug, Clone, Copy)]
struct Fix {
    position: u64,
    at_ns: u64,
    running: bool,
}

/// The account of one stream: samples written, and how far playing has come.
///
/// Between two answers of the server playing goes on at the stream's rate; it never goes back, nor
/// beyond what was written.
#[derive(Debug)]
pub(super) struct Account {
    rate: u64,
    written: u64,
    position: u64,
    runs: VecDeque<Run>,
    fix: Option<Fix>,
    /// The block written last was sound to its end.
    within: bool,
}

impl Account {
    pub(super) fn new(rate: u32) -> Self {
        let rate = u64::from(rate);
        Self { rate, written: 0, position: 0, runs: VecDeque::new(), fix: None, within: false }
    }

    /// Samples written so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Whether sound was written that is not audible yet.
    pub(super) fn awaits(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Whether what was written last is in the midst of sound: playing must not run dry now.
    pub(super) fn is_within(&self) -> bool {
        self.within
    }

    /// Enters a block: so many samples, of which the first ones are sound.
    pub(super) fn write(&mut self, samples: usize, sound: usize) {
        let (start, end) = (self.written, self.written + sound as u64);
        self.written += samples as u64;
        self.within = sound == samples && sound > 0;
        match self.runs.back_mut() {
            _ if sound == 0 => {}
            Some(last) if last.end == start => last.end = end,
            _ => self.runs.push_back(Run { start, end }),
        }
    }

    /// What was written is not to be heard any more.
    pub(super) fn forget(&mut self) {
        self.runs.clear();
        self.within = false;
        self.position = self.written;
        self.fix = None;
    }

    /// Playing stands still.
    pub(super) fn stalled(&mut self) {
        self.fix = None;
    }

    /// Enters an answer of the server: of what had been written when it was asked, so many samples
    /// were not audible at `at_ns`.
    pub(super) fn fixed(&mut self, written: u64, unheard: u64, at_ns: u64, running: bool) {
        let position = written.saturating_sub(unheard);
        self.fix = Some(Fix { position, at_ns, running });
    }

    /// Samples of sound that have become audible since the last call.
    pub(super) fn heard(&mut self, now_ns: u64) -> usize {
        let Some(fix) = self.fix else { return 0 };
        let since = if fix.running { now_ns.saturating_sub(fix.at_ns) } else { 0 };
        let gone = u128::from(since) * u128::from(self.rate) / 1_000_000_000;
        let position = fix.position.saturating_add(gone as u64).min(self.written);
        self.position = self.position.max(position);
        let mut heard = 0;
        while let Some(run) = self.runs.front_mut() {
            let reached = self.position.clamp(run.start, run.end);
            heard += reached - run.start;
            run.start = reached;
            if run.start < run.end {
                break;
            }
            self.runs.pop_front();
        }
        heard as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn nothing_is_heard_before_the_server_has_said_so() {
        let mut account = Account::new(48_000);
        account.write(960, 960);
        assert_eq!(account.heard(1_000 * MS), 0);
        account.fixed(960, 960, 1_000 * MS, true);
        assert_eq!(account.heard(1_000 * MS), 0);
        assert_eq!(account.heard(1_005 * MS), 240);
        assert_eq!(account.heard(1_005 * MS), 0);
        assert_eq!(account.heard(2_000 * MS), 720, "never more than was written");
        assert!(!account.awaits());
    }

    #[test]
    fn silence_between_sounds_is_passed_over() {
        let mut account = Account::new(1_000);
        account.write(10, 4);
        account.write(10, 0);
        account.write(10, 10);
        assert!(account.is_within());
        account.fixed(30, 30, 0, true);
        assert_eq!(account.heard(3 * MS), 3);
        assert_eq!(account.heard(19 * MS), 1);
        assert_eq!(account.heard(25 * MS), 5);
        assert_eq!(account.heard(30 * MS), 5);
    }

    #[test]
    fn it_never_goes_back_and_stands_still_with_the_device() {
        let mut account = Account::new(1_000);
        account.write(100, 100);
        account.fixed(100, 100, 0, true);
        assert_eq!(account.heard(50 * MS), 50);
        account.fixed(100, 60, 50 * MS, false);
        assert_eq!(account.heard(60 * MS), 0);
        account.fixed(100, 45, 60 * MS, false);
        assert_eq!(account.heard(99 * MS), 5);
    }

    #[test]
    fn what_was_flushed_is_not_heard() {
        let mut account = Account::new(1_000);
        account.write(100, 100);
        account.fixed(100, 90, 0, true);
        assert_eq!(account.heard(0), 10);
        account.forget();
        account.write(50, 20);
        assert!(!account.is_within());
        assert_eq!(account.heard(90 * MS), 0, "an old answer says nothing of it");
        account.fixed(150, 50, 100 * MS, true);
        assert_eq!(account.heard(110 * MS), 10);
        assert_eq!(account.heard(160 * MS), 10);
        assert_eq!(account.written(), 150);
    }
}
