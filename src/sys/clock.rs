//! A clock that costs next to nothing to read, for decisions about microseconds.
//!
//! Owner: nobody, there is no state.
//! Threads: any. A moment read on one thread means nothing on another.

/// About so many ticks make a microsecond.
pub const TICKS_PER_US: u64 = if cfg!(target_arch = "x86_64") { 2500 } else { 1000 };

/// A moment.
#[cfg(target_arch = "x86_64")]
pub type Moment = u64;

/// Now.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn now() -> Moment {
    // SAFETY: every x86-64 processor has a time-stamp counter. A system that forbids its use (`PR_SET_TSC`) is none that
    // runs programs which read the time.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// What has passed since then, roughly. Processors of ten years differ by a factor of two.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn ticks_since(begun: Moment) -> u64 {
    now().saturating_sub(begun)
}

/// A moment.
#[cfg(not(target_arch = "x86_64"))]
pub type Moment = std::time::Instant;

/// Now.
#[cfg(not(target_arch = "x86_64"))]
pub fn now() -> Moment {
    std::time::Instant::now()
}

/// What has passed since then, in nanoseconds.
#[cfg(not(target_arch = "x86_64"))]
pub fn ticks_since(begun: Moment) -> u64 {
    begun.elapsed().as_nanos().try_into().unwrap_or(u64::MAX)
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
