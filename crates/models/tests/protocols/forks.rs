//! M6: fork-join. A fork runs once, on its owner or on a thief; a waiter runs parts of the awaited fork and
//! nothing else; no worker sleeps while there is work for it.

use std::sync::Arc;

use super::common::end;
use super::mini::{Gate, Pool, Queues, Task};
use super::mini_worker::Worker;
use crate::code::result_slot;

fn pool_of(workers: usize) -> Arc<Pool> {
    Pool::new(workers, Queues::ForkSlots, 0)
}

/// A thread that acts as worker `index` and does `work`, without the worker's loop.
fn worker<T: 'static>(
    pool: &Arc<Pool>,
    index: usize,
    work: impl FnOnce(&Worker) -> T + 'static,
) -> loom::thread::JoinHandle<T> {
    let worker = Worker::new(pool.clone(), index);
    loom::thread::spawn(move || work(&worker))
}

/// A thread that acts as worker `index` and steals from worker `victim` once.
fn thief(pool: &Arc<Pool>, index: usize, victim: usize) -> loom::thread::JoinHandle<bool> {
    worker(pool, index, move |worker| steal(worker, victim))
}

/// Runs the fork in the fork slot of `victim`, if there is one.
fn steal(worker: &Worker, victim: usize) -> bool {
    let Some(job) = worker.take_fork(victim) else { return false };
    worker.run_task(Task::Job(job));
    true
}

fn nothing(_: &Worker) {}

fn join_nothing(worker: &Worker) {
    worker.join(nothing, nothing);
}

pub fn a_fork_is_run_by_its_owner_or_a_thief() {
    let pool = pool_of(2);
    let thief = thief(&pool, 1, 0);
    let by = Worker::new(pool.clone(), 0).join(nothing, nothing);
    assert_eq!(by == 1, end(thief));
    assert_eq!(pool.shown_forks(), 0);
}

/// Of two forks the older one is in the fork slot, and the other one after that was taken.
pub fn the_older_fork_is_taken_first() {
    let pool = pool_of(2);
    let thief = worker(&pool, 1, |worker| [steal(worker, 0), steal(worker, 0)]);
    let owner = Worker::new(pool.clone(), 0);
    let mut inner = 0;
    let outer = owner.join(|worker| inner = worker.join(nothing, nothing), nothing);
    let stolen = end(thief).into_iter().filter(|&stole| stole).count();
    assert_eq!(outer + inner, stolen);
    assert_eq!(pool.shown_forks(), 0);
}

/// The thief forks as well. The waiter runs a part of the awaited fork, or finds nothing and parks.
pub fn a_waiter_runs_a_part_of_the_awaited_fork() {
    let pool = pool_of(2);
    let thief = thief(&pool, 1, 0);
    Worker::new(pool.clone(), 0).join(nothing, join_nothing);
    end(thief);
    assert_eq!(pool.shown_forks(), 0);
}

/// A waiter whose stack is used up parks, whatever its thief shows. (If it looked again and again, it would
/// never park, which is a fault here.)
pub fn a_waiter_without_stack_parks() {
    let pool = pool_of(2);
    let thief = thief(&pool, 1, 0);
    let owner = Worker::new(pool.clone(), 0);
    owner.is_deep.set(true);
    owner.join(nothing, join_nothing);
    end(thief);
    assert_eq!(pool.shown_forks(), 0);
}

/// Three workers in a row: the thief of the first fork waits for the thief of the second.
pub fn a_thief_waits_for_a_thief() {
    let pool = pool_of(3);
    let thieves = [thief(&pool, 1, 0), thief(&pool, 2, 1)];
    Worker::new(pool.clone(), 0).join(nothing, |worker| {
        worker.join(nothing, join_nothing);
    });
    thieves.into_iter().for_each(|thief| _ = end(thief));
    assert_eq!(pool.shown_forks(), 0);
}

