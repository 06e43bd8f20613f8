//! Files in pieces: every split against the whole, and writers of unknown length.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::io::{Cursor, Seek, SeekFrom, Write};

use proptest::prelude::*;
use voxloop_audio::wav::{self, WavInfo, WavReader, WavWriter};
use voxloop_audio::{AudioError, Encoding, Format, Result};

fn chunk(id: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut out = [&id[..], &(body.len() as u32).to_le_bytes(), body].concat();
    out.extend((body.len() % 2 == 1).then_some(0));
    out
}

fn fmt(tag: u16, channels: u16, bits: u16) -> Vec<u8> {
    let mut body = tag.to_le_bytes().to_vec();
    body.extend(channels.to_le_bytes());
    body.extend(16_000_u32.to_le_bytes());
    body.extend([0; 6]);
    body.extend(bits.to_le_bytes());
    chunk(*b"fmt ", &body)
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    [b"RIFF\0\0\0\0WAVE".to_vec(), chunks.concat()].concat()
}

fn sized(mut data_chunk: Vec<u8>, size: u32) -> Vec<u8> {
    data_chunk[4..8].copy_from_slice(&size.to_le_bytes());
    data_chunk
}

/// Files with everything that the rules treat in its own way.
fn corpus() -> Vec<Vec<u8>> {
    let ramp: Vec<u8> = (0..=60).collect();
    let data = |length: usize| chunk(*b"data", &ramp[..length]);
    let mut files = vec![
        riff(&[fmt(1, 1, 16), data(20)]),
        riff(&[chunk(*b"LIST", b"odd"), fmt(1, 2, 16), chunk(*b"fact", &[1; 5]), data(20)]),
        riff(&[fmt(1, 2, 24), data(20), chunk(*b"id3 ", &ramp), data(4)]),
        riff(&[fmt(1, 1, 8), data(9), data(4)]),
        riff(&[fmt(1, 3, 16), sized(data(26), 25), chunk(*b"LIST", &ramp)]),
        riff(&[fmt(1, 1, 16), sized(data(20), 0)]),
        riff(&[fmt(1, 1, 16), sized(data(3), 0)]),
        riff(&[fmt(1, 1, 16), data(0), chunk(*b"LIST", b"even")]),
        riff(&[fmt(1, 1, 16), data(0), vec![0]]),
        riff(&[fmt(1, 1, 16), data(0)]),
        riff(&[fmt(1, 2, 16), sized(data(21), u32::MAX)]),
        riff(&[fmt(1, 2, 16), sized(data(20), 2_000_000_000)]),
        riff(&[fmt(3, 1, 32), data(40)]),
        riff(&[fmt(3, 1, 64), data(48)]),
        riff(&[fmt(6, 2, 8), data(7)]),
        riff(&[fmt(7, 1, 8), data(30), vec![1, 2, 3]]),
        riff(&[fmt(0x55, 1, 16), data(30)]),
        riff(&[data(10), fmt(1, 1, 16)]),
        riff(&[chunk(*b"fmt ", &[1, 0, 1])]),
        riff(&[fmt(1, 0, 16), data(4)]),
        riff(&[fmt(1, 9_000, 32), data(60)]),
        b"OggS\0\x02fourteen bytes".to_vec(),
        b"ID3\x04".to_vec(),
        b"RIFF\0\0\0\0AVI LIST".to_vec(),
        Vec::new(),
    ];
    let mut big = riff(&[fmt(1, 1, 16), data(20)]);
    big[..4].copy_from_slice(b"RF64");
    files.push(big);
    let format = Format::new(48_000, 2, Encoding::Float32).unwrap();
    let mut rf64 = WavWriter::seekable(Cursor::new(Vec::new()), &format).unwrap();
    rf64.write(&[0.5_f32; 6]).unwrap();
    files.push(rf64.finish_seek().unwrap().into_inner());
    files.push(wav::encode(&[0.25_f32, -1.0, 0.5], 8_000, 1).unwrap());
    files
}

fn whole(file: &[u8]) -> Result<(WavInfo, Vec<i16>)> {
    wav::decode::<i16>(file).map(|wav| (wav.info, wav.samples))
}

fn in_pieces(file: &[u8], sizes: impl IntoIterator<Item = usize>) -> Result<(WavInfo, Vec<i16>)> {
    let (mut reader, mut samples, mut rest) = (WavReader::new(), Vec::new(), file);
    for size in sizes {
        let (head, tail) = rest.split_at(size.min(rest.len()));
        reader.push(head, &mut samples)?;
        rest = tail;
    }
    reader.push(rest, &mut samples)?;
    let known = reader.info();
    let info = reader.finish(&mut samples)?;
    if let Some(known) = known {
        assert_eq!((known.sample_rate, known.data_offset), (info.sample_rate, info.data_offset));
    }
    Ok((info, samples))
}

#[test]
fn every_split_and_every_prefix_equals_the_whole() {
    for (index, file) in corpus().iter().enumerate() {
        for end in 0..=file.len() {
            let file = &file[..end];
            let wanted = whole(file);
            for size in [1, 2, 3, 7, 64] {
                let found = in_pieces(file, vec![size; end / size]);
                assert_eq!(found, wanted, "file {index} to {end} by {size}");
            }
        }
        for cut in 0..file.len() {
            assert_eq!(in_pieces(file, [cut]), whole(file), "file {index} cut at {cut}");
        }
    }
}

