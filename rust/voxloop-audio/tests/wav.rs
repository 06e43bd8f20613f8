//! WAV: round trips, hound as an independent reader and writer, hand-made headers, broken files.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::io::Cursor;

use proptest::prelude::*;
use voxloop_audio::wav::{self, WavEncoding};
use voxloop_audio::{AudioError, Container, Encoding, Format};

/// One chunk, padded to an even size.
fn chunk(id: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = id.to_vec();
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(body);
    out.resize(out.len() + body.len() % 2, 0);
    out
}

fn fmt_body(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let align = channels * bits.div_ceil(8);
    let mut out = tag.to_le_bytes().to_vec();
    out.extend(channels.to_le_bytes());
    out.extend(rate.to_le_bytes());
    out.extend((rate * u32::from(align)).to_le_bytes());
    out.extend(align.to_le_bytes());
    out.extend(bits.to_le_bytes());
    out
}

fn file(magic: &[u8], chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    let mut out = magic.to_vec();
    out.extend((body.len() as u32 + 4).to_le_bytes());
    out.extend(b"WAVE");
    out.extend(body);
    out
}

fn simple(tag: u16, channels: u16, bits: u16, data: &[u8]) -> Vec<u8> {
    file(b"RIFF", &[chunk(b"fmt ", &fmt_body(tag, channels, 24_000, bits)), chunk(b"data", data)])
}

/// A file whose data chunk claims `claimed` bytes.
fn claiming(claimed: u32, data: &[u8]) -> Vec<u8> {
    let mut out = simple(1, 1, 16, &[]);
    let at = out.len() - 4;
    out[at..].copy_from_slice(&claimed.to_le_bytes());
    out.extend(data);
    out
}

fn extensible(valid: u16, bits: u16, tag: u16, suffix_end: u8, data: &[u8]) -> Vec<u8> {
    let mut fmt = fmt_body(0xFFFE, 2, 48_000, bits);
    fmt.extend(22_u16.to_le_bytes());
    fmt.extend(valid.to_le_bytes());
    fmt.extend(3_u32.to_le_bytes());
    fmt.extend(tag.to_le_bytes());
    fmt.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, suffix_end]);
    file(b"RIFF", &[chunk(b"fmt ", &fmt), chunk(b"data", data)])
}

fn i16s(bytes: &[u8]) -> Vec<i16> {
    wav::decode::<i16>(bytes).unwrap().samples
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    wav::decode::<f32>(bytes).unwrap().samples
}

#[test]
fn canonical_header_byte_for_byte() {
    let bytes = wav::encode(&[1_i16, -2, 3, -4], 16_000, 2).unwrap();
    let wanted = b"RIFF\x2C\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\x80\x3E\0\0\0\xFA\0\0\x04\0\x10\0data\x08\0\0\0\
        \x01\0\xFE\xFF\x03\0\xFC\xFF";
    assert_eq!(bytes, wanted);
    let stream = wav::header(&Format::new(24_000, 1, Encoding::Pcm16).unwrap(), None).unwrap();
    assert_eq!(stream.len(), 44);
    assert_eq!((&stream[4..8], &stream[40..44]), (&[0xFF; 4][..], &[0xFF; 4][..]));
}

#[test]
fn sizes_at_and_past_4_gib() {
    let format = Format::new(48_000, 2, Encoding::Pcm16).unwrap();
    assert!(wav::header(&format, Some(u64::from(u32::MAX) - 39)).is_ok());
    assert!(wav::header(&format, Some(u64::from(u32::MAX) + 1)).is_err());
    assert!(wav::header(&format, Some(3)).is_err());
}

#[test]
fn pcm_widths() {
    assert_eq!(i16s(&simple(1, 1, 8, &[0, 128, 255])), [-32_768, 0, 32_512]);
    assert_eq!(f32s(&simple(1, 1, 8, &[0, 192])), [-1.0, 0.5]);
    // 12 bits live at the upper end of 16.
    assert_eq!(i16s(&simple(1, 1, 12, &[0xF0, 0x7F])), [0x7FF0]);
    let three = [0, 0, 0x80, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF];
    assert_eq!(i16s(&simple(1, 1, 24, &three)), [-32_768, 32_767, -1]);
    assert_eq!(
        f32s(&simple(1, 1, 24, &three)),
        [-1.0, 1.0 - 1.0 / 8_388_608.0, -1.0 / 8_388_608.0]
    );
    assert_eq!(i16s(&simple(1, 1, 20, &three)), i16s(&simple(1, 1, 24, &three)));
    let four = [0, 0, 0, 0x80, 0, 0, 0, 0x40];
    assert_eq!(i16s(&simple(1, 1, 32, &four)), [-32_768, 16_384]);
    assert_eq!(f32s(&simple(1, 1, 32, &four)), [-1.0, 0.5]);
}

