//! M9: submission against shutdown against the last worker. Accepted tasks run and refused tasks do not; the
//! pool ends, and not before every accepted task has run.

use super::common::{end, spawn};
use super::mini::{Gate, Pool, Queues, Task};

/// The producer has filled the inbox, and is in flight to the injector with the remaining task when the pool
/// closes. The worker parks at any moment.
pub fn a_producer_in_flight_keeps_the_pool_from_ending() {
    let pool = Pool::new(1, Queues::WithInjector, 0);
    let worker = pool.start(0);
    let producer = spawn(&pool, |pool| {
        let accepted = pool.inject(1);
        pool.idle.notify_many(accepted);
        accepted
    });
    pool.close();
    let accepted = end(producer);
    end(worker);
    pool.assert_finished(accepted);
}

/// The whole submission: three tasks for an inbox of two.
pub fn tasks_accepted_before_the_close_run() {
    let pool = Pool::new(1, Queues::WithInjector, 0);
    let worker = pool.start(0);
    let producer = spawn(&pool, |pool| pool.submit(0, 3));
    pool.close();
    let accepted = end(producer);
    end(worker);
    pool.assert_finished(accepted);
}

/// A producer has claimed a cell of the inbox before the close and fills it afterwards. (Here the close runs
/// on the same thread, which leaves fewer cases to explore.) The task still runs when other workers look
/// whether the pool can end.
pub fn no_worker_ends_while_a_task_runs() {
    let pool = Pool::new(2, Queues::Inbox, 0);
    let workers = [pool.start(0), pool.start(1)];
    let closer = spawn(&pool, |pool| {
        let gate = Gate::new();
        pool.push_across_the_close(0, Task::Wait(gate.clone()));
        gate.open();
    });
    workers.into_iter().chain([closer]).for_each(end);
    pool.assert_finished(1);
}

/// Two workers park at the same time in a pool that closes: the last one ends the pool.
pub fn the_last_worker_to_park_ends_the_pool() {
    let pool = Pool::new(2, Queues::Inbox, 0);
    let workers = [pool.start(0), pool.start(1)];
    pool.push(0, Task::Plain);
    pool.close();
    workers.into_iter().for_each(end);
    pool.assert_finished(1);
}
