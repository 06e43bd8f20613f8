//! What the network thread makes of the server's messages, in their order.

use voxloop_net::Utf8Bytes;

use crate::codec::{Delta, Written};
use crate::cut::Cut;
use crate::hub::Taken;

/// Pieces of one part of an answer's sound that came one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The message.
    pub item_id: String,
    /// The response.
    pub response_id: String,
    /// Index of the audio part.
    pub content_index: u32,
    /// Index of the item in the response.
    pub output_index: u32,
    /// The audio, `None` where a sink has taken it.
    pub audio: Option<Vec<u8>>,
    /// Whether its audio was dropped: its answer was stopped, or there was no room.
    pub dropped: bool,
    /// How many bytes of audio it is.
    pub audio_bytes: usize,
    /// When the first of it arrived.
    pub at_ns: u64,
    /// The messages it came in, each with its time of arrival; none where nobody wants them.
    pub messages: Vec<(Utf8Bytes, u64)>,
}

impl Piece {
    /// A piece as it came, and what became of its audio.
    pub fn new(delta: Delta, at_ns: u64, taken: Taken) -> Self {
        let audio_bytes = delta.audio.len();
        Self {
            item_id: delta.item_id,
            response_id: delta.response_id,
            content_index: delta.content_index,
            output_index: delta.output_index,
            audio: (taken == Taken::No).then_some(delta.audio),
            dropped: taken == Taken::Dropped,
            audio_bytes,
            at_ns,
            messages: Vec::new(),
        }
    }

    fn continues(&self, other: &Self) -> bool {
        self.item_id == other.item_id
            && self.response_id == other.response_id
            && self.content_index == other.content_index
            && self.output_index == other.output_index
            && self.dropped == other.dropped
            && self.audio.is_some() == other.audio.is_some()
    }

    fn goes_on(&self, next: &Written<'_>) -> bool {
        self.audio.is_some()
            && self.item_id == next.item_id
            && self.response_id == next.response_id
            && self.content_index == next.content_index
            && self.output_index == next.output_index
    }

    /// Adds what came next and is not decoded yet; how much that is. `None`, and nothing is added,
    /// if it belongs to another part, went another way, or is no base64.
    pub fn extend(&mut self, next: &Written<'_>) -> Option<usize> {
        if !self.goes_on(next) {
            return None;
        }
        let more = next.append_to(self.audio.as_mut()?)?;
        self.audio_bytes += more;
        Some(more)
    }

    /// Adds what came next; gives it back if it belongs to another part, or went another way.
    #[must_use]
    pub fn join(&mut self, next: Self) -> Option<Self> {
        if !self.continues(&next) {
            return Some(next);
        }
        if let (Some(audio), Some(more)) = (&mut self.audio, next.audio) {
            audio.extend_from_slice(&more);
        }
        self.audio_bytes += next.audio_bytes;
        self.messages.extend(next.messages);
        None
    }
}

/// What an interpreter puts among the messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// Sound.
    Piece(Piece),
    /// The answer was cut short, because of the message that follows.
    Cut(Cut),
}
