//! From the task to the thread: the task waits when the byte budget is spent.

use std::future::poll_fn;
use std::io;
use std::task::{Poll, Waker};

use crate::ITEM_OVERHEAD;
use crate::bell::{Bell, WakeBell};
use crate::outbox::Unsent;
use crate::signal::Signal;
use crate::sync::{Mutex, lock};

/// What one look at an [`Inbox`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drained<T> {
    /// All that had come, in order. Empty after a wake-up for nothing.
    Items(Vec<T>),
    /// The producer ended the queue without an error, and everything before that was taken.
    End,
}

/// The queue is over: the producer need not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// A queue bounded in bytes from one asynchronous producer to one consumer on a descriptor.
///
/// Policy when the budget is spent: the producer waits. An item larger than the whole budget is
/// let in when the queue is empty. What was queued before the end is delivered before the end.
#[derive(Debug)]
pub struct Inbox<T, E, B: Bell = WakeBell> {
    state: Mutex<State<T, E>>,
    signal: Signal<B>,
    limit: usize,
}

#[derive(Debug)]
struct State<T, E> {
    items: Vec<T>,
    bytes: usize,
    end: Option<Result<(), E>>,
    lossy: bool,
    dropped: u64,
    producer: Option<Waker>,
}

impl<T, E> State<T, E> {
    fn fits(&self, cost: usize, limit: usize) -> bool {
        self.items.is_empty() || self.bytes.saturating_add(cost) <= limit
    }
}

impl<T, E: Clone> Inbox<T, E, WakeBell> {
    /// An empty queue that holds up to `limit` bytes.
    ///
    /// # Errors
    /// The operating system's, when the process is out of descriptors.
    pub fn new(limit: usize) -> io::Result<Self> {
        Signal::open().map(|signal| Self::with_signal(limit, signal))
    }
}

impl<T, E: Clone, B: Bell> Inbox<T, E, B> {
    /// An empty queue over a given signal.
    pub fn with_signal(limit: usize, signal: Signal<B>) -> Self {
        let state = State {
            items: Vec::new(),
            bytes: 0,
            end: None,
            lossy: false,
            dropped: 0,
            producer: None,
        };
        Self { state: Mutex::new(state), signal, limit }
    }

    /// The signal that is readable when [`Inbox::drain`] has something to give.
    pub fn signal(&self) -> &Signal<B> {
        &self.signal
    }

    /// Producer: queues `item`, of `bytes` payload bytes, waiting for room.
    ///
    /// Dropping the future before it is done leaves the item out of the queue.
    ///
    /// # Errors
    /// [`Refused`] once the queue was ended from either side.
    pub async fn push(&self, item: T, bytes: usize) -> Result<(), Refused> {
        self.put(item, bytes, true, |_, item| Some(item)).await
    }

    /// Producer: as [`Inbox::push`], but the consumer is not woken for it, unless there is no room.
    ///
    /// `join` may add the item to the newest one that waits, or gives it back. The producer fires
    /// [`Inbox::signal`] itself in good time; what is pushed in between wakes for both.
    ///
    /// # Errors
    /// As [`Inbox::push`].
    pub async fn push_quietly(
        &self,
        item: T,
        bytes: usize,
        join: impl Fn(&mut T, T) -> Option<T>,
    ) -> Result<(), Refused> {
        self.put(item, bytes, false, join).await
    }

    /// Producer: as [`Inbox::push_quietly`], for now or not at all.
    ///
    /// # Errors
    /// [`Unsent::Full`] while there is no room, [`Unsent::Closed`] once the queue was ended.
    pub fn try_push_quietly(
        &self,
        item: T,
        bytes: usize,
        join: impl Fn(&mut T, T) -> Option<T>,
    ) -> Result<(), Unsent<T, Refused>> {
        self.offer(&mut lock(&self.state), item, bytes, join)
    }

    async fn put(
        &self,
        item: T,
        bytes: usize,
        wakes: bool,
        join: impl Fn(&mut T, T) -> Option<T>,
    ) -> Result<(), Refused> {
        let mut waiting = Some(item);
        poll_fn(|cx| {
            let Some(item) = waiting.take() else { return Poll::Ready(Ok(())) };
            let mut state = lock(&self.state);
            match self.offer(&mut state, item, bytes, &join) {
                Ok(()) => {}
                Err(Unsent::Closed(refused)) => return Poll::Ready(Err(refused)),
                Err(Unsent::Full(item)) => {
                    waiting = Some(item);
                    state.producer = Some(cx.waker().clone());
                    drop(state);
                    // What was pushed quietly must be taken before there is room.
                    self.signal.fire();
                    return Poll::Pending;
                }
            }
            drop(state);
            if wakes {
                self.signal.fire();
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Queues an item, or counts it as dropped, unless it would have to wait.
    fn offer(
        &self,
        state: &mut State<T, E>,
        item: T,
        bytes: usize,
        join: impl Fn(&mut T, T) -> Option<T>,
    ) -> Result<(), Unsent<T, Refused>> {
        if state.end.is_some() {
            return Err(Unsent::Closed(Refused));
        }
        let cost = bytes + ITEM_OVERHEAD;
        if !state.fits(cost, self.limit) {
            if !state.lossy {
                return Err(Unsent::Full(item));
            }
            state.dropped += 1;
            return Ok(());
        }
        let rest = match state.items.last_mut() {
            Some(last) => join(last, item),
            None => Some(item),
        };
        state.bytes += if rest.is_some() { cost } else { bytes };
        state.items.extend(rest);
        Ok(())
    }

    /// Whether an item of `bytes` payload bytes would go in without waiting.
    pub fn has_room(&self, bytes: usize) -> bool {
        lock(&self.state).fits(bytes + ITEM_OVERHEAD, self.limit)
    }

    /// From now on an item that finds no room is counted and dropped instead of waited for.
    pub fn drop_when_full(&self) {
        let mut state = lock(&self.state);
        state.lossy = true;
        let producer = state.producer.take();
        drop(state);
        wake(producer);
    }

    /// Ends the queue. The first end stands; a later one changes nothing and returns `false`.
    pub fn finish(&self, end: Result<(), E>) -> bool {
        let mut state = lock(&self.state);
        let first = state.end.is_none();
        if first {
            state.end = Some(end);
        }
        let producer = state.producer.take();
        drop(state);
        wake(producer);
        self.signal.fire();
        first
    }

    /// Consumer: takes all that has come.
    ///
    /// Once the queue has ended the descriptor stays readable, so that a consumer that waits
    /// before each look is never left waiting.
    ///
    /// # Errors
    /// The stored error, every time, once everything queued before it was taken.
    pub fn drain(&self) -> Result<Drained<T>, E> {
        self.signal.rearm();
        let mut state = lock(&self.state);
        let items = std::mem::take(&mut state.items);
        state.bytes = 0;
        let producer = state.producer.take();
        let end = state.end.clone();
        drop(state);
        wake(producer);
        if end.is_some() {
            self.signal.fire();
        }
        match end {
            Some(end) if items.is_empty() => end.map(|()| Drained::End),
            _ => Ok(Drained::Items(items)),
        }
    }

    /// Whether the end is stored; items queued before it may still be waiting.
    pub fn is_ended(&self) -> bool {
        lock(&self.state).end.is_some()
    }

    /// How many items wait, and how many bytes they count for.
    pub fn depth(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.items.len(), state.bytes)
    }

    /// How many items [`Inbox::drop_when_full`] dropped.
    pub fn dropped(&self) -> u64 {
        lock(&self.state).dropped
    }
}

/// Outside the mutex, as the woken task may look at the queue at once.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
