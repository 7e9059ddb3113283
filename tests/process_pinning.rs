//! Pinning when the process is confined to some cores, or the system refuses a pin.

#![cfg(target_os = "linux")]

mod support;

use std::sync::{Arc, Barrier};

use longshore::{AnyPool, BuildError, PinStatus, Pinning, Pool, PullPool};

use support::child::{self, Child, with_each_kind};
use support::{thread_count, wait_until};

fn build(workers: usize, pinning: Pinning) -> Result<Pool, BuildError> {
    Pool::builder().workers(workers).pinning(pinning).build()
}

fn statuses(pool: &Pool) -> Vec<PinStatus> {
    pool.stats().workers.iter().map(|worker| worker.pin).collect()
}

#[track_caller]
fn works(pool: &Pool) {
    let handles = pool.submit_batch((0..500u64).map(|n| move || n)).expect("open");
    assert_eq!(handles.into_iter().map(|handle| handle.join().expect("ran")).sum::<u64>(), 124_750);
}

/// The process may run on one core only. No worker is pinned elsewhere, and a configured other core is an
/// error.
#[test]
fn inside_the_mask_of_the_process() {
    const NAME: &str = "inside_the_mask_of_the_process";
    let plays = child::plays(NAME, |core| {
        let core = core.parse().expect("a number");
        for pinning in [Pinning::Compact, Pinning::Spread, Pinning::Cores(vec![core])] {
            let pool = build(3, pinning).expect("starts");
            assert_eq!(statuses(&pool), [PinStatus::Pinned(core); 3]);
            works(&pool);
        }
        let other = if core == 0 { 1 } else { 0 };
        for cores in [vec![other], vec![core, other]] {
            match build(2, Pinning::Cores(cores)) {
                Err(BuildError::CoreNotAllowed { core }) => assert_eq!(core, other),
                built => panic!("{built:?}"),
            }
        }
        let free = build(2, Pinning::None).expect("starts");
        assert_eq!(statuses(&free), [PinStatus::Unpinned; 2]);
        works(&free);
    });
    if plays {
        return;
    }
    for core in ["0", "1"] {
        if child::has("taskset", &["-c", core, "true"]) {
            Child::of(NAME).argument(core).under(&["taskset", "-c", core]).succeeds();
        }
    }
}

/// The system refuses every pin. The statistics show that, and nothing else changes.
#[test]
fn a_refused_pin_is_visible_and_not_fatal() {
    const NAME: &str = "a_refused_pin_is_visible_and_not_fatal";
    let plays = child::plays(NAME, |_| {
        for pinning in [Pinning::Compact, Pinning::Spread, Pinning::Cores(vec![0])] {
            let pool = build(3, pinning.clone()).expect("starts without pins");
            for status in statuses(&pool) {
                assert!(matches!(status, PinStatus::Refused(_)), "{pinning:?}: {status}");
            }
            works(&pool);
            pool.shutdown().expect("shuts down");
        }
        let pool = build(2, Pinning::None).expect("starts");
        assert_eq!(statuses(&pool), [PinStatus::Unpinned; 2]);
        works(&pool);
    });
    if plays || !child::has("strace", &["-f", "-o", "/dev/null", "true"]) {
        return;
    }
    for error in ["EPERM", "EINVAL"] {
        let fault = format!("inject=sched_setaffinity:error={error}");
        let strace =
            ["strace", "-f", "-qq", "-e", "trace=sched_setaffinity", "-e", &fault, "-o", "/dev/null"];
        Child::of(NAME).under(&strace).succeeds();
    }
}

/// A sandbox that reports success and does nothing is detected. The process must have more than one core;
/// otherwise there is no difference.
#[test]
fn a_pin_that_does_nothing_is_visible() {
    const NAME: &str = "a_pin_that_does_nothing_is_visible";
    let plays = child::plays(NAME, |_| {
        let pool = build(2, Pinning::Compact).expect("starts without pins");
        let statuses = statuses(&pool);
        assert!(statuses.iter().all(|status| matches!(status, PinStatus::Refused(_))), "{statuses:?}");
        works(&pool);
    });
    if plays || !child::has("strace", &["-f", "-o", "/dev/null", "true"]) {
        return;
    }
    if !child::has("sh", &["-c", "test $(nproc) -ge 2"]) {
        return;
    }
    let fault = "inject=sched_setaffinity:retval=0";
    let strace = ["strace", "-f", "-qq", "-e", "trace=sched_setaffinity", "-e", fault, "-o", "/dev/null"];
    Child::of(NAME).under(&strace).succeeds();
}

