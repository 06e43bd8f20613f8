//! Plain loops on wide registers: compiled once for the baseline and once for AVX2.
//!
//! The arithmetic is the same and nothing is contracted (no fused multiplication is enabled), so
//! the results agree to the bit. On `AArch64` the baseline has its vectors already.
#![allow(unsafe_code)]

/// Does `work` with AVX2 where the processor has it. The loops must stand in the closure itself:
/// what is not inlined into it keeps to the baseline.
#[inline]
pub(crate) fn widest<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn wide<R>(work: impl FnOnce() -> R) -> R {
            work()
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor was just found to have what the function is compiled for.
            return unsafe { wide(work) };
        }
    }
    work()
}
