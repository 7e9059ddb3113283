//! A clock that costs next to nothing to read, for decisions about microseconds.
//!
//! Owner: nobody, there is no state but the moment at which the process first asked.
//! Threads: any. A moment read on one thread means little on another: the processors' counters may differ.

/// About so many ticks make a microsecond. (Those of the processors of ten years differ by a factor of two.)
pub const TICKS_PER_US: u64 = if cfg!(target_arch = "x86_64") { 2500 } else { 1000 };

/// Now, in ticks.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn now() -> u64 {
    // SAFETY: every x86-64 processor has a time-stamp counter. A system that forbids its use (`PR_SET_TSC`) is none that
    // runs programs which read the time.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Now, in nanoseconds.
#[cfg(not(target_arch = "x86_64"))]
pub fn now() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;

    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed().as_nanos().try_into().unwrap_or(u64::MAX)
}

/// What has passed since `begun` on this thread.
#[inline]
pub fn ticks_since(begun: u64) -> u64 {
    now().saturating_sub(begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes() {
        let begun = now();
        let real = std::time::Instant::now();
        while real.elapsed().as_micros() < 2000 {}
        let ticks = ticks_since(begun);
        assert!(ticks > 500 * TICKS_PER_US, "{ticks} ticks in two milliseconds");
    }
}
