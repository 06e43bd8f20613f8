//! From the outbox to the socket.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use voxloop_queue::Batch;

use super::Link;
use super::connect::Ws;
use super::keepalive::Keepalive;
use crate::error::NetError;

/// Bytes taken from the outbox before they are flushed and their room given back.
const BATCH_BYTES: usize = 64 * 1024;
/// What a Close frame has room for besides its code.
const MAX_REASON: usize = 123;

/// What may wait to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outgoing {
    Text(Utf8Bytes),
    Binary(Bytes),
    Close { code: u16, reason: Utf8Bytes },
}

impl Outgoing {
    /// A Close frame that an endpoint may send (RFC 6455, section 7.4).
    pub(crate) fn close(code: u16, reason: &str) -> Result<Self, NetError> {
        if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
            let message = format!("close code {code}; wanted 1000-1003, 1007-1014 or 3000-4999");
            return Err(NetError::InvalidConfig { message });
        }
        if reason.len() > MAX_REASON {
            let message =
                format!("a close reason of {} bytes; wanted {MAX_REASON} or fewer", reason.len());
            return Err(NetError::InvalidConfig { message });
        }
        Ok(Self::Close { code, reason: reason.into() })
    }

    fn payload_bytes(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Binary(data) => data.len() as u64,
            Self::Close { .. } => 0,
        }
    }

    pub(crate) fn into_message(self) -> Message {
        match self {
            Self::Text(text) => Message::Text(text),
            Self::Binary(data) => Message::Binary(data),
            Self::Close { code, reason } => {
                Message::Close(Some(CloseFrame { code: CloseCode::from(code), reason }))
            }
        }
    }
}

/// Writes what is queued, a batch to a flush, and the pings between batches.
///
/// Returns on an error only. After a Close frame it waits for ever: the reader sees the end.
pub(crate) async fn write_all<M>(
    sink: &mut SplitSink<Ws, Message>,
    link: &Arc<Link<M>>,
    keepalive: &Keepalive,
) -> Error {
    let mut due = pin!(keepalive.due());
    loop {
        let written = tokio::select! {
            batch = link.outbox.next_batch(BATCH_BYTES) => match batch {
                Some(batch) => write_batch(sink, link, batch).await,
                None => return std::future::pending().await,
            },
            payload = &mut due => {
                due.set(keepalive.due());
                write_ping(sink, link, keepalive, payload).await
            }
        };
        if let Err(error) = written {
            return error;
        }
    }
}

async fn write_batch<M>(
    sink: &mut SplitSink<Ws, Message>,
    link: &Link<M>,
    batch: Batch<Outgoing>,
) -> Result<(), Error> {
    let (mut messages, mut bytes) = (0, 0);
    for item in batch.items {
        bytes += item.payload_bytes();
        messages += u64::from(!matches!(item, Outgoing::Close { .. }));
        sink.feed(item.into_message()).await?;
    }
    sink.flush().await?;
    link.counters.sent(messages, bytes);
    link.outbox.release(batch.cost);
    Ok(())
}

async fn write_ping<M>(
    sink: &mut SplitSink<Ws, Message>,
    link: &Link<M>,
    keepalive: &Keepalive,
    payload: Bytes,
) -> Result<(), Error> {
    sink.send(Message::Ping(payload)).await?;
    keepalive.written();
    link.counters.pinged();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_an_endpoint_may_send_are_taken() {
        for code in [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999] {
            assert!(Outgoing::close(code, "").is_ok(), "{code}");
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] {
            let error = Outgoing::close(code, "").unwrap_err();
            assert!(error.to_string().contains(&code.to_string()));
        }
        assert!(Outgoing::close(1000, &"x".repeat(123)).is_ok());
        assert!(Outgoing::close(1000, &"x".repeat(124)).is_err());
    }
}
