//! Whoever understands what the messages say, without this crate knowing of what.

use tokio_tungstenite::tungstenite::Utf8Bytes;

/// What an [`Interpret`] makes of one text message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading<M> {
    /// Nothing of its own: the text goes on as it is.
    Pass(Utf8Bytes),
    /// Something else instead of the text.
    Made {
        /// What.
        item: M,
        /// Payload bytes to count for it.
        bytes: usize,
        /// When the consumer is to be woken for it.
        wake: Wake,
    },
    /// It is in the open item now, which is so many bytes longer.
    Joined(usize),
    /// Something of its own, and then the text.
    Before(M, Utf8Bytes),
    /// Nothing goes on.
    Swallow,
}

/// How long an item may wait for company before the consumer is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Not at all.
    Now,
    /// Up to `WsConfig::coalesce` since the last wake-up for such items.
    Soon,
    /// Fifty times as long: it is for the consumer's books only.
    Later,
}

/// Sees every text message before the consumer does, on the network thread: it must be quick and
/// must not wait. What it makes keeps the place of the message in the order of arrival.
pub trait Interpret<M>: Send + Sync {
    /// A text message whose last byte was read at `at_ns`, by [`crate::monotonic_ns`].
    ///
    /// `open` is what was made of the message before, if it can wait and is not queued yet: the
    /// text may go into it.
    fn text(&self, text: Utf8Bytes, at_ns: u64, open: Option<&mut M>) -> Reading<M>;

    /// Adds an item that can wait to the one before it, which waits already; gives it back if the
    /// two do not belong together.
    fn join(&self, last: &mut M, next: M) -> Option<M>;
}
