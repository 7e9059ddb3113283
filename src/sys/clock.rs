//! A clock that is cheap to read, for decisions about microseconds.
//!
//! | processor | counter | if it cannot be used |
//! |---|---|---|
//! | x86, x86-64 | the time-stamp counter, if the processor says that its rate never changes | [`Instant`] |
//! | AArch64 | the virtual counter, whose rate the processor tells | |
//! | RISC-V, 64 bits | `time`, whose rate is measured once | |
//! | any other | [`Instant`] | |
//!
//! State: whether and how the counter can be used, found out by the first call of the process. Any thread may
//! read the clock. A moment read on one thread has little meaning on another thread, because the counters of
//! the processors may differ. Guarded by the unit tests here.

use std::sync::OnceLock;
use std::time::Instant;

/// The approximate number of ticks per microsecond. (The time-stamp counters of the last ten years differ by
/// a factor of two; all other clocks are converted.)
pub const TICKS_PER_US: u64 = if HAS_TIME_STAMPS { 2500 } else { 1000 };

/// Whether the clock is a time-stamp counter on most processors of this kind.
const HAS_TIME_STAMPS: bool =
    cfg!(all(any(target_arch = "x86", target_arch = "x86_64"), not(target_env = "sgx"), not(miri)));

/// Whether the system has a clock at all. Without one the standard library's panics.
pub fn exists() -> bool {
    !cfg!(all(target_family = "wasm", target_os = "unknown"))
}

/// The current time in ticks.
#[inline]
pub fn now() -> u64 {
    counter::now()
}

/// The ticks since `start`, which this thread has read.
#[inline]
pub fn ticks_since(start: u64) -> u64 {
    now().saturating_sub(start)
}

/// Nanoseconds since the first call, by the clock of the standard library: for moments that one thread reads
/// and another thread compares.
pub fn nanos() -> u64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    // Enough for 584 years.
    FIRST.get_or_init(Instant::now).elapsed().as_nanos().try_into().unwrap_or(u64::MAX)
}

/// The time since the first call, in ticks, by the clock of the standard library.
#[cold]
#[cfg_attr(
    any(target_arch = "aarch64", target_arch = "riscv64"),
    allow(dead_code, reason = "these have a counter always")
)]
fn by_instant() -> u64 {
    if HAS_TIME_STAMPS { nanos().saturating_mul(TICKS_PER_US) / 1000 } else { nanos() }
}

#[cfg(all(
    any(target_arch = "x86", target_arch = "x86_64"),
    not(target_env = "sgx"),
    not(miri),
    not(longshore_portable)
))]
mod counter {
    #[cfg(target_arch = "x86")]
    use std::arch::x86::{__cpuid, _rdtsc};
    #[cfg(target_arch = "x86_64")]
    use std::arch::x86_64::{__cpuid, _rdtsc};
    use std::sync::atomic::{AtomicU8, Ordering};

    /// Nothing is known yet.
    const UNKNOWN: u8 = 0;
    /// The counter exists and is invariant.
    const USABLE: u8 = 1;
    /// It is not; the standard library's clock is used.
    const UNUSABLE: u8 = 2;

    /// Which of the three it is.
    static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);

    #[inline]
    pub fn now() -> u64 {
        // Relaxed: the value is all that is communicated, and each thread would find the same.
        match STATE.load(Ordering::Relaxed) {
            USABLE => time_stamp(),
            _ => first_or_slow(),
        }
    }

    #[inline]
    fn time_stamp() -> u64 {
        // SAFETY: the processor has the instruction, which accesses no memory: `is_invariant` has asked. A
        // process that forbids itself the instruction (`PR_SET_TSC`) could not read the time through the C
        // library either.
        unsafe { _rdtsc() }
    }

    #[cold]
    fn first_or_slow() -> u64 {
        if STATE.load(Ordering::Relaxed) == UNKNOWN {
            STATE.store(if is_invariant() { USABLE } else { UNUSABLE }, Ordering::Relaxed); // see `now`
        }
        if STATE.load(Ordering::Relaxed) == USABLE { time_stamp() } else { super::by_instant() }
    }

    /// Whether the counter runs at one rate whatever the clock rate and the sleep states of the processor.
    /// Old processors, and virtual machines that may move to another computer, say that it does not.
    pub fn is_invariant() -> bool {
        const EXTENDED: u32 = 0x8000_0000;
        const POWER: u32 = 0x8000_0007;
        const TIME_STAMPS: u32 = 1 << 4;
        const INVARIANT: u32 = 1 << 8;
        // The intrinsic is a safe function with some compilers, and an unsafe one with older ones.
        #[allow(unused_unsafe, reason = "depends on the compiler")]
        let ask = |leaf| {
            // SAFETY: the instruction exists on every processor for which Rust compiles.
            unsafe { __cpuid(leaf) }
        };
        ask(0).eax >= 1
            && ask(1).edx & TIME_STAMPS != 0
            && ask(EXTENDED).eax >= POWER
            && ask(POWER).edx & INVARIANT != 0
    }
}

