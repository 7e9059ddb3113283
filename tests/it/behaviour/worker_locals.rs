//! `WorkerLocal`: one value for each worker; where values are made, used and dropped.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use longshore::current_worker;

use super::*;
use crate::support::{quiet_panic, wait_until};

/// Records the worker that made it, and its drop.
struct Noted {
    made_by: Option<usize>,
    dropped: Arc<Mutex<Vec<Option<usize>>>>,
    /// Not `Sync`.
    uses: Cell<usize>,
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.dropped.lock().expect("no panic").push(self.made_by);
    }
}

#[test]
fn each_worker_has_its_own_which_outlives_the_pool() {
    let rig = Rig::new(3);
    let dropped = Arc::new(Mutex::new(Vec::new()));
    let local = {
        let dropped = dropped.clone();
        let make = move || Noted { made_by: current_worker(), dropped: dropped.clone(), uses: Cell::new(0) };
        rig.worker_local(make)
    };
    for _ in 0..5 {
        let local = local.clone();
        let use_it = move |worker| {
            local.with(|noted| {
                noted.uses.set(noted.uses.get() + 1);
                assert_eq!(noted.made_by, Some(worker));
                noted.uses.get()
            })
        };
        rig.broadcast(use_it).expect("open").into_iter().for_each(|handle| _ = handle.join().expect("ran"));
    }
    local.with(|noted| assert_eq!((noted.made_by, noted.uses.get()), (None, 0)));
    rig.finish();
    assert!(dropped.lock().expect("no panic").is_empty(), "the workers have ended, and the values are there");
    let mut uses: Vec<_> = local.take_all().iter().map(|noted| (noted.made_by, noted.uses.get())).collect();
    uses.sort();
    assert_eq!(uses, [(None, 0), (Some(0), 5), (Some(1), 5), (Some(2), 5)]);
    drop(local);
    assert_eq!(dropped.lock().expect("no panic").len(), 4, "each once");
}

#[test]
fn partial_sums_add_up_and_the_last_handle_drops_them_all() {
    let rig = Rig::new(4);
    let live = Arc::new(AtomicUsize::new(0));
    struct Sum(u64, Arc<AtomicUsize>);
    impl Drop for Sum {
        fn drop(&mut self) {
            self.1.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let counted = live.clone();
    let sums = rig.worker_local(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Sum(0, counted.clone())
    });
    let tasks = (1..=10_000u64).map(|n| {
        let sums = sums.clone();
        move || sums.with(|sum| sum.0 += n)
    });
    rig.submit_batch(tasks).expect("open").into_iter().for_each(|handle| handle.join().expect("ran"));
    let all = sums.take_all();
    assert!(all.len() <= 4 && live.load(Ordering::Relaxed) == all.len());
    assert_eq!(all.iter().map(|sum| sum.0).sum::<u64>(), 50_005_000);
    drop(all);
    sums.with(|sum| assert_eq!(sum.0, 0, "a new value"));
    drop(sums);
    wait_until("the last task has dropped its handle", || live.load(Ordering::Relaxed) == 0);
    rig.finish();
}

/// A wait inside a use runs another task on top of it, which uses the value of the same worker.
#[test]
fn a_use_within_a_use_gets_another_value() {
    let rig = Rig::new(1);
    let local = rig.worker_local(Vec::<u32>::new);
    let (inner, pool) = (local.clone(), Arc::downgrade(rig.pool()));
    let outer = local.clone();
    let task = move || {
        outer.with(|values| {
            values.push(1);
            let task = move || inner.with(|values| values.push(2));
            let pool = pool.upgrade().expect("the test holds it");
            pool.submit(task).expect("open").join().expect("ran");
            assert_eq!(*values, [1]);
        });
    };
    rig.submit(task).expect("open").join().expect("ran");
    let mut all = local.take_all();
    all.sort();
    assert_eq!(all, [[1], [2]]);
    rig.finish();
}

#[test]
fn a_value_whose_use_panicked_is_dropped() {
    let rig = Rig::new(1);
    let made = Arc::new(AtomicUsize::new(0));
    let counted = made.clone();
    let local = rig.worker_local(move || counted.fetch_add(1, Ordering::Relaxed));
    let uses = |panics: bool| {
        let local = local.clone();
        let task = move || {
            local.with(|number| {
                if panics {
                    quiet_panic("in use");
                }
                *number
            })
        };
        rig.submit(task).expect("open").join()
    };
    assert_eq!(uses(false).expect("ran"), 0);
    assert!(uses(true).is_err());
    assert_eq!(uses(false).expect("ran"), 1, "a new value");
    let many = |count: usize| {
        let local = local.clone();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..count).map(|_| scope.spawn(|| local.with(|number| *number))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<HashSet<_>>()
        })
    };
    assert!(
        many(8).iter().all(|&number| number >= 2),
        "threads outside of the pool have values of their own"
    );
    rig.finish();
}
