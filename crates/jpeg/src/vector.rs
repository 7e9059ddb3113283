//! Runs code compiled for the vector instructions that the processor has.

/// The vector instructions that code may use.
#[derive(Clone, Copy, Debug)]
pub enum Vectors {
    /// What every processor of the kind has.
    Portable,
    /// AVX2. Only [`dispatch`] makes this, where the processor has it.
    #[cfg(target_arch = "x86_64")]
    Avx2(Found),
}

/// The processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub struct Found(());

/// Calls `work`, which must be inlined, compiled for AVX2 where the processor has it.
#[cfg(target_arch = "x86_64")]
pub fn dispatch<R>(work: impl FnOnce(Vectors) -> R) -> R {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn vectorised<R>(work: impl FnOnce(Vectors) -> R) -> R {
        work(Vectors::Avx2(Found(())))
    }
    let has_all = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt");
    if has_all {
        // SAFETY: the processor has the features that the function is compiled for, all of them have just
        // been looked for.
        return unsafe { vectorised(work) };
    }
    work(Vectors::Portable)
}

/// Calls `work`.
#[cfg(not(target_arch = "x86_64"))]
pub fn dispatch<R>(work: impl FnOnce(Vectors) -> R) -> R {
    work(Vectors::Portable)
}
