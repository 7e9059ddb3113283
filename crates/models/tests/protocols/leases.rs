//! M1, M9: leases. An external thread acts as a parked worker and ends the lease. No two threads act as one
//! worker at a time, no task waits for a worker whose lease has ended, and the pool ends after the lease and
//! not before.

use super::common::{end, spawn};
use super::mini::{Pool, Queues, Task};
use super::mini_worker::Worker;
use crate::code::result_slot;

/// Runs something that counts as a task on a leased worker, or else on a thread of the pool.
fn visit(pool: &Pool) {
    let visit = |worker: &Worker| {
        worker.act();
        pool.finish_task();
    };
    if pool.enter(visit).is_err() {
        pool.push(0, Task::Plain);
    }
}

/// A task is pushed while its worker parks, is leased, or is returned.
pub fn a_task_finds_its_worker_leased() {
    let pool = Pool::new(1, Queues::WithDeques, 2);
    let worker = pool.start(0);
    let producer = spawn(&pool, |pool| pool.push(0, Task::Plain));
    visit(&pool);
    end(producer);
    end(worker);
    pool.assert_finished(2);
}

fn a_lease_leaves_a_task(workers: usize) {
    let pool = Pool::new(workers, Queues::WithDeques, 1);
    let workers: Vec<_> = (0..workers).map(|index| pool.start(index)).collect();
    if pool.enter(|worker| worker.push_local(Task::Plain)).is_err() {
        pool.push(0, Task::Plain);
    }
    workers.into_iter().for_each(end);
    pool.assert_finished(1);
}

/// The external thread submits a task. It is in the deque of a parked worker when the lease has ended.
pub fn tasks_left_by_a_lease_run() {
    a_lease_leaves_a_task(1);
}

/// The same with another worker that may take the task.
pub fn tasks_left_by_a_lease_run_on_any_worker() {
    a_lease_leaves_a_task(2);
}

pub fn two_threads_lease_a_worker_in_turn() {
    let pool = Pool::new(1, Queues::Inbox, 2);
    let worker = pool.start(0);
    let other = spawn(&pool, visit);
    visit(&pool);
    end(other);
    end(worker);
    pool.assert_finished(2);
}

/// Submits two tasks from a leased worker; returns how many were accepted.
fn submit_two_leased(pool: &Pool) -> usize {
    let entered = pool.enter(|worker| {
        worker.push_local(Task::Plain);
        worker.push_local(Task::Plain);
        assert!(!pool.has_ended(), "the pool ends while a worker is leased");
    });
    entered.map_or(0, |()| 2)
}

fn close_against_a_lease(workers: usize) {
    let pool = Pool::new(workers, Queues::WithDeques, 0);
    let workers: Vec<_> = (0..workers).map(|index| pool.start(index)).collect();
    let external = spawn(&pool, submit_two_leased);
    pool.close();
    let entered = end(external);
    workers.into_iter().for_each(end);
    pool.assert_finished(entered);
}

/// The pool closes before, during or after a lease. The tasks of the external thread run.
pub fn a_closing_pool_waits_for_a_lease() {
    close_against_a_lease(1);
}

/// The same with another worker, which parks meanwhile.
pub fn a_closing_pool_of_two_waits_for_a_lease() {
    close_against_a_lease(2);
}

/// The worker's own thread wakes up without a cause, at any moment.
pub fn a_spurious_wake_up_changes_nothing() {
    let pool = Pool::new(1, Queues::Inbox, 1);
    let worker = pool.start_known(0);
    let waker = spawn(&pool, Pool::wake_spuriously);
    visit(&pool);
    end(waker);
    end(worker);
    pool.assert_finished(1);
}

/// A worker that waits inside a task is in the list of the parked, and wakes up for its result: it is not
/// leased.
pub fn a_waiting_worker_is_not_leased() {
    let pool = Pool::new(1, Queues::Inbox, 1);
    let (task, handle) = result_slot::new(|| 7);
    let worker = pool.start(0);
    pool.push(0, Task::Join(handle));
    let external = spawn(&pool, |pool| {
        let visit = |worker: &Worker| {
            worker.act();
            assert_eq!(pool.running(), 1, "a leased worker runs beside a task of the same worker");
        };
        _ = pool.enter(visit);
    });
    // SAFETY: closure and result borrow nothing.
    drop(unsafe { task.into_task() }.run(&Default::default()));
    end(external);
    end(worker);
    pool.assert_finished(1);
}