#[test]
fn floats_are_tamed() {
    let mut data = Vec::new();
    for value in [0.5_f32, -2.0, f32::NAN, f32::INFINITY] {
        data.extend(value.to_le_bytes());
    }
    assert_eq!(f32s(&simple(3, 1, 32, &data)), [0.5, -1.0, 0.0, 1.0]);
    assert_eq!(i16s(&simple(3, 1, 32, &data)), [16_384, -32_768, 0, 32_767]);
    let data: Vec<u8> = [0.25_f64, f64::NAN, -9.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(f32s(&simple(3, 1, 64, &data)), [0.25, 0.0, -1.0]);
}

#[test]
fn companded() {
    assert_eq!(i16s(&simple(7, 1, 8, &[0xFF, 0x80, 0x00])), [0, 32_124, -32_124]);
    assert_eq!(i16s(&simple(6, 1, 8, &[0xD5, 0xAA, 0x2A])), [8, 32_256, -32_256]);
    assert_eq!(wav::parse(&simple(6, 1, 8, &[])).unwrap().info().encoding, WavEncoding::ALaw);
}

#[test]
fn extensible_headers() {
    let wav = wav::decode::<i16>(&extensible(20, 24, 1, 0x71, &[0, 0, 0x40, 0, 0, 0xC0])).unwrap();
    assert_eq!(wav.samples, [16_384, -16_384]);
    assert_eq!((wav.info.bits, wav.info.channel_mask, wav.info.channels), (20, Some(3), 2));
    let info = wav::parse(&extensible(0, 32, 3, 0x71, &[])).unwrap().info();
    assert_eq!((info.encoding, info.bits), (WavEncoding::Float32, 32));
    assert!(matches!(wav::parse(&extensible(16, 16, 1, 0x72, &[])), Err(AudioError::Wav { .. })));
    assert!(matches!(
        wav::parse(&extensible(16, 16, 0x55, 0x71, &[])),
        Err(AudioError::WavEncoding { tag: 0x55, .. })
    ));
    let short =
        file(b"RIFF", &[chunk(b"fmt ", &fmt_body(0xFFFE, 2, 48_000, 16)), chunk(b"data", &[])]);
    assert!(matches!(wav::parse(&short), Err(AudioError::Wav { .. })));
}

#[test]
fn other_encodings_are_named() {
    for (tag, bits, name) in [
        (2, 4, "Microsoft ADPCM"),
        (0x11, 4, "IMA ADPCM"),
        (0x31, 0, ""),
        (0x55, 16, "MP3"),
        (1, 64, "PCM"),
    ] {
        match wav::parse(&simple(tag, 1, bits, &[])) {
            Err(AudioError::WavEncoding { tag: found, name: named, offset: 20, .. }) => {
                assert_eq!((found, named), (tag, name));
            }
            Err(AudioError::Wav { reason, .. }) => assert!(bits == 0, "{reason}"),
            other => panic!("{tag}: {other:?}"),
        }
    }
}

#[test]
fn unknown_chunks_in_any_order_and_odd_sizes() {
    let fmt = chunk(b"fmt ", &fmt_body(1, 1, 8_000, 16));
    let long_fmt = chunk(b"fmt ", &[fmt_body(1, 1, 8_000, 16), vec![0; 31]].concat());
    let (list, junk) = (chunk(b"LIST", b"INFOodd"), chunk(b"JUNK", &[7; 28]));
    for chunks in [
        vec![list.clone(), fmt.clone(), junk.clone(), chunk(b"data", &[1, 0, 2, 0])],
        vec![long_fmt, list.clone(), chunk(b"data", &[1, 0, 2, 0]), list, junk],
        vec![fmt.clone(), fmt.clone(), chunk(b"data", &[1, 0, 2, 0])],
    ] {
        let wav = wav::decode::<i16>(&file(b"RIFF", &chunks)).unwrap();
        assert_eq!(wav.samples, [1, 2]);
        assert!(!wav.info.truncated && !wav.info.more_data);
    }
    let early = file(b"RIFF", &[chunk(b"data", &[0; 4]), fmt.clone()]);
    assert!(matches!(wav::parse(&early), Err(AudioError::Wav { offset: 12, .. })));
    let two = file(b"RIFF", &[fmt, chunk(b"data", &[5, 0]), chunk(b"data", &[6, 0])]);
    let wav = wav::decode::<i16>(&two).unwrap();
    assert_eq!((wav.samples, wav.info.more_data), (vec![5], true));
}

#[test]
fn sizes_are_not_trusted() {
    let data = [1, 0, 2, 0, 3];
    for claimed in [u32::MAX, 0x7FFF_FFFF, 0x7FFF_F000, 100, 5, 0] {
        let wav = wav::decode::<i16>(&claiming(claimed, &data)).unwrap();
        assert_eq!(
            (wav.samples, wav.info.frames, wav.info.truncated),
            (vec![1, 2], 2, true),
            "{claimed}"
        );
    }
    let wav = wav::decode::<i16>(&claiming(4, &data)).unwrap();
    assert_eq!((wav.samples, wav.info.truncated), (vec![1, 2], false));
    // The RIFF size is never looked at.
    let mut lying = claiming(4, &data);
    lying[4..8].copy_from_slice(&1_u32.to_le_bytes());
    assert_eq!(i16s(&lying), [1, 2]);
}

#[test]
fn empty_data_is_no_error() {
    for bytes in [simple(1, 1, 16, &[]), [simple(1, 1, 16, &[]), chunk(b"LIST", b"INFO")].concat()]
    {
        let wav = wav::decode::<i16>(&bytes).unwrap();
        assert_eq!((wav.samples.len(), wav.info.frames, wav.info.truncated), (0, 0, false));
    }
}

#[test]
fn sizes_of_64_bits() {
    let mut ds64 = 0_u64.to_le_bytes().to_vec();
    ds64.extend(4_u64.to_le_bytes());
    ds64.extend([0; 12]);
    for magic in [&b"RF64"[..], b"BW64"] {
        let fmt = chunk(b"fmt ", &fmt_body(1, 1, 16_000, 16));
        let mut bytes = file(magic, &[chunk(b"ds64", &ds64), fmt]);
        bytes.extend(b"data\xFF\xFF\xFF\xFF\x01\0\x02\0LIST\x04\0\0\0INFO");
        let wav = wav::decode::<i16>(&bytes).unwrap();
        assert_eq!((wav.samples, wav.info.truncated), (vec![1, 2], false));
    }
}

#[test]
fn big_endian_files() {
    let mut bytes = b"RIFX\0\0\0\0WAVEfmt \0\0\0\x10\0\x01\0\x01\0\0\x3E\x80\0\0\x7D\0\0\x02\0\x10data\0\0\0\x04".to_vec();
    bytes.extend([0x12, 0x34, 0xFF, 0xFE]);
    let view = wav::parse(&bytes).unwrap();
    assert_eq!(view.samples::<i16>(), [0x1234, -2]);
    assert_eq!((view.info().sample_rate, view.pcm16_bytes()), (16_000, None));
}

#[test]
fn not_wav_is_named() {
    for (bytes, container) in [
        (&b"OggS\0\x02\0\0\0\0\0\0\0\0"[..], Container::Ogg),
        (b"fLaC", Container::Flac),
        (b"ID3\x03\0\0\0\0\0\0\0\0\0", Container::Mp3),
        (b"\0\0\0\x20ftypM4A \0\0", Container::Mp4),
        (b"\x1A\x45\xDF\xA3\0\0\0\0\0\0\0\0", Container::WebM),
        (b"RIFF\0\0\0\0AVI LIST", Container::OtherRiff),
        (b"", Container::Empty),
        (b"{}", Container::Unknown),
    ] {
        let error = wav::parse(bytes).unwrap_err();
        assert_eq!(error, AudioError::Container { container });
        assert_eq!(error.code(), "audio_container");
    }
}

#[test]
fn every_cut_of_a_file_is_judged_without_panic() {
    let whole = extensible(24, 24, 1, 0x71, &[9; 60]);
    for length in 0..whole.len() {
        let found = wav::decode::<i16>(&whole[..length]);
        if length < 12 + 8 + 40 + 8 {
            assert!(found.is_err(), "{length}");
        } else {
            let wav = found.unwrap();
            assert_eq!(wav.info.frames, (length as u64 - 68) / 6);
            assert!(wav.info.truncated, "{length}");
        }
    }
}

#[test]
fn hound_reads_what_is_written() {
    let samples: Vec<i16> = (0..999).map(|i| (i * 131 % 65_536 - 32_768) as i16).collect();
    let bytes = wav::encode(&samples, 22_050, 3).unwrap();
    let mut reader = hound::WavReader::new(Cursor::new(bytes)).unwrap();
    let spec = reader.spec();
    assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (3, 22_050, 16));
    let read: Vec<i16> = reader.samples::<i16>().map(Result::unwrap).collect();
    assert_eq!(read, samples);
    let floats: Vec<f32> = (0..500).map(|i| (i as f32 * 0.01).sin()).collect();
    let bytes = wav::encode(&floats, 48_000, 2).unwrap();
    let mut reader = hound::WavReader::new(Cursor::new(&bytes)).unwrap();
    assert_eq!(reader.spec().sample_format, hound::SampleFormat::Float);
    let read: Vec<f32> = reader.samples::<f32>().map(Result::unwrap).collect();
    assert_eq!(read, floats);
    assert_eq!(f32s(&bytes), floats);
}

