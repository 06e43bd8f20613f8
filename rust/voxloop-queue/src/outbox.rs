//! From the thread to the task: an item is refused when the byte budget is spent.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, Waker};

use crate::ITEM_OVERHEAD;
use crate::bell::{Bell, WakeBell};
use crate::signal::Signal;
use crate::sync::{Mutex, lock};

/// Why an item was not queued. The item is given back with [`Unsent::Full`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsent<T, E> {
    /// The budget is spent: wait until the signal is readable and try again.
    Full(T),
    /// The queue is over.
    Closed(E),
}

/// Items taken in one go. Their bytes stay counted until [`Outbox::release`] is told of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch<T> {
    /// The items, oldest first.
    pub items: Vec<T>,
    /// What they count for in the budget.
    pub cost: usize,
}

/// A queue bounded in bytes from a synchronous producer to one asynchronous consumer.
///
/// Policy when the budget is spent: the item is refused, and the signal becomes readable when the
/// queue has fallen to half of its budget. Bytes taken but not yet written still count. An item
/// larger than the whole budget is let in when nothing else is queued.
#[derive(Debug)]
pub struct Outbox<T, E, B: Bell = WakeBell> {
    state: Mutex<State<T, E>>,
    signal: Signal<B>,
    limit: usize,
    low_water: usize,
}

#[derive(Debug)]
struct State<T, E> {
    items: Vec<(T, usize)>,
    bytes: usize,
    end: Option<E>,
    /// A producer was refused and waits on the signal.
    starved: bool,
    /// Tasks that wait for room in [`Outbox::push`].
    producers: Vec<Waker>,
    consumer: Option<Waker>,
}

impl<T, E> State<T, E> {
    fn fits(&self, cost: usize, limit: usize) -> bool {
        self.bytes == 0 || self.bytes.saturating_add(cost) <= limit
    }
}

impl<T, E: Clone> Outbox<T, E, WakeBell> {
    /// An empty queue that holds up to `limit` bytes.
    ///
    /// # Errors
    /// The operating system's, when the process is out of descriptors.
    pub fn new(limit: usize) -> io::Result<Self> {
        Signal::open().map(|signal| Self::with_signal(limit, signal))
    }
}

impl<T, E: Clone, B: Bell> Outbox<T, E, B> {
    /// An empty queue over a given signal.
    pub fn with_signal(limit: usize, signal: Signal<B>) -> Self {
        let state = State {
            items: Vec::new(),
            bytes: 0,
            end: None,
            starved: false,
            producers: Vec::new(),
            consumer: None,
        };
        Self { state: Mutex::new(state), signal, limit, low_water: limit / 2 }
    }

    /// The signal that becomes readable when a refused producer may try again.
    pub fn signal(&self) -> &Signal<B> {
        &self.signal
    }

    /// Producer: queues `item`, of `bytes` payload bytes.
    ///
    /// # Errors
    /// [`Unsent::Full`] with the item when the budget is spent, [`Unsent::Closed`] with the stored
    /// error once the queue is over.
    pub fn try_push(&self, item: T, bytes: usize) -> Result<(), Unsent<T, E>> {
        let cost = bytes + ITEM_OVERHEAD;
        let mut state = lock(&self.state);
        if let Some(end) = &state.end {
            return Err(Unsent::Closed(end.clone()));
        }
        if !state.fits(cost, self.limit) {
            // Under the mutex: a release after this sees `starved` and rings the fresh bell.
            self.signal.rearm();
            state.starved = true;
            return Err(Unsent::Full(item));
        }
        state.items.push((item, cost));
        state.bytes += cost;
        let consumer = state.consumer.take();
        drop(state);
        wake(consumer);
        Ok(())
    }

