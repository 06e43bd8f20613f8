//! One task that does in time what many sessions do every few milliseconds.
//!
//! A source or a sink that goes by the clock takes a [`Seat`] while it has nothing to wait for but
//! the time. The task calls each when it is due, the next one first: a call and a place in a heap,
//! where a task of its own would be woken, polled through all that it waits on, and given a timer.
//!
//! Each network thread has a clockwork of its own, for the seats taken there. It ends with its last
//! seat.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep};
use voxloop_net::monotonic_ns;

use crate::shared::lock;

/// Calls until other tasks have their turn.
const AT_ONCE: usize = 32;

/// What is done by the clock. It must be quick and must not wait.
pub(crate) trait Ticking: Send + 'static {
    /// Does what is due at this reading of [`monotonic_ns`]. When to be called again; `None` when
    /// there is something else to wait for.
    fn tick(&mut self, now_ns: u64) -> Option<u64>;
}

thread_local! {
    static CLOCKWORK: RefCell<Weak<Clockwork>> = const { RefCell::new(Weak::new()) };
}

/// Something that is done by the clock. Dropping it ends that, and drops what it was.
pub(crate) struct Seat<T: Ticking> {
    place: Arc<Place<T>>,
    _clockwork: Arc<Clockwork>,
}

impl<T: Ticking> Seat<T> {
    /// Has `work` called at `next_ns`, and from then on when it says. To be called on a network
    /// thread.
    pub(crate) fn take(work: Box<T>, next_ns: u64) -> Self {
        let place = Arc::new(Place { work: Mutex::new(Some(work)), over: Notify::new() });
        let clockwork = Clockwork::here();
        clockwork.newcomers.add(Due { at_ns: next_ns, what: Arc::clone(&place) as _ });
        Self { place, _clockwork: clockwork }
    }

    /// Waits until it has something else to wait for. Dropping this future changes nothing.
    pub(crate) async fn over(&self) {
        self.place.over.notified().await;
    }

    /// Takes it back; `None` if it has crashed.
    pub(crate) fn leave(self) -> Option<Box<T>> {
        lock(&self.place.work).take()
    }
}

impl<T: Ticking> Drop for Seat<T> {
    fn drop(&mut self) {
        let work = lock(&self.place.work).take();
        drop(work);
    }
}

struct Place<T> {
    work: Mutex<Option<Box<T>>>,
    over: Notify,
}

/// What the clockwork sees of a place.
trait Called: Send + Sync {
    fn call(&self, now_ns: u64) -> Option<u64>;
}

impl<T: Ticking> Called for Place<T> {
    fn call(&self, now_ns: u64) -> Option<u64> {
        let mut held = lock(&self.work);
        let work = held.as_mut()?;
        // A crash is its own and nobody else's: as it would be in a task.
        let next = catch_unwind(AssertUnwindSafe(|| work.tick(now_ns))).unwrap_or_else(|_| {
            *held = None;
            None
        });
        drop(held);
        if next.is_none() {
            self.over.notify_one();
        }
        next
    }
}

struct Due {
    at_ns: u64,
    what: Arc<dyn Called>,
}

impl Ord for Due {
    /// The one that is due first is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at_ns.cmp(&self.at_ns)
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at_ns == other.at_ns
    }
}

impl Eq for Due {}

/// Who has taken a seat since the task looked last, and how to have it look.
#[derive(Default)]
struct Newcomers(Mutex<(Vec<Due>, Option<Waker>)>);