#[cfg(all(any(target_arch = "aarch64", target_arch = "riscv64"), not(miri), not(longshore_portable)))]
mod counter {
    use std::arch::asm;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Nanoseconds per count of the counter, times 2^32; 0 before the first call.
    static NANOS_PER_COUNT: AtomicU64 = AtomicU64::new(0);

    #[inline]
    pub fn now() -> u64 {
        // Relaxed: the value is all that is communicated, and each thread would find about the same.
        let rate = match NANOS_PER_COUNT.load(Ordering::Relaxed) {
            0 => find_rate(),
            known => known,
        };
        (u128::from(count()) * u128::from(rate) >> 32) as u64
    }

    #[cfg(target_arch = "aarch64")]
    #[inline]
    fn count() -> u64 {
        let count: u64;
        // SAFETY: the register can be read by every program on the systems for which Rust has a standard
        // library. The instruction accesses no memory.
        unsafe { asm!("mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack, preserves_flags)) };
        count
    }

    #[cfg(target_arch = "riscv64")]
    #[inline]
    fn count() -> u64 {
        let count: u64;
        // SAFETY: the counter can be read by every program on the systems for which Rust has a standard
        // library. The instruction accesses no memory.
        unsafe { asm!("rdtime {}", out(reg) count, options(nomem, nostack, preserves_flags)) };
        count
    }

    #[cold]
    fn find_rate() -> u64 {
        let per_second = counts_per_second().max(1);
        // Never 0, and no more than one count per second.
        let rate = ((1_000_000_000_u128 << 32) / u128::from(per_second)).clamp(1, u64::MAX.into()) as u64;
        NANOS_PER_COUNT.store(rate, Ordering::Relaxed); // see `now`
        rate
    }

    #[cfg(target_arch = "aarch64")]
    fn counts_per_second() -> u64 {
        let rate: u64;
        // SAFETY: as for `count`.
        unsafe { asm!("mrs {}, cntfrq_el0", out(reg) rate, options(nomem, nostack, preserves_flags)) };
        rate
    }

    /// The rate is only in tables of the firmware, so it is measured, for two milliseconds: to within some
    /// percent with the slowest counters (1 MHz).
    #[cfg(target_arch = "riscv64")]
    fn counts_per_second() -> u64 {
        let (begin, first) = (std::time::Instant::now(), count());
        while begin.elapsed().as_micros() < 2000 {
            std::hint::spin_loop();
        }
        let counts = count().saturating_sub(first);
        (u128::from(counts) * 1_000_000_000 / begin.elapsed().as_nanos().max(1)) as u64
    }
}

#[cfg(not(all(
    any(
        all(any(target_arch = "x86", target_arch = "x86_64"), not(target_env = "sgx")),
        target_arch = "aarch64",
        target_arch = "riscv64"
    ),
    not(miri),
    not(longshore_portable)
)))]
mod counter {
    #[inline]
    pub fn now() -> u64 {
        super::by_instant()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares `clock` with real time for two milliseconds or more. The interval of one clock contains that
    /// of the other, so that the result holds also if the thread is preempted between two readings.
    fn check(clock: fn() -> u64) {
        clock(); // the first call takes longer
        let (outer, real, inner) = (clock(), Instant::now(), clock());
        while real.elapsed().as_micros() < 2000 {}
        let (inner, micros, outer) = (clock() - inner, real.elapsed().as_micros() as u64, clock() - outer);
        assert!(outer > micros * TICKS_PER_US / 4, "{outer} ticks in {micros} us");
        assert!(inner < micros * TICKS_PER_US * 4, "{inner} ticks in {micros} us");
    }

    #[test]
    fn time_passes() {
        check(now);
    }

    #[test]
    fn the_clock_of_the_standard_library_has_the_same_unit() {
        check(by_instant);
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri), not(longshore_portable)))]
    #[test]
    fn the_processor_is_asked_for_an_invariant_counter() {
        let flags = std::fs::read_to_string("/proc/cpuinfo").expect("Linux describes the processor");
        let flags = flags.lines().find(|line| line.starts_with("flags")).expect("flags");
        assert_eq!(counter::is_invariant(), flags.split(' ').any(|flag| flag == "nonstop_tsc"), "{flags}");
    }
}
