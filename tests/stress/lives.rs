//! Pools that live for short or long, while producers use every call at random. Compiled once for each kind:
//! `Pool` is that of the module that includes this one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use longshore::{BatchError, JoinHandle, ShutdownError, SubmitErrorKind};
use rand::RngExt;
use rand::rngs::SmallRng;

use super::*;
use crate::support::audit::{Audit, check, count_returned, silent};
use crate::support::{
    Hits, PATIENCE, Tracked, assert_quiescent, quiet_panic, rng, scaled, seed, wait_until, watchdog,
};

/// A thread that submits at random.
struct Producer<'a> {
    pool: &'a Pool,
    audit: &'a Audit,
    rng: SmallRng,
    /// Handles that are used later.
    kept: Vec<JoinHandle<Tracked>>,
}

impl<'a> Producer<'a> {
    fn new(pool: &'a Pool, audit: &'a Audit, rng: SmallRng) -> Self {
        Producer { pool, audit, rng, kept: Vec::new() }
    }

    /// Submits until there have been enough tasks, or the pool is closed.
    fn run(mut self) {
        let capacity = self.audit.capacity();
        while self.audit.tasks() < capacity && self.submit_something() {}
        for handle in self.kept {
            check(handle.join());
        }
    }

    /// Returns whether the pool was still open.
    fn submit_something(&mut self) -> bool {
        match self.rng.random_range(0..8) {
            0 => self.submit_one::<0>(),
            1 => self.submit_one::<40>(),
            2 => self.submit_one::<300>(),
            3 => self.submit_one::<3_000>(),
            _ => self.submit_many(),
        }
    }

    fn submit_one<const N: usize>(&mut self) -> bool {
        let Some(task) = self.audit.task::<N>(&mut self.rng) else { return true };
        if self.rng.random() {
            return self
                .pool
                .execute(silent(task))
                .map_err(|refused| count_returned(refused.into_inner()))
                .is_ok();
        }
        match self.pool.submit(task) {
            Ok(handle) => {
                self.use_handle(handle);
                true
            }
            Err(refused) => {
                count_returned(refused.into_inner()).check();
                false
            }
        }
    }

    fn submit_many(&mut self) -> bool {
        let mut rng = rng(self.rng.random(), 0);
        let (audit, number) = (self.audit, rng.random_range(0..80));
        let tasks = (0..number).map_while(|_| audit.task::<10>(&mut rng));
        if self.rng.random() {
            return self.pool.execute_batch(tasks.map(silent)).map_err(count_returned_batch).is_ok();
        }
        let (handles, open) = match self.pool.submit_batch(tasks) {
            Ok(handles) => (handles, true),
            Err(error) => (count_returned_batch(error), false),
        };
        handles.into_iter().for_each(|handle| self.use_handle(handle));
        open
    }

    fn use_handle(&mut self, mut handle: JoinHandle<Tracked>) {
        match self.rng.random_range(0..12) {
            0 => drop(handle),
            1 => {
                handle.cancel();
                drop(handle);
            }
            2 => {
                let cancelled = handle.cancel();
                let result = handle.join();
                // A shutdown may have cancelled it as well; then `cancel` returns true too.
                assert_eq!(cancelled, result.as_ref().is_err_and(|error| error.is_cancelled()));
                check(result);
            }
            3 => check(handle.join()),
            4 => _ = handle.try_join().map(check),
            5 => _ = handle.join_timeout(Duration::from_micros(self.rng.random_range(0..200))).map(check),
            6 => check(pollster::block_on(handle)),
            _ => self.kept.push(handle),
        }
        if self.kept.len() > 50 {
            let index = self.rng.random_range(0..self.kept.len());
            check(self.kept.swap_remove(index).join());
        }
    }
}

/// Counts the tasks that were returned. Returns the handles of the accepted tasks.
fn count_returned_batch<F: FnOnce() -> T, T, H>(error: BatchError<F, H>) -> Vec<H> {
    assert_eq!(error.kind, SubmitErrorKind::Closed);
    let (accepted, rejected) = error.into_parts();
    rejected.into_iter().for_each(|task| drop(count_returned(task)));
    accepted
}

