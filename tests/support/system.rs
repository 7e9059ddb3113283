//! What the operating system reports about this process.

use std::fs;
use std::time::Duration;

/// The number of threads of this process. Meaningful only if no other test runs in it.
pub fn thread_count() -> usize {
    fs::read_dir("/proc/self/task").expect("Linux").count()
}

/// The names of this process's threads as the operating system shows them, sorted. A thread that ends
/// meanwhile may be missing.
pub fn thread_names() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
    let mut names: Vec<String> =
        tasks.filter_map(|task| name(task.ok()?)).map(|name| name.trim_end().to_owned()).collect();
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