    /// A producer that is a task: queues `item`, of `bytes` payload bytes, waiting for room.
    ///
    /// It goes beside [`Outbox::try_push`] and does not touch the signal. Dropping the future before
    /// it is done leaves the item out of the queue.
    ///
    /// # Errors
    /// The stored error once the queue is over.
    pub async fn push(&self, item: T, bytes: usize) -> Result<(), E> {
        let cost = bytes + ITEM_OVERHEAD;
        let mut waiting = Some(item);
        poll_fn(|cx| {
            let mut state = lock(&self.state);
            if let Some(end) = &state.end {
                return Poll::Ready(Err(end.clone()));
            }
            if !state.fits(cost, self.limit) {
                if !state.producers.iter().any(|waker| waker.will_wake(cx.waker())) {
                    state.producers.push(cx.waker().clone());
                }
                return Poll::Pending;
            }
            if let Some(item) = waiting.take() {
                state.items.push((item, cost));
                state.bytes += cost;
            }
            let consumer = state.consumer.take();
            drop(state);
            wake(consumer);
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Producer: queues a last item whatever the budget says; what follows gets `end`.
    ///
    /// # Errors
    /// The stored end, if the queue was over already.
    pub fn push_last(&self, item: T, end: E) -> Result<(), E> {
        let mut state = lock(&self.state);
        if let Some(end) = &state.end {
            return Err(end.clone());
        }
        state.items.push((item, ITEM_OVERHEAD));
        state.bytes += ITEM_OVERHEAD;
        state.end = Some(end);
        let consumer = state.consumer.take();
        let producers = std::mem::take(&mut state.producers);
        drop(state);
        wake(consumer);
        wake(producers);
        self.signal.fire();
        Ok(())
    }

    /// Ends the queue from either side: later pushes get `end`, unsent items are dropped.
    ///
    /// The first end stands; the signal is fired so that a waiting producer learns of it.
    pub fn finish(&self, end: E) {
        let mut state = lock(&self.state);
        state.end.get_or_insert(end);
        let unsent = std::mem::take(&mut state.items);
        state.bytes = 0;
        let consumer = state.consumer.take();
        let producers = std::mem::take(&mut state.producers);
        drop(state);
        drop(unsent);
        wake(consumer);
        wake(producers);
        self.signal.fire();
    }

    /// Consumer: waits for items and takes the oldest, at least one and then up to `max_bytes`.
    ///
    /// `None` once the queue is over and everything was taken. Dropping the future loses nothing.
    pub async fn next_batch(&self, max_bytes: usize) -> Option<Batch<T>> {
        poll_fn(|cx| self.poll_batch(cx, max_bytes)).await
    }

    fn poll_batch(&self, cx: &Context<'_>, max_bytes: usize) -> Poll<Option<Batch<T>>> {
        let mut state = lock(&self.state);
        if state.items.is_empty() {
            if state.end.is_some() {
                return Poll::Ready(None);
            }
            state.consumer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut cost = 0;
        let taken = state
            .items
            .iter()
            .take_while(|(_, item_cost)| {
                let first = cost == 0;
                cost += item_cost;
                first || cost <= max_bytes
            })
            .count();
        let rest = state.items.split_off(taken);
        let batch = std::mem::replace(&mut state.items, rest);
        drop(state);
        let cost = batch.iter().map(|(_, cost)| cost).sum();
        Poll::Ready(Some(Batch { items: batch.into_iter().map(|(item, _)| item).collect(), cost }))
    }

    /// Consumer: a batch that counted for `cost` is written; its bytes leave the budget.
    pub fn release(&self, cost: usize) {
        let mut state = lock(&self.state);
        state.bytes = state.bytes.saturating_sub(cost);
        if state.bytes > self.low_water {
            return;
        }
        let starved = std::mem::take(&mut state.starved);
        let producers = std::mem::take(&mut state.producers);
        drop(state);
        wake(producers);
        if starved {
            self.signal.fire();
        }
    }

    /// How many items wait to be taken, and how many bytes count against the budget.
    pub fn depth(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.items.len(), state.bytes)
    }
}

fn wake(wakers: impl IntoIterator<Item = Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}
