//! The wire format of sound, without a JSON tree for what comes fifty times a second.

mod append;
mod control;
mod delta;
mod scan;

pub use append::append;
pub use control::{Control, cancel, truncate};
pub use delta::{Delta, Event, Written, event};
