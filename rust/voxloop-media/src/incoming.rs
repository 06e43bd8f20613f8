//! What the network thread makes of the server's messages, in their order.

use bytes::{Bytes, BytesMut};
use voxloop_net::Utf8Bytes;

use crate::codec::Delta;
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
    pub audio: Option<Bytes>,
    /// Whether its audio was dropped: its answer was stopped, or there was no room.
    pub dropped: bool,
    /// How many bytes of audio it is.
    pub audio_bytes: usize,
    /// The messages it came in, each with its time of arrival; empty texts where a sink has the
    /// sound and nobody wants them.
    pub messages: Vec<(Utf8Bytes, u64)>,
}

impl Piece {
    /// A piece as it came, and what became of its audio.
    pub fn new(delta: Delta, text: Utf8Bytes, at_ns: u64, taken: Taken) -> Self {
        let audio_bytes = delta.audio.len();
        Self {
            item_id: delta.item_id,
            response_id: delta.response_id,
            content_index: delta.content_index,
            output_index: delta.output_index,
            audio: (taken == Taken::No).then(|| delta.audio.into()),
            dropped: taken == Taken::Dropped,
            audio_bytes,
            messages: vec![(text, at_ns)],
        }
    }

    /// When the first of it arrived.
    pub fn at_ns(&self) -> u64 {
        self.messages.first().map_or(0, |(_, at_ns)| *at_ns)
    }

    fn continues(&self, other: &Self) -> bool {
        self.item_id == other.item_id
            && self.response_id == other.response_id
            && self.content_index == other.content_index
            && self.output_index == other.output_index
            && self.dropped == other.dropped
            && self.audio.is_some() == other.audio.is_some()
    }
}

/// Adds to a run of pieces of one part; gives `next` back if it belongs to another one.
#[must_use]
pub fn join(run: &mut Vec<Piece>, next: Piece) -> Option<Piece> {
    if run.first().is_some_and(|first| !first.continues(&next)) {
        return Some(next);
    }
    run.push(next);
    None
}

/// One piece of a run that [`join`] has made; `None` for an empty run, which is empty afterwards.
pub fn joined(run: &mut Vec<Piece>) -> Option<Piece> {
    let mut pieces = run.drain(..);
    let mut whole = pieces.next()?;
    let rest: Vec<Piece> = pieces.collect();
    if rest.is_empty() {
        return Some(whole);
    }
    whole.audio_bytes += rest.iter().map(|piece| piece.audio_bytes).sum::<usize>();
    if let Some(first) = whole.audio.take() {
        let mut audio = BytesMut::with_capacity(whole.audio_bytes);
        audio.extend_from_slice(&first);
        rest.iter().flat_map(|piece| &piece.audio).for_each(|part| audio.extend_from_slice(part));
        whole.audio = Some(audio.freeze());
    }
    whole.messages.extend(rest.into_iter().flat_map(|piece| piece.messages));
    Some(whole)
}

/// What an interpreter puts among the messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// Sound.
    Piece(Piece),
    /// The answer was cut short, because of the message that follows.
    Cut(Cut),
}
