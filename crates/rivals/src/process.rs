//! What this process has used of the machine so far, and what the machine offers it.

use std::fs;
use std::time::Duration;

use crate::outcome::Failure;

/// Processor time that this process has used so far, in user mode and in the kernel.
#[cfg(unix)]
pub fn cpu_time() -> Result<Duration, Failure> {
    Ok(used(libc::RUSAGE_SELF))
}

/// Not known how on this system.
#[cfg(not(unix))]
pub fn cpu_time() -> Result<Duration, Failure> {
    Err(Failure::NotOffered)
}

/// Processor time that this process and its children have used so far; a child counts once it has ended and
/// its end has been waited for.
#[cfg(unix)]
pub fn cpu_time_with_children() -> Result<Duration, Failure> {
    Ok(used(libc::RUSAGE_SELF) + used(libc::RUSAGE_CHILDREN))
}

/// Not known how on this system.
#[cfg(not(unix))]
pub fn cpu_time_with_children() -> Result<Duration, Failure> {
    Err(Failure::NotOffered)
}

/// Processor time that the calling thread has used so far.
#[cfg(unix)]
pub fn cpu_time_of_thread() -> Result<Duration, Failure> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a whole `timespec`, which the call may write.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0, "the clock of a thread exists");
    Ok(Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32))
}

/// Not known how on this system.
#[cfg(not(unix))]
pub fn cpu_time_of_thread() -> Result<Duration, Failure> {
    Err(Failure::NotOffered)
}

/// Processor time of this process or of its children.
#[cfg(unix)]
fn used(whose: libc::c_int) -> Duration {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the pointer is to a whole `rusage`, which the call may write.
    let status = unsafe { libc::getrusage(whose, usage.as_mut_ptr()) };
    assert_eq!(status, 0, "getrusage fails for a bad argument only, and both arguments are good");
    // SAFETY: the call has succeeded, so it has filled the structure.
    let usage = unsafe { usage.assume_init() };
    let duration = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec.unsigned_abs())
            + Duration::from_micros(u64::from(t.tv_usec.unsigned_abs() as u32))
    };
    duration(usage.ru_utime) + duration(usage.ru_stime)
}

/// Bytes of the second-level cache of the first core, or a usual size where the system does not tell.
#[must_use]
pub fn l2_bytes() -> usize {
    const USUAL: usize = 1 << 20;
    let read = |index: u32, what: &str| {
        fs::read_to_string(format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{what}")).ok()
    };
    let size = (0..8).find(|&index| read(index, "level").is_some_and(|level| level.trim() == "2"));
    let size = size.and_then(|index| read(index, "size"));
    let kib = size.and_then(|size| size.trim().strip_suffix('K')?.parse::<usize>().ok());
    kib.map_or(USUAL, |kib| kib << 10)
}

/// Bytes of this process that are in memory now.
pub fn resident_bytes() -> Result<u64, Failure> {
    let statm = fs::read_to_string("/proc/self/statm").map_err(|_| Failure::NotOffered)?;
    let pages: u64 =
        statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).ok_or(Failure::NotOffered)?;
    Ok(pages * page_size())
}

#[cfg(unix)]
fn page_size() -> u64 {
    // SAFETY: a query without arguments in memory.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).expect("every system has a page size")
}

#[cfg(not(unix))]
fn page_size() -> u64 {
    4096
}
