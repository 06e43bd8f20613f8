//! The monotonic clock, in the unit in which times cross to the caller.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the system's monotonic clock: on Linux the same clock as `time.monotonic_ns()`.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Both fields are non-negative for this clock, and 584 years fit.
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}
