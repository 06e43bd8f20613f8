//! Reading far ahead while much comes, and holding nothing while little does.

use std::cell::RefCell;
use std::io;
use std::task::{Poll, ready};

use tokio::io::ReadBuf;

/// Read at once of a socket that has had more than was asked for.
const FAR: usize = 64 * 1024;

thread_local! {
    /// One for all sockets of a network thread: between two reads nothing stays in it.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What was read and not asked for yet.
///
/// The protocol library asks for a few kilobytes at a time, so that thousands of idle connections
/// cost little; a burst would cost it a system call for every second message.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    bytes: Vec<u8>,
    taken: usize,
    /// The last read was filled to the brim.
    busy: bool,
}

impl Ahead {
    /// Fills `buf` from what is there, or by `read`, which gets a larger buffer in a burst.
    ///
    /// Returns what `read` has brought, for the books: an empty slice if it was not called.
    pub(crate) fn poll<F, G>(
        &mut self,
        buf: &mut ReadBuf<'_>,
        read: F,
        seen: G,
    ) -> Poll<io::Result<()>>
    where
        F: FnOnce(&mut ReadBuf<'_>) -> Poll<io::Result<()>>,
        G: FnOnce(&[u8]),
    {
        if self.taken < self.bytes.len() {
            self.give(buf);
            return Poll::Ready(Ok(()));
        }
        if !self.busy {
            let before = buf.filled().len();
            ready!(read(buf))?;
            self.busy = buf.remaining() == 0;
            seen(&buf.filled()[before..]);
            return Poll::Ready(Ok(()));
        }
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.resize(FAR, 0);
            let mut far = ReadBuf::new(scratch);
            if read(&mut far)?.is_pending() {
                self.busy = false;
                return Poll::Pending;
            }
            let brought = far.filled();
            seen(brought);
            self.busy = brought.len() > buf.remaining();
            let (now, later) = brought.split_at(brought.len().min(buf.remaining()));
            buf.put_slice(now);
            later.clone_into(&mut self.bytes);
            self.taken = 0;
            Poll::Ready(Ok(()))
        })
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let rest = &self.bytes[self.taken..];
        let count = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..count]);
        self.taken += count;
        if self.taken == self.bytes.len() {
            *self = Self { busy: self.busy, ..Self::default() };
        }
    }
}