/// How a pool ends while its producers work.
#[derive(Clone, Copy)]
enum End {
    /// After they have finished.
    Afterwards,
    Shutdown,
    ShutdownNow,
    /// A shutdown with a timeout, then `shutdown_now`.
    TimeoutThenNow,
}

impl End {
    fn perform(self, pool: &Pool) {
        match self {
            End::Afterwards => {}
            End::Shutdown => pool.shutdown().expect("shuts down"),
            End::ShutdownNow => _ = pool.shutdown_now().expect("shuts down"),
            End::TimeoutThenNow => match pool.shutdown_timeout(Duration::from_micros(50)) {
                Ok(()) => {}
                Err(ShutdownError::TimedOut) => _ = pool.shutdown_now().expect("shuts down"),
                Err(other) => panic!("{other}"),
            },
        }
    }
}

/// Builds a pool, has `producers` threads submit `tasks` tasks (those that tasks submit included), and ends
/// the pool at a random moment.
fn life(workers: usize, producers: usize, tasks: usize, end: End, seed: u64) {
    let pool = Arc::new(Pool::builder().workers(workers).seed(seed).build().expect("starts"));
    let watchdog = watchdog(&format!("{workers} workers, {producers} producers"), 2 * PATIENCE);
    watchdog.watch(&pool);
    let audit = Audit::new(tasks);
    let together = Barrier::new(producers + 1);
    thread::scope(|scope| {
        for number in 0..producers {
            let (pool, audit, together) = (&pool, &audit, &together);
            let producer = Producer::new(pool, audit, rng(seed, 1 + number as u64));
            scope.spawn(move || {
                together.wait();
                producer.run();
            });
        }
        together.wait();
        // The moment is a number of tasks, not a time.
        let moment = rng(seed, 0).random_range(0..tasks as u64);
        if !matches!(end, End::Afterwards) {
            wait_until("enough tasks were made", || audit.tasks() >= moment);
        }
        end.perform(&pool);
    });
    pool.shutdown().expect("shuts down");
    let stats = assert_quiescent(&pool);
    assert_eq!((stats.waiting, stats.running, stats.hook_panics), (0, 0, 0), "{stats:?}");
    audit.balance(&stats);
    assert!(stats.workers.iter().all(|worker| worker.queue_depth == 0), "{stats:?}");
}

#[test]
fn every_task_is_accounted_for() {
    let seed = seed();
    for workers in [1, 2, 8, 64] {
        for producers in [1, 8] {
            life(workers, producers, scaled(20_000), End::Afterwards, seed);
        }
    }
}

#[test]
fn a_shutdown_at_a_random_moment() {
    let seed = seed();
    for round in 0..scaled(250) as u64 {
        let (workers, producers) = ([1, 2, 8][round as usize % 3], [1, 8, 3][round as usize / 3 % 3]);
        life(workers, producers, 400, End::Shutdown, seed.wrapping_add(round));
    }
    life(64, 8, 5_000, End::Shutdown, seed);
}

#[test]
fn a_shutdown_now_at_a_random_moment() {
    let seed = seed();
    for round in 0..scaled(250) as u64 {
        let (workers, producers) = ([1, 2, 8][round as usize % 3], [1, 8, 3][round as usize / 3 % 3]);
        let end = if round % 4 == 3 { End::TimeoutThenNow } else { End::ShutdownNow };
        life(workers, producers, 400, end, seed.wrapping_add(round));
    }
    life(64, 8, 5_000, End::ShutdownNow, seed);
}

