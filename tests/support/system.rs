//! What the operating system reports about this process.

use std::fs;
use std::time::Duration;

/// The number of threads of this process. Meaningful only if no other test runs in it.
pub fn thread_count() -> usize {
    // Not the length of the list of threads, which may leave one out while another one ends.
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let count = status.lines().find_map(|line| line.strip_prefix("Threads:")).expect("a count");
    count.trim().parse().expect("a number")
}

/// The names of this process's threads as the operating system shows them, sorted. A listing in which a
/// thread is left out, because another one ended while it was read, is made anew, for a while at least.
pub fn thread_names() -> Vec<String> {
    const LISTINGS: usize = 1000;
    let listing = || {
        let tasks = fs::read_dir("/proc/self/task").expect("Linux");
        let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
        tasks.filter_map(|task| name(task.ok()?)).map(|name| name.trim_end().to_owned()).collect()
    };
    let mut names: Vec<String> = listing();
    for _ in 1..LISTINGS {
        if thread_count() == names.len() {
            break;
        }
        names = listing();
    }
    names.sort();
    names
}

/// The resident memory of this process, in bytes.
#[cfg(unix)]
pub fn resident_memory() -> usize {
    let sizes = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize =
        sizes.split(' ').nth(1).expect("the second is the resident size").parse().expect("a number");
    // SAFETY: `sysconf` has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages * usize::try_from(page).expect("a size")
}

/// The processor time that this process has used so far.
#[cfg(unix)]
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for a write of a timespec.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "the clock exists");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
