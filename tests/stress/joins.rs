//! Joins that panic at random, entered by several threads at once, while the pool runs other tasks or ends:
//! each leaf runs once, whatever happens, and each value is dropped once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use longshore::{Context, Pool};
use rand::RngExt;

use crate::support::{
    Census, Hits, PATIENCE, Tracked, assert_quiescent, quiet_panic, rng, scaled, seed, watchdog,
};

/// A tree of joins of a random shape over the numbers from `first` on. One in a hundred of its nodes panics:
/// a leaf, or a join after both of its sides have returned.
struct Forest<'a> {
    leaves: &'a Hits,
    census: &'a Census,
    pool: &'a Pool,
    seed: u64,
}

impl Forest<'_> {
    /// Returns the values of the leaves, in order.
    fn walk(&self, cx: Context<'_>, first: usize, leaves: usize) -> Vec<Tracked> {
        let mut rng = rng(self.seed, ((first as u64) << 32) + leaves as u64);
        let fails = rng.random_ratio(1, 100);
        if leaves == 1 {
            self.leaves.hit(first);
            self.do_something_else(rng.random_range(0..24));
            if fails {
                quiet_panic(self.census.citizen());
            }
            return vec![self.census.citizen()];
        }
        let left = rng.random_range(1..leaves);
        let (a_captured, b_captured) = (self.census.citizen(), self.census.citizen());
        let a = move |cx: Context<'_>| {
            a_captured.check();
            self.walk(cx, first, left)
        };
        let b = move |cx: Context<'_>| {
            b_captured.check();
            self.walk(cx, first + left, leaves - left)
        };
        let (mut results, others) = match rng.random_range(0..8) {
            0 => longshore::join(|| self.pool.enter(a), || self.pool.enter(b)),
            1 => self.pool.enter(|cx| cx.join(a, b)),
            _ => cx.join(a, b),
        };
        results.extend(others);
        if fails {
            quiet_panic(self.census.citizen());
        }
        results.iter().for_each(Tracked::check);
        results
    }

    /// Other tasks, which are refused if the pool has ended.
    fn do_something_else(&self, way: u32) {
        let citizen = self.census.citizen();
        match way {
            0 => drop(longshore::execute(move || citizen.check())),
            1 => drop(longshore::submit(move || citizen)),
            2 => {
                let Ok(handle) = longshore::submit(move || citizen) else { return };
                handle.join().into_iter().for_each(|citizen| citizen.check());
            }
            3 => {
                let Ok(handle) = self.pool.submit(|| quiet_panic(citizen)) else { return };
                let end: Result<(), _> = handle.join();
                assert!(end.is_err(), "the task panics or is cancelled");
            }
            _ => {}
        }
    }
}

#[derive(Clone, Copy)]
enum End {
    Afterwards,
    Shutdown,
    ShutdownNow,
}

/// Builds a pool, which `threads` threads enter with trees of `leaves` leaves, and ends it.
fn life(workers: usize, threads: usize, leaves: usize, end: End, seed: u64) {
    let pool = Arc::new(Pool::builder().workers(workers).seed(seed).build().expect("starts"));
    let watchdog = watchdog(&format!("{workers} workers, {threads} threads"), 2 * PATIENCE);
    watchdog.watch(&pool);
    let (hits, census) = (Hits::new(threads * leaves), Census::default());
    let together = Barrier::new(threads + 1);
    thread::scope(|scope| {
        for number in 0..threads {
            let (pool, hits, census, together) = (&*pool, &hits, &census, &together);
            scope.spawn(move || {
                let forest = Forest { leaves: hits, census, pool, seed: seed ^ number as u64 };
                together.wait();
                let mut rng = rng(seed, number as u64);
                let mut first = number * leaves;
                while first < (number + 1) * leaves {
                    let some = rng.random_range(1..=leaves.min(200)).min((number + 1) * leaves - first);
                    let tree = || pool.enter(|cx| forest.walk(cx, first, some));
                    match catch_unwind(AssertUnwindSafe(tree)) {
                        Ok(results) => assert_eq!(results.len(), some),
                        Err(payload) => {
                            payload.downcast::<Tracked>().expect("a payload of this test").check()
                        }
                    }
                    first += some;
                }
            });
        }
        together.wait();
        let moment = rng(seed, 99).random_range(0..threads * leaves);
        match end {
            End::Afterwards => {}
            End::Shutdown | End::ShutdownNow => {
                crate::support::wait_until("enough leaves have run", || hits.total() >= moment);
                let ended = if matches!(end, End::Shutdown) {
                    pool.shutdown()
                } else {
                    pool.shutdown_now().map(|_| ())
                };
                ended.expect("ends");
            }
        }
    });
    pool.shutdown().expect("ends");
    hits.assert_once_each();
    let stats = assert_quiescent(&pool);
    assert_eq!((stats.waiting, stats.running), (0, 0), "{stats:?}");
    drop(pool);
    census.assert_all_gone();
}

#[test]
fn every_leaf_runs_once_whatever_panics() {
    let seed = seed();
    for workers in [1, 2, 8, 64] {
        for threads in [1, 6] {
            life(workers, threads, scaled(10_000), End::Afterwards, seed.wrapping_add(threads as u64));
        }
    }
}

#[test]
fn every_leaf_runs_once_while_the_pool_ends() {
    let seed = seed();
    for round in 0..scaled(250) as u64 {
        let (workers, threads) = ([1, 2, 8][round as usize % 3], [1, 4][round as usize / 3 % 2]);
        let end = if round % 2 == 0 { End::Shutdown } else { End::ShutdownNow };
        life(workers, threads, 200, end, seed.wrapping_add(round));
    }
    life(64, 6, 2_000, End::Shutdown, seed);
    life(64, 6, 2_000, End::ShutdownNow, seed);
}

/// Work is sent to a pool, from outside or by a worker of another pool, while that pool ends and is dropped.
#[test]
fn a_pool_is_dropped_while_others_enter_it() {
    let _watchdog = watchdog("a_pool_is_dropped_while_others_enter_it", 3 * PATIENCE);
    let seed = seed();
    let home = Pool::builder().workers(2).build().expect("starts");
    for round in 0..scaled(1_500) as u64 {
        let mut rng = rng(seed, round);
        let target = Arc::new(Pool::builder().workers(rng.random_range(1..3)).build().expect("starts"));
        let ran = Arc::new(AtomicUsize::new(0));
        let visit = {
            let (target, ran) = (target.clone(), ran.clone());
            let ways = rng.random_range(0..3u8);
            move || {
                let (count, words) = (|| _ = ran.fetch_add(1, Ordering::Relaxed), [7u64; 8]);
                let sum = match ways {
                    0 => target.install(|| words.iter().sum::<u64>()),
                    1 => {
                        target.join(|| words[..4].iter().sum::<u64>(), || words[4..].iter().sum::<u64>()).0
                            * 2
                    }
                    _ => target.enter(|cx| cx.join(|_| words.iter().sum::<u64>(), |_| count()).0),
                };
                assert_eq!(sum, 56);
                count();
            }
        };
        let handle = home.submit(visit.clone()).expect("open");
        let outside = thread::spawn(visit);
        (0..rng.random_range(0..300)).for_each(|_| std::hint::spin_loop());
        if rng.random() {
            target.shutdown().expect("ends");
        }
        drop(target); // the last of three owners ends the pool, perhaps a worker of another pool
        handle.join().expect("ran");
        outside.join().expect("no panic");
        assert!(ran.load(Ordering::Relaxed) >= 2);
    }
}
