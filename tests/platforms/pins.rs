//! The statistics say what was really done about pins.

use longshore::{PinStatus, Pinning, Pool, Urgency, Workers};

fn statuses(pool: &Pool) -> Vec<PinStatus> {
    pool.stats().workers.iter().map(|worker| worker.pin).collect()
}

#[test]
fn a_pin_is_reported_as_what_the_system_makes_of_it() {
    let pool = Pool::builder().workers(2).pinning(Pinning::Compact).build().expect("starts");
    for status in statuses(&pool) {
        let is_possible = if cfg!(longshore_portable) {
            matches!(status, PinStatus::Hint(_) | PinStatus::Refused(_))
        } else if cfg!(any(target_os = "linux", target_os = "freebsd", windows)) {
            matches!(status, PinStatus::Pinned(_))
        } else if cfg!(target_vendor = "apple") {
            matches!(status, PinStatus::Refused(_))
        } else {
            !matches!(status, PinStatus::Unpinned)
        };
        assert!(is_possible, "{status}");
    }
    assert_eq!(pool.map(0..100, |n| n * n).len(), 100);
}

#[test]
fn all_kinds_of_urgency_work() {
    let kinds =
        [Urgency::Interactive, Urgency::Initiated, Urgency::Utility, Urgency::Background, Urgency::Inherited];
    for urgency in kinds {
        let pool = Pool::builder().workers(1).urgency(urgency).build().expect("starts");
        assert_eq!(pool.submit(|| 6 * 7).expect("open").join().expect("no panic"), 42);
    }
}

#[test]
fn performance_cores_are_some_of_the_cores() {
    let Workers { min, max } = Workers::performance_cores();
    let all = Pool::builder().build().expect("starts").workers();
    assert!(min == max && (1..=all).contains(&max), "{min}..={max} of {all}");
}

#[cfg(all(target_os = "linux", not(longshore_portable)))]
mod on_linux {
    use std::sync::Arc;

    use super::*;

    /// The cores on which the calling thread may run.
    fn own_cores() -> Vec<usize> {
        let mut mask = [0_u8; 2048];
        // SAFETY: the mask is valid for writes of its length, which is more than a `cpu_set_t`.
        let result = unsafe { libc::sched_getaffinity(0, mask.len(), mask.as_mut_ptr().cast()) };
        assert_eq!(result, 0, "a mask of 16,384 cores is large enough");
        (0..mask.len() * 8).filter(|core| mask[core / 8] >> (core % 8) & 1 == 1).collect()
    }

    /// What `taskset` does to a thread.
    fn move_this_thread_to(cores: &[usize]) {
        let mut mask = [0_u8; 2048];
        cores.iter().for_each(|core| mask[core / 8] |= 1 << (core % 8));
        // SAFETY: the mask is valid for reads of its length, which is more than a `cpu_set_t`.
        let result = unsafe { libc::sched_setaffinity(0, mask.len(), mask.as_ptr().cast()) };
        assert_eq!(result, 0, "the cores are those of the process");
    }

    #[test]
    fn a_pin_that_another_program_replaces_is_reported_as_lost() {
        let all = own_cores();
        let pool = Pool::builder().workers(1).pinning(Pinning::Cores(vec![all[0]])).build().expect("starts");
        assert_eq!(statuses(&pool), [PinStatus::Pinned(all[0])]);
        if all.len() == 1 {
            return; // there is no other mask
        }
        let cores = all.clone();
        pool.submit(move || move_this_thread_to(&cores)).expect("open").join().expect("no panic");
        assert_eq!(statuses(&pool), [PinStatus::Lost(all[0])]);
        pool.submit(move || move_this_thread_to(&all[..1])).expect("open").join().expect("no panic");
        assert!(matches!(statuses(&pool)[..], [PinStatus::Pinned(_)]), "it is back");
        let shared = Arc::new(pool);
        shared.shutdown().expect("ends");
        assert!(matches!(statuses(&shared)[..], [PinStatus::Pinned(_)]), "a thread that has ended");
    }

    /// A worker that joins later, started by a pinned thread of another pool, runs where the process may.
    #[test]
    fn a_worker_that_comes_later_inherits_no_pin() {
        let all = own_cores();
        let pinned =
            Pool::builder().workers(1).pinning(Pinning::Cores(vec![all[0]])).build().expect("starts");
        let free = Arc::new(Pool::builder().workers(1..=2).build().expect("starts"));
        let of_task = free.clone();
        let grow = move || of_task.set_workers(2).expect("within the range");
        pinned.submit(grow).expect("open").join().expect("no panic");
        let masks = free.broadcast(|_| own_cores()).expect("open");
        for mask in masks {
            assert_eq!(mask.join().expect("no panic"), all);
        }
    }
}
