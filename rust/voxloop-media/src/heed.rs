//! Sound on its way from a pull to an ear, for whoever wants to have what was heard.

use std::collections::VecDeque;

/// Holds what was pulled until it has been played.
#[derive(Debug, Default)]
pub(crate) struct Heed {
    wanted: bool,
    /// Samples that were pulled and not played yet, wanted or not.
    outstanding: usize,
    /// The newest of them, from when they were wanted on.
    held: VecDeque<i16>,
    heard: Vec<i16>,
}

impl Heed {
    pub(crate) fn want(&mut self, wanted: bool) {
        self.wanted = wanted;
        if !wanted {
            self.held = VecDeque::new();
            self.heard = Vec::new();
        }
    }

    /// Sound was pulled.
    pub(crate) fn pulled(&mut self, samples: &[i16]) {
        self.outstanding += samples.len();
        if self.wanted {
            self.held.extend(samples);
        }
    }

    /// So many samples of it were played, the oldest first.
    pub(crate) fn played(&mut self, samples: usize) {
        let samples = samples.min(self.outstanding);
        let unknown = self.outstanding - self.held.len();
        self.heard.extend(self.held.drain(..samples.saturating_sub(unknown)));
        self.outstanding -= samples;
    }

    /// What was not played is not to be heard any more.
    pub(crate) fn forget(&mut self) {
        self.outstanding = 0;
        self.held.clear();
    }

    /// What was heard since the last call.
    pub(crate) fn take(&mut self) -> Vec<i16> {
        std::mem::take(&mut self.heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_played_is_heard_and_what_was_cut_is_not() {
        let mut heed = Heed::default();
        heed.pulled(&[1, 2, 3]); // before anyone wanted it
        heed.want(true);
        heed.pulled(&[4, 5, 6]);
        heed.played(4);
        assert_eq!(heed.take(), [4]);
        heed.played(1);
        heed.forget();
        heed.pulled(&[7]);
        heed.played(9);
        assert_eq!(heed.take(), [5, 7]);
        heed.pulled(&[8]);
        heed.want(false);
        heed.played(1);
        heed.pulled(&[9]);
        heed.want(true);
        heed.played(1);
        assert_eq!(heed.take(), Vec::<i16>::new());
    }
}
