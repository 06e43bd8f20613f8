//! Room for samples on their way, shared by all that a thread does in turn.
//!
//! Each session having room of its own would be some kilobytes that are cold each time they are
//! needed; this lies in the cache.

use std::cell::Cell;

/// Samples that are kept room for: more came in a piece, and will not soon again.
const MOST: usize = 16 * 1024;

thread_local! {
    static SPARE: Cell<Vec<i16>> = const { Cell::new(Vec::new()) };
}

/// Has `work` use the room, which is empty. Within it there is another.
pub(crate) fn with<T>(work: impl FnOnce(&mut Vec<i16>) -> T) -> T {
    let mut room = SPARE.take();
    let made = work(&mut room);
    if room.capacity() <= MOST {
        room.clear();
        SPARE.set(room);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_empty_each_time_and_within_itself() {
        with(|room| {
            room.push(1);
            with(|inner| assert!(inner.is_empty()));
            assert_eq!(*room, [1]);
        });
        with(|room| assert!(room.is_empty()));
    }

    #[test]
    fn room_for_much_is_not_kept() {
        with(|room| room.resize(MOST + 1, 0));
        with(|room| assert!(room.capacity() <= MOST));
    }
}
