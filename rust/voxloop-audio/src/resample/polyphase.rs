//! Tables of taps, one row per position of an output sample between two input samples.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::Quality;
use super::design::{KaiserSinc, Prototype};
use super::dot::{ROW_ALIGN, dot};
use super::minimum::MinimumPhase;

/// Largest table with a row for every position: above it (rates with hardly a common factor, such
/// as 44101 to 48000) neighbouring rows of a coarser table are interpolated. All pairs of the usual
/// rates from 8 to 192 kHz need less than 2 MiB.
const EXACT_LIMIT_BYTES: u64 = 4 << 20;
/// Rows per sample of the narrower rate in an interpolated table: the error of linear interpolation
/// is (pi / rows)^2 / 8, -142 dB.
const INTERPOLATED_ROWS: usize = 4096;
/// Tables kept for later resamplers, and their total size.
const CACHE_ENTRIES: usize = 32;
const CACHE_BYTES: usize = 16 << 20;

/// The taps of one ratio and quality.
#[derive(Debug)]
pub(super) struct Table {
    /// Output frames per [`Table::down`] input frames, in lowest terms.
    pub(super) up: u32,
    /// Input frames per [`Table::up`] output frames, in lowest terms.
    pub(super) down: u32,
    /// Length of a row.
    pub(super) taps: usize,
    /// Input frames after the one at or before an output frame that its sum needs.
    pub(super) ahead: usize,
    /// Rows for positions `0, 1/rows, …`, end to end; one more than `rows` when interpolated.
    data: Vec<f32>,
    /// Rows per input frame when neighbours are interpolated.
    interpolated: Option<usize>,
}

impl Table {
    fn design(up: u32, down: u32, prototype: &dyn Prototype) -> Self {
        let scale = (f64::from(up) / f64::from(down)).min(1.0);
        let (low, high) = prototype.support();
        let last = f64::from(up - 1) / f64::from(up);
        let ahead = ((last - low / scale).ceil() as usize).saturating_sub(1);
        let behind = ((high / scale).ceil() as usize).saturating_sub(1);
        let taps = (behind + 1 + ahead).next_multiple_of(ROW_ALIGN);
        let exact = u64::from(up) * (taps * size_of::<f32>()) as u64 <= EXACT_LIMIT_BYTES;
        let rows = if exact {
            up as usize
        } else {
            ((INTERPOLATED_ROWS as f64 * scale).ceil() as usize).max(2)
        };
        let interpolated = (!exact).then_some(rows);
        let count = rows + usize::from(!exact);
        let response = fill(prototype, scale, rows, count, taps, ahead);
        // Unit gain at zero frequency: the mean over the rows of their sums is one.
        let gain = response[..rows * taps].iter().sum::<f64>() / rows as f64;
        let data = response.iter().map(|tap| (tap / gain) as f32).collect();
        Self { up, down, taps, ahead, data, interpolated }
    }

    fn bytes(&self) -> usize {
        self.data.len() * size_of::<f32>()
    }

    fn row(&self, index: usize) -> &[f32] {
        &self.data[index * self.taps..(index + 1) * self.taps]
    }

    /// The output sample `phase / up` of an input frame after the frame at
    /// `samples[taps - 1 - ahead]`; `samples` holds [`Table::taps`] of them.
    pub(super) fn apply(&self, phase: u32, samples: &[f32]) -> f32 {
        let Some(rows) = self.interpolated else {
            return dot(self.row(phase as usize), samples);
        };
        let along = f64::from(phase) * rows as f64 / f64::from(self.up);
        let index = along as usize;
        let part = (along - index as f64) as f32;
        let (first, second) = (dot(self.row(index), samples), dot(self.row(index + 1), samples));
        first + part * (second - first)
    }
}

/// `count` rows of `taps`: row `r` is the response at position `r / rows` of an input frame.
fn fill(
    prototype: &dyn Prototype,
    scale: f64,
    rows: usize,
    count: usize,
    taps: usize,
    ahead: usize,
) -> Vec<f64> {
    let behind = taps - 1 - ahead;
    let mut out = Vec::with_capacity(count * taps);
    for row in 0..count {
        let position = row as f64 / rows as f64;
        let time = |tap: usize| (position + behind as f64 - tap as f64) * scale;
        out.extend((0..taps).map(|tap| scale * prototype.at(time(tap))));
    }
    out
}

type Key = (u32, u32, Quality);
type Entry = (Key, Arc<Table>);

/// The table for a ratio in lowest terms, from the process's cache or designed now.
pub(super) fn table(up: u32, down: u32, quality: Quality) -> Arc<Table> {
    static CACHE: OnceLock<Mutex<Vec<Entry>>> = OnceLock::new();
    let cache = CACHE.get_or_init(Mutex::default);
    let key = (up, down, quality);
    // Entries are only ever added whole, so a panic elsewhere leaves the list usable.
    let mut entries = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(index) = entries.iter().position(|(k, _)| *k == key) {
        let entry = entries.remove(index);
        entries.push(entry);
    } else {
        // Designed under the lock: a second caller for the same pair waits rather than repeats it.
        let designed = match quality {
            Quality::High => Table::design(up, down, &KaiserSinc::high()),
            Quality::LowLatency => Table::design(up, down, MinimumPhase::low_latency()),
        };
        entries.push((key, Arc::new(designed)));
    }
    let found = Arc::clone(&entries[entries.len() - 1].1);
    trim(&mut entries);
    found
}

/// Drops the least recently used tables beyond the limits; the newest always stays.
fn trim(entries: &mut Vec<Entry>) {
    let (mut bytes, mut kept) = (0, 0);
    for (_, table) in entries.iter().rev() {
        bytes += table.bytes();
        if kept > 0 && (bytes > CACHE_BYTES || kept == CACHE_ENTRIES) {
            break;
        }
        kept += 1;
    }
    entries.drain(..entries.len() - kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resamplers_of_one_ratio_share_their_table() {
        let first = table(1, 2, Quality::High);
        assert!(Arc::ptr_eq(&first, &table(1, 2, Quality::High)));
        assert!(!Arc::ptr_eq(&first, &table(1, 2, Quality::LowLatency)));
        assert_eq!((first.taps, first.ahead), (368, 182));
    }

    #[test]
    fn memory_is_bounded_for_any_ratio() {
        for (up, down) in [(48_000, 44_101), (3_001, 768_000), (192_000, 11_027), (2_560, 147)] {
            for quality in [Quality::High, Quality::LowLatency] {
                let bytes = table(up, down, quality).bytes();
                assert!(bytes <= 4 << 20, "{up}/{down}: {bytes}");
            }
        }
    }

    #[test]
    fn the_cache_keeps_the_latest_within_its_limits() {
        let entry =
            |up| ((up, 1, Quality::High), Arc::new(Table::design(up, 1, &KaiserSinc::high())));
        let mut entries: Vec<Entry> = (2..2 + CACHE_ENTRIES as u32 + 3).map(entry).collect();
        trim(&mut entries);
        assert_eq!((entries.len(), entries[0].0.0), (CACHE_ENTRIES, 5));
        let mut large: Vec<Entry> = (4_000..4_007).map(entry).collect();
        trim(&mut large);
        let held: usize = large.iter().map(|(_, table)| table.bytes()).sum();
        assert!(held <= CACHE_BYTES && large.last().unwrap().0.0 == 4_006, "{held}");
    }
}
