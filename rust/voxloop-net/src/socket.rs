//! A TCP or TLS stream that counts, and says when the peer last gave a sign of life.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use rustix::net::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::ahead::Ahead;
use crate::clock::monotonic_ns;

/// Counters of one socket, shared with whoever reports or judges it.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    /// When the peer last showed that it is there: bytes came from it, or room was made for bytes
    /// to it. Writing into a buffer with room shows nothing.
    last_sign: AtomicU64,
    stalled: AtomicBool,
    tail: Mutex<Tail>,
}

/// The last bytes that came, as many as the longest Close frame has: from the first on that may
/// begin one. Most often there is none, as it stands in no text of ASCII.
#[derive(Debug, Default)]
struct Tail(Vec<u8>);

impl Tail {
    const BYTES: usize = 127;
    /// How a Close frame begins.
    const CLOSE: u8 = 0x88;

    fn add(&mut self, bytes: &[u8]) {
        let new = &bytes[bytes.len().saturating_sub(Self::BYTES)..];
        let old = self.0.len().min(Self::BYTES - new.len());
        self.0.drain(..self.0.len() - old);
        if !self.0.is_empty() {
            self.0.extend_from_slice(new);
        } else if new.contains(&Self::CLOSE) {
            self.0.extend(new.iter().skip_while(|byte| **byte != Self::CLOSE));
        }
    }
}

impl Meter {
    pub(crate) fn last_sign_ns(&self) -> u64 {
        self.last_sign.load(Ordering::Relaxed)
    }

    /// Shows the last bytes that came, if a Close frame may be among them.
    pub(crate) fn with_tail<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        look(&self.tail.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    fn read(&self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.bytes_in.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            self.last_sign.store(monotonic_ns(), Ordering::Relaxed);
            self.tail.lock().unwrap_or_else(PoisonError::into_inner).add(bytes);
        }
    }

    fn wrote(&self, result: &Poll<io::Result<usize>>) {
        match result {
            Poll::Pending => self.stalled.store(true, Ordering::Relaxed),
            Poll::Ready(Ok(bytes)) => {
                self.bytes_out.fetch_add(*bytes as u64, Ordering::Relaxed);
                if self.stalled.swap(false, Ordering::Relaxed) {
                    self.last_sign.store(monotonic_ns(), Ordering::Relaxed);
                }
            }
            Poll::Ready(Err(_)) => {}
        }
    }
}

/// The stream under a WebSocket.
pub(crate) struct Socket {
    stream: Stream,
    ahead: Ahead,
    meter: Arc<Meter>,
}

/// What lies under TLS: the line itself, or the encrypted line to a proxy.
pub(crate) enum Line {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

pub(crate) enum Stream {
    Plain(Line),
    Tls(Box<TlsStream<Line>>),
}

impl Socket {
    pub(crate) fn new(stream: Stream, meter: Arc<Meter>) -> Self {
        Self { stream, ahead: Ahead::default(), meter }
    }

    fn tcp(&self) -> &TcpStream {
        let line = match &self.stream {
            Stream::Plain(line) => line,
            Stream::Tls(tls) => tls.get_ref().0,
        };
        match line {
            Line::Tcp(tcp) => tcp,
            Line::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A forked child may hold a copy of the descriptor: closing ours alone would tell the peer
        // nothing.
        let _ = rustix::net::shutdown(self.tcp(), Shutdown::Both);
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, ahead, meter } = &mut *self;
        let read = |buf: &mut ReadBuf<'_>| match stream {
            Stream::Plain(line) => Pin::new(line).poll_read(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        };
        ahead.poll(buf, read, |brought| meter.read(brought))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = match &mut self.stream {
            Stream::Plain(line) => Pin::new(line).poll_write(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        };
        self.meter.wrote(&result);
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(line) => Pin::new(line).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(line) => Pin::new(line).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_has_a_close_frame_however_it_came_and_little_else() {
        let text = [b'x'; 500];
        let close = b"\x88\x05\x03\xf6bye";
        for size in [1, 2, 3, 7, 100, 127, 128, 1_000] {
            let mut tail = Tail::default();
            for bytes in text.chunks(size) {
                tail.add(bytes);
                assert!(tail.0.is_empty());
            }
            for bytes in close.chunks(size) {
                tail.add(bytes);
            }
            assert_eq!(tail.0, close, "in pieces of {size}");
            tail.add(&text[..100]);
            assert_eq!(tail.0.len(), 107);
            for bytes in text.chunks(size) {
                tail.add(bytes);
            }
            assert!(tail.0.len() <= Tail::BYTES);
            // Of what is behind it only as much is kept as might belong to it.
            tail.add(&[b'y'; Tail::BYTES]);
            assert!(tail.0.is_empty());
        }
        let mut tail = Tail::default();
        tail.add(&[&text[..], close].concat());
        assert_eq!(tail.0, close);
    }
}
