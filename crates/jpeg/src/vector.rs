//! Runs code compiled for the vector instructions that the processor has.

/// Calls `work`, which must be inlined, compiled for AVX2 where the processor has it.
#[cfg(target_arch = "x86_64")]
pub fn dispatch<R>(work: impl FnOnce() -> R) -> R {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn vectorised<R>(work: impl FnOnce() -> R) -> R {
        work()
    }
    let has_all = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt");
    if has_all {
        // SAFETY: the processor has the features that the function is compiled for, all of them have just been looked for.
        return unsafe { vectorised(work) };
    }
    work()
}

/// Calls `work`.
#[cfg(not(target_arch = "x86_64"))]
pub fn dispatch<R>(work: impl FnOnce() -> R) -> R {
    work()
}
