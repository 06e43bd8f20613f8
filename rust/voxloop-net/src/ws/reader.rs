//! From the socket to the inbox.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use voxloop_queue::{Refused, Unsent};

use super::config::Times;
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
    times: Times,
) -> NetError {
    let mut delivery = Delivery { link, keepalive, hush: Hush::new(times.coalesce), open: None };
    loop {
        let next = tokio::select! {
            biased;
            next = stream.next() => next,
            () = delivery.hush.over(delivery.open.is_some()) => {
                if delivery.settle().await.is_err() {
                    return refused();
                }
                continue;
            }
        };
        // Nothing but more of the same may overtake what is open.
        if !matches!(next, Some(Ok(Message::Text(_)))) && delivery.close().await.is_err() {
            return refused();
        }
        let message = match next {
            Some(Ok(message)) => message,
            Some(Err(error)) => return ends::of_error(error),
            None => return NetError::unclean("the socket ended"),
        };
        let delivered = match message {
            Message::Text(text) => delivery.text(text).await,
            Message::Binary(data) => delivery.binary(data).await,
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
                let _ = tokio::time::timeout(times.close, drain_socket(stream)).await;
                return end;
            }
        };
        if delivered.is_err() {
            return refused();
        }
    }
}

fn refused() -> NetError {
    NetError::unclean("the inbox was closed")
}

/// What the consumer should be woken for at once waits for as many messages as can be read at once,
/// up to so many: a wake-up costs more than reading them.
const AT_ONCE: u32 = 32;
/// A text up to so many bytes that was read at once with sound is copied: as it came it is a part of
/// what was read, all of which would lie there, and not be read into again, while the text waits.
const SMALL: usize = 4 * 1024;
/// From how many bytes on an item is queued although more of it could be read at once.
const OPEN_BYTES: usize = 32 * 1024;
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

    /// Waits until what is held may wait no longer; for ever if nothing is held or open.
    async fn over(&self, open: bool) {
        match self.held {
            _ if open || self.owed > 0 => {}
            Some((_, until)) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    }
}

struct Delivery<'a, M> {
    link: &'a Link<M>,
    keepalive: &'a Keepalive,
    hush: Hush,
    /// What may still get longer by messages that can be read at once. It is never held while
    /// nothing can be read.
    open: Option<Open<M>>,
}

struct Open<M> {
    item: M,
    bytes: usize,
    wake: Wake,
}

impl<M> Delivery<'_, M> {
    async fn text(&mut self, text: Utf8Bytes) -> Result<(), Refused> {
        let (at_ns, size) = (monotonic_ns(), text.len());
        self.link.counters.received(size, at_ns);
        let reading = match &self.link.interpreter {
            Some(interpreter) => {
                interpreter.text(text, at_ns, self.open.as_mut().map(|open| &mut open.item))
            }
            None => Reading::Pass(text),
        };
        if let (Reading::Joined(more), Some(open)) = (&reading, &mut self.open) {
            open.bytes += more;
            return if open.bytes < OPEN_BYTES { Ok(()) } else { self.close().await };
        }
        let amid = self.open.is_some();
        self.close().await?;
        match reading {
            Reading::Pass(text) => {
                let copied = amid && size <= SMALL;
                let text = if copied { text.as_str().to_owned().into() } else { text };
                self.now(WsItem::Text { text, at_ns }, size).await
            }
            Reading::Made { item, bytes, wake: Wake::Now } => {
                self.now(WsItem::Made(item), bytes).await
            }
            Reading::Made { item, bytes, wake } => {
                self.open = Some(Open { item, bytes, wake });
                Ok(())
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
            Reading::Joined(_) | Reading::Swallow => Ok(()),
        }
    }

    async fn binary(&mut self, data: Bytes) -> Result<(), Refused> {
        let (at_ns, bytes) = (monotonic_ns(), data.len());
        self.link.counters.received(bytes, at_ns);
        self.now(WsItem::Binary { data, at_ns }, bytes).await
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

    /// Queues what is open, and wakes the consumer unless that was done within the interval; then
    /// for several at once.
    async fn close(&mut self) -> Result<(), Refused> {
        let Some(Open { item, bytes, wake }) = self.open.take() else { return Ok(()) };
        self.put(WsItem::Made(item), bytes).await?;
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

    /// Nothing can be read, and something is open or has waited.
    async fn settle(&mut self) -> Result<(), Refused> {
        if self.open.is_some() {
            return self.close().await;
        }
        self.wake();
        Ok(())
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
    async fn put(&mut self, item: WsItem<M>, bytes: usize) -> Result<(), Refused> {
        let link = self.link;
        let join = |last: &mut WsItem<M>, next| join(link, last, next);
        match link.inbox.try_push_quietly(item, bytes, join) {
            Ok(()) => Ok(()),
            // What is seldom waited for has its room when it is.
            Err(Unsent::Full(item)) => Box::pin(self.wait(item, bytes)).await,
            Err(Unsent::Closed(refused)) => Err(refused),
        }
    }

    async fn wait(&mut self, item: WsItem<M>, bytes: usize) -> Result<(), Refused> {
        let since_ns = monotonic_ns();
        self.keepalive.set_deaf(true);
        let link = self.link;
        let join = |last: &mut WsItem<M>, next| join(link, last, next);
        let pushed = link.inbox.push_quietly(item, bytes, join).await;
        self.keepalive.set_deaf(false);
        self.link.counters.blocked(monotonic_ns() - since_ns);
        pushed
    }
}

fn join<M>(link: &Link<M>, last: &mut WsItem<M>, next: WsItem<M>) -> Option<WsItem<M>> {
    match (&link.interpreter, last, next) {
        (Some(interpreter), WsItem::Made(last), WsItem::Made(next)) => {
            interpreter.join(last, next).map(WsItem::Made)
        }
        (_, _, next) => Some(next),
    }
}

async fn drain_socket(stream: &mut SplitStream<Ws>) {
    while let Some(Ok(_)) = stream.next().await {}
}
