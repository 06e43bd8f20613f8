//! PCM16 without loss in less room: speech takes about half of it, silence next to nothing.
//!
//! For audio that is kept and hardly ever looked at. The samples are predicted from those before
//! them by a fixed polynomial, and what the prediction missed is written in Rice codes whose
//! parameter follows the signal: the first two steps of Robinson's Shorten (1994), which FLAC has
//! taken over. It is a form of memory, not a file format.

/// Samples with one Rice parameter: 10 ms at 24,000 Hz.
const BLOCK: usize = 240;
/// Bits of a Rice parameter.
const PARAMETER: u32 = 4;
/// Bits of a sample, or of what was predicted of it, before there is anything to predict it from.
const FIRST: u32 = 20;
/// The parameter of a block that was predicted to the bit.
const NOTHING: u32 = (1 << PARAMETER) - 1;
/// Zeros that are written at once: so that two whole codes fit into a word.
const SHORT: u32 = 12;
/// Polynomials of degree -1 (no prediction) to 2.
const ORDERS: usize = 4;

/// Bytes that are kept; those of PCM16 (little-endian) are packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    data: Box<[u8]>,
    len: usize,
    /// How often differences were taken; `None`: the bytes as they were.
    order: Option<u8>,
}

impl Packed {
    /// Packs `bytes`, or copies them where that takes no more room.
    pub fn new(bytes: &[u8]) -> Self {
        let plain = || Self { data: bytes.into(), len: bytes.len(), order: None };
        if !bytes.len().is_multiple_of(2) {
            return plain();
        }
        let samples: Vec<i32> =
            bytes.chunks_exact(2).map(|b| i32::from(i16::from_le_bytes([b[0], b[1]]))).collect();
        let (order, missed) = predicted(samples);
        let mut bits = Writer::with_room(bytes.len());
        // As large as the samples: among what was missed they would be outliers of their block.
        let (first, missed) = missed.split_at(order);
        for value in first {
            bits.put(folded(*value).into(), FIRST);
        }
        for block in missed.chunks(BLOCK) {
            if bits.at >= bytes.len() {
                return plain();
            }
            write_block(&mut bits, block);
        }
        if bits.at >= bytes.len() {
            return plain();
        }
        let data = bits.finish();
        Self { data, len: bytes.len(), order: Some(order as u8) }
    }

    /// The bytes that were packed.
    pub fn unpack(&self) -> Vec<u8> {
        let Some(order) = self.order else { return self.data.to_vec() };
        let mut bits = Reader::new(&self.data);
        let mut missed = Vec::with_capacity(self.len / 2);
        missed.extend((0..order).map(|_| unfolded(bits.take(FIRST))));
        while missed.len() < self.len / 2 {
            let count = BLOCK.min(self.len / 2 - missed.len());
            read_block(&mut bits, count, &mut missed);
        }
        for _ in 0..order {
            let mut sum = 0_i32;
            for value in &mut missed {
                sum = sum.wrapping_add(*value);
                *value = sum;
            }
        }
        missed.iter().flat_map(|sample| (*sample as i16).to_le_bytes()).collect()
    }

    /// How many bytes were packed.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes they take.
    pub fn held(&self) -> usize {
        self.data.len()
    }
}

/// What the best of the predictions misses, and its order.
fn predicted(samples: Vec<i32>) -> (usize, Vec<i32>) {
    let mut now = samples.clone();
    let mut best = (magnitude(&samples), 0, samples);
    for order in 1..ORDERS.min(now.len()) {
        now = differences(&now);
        let size = magnitude(&now[order..]);
        if size < best.0 {
            best = (size, order, now.clone());
        }
    }
    (best.1, best.2)
}

fn magnitude(values: &[i32]) -> u64 {
    // A block's sum has room in 32 bits, so that the sums of several can be taken side by side.
    let block = |block: &[i32]| block.iter().map(|value| value.unsigned_abs()).sum::<u32>();
    values.chunks(BLOCK).map(|values| u64::from(block(values))).sum()
}

fn differences(values: &[i32]) -> Vec<i32> {
    let mut made = Vec::with_capacity(values.len());
    made.extend(values.first());
    made.extend(values.iter().zip(values.iter().skip(1)).map(|(last, value)| value - last));
    made
}

fn write_block(bits: &mut Writer, block: &[i32]) {
    // At most 240 times 2^19.
    let sum: u32 = block.iter().map(|value| folded(*value)).sum();
    if sum == 0 {
        bits.put(u64::from(NOTHING), PARAMETER);
        return;
    }
    let cost = |k: &u32| block.len() as u32 * (k + 1) + (sum >> k);
    let k = (0..NOTHING).min_by_key(cost).unwrap_or(0);
    bits.put(u64::from(k), PARAMETER);
    // Two at a time: each word waits for the one before it.
    for pair in block.chunks(2) {
        let (mut word, mut length) = (0, 0);
        for value in pair {
            let value = folded(*value);
            let (mut zeros, low) = (value >> k, value & ((1 << k) - 1));
            if zeros > SHORT {
                bits.put(word, length);
                (word, length) = (0, 0);
                while zeros > SHORT {
                    bits.put(0, SHORT);
                    zeros -= SHORT;
                }
            }
            word |= u64::from(low << 1 | 1) << (zeros + length);
            length += zeros + 1 + k;
        }
        bits.put(word, length);
    }
}