#[test]
fn what_hound_writes_is_read() {
    for (bits, shift) in [(8, 24), (16, 16), (24, 8), (32, 0)] {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 44_100,
            bits_per_sample: bits,
            sample_format: hound::SampleFormat::Int,
        };
        let words: Vec<i32> = (0..400_i64)
            .map(|i| ((i * 98_765_431 % (1 << 32) - (1 << 31)) as i32) >> shift)
            .collect();
        let mut bytes = Vec::new();
        let mut writer = hound::WavWriter::new(Cursor::new(&mut bytes), spec).unwrap();
        for &word in &words {
            writer.write_sample(word).unwrap();
        }
        writer.finalize().unwrap();
        let wanted: Vec<i16> = words.iter().map(|&word| ((word << shift) >> 16) as i16).collect();
        assert_eq!(i16s(&bytes), wanted, "{bits}");
        let wide: Vec<f32> =
            words.iter().map(|&word| (word << shift) as f32 / 2_147_483_648.0).collect();
        assert_eq!(f32s(&bytes), wide, "{bits}");
    }
}

proptest! {
    #[test]
    fn int16_round_trip_is_exact(
        frames in proptest::collection::vec(any::<i16>(), 0..400),
        channels in 1_u16..5,
        rate in 1_000_u32..768_000,
    ) {
        let whole = frames.len() - frames.len() % usize::from(channels);
        let samples = &frames[..whole];
        let bytes = wav::encode(samples, rate, channels).unwrap();
        let wav = wav::decode::<i16>(&bytes).unwrap();
        prop_assert_eq!(&wav.samples, samples);
        prop_assert_eq!((wav.info.sample_rate, wav.info.channels, wav.info.truncated), (rate, channels, false));
        prop_assert_eq!(wav::parse(&bytes).unwrap().pcm16_bytes(), Some(&bytes[44..]));
        prop_assert_eq!(bytes.len(), 44 + whole * 2);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = wav::decode::<i16>(&bytes);
        let _ = wav::sniff(&bytes);
    }

    #[test]
    fn damaged_files_never_panic_nor_invent_samples(
        hits in proptest::collection::vec((0_usize..180, any::<u8>()), 1..12),
        cut in 0_usize..181,
        big in any::<bool>(),
    ) {
        let mut ds64 = vec![0; 28];
        ds64[8] = 80;
        let magic: &[u8] = if big { b"RIFX" } else { b"RF64" };
        let fmt = chunk(b"fmt ", &fmt_body(1, 2, 16_000, 24));
        let mut bytes = file(magic, &[chunk(b"ds64", &ds64), fmt, chunk(b"fact", &[1, 0, 0, 0]), chunk(b"data", &[3; 80])]);
        for (at, value) in hits {
            let length = bytes.len();
            bytes[at % length] = value;
        }
        bytes.truncate(cut);
        if let Ok(wav) = wav::decode::<f32>(&bytes) {
            let stored = wav.samples.len() * wav.info.encoding.bytes_per_sample();
            prop_assert!(stored as u64 + wav.info.data_offset <= bytes.len() as u64);
            prop_assert_eq!(wav.samples.len() as u64, wav.info.frames * u64::from(wav.info.channels));
        }
    }
}