#[test]
fn an_error_stays() {
    let mut reader = WavReader::new();
    let error = reader.push(b"OggS________", &mut Vec::<i16>::new()).unwrap_err();
    assert_eq!(error.code(), "audio_container");
    let (again, out) = (reader.push(b"RIFF", &mut Vec::<i16>::new()), &mut Vec::<i16>::new());
    assert_eq!(again, Err(error.clone()));
    assert!(reader.info().is_none());
    assert_eq!(reader.finish(out), Err(error));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn damaged_files_in_pieces_equal_the_whole(
        index in 0_usize..28,
        hits in proptest::collection::vec((0_usize..130, any::<u8>()), 0..6),
        sizes in proptest::collection::vec(0_usize..40, 0..20),
    ) {
        let files = corpus();
        let mut file = files[index % files.len()].clone();
        for (at, byte) in hits {
            if let Some(there) = file.get_mut(at) {
                *there = byte;
            }
        }
        prop_assert_eq!(in_pieces(&file, sizes), whole(&file));
    }
}

#[test]
fn writers_of_streams_and_files() {
    for encoding in [Encoding::Pcm16, Encoding::Float32] {
        let format = Format::new(24_000, 2, encoding).unwrap();
        let samples: Vec<i16> = (-5_000..5_000).collect();
        let mut stream = WavWriter::stream(Vec::new(), &format).unwrap();
        let mut before = Cursor::new(b"before".to_vec());
        before.set_position(6);
        let mut file = WavWriter::seekable(before, &format).unwrap();
        assert!(file.write(&[1_i16]).is_err() && file.write_bytes(&[1, 2]).is_err());
        for piece in samples.chunks(614) {
            stream.write(piece).unwrap();
            file.write(piece).unwrap();
        }
        assert_eq!((file.frames(), file.encoding().name()), (5_000, encoding.name()));
        let stream = stream.finish().unwrap();
        assert!(stream.starts_with(&wav::header(&format, None).unwrap()));
        let decoded = wav::decode::<i16>(&stream).unwrap();
        assert_eq!((decoded.samples.as_slice(), decoded.info.truncated), (&samples[..], true));
        let cursor = file.finish_seek().unwrap();
        assert_eq!(cursor.position(), cursor.get_ref().len() as u64);
        // What stood before the file is another's, and untouched.
        let bytes = cursor.into_inner();
        assert!(bytes.starts_with(b"beforeRIFF"));
        let decoded = wav::decode::<i16>(&bytes[6..]).unwrap();
        assert_eq!((decoded.samples.as_slice(), decoded.info.truncated), (&samples[..], false));
    }
}

#[test]
fn hound_reads_what_the_writer_wrote() {
    let format = Format::new(16_000, 1, Encoding::Pcm16).unwrap();
    let mut file = WavWriter::seekable(Cursor::new(Vec::new()), &format).unwrap();
    file.write(&[3_i16, -4, i16::MIN]).unwrap();
    let bytes = file.finish_seek().unwrap().into_inner();
    let mut reader = hound::WavReader::new(Cursor::new(bytes)).unwrap();
    assert_eq!(reader.spec().sample_rate, 16_000);
    let samples: Vec<i16> = reader.samples().collect::<std::result::Result<_, _>>().unwrap();
    assert_eq!(samples, [3, -4, i16::MIN]);
}

/// Keeps the first bytes and counts the rest.
#[derive(Default)]
struct Endless {
    head: Vec<u8>,
    at: u64,
    end: u64,
}

impl Write for Endless {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for (offset, &byte) in bytes.iter().enumerate().take(256) {
            let at = self.at as usize + offset;
            if at < 256 {
                self.head.resize(self.head.len().max(at + 1), 0);
                self.head[at] = byte;
            }
        }
        self.at += bytes.len() as u64;
        self.end = self.end.max(self.at);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Seek for Endless {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
            SeekFrom::End(by) => self.end.saturating_add_signed(by),
        };
        Ok(self.at)
    }
}

fn long(bytes: u64) -> Endless {
    let format = Format::new(48_000, 1, Encoding::Pcm16).unwrap();
    let mut writer = WavWriter::seekable(Endless::default(), &format).unwrap();
    let block = vec![0; 1 << 24];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(block.len() as u64);
        writer.write_bytes(&block[..now as usize]).unwrap();
        left -= now;
    }
    let file = writer.finish_seek().unwrap();
    assert_eq!((file.at, file.end), (80 + bytes, 80 + bytes));
    file
}

#[test]
fn past_4_gib_the_file_becomes_rf64() {
    // The largest of 32 bits: all ones stands for a stream.
    let most = u64::from(u32::MAX) - 72 - 1;
    let small = long(most - most % 2);
    assert!(small.head.starts_with(b"RIFF"));
    let large = long(5 << 30);
    assert_eq!(
        (&large.head[..8], &large.head[12..16]),
        (&b"RF64\xff\xff\xff\xff"[..], &b"ds64"[..])
    );
    let word = |at: usize| u64::from_le_bytes(large.head[at..at + 8].try_into().unwrap());
    assert_eq!((word(20), word(28), word(36)), ((5 << 30) + 72, 5 << 30, (5 << 30) / 2));
    // The parser takes the 64-bit size: a head alone is a file cut short.
    let info = wav::parse(&large.head[..100]).unwrap().info();
    assert_eq!((info.frames, info.truncated, info.data_offset), (10, true, 80));
    let edge = long(u64::from(u32::MAX) - 71);
    assert!(edge.head.starts_with(b"RF64"));
}

#[test]
fn errors_beneath_come_through() {
    #[derive(Debug)]
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("no room"))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let format = Format::new(48_000, 1, Encoding::Pcm16).unwrap();
    assert_eq!(WavWriter::stream(Broken, &format).unwrap_err().to_string(), "no room");
    let mut writer = WavWriter::stream(Vec::new(), &format).unwrap();
    let misuse = writer.write_bytes(&[1]).unwrap_err();
    let inner = misuse.get_ref().and_then(|error| error.downcast_ref::<AudioError>());
    assert_eq!(inner.map(AudioError::code), Some("audio_format"));
}