fn cpu_set(cores: &[usize]) -> libc::cpu_set_t {
    // SAFETY: a `cpu_set_t` is an array of integers, for which zeros are valid.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &core in cores {
        assert!(core < libc::CPU_SETSIZE as usize);
        // SAFETY: the core is within the set.
        unsafe { libc::CPU_SET(core, &mut set) };
    }
    set
}

/// The cores on which thread `thread` may run; 0 names the calling thread.
fn cores_of(thread: libc::pid_t) -> Vec<usize> {
    let mut set = cpu_set(&[]);
    // SAFETY: `set` is valid for a write of a `cpu_set_t`.
    let result = unsafe { libc::sched_getaffinity(thread, size_of::<libc::cpu_set_t>(), &mut set) };
    assert_eq!(result, 0, "the mask is readable");
    // SAFETY: each core is within the set.
    (0..libc::CPU_SETSIZE as usize).filter(|&core| unsafe { libc::CPU_ISSET(core, &set) }).collect()
}

/// Gives every thread of this process the cores `cores`, as `taskset -ap` does.
fn confine_all_threads(cores: &[usize]) {
    for task in std::fs::read_dir("/proc/self/task").expect("Linux") {
        let name = task.expect("readable").file_name();
        let thread = name.to_str().and_then(|name| name.parse().ok()).expect("a thread id");
        let set = cpu_set(cores);
        // SAFETY: `set` is valid for a read of a `cpu_set_t`. A thread that has ended is an error.
        unsafe { libc::sched_setaffinity(thread, size_of::<libc::cpu_set_t>(), &set) };
    }
}

/// The cores of each of the `workers` workers, which all run at the same time.
fn cores_of_workers<P: AnyPool>(pool: &P, workers: usize) -> Vec<Vec<usize>> {
    let all_run = Arc::new(Barrier::new(workers));
    let look = || {
        let all_run = all_run.clone();
        move || {
            all_run.wait();
            cores_of(0)
        }
    };
    let handles = pool.submit_batch((0..workers).map(|_| look())).expect("open");
    handles.into_iter().map(|handle| handle.join().expect("ran")).collect()
}

/// An operator takes a core away from all threads, and later gives it back. Workers that come later keep to
/// it, stand-ins too.
fn masks_that_change<P: AnyPool>() {
    let cores = cores_of(0);
    let [first, second, ..] = cores[..] else { return println!("SKIPPED: one core") };
    let pool = P::builder().workers(4).build().expect("starts");
    assert_eq!(cores_of_workers(&pool, 4), vec![cores.clone(); 4]);
    let before = thread_count();
    pool.set_workers(1).expect("within the range");
    wait_until("three workers have left", || thread_count() == before - 3);
    confine_all_threads(&[first]);
    pool.set_workers(4).expect("there are threads");
    assert_eq!(cores_of_workers(&pool, 4), vec![vec![first]; 4]);
    confine_all_threads(&[second]);
    assert_eq!(cores_of_workers(&pool, 4), vec![vec![second]; 4]);
    let stand_in = pool.submit(|| {
        let inner = longshore::submit(|| cores_of(0)).expect("inside");
        longshore::blocking(|| inner.join().expect("ran"))
    });
    assert_eq!(stand_in.expect("open").join().expect("ran"), [second]);
    confine_all_threads(&cores);
    pool.set_workers(1).expect("within the range");
    pool.set_workers(4).expect("there are threads");
    assert_eq!(cores_of_workers(&pool, 4), vec![cores.clone(); 4]);
    // The main thread alone, by the program itself: the workers are free.
    let set = cpu_set(&[first]);
    let main = libc::pid_t::try_from(std::process::id()).expect("a thread id");
    // SAFETY: `set` is valid for a read of a `cpu_set_t`.
    assert_eq!(unsafe { libc::sched_setaffinity(main, size_of::<libc::cpu_set_t>(), &set) }, 0);
    pool.set_workers(1).expect("within the range");
    pool.set_workers(4).expect("there are threads");
    assert_eq!(cores_of_workers(&pool, 4), vec![cores; 4]);
    pool.shutdown().expect("ends");
}

