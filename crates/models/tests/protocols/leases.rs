//! M1, M9: loans. A thread from outside acts as a parked worker and gives it back. No two threads act as one worker at a time, no
//! task waits for a worker that came home, and the pool ends after the loan and not before.

use std::sync::Arc;

use super::mini::{Pool, Queues, Task};
use super::mini_worker::Worker;
use crate::code::result_slot;

fn end<T>(thread: loom::thread::JoinHandle<T>) -> T {
    thread.join().expect("a panic ends the process")
}

fn spawn<T: 'static>(pool: &Arc<Pool>, f: impl FnOnce(&Pool) -> T + 'static) -> loom::thread::JoinHandle<T> {
    let pool = pool.clone();
    loom::thread::spawn(move || f(&pool))
}

/// Something that counts as a task, on a borrowed worker, or else on one of the pool's own threads.
fn visit(pool: &Pool) {
    let visit = |worker: &Worker| {
        worker.act();
        pool.finish_task();
    };
    if pool.enter(visit).is_err() {
        pool.push(0, Task::Plain);
    }
}

/// A task comes while its worker lies down, is on loan, or comes home.
pub fn a_task_finds_its_worker_on_loan() {
    let pool = Pool::new(1, Queues::WithDeques, 2);
    let worker = pool.start(0);
    let pusher = spawn(&pool, |pool| pool.push(0, Task::Plain));
    visit(&pool);
    end(pusher);
    end(worker);
    pool.assert_at_rest(2);
}

/// What a guest submits lies in the deque of a worker that sleeps, after the guest has gone.
pub fn what_a_guest_leaves_behind_is_done() {
    let pool = Pool::new(1, Queues::WithDeques, 1);
    let worker = pool.start(0);
    if pool.enter(|worker| worker.keep(Task::Plain)).is_err() {
        pool.push(0, Task::Plain);
    }
    end(worker);
    pool.assert_at_rest(1);
}

/// As before, with another worker that may take it.
pub fn what_a_guest_leaves_behind_is_done_by_anybody() {
    let pool = Pool::new(2, Queues::WithDeques, 1);
    let workers = [pool.start(0), pool.start(1)];
    if pool.enter(|worker| worker.keep(Task::Plain)).is_err() {
        pool.push(0, Task::Plain);
    }
    workers.into_iter().for_each(end);
    pool.assert_at_rest(1);
}

pub fn two_guests_share_a_worker() {
    let pool = Pool::new(1, Queues::Inbox, 2);
    let worker = pool.start(0);
    let other = spawn(&pool, visit);
    visit(&pool);
    end(other);
    end(worker);
    pool.assert_at_rest(2);
}

/// As many as were accepted.
fn submit_two_as_guest(pool: &Pool) -> usize {
    let entered = pool.enter(|worker| {
        worker.keep(Task::Plain);
        worker.keep(Task::Plain);
        assert!(!pool.has_ended(), "the pool ends while a worker is on loan");
    });
    entered.map_or(0, |()| 2)
}

/// The pool closes while a guest comes, is there, and goes; what the guest submits is run.
pub fn a_closing_pool_waits_for_a_loan() {
    let pool = Pool::new(1, Queues::WithDeques, 0);
    let worker = pool.start(0);
    let guest = spawn(&pool, submit_two_as_guest);
    pool.close();
    let entered = end(guest);
    end(worker);
    pool.assert_at_rest(entered);
}

/// As before, with another worker that lies down meanwhile.
pub fn a_closing_pool_of_two_waits_for_a_loan() {
    let pool = Pool::new(2, Queues::WithDeques, 0);
    let workers = [pool.start(0), pool.start(1)];
    let guest = spawn(&pool, submit_two_as_guest);
    pool.close();
    let entered = end(guest);
    workers.into_iter().for_each(end);
    pool.assert_at_rest(entered);
}

/// The worker's own thread wakes up without a cause, at any moment.
pub fn a_wake_up_without_a_cause_changes_nothing() {
    let pool = Pool::new(1, Queues::Inbox, 1);
    let worker = pool.start_known(0);
    let waker = spawn(&pool, Pool::wake_without_a_cause);
    visit(&pool);
    end(waker);
    end(worker);
    pool.assert_at_rest(1);
}

/// A worker inside a task is in the list of the parked, and gets up for its result: it is not lent.
pub fn a_worker_that_waits_is_not_lent() {
    let pool = Pool::new(1, Queues::Inbox, 1);
    let (task, handle) = result_slot::new(|| 7);
    let worker = pool.start(0);
    pool.push(0, Task::Join(handle));
    let guest = spawn(&pool, |pool| {
        let visit = |worker: &Worker| {
            worker.act();
            assert_eq!(pool.running(), 1, "a guest acts beside a task of the same worker");
        };
        _ = pool.enter(visit);
    });
    // SAFETY: nothing is borrowed.
    drop(unsafe { task.into_task() }.run(&Default::default()));
    end(guest);
    end(worker);
    pool.assert_at_rest(1);
}
