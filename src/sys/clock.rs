//! A clock that is cheap to read, for decisions about microseconds.
//!
//! No state, except the moment of the first call on some platforms. Any thread may read it. A moment read on
//! one thread has little meaning on another thread, because the counters of the processors may differ.
//! Guarded by the unit test here.

/// The approximate number of ticks per microsecond. (Processors of the last ten years differ by a factor of
/// two.)
pub const TICKS_PER_US: u64 = if cfg!(target_arch = "x86_64") { 2500 } else { 1000 };

/// The current time in ticks.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn now() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, which accesses no memory. A process that forbids
    // itself the instruction (`PR_SET_TSC`) could not read the time through the C library either.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The current time in nanoseconds.
#[cfg(not(target_arch = "x86_64"))]
pub fn now() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;

    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed().as_nanos().try_into().unwrap_or(u64::MAX)
}

/// The ticks since `start`, which this thread has read.
#[inline]
pub fn ticks_since(start: u64) -> u64 {
    now().saturating_sub(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes() {
        let start = now();
        let real = std::time::Instant::now();
        while real.elapsed().as_micros() < 2000 {}
        let ticks = ticks_since(start);
        assert!(ticks > 500 * TICKS_PER_US, "{ticks} ticks in two milliseconds");
    }
}
