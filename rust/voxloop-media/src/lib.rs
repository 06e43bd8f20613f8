//! Sound between a realtime connection, a source and a sink.
//!
//! The pure parts ([`codec`], and the state machines of the two directions) know neither a clock nor
//! a socket; a thin skin runs them on the network threads of `voxloop-net`. Nothing here knows of
//! Python: whatever the caller's thread does, sound goes on.
#![forbid(unsafe_code)]

pub mod codec;
pub mod cut;
pub mod hub;
pub mod incoming;

pub use cut::{Cut, CutItem, Reason};
pub use hub::{Hub, Listener, Taken};
pub use incoming::{Incoming, Piece};
