//! What the client sends: counted, timed against its schedule, and looked at sample by sample.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Samples in a second.
const RATE: u64 = 24_000;

/// What was seen of one session's `input_audio_buffer.append`.
#[derive(Default)]
pub(crate) struct Uplink {
    pub(crate) appends: u64,
    pub(crate) samples: u64,
    /// Samples that the ramp skipped.
    pub(crate) lost: u64,
    /// Appends that began before the place where the last one ended: repeated or out of order.
    pub(crate) back: u64,
    /// Appends whose samples do not count up by one within.
    pub(crate) torn: u64,
    /// Nanoseconds of each arrival less the time at which its last sample was due from the start.
    offsets: Vec<i64>,
    /// The ramp's next sample, once one was seen.
    expected: Option<u16>,
    decoded: Vec<u8>,
}

impl Uplink {
    /// Enter one append.
    pub(crate) fn append(&mut self, audio: &[u8], at: u64, check: bool, timed: bool) {
        let padding = audio.iter().rev().take_while(|byte| **byte == b'=').count();
        let count = ((audio.len() / 4 * 3).saturating_sub(padding) / 2) as u64;
        if check {
            self.check(audio);
        }
        self.appends += 1;
        self.samples += count;
        // Lost samples are time that has passed all the same.
        let due = (self.samples + self.lost) * 1_000_000_000 / RATE;
        if timed {
            self.offsets.push(at.cast_signed() - due.cast_signed());
        }
    }

    fn check(&mut self, audio: &[u8]) {
        self.decoded.clear();
        if STANDARD.decode_vec(audio, &mut self.decoded).is_err() || self.decoded.len() < 2 {
            self.torn += 1;
            return;
        }
        let mut samples =
            self.decoded.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let first = samples.next().unwrap_or_default();
        match first.wrapping_sub(self.expected.unwrap_or(first)) {
            0 => {}
            ahead @ 1..0x8000 => self.lost += u64::from(ahead),
            _ => self.back += 1,
        }
        let mut next = first.wrapping_add(1);
        let mut whole = true;
        for sample in samples {
            whole &= sample == next;
            next = next.wrapping_add(1);
        }
        self.torn += u64::from(!whole);
        self.expected = Some(next);
    }

    /// Microseconds by which each append was later than the earliest one, by the schedule.
    pub(crate) fn late_us(&self) -> impl Iterator<Item = u32> {
        let earliest = self.offsets.iter().min().copied().unwrap_or(0);
        self.offsets
            .iter()
            .map(move |offset| ((offset - earliest) / 1_000).min(u32::MAX.into()) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(from: u16, count: u16) -> Vec<u8> {
        let bytes: Vec<u8> = (0..count).flat_map(|n| from.wrapping_add(n).to_le_bytes()).collect();
        STANDARD.encode(bytes).into_bytes()
    }

    #[test]
    fn a_whole_ramp_has_nothing_lost_even_where_it_wraps() {
        let mut uplink = Uplink::default();
        for index in 0..300_u16 {
            uplink.append(&ramp(index.wrapping_mul(480), 480), u64::from(index), true, true);
        }
        let faults = (uplink.lost, uplink.back, uplink.torn);
        assert_eq!((uplink.appends, uplink.samples, faults), (300, 144_000, (0, 0, 0)));
    }

    #[test]
    fn gaps_repetitions_and_torn_frames_are_counted() {
        let mut uplink = Uplink::default();
        for (from, count) in [(0, 480), (960, 480), (960, 480), (1440, 100)] {
            uplink.append(&ramp(from, count), 0, true, true);
        }
        assert_eq!((uplink.lost, uplink.back, uplink.torn), (480, 1, 0));
        uplink.append(b"not base64!", 0, true, true);
        uplink.append(&[ramp(1540, 3), ramp(9, 3)].concat(), 0, true, true);
        assert_eq!((uplink.lost, uplink.back, uplink.torn), (480, 1, 2));
    }

    #[test]
    fn lateness_is_measured_against_the_earliest() {
        let mut uplink = Uplink::default();
        let start = 5_000_000_000;
        for (index, late) in [3_000_000, 0, 45_000_000_u64].into_iter().enumerate() {
            uplink.append(&ramp(0, 480), start + index as u64 * 20_000_000 + late, false, true);
        }
        assert_eq!(uplink.late_us().collect::<Vec<_>>(), [3_000, 0, 45_000]);
    }
}
