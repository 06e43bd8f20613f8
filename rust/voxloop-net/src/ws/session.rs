//! The task of one connection: open, then read, write and judge side by side until one ends.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::config::{Plan, WsConfig};
use super::connect::{Ws, connect};
use super::handshake::Upgraded;
use super::keepalive::Keepalive;
use super::writer::Outgoing;
use super::{Link, WsItem, ends, reader, writer};
use crate::apart::Apart;
use crate::clock::monotonic_ns;
use crate::error::{NetError, Phase};
use crate::runtime::{GoingDown, Host};

/// After a failed write, for the reader to find the Close frame that explains it.
const LAST_LOOK: Duration = Duration::from_millis(500);

/// After a violation by the peer, for answers to what came before it; counted from the last message.
const LAST_ANSWERS: Duration = Duration::from_millis(100);

/// Runs the whole connection. Always an error: that is how a WebSocket ends.
pub(crate) async fn run<M>(
    host: &'static Host,
    link: &Arc<Link<M>>,
    config: Box<WsConfig>,
    plan: Box<Plan>,
    mut going_down: GoingDown,
) -> Result<(), NetError> {
    // A task has room for the largest of its steps as long as it lives; this one is over soon.
    let ws = Box::pin(open(host, link, &config, &plan, &mut going_down)).await?;
    let secrets = plan.into_secrets();
    let times = config.into_times();
    let (mut sink, mut stream) = ws.split();
    let keepalive = Keepalive::new(times.ping_interval, times.ping_timeout);
    let end = {
        let reading = pin!(reader::read_all(&mut stream, link, &keepalive, &secrets, times));
        let writing = pin!(write_then_look(&mut sink, link, &keepalive));
        let judging = pin!(judge(link, &keepalive, times.close, &mut going_down));
        let mut writing = Apart::new(writing);
        let end = tokio::select! {
            // The writer right behind the reader, for what the reader's side has to say at once.
            biased;
            end = Apart::new(reading) => end,
            error = &mut writing => ends::of_error(error),
            end = Apart::new(judging) => end,
        };
        if ends::parting_words(&end).is_some() {
            // What came right before the fault may still be answered; nothing more is read.
            link.inbox.signal().fire();
            let left = LAST_ANSWERS.saturating_sub(link.counters.since_message());
            let _ = timeout(left, writing).await;
        }
        end
    };
    Box::pin(say_goodbye(&mut sink, link, &end, times.close)).await;
    Err(end)
}

async fn open<M>(
    host: &'static Host,
    link: &Link<M>,
    config: &WsConfig,
    plan: &Plan,
    going_down: &mut GoingDown,
) -> Result<Ws, NetError> {
    let begun = monotonic_ns();
    let (ws, upgraded) = tokio::select! {
        opened = connect(host, config, plan, &link.counters.meter) => opened?,
        () = link.close_asked.notified() => {
            return Err(NetError::unclean("closed by the caller before it was open"));
        }
        () = going_down.asked() => return Err(NetError::unclean("the process is ending")),
    };
    announce(link, upgraded, begun).await;
    Ok(ws)
}

async fn announce<M>(link: &Link<M>, upgraded: Upgraded, begun: u64) {
    let open = WsItem::Open {
        status: upgraded.status,
        headers: upgraded.headers,
        subprotocol: upgraded.subprotocol,
        handshake_us: (monotonic_ns() - begun) / 1_000,
    };
    // Refused only if the caller is gone, which ends the task anyhow.
    let _ = link.inbox.push(open, 0).await;
}

async fn write_then_look<M>(
    sink: &mut SplitSink<Ws, Message>,
    link: &Arc<Link<M>>,
    keepalive: &Keepalive,
) -> Error {
    let error = writer::write_all(sink, link, keepalive).await;
    // Here and below: what is seldom waited for has its room when it is.
    Box::pin(sleep(LAST_LOOK)).await;
    error
}

/// Waits for the end that time brings: the peer is gone, or was asked to go and did not.
async fn judge<M>(
    link: &Link<M>,
    keepalive: &Keepalive,
    limit: Duration,
    going_down: &mut GoingDown,
) -> NetError {
    tokio::select! {
        end = keepalive.judge(&link.counters) => end,
        end = close_deadline(link, limit, going_down) => end,
    }
}

/// Waits for the wish to close, the caller's or the process's, and then for the deadline.
async fn close_deadline<M>(
    link: &Link<M>,
    limit: Duration,
    going_down: &mut GoingDown,
) -> NetError {
    tokio::select! {
        () = link.close_asked.notified() => {}
        () = going_down.asked() => {
            if let Ok(close) = Outgoing::close(1001, "the client is ending") {
                // Closed by the caller already: that Close frame will do.
                let _ = link.wind_up(close);
            }
        }
    }
    Box::pin(sleep(limit)).await;
    NetError::Timeout { phase: Phase::Close, after: limit }
}

/// Ends both directions, and tells a peer that is at fault why: first, if it takes that at once,
/// as the consumer may drop the connection when it learns of the end.
async fn say_goodbye<M>(
    sink: &mut SplitSink<Ws, Message>,
    link: &Link<M>,
    end: &NetError,
    limit: Duration,
) {
    let Some(words) = ends::parting_words(end) else { return link.finish(end.clone()) };
    let mut telling = pin!(sink.send(words.into_message()));
    let told = timeout(LAST_ANSWERS, &mut telling).await;
    link.finish(end.clone());
    if told.is_err() {
        // It may not go through at all.
        let _ = timeout(limit, telling).await;
    }
}
