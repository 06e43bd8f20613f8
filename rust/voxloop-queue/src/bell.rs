//! The descriptor behind a signal: readable once rung, until silenced.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Something that can be made readable and unreadable again.
///
/// The queues are written against this trait so that the model checker can run them without a
/// kernel object.
pub trait Bell: Send + Sync {
    /// Makes the descriptor readable. Ringing twice is the same as ringing once.
    fn ring(&self);
    /// Makes the descriptor unreadable, whether or not it was rung.
    fn silence(&self);
}

/// The bell of this platform: an `eventfd` on Linux, a non-blocking pipe on other Unix systems.
#[derive(Debug)]
pub struct WakeBell(Inner);

#[cfg(any(target_os = "linux", target_os = "android"))]
type Inner = EventFd;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
type Inner = Pipe;

impl WakeBell {
    /// Opens the descriptor (close-on-exec, non-blocking).
    ///
    /// # Errors
    /// The operating system's, when the process is out of descriptors.
    pub fn new() -> io::Result<Self> {
        Inner::new().map(Self)
    }

    /// The descriptor to wait on until it is readable. It stays this number while `self` lives.
    pub fn fileno(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl AsFd for WakeBell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.readable_end()
    }
}

impl Bell for WakeBell {
    fn ring(&self) {
        self.0.ring();
    }

    fn silence(&self) {
        self.0.silence();
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[derive(Debug)]
struct EventFd(OwnedFd);

#[cfg(any(target_os = "linux", target_os = "android"))]
impl EventFd {
    fn new() -> io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    fn readable_end(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn ring(&self) {
        write_all(self.0.as_fd(), &1_u64.to_ne_bytes());
    }

    fn silence(&self) {
        // One read takes the whole counter.
        let _ = retry(|| rustix::io::read(&self.0, &mut [0_u8; 8]));
    }
}

/// Used where there is no `eventfd`; compiled for tests everywhere so that it is not untried code.
#[cfg(any(all(test, not(loom)), not(any(target_os = "linux", target_os = "android"))))]
#[derive(Debug)]
struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

#[cfg(any(all(test, not(loom)), not(any(target_os = "linux", target_os = "android"))))]
impl Pipe {
    fn new() -> io::Result<Self> {
        use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
        use rustix::io::{FdFlags, fcntl_setfd};
        let (reader, writer) = rustix::pipe::pipe()?;
        for end in [&reader, &writer] {
            fcntl_setfd(end, FdFlags::CLOEXEC)?;
            fcntl_setfl(end, fcntl_getfl(end)? | OFlags::NONBLOCK)?;
        }
        Ok(Self { reader, writer })
    }

    fn readable_end(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    fn ring(&self) {
        // A full pipe is readable already.
        write_all(self.writer.as_fd(), &[1]);
    }

    fn silence(&self) {
        let mut sink = [0_u8; 64];
        while retry(|| rustix::io::read(&self.reader, &mut sink)).is_ok_and(|n| n == sink.len()) {}
    }
}

fn write_all(fd: BorrowedFd<'_>, bytes: &[u8]) {
    // The only failure left is "would block", which says that it is readable already.
    let _ = retry(|| rustix::io::write(fd, bytes));
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            done => return done,
        }
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    fn readable(fd: BorrowedFd<'_>) -> bool {
        let mut set = [PollFd::new(&fd, PollFlags::IN)];
        poll(&mut set, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
    }

    #[test]
    fn eventfd_is_readable_from_ring_to_silence() {
        let bell = EventFd::new().unwrap();
        assert!(!readable(bell.readable_end()));
        bell.ring();
        bell.ring();
        assert!(readable(bell.readable_end()));
        bell.silence();
        assert!(!readable(bell.readable_end()));
        bell.silence(); // silencing a silent bell does not block
    }

    #[test]
    fn pipe_is_readable_from_ring_to_silence_even_when_full() {
        let bell = Pipe::new().unwrap();
        assert!(!readable(bell.readable_end()));
        for _ in 0..70_000 {
            bell.ring(); // beyond the 64 KiB a pipe holds
        }
        assert!(readable(bell.readable_end()));
        bell.silence();
        assert!(!readable(bell.readable_end()));
    }
}
