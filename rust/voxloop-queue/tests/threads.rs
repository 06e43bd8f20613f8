//! The queues over real descriptors and real threads.
#![cfg(not(loom))]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use voxloop_queue::{Drained, ITEM_OVERHEAD, Inbox, Outbox, Refused, Signal, Unsent};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

fn readable(signal: &Signal, wait: Duration) -> bool {
    let mut set = [PollFd::new(signal, PollFlags::IN)];
    let limit = Timespec::try_from(wait).expect("a short wait");
    poll(&mut set, Some(&limit)).expect("poll") == 1
}

fn receive_all(queue: &Inbox<u64, String>) -> (Vec<u64>, Result<(), String>) {
    let mut all = Vec::new();
    loop {
        assert!(readable(queue.signal(), Duration::from_secs(20)), "a wake-up was lost");
        match queue.drain() {
            Ok(Drained::Items(items)) => all.extend(items),
            Ok(Drained::End) => return (all, Ok(())),
            Err(error) => return (all, Err(error)),
        }
    }
}

#[test]
fn every_item_arrives_once_and_in_order_through_a_small_budget() {
    const COUNT: u64 = 100_000;
    let queue = Arc::new(Inbox::<u64, String>::new(40 * (ITEM_OVERHEAD + 8)).unwrap());
    let producer = Arc::clone(&queue);
    let task = thread::spawn(move || {
        for item in 0..COUNT {
            block_on(producer.push(item, 8)).unwrap();
            assert!(producer.depth().1 <= 40 * (ITEM_OVERHEAD + 8));
        }
        producer.finish(Err("over".into()));
    });
    let (all, end) = receive_all(&queue);
    task.join().unwrap();
    assert_eq!(all.len() as u64, COUNT);
    assert!(all.iter().zip(0..).all(|(got, wanted)| *got == wanted));
    assert_eq!(end, Err("over".to_string()));
    // A busy consumer is not rung for each item.
    assert!(queue.signal().wakes() <= COUNT);
}

#[test]
fn one_wake_carries_all_that_came_meanwhile() {
    let queue = Inbox::<u64, String>::new(1 << 20).unwrap();
    for item in 0..500 {
        block_on(queue.push(item, 8)).unwrap();
    }
    assert_eq!(queue.signal().wakes(), 1);
    assert_eq!(queue.drain(), Ok(Drained::Items((0..500).collect())));
    assert!(!readable(queue.signal(), Duration::ZERO));
    assert_eq!(queue.drain(), Ok(Drained::Items(vec![])));
}

#[test]
fn an_item_larger_than_the_budget_goes_in_alone() {
    let queue = Inbox::<u64, String>::new(100).unwrap();
    block_on(queue.push(1, 5_000)).unwrap();
    assert!(!queue.has_room(0));
    assert_eq!(queue.drain(), Ok(Drained::Items(vec![1])));
    assert!(queue.has_room(5_000));
}