impl Newcomers {
    fn add(&self, due: Due) {
        let mut state = lock(&self.0);
        state.0.push(due);
        let task = state.1.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Moves them to `to`; whether there were any.
    fn poll(&self, cx: &Context<'_>, to: &mut BinaryHeap<Due>) -> bool {
        let mut state = lock(&self.0);
        if state.0.is_empty() {
            if state.1.as_ref().is_none_or(|task| !task.will_wake(cx.waker())) {
                state.1 = Some(cx.waker().clone());
            }
            return false;
        }
        to.extend(state.0.drain(..));
        true
    }
}

struct Clockwork {
    newcomers: Arc<Newcomers>,
    task: JoinHandle<()>,
}

impl Clockwork {
    /// That of this thread; it is started if there is none.
    fn here() -> Arc<Self> {
        CLOCKWORK.with_borrow_mut(|here| {
            here.upgrade().unwrap_or_else(|| {
                let newcomers = Arc::new(Newcomers::default());
                let task = tokio::spawn(run(Arc::clone(&newcomers)));
                let made = Arc::new(Self { newcomers, task });
                *here = Arc::downgrade(&made);
                made
            })
        })
    }
}

impl Drop for Clockwork {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(newcomers: Arc<Newcomers>) {
    let mut heap = BinaryHeap::new();
    let mut timer = pin!(sleep(Duration::ZERO));
    loop {
        wait(&newcomers, &mut heap, timer.as_mut()).await;
        let mut calls = 0;
        while call_first(&mut heap) {
            calls += 1;
            if calls % AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Waits until the first is due, or there is another one.
async fn wait(newcomers: &Newcomers, heap: &mut BinaryHeap<Due>, mut timer: Pin<&mut Sleep>) {
    if let Some(first) = heap.peek() {
        let left = Duration::from_nanos(first.at_ns.saturating_sub(monotonic_ns()));
        timer.as_mut().reset(Instant::now() + left);
    }
    let any = !heap.is_empty();
    poll_fn(|cx| {
        if newcomers.poll(cx, heap) {
            return Poll::Ready(());
        }
        if any { timer.as_mut().poll(cx) } else { Poll::Pending }
    })
    .await;
}

/// Calls the one that is due first; false if it is not due yet.
fn call_first(heap: &mut BinaryHeap<Due>) -> bool {
    let now_ns = monotonic_ns();
    let Some(mut first) = heap.peek_mut().filter(|first| first.at_ns <= now_ns) else {
        return false;
    };
    match first.what.call(now_ns) {
        Some(next_ns) => first.at_ns = next_ns,
        None => drop(PeekMut::pop(first)),
    }
    true
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    const MS: u64 = 1_000_000;

    /// Counts its calls, and is over, or crashes, after some.
    struct Count {
        calls: Arc<AtomicUsize>,
        left: usize,
        crashes: bool,
        late: Arc<Mutex<Vec<(u64, u64)>>>,
        due_ns: u64,
    }

    impl Count {
        fn of(calls: &Arc<AtomicUsize>, left: usize) -> Self {
            let (late, due_ns) = (Arc::default(), monotonic_ns());
            Self { calls: Arc::clone(calls), left, crashes: false, late, due_ns }
        }
    }

    impl Ticking for Count {
        fn tick(&mut self, now_ns: u64) -> Option<u64> {
            self.calls.fetch_add(1, SeqCst);
            lock(&self.late).push((self.due_ns, now_ns));
            self.left -= 1;
            assert!(self.left > 0 || !self.crashes, "as it is meant to");
            self.due_ns += MS;
            (self.left > 0).then_some(self.due_ns)
        }
    }

    #[tokio::test]
    async fn each_is_called_until_it_is_over_and_never_early() {
        let calls: Vec<_> = (0..40).map(|_| Arc::new(AtomicUsize::new(0))).collect();
        let seats: Vec<_> = calls
            .iter()
            .enumerate()
            .map(|(index, calls)| {
                let work = Count::of(calls, 5 + index);
                let first = work.due_ns;
                Seat::take(Box::new(work), first)
            })
            .collect();
        for (index, seat) in seats.into_iter().enumerate() {
            seat.over().await;
            assert_eq!(calls[index].load(SeqCst), 5 + index);
            let work = seat.leave().unwrap();
            assert!(lock(&work.late).iter().all(|(due, at)| due <= at));
        }
    }

    #[tokio::test]
    async fn one_that_crashes_takes_no_other_with_it() {
        let calls = Arc::new(AtomicUsize::new(0));
        let bad = Box::new(Count { crashes: true, ..Count::of(&calls, 3) });
        let good = Box::new(Count::of(&calls, 9));
        let (bad, good) = (Seat::take(bad, 0), Seat::take(good, 0));
        bad.over().await;
        assert!(bad.leave().is_none());
        good.over().await;
        assert!(good.leave().is_some());
        assert_eq!(calls.load(SeqCst), 12);
    }

    #[tokio::test]
    async fn what_leaves_is_not_called_again_and_the_last_ends_the_task() {
        let calls = Arc::new(AtomicUsize::new(0));
        let seat = Seat::take(Box::new(Count::of(&calls, usize::MAX)), 0);
        while calls.load(SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
        let work = seat.leave().unwrap();
        let seen = calls.load(SeqCst);
        for _ in 0..5 {
            sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(calls.load(SeqCst), seen);
        assert!(CLOCKWORK.with_borrow(|here| here.upgrade().is_none()));
        // Another begins with a task of its own; dropping it drops what it was.
        let again = Seat::take(work, 0);
        while calls.load(SeqCst) == seen {
            tokio::task::yield_now().await;
        }
        drop(again);
        assert_eq!(Arc::strong_count(&calls), 1);
    }
}
