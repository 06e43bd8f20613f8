//! The inner products that all of the resampler's time goes into, by instruction set.
//!
//! A *group* is a run of outputs that read one common window of input, each with a row of taps of
//! its own: a vector of samples is loaded once and used for every row. All paths add in the same
//! order, [`LANES`] sums side by side and then a tree of halves; those with fused multiplication
//! (AVX2, AVX-512, and the portable path on `AArch64`) agree with each other to the bit, and so do
//! those without (SSE2 and the portable path elsewhere). Between the two kinds the last bits of an
//! `f32` differ.
//!
//! This is the only module of the crate with unsafe code: calls into functions compiled for an
//! instruction set, after it was found, and loads from references to whole arrays.
#![allow(unsafe_code)]

use std::str::FromStr;

use crate::error::{AudioError, Result};

/// Sums side by side in every path.
pub(super) const LANES: usize = 16;

/// An instruction set the resampler can work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Simd {
    /// No explicit instructions; the same bits on every processor.
    Portable,
    /// The baseline of x86-64; the same bits as [`Simd::Portable`].
    Sse2,
    /// The baseline of `AArch64`, with fused multiplication; the same bits as [`Simd::Avx2`].
    Neon,
    /// AVX2 with fused multiplication.
    Avx2,
    /// AVX-512F; the same bits as [`Simd::Avx2`].
    Avx512,
}

impl Simd {
    const ALL: [Self; 5] = [Self::Avx512, Self::Avx2, Self::Neon, Self::Sse2, Self::Portable];

    /// Whether it multiplies and adds with one rounding.
    pub const fn is_fused(self) -> bool {
        matches!(self, Self::Avx512 | Self::Avx2 | Self::Neon)
    }

    /// What this processor has, the fastest first.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|simd| Path::new(*simd).is_some()).collect()
    }

    /// A short name: `portable`, `sse2`, `neon`, `avx2` or `avx512`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Sse2 => "sse2",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

impl FromStr for Simd {
    type Err = AudioError;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|simd| simd.name() == text).ok_or_else(|| {
            AudioError::format(
                "instruction set",
                format!("{text:?}"),
                "portable, sse2, neon, avx2 or avx512",
            )
        })
    }
}

/// One vector of taps, aligned so that no load of it crosses a cache line.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub(super) [f32; LANES]);

/// Where a group's window begins, and which group of the cycle it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Cursor {
    pub(super) base: usize,
    /// Place of the group's first output between two input frames, in units of `1 / up`.
    pub(super) phase: u32,
    pub(super) group: usize,
}

/// What lies between two groups.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stride {
    pub(super) up: u32,
    pub(super) step: usize,
    pub(super) step_phase: u32,
    /// Groups until the taps repeat.
    pub(super) groups: usize,
}

impl Stride {
    pub(super) const fn advance(&self, at: Cursor) -> Cursor {
        let phase = at.phase + self.step_phase;
        let carry = phase >= self.up;
        let group = if at.group + 1 == self.groups { 0 } else { at.group + 1 };
        Cursor {
            base: at.base + self.step + carry as usize,
            phase: if carry { phase - self.up } else { phase },
            group,
        }
    }
}

/// A run of groups over the samples of one channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job<'a> {
    /// For each group of the cycle, for each vector of its window, one entry per row.
    pub(super) taps: &'a [Lanes],
    /// Vectors in a window.
    pub(super) vectors: usize,
    pub(super) samples: &'a [f32],
    pub(super) from: Cursor,
    pub(super) stride: Stride,
}

impl<'a> Job<'a> {
    #[inline]
    fn groups<const ROWS: usize>(
        &self,
    ) -> impl Iterator<Item = (&'a [[Lanes; ROWS]], &'a [[f32; LANES]])> + use<'a, ROWS> {
        let Self { taps, vectors, samples, from, stride } = *self;
        let (taps, _) = taps.as_chunks::<ROWS>();
        let mut at = from;
        std::iter::from_fn(move || {
            let rows = &taps[at.group * vectors..(at.group + 1) * vectors];
            let (window, _) = samples[at.base..at.base + vectors * LANES].as_chunks::<LANES>();
            at = stride.advance(at);
            Some((rows, window))
        })
    }
}

