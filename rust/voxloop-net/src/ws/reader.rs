//! From the socket to the inbox.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use voxloop_queue::Refused;

use super::config::WsConfig;
use super::connect::Ws;
use super::ends;
use super::keepalive::Keepalive;
use super::{Link, Reading, Wake, WsItem};
use crate::clock::monotonic_ns;
use crate::error::NetError;
use crate::header::Secrets;

/// Reads until the socket ends; stores how the connection ended as soon as that is known.
pub(crate) async fn read_all<M>(
    stream: &mut SplitStream<Ws>,
    link: &Arc<Link<M>>,
    keepalive: &Keepalive,
    secrets: &Secrets,
    config: &WsConfig,
) -> NetError {
    let mut delivery = Delivery { link, keepalive, hush: Hush::new(config.coalesce) };
    loop {
        let next = tokio::select! {
            biased;
            next = stream.next() => next,
            () = delivery.hush.over() => {
                delivery.wake();
                continue;
            }
        };
        let message = match next {
            Some(Ok(message)) => message,
            Some(Err(error)) => return ends::of_error(error),
            None => return NetError::unclean("the socket ended"),
        };
        let delivered = match message {
            Message::Text(text) => delivery.text(text).await,
            Message::Binary(data) => {
                let (at_ns, bytes) = (monotonic_ns(), data.len());
                link.counters.received(bytes, at_ns);
                let item = WsItem::Binary { data, at_ns };
                delivery.now(item, bytes).await
            }
            Message::Pong(payload) => {
                keepalive.pong(&payload, &link.counters);
                continue;
            }
            // The protocol library answers, on the next poll of the stream.
            Message::Ping(_) | Message::Frame(_) => continue,
            Message::Close(frame) => {
                let end = ends::of_close(frame, &link.counters.meter, secrets);
                link.finish(end.clone());
                // Polling on sends the answer; the server is to close the socket first.
                let _ = tokio::time::timeout(config.close_timeout, drain_socket(stream)).await;
                return end;
            }
        };
        if delivered.is_err() {
            return NetError::unclean("the inbox was closed");
        }
    }
}

/// What the consumer should be woken for at once waits for as many messages as can be read at once,
/// up to so many: a wake-up costs more than reading them.
const AT_ONCE: u32 = 32;
/// By how much longer than the others what is [`Wake::Later`] may wait.
const LATER: u32 = 50;
/// The last part of the interval, in which a wake-up counts as due: a stream whose period is the
/// interval would else set a timer for the jitter of every second piece.
const NEARLY: u32 = 8;

/// When the consumer may be woken next for what can wait.
struct Hush {
    interval: Duration,
    /// When the first piece came that the last wake-up was for. From then on it counts, and not
    /// from the wake-up, or a steady stream that was late once would be held back ever after.
    last: Option<Instant>,
    /// Something was pushed without waking: since when, and until when it may wait.
    held: Option<(Instant, Instant)>,
    /// Messages that were pushed and may not wait.
    owed: u32,
}

impl Hush {
    fn new(interval: Duration) -> Self {
        Self { interval, last: None, held: None, owed: 0 }
    }

    /// Until when something that comes now may wait; `None` if there was no wake-up yet.
    fn until(&self, wake: Wake) -> Option<Instant> {
        let interval = match wake {
            Wake::Now => return None,
            Wake::Soon => self.interval,
            Wake::Later => self.interval * LATER,
        };
        self.last.map(|last| last + interval - interval / NEARLY)
    }

    /// Waits until what is held may wait no longer; for ever if nothing is held.
    async fn over(&self) {
        match self.held {
            _ if self.owed > 0 => {}
            Some((_, until)) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    }
}

struct Delivery<'a, M> {
    link: &'a Link<M>,
    keepalive: &'a Keepalive,
    hush: Hush,
}

impl<M> Delivery<'_, M> {
    async fn text(&mut self, text: Utf8Bytes) -> Result<(), Refused> {
        let (at_ns, size) = (monotonic_ns(), text.len());
        self.link.counters.received(size, at_ns);
        let reading = match &self.link.interpreter {
            Some(interpreter) => interpreter.text(text, at_ns),
            None => Reading::Pass(text),
        };
        match reading {
            Reading::Pass(text) => self.now(WsItem::Text { text, at_ns }, size).await,
            Reading::Made { item, bytes, wake: Wake::Now } => {
                self.now(WsItem::Made(item), bytes).await
            }
            Reading::Made { item, bytes, wake } => {
                self.quietly(WsItem::Made(item), bytes, wake).await
            }
            Reading::Before(item, text) => {
                self.put(WsItem::Made(item), 0).await?;
                self.put(WsItem::Text { text, at_ns }, size).await?;
                // What was queued for the server goes out first: the consumer, once awake, may take
                // this thread's core.
                tokio::task::yield_now().await;
                self.fire();
                Ok(())
            }
            Reading::Swallow => Ok(()),
        }
    }

    /// Wakes the consumer for this and for all that is held, as soon as nothing more can be read.
    async fn now(&mut self, item: WsItem<M>, bytes: usize) -> Result<(), Refused> {
        self.put(item, bytes).await?;
        self.hush.owed += 1;
        if self.hush.owed == AT_ONCE {
            self.fire();
        }
        Ok(())
    }

    /// Wakes the consumer unless that was done within the interval; then for several at once.
    async fn quietly(&mut self, item: WsItem<M>, bytes: usize, wake: Wake) -> Result<(), Refused> {
        self.put(item, bytes).await?;
        let now = Instant::now();
        match self.hush.until(wake) {
            Some(until) if now < until => {
                let (since, soonest) = self.hush.held.unwrap_or((now, until));
                self.hush.held = Some((since, soonest.min(until)));
            }
            _ => self.wake(),
        }
        Ok(())
    }

    fn join(&self, last: &mut WsItem<M>, next: WsItem<M>) -> Option<WsItem<M>> {
        match (&self.link.interpreter, last, next) {
            (Some(interpreter), WsItem::Made(last), WsItem::Made(next)) => {
                interpreter.join(last, next).map(WsItem::Made)
            }
            (_, _, next) => Some(next),
        }
    }

    /// For what may not wait, and with it all that may.
    fn fire(&mut self) {
        self.hush.held = None;
        self.hush.owed = 0;
        self.link.inbox.signal().fire();
    }

    /// For what can wait, once it has waited; what may not wait goes first.
    fn wake(&mut self) {
        if self.hush.owed > 0 {
            return self.fire();
        }
        let since = self.hush.held.take().map(|(since, _)| since);
        self.hush.last = Some(since.unwrap_or_else(Instant::now));
        self.link.inbox.signal().fire();
    }

    /// Queues one item, and says so while there is no room for it.
    async fn put(&self, item: WsItem<M>, bytes: usize) -> Result<(), Refused> {
        let stuck_ns = (!self.link.inbox.has_room(bytes)).then(monotonic_ns);
        if stuck_ns.is_some() {
            self.keepalive.set_deaf(true);
        }
        let join = |last: &mut WsItem<M>, next| self.join(last, next);
        let pushed = self.link.inbox.push_quietly(item, bytes, join).await;
        if let Some(since_ns) = stuck_ns {
            self.keepalive.set_deaf(false);
            self.link.counters.blocked(monotonic_ns() - since_ns);
        }
        pushed
    }
}

async fn drain_socket(stream: &mut SplitStream<Ws>) {
    while let Some(Ok(_)) = stream.next().await {}
}