/// Several threads submit single tasks as fast as they can while the pool closes, many times. Accepted tasks
/// have run when `shutdown` returns; all others are returned.
#[test]
fn submitters_race_with_shutdown() {
    const SUBMITTERS: usize = 4;
    const TASKS: usize = 50;
    let _watchdog = watchdog("submitters_race_with_shutdown", 3 * PATIENCE);
    for round in 0..scaled(1_500) {
        let pool = Pool::builder().workers(1 + round % 3).build().expect("starts");
        let ran = Hits::new(SUBMITTERS * TASKS);
        let together = Barrier::new(SUBMITTERS + 1);
        let accepted: usize = thread::scope(|scope| {
            let submitters: Vec<_> = (0..SUBMITTERS)
                .map(|number| {
                    let (pool, ran, together) = (&pool, &ran, &together);
                    scope.spawn(move || {
                        together.wait();
                        let submit = |task: &usize| pool.execute(ran.task(number * TASKS + task)).is_ok();
                        (0..TASKS).take_while(submit).count()
                    })
                })
                .collect();
            together.wait();
            (0..round % 20).for_each(|_| thread::yield_now());
            pool.shutdown().expect("shuts down");
            let ran_by_now = ran.total();
            let accepted = submitters.into_iter().map(|thread| thread.join().expect("no panic")).sum();
            assert_eq!(ran_by_now, accepted, "all accepted tasks have run when it returns");
            accepted
        });
        ran.assert_at_most_once_each();
        assert_eq!((ran.total(), pool.stats().submitted), (accepted, accepted as u64));
    }
}

/// A million panics (a hundredth of them by default) leave nothing behind.
#[test]
fn a_storm_of_panics() {
    let rounds = scaled(10_000);
    let (sender, receiver) = mpsc::channel();
    let pool = Pool::builder()
        .workers(4)
        .panic_handler(move |payload| sender.send(payload.message().is_some()).expect("received"))
        .build()
        .expect("starts");
    let _watchdog = watchdog("a_storm_of_panics", 2 * PATIENCE);
    for _ in 0..rounds {
        pool.execute(|| quiet_panic("executed")).expect("open");
        let handle = pool.submit(|| quiet_panic("submitted")).expect("open");
        assert!(handle.join().map(|(): ()| ()).is_err_and(|error| error.is_panic()));
    }
    pool.shutdown().expect("shuts down");
    let stats = assert_quiescent(&pool);
    assert_eq!((stats.panicked, stats.hook_panics), (2 * rounds as u64, 0));
    drop(pool);
    assert_eq!(receiver.iter().filter(|&message| message).count(), rounds);
}

/// Handles are cancelled, joined and dropped by one thread while another one submits: each task ends in one
/// way.
#[test]
fn handles_change_hands() {
    let seed = seed();
    for workers in [1, 2, 8] {
        let pool = Arc::new(Pool::builder().workers(workers).build().expect("starts"));
        let watchdog = watchdog("handles_change_hands", 2 * PATIENCE);
        watchdog.watch(&pool);
        let audit = Audit::new(scaled(6_000));
        let (sender, receiver) = mpsc::sync_channel::<JoinHandle<Tracked>>(100);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let (pool, audit, done) = (&*pool, &audit, &done);
            scope.spawn(move || {
                let mut rng = rng(seed, 1);
                while let Some(task) = audit.task::<30>(&mut rng) {
                    sender.send(pool.submit(task).expect("open")).expect("received");
                }
                done.store(true, Ordering::Release);
            });
            scope.spawn(move || {
                let mut producer = Producer::new(pool, audit, rng(seed, 2));
                receiver.iter().for_each(|handle| producer.use_handle(handle));
                producer.kept.into_iter().for_each(|handle| check(handle.join()));
            });
            scope.spawn(move || {
                // Meanwhile no counter is ahead of another.
                while !done.load(Ordering::Acquire) {
                    let stats = pool.stats();
                    let ended = stats.completed + stats.panicked + stats.cancelled;
                    assert!(ended <= stats.submitted, "{stats:?}");
                    thread::yield_now();
                }
            });
        });
        pool.shutdown().expect("shuts down");
        audit.balance(&assert_quiescent(&pool));
    }
}
