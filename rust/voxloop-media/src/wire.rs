//! The audio formats that a realtime session speaks.

use voxloop_audio::g711;

use crate::error::{MediaError, Result};

/// How audio stands on the wire, always mono.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireFormat {
    /// Signed 16-bit little-endian at 24,000 Hz.
    Pcm16,
    /// G.711 u-law at 8,000 Hz.
    Ulaw,
    /// G.711 A-law at 8,000 Hz.
    Alaw,
}

impl WireFormat {
    /// The format of a name: `pcm16`, `pcmu` or `g711_ulaw`, `pcma` or `g711_alaw`.
    ///
    /// # Errors
    /// [`MediaError::Config`] for another name.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "pcm16" => Ok(Self::Pcm16),
            "pcmu" | "g711_ulaw" => Ok(Self::Ulaw),
            "pcma" | "g711_alaw" => Ok(Self::Alaw),
            _ => Err(MediaError::Config(format!(
                "{name:?} is no wire format; wanted pcm16, pcmu or pcma"
            ))),
        }
    }

    /// Samples per second.
    pub const fn rate(self) -> u32 {
        match self {
            Self::Pcm16 => 24_000,
            Self::Ulaw | Self::Alaw => 8_000,
        }
    }

    /// Bytes of one sample.
    pub const fn width(self) -> usize {
        match self {
            Self::Pcm16 => 2,
            Self::Ulaw | Self::Alaw => 1,
        }
    }

    /// Appends the samples that `bytes` are; half a sample is kept in `carry` for the next call.
    pub fn decode(self, carry: &mut Option<u8>, bytes: &[u8], out: &mut Vec<i16>) {
        match self {
            Self::Pcm16 => {
                let mut rest = bytes;
                if let (Some(low), Some((&high, tail))) = (*carry, rest.split_first()) {
                    out.push(i16::from_le_bytes([low, high]));
                    *carry = None;
                    rest = tail;
                }
                let pairs = rest.chunks_exact(2);
                if let [odd] = pairs.remainder() {
                    *carry = Some(*odd);
                }
                out.extend(pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
            }
            Self::Ulaw => out.extend(bytes.iter().map(|&code| g711::ulaw_decode(code))),
            Self::Alaw => out.extend(bytes.iter().map(|&code| g711::alaw_decode(code))),
        }
    }

    /// Appends samples as bytes.
    pub fn encode(self, samples: &[i16], out: &mut Vec<u8>) {
        match self {
            Self::Pcm16 => out.extend(samples.iter().flat_map(|sample| sample.to_le_bytes())),
            Self::Ulaw => out.extend(samples.iter().map(|&sample| g711::ulaw_encode(sample))),
            Self::Alaw => out.extend(samples.iter().map(|&sample| g711::alaw_encode(sample))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_sample_waits_for_its_other_half() {
        let (mut carry, mut out) = (None, Vec::new());
        for piece in [&[1_u8][..], &[], &[0, 2], &[0, 3, 0], &[4]] {
            WireFormat::Pcm16.decode(&mut carry, piece, &mut out);
        }
        assert_eq!((out, carry), (vec![1, 2, 3], Some(4)));
    }

    #[test]
    fn every_format_comes_back() {
        for name in ["pcm16", "pcmu", "pcma", "g711_ulaw", "g711_alaw"] {
            let format = WireFormat::named(name).unwrap();
            let (mut bytes, mut back) = (Vec::new(), Vec::new());
            let samples: Vec<i16> = vec![0, 8, -8, 1_000, -20_000, 32_000];
            format.encode(&samples, &mut bytes);
            assert_eq!(bytes.len(), samples.len() * format.width());
            format.decode(&mut None, &bytes, &mut back);
            let near = |(a, b): (&i16, &i16)| (a - b).abs() <= 16 + a.abs() / 16;
            assert!(samples.iter().zip(&back).all(near), "{format:?} {back:?}");
        }
        assert!(WireFormat::named("mp3").is_err());
    }
}
