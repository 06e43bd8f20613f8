//! Reading all that is there with one system call, into room that idle sockets do not hold.

use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::task::Poll;

use tokio::io::ReadBuf;

/// Read at once of a socket.
const FAR: usize = 64 * 1024;

thread_local! {
    /// Room for the sockets of a network thread; who has read has it until all is taken.
    static SPARE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What was read and not asked for yet.
///
/// The protocol library asks for a few kilobytes at a time, so that thousands of idle connections
/// cost little, and for less where the rest of its room is full: most messages would take two system
/// calls. A copy of what was read is cheaper.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    bytes: Vec<u8>,
    /// What lies there still: from here to there.
    rest: Range<usize>,
}

impl Ahead {
    /// Fills `buf` from what is there, or by `read`, which gets a larger buffer.
    ///
    /// `seen` is told what `read` has brought, for the books; what was read before is not told again.
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
        if !self.rest.is_empty() {
            self.give(buf);
            return Poll::Ready(Ok(()));
        }
        self.bytes = SPARE.take();
        self.bytes.resize(FAR, 0);
        let mut far = ReadBuf::new(&mut self.bytes);
        let done = read(&mut far);
        seen(far.filled());
        self.rest = 0..far.filled().len();
        self.give(buf);
        done
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let now = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.bytes[self.rest.start..][..now]);
        self.rest.start += now;
        if self.rest.is_empty() {
            SPARE.set(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A peer whose bytes are there in portions; between two of them nothing is.
    struct Peer {
        portions: Vec<Vec<u8>>,
        at: usize,
        calls: usize,
    }

    impl Peer {
        fn read(&mut self, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            self.calls += 1;
            let Some(portion) = self.portions.get_mut(self.at) else {
                return Poll::Ready(Ok(())); // the end
            };
            if portion.is_empty() {
                self.at += 1;
                return Poll::Pending;
            }
            let count = portion.len().min(buf.remaining());
            buf.put_slice(&portion[..count]);
            portion.drain(..count);
            Poll::Ready(Ok(()))
        }
    }

    /// Everything that comes through in pieces of `asked`, what was told of it, and the reads.
    fn read_all(portions: Vec<Vec<u8>>, asked: usize) -> (Vec<u8>, Vec<u8>, usize) {
        let mut peer = Peer { portions, at: 0, calls: 0 };
        let (mut ahead, mut got, mut told) = (Ahead::default(), Vec::new(), Vec::new());
        loop {
            let mut room = vec![0; asked];
            let mut buf = ReadBuf::new(&mut room);
            let seen = |brought: &[u8]| told.extend_from_slice(brought);
            match ahead.poll(&mut buf, |buf| peer.read(buf), seen) {
                Poll::Ready(Ok(())) if buf.filled().is_empty() => return (got, told, peer.calls),
                Poll::Ready(done) => {
                    done.unwrap();
                    got.extend_from_slice(buf.filled());
                }
                Poll::Pending => assert!(buf.filled().is_empty()),
            }
        }
    }

    #[test]
    fn a_burst_takes_few_reads_and_leaves_nothing_behind() {
        let burst: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
        let (got, told, calls) = read_all(vec![burst.clone()], 4_096);
        assert!(got == burst && told == burst);
        assert!(calls < 1_000_000 / FAR + 10, "{calls}");
    }

    #[test]
    fn a_message_is_one_read_whatever_room_is_asked_for() {
        let messages: Vec<Vec<u8>> = (0..9).map(|n| vec![n; 1_452]).collect();
        let (got, _, calls) = read_all(messages.clone(), 1_111);
        assert_eq!(got, messages.concat());
        // Each is one call, and one that finds nothing; at last comes the end.
        assert_eq!(calls, 2 * 9 + 1);
    }

    #[test]
    fn errors_pass_through() {
        let mut ahead = Ahead::default();
        let mut room = [0; 8];
        let mut buf = ReadBuf::new(&mut room);
        let failed = ahead.poll(
            &mut buf,
            |_| Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            |_| {},
        );
        assert!(
            matches!(failed, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset)
        );
    }

    proptest! {
        #[test]
        fn nothing_is_lost_added_or_moved(
            portions in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..20),
            asked in 1_usize..64,
        ) {
            let whole = portions.concat();
            let (got, told, _) = read_all(portions, asked);
            prop_assert_eq!(&got, &whole);
            prop_assert_eq!(told, whole);
        }
    }
}