#[test]
fn a_dropped_push_leaves_nothing_behind() {
    let queue = Inbox::<u64, String>::new(1).unwrap();
    block_on(queue.push(1, 8)).unwrap();
    {
        let mut second = pin!(queue.push(2, 8));
        let waker = Waker::noop();
        assert!(second.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    }
    assert_eq!(queue.drain(), Ok(Drained::Items(vec![1])));
    assert_eq!(queue.drain(), Ok(Drained::Items(vec![])));
}

#[test]
fn the_end_is_sticky_and_the_first_one_stands() {
    let queue = Inbox::<u64, String>::new(1 << 10).unwrap();
    block_on(queue.push(7, 8)).unwrap();
    assert!(queue.finish(Ok(())));
    assert!(!queue.finish(Err("late".into())));
    assert_eq!(block_on(queue.push(8, 8)), Err(Refused));
    assert_eq!(queue.drain(), Ok(Drained::Items(vec![7])));
    for _ in 0..3 {
        assert!(readable(queue.signal(), Duration::ZERO));
        assert_eq!(queue.drain(), Ok(Drained::End));
    }
}

#[test]
fn a_full_outbox_refuses_and_says_when_there_is_room() {
    const COUNT: u64 = 20_000;
    let queue = Arc::new(Outbox::<u64, String>::new(30 * (ITEM_OVERHEAD + 8)).unwrap());
    let consumer = Arc::clone(&queue);
    let task = thread::spawn(move || {
        let mut all = Vec::new();
        while let Some(batch) = block_on(consumer.next_batch(10 * (ITEM_OVERHEAD + 8))) {
            assert!(batch.cost <= 10 * (ITEM_OVERHEAD + 8));
            all.extend(batch.items);
            consumer.release(batch.cost);
        }
        all
    });
    let mut refused = 0;
    for item in 0..COUNT {
        while let Err(unsent) = queue.try_push(item, 8) {
            assert_eq!(unsent, Unsent::Full(item));
            refused += 1;
            assert!(readable(queue.signal(), Duration::from_secs(20)), "a wake-up was lost");
        }
    }
    queue.push_last(COUNT, "closing".into()).unwrap();
    assert_eq!(queue.push_last(0, "again".into()), Err("closing".to_string()));
    assert_eq!(task.join().unwrap(), (0..=COUNT).collect::<Vec<_>>());
    assert!(refused > 0, "the budget was never spent, so nothing was tested");
}

#[test]
fn bytes_taken_but_not_written_still_count() {
    let queue = Outbox::<u64, String>::new(2 * (ITEM_OVERHEAD + 8)).unwrap();
    queue.try_push(1, 8).unwrap();
    queue.try_push(2, 8).unwrap();
    let batch = block_on(queue.next_batch(usize::MAX)).unwrap();
    assert_eq!(batch.items, [1, 2]);
    assert_eq!(queue.try_push(3, 8), Err(Unsent::Full(3)));
    assert!(!readable(queue.signal(), Duration::ZERO));
    queue.release(batch.cost);
    assert!(readable(queue.signal(), Duration::ZERO));
    queue.try_push(3, 8).unwrap();
}

#[test]
fn ending_an_outbox_frees_a_waiting_sender_and_drops_the_unsent() {
    let queue = Outbox::<u64, String>::new(1).unwrap();
    queue.try_push(1, 8).unwrap();
    assert_eq!(queue.try_push(2, 8), Err(Unsent::Full(2)));
    queue.finish("reset".into());
    assert!(readable(queue.signal(), Duration::ZERO));
    assert_eq!(queue.try_push(2, 8), Err(Unsent::Closed("reset".to_string())));
    assert_eq!(block_on(queue.next_batch(10)), None);
    assert_eq!(queue.depth(), (0, 0));
}

#[test]
fn the_descriptor_outlives_the_consumer() {
    // The producer's share of the queue keeps the number from being given to another file.
    let queue = Arc::new(Inbox::<u64, String>::new(1 << 10).unwrap());
    let producer = Arc::clone(&queue);
    let number = queue.signal().fileno();
    drop(queue);
    let other = std::fs::File::open("/dev/null").unwrap();
    assert_ne!(std::os::fd::AsRawFd::as_raw_fd(&other), number);
    block_on(producer.push(1, 8)).unwrap();
    assert_eq!(producer.signal().fileno(), number);
}

#[test]
fn what_is_pushed_quietly_wakes_nobody_until_there_is_no_room_or_something_louder() {
    let queue = Inbox::<u64, String>::new(3 * (ITEM_OVERHEAD + 8)).unwrap();
    block_on(queue.push_quietly(1, 8, |_, item| Some(item))).unwrap();
    assert!(!readable(queue.signal(), Duration::ZERO));
    block_on(queue.push(2, 8)).unwrap();
    assert!(readable(queue.signal(), Duration::ZERO));
    assert_eq!(queue.drain(), Ok(Drained::Items(vec![1, 2])));
    for item in 3..6 {
        block_on(queue.push_quietly(item, 8, |_, item| Some(item))).unwrap();
    }
    assert!(!readable(queue.signal(), Duration::ZERO));
    let mut waits = pin!(queue.push_quietly(6, 8, |_, item| Some(item)));
    assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(readable(queue.signal(), Duration::ZERO), "or it would wait for ever");
    assert_eq!(queue.drain(), Ok(Drained::Items(vec![3, 4, 5])));
    block_on(waits).unwrap();
}

#[test]
fn what_is_pushed_for_now_or_not_at_all_is_given_back_where_there_is_no_room() {
    let queue = Inbox::<u64, String>::new(2 * (ITEM_OVERHEAD + 8)).unwrap();
    let push = |item| queue.try_push_quietly(item, 8, |_, item| Some(item));
    assert_eq!(push(1), Ok(()));
    assert_eq!(push(2), Ok(()));
    assert_eq!(push(3), Err(Unsent::Full(3)));
    assert!(!readable(queue.signal(), Duration::ZERO));
    assert_eq!(queue.drain(), Ok(Drained::Items(vec![1, 2])));
    assert_eq!(push(4), Ok(()));
    assert_eq!(push(5), Ok(()));
    queue.drop_when_full();
    assert_eq!(push(6), Ok(()));
    assert_eq!(queue.dropped(), 1);
    queue.finish(Ok(()));
    assert_eq!(push(7), Err(Unsent::Closed(Refused)));
    assert_eq!(queue.drain(), Ok(Drained::Items(vec![4, 5])));
}

#[test]
fn what_is_pushed_quietly_may_join_the_newest_and_counts_its_bytes() {
    let queue = Inbox::<Vec<u8>, String>::new(1 << 20).unwrap();
    let even = |last: &mut Vec<u8>, next: Vec<u8>| {
        if last[0] % 2 != next[0] % 2 {
            return Some(next);
        }
        last.extend(next);
        None
    };
    for item in [1, 3, 5, 2, 4, 7_u8] {
        block_on(queue.push_quietly(vec![item], 8, even)).unwrap();
    }
    assert_eq!(queue.depth(), (3, 3 * ITEM_OVERHEAD + 6 * 8));
    let items = vec![vec![1, 3, 5], vec![2, 4], vec![7]];
    assert_eq!(queue.drain(), Ok(Drained::Items(items)));
    block_on(queue.push_quietly(vec![9], 8, even)).unwrap();
    assert_eq!(queue.drain(), Ok(Drained::Items(vec![vec![9]])), "what was taken is not joined");
}

#[test]
fn tasks_and_the_thread_share_one_outbox_and_its_budget() {
    const EACH: u64 = 20_000;
    let queue = Arc::new(Outbox::<u64, String>::new(10 * (ITEM_OVERHEAD + 8)).unwrap());
    let consumer = Arc::clone(&queue);
    let writer = thread::spawn(move || {
        let mut all = Vec::new();
        while let Some(batch) = block_on(consumer.next_batch(1_000)) {
            all.extend(batch.items);
            consumer.release(batch.cost);
        }
        all
    });
    let tasks: Vec<_> = (1..=2)
        .map(|task| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                for item in 0..EACH {
                    block_on(queue.push(task * EACH + item, 8)).unwrap();
                }
            })
        })
        .collect();
    for item in 0..EACH {
        while queue.try_push(item, 8) == Err(Unsent::Full(item)) {
            assert!(readable(queue.signal(), Duration::from_secs(20)), "a wake-up was lost");
        }
    }
    for task in tasks {
        task.join().unwrap();
    }
    queue.push_last(u64::MAX, "over".to_owned()).unwrap();
    let all = writer.join().unwrap();
    for task in 0..=2 {
        let mine: Vec<u64> = all.iter().copied().filter(|item| item / EACH == task).collect();
        assert_eq!(mine, (task * EACH..(task + 1) * EACH).collect::<Vec<_>>());
    }
    assert_eq!(block_on(queue.push(1, 8)), Err("over".to_owned()));
}

#[test]
fn a_task_that_waits_for_room_learns_of_the_end() {
    let queue = Arc::new(Outbox::<u64, String>::new(1).unwrap());
    block_on(queue.push(1, 8)).unwrap();
    let waiting = Arc::clone(&queue);
    let task = thread::spawn(move || block_on(waiting.push(2, 8)));
    thread::sleep(Duration::from_millis(20));
    queue.finish("reset".to_owned());
    assert_eq!(task.join().unwrap(), Err("reset".to_owned()));
}
