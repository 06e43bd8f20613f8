//! From the socket to the inbox.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use tokio_tungstenite::tungstenite::Message;

use super::connect::Ws;
use super::ends;
use super::keepalive::Keepalive;
use super::{Link, WsItem};
use crate::clock::monotonic_ns;
use crate::error::NetError;
use crate::header::Secrets;

/// Reads until the socket ends; stores how the connection ended as soon as that is known.
pub(crate) async fn read_all(
    stream: &mut SplitStream<Ws>,
    link: &Arc<Link>,
    keepalive: &Keepalive,
    secrets: &Secrets,
    linger: Duration,
) -> NetError {
    loop {
        let message = match stream.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return ends::of_error(error),
            None => return NetError::unclean("the socket ended"),
        };
        let at_ns = monotonic_ns();
        let (item, bytes) = match message {
            Message::Text(text) => {
                let bytes = text.len();
                (WsItem::Text { text, at_ns }, bytes)
            }
            Message::Binary(data) => {
                let bytes = data.len();
                (WsItem::Binary { data, at_ns }, bytes)
            }
            Message::Pong(payload) => {
                keepalive.pong(&payload, &link.counters);
                continue;
            }
            // The protocol library answers, on the next poll of the stream.
            Message::Ping(_) | Message::Frame(_) => continue,
            Message::Close(frame) => {
                let end = ends::of_close(frame, secrets);
                link.finish(end.clone());
                // Polling on sends the answer; the server is to close the socket first.
                let _ = tokio::time::timeout(linger, drain_socket(stream)).await;
                return end;
            }
        };
        if deliver(link, keepalive, item, bytes).await.is_err() {
            return NetError::unclean("the inbox was closed");
        }
    }
}

/// Queues one message, and says so while there is no room for it.
async fn deliver(
    link: &Link,
    keepalive: &Keepalive,
    item: WsItem,
    bytes: usize,
) -> Result<(), voxloop_queue::Refused> {
    link.counters.received(bytes);
    if link.inbox.has_room(bytes) {
        return link.inbox.push(item, bytes).await;
    }
    let begun = monotonic_ns();
    keepalive.set_deaf(true);
    let pushed = link.inbox.push(item, bytes).await;
    keepalive.set_deaf(false);
    link.counters.blocked(monotonic_ns() - begun);
    pushed
}

async fn drain_socket(stream: &mut SplitStream<Ws>) {
    while let Some(Ok(_)) = stream.next().await {}
}
