//! Text that arrives in pieces, cut into segments that can be spoken.
//!
//! Pure: no clock, no I/O. See [`Splitter`].

mod abbreviation;
mod class;
mod splitter;

pub use class::is_speakable;
pub use splitter::{HARD_CAP, Limits, LimitsError, Splitter};