fn read_block(bits: &mut Reader, count: usize, to: &mut Vec<i32>) {
    let k = bits.take(PARAMETER);
    if k == NOTHING {
        to.resize(to.len() + count, 0);
        return;
    }
    for _ in 0..count {
        let high = bits.zeros();
        to.push(unfolded(high << k | bits.take(k)));
    }
}

/// Signed to unsigned, small to small: 0, -1, 1, -2 become 0, 1, 2, 3.
fn folded(value: i32) -> u32 {
    (value << 1 ^ value >> 31).cast_unsigned()
}

fn unfolded(value: u32) -> i32 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Bits, the lowest first.
struct Writer {
    bytes: Vec<u8>,
    /// Whole bytes so far.
    at: usize,
    waiting: u64,
    count: u32,
}

impl Writer {
    /// The most that one block takes, and a word.
    const BEYOND: usize = BLOCK * 6 + 8;

    /// For what takes `bytes`, and one block beyond.
    fn with_room(bytes: usize) -> Self {
        Self { bytes: vec![0; bytes + Self::BEYOND], at: 0, waiting: 0, count: 0 }
    }

    /// Up to 57 bits. Without a branch, for it is called all the time.
    fn put(&mut self, value: u64, bits: u32) {
        self.waiting |= value << self.count;
        self.count += bits;
        self.bytes[self.at..self.at + 8].copy_from_slice(&self.waiting.to_le_bytes());
        self.at += (self.count / 8) as usize;
        self.waiting >>= self.count & !7;
        self.count &= 7;
    }

    /// A copy: cut to size, the whole room would leave a hole that nothing fits into.
    fn finish(self) -> Box<[u8]> {
        self.bytes[..self.at + usize::from(self.count > 0)].into()
    }
}

/// What a [`Writer`] has written; behind its end there are zeros.
struct Reader {
    bytes: Vec<u8>,
    /// Bits that were taken.
    at: usize,
}

impl Reader {
    fn new(bytes: &[u8]) -> Self {
        Self { bytes: [bytes, &[0; 8]].concat(), at: 0 }
    }

    /// At least 57 of the next bits.
    fn ahead(&self) -> u64 {
        let word = self.bytes.get(self.at / 8..self.at / 8 + 8);
        let word = word.and_then(|word| word.try_into().ok()).unwrap_or_default();
        u64::from_le_bytes(word) >> (self.at % 8)
    }

    /// Up to 32 bits.
    fn take(&mut self, bits: u32) -> u32 {
        let value = self.ahead() & ((1 << bits) - 1);
        self.at += bits as usize;
        value as u32
    }

    /// Takes zeros and the one behind them; how many zeros there were.
    fn zeros(&mut self) -> u32 {
        let mut zeros = 0;
        loop {
            let here = self.ahead().trailing_zeros();
            if here < 57 {
                self.at += here as usize + 1;
                return zeros + here;
            }
            if self.at >= self.bytes.len() * 8 {
                return zeros;
            }
            zeros += 57;
            self.at += 57;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pcm(samples: impl IntoIterator<Item = i16>) -> Vec<u8> {
        samples.into_iter().flat_map(i16::to_le_bytes).collect()
    }

    fn held(bytes: &[u8]) -> usize {
        let packed = Packed::new(bytes);
        assert_eq!(packed.unpack(), bytes);
        assert_eq!((packed.len(), packed.is_empty()), (bytes.len(), bytes.is_empty()));
        packed.held()
    }

    #[test]
    fn silence_and_ramps_take_next_to_nothing() {
        assert!(held(&pcm([0; 2_400])) <= 5);
        assert!(held(&pcm(0..2_400)) < 12);
        assert!(held(&pcm(30_000..32_400)) < 12, "wherever it begins");
        assert_eq!(held(&[]), 0);
    }

    #[test]
    fn a_voice_takes_less_than_noise_and_noise_no_more_than_it_did() {
        let voice = pcm((0..2_400).map(|n| {
            let t = f64::from(n) / 24_000.0;
            let wave = (t * 753.0).sin() * 4_000.0 + (t * 5_100.0).sin() * 900.0;
            (wave + f64::from(n * 7_919 % 61)) as i16
        }));
        assert!(held(&voice) < voice.len() * 55 / 100, "{}", held(&voice));
        let mut seed = 1_u32;
        let noise = pcm((0..2_400).map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as i16
        }));
        assert_eq!(held(&noise), noise.len());
    }

    #[test]
    fn the_steepest_steps_come_back() {
        for order in [[i16::MIN, i16::MAX], [i16::MAX, 0], [0, i16::MIN]] {
            for ones in [1, 2, 3, 239, 240, 241] {
                let mut samples = vec![order[0]; ones];
                samples.extend([order[1]; 3]);
                samples.extend([order[0], order[1], order[0]]);
                held(&pcm(samples.iter().copied()));
                samples.extend([0; 4_000]);
                held(&pcm(samples));
            }
        }
        assert_eq!(held(&[1, 2, 3]), 3, "half a sample is kept as it is");
    }

    proptest! {
        #[test]
        fn everything_comes_back(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..2_000),
                proptest::collection::vec(-40_i16..40, 0..2_000).prop_map(pcm),
                proptest::collection::vec(any::<i16>(), 0..40).prop_map(|steps| {
                    pcm(steps.into_iter().flat_map(|value| std::iter::repeat_n(value, 60)))
                }),
            ],
        ) {
            let packed = Packed::new(&bytes);
            prop_assert!(packed.held() <= bytes.len());
            prop_assert_eq!(packed.unpack(), bytes);
        }
    }
}
