//! The clock that client and generator share: both run on one machine.

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{Duration, Instant};

/// Nanoseconds in a millisecond.
pub(crate) const MS: u64 = 1_000_000;

/// Nanoseconds of the system's monotonic clock, the same as `time.monotonic_ns()` in Python.
pub(crate) fn now() -> u64 {
    at(ClockId::Monotonic)
}

/// Nanoseconds of CPU that this process has used, all threads.
pub(crate) fn cpu() -> u64 {
    at(ClockId::ProcessCPUTime)
}

fn at(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// The time at which to wake for `due`; a time that is past is now.
pub(crate) fn instant(due: u64) -> Instant {
    Instant::now() + Duration::from_nanos(due.saturating_sub(now()))
}
