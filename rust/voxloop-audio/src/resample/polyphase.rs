//! Tables of taps: for each output of a cycle, the impulse response at its place between two input
//! samples.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::design::{KaiserSinc, Prototype};
use super::dot::{ROW_ALIGN, dot};
use super::minimum::MinimumPhase;
use super::simd::{LANES, Lanes, Stride};
use super::{Quality, gcd};

/// Largest table with a row for every position: above it (rates with hardly a common factor, such
/// as 44101 to 48000) neighbouring rows of a coarser table are interpolated. All pairs of the usual
/// rates from 8 to 192 kHz stay below.
const EXACT_LIMIT_BYTES: usize = 4 << 20;
/// Largest table that is worth its place for groups of eight: what the second cache level holds
/// beside the samples. Groups of four repeat after fewer outputs when `up` is odd.
const EIGHT_LIMIT_BYTES: usize = 512 << 10;
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
    /// Input frames that an output's sum spans.
    pub(super) taps: usize,
    /// Input frames after the one at or before an output frame that its sum needs.
    pub(super) ahead: usize,
    pub(super) rows: Rows,
}

#[derive(Debug)]
pub(super) enum Rows {
    /// A row for every position, in groups that share a window of input.
    Groups(Groups),
    /// Neighbouring rows of a coarser table are interpolated.
    Between(Between),
}

/// The rows of runs of outputs, each run over the window of its first output.
#[derive(Debug)]
pub(super) struct Groups {
    /// Outputs in a group: 4 or 8.
    pub(super) size: usize,
    /// Vectors in a group's window.
    pub(super) vectors: usize,
    /// For each group, for each vector, one entry per output.
    pub(super) data: Vec<Lanes>,
    pub(super) stride: Stride,
}

/// Rows for positions `0, 1/rows, …, 1` of an input frame, end to end.
#[derive(Debug)]
pub(super) struct Between {
    up: u32,
    rows: usize,
    taps: usize,
    data: Vec<f32>,
}

impl Table {
    fn design(up: u32, down: u32, prototype: &dyn Prototype) -> Self {
        let scale = (f64::from(up) / f64::from(down)).min(1.0);
        let (low, high) = prototype.support();
        let last = f64::from(up - 1) / f64::from(up);
        let ahead = ((last - low / scale).ceil() as usize).saturating_sub(1);
        let behind = ((high / scale).ceil() as usize).saturating_sub(1);
        let exact = behind + 1 + ahead;
        if let Some(size) = group_size(up, down, exact) {
            let response = response(prototype, scale, (up as usize, up as usize), exact, ahead);
            let groups = Groups::new(up, down, size, exact, &response);
            return Self { up, down, taps: exact, ahead, rows: Rows::Groups(groups) };
        }
        let taps = exact.next_multiple_of(ROW_ALIGN);
        let rows = ((INTERPOLATED_ROWS as f64 * scale).ceil() as usize).max(2);
        let data = response(prototype, scale, (rows, rows + 1), taps, ahead);
        Self { up, down, taps, ahead, rows: Rows::Between(Between { up, rows, taps, data }) }
    }

    fn bytes(&self) -> usize {
        match &self.rows {
            Rows::Groups(groups) => size_of_val(groups.data.as_slice()),
            Rows::Between(between) => size_of_val(between.data.as_slice()),
        }
    }

    /// Samples that may be read after the last that counts, times a tap of zero.
    pub(super) fn slack(&self) -> usize {
        match &self.rows {
            Rows::Groups(groups) => groups.vectors * LANES - self.taps,
            Rows::Between(_) => 0,
        }
    }
}

/// Outputs until the taps repeat in groups of `size`.
fn cycle(up: u32, size: usize) -> usize {
    up as usize / gcd(up, size as u32) as usize * size
}

/// Vectors of a window that holds the rows of a group.
fn vectors(up: u32, down: u32, size: usize, taps: usize) -> usize {
    let shift = ((size as u64 - 1) * u64::from(down)).div_ceil(u64::from(up));
    (taps + shift as usize).div_ceil(LANES)
}

/// The group size that suits a ratio; `None` when the table would be too large.
fn group_size(up: u32, down: u32, taps: usize) -> Option<usize> {
    let bytes =
        |size| cycle(up, size).saturating_mul(vectors(up, down, size, taps) * size_of::<Lanes>());
    let (four, eight) = (bytes(4), bytes(8));
    if eight <= EIGHT_LIMIT_BYTES || cycle(up, 8) == cycle(up, 4) && eight <= EXACT_LIMIT_BYTES {
        return Some(8);
    }
    (four <= EXACT_LIMIT_BYTES).then_some(4)
}

impl Groups {
    /// `response` holds a row of `taps` for each position `0, 1/up, …`.
    fn new(up: u32, down: u32, size: usize, taps: usize, response: &[f32]) -> Self {
        let vectors = vectors(up, down, size, taps);
        let groups = cycle(up, size) / size;
        let (wide_up, wide_down) = (u64::from(up), u64::from(down));
        let mut data = vec![Lanes([0.0; LANES]); groups * vectors * size];
        for (group, data) in data.chunks_exact_mut(vectors * size).enumerate() {
            let first = (group * size) as u64 * wide_down % wide_up;
            for row in 0..size {
                let place = first + row as u64 * wide_down;
                let (shift, phase) = ((place / wide_up) as usize, (place % wide_up) as usize);
                for (tap, &value) in response[phase * taps..(phase + 1) * taps].iter().enumerate() {
                    let at = shift + tap;
                    data[at / LANES * size + row].0[at % LANES] = value;
                }
            }
        }
        let step = size as u64 * wide_down;
        let stride = Stride {
            up,
            step: (step / wide_up) as usize,
            step_phase: (step % wide_up) as u32,
            groups,
        };
        Self { size, vectors, data, stride }
    }
}

impl Between {
    fn row(&self, index: usize) -> &[f32] {
        &self.data[index * self.taps..(index + 1) * self.taps]
    }

    /// The output sample `phase / up` of an input frame after the frame that `samples`, one row's
    /// length of them, is centred on.
    pub(super) fn apply(&self, phase: u32, samples: &[f32]) -> f32 {
        let along = f64::from(phase) * self.rows as f64 / f64::from(self.up);
        let index = along as usize;
        let part = (along - index as f64) as f32;
        let (first, second) = (dot(self.row(index), samples), dot(self.row(index + 1), samples));
        first + part * (second - first)
    }
}

/// Rows of `taps` for as many positions as `count` says, of `rows` per input frame, with unit gain
/// at zero frequency.
fn response(
    prototype: &dyn Prototype,
    scale: f64,
    (rows, count): (usize, usize),
    taps: usize,
    ahead: usize,
) -> Vec<f32> {
    let response = fill(prototype, scale, rows, count, taps, ahead);
    // The mean over the rows of their sums is one.
    let gain = response[..rows * taps].iter().sum::<f64>() / rows as f64;
    response.iter().map(|tap| (tap / gain) as f32).collect()
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
        assert_eq!((first.taps, first.ahead), (365, 182));
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
