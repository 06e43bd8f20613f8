//! Any block size and pieces: every block full, and all blocks together the input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voxloop_audio::{Framer, Tail};

fuzz_target!(|input: (u16, u8, Vec<u8>, Vec<i16>)| {
    let (frames, channels, sizes, samples) = input;
    let channels = u16::from(channels % 4) + 1;
    let Ok(mut framer) = Framer::<i16>::new(usize::from(frames), channels) else {
        assert_eq!(frames, 0);
        return;
    };
    let whole = samples.len() - samples.len() % usize::from(channels);
    let (mut out, mut rest) = (Vec::new(), &samples[..whole]);
    let block = framer.block_samples();
    for size in sizes.into_iter().map(usize::from).chain([usize::MAX >> 8]) {
        let (head, tail) = rest.split_at((size * usize::from(channels)).min(rest.len()));
        let emit = |full: &[i16]| {
            assert_eq!(full.len(), block);
            out.extend_from_slice(full);
        };
        framer.process(head, emit).expect("whole frames");
        assert!(framer.pending_frames() < usize::from(frames));
        rest = tail;
    }
    out.extend(framer.flush(Tail::Short).unwrap_or_default());
    assert_eq!(out, &samples[..whole]);
});