#[test]
fn workers_keep_to_a_mask_that_changes_later() {
    with_each_kind(
        "workers_keep_to_a_mask_that_changes_later",
        masks_that_change::<Pool>,
        masks_that_change::<PullPool>,
    );
}

/// The control group for this process, if the system lets a process make one.
struct Cpuset(std::path::PathBuf);

impl Cpuset {
    fn new() -> Option<Cpuset> {
        let root = ["/sys/fs/cgroup/cpuset", "/sys/fs/cgroup"].map(std::path::Path::new);
        let root = root.into_iter().find(|root| {
            root.join("cpuset.cpus").exists()
                || std::fs::read_to_string(root.join("cgroup.subtree_control"))
                    .is_ok_and(|controllers| controllers.contains("cpuset"))
        })?;
        let group = root.join(format!("longshore-test-{}", std::process::id()));
        std::fs::create_dir(&group).ok()?;
        let group = Cpuset(group);
        let nodes = std::fs::read_to_string(root.join("cpuset.mems")).unwrap_or_else(|_| "0".to_owned());
        std::fs::write(group.0.join("cpuset.mems"), nodes.trim()).ok()?;
        Some(group)
    }

    /// Allows the processes of the group these cores only.
    fn allow(&self, cores: &str) -> bool {
        std::fs::write(self.0.join("cpuset.cpus"), cores).is_ok()
    }

    fn move_to(group: &std::path::Path, process: u32) -> bool {
        std::fs::write(group.join("cgroup.procs"), process.to_string()).is_ok()
    }
}

impl Drop for Cpuset {
    fn drop(&mut self) {
        // A group with processes cannot be removed, and the child that was in it has ended.
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// The cpuset of the process loses the core of a pinned worker, and gets it back.
fn cpusets_that_change<P: AnyPool>() {
    let cores = cores_of(0);
    let ([first, second, ..], Some(group)) = (&cores[..], Cpuset::new()) else {
        return println!("SKIPPED: no cpuset can be made, or one core");
    };
    let free = P::builder().workers(4).build().expect("starts");
    // Workers 1 and 3 are pinned to the second core.
    let pinned = P::builder().workers(4).pinning(Pinning::Cores(vec![*first, *second])).build();
    let pinned = pinned.expect("both cores are allowed");
    let both = format!("{first},{second}");
    if !group.allow(&both) || !Cpuset::move_to(&group.0, std::process::id()) {
        return println!("SKIPPED: no process can be moved to a cpuset");
    }
    assert!(group.allow(&first.to_string()), "a core is taken away");
    for pool in [&free, &pinned] {
        assert_eq!(cores_of_workers(pool, 4), vec![vec![*first]; 4]);
        let before = thread_count();
        pool.set_workers(1).expect("within the range");
        wait_until("three workers have left", || thread_count() == before - 3);
        pool.set_workers(4).expect("there are threads");
        assert_eq!(cores_of_workers(pool, 4), vec![vec![*first]; 4]);
    }
    let refused = pinned.stats().workers.iter().any(|worker| worker.pin == PinStatus::Refused(*second));
    assert!(refused, "{:?}", pinned.stats().workers);
    assert!(group.allow(&both), "it comes back");
    for pool in [free, pinned] {
        pool.set_workers(1).expect("within the range");
        pool.set_workers(4).expect("there are threads");
        assert!(cores_of_workers(&pool, 4).iter().all(|cores| !cores.is_empty()));
        pool.shutdown().expect("ends");
    }
    let parent = group.0.parent().expect("a group has a parent");
    assert!(Cpuset::move_to(parent, std::process::id()), "so that the group can be removed");
}

#[test]
fn a_cpuset_that_changes_later_is_no_fault() {
    with_each_kind(
        "a_cpuset_that_changes_later_is_no_fault",
        cpusets_that_change::<Pool>,
        cpusets_that_change::<PullPool>,
    );
}
