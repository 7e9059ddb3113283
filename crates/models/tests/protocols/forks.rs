//! M6: fork-join. What is forked is run once, by its owner or by a thief; a waiter runs parts of what it waits for and nothing
//! else; nobody sleeps while there is something for him.

use std::sync::Arc;

use super::mini::{Gate, Pool, Queues, Task};
use super::mini_worker::Worker;
use crate::code::result_slot;

fn end<T>(thread: loom::thread::JoinHandle<T>) -> T {
    thread.join().expect("a panic ends the process")
}

fn pool_of(workers: usize) -> Arc<Pool> {
    Pool::new(workers, Queues::Offers, 0)
}

/// A thread that is worker `index` and does `work`, outside of the loop.
fn worker<T: 'static>(
    pool: &Arc<Pool>,
    index: usize,
    work: impl FnOnce(&Worker) -> T + 'static,
) -> loom::thread::JoinHandle<T> {
    let worker = Worker::new(pool.clone(), index);
    loom::thread::spawn(move || work(&worker))
}

/// Takes what `victim` offers, if it does.
fn steal(worker: &Worker, victim: usize) -> bool {
    let Some(job) = worker.take_offered(victim) else { return false };
    worker.run_task(Task::Job(job));
    true
}

fn nothing(_: &Worker) {}

pub fn a_fork_is_run_by_its_owner_or_a_thief() {
    let pool = pool_of(2);
    let thief = worker(&pool, 1, |worker| steal(worker, 0));
    let by = Worker::new(pool.clone(), 0).join(nothing, nothing);
    assert_eq!(by == 1, end(thief));
    assert_eq!(pool.offers_left(), 0);
}

/// Of two forks the older one is on offer, and the other one when that was taken.
pub fn the_older_fork_is_taken_first() {
    let pool = pool_of(2);
    let thief = worker(&pool, 1, |worker| [steal(worker, 0), steal(worker, 0)]);
    let owner = Worker::new(pool.clone(), 0);
    let mut inner = 0;
    let outer = owner.join(|worker| inner = worker.join(nothing, nothing), nothing);
    let stolen = end(thief).into_iter().filter(|&stole| stole).count();
    assert_eq!(outer + inner, stolen);
    assert_eq!(pool.offers_left(), 0);
}

/// The thief forks in its turn: who waits for it does part of the work, or finds nothing and sleeps.
pub fn a_waiter_does_part_of_what_it_waits_for() {
    let pool = pool_of(2);
    let thief = worker(&pool, 1, |worker| steal(worker, 0));
    Worker::new(pool.clone(), 0).join(nothing, |worker| {
        worker.join(nothing, nothing);
    });
    end(thief);
    assert_eq!(pool.offers_left(), 0);
}

/// A waiter whose stack is used up sleeps, whatever is on offer. (If it looked again and again, it would never come to
/// rest, which is a fault here.)
pub fn a_waiter_without_a_stack_sleeps() {
    let pool = pool_of(2);
    let thief = worker(&pool, 1, |worker| steal(worker, 0));
    let owner = Worker::new(pool.clone(), 0);
    owner.is_deep.set(true);
    owner.join(nothing, |worker| {
        worker.join(nothing, nothing);
    });
    end(thief);
    assert_eq!(pool.offers_left(), 0);
}

/// Three in a row: the thief of the first fork waits for the thief of the second.
pub fn a_thief_waits_for_a_thief() {
    let pool = pool_of(3);
    let thieves = [worker(&pool, 1, |worker| steal(worker, 0)), worker(&pool, 2, |worker| steal(worker, 1))];
    Worker::new(pool.clone(), 0).join(nothing, |worker| {
        worker.join(nothing, |worker| {
            worker.join(nothing, nothing);
        });
    });
    thieves.into_iter().for_each(|thief| _ = end(thief));
    assert_eq!(pool.offers_left(), 0);
}

/// The thief needs the waiter to take what it forks: if the waiter sleeps on, both wait for ever.
pub fn a_waiter_hears_of_its_thiefs_offer() {
    let pool = pool_of(2);
    let stolen = Gate::new();
    let is_stolen = stolen.clone();
    let thief = worker(&pool, 1, move |worker| {
        let job = loop {
            match worker.take_offered(0) {
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
    assert_eq!(pool.offers_left(), 0);
}

/// The thief is done, and offers a part of something else: a waiter that takes it sees that it is done, and gives it
/// back.
pub fn a_waiter_gives_back_what_is_none_of_its_business() {
    let pool = pool_of(2);
    let thief = worker(&pool, 1, |worker| {
        let stole = steal(worker, 0);
        let by = worker.join(nothing, |worker| assert_eq!(worker.index(), 1, "foreign work"));
        assert_eq!(by, 1);
        stole
    });
    let by = Worker::new(pool.clone(), 0).join(nothing, nothing);
    assert_eq!(by == 1, end(thief));
    assert_eq!(pool.offers_left(), 0);
}

/// A worker that waits for another pool inside the first half of a join steals: what is on offer then lies beneath what
/// it has stolen, and is not part of it.
pub fn a_waiter_leaves_alone_what_lies_beneath() {
    let pool = pool_of(2);
    let thief = worker(&pool, 1, |worker| {
        let mut stole = false;
        worker
            .join(|worker| stole = steal(worker, 0), |worker| assert_eq!(worker.index(), 1, "foreign work"));
        stole
    });
    let by = Worker::new(pool.clone(), 0).join(nothing, nothing);
    assert_eq!(by == 1, end(thief));
    assert_eq!(pool.offers_left(), 0);
}

/// As before with two forks, of which the older one is taken by a third worker, so that the other is offered while the
/// thief is at work.
pub fn a_waiter_leaves_alone_what_is_offered_from_beneath() {
    let pool = pool_of(3);
    let other = worker(&pool, 2, |worker| steal(worker, 1));
    let thief = worker(&pool, 1, |worker| {
        let mut stole = false;
        let foreign = |worker: &Worker| assert_ne!(worker.index(), 0, "foreign work");
        worker.join(
            |worker| {
                worker.join(|worker| stole = steal(worker, 0), foreign);
            },
            foreign,
        );
        stole
    });
    Worker::new(pool.clone(), 0).join(nothing, |worker| {
        worker.join(nothing, nothing);
    });
    end(thief);
    end(other);
    assert_eq!(pool.offers_left(), 0);
}

/// A fork against a worker that lies down. It must get up, for the first half waits for the second.
pub fn a_fork_wakes_a_parking_worker() {
    let pool = Pool::new(2, Queues::Offers, 1);
    let thief = pool.start(1);
    let gate = Gate::new();
    let opens = gate.clone();
    let by = Worker::new(pool.clone(), 0).join(move |_| gate.wait(), move |_| opens.open());
    assert_eq!(by, 1);
    pool.finish_task();
    end(thief);
    pool.assert_at_rest(1);
}

/// A worker waits for another pool inside the first half of a join, and its own fork is all there is to do. (If it saw
/// that but did not take it, it would never come to rest, which is a fault here.)
pub fn a_worker_that_waits_runs_its_own_fork() {
    let pool = Pool::new(1, Queues::Offers, 1);
    let (task, mut handle) = result_slot::new(|| 7);
    let waiter = worker(&pool, 0, move |worker| {
        worker.join(move |worker| worker.serve_until(&mut handle), nothing);
        worker.pool().finish_task();
    });
    // SAFETY: nothing is borrowed.
    drop(unsafe { task.into_task() }.run(&Default::default()));
    end(waiter);
    pool.assert_at_rest(1);
}