/// The thief needs the waiter to take its fork: if the waiter sleeps on, both wait for ever.
pub fn a_waiter_learns_of_its_thiefs_fork() {
    let pool = pool_of(2);
    let stolen = Gate::new();
    let is_stolen = stolen.clone();
    let thief = worker(&pool, 1, move |worker| {
        let job = loop {
            match worker.take_fork(0) {
                Some(job) => break job,
                None => loom::thread::yield_now(),
            }
        };
        stolen.open();
        worker.run_task(Task::Job(job));
    });
    Worker::new(pool.clone(), 0).join(
        move |_| is_stolen.wait(),
        |worker| {
            let gate = Gate::new();
            let opens = gate.clone();
            let by = worker.join(move |_| gate.wait(), move |_| opens.open());
            assert_eq!(by, 0);
        },
    );
    end(thief);
    assert_eq!(pool.shown_forks(), 0);
}

/// A fork of the thief that the waiter must not run.
fn unrelated(worker: &Worker) {
    assert_ne!(worker.index(), 0, "the waiter runs an unrelated fork");
}

/// The thief has finished, and shows a fork of something else. A waiter that takes it sees that its own fork
/// is done, and gives the other one back.
pub fn a_waiter_returns_an_unrelated_fork() {
    let pool = pool_of(2);
    let thief = worker(&pool, 1, |worker| {
        let stole = steal(worker, 0);
        assert_eq!(worker.join(nothing, unrelated), 1);
        stole
    });
    let by = Worker::new(pool.clone(), 0).join(nothing, nothing);
    assert_eq!(by == 1, end(thief));
    assert_eq!(pool.shown_forks(), 0);
}

/// A worker that waits for another pool inside the first half of a join steals. The fork that it shows then
/// is beneath the stolen one on its stack, and not a part of it.
pub fn a_waiter_leaves_older_forks_of_its_thief_alone() {
    let pool = pool_of(2);
    let thief = worker(&pool, 1, |worker| {
        let mut stole = false;
        worker.join(|worker| stole = steal(worker, 0), unrelated);
        stole
    });
    let by = Worker::new(pool.clone(), 0).join(nothing, nothing);
    assert_eq!(by == 1, end(thief));
    assert_eq!(pool.shown_forks(), 0);
}

/// The same with two forks, of which a third worker takes the older one, so that the other one is shown while
/// the thief runs the stolen fork.
pub fn a_waiter_leaves_later_shown_forks_of_its_thief_alone() {
    let pool = pool_of(3);
    let other = thief(&pool, 2, 1);
    let thief = worker(&pool, 1, |worker| {
        let mut stole = false;
        worker.join(
            |worker| {
                worker.join(|worker| stole = steal(worker, 0), unrelated);
            },
            unrelated,
        );
        stole
    });
    Worker::new(pool.clone(), 0).join(nothing, join_nothing);
    end(thief);
    end(other);
    assert_eq!(pool.shown_forks(), 0);
}

/// A fork against a worker that parks. It must wake up, because the first half waits for the second.
pub fn a_fork_wakes_a_parking_worker() {
    let pool = Pool::new(2, Queues::ForkSlots, 1);
    let thief = pool.start(1);
    let gate = Gate::new();
    let opens = gate.clone();
    let by = Worker::new(pool.clone(), 0).join(move |_| gate.wait(), move |_| opens.open());
    assert_eq!(by, 1);
    pool.finish_task();
    end(thief);
    pool.assert_finished(1);
}

/// A worker waits for another pool inside the first half of a join, and its own fork is the only work. (If it
/// saw the fork but did not take it, it would never park, which is a fault here.)
pub fn a_worker_that_waits_runs_its_own_fork() {
    let pool = Pool::new(1, Queues::ForkSlots, 1);
    let (task, mut handle) = result_slot::new(|| 7);
    let waiter = worker(&pool, 0, move |worker| {
        worker.join(move |worker| worker.serve_until(&mut handle), nothing);
        worker.pool().finish_task();
    });
    // SAFETY: closure and result borrow nothing.
    drop(unsafe { task.into_task() }.run(&Default::default()));
    end(waiter);
    pool.assert_finished(1);
}
