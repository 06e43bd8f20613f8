//! Queues between a tokio task and a thread that waits on a file descriptor.
//!
//! A [`Signal`] is a descriptor that becomes readable when there is something to take; an [`Inbox`]
//! carries items from the task to the thread and holds the task back when its byte budget is
//! spent; an [`Outbox`] carries items the other way and refuses them when its budget is spent.
//!
//! The crate has no runtime in it, so that the model checker can run the whole of it:
//! `RUSTFLAGS="--cfg loom" cargo test -p voxloop-queue --target-dir target/loom`.
#![forbid(unsafe_code)]

mod bell;
mod inbox;
mod outbox;
mod signal;
mod sync;

pub use bell::{Bell, WakeBell};
pub use inbox::{Drained, Inbox, Refused};
pub use outbox::{Batch, Outbox, Unsent};
pub use signal::Signal;

/// Bytes counted for each queued item on top of its payload, so that empty items are bounded too.
pub const ITEM_OVERHEAD: usize = 64;

#[cfg(loom)]
#[cfg(test)]
mod loom_tests;
