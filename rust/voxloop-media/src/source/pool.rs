//! Clips that are the same lie in memory once, however many sessions send them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock, Mutex, Weak};

use bytes::Bytes;

use crate::shared::lock;

const END_BYTES: usize = 4_096;

/// What a clip's bytes belong to, in all sessions that send it.
struct Owner(Arc<[u8]>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

static POOL: LazyLock<Mutex<HashMap<u64, Weak<[u8]>>>> = LazyLock::new(Mutex::default);

/// The same bytes, copied only if nobody has them yet; they are gone with the last who has them.
pub fn pooled(data: &[u8]) -> Bytes {
    let key = key(data);
    let mut pool = lock(&POOL);
    if let Some(same) = pool.get(&key).and_then(Weak::upgrade).filter(|same| **same == *data) {
        return Bytes::from_owner(Owner(same));
    }
    pool.retain(|_, clip| clip.strong_count() > 0);
    let made: Arc<[u8]> = data.into();
    pool.insert(key, Arc::downgrade(&made));
    Bytes::from_owner(Owner(made))
}

/// Of the length and both ends: hours of sound take no time, and equality is looked at anyway.
fn key(data: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    let end = data.len().min(END_BYTES);
    (data.len(), &data[..end], &data[data.len() - end..]).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_clip_lies_in_memory_once_and_only_while_it_is_used() {
        let first = pooled(b"a clip of this test alone");
        let second = pooled(b"a clip of this test alone");
        assert_eq!(first.as_ptr(), second.as_ptr());
        assert_ne!(pooled(b"another").as_ptr(), first.as_ptr());
        let key = key(b"a clip of this test alone");
        let kept = || lock(&POOL).get(&key).is_some_and(|clip| clip.strong_count() > 0);
        drop(first);
        assert!(kept());
        drop(second);
        assert!(!kept());
    }
}
