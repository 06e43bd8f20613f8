//! How late a device asks for its sound, or we hear of it: by the pace at which it asks.

/// Clocks may differ by this much: parts in a million, that is nanoseconds in a millisecond.
const DRIFT_PPM: i64 = 300;

/// Follows the requests of one stream. A device that plays on asks for as much as it has played, so
/// each request has its time; the earliest one so far says where that time begins.
#[derive(Debug)]
pub(super) struct Cadence {
    rate: i64,
    asked: i64,
    /// The earliest beginning of time that a request has shown, and when it was looked at.
    begun: Option<(i64, i64)>,
}

impl Cadence {
    pub(super) fn new(rate: u32) -> Self {
        Self { rate: i64::from(rate.max(1)), asked: 0, begun: None }
    }

    /// Playing stood still, or is to stand elsewhere: time begins anew.
    pub(super) fn stalled(&mut self) {
        self.begun = None;
    }

    /// Samples are asked for; by how many nanoseconds that is late.
    pub(super) fn asked(&mut self, samples: usize, now_ns: u64) -> u64 {
        let now = i64::try_from(now_ns).unwrap_or(i64::MAX);
        let samples = i64::try_from(samples).unwrap_or(0);
        self.asked = self.asked.saturating_add(samples);
        let ideal = i128::from(self.asked) * 1_000_000_000 / i128::from(self.rate);
        let shown = now.saturating_sub(i64::try_from(ideal).unwrap_or(i64::MAX));
        let begun = match self.begun {
            Some((begun, at)) => {
                let crept = (now - at).max(0) / 1_000_000 * DRIFT_PPM;
                shown.min(begun.saturating_add(crept))
            }
            None => shown,
        };
        self.begun = Some((begun, now));
        u64::try_from(shown - begun).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_request_that_comes_late_is_late_and_the_next_one_need_not_be() {
        let mut cadence = Cadence::new(48_000);
        for number in 1..=50 {
            assert_eq!(cadence.asked(960, 1_000 * MS + number * 20 * MS), 0);
        }
        // One is heard of 35 ms late, and the one behind it 15 ms: both were on their way.
        assert!(cadence.asked(960, 2_055 * MS).abs_diff(35 * MS) < MS / 10);
        assert!(cadence.asked(960, 2_055 * MS).abs_diff(15 * MS) < MS / 10);
        assert!(cadence.asked(960, 2_060 * MS) < MS / 10);
    }

    #[test]
    fn a_clock_that_runs_slow_is_not_late() {
        let mut cadence = Cadence::new(48_000);
        let mut worst = 0;
        for number in 0..50_000_u64 {
            let now = number * 20 * MS + number * 20 * 200; // 200 in a million
            worst = worst.max(cadence.asked(960, now));
        }
        assert!(worst < MS, "{worst}");
    }

    #[test]
    fn what_stood_still_begins_anew() {
        let mut cadence = Cadence::new(48_000);
        cadence.asked(960, 20 * MS);
        cadence.stalled();
        assert_eq!(cadence.asked(960, 5_000 * MS), 0);
        assert_eq!(cadence.asked(960, 5_021 * MS) / MS, 0);
    }
}
