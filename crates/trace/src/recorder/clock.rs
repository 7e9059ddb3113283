//! The clock of the recorder: a counter of ticks that all threads read alike.
//!
//! On x86-64 it is the time-stamp counter, on AArch64 the virtual counter, elsewhere nanoseconds of
//! [`Instant`]. How many ticks make a second is measured: a recording holds pairs of ticks and nanoseconds
//! (`docs/trace-format.md`, `CLCK`). A look costs 7 to 20 ns, which is as much as a small task;
//! [`Track`](super::Track) says how it saves looks.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::Instant;

/// About so many ticks make a microsecond. Only for thresholds: the exact number is measured.
pub const ROUGH_TICKS_PER_US: u64 = if cfg!(target_arch = "x86_64") {
    2500
} else if cfg!(target_arch = "aarch64") {
    100
} else {
    1000
};

/// Something that tells a time in ticks, which never goes backwards.
pub trait Clock {
    /// Now.
    fn now(&self) -> u64;
}

/// The processor's counter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ticks;

impl Clock for Ticks {
    #[inline(always)]
    fn now(&self) -> u64 {
        ticks()
    }
}

/// A clock that is set by hand: for simulations and tests.
#[derive(Debug, Default)]
pub struct Manual(Cell<u64>);

impl Manual {
    /// Sets it.
    pub fn set(&self, ticks: u64) {
        self.0.set(ticks);
    }
}

impl Clock for Manual {
    fn now(&self) -> u64 {
        self.0.get()
    }
}

/// The processor's counter, now.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has a time-stamp counter; a process that may not read it cannot read the
    // time either.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The virtual counter, now.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub fn ticks() -> u64 {
    let count: u64;
    // SAFETY: reads a register that user programs may read, and touches neither memory nor flags.
    unsafe {
        core::arch::asm!("mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack, preserves_flags))
    };
    count
}

/// Nanoseconds since the first call.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn ticks() -> u64 {
    nanos()
}

/// Nanoseconds since this process first asked.
pub fn nanos() -> u64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed().as_nanos().try_into().unwrap_or(u64::MAX)
}

/// The same moment on both clocks: (ticks, nanoseconds).
pub fn pair() -> (u64, u64) {
    // The narrowest of some attempts: the thread may be interrupted between two looks.
    let look = || {
        let before = ticks();
        let nanos = nanos();
        (ticks().saturating_sub(before), before, nanos)
    };
    let (width, before, nanos) = (0..4).map(|_| look()).min().expect("four looks");
    (before + width / 2, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_advance_together() {
        let (ticks, nanos) = pair();
        while super::nanos() < nanos + 2_000_000 {}
        let (later_ticks, later_nanos) = pair();
        assert!(later_nanos - nanos >= 2_000_000);
        let rate = (later_ticks - ticks) as f64 / (later_nanos - nanos) as f64;
        assert!((0.001..100.0).contains(&rate), "{rate} ticks a nanosecond");
    }
}
