//! Counters of one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Link;
use crate::clock::monotonic_ns;
use crate::socket::Meter;

/// What has gone through a connection so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WsStats {
    /// Bytes read, above TLS: handshake, frames and their headers.
    pub bytes_in: u64,
    /// Bytes written, above TLS.
    pub bytes_out: u64,
    /// Messages received.
    pub messages_in: u64,
    /// Messages written to the socket.
    pub messages_out: u64,
    /// Payload bytes of the messages received.
    pub payload_bytes_in: u64,
    /// Payload bytes of the messages written.
    pub payload_bytes_out: u64,
    /// How often the receive descriptor was written to.
    pub wakes: u64,
    /// Items received and not taken.
    pub inbox_items: usize,
    /// What they count for, in bytes.
    pub inbox_bytes: usize,
    /// Messages accepted and not yet on their way to the socket.
    pub outbox_items: usize,
    /// Bytes accepted and not yet written.
    pub outbox_bytes: usize,
    /// The last round trip of a keepalive ping, in microseconds.
    pub last_rtt_us: Option<u64>,
    /// Keepalive pings sent.
    pub pings_sent: u64,
    /// Answers to them.
    pub pongs_received: u64,
    /// How long reading stood still because the inbox was full, in microseconds.
    pub blocked_us: u64,
    /// Messages that found no room after the close was asked for.
    pub dropped_messages: u64,
}

/// The live counters. Relaxed: each is a number on its own.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) meter: Arc<Meter>,
    messages_in: AtomicU64,
    /// When the last message came, by the monotonic clock.
    last_message_ns: AtomicU64,
    messages_out: AtomicU64,
    payload_in: AtomicU64,
    payload_out: AtomicU64,
    /// Microseconds plus one; zero for none yet.
    last_rtt: AtomicU64,
    pings: AtomicU64,
    pongs: AtomicU64,
    blocked_us: AtomicU64,
}

impl Counters {
    pub(crate) fn received(&self, bytes: usize, at_ns: u64) {
        self.messages_in.fetch_add(1, Ordering::Relaxed);
        self.payload_in.fetch_add(bytes as u64, Ordering::Relaxed);
        self.last_message_ns.store(at_ns, Ordering::Relaxed);
    }

    /// How long ago the last message came; as long as can be if none did.
    pub(crate) fn since_message(&self) -> Duration {
        match self.last_message_ns.load(Ordering::Relaxed) {
            0 => Duration::MAX,
            at_ns => Duration::from_nanos(monotonic_ns().saturating_sub(at_ns)),
        }
    }

    pub(crate) fn sent(&self, messages: u64, bytes: u64) {
        self.messages_out.fetch_add(messages, Ordering::Relaxed);
        self.payload_out.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn pinged(&self) {
        self.pings.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ponged(&self, rtt_ns: u64) {
        self.pongs.fetch_add(1, Ordering::Relaxed);
        self.last_rtt.store(rtt_ns / 1_000 + 1, Ordering::Relaxed);
    }

    pub(crate) fn blocked(&self, ns: u64) {
        self.blocked_us.fetch_add(ns / 1_000, Ordering::Relaxed);
    }

    pub(crate) fn report<M>(&self, link: &Link<M>) -> WsStats {
        let (inbox_items, inbox_bytes) = link.inbox.depth();
        let (outbox_items, outbox_bytes) = link.outbox.depth();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WsStats {
            bytes_in: load(&self.meter.bytes_in),
            bytes_out: load(&self.meter.bytes_out),
            messages_in: load(&self.messages_in),
            messages_out: load(&self.messages_out),
            payload_bytes_in: load(&self.payload_in),
            payload_bytes_out: load(&self.payload_out),
            wakes: link.inbox.signal().wakes(),
            inbox_items,
            inbox_bytes,
            outbox_items,
            outbox_bytes,
            last_rtt_us: load(&self.last_rtt).checked_sub(1),
            pings_sent: load(&self.pings),
            pongs_received: load(&self.pongs),
            blocked_us: load(&self.blocked_us),
            dropped_messages: link.inbox.dropped(),
        }
    }
}
