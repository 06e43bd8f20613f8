//! Pings, their round trips, and the judgement that a peer is gone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::stats::Counters;
use crate::clock::monotonic_ns;
use crate::error::{NetError, Phase};

/// Shared by the reader, the writer and the judge of one connection.
pub(crate) struct Keepalive {
    interval: Option<Duration>,
    timeout: Option<Duration>,
    /// The number of the last ping asked for; its payload.
    asked: AtomicU64,
    /// The number of the last ping answered.
    answered: AtomicU64,
    /// When the last ping was written.
    written_ns: AtomicU64,
    /// The reader waits for room in the inbox, so nothing the peer says can be heard.
    deaf: AtomicBool,
    /// When it could hear again.
    heard_ns: AtomicU64,
    ask: Notify,
    answer: Notify,
}

impl Keepalive {
    pub(crate) fn new(interval: Option<Duration>, timeout: Option<Duration>) -> Self {
        Self {
            interval,
            timeout,
            asked: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            written_ns: AtomicU64::new(0),
            deaf: AtomicBool::new(false),
            heard_ns: AtomicU64::new(0),
            ask: Notify::new(),
            answer: Notify::new(),
        }
    }

    /// Writer: waits until a ping is due; its payload.
    pub(crate) async fn due(&self) -> Bytes {
        self.ask.notified().await;
        Bytes::copy_from_slice(&self.asked.load(Ordering::Relaxed).to_be_bytes())
    }

    /// Writer: the ping is in the socket.
    pub(crate) fn written(&self) {
        self.written_ns.store(monotonic_ns(), Ordering::Relaxed);
    }

    /// Reader: a pong came. Only the answer to the last ping counts.
    pub(crate) fn pong(&self, payload: &[u8], counters: &Counters) {
        let number = self.asked.load(Ordering::Relaxed);
        if payload == number.to_be_bytes()
            && self.answered.swap(number, Ordering::Relaxed) != number
        {
            let rtt = monotonic_ns().saturating_sub(self.written_ns.load(Ordering::Relaxed));
            counters.ponged(rtt);
            self.answer.notify_one();
        }
    }

    /// Reader: whether it stands still for want of room.
    pub(crate) fn set_deaf(&self, deaf: bool) {
        if !deaf {
            // The judge counts from here.
            self.heard_ns.store(monotonic_ns(), Ordering::Relaxed);
        }
        self.deaf.store(deaf, Ordering::Relaxed);
    }

    /// Asks for pings for ever; returns when one got no sign of life in time.
    ///
    /// A sign of life is the pong, any other byte, or room for bytes where there was none: a peer
    /// that is busy taking a long message is not gone.
    pub(crate) async fn judge(&self, counters: &Counters) -> NetError {
        let Some(interval) = self.interval else { return std::future::pending().await };
        loop {
            sleep_until(Instant::now() + interval).await;
            let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
            self.ask.notify_one();
            if let Some(timeout) = self.timeout
                && !Box::pin(self.is_answered(number, timeout, counters)).await
            {
                return NetError::Timeout { phase: Phase::Ping, after: timeout };
            }
        }
    }

    async fn is_answered(&self, number: u64, timeout: Duration, counters: &Counters) -> bool {
        let mut anchor_ns = monotonic_ns();
        loop {
            let answer = self.answer.notified();
            if self.answered.load(Ordering::Relaxed) == number {
                return true;
            }
            let now_ns = monotonic_ns();
            if self.deaf.load(Ordering::Relaxed) {
                anchor_ns = now_ns;
            }
            anchor_ns = anchor_ns.max(self.heard_ns.load(Ordering::Relaxed));
            anchor_ns = anchor_ns.max(counters.meter.last_sign_ns());
            let silence = Duration::from_nanos(now_ns.saturating_sub(anchor_ns));
            let Some(left) = timeout.checked_sub(silence).filter(|left| !left.is_zero()) else {
                return false;
            };
            tokio::select! {
                () = answer => {}
                () = sleep_until(Instant::now() + left) => {}
            }
        }
    }
}
