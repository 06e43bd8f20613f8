//! What the decoders and streams ask of the allocator, counted.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]
#![allow(unsafe_code, reason = "an allocator is unsafe by its nature")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use voxloop_audio::wav::{self, WavReader};
use voxloop_audio::{Quality, Resampler, Simd};

thread_local! {
    /// Bytes held now, the most held, and calls, of this thread.
    static COUNTS: Cell<(isize, isize, usize)> = const { Cell::new((0, 0, 0)) };
}

struct Counting;

fn count(bytes: isize) {
    let (held, most, calls) = COUNTS.get();
    let held = held + bytes;
    COUNTS.set((held, most.max(held), calls + usize::from(bytes > 0)));
}

// SAFETY: every call is passed on as it came; counting touches a cell that needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that was held beyond the start, and the number of allocations.
fn measured<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let (held, _, calls) = COUNTS.get();
    COUNTS.set((held, held, calls));
    let value = work();
    let (_, most, after) = COUNTS.get();
    (value, (most - held).unsigned_abs(), after - calls)
}

/// Files of a few bytes that claim a lot.
fn liars() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    let fmt = |channels: u16, bits: u16| {
        let mut body = b"fmt \x10\0\0\0\x01\0".to_vec();
        body.extend(channels.to_le_bytes());
        body.extend([0x80, 0x3e, 0, 0, 0, 0, 0, 0, 0, 0]);
        body.extend(bits.to_le_bytes());
        body
    };
    for size in [0_u32, 1, 1 << 30, 0x7FFF_FFFF, 0xFFFF_FFFE, u32::MAX] {
        for channels in [1, 2, u16::MAX] {
            let claim = [&b"data"[..], &size.to_le_bytes(), &[7; 40]].concat();
            files.push([&b"RIFF\xff\xff\xff\xffWAVE"[..], &fmt(channels, 16), &claim].concat());
            let list = [&b"LIST"[..], &size.to_le_bytes()].concat();
            files.push(
                [&b"RIFF\xff\xff\xff\xffWAVE"[..], &list, &fmt(channels, 32), &claim].concat(),
            );
            let large =
                [&b"fmt "[..], &size.to_le_bytes(), &fmt(channels, 8)[8..], &claim].concat();
            files.push([&b"RIFF\xff\xff\xff\xffWAVE"[..], &large].concat());
            let ds64 = [&b"ds64\x1c\0\0\0"[..], &[0xFE; 28]].concat();
            files.push(
                [&b"RF64\xff\xff\xff\xffWAVE"[..], &ds64, &fmt(channels, 24), &claim].concat(),
            );
        }
    }
    files
}

#[test]
fn no_claim_of_a_header_makes_an_allocation() {
    for file in liars() {
        let (parsed, most, _) = measured(|| wav::parse(&file).map(|view| view.info()));
        assert!(most <= 4_096, "parse: {most} of {}", file.len());
        let (decoded, most, _) =
            measured(|| wav::decode::<f32>(&file).map(|wav| wav.samples.len()));
        // Samples of four bytes each from words of one at least.
        assert!(most <= 4 * file.len() + 4_096, "decode: {most} of {}", file.len());
        assert_eq!(decoded.is_ok(), parsed.is_ok());
        let (_, most, _) = measured(|| {
            let (mut reader, mut out) = (WavReader::new(), Vec::<f32>::new());
            let pushed = file.chunks(3).try_for_each(|piece| reader.push(piece, &mut out));
            pushed.and_then(|()| reader.finish(&mut out).map(|_| out.len()))
        });
        assert!(most <= 12 * file.len() + 4_096, "reader: {most} of {}", file.len());
    }
}

#[test]
fn decoding_holds_no_more_than_its_samples() {
    for encoded in [
        wav::encode(&vec![5_i16; 1 << 20], 24_000, 2),
        wav::encode(&vec![0.5_f32; 1 << 20], 24_000, 2),
    ] {
        let file = encoded.unwrap();
        let (wav, most, calls) = measured(|| wav::decode::<i16>(&file).unwrap());
        assert_eq!(wav.samples.len(), 1 << 20);
        assert!(most <= (1 << 21) + 4_096, "{most}");
        assert!(calls <= 4, "{calls}");
        let (_, most, calls) = measured(|| wav::parse(&file).unwrap().info());
        assert_eq!((most, calls), (0, 0));
    }
}

#[test]
fn a_reader_holds_less_than_a_frame() {
    let file = wav::encode(&vec![5_i16; 1 << 18], 24_000, 2).unwrap();
    let mut out = Vec::<i16>::with_capacity(1 << 18);
    let (info, most, _) = measured(|| {
        let mut reader = WavReader::new();
        for piece in file.chunks(1_021) {
            reader.push(piece, &mut out).unwrap();
        }
        reader.finish(&mut out).unwrap()
    });
    assert_eq!((info.frames, out.len()), (1 << 17, 1 << 18));
    assert!(most < 256, "{most}");
}

#[test]
fn a_resampler_at_work_does_not_allocate() {
    for (from, to) in [(48_000, 24_000), (24_000, 16_000), (44_100, 24_000), (8_000, 44_101)] {
        for channels in [1, 2] {
            for simd in Simd::available() {
                let resampler = Resampler::new(from, to, channels, Quality::High).unwrap();
                let mut resampler = resampler.with_simd(simd).unwrap();
                let chunk = vec![1_000_i16; from as usize / 50 * usize::from(channels)];
                let mut out = Vec::<i16>::with_capacity(1 << 18);
                for _ in 0..4 {
                    resampler.process(&chunk, &mut out).unwrap();
                }
                let ((), most, calls) = measured(|| {
                    for _ in 0..20 {
                        resampler.process(&chunk, &mut out).unwrap();
                    }
                });
                assert_eq!((most, calls), (0, 0), "{from} {to} {channels} {simd:?}");
            }
        }
    }
}
