//! A descriptor that wakes one consumer, written to at most once between two looks.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};

use crate::bell::{Bell, WakeBell};
use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// Wakes a consumer that waits on [`Signal::fileno`].
///
/// The producer makes its change first and calls [`Signal::fire`] then; the consumer calls
/// [`Signal::rearm`] first and looks for changes then. In that order no wake-up is lost, and while
/// the consumer is busy the producer makes no system call. A wake-up for nothing is possible.
///
/// Both sides hold the signal in one `Arc`, so the descriptor cannot be closed, and its number
/// given to another file, while a producer could still write to it.
#[derive(Debug)]
pub struct Signal<B: Bell = WakeBell> {
    bell: B,
    armed: AtomicBool,
    rung: AtomicU64,
}

impl Signal<WakeBell> {
    /// Opens a signal, silent and armed.
    ///
    /// # Errors
    /// The operating system's, when the process is out of descriptors.
    pub fn open() -> io::Result<Self> {
        WakeBell::new().map(Self::with_bell)
    }

    /// The descriptor to wait on until it is readable.
    pub fn fileno(&self) -> RawFd {
        self.bell.fileno()
    }
}

impl<B: Bell> Signal<B> {
    /// A signal over a given bell, silent and armed.
    pub fn with_bell(bell: B) -> Self {
        Self { bell, armed: AtomicBool::new(true), rung: AtomicU64::new(0) }
    }

    /// Producer: makes the descriptor readable, unless it was since the consumer last looked.
    pub fn fire(&self) {
        if self.armed.swap(false, Ordering::SeqCst) {
            self.rung.fetch_add(1, Ordering::Relaxed);
            self.bell.ring();
        }
    }

    /// Consumer: makes the descriptor unreadable and lets the next [`Signal::fire`] write again.
    pub fn rearm(&self) {
        self.bell.silence();
        // A swap, not a store: the consumer fires too (a queue that has ended stays readable), and
        // only read-modify-writes have one order that the model checker follows exactly.
        self.armed.swap(true, Ordering::SeqCst);
    }

    /// How often the descriptor was written to.
    pub fn wakes(&self) -> u64 {
        self.rung.load(Ordering::Relaxed)
    }

    /// The bell itself.
    pub fn bell(&self) -> &B {
        &self.bell
    }
}

impl AsFd for Signal<WakeBell> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
