//! Any bytes: decoded or refused, never more samples than there are bytes for, and what was decoded
//! survives being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voxloop_audio::wav;

fuzz_target!(|data: &[u8]| {
    let Ok(view) = wav::parse(data) else { return };
    let info = view.info();
    assert!(view.data().len() <= data.len());
    let samples = view.samples::<i16>();
    assert_eq!(samples.len() as u64, info.frames * u64::from(info.channels));
    assert_eq!(samples.len() * info.encoding.bytes_per_sample(), view.data().len());
    let floats = view.samples::<f32>();
    assert_eq!(floats.len(), samples.len());
    assert!(floats.iter().all(|sample| (-1.0..=1.0).contains(sample)));
    if let Ok(file) = wav::encode(&samples, info.sample_rate, info.channels) {
        let again = wav::decode::<i16>(&file).expect("own files are read");
        assert_eq!(again.samples, samples);
        assert!(!again.info.truncated);
    }
});
