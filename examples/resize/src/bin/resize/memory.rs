//! The process and its memory: how much of it images may take, and an allocator that gives back what is
//! freed.

use longshore_cli::limits;

use crate::cli::Cli;

/// Blocks of this size and above get pages of their own, which go back to the system as soon as they are
/// freed. Below it are the small things of the codecs, above it everything that grows with an image.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const OWN_PAGES: libc::c_int = 128 << 10;

/// Heaps that all threads share. With one for each thread, which is the default, each would keep free blocks
/// that no other thread can use.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: libc::c_int = 1;

/// Where the system does not tell what there is.
const UNKNOWN: u64 = 2 << 30;

/// The memory for images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// For all images that are worked on at a time.
    pub bytes: u64,
    pub between: Between,
}

/// What a worker has between two images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// Its buffers, for the next one.
    Keeps,
    /// Nothing: memory is scarce, and no weight stands for it.
    Frees,
}

/// The memory for images: what the user says, or three quarters of what the process can have, and of what is
/// free now.
pub fn budget(cli: &Cli) -> Budget {
    if let Some(bytes) = cli.max_memory {
        return Budget { bytes, between: Between::Frees };
    }
    let most = limits::memory();
    let free = field("MemAvailable:");
    let bytes = [most, free].into_iter().flatten().min().unwrap_or(UNKNOWN) / 4 * 3;
    // A limit below the machine's memory kills where it is passed, rather than makes slow.
    let is_scarce = most.zip(field("MemTotal:")).is_some_and(|(most, total)| most < total);
    Budget { bytes, between: if is_scarce { Between::Frees } else { Between::Keeps } }
}

/// A figure of the machine's memory, in bytes, if the system tells.
fn field(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Makes the allocator give large blocks back, before there are threads.
///
/// By default glibc raises the size from which it does so to that of the largest block ever freed, up to 32
/// MiB: good for the speed of programs, but then the process keeps several images more than are being worked
/// on.
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
