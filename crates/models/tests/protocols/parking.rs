//! M1: push against park. A queued task runs, whatever the moment at which workers park.

use std::sync::Arc;

use super::common::{end, spawn};
use super::mini::{Gate, Pool, Queues, Task};
use crate::code::result_slot;

/// A pool with its workers, which ends when `tasks` tasks have run (0: when it is closed) in `scenario`.
fn check(workers: usize, queues: Queues, tasks: u64, scenario: impl FnOnce(&Arc<Pool>)) {
    let pool = Pool::new(workers, queues, tasks);
    let workers: Vec<_> = (0..workers).map(|index| pool.start(index)).collect();
    scenario(&pool);
    workers.into_iter().for_each(end);
    pool.assert_finished(tasks as usize);
}

pub fn a_push_wakes_a_parking_worker() {
    check(1, Queues::Inbox, 1, |pool| pool.push(0, Task::Plain));
}

/// The second push finds the worker in any state to which the first one has led.
pub fn a_second_push_wakes_it_again() {
    check(1, Queues::Inbox, 2, |pool| {
        pool.push(0, Task::Plain);
        pool.push(0, Task::Plain);
    });
}

pub fn two_producers_wake_a_parking_worker() {
    check(1, Queues::Inbox, 2, |pool| {
        let producer = spawn(pool, |pool| pool.push(0, Task::Plain));
        pool.push(0, Task::Plain);
        end(producer);
    });
}

/// The first task blocks its worker until the second one has run. So the other worker must wake up for it: by
/// the push, or by the first worker's check at the end of its search.
pub fn a_task_pushed_behind_a_blocked_one_runs_elsewhere() {
    check(2, Queues::Inbox, 2, |pool| {
        let gate = Gate::new();
        pool.push(0, Task::Wait(gate.clone()));
        pool.push(0, Task::Open(gate));
    });
}

fn push_a_batch(pool: &Arc<Pool>) {
    let gate = Gate::new();
    pool.push_batch(0, [Task::Wait(gate.clone()), Task::Open(gate)]);
}

/// The same with one push of a batch, which must wake two workers if two are parked.
pub fn a_batch_wakes_as_many_as_it_needs() {
    check(2, Queues::Inbox, 2, push_a_batch);
}

/// The owner takes both tasks out of the inbox, the first one to run and the second one for its deque. In
/// between no queue shows the second one, and the other worker may park.
pub fn a_task_on_its_way_to_a_deque_is_not_forgotten() {
    check(2, Queues::WithDeques, 2, push_a_batch);
}

/// A worker submits a task and then blocks: a thief takes the task from its deque.
pub fn a_task_submitted_by_a_task_that_blocks_is_stolen() {
    check(2, Queues::WithDeques, 2, |pool| pool.push(0, Task::SubmitAndWait(Gate::new())));
}

/// The end of the pool against workers that park.
pub fn all_workers_see_the_end() {
    check(2, Queues::Inbox, 0, |pool| pool.close());
}

/// A worker waits inside a task for a task of another pool, and serves its own pool meanwhile. It is woken by
/// the push, or by the outcome if another thread runs the task.
pub fn an_outcome_wakes_a_worker_that_waits_for_it() {
    let (task, handle) = result_slot::new(|| 7);
    check(1, Queues::Inbox, 1, |pool| {
        pool.push(0, Task::Join(handle));
        // This thread runs the task, as a worker of another pool would.
        // SAFETY: closure and result borrow nothing.
        drop(unsafe { task.into_task() }.run(&Default::default()));
    });
}

/// The same, but the awaited task is in this pool as well: the only worker runs it while it waits.
pub fn a_waiting_worker_runs_the_awaited_task() {
    let (task, handle) = result_slot::new(|| 7);
    check(1, Queues::Inbox, 2, |pool| {
        pool.push(0, Task::Join(handle));
        // SAFETY: closure and result borrow nothing.
        pool.push(0, Task::Slot(unsafe { task.into_task() }));
    });
}
