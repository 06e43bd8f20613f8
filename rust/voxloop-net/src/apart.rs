//! A branch of a `select!` that is polled only when it was woken itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Has a waker of its own, so that what wakes the branch beside it costs this one a look at a flag.
///
/// The branches of a connection wait on many things each, of which most never happen; without it a
/// frame that is sent polls all of them, and so does each that comes.
pub(crate) struct Apart<F> {
    work: F,
    bell: Arc<Bell>,
    waker: Waker,
    /// That of the task, as the bell has it.
    task: Waker,
}

struct Bell {
    rung: AtomicBool,
    task: Mutex<Waker>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Before the look at the task: one that changes meanwhile sees the flag.
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
        }
    }
}

impl<F> Apart<F> {
    pub(crate) fn new(work: F) -> Self {
        let task = Waker::noop().clone();
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), task: Mutex::new(task.clone()) });
        Self { work, waker: Waker::from(Arc::clone(&bell)), bell, task }
    }
}

impl<F: Future + Unpin> Future for Apart<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if !self.task.will_wake(cx.waker()) {
            self.task.clone_from(cx.waker());
            let mut task = self.bell.task.lock().unwrap_or_else(PoisonError::into_inner);
            task.clone_from(cx.waker());
        }
        let rung = &self.bell.rung;
        // What is woken from here on is polled again.
        if !(rung.load(Ordering::Relaxed) && rung.swap(false, Ordering::AcqRel)) {
            return Poll::Pending;
        }
        let Self { work, waker, .. } = &mut *self;
        Pin::new(work).poll(&mut Context::from_waker(waker))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn it_is_polled_when_it_was_woken_and_not_for_another() {
        let (bell, other, polls) = (Notify::new(), Notify::new(), AtomicUsize::new(0));
        let work = async {
            let mut waits = std::pin::pin!(bell.notified());
            poll_fn(|cx| {
                polls.fetch_add(1, Ordering::Relaxed);
                waits.as_mut().poll(cx)
            })
            .await;
        };
        let mut work = std::pin::pin!(work);
        let mut apart = Apart::new(&mut work);
        for _ in 0..10 {
            other.notify_one();
            tokio::select! {
                biased;
                () = &mut apart => panic!("nobody rang"),
                () = other.notified() => {}
            }
        }
        assert_eq!(polls.load(Ordering::Relaxed), 1);
        bell.notify_one();
        apart.await;
        assert_eq!(polls.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_wake_follows_it_from_task_to_task() {
        let bell = Arc::new(Notify::new());
        let heard = Arc::clone(&bell);
        let mut apart = Apart::new(Box::pin(async move { heard.notified().await }));
        let first = poll_fn(|cx| Poll::Ready(Pin::new(&mut apart).poll(cx).is_ready())).await;
        assert!(!first);
        let elsewhere = tokio::spawn(apart);
        tokio::task::yield_now().await;
        bell.notify_one();
        elsewhere.await.unwrap();
    }

    #[tokio::test]
    async fn what_gives_way_goes_on() {
        let giving = Box::pin(async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        });
        Apart::new(giving).await;
    }
}
