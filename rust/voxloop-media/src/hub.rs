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
    /// It was not queued after all.
    fn unsettled(&self);
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

    /// Has a text queued by `queue`, which says whether it went well. Media are told of a commit
    /// before it goes out: the server's answer may be quick.
    ///
    /// # Errors
    /// Those of `queue`.
    pub fn sending<T, E>(
        &self,
        text: &str,
        queue: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, E> {
        let media = self.listener().filter(|_| settles(text));
        if let Some(media) = &media {
            media.settling();
        }
        let queued = queue(text);
        if let Some(media) = media.filter(|_| queued.is_err()) {
            media.unsettled();
        }
        queued
    }

    /// Puts the message that it came in beside a piece, if that is wanted; the bytes of it.
    fn keep(&self, piece: &mut Piece, text: &Utf8Bytes, at_ns: u64) -> usize {
        if self.bare.load(Ordering::Relaxed) {
            return 0;
        }
        piece.messages.push((text.clone(), at_ns));
        text.len()
    }

    fn listener(&self) -> Option<Arc<dyn Listener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether an event of ours ends the stretch of audio before it.
fn settles(text: &str) -> bool {
    text.len() < LONGEST_COMMIT
        && text.contains("\"input_audio_buffer.c")
        && matches!(
            event(text),
            Event::Other("input_audio_buffer.commit" | "input_audio_buffer.clear")
        )
}

impl Interpret<Incoming> for Hub {
    fn text(&self, text: Utf8Bytes, at_ns: u64, open: Option<&mut Incoming>) -> Reading<Incoming> {
        match event(&text) {
            Event::Audio(written) => {
                let listener = self.listener();
                if let (None, Some(Incoming::Piece(piece))) = (&listener, open)
                    && let Some(more) = piece.extend(&written)
                {
                    return Reading::Joined(more + self.keep(piece, &text, at_ns));
                }
                let Some(delta) = written.decoded() else { return Reading::Pass(text) };
                let taken = listener.map_or(Taken::No, |media| media.sound(&delta));
                let mut piece = Piece::new(delta, at_ns, taken);
                let mut bytes = piece.audio.as_ref().map_or(NOTE_BYTES, Vec::len);
                bytes += self.keep(&mut piece, &text, at_ns);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Marks(Mutex<i32>);

    impl Listener for Marks {
        fn sound(&self, _: &Delta) -> Taken {
            Taken::No
        }
        fn settling(&self) {
            *self.0.lock().unwrap() += 1;
        }
        fn unsettled(&self) {
            *self.0.lock().unwrap() -= 1;
        }
        fn control(&self, _: &Control, _: u64) -> Option<Cut> {
            None
        }
    }

    #[test]
    fn a_commit_that_finds_no_room_and_is_tried_again_is_marked_once() {
        let (hub, marks) = (Hub::default(), Arc::new(Marks::default()));
        hub.attach(Some(Arc::clone(&marks) as Arc<dyn Listener>));
        let commit = r#"{"event_id":"e","type":"input_audio_buffer.commit"}"#;
        let seen = || *marks.0.lock().unwrap();
        let full: Result<(), ()> = hub.sending(commit, |_| {
            assert_eq!(seen(), 1, "it is marked before it goes out");
            Err(())
        });
        assert_eq!((full, seen()), (Err(()), 0));
        assert_eq!(hub.sending(commit, |text| Ok::<_, ()>(text.len())), Ok(commit.len()));
        assert_eq!(seen(), 1);
        let other = r#"{"type":"response.create","note":"input_audio_buffer.commit"}"#;
        assert_eq!((hub.sending(other, |_| Ok::<_, ()>(())), seen()), (Ok(()), 1));
    }
}
