//! Sending from a task, beside the owner of the connection.

use std::sync::Arc;

use voxloop_queue::{Outbox, Unsent};

use super::TrySend;
use super::writer::Outgoing;
use crate::error::NetError;

/// Sends over one connection; clones share its byte budget with the owner, and messages keep the
/// order in which they were queued. It does not keep the connection open.
#[derive(Clone)]
pub struct WsSender {
    outbox: Arc<Outbox<Outgoing, NetError>>,
    max_message_bytes: usize,
}

impl WsSender {
    pub(crate) fn new(outbox: Arc<Outbox<Outgoing, NetError>>, max_message_bytes: usize) -> Self {
        Self { outbox, max_message_bytes }
    }

    /// Queues a text message, waiting for room. Dropping the future before it is done queues nothing.
    ///
    /// # Errors
    /// How the connection ended, or [`NetError::TooBig`].
    pub async fn send_text(&self, text: String) -> Result<(), NetError> {
        self.check_size(text.len())?;
        let bytes = text.len();
        self.outbox.push(Outgoing::Text(text.into()), bytes).await
    }

    /// Queues a text message if there is room for it.
    ///
    /// # Errors
    /// [`TrySend`].
    pub fn try_send_text(&self, text: String) -> Result<(), TrySend> {
        self.check_size(text.len()).map_err(TrySend::Closed)?;
        let bytes = text.len();
        self.outbox.try_push(Outgoing::Text(text.into()), bytes).map_err(|unsent| match unsent {
            Unsent::Full(_) => TrySend::Full,
            Unsent::Closed(error) => TrySend::Closed(error),
        })
    }

    fn check_size(&self, size: usize) -> Result<(), NetError> {
        let limit = self.max_message_bytes;
        if size > limit {
            return Err(NetError::TooBig { what: "message", limit, size: Some(size) });
        }
        Ok(())
    }
}
