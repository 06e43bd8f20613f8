//! The interpreter of one connection: sound is decoded here, and goes to the media that are attached.

use std::sync::atomic::{AtomicBool, Ordering};
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
    bare: AtomicBool,
}

impl Hub {
    /// Whether sound keeps the messages that it came in, as it does at first; for what comes from
    /// now on.
    pub fn keep_messages(&self, wanted: bool) {
        self.bare.store(!wanted, Ordering::Relaxed);
    }

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
        if let Some(media) = self.listener()
            && text.len() < LONGEST_COMMIT
            && text.contains("\"input_audio_buffer.c")
            && let Event::Other("input_audio_buffer.commit" | "input_audio_buffer.clear") =
                event(text)
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
                let taken = self.listener().map_or(Taken::No, |media| media.sound(&delta));
                let mut piece = Piece::new(delta, at_ns, taken);
                let mut bytes = piece.audio.as_ref().map_or(NOTE_BYTES, Vec::len);
                if !self.bare.load(Ordering::Relaxed) {
                    bytes += text.len();
                    piece.messages.push((text, at_ns));
                }
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

    fn join(&self, last: &mut Incoming, next: Incoming) -> Option<Incoming> {
        match (last, next) {
            (Incoming::Piece(last), Incoming::Piece(next)) => last.join(next).map(Incoming::Piece),
            (_, next) => Some(next),
        }
    }
}
