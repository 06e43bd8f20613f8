//! Every interleaving of the signal and the two queues, by the model checker.
//!
//! A lost wake-up leaves a thread waiting for ever, which the checker reports as a deadlock.
#![allow(clippy::unwrap_used)] // a failed lock or thread fails the model

use std::sync::Arc;

use loom::future::block_on;
use loom::sync::{Condvar, Mutex};
use loom::thread;

use crate::{Bell, Drained, Inbox, Outbox, Refused, Signal, Unsent};

/// Stands for the descriptor: `wait` is `poll(2)` without a time-out.
#[derive(Default)]
struct ModelBell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl ModelBell {
    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.changed.wait(rung).unwrap();
        }
    }
}

impl Bell for ModelBell {
    fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_all();
    }

    fn silence(&self) {
        *self.rung.lock().unwrap() = false;
    }
}

type ModelInbox = Inbox<u32, &'static str, ModelBell>;
type ModelOutbox = Outbox<u32, &'static str, ModelBell>;

fn inbox(limit: usize) -> Arc<ModelInbox> {
    Arc::new(Inbox::with_signal(limit, Signal::with_bell(ModelBell::default())))
}

fn outbox(limit: usize) -> Arc<ModelOutbox> {
    Arc::new(Outbox::with_signal(limit, Signal::with_bell(ModelBell::default())))
}

/// Receives as the Python side does: wait, rearm and take, until the end.
fn receive_all(inbox: &ModelInbox) -> (Vec<u32>, Result<(), &'static str>) {
    let mut all = Vec::new();
    loop {
        inbox.signal().bell().wait();
        match inbox.drain() {
            Ok(Drained::Items(items)) => all.extend(items),
            Ok(Drained::End) => return (all, Ok(())),
            Err(error) => return (all, Err(error)),
        }
    }
}

#[test]
fn loom_no_push_is_missed() {
    loom::model(|| {
        let queue = inbox(1 << 20);
        let producer = Arc::clone(&queue);
        let task = thread::spawn(move || {
            block_on(producer.push(1, 0)).unwrap();
            block_on(producer.push(2, 0)).unwrap();
        });
        let mut all = Vec::new();
        while all.len() < 2 {
            queue.signal().bell().wait();
            let Ok(Drained::Items(items)) = queue.drain() else { panic!("no end was stored") };
            all.extend(items);
        }
        assert_eq!(all, [1, 2]);
        task.join().unwrap();
    });
}

#[test]
fn loom_end_comes_after_what_was_pushed_before_it() {
    loom::model(|| {
        let queue = inbox(1 << 20);
        let producer = Arc::clone(&queue);
        let task = thread::spawn(move || {
            block_on(producer.push(1, 0)).unwrap();
            assert!(producer.finish(Err("reset")));
        });
        assert_eq!(receive_all(&queue), (vec![1], Err("reset")));
        // The descriptor stays readable: a second look does not wait.
        assert_eq!(receive_all(&queue), (vec![], Err("reset")));
        task.join().unwrap();
    });
}

#[test]
fn loom_close_racing_a_push_ends_both_sides() {
    loom::model(|| {
        let queue = inbox(1);
        let producer = Arc::clone(&queue);
        let task = thread::spawn(move || {
            let first = block_on(producer.push(1, 0));
            // No room: only the close, or nothing, can let this one go.
            let second = block_on(producer.push(2, 0));
            (first, second)
        });
        queue.finish(Ok(()));
        let (first, second) = task.join().unwrap();
        let (got, end) = receive_all(&queue);
        assert_eq!(second, Err(Refused));
        assert_eq!(got, if first.is_ok() { vec![1] } else { vec![] });
        assert_eq!(end, Ok(()));
    });
}

#[test]
fn loom_a_producer_without_room_is_woken_by_a_drain() {
    loom::model(|| {
        let queue = inbox(1);
        let producer = Arc::clone(&queue);
        let task = thread::spawn(move || {
            for item in 1..=2 {
                block_on(producer.push(item, 8)).unwrap();
            }
            producer.finish(Ok(()));
        });
        assert_eq!(receive_all(&queue), (vec![1, 2], Ok(())));
        task.join().unwrap();
    });
}

#[test]
fn loom_a_producer_without_room_is_let_go_when_arrivals_may_be_dropped() {
    loom::model(|| {
        let queue = inbox(1);
        let producer = Arc::clone(&queue);
        let task = thread::spawn(move || {
            block_on(producer.push(1, 8)).unwrap();
            block_on(producer.push(2, 8)).unwrap();
        });
        queue.drop_when_full();
        task.join().unwrap();
        assert_eq!(queue.drain(), Ok(Drained::Items(vec![1])));
        assert_eq!(queue.dropped(), 1);
    });
}

#[test]
fn loom_a_refused_sender_is_woken_by_a_release() {
    loom::model(|| {
        let queue = outbox(1);
        let consumer = Arc::clone(&queue);
        let task = thread::spawn(move || {
            let mut all = Vec::new();
            while let Some(batch) = block_on(consumer.next_batch(1)) {
                all.extend(batch.items);
                consumer.release(batch.cost);
            }
            all
        });
        for item in 1..=2 {
            while queue.try_push(item, 8) == Err(Unsent::Full(item)) {
                queue.signal().bell().wait();
            }
        }
        queue.push_last(3, "closing").unwrap();
        assert_eq!(queue.try_push(4, 8), Err(Unsent::Closed("closing")));
        assert_eq!(task.join().unwrap(), [1, 2, 3]);
    });
}

#[test]
fn loom_a_refused_sender_is_woken_by_the_end() {
    loom::model(|| {
        let queue = outbox(1);
        let consumer = Arc::clone(&queue);
        let task = thread::spawn(move || consumer.finish("reset"));
        let error = loop {
            match queue.try_push(1, 8) {
                Ok(()) => {}
                Err(Unsent::Full(_)) => queue.signal().bell().wait(),
                Err(Unsent::Closed(error)) => break error,
            }
        };
        assert_eq!(error, "reset");
        task.join().unwrap();
    });
}

/// The checker does find a lost wake-up: this consumer looks first and rearms afterwards.
#[test]
#[should_panic(expected = "deadlock")]
fn loom_the_wrong_order_is_found() {
    loom::model(|| {
        let signal = Arc::new(Signal::with_bell(ModelBell::default()));
        let items = Arc::new(Mutex::new(Vec::new()));
        let (their_signal, their_items) = (Arc::clone(&signal), Arc::clone(&items));
        let task = thread::spawn(move || {
            for item in 1..=2 {
                their_items.lock().unwrap().push(item);
                their_signal.fire();
            }
        });
        let mut taken = 0;
        while taken < 2 {
            signal.bell().wait();
            taken += std::mem::take(&mut *items.lock().unwrap()).len();
            signal.rearm();
        }
        task.join().unwrap();
    });
}