/// An instruction set that is known to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path(Simd);

impl Path {
    /// `None` when this processor does not have it.
    pub(super) fn new(simd: Simd) -> Option<Self> {
        let there = match simd {
            Simd::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Simd::Sse2 => true,
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "aarch64")]
            Simd::Neon => true,
            _ => false,
        };
        there.then_some(Self(simd))
    }

    /// The fastest there is.
    pub(super) fn best() -> Self {
        Simd::ALL.into_iter().find_map(Self::new).unwrap_or(Self(Simd::Portable))
    }

    pub(super) const fn simd(self) -> Simd {
        self.0
    }

    /// Fills `out`, whole groups of `ROWS` outputs (4 or 8), from the job's first group on.
    pub(super) fn run<const ROWS: usize>(self, job: &Job<'_>, out: &mut [f32]) {
        const { assert!(ROWS == 4 || ROWS == 8) };
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: every x86-64 processor has it.
            Simd::Sse2 => unsafe { x86::sse2::<ROWS>(job, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Path` is only made of an instruction set that was found.
            Simd::Avx2 => unsafe { x86::avx2::<ROWS>(job, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Simd::Avx512 => unsafe { x86::avx512::<ROWS>(job, out) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: every AArch64 processor that runs an operating system has it.
            Simd::Neon => unsafe { neon::groups::<ROWS>(job, out) },
            _ => portable::<ROWS>(job, out),
        }
    }
}

fn portable<const ROWS: usize>(job: &Job<'_>, out: &mut [f32]) {
    for (out, (taps, window)) in out.as_chunks_mut::<ROWS>().0.iter_mut().zip(job.groups::<ROWS>())
    {
        for (row, out) in out.iter_mut().enumerate() {
            let mut sums = [0.0_f32; LANES];
            for (taps, samples) in taps.iter().zip(window) {
                for ((sum, &tap), &sample) in sums.iter_mut().zip(&taps[row].0).zip(samples) {
                    *sum += tap * sample;
                }
            }
            *out = tree(&sums);
        }
    }
}

/// Not inlined: seen together with the loop above, it leads the compiler to half-filled vectors.
#[inline(never)]
fn tree(sums: &[f32; LANES]) -> f32 {
    let mut sums = *sums;
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
    }
    sums[0]
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128, __m256, __m512, _mm_add_ps, _mm_loadu_ps, _mm_movehl_ps, _mm_movelh_ps, _mm_mul_ps,
        _mm_setzero_ps, _mm_storeu_ps, _mm_unpackhi_ps, _mm_unpacklo_ps, _mm256_add_ps,
        _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
        _mm256_setzero_ps, _mm512_castpd_ps, _mm512_castps_pd, _mm512_castps512_ps256,
        _mm512_extractf64x4_pd, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_setzero_ps,
    };

    use super::{Job, LANES, Lanes};

    #[target_feature(enable = "sse2")]
    pub(super) fn sse2<const ROWS: usize>(job: &Job<'_>, out: &mut [f32]) {
        for (out, (taps, window)) in
            out.as_chunks_mut::<ROWS>().0.iter_mut().zip(job.groups::<ROWS>())
        {
            for (quad, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let mut rows = [_mm_setzero_ps(); 4];
                for (row, sum) in rows.iter_mut().enumerate() {
                    let mut sums = [_mm_setzero_ps(); 4];
                    for (taps, samples) in taps.iter().zip(window) {
                        let (taps, _) = taps[4 * quad + row].0.as_chunks::<4>();
                        let (samples, _) = samples.as_chunks::<4>();
                        for ((sum, tap), sample) in sums.iter_mut().zip(taps).zip(samples) {
                            *sum = _mm_add_ps(*sum, _mm_mul_ps(load4(tap), load4(sample)));
                        }
                    }
                    let even = _mm_add_ps(sums[0], sums[2]);
                    *sum = _mm_add_ps(even, _mm_add_ps(sums[1], sums[3]));
                }
                store4(out, across(rows));
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2<const ROWS: usize>(job: &Job<'_>, out: &mut [f32]) {
        for (out, (taps, window)) in
            out.as_chunks_mut::<ROWS>().0.iter_mut().zip(job.groups::<ROWS>())
        {
            // Four rows of two vectors: eight sums, as many as hide the latency of an addition on
            // two units, and all that fits sixteen registers beside the samples.
            for (quad, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let mut sums = [[_mm256_setzero_ps(); 2]; 4];
                for (taps, samples) in taps.iter().zip(window) {
                    let samples = halves(samples);
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let taps = halves(&taps[4 * quad + row].0);
                        sums[0] = _mm256_fmadd_ps(taps[0], samples[0], sums[0]);
                        sums[1] = _mm256_fmadd_ps(taps[1], samples[1], sums[1]);
                    }
                }
                store4(out, across(sums.map(|[low, high]| fold8(_mm256_add_ps(low, high)))));
            }
        }
    }

    #[target_feature(enable = "avx512f,avx2")]
    pub(super) fn avx512<const ROWS: usize>(job: &Job<'_>, out: &mut [f32]) {
        for (out, (taps, window)) in
            out.as_chunks_mut::<ROWS>().0.iter_mut().zip(job.groups::<ROWS>())
        {
            let mut sums = [_mm512_setzero_ps(); ROWS];
            for (taps, samples) in taps.iter().zip(window) {
                let samples = load16(samples);
                for (sum, Lanes(taps)) in sums.iter_mut().zip(taps) {
                    *sum = _mm512_fmadd_ps(load16(taps), samples, *sum);
                }
            }
            for (out, sums) in out.as_chunks_mut::<4>().0.iter_mut().zip(sums.as_chunks::<4>().0) {
                store4(out, across(sums.map(|sums| fold16(sums))));
            }
        }
    }

    #[target_feature(enable = "avx512f,avx2")]
    fn fold16(sums: __m512) -> __m128 {
        let high = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(sums));
        // There is no extraction of eight floats in the foundation set; their bits are the same.
        let high = _mm512_castps512_ps256(_mm512_castpd_ps(
            std::arch::x86_64::_mm512_castpd256_pd512(high),
        ));
        fold8(_mm256_add_ps(_mm512_castps512_ps256(sums), high))
    }

    #[target_feature(enable = "avx2")]
    fn fold8(sums: __m256) -> __m128 {
        _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps::<1>(sums))
    }

    /// The sums of four vectors, each `(0 + 2) + (1 + 3)`.
    #[target_feature(enable = "sse2")]
    fn across([a, b, c, d]: [__m128; 4]) -> __m128 {
        let ab = _mm_add_ps(_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
        let cd = _mm_add_ps(_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
        _mm_add_ps(_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab))
    }

    #[target_feature(enable = "sse2")]
    fn load4(from: &[f32; 4]) -> __m128 {
        // SAFETY: four floats lie behind the reference; the load asks for no alignment.
        unsafe { _mm_loadu_ps(from.as_ptr()) }
    }

    #[target_feature(enable = "sse2")]
    fn store4(to: &mut [f32; 4], values: __m128) {
        // SAFETY: four floats lie behind the reference; the store asks for no alignment.
        unsafe { _mm_storeu_ps(to.as_mut_ptr(), values) }
    }

    #[target_feature(enable = "avx2")]
    fn halves(from: &[f32; LANES]) -> [__m256; 2] {
        // SAFETY: sixteen floats lie behind the reference; the loads ask for no alignment.
        unsafe { [_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(8))] }
    }

    #[target_feature(enable = "avx512f")]
    fn load16(from: &[f32; LANES]) -> __m512 {
        // SAFETY: sixteen floats lie behind the reference; the load asks for no alignment.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::{
        float32x4_t, vadd_f32, vaddq_f32, vdupq_n_f32, vfmaq_f32, vget_high_f32, vget_lane_f32,
        vget_low_f32, vld1q_f32,
    };

    use super::{Job, LANES};

    #[target_feature(enable = "neon")]
    pub(super) fn groups<const ROWS: usize>(job: &Job<'_>, out: &mut [f32]) {
        for (out, (taps, window)) in
            out.as_chunks_mut::<ROWS>().0.iter_mut().zip(job.groups::<ROWS>())
        {
            for (quad, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let mut sums = [[vdupq_n_f32(0.0); 4]; 4];
                for (taps, samples) in taps.iter().zip(window) {
                    let samples = quarters(samples);
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let taps = quarters(&taps[4 * quad + row].0);
                        for ((sum, tap), sample) in sums.iter_mut().zip(taps).zip(samples) {
                            *sum = vfmaq_f32(*sum, tap, sample);
                        }
                    }
                }
                for (out, [a, b, c, d]) in out.iter_mut().zip(sums) {
                    let four = vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d));
                    let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
                    *out = vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two);
                }
            }
        }
    }

    #[target_feature(enable = "neon")]
    fn quarters(from: &[f32; LANES]) -> [float32x4_t; 4] {
        // SAFETY: sixteen floats lie behind the reference; the loads ask for no alignment.
        unsafe { [0, 4, 8, 12].map(|at| vld1q_f32(from.as_ptr().add(at))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: usize = 5;
    const GROUPS: usize = 3;

    fn noise(count: usize, mut seed: u64) -> Vec<f32> {
        let next = || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 40) as f32 / 8_388_608.0 - 1.0
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    fn outputs<const ROWS: usize>(path: Path, fused: Option<bool>) -> Vec<f32> {
        let flat = noise(GROUPS * VECTORS * ROWS * LANES, 1);
        let taps: Vec<Lanes> = flat.as_chunks::<LANES>().0.iter().map(|row| Lanes(*row)).collect();
        let samples = noise(400, 2);
        let from = Cursor { base: 3, phase: 1, group: 2 };
        let stride = Stride { up: 3, step: 7, step_phase: 2, groups: GROUPS };
        let job = Job { taps: &taps, vectors: VECTORS, samples: &samples, from, stride };
        let mut out = vec![0.0; 20 * ROWS];
        let Some(fused) = fused else {
            path.run::<ROWS>(&job, &mut out);
            return out;
        };
        // By the definition, one output after the other.
        let mut at = from;
        for group in out.as_chunks_mut::<ROWS>().0 {
            for (row, out) in group.iter_mut().enumerate() {
                let mut sums = [0.0_f32; LANES];
                for vector in 0..VECTORS {
                    for lane in 0..LANES {
                        let tap = taps[(at.group * VECTORS + vector) * ROWS + row].0[lane];
                        let sample = samples[at.base + vector * LANES + lane];
                        let sum = &mut sums[lane];
                        *sum = if fused { tap.mul_add(sample, *sum) } else { *sum + tap * sample };
                    }
                }
                *out = tree(&sums);
            }
            at = stride.advance(at);
        }
        out
    }

    fn check<const ROWS: usize>() {
        for simd in Simd::available() {
            let path = Path::new(simd).unwrap();
            let by_definition = outputs::<ROWS>(path, Some(simd.is_fused()));
            assert_eq!(outputs::<ROWS>(path, None), by_definition, "{simd:?}");
        }
    }

    #[test]
    fn every_path_adds_as_defined_to_the_bit() {
        check::<4>();
        check::<8>();
    }

    #[test]
    fn names_and_order() {
        let available = Simd::available();
        assert_eq!(available.last(), Some(&Simd::Portable));
        assert_eq!(Path::best().simd(), available[0]);
        for simd in Simd::ALL {
            assert_eq!(simd.name().parse::<Simd>().unwrap(), simd);
            assert_eq!(Path::new(simd).is_some(), available.contains(&simd));
        }
        assert_eq!("mmx".parse::<Simd>().unwrap_err().code(), "audio_format");
    }
}
