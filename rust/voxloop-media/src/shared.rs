//! What the network thread, the pacing tasks and the caller share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use voxloop_net::{WsSender, monotonic_ns};

use crate::codec::{self, Control, Delta};
use crate::cut::{Cut, Reason};
use crate::downlink::Downlink;
use crate::hub::{Listener, Taken};
use crate::report::Reports;
use crate::ring::Ring;
use crate::stats::{Counters, Interruption};
use crate::tap::Tap;
use crate::wire::WireFormat;

/// Locks, whatever a panicking holder left: every critical section keeps its state whole.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection that media are bound to.
#[derive(Clone)]
pub(crate) struct Binding {
    pub(crate) sender: WsSender,
    /// Counts connections, so that the end of an old one is not taken for that of the new one.
    pub(crate) number: u64,
}

pub(crate) struct Shared {
    /// The way down; none without a sink.
    pub(crate) down: Option<Mutex<Downlink>>,
    /// More sound came, or an end of it.
    pub(crate) sounded: Notify,
    pub(crate) up: Mutex<Ring>,
    pub(crate) format: WireFormat,
    pub(crate) binding: Mutex<Option<Binding>>,
    pub(crate) bound: Notify,
    pub(crate) reports: Arc<Reports>,
    pub(crate) counters: Counters,
    /// For whoever writes down what goes by.
    pub(crate) tap: Tap,
    /// The user's speech stops the answer.
    pub(crate) barge_in: bool,
    /// Part of all event ids made here.
    pub(crate) prefix: String,
    pub(crate) ids: AtomicU64,
    /// Asks the tasks to finish what they have begun and to end.
    pub(crate) closing: tokio::sync::watch::Sender<bool>,
}

impl Shared {
    pub(crate) fn binding(&self) -> Option<Binding> {
        lock(&self.binding).clone()
    }

    /// Lets go of a connection that has ended, unless another one took its place.
    pub(crate) fn unbind(&self, number: u64) {
        let mut binding = lock(&self.binding);
        if binding.as_ref().is_some_and(|bound| bound.number == number) {
            *binding = None;
        }
    }

    fn new_id(&self, kind: &str) -> String {
        let number = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{kind}_{}_m{number}", self.prefix)
    }

    /// Silences the sink and empties what lies before it; `None` if there was nothing to stop.
    ///
    /// With `tell`, the truncations are queued at once; an item whose truncation found no room in
    /// the socket's queue is left to the caller.
    pub(crate) fn cut(&self, reason: Reason, at_ns: u64, tell: bool) -> Option<Cut> {
        let (mut items, muted, taken_bytes) = {
            let mut down = lock(self.down.as_ref()?);
            let (items, muted) = down.cut();
            // Told with the cut: there is nothing left that could fall silent later.
            let _ = down.fell_silent();
            (items, muted, down.taken_bytes())
        };
        if items.is_empty() && muted.is_empty() {
            return None;
        }
        self.sounded.notify_one();
        if tell && let Some(binding) = self.binding() {
            for item in items.iter_mut().filter(|item| item.in_conversation && !item.earlier) {
                let id = self.new_id("truncate");
                let event = codec::truncate(&id, &item.item_id, item.content_index, item.heard_ms);
                let copy = self.tap.wants_texts().then(|| event.clone());
                item.sent = binding.sender.try_send_text(event).is_ok();
                if let Some(copy) = copy.filter(|_| item.sent) {
                    self.tap.text(monotonic_ns(), copy);
                }
            }
        }
        let took_ns = monotonic_ns().saturating_sub(at_ns);
        let heard = items.iter().map(|item| (item.item_id.clone(), item.heard_ms)).collect();
        self.counters.interrupted(Interruption { reason, at_ns, took_ns, heard });
        Some(Cut { reason, items, muted, taken_bytes, at_ns, took_ns })
    }
}

impl Listener for Shared {
    fn sound(&self, delta: &Delta) -> Taken {
        let Some(down) = &self.down else { return Taken::No };
        let taken = lock(down).sound(delta);
        if taken == Taken::Played {
            self.sounded.notify_one();
        }
        taken
    }

    fn settling(&self) {
        lock(&self.up).mark();
    }

    fn unsettled(&self) {
        lock(&self.up).unmark();
    }

    fn control(&self, control: &Control, at_ns: u64) -> Option<Cut> {
        match control {
            Control::SpeechStarted if self.barge_in => {
                return self.cut(Reason::Server, at_ns, true);
            }
            Control::SpeechStarted => {}
            Control::SpeechStopped { audio_end_ms } => {
                lock(&self.up).speech_stopped(*audio_end_ms, self.format.rate());
            }
            Control::Committed | Control::Cleared => lock(&self.up).settled(),
            Control::ResponseCreated { id, in_conversation } => {
                if let Some(down) = &self.down {
                    lock(down).answers().created(id, *in_conversation);
                }
            }
            Control::ResponseDone { id } => self.ended(|down| down.response_done(id)),
            Control::AudioDone { item_id, content_index } => {
                self.ended(|down| down.audio_done(item_id, *content_index));
            }
        }
        None
    }
}

impl Shared {
    /// Another connection takes the place of the one before.
    pub(crate) fn rebound(&self) {
        self.ended(Downlink::rebound);
    }

    fn ended(&self, what: impl FnOnce(&mut Downlink)) {
        if let Some(down) = &self.down {
            what(&mut lock(down));
            self.sounded.notify_one();
        }
    }
}
