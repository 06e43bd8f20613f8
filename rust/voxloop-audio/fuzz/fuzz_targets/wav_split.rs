//! Any bytes in any pieces: the same samples, report or error as the whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voxloop_audio::wav::{self, WavReader};

fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (sizes, data) = input;
    let whole = wav::decode::<i16>(data).map(|wav| (wav.info, wav.samples));
    let (mut reader, mut samples, mut rest) = (WavReader::new(), Vec::new(), data);
    let mut pushed = Ok(());
    for size in sizes {
        let (head, tail) = rest.split_at(usize::from(size).min(rest.len()));
        pushed = pushed.and_then(|()| reader.push(head, &mut samples));
        rest = tail;
    }
    pushed = pushed.and_then(|()| reader.push(rest, &mut samples));
    let found = pushed.and_then(|()| reader.finish(&mut samples)).map(|info| (info, samples));
    assert_eq!(found, whole);
});
