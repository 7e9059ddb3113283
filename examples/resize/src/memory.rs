//! The process and its memory: what it has taken at most, and an allocator that gives back what is freed.

/// Blocks of this size and above get pages of their own, which go back to the system as soon as they are freed.
/// Below it lie the small things of the codecs, above it everything that grows with an image.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const OWN_PAGES: libc::c_int = 128 << 10;

/// Heaps that all threads share. With one for each thread, which is the default, each would keep free blocks
/// that no other thread can use.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: libc::c_int = 1;

/// Makes the allocator give large blocks back, before there are threads.
///
/// By default glibc raises the size from which it does so to that of the largest block ever freed, up to 32 MiB:
/// good for the speed of programs, but then the process keeps several images more than are being worked on.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn give_back() {
    let settings = [
        (libc::M_MMAP_THRESHOLD, OWN_PAGES),
        (libc::M_TRIM_THRESHOLD, OWN_PAGES),
        (libc::M_ARENA_MAX, HEAPS),
    ];
    for (parameter, value) in settings {
        // SAFETY: always sound; it sets a parameter of the allocator, under its lock.
        // The result tells only that it does not know the parameter, and then nothing is lost but memory.
        let _ = unsafe { libc::mallopt(parameter, value) };
    }
}

/// Other allocators give back by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back() {}

/// The most memory that the process has had so far, in bytes, if the system tells.
#[cfg(target_os = "linux")]
pub fn peak() -> Option<u64> {
    // Not `getrusage`, whose figure is at first that of the program that started this one.
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(not(target_os = "linux"))]
pub fn peak() -> Option<u64> {
    None
}
