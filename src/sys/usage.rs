//! How much of the processor the calling thread has used, and how often it was taken off. No state. Guarded
//! by the unit test here.

/// The use of the processor by one thread since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadUsage {
    /// Processor time, in nanoseconds.
    pub nanos: u64,
    /// How often the thread gave the processor up, because it slept or blocked.
    pub voluntary: u64,
    /// How often the system gave the processor to another thread.
    pub involuntary: u64,
}

/// The use by the calling thread. `None` on a system that does not tell it.
#[cfg(target_os = "linux")]
pub fn of_this_thread() -> Option<ThreadUsage> {
    use std::mem::MaybeUninit;

    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the pointer is valid for the write of one `rusage`.
    let result = unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    if result != 0 {
        return None;
    }
    // SAFETY: the call has succeeded, so it has filled in the structure.
    let usage = unsafe { usage.assume_init() };
    let nanos = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1_000;
    Some(ThreadUsage {
        nanos: nanos(usage.ru_utime) + nanos(usage.ru_stime),
        voluntary: usage.ru_nvcsw as u64,
        involuntary: usage.ru_nivcsw as u64,
    })
}

/// The use by the calling thread. `None` on a system that does not tell it.
#[cfg(not(target_os = "linux"))]
pub fn of_this_thread() -> Option<ThreadUsage> {
    None
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_computes_uses_the_processor() {
        let begin = of_this_thread().expect("Linux tells it");
        while of_this_thread().expect("Linux tells it").nanos < begin.nanos + 2_000_000 {}
        let end = of_this_thread().expect("Linux tells it");
        assert!(end.voluntary >= begin.voluntary && end.involuntary >= begin.involuntary);
    }
}
