//! The interpreter of one connection: sound is decoded here, and goes to the media that are attached.

use std::sync::{Arc, Mutex, PoisonError};

use voxloop_net::{Interpret, Reading, Utf8Bytes, Wake};

use crate::codec::{Control, Delta, Event, event};
use crate::cut::Cut;
use crate::incoming::{Incoming, Piece};

/// A commit has nothing but ids; anything longer is something else.
const LONGEST_COMMIT: usize = 4_096;

/// What a piece takes whose sound a sink has.
const NOTE_BYTES: usize = 128;

/// What media do with what the server says; called on the network thread.
pub trait Listener: Send + Sync {
    /// Sound came. Whether it was taken: played, or dropped for good.
    fn sound(&self, delta: &Delta) -> Taken;
    /// A commit or a clear of the user's audio is about to be queued by the caller.
    fn settling(&self);
    /// Whether the messages that sound came in are wanted for themselves.
    fn wants_texts(&self) -> bool;
    /// Something happened that may stop the sound; if it did, how.
    fn control(&self, control: &Control, at_ns: u64) -> Option<Cut>;
}

/// What became of a piece of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// No sink wants it.
    No,
    /// A sink has it.
    Played,
    /// It is sound of an answer that was stopped.
    Dropped,
}

/// Stands at the reader's side of one connection, from before it opens; media come and go.
#[derive(Default)]
pub struct Hub {
    listener: Mutex<Option<Arc<dyn Listener>>>,
}

impl Hub {
    /// Attaches media, or none; what was attached before is let go.
    pub fn attach(&self, listener: Option<Arc<dyn Listener>>) {
        let before = std::mem::replace(
            &mut *self.listener.lock().unwrap_or_else(PoisonError::into_inner),
            listener,
        );
        drop(before);
    }

    /// The caller is about to queue a text.
    pub fn sending(&self, text: &str) {
        if text.len() < LONGEST_COMMIT
            && text.contains("\"input_audio_buffer.c")
            && let Event::Other("input_audio_buffer.commit" | "input_audio_buffer.clear") =
                event(text)
            && let Some(media) = self.listener()
        {
            media.settling();
        }
    }

    fn listener(&self) -> Option<Arc<dyn Listener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Interpret<Incoming> for Hub {
    fn text(&self, text: Utf8Bytes, at_ns: u64) -> Reading<Incoming> {
        match event(&text) {
            Event::Audio(delta) => {
                let media = self.listener();
                let taken = media.as_ref().map_or(Taken::No, |media| media.sound(&delta));
                let (text, bytes) = if taken == Taken::No {
                    let bytes = text.len() + delta.audio.len();
                    (text, bytes)
                } else if media.is_some_and(|media| media.wants_texts()) {
                    let bytes = text.len() + NOTE_BYTES;
                    (text, bytes)
                } else {
                    // Nobody would look at it, and it must not fill the way of what counts.
                    (Utf8Bytes::default(), NOTE_BYTES)
                };
                let piece = Piece::new(delta, text, at_ns, taken);
                let wake = if taken == Taken::No { Wake::Soon } else { Wake::Later };
                Reading::Made { item: Incoming::Piece(piece), bytes, wake }
            }
            Event::Other(kind) => {
                let cut = self.listener().and_then(|media| {
                    Control::read(kind, &text).and_then(|control| media.control(&control, at_ns))
                });
                match cut {
                    Some(cut) => Reading::Before(Incoming::Cut(cut), text),
                    None => Reading::Pass(text),
                }
            }
            Event::Unknown => Reading::Pass(text),
        }
    }
}
