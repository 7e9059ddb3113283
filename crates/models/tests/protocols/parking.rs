//! M1: push against park. A task that is in a queue is run, whatever the moment at which workers lie down.

use super::mini::{Gate, Pool, Queues, Task};
use crate::code::result_slot;

fn finish(pool: &Pool, workers: Vec<loom::thread::JoinHandle<()>>, tasks: usize) {
    for worker in workers {
        worker.join().expect("a panic ends the process");
    }
    pool.assert_at_rest(tasks);
}

pub fn a_push_wakes_a_parking_worker() {
    let pool = Pool::new(1, Queues::Inbox, 1);
    let workers = vec![pool.start(0)];
    pool.push(0, Task::Plain);
    finish(&pool, workers, 1);
}

/// The second push meets the worker in any state that the first has brought it into.
pub fn a_second_push_wakes_it_again() {
    let pool = Pool::new(1, Queues::Inbox, 2);
    let workers = vec![pool.start(0)];
    pool.push(0, Task::Plain);
    pool.push(0, Task::Plain);
    finish(&pool, workers, 2);
}

pub fn two_producers_wake_a_parking_worker() {
    let pool = Pool::new(1, Queues::Inbox, 2);
    let workers = vec![pool.start(0)];
    let for_producer = pool.clone();
    let producer = loom::thread::spawn(move || for_producer.push(0, Task::Plain));
    pool.push(0, Task::Plain);
    producer.join().expect("a panic ends the process");
    finish(&pool, workers, 2);
}

/// The first task blocks its worker until the second has run: so the other worker must get up for it, be it by the
/// push or by the first worker's last look when it leaves the search.
pub fn a_task_pushed_behind_a_blocked_one_runs_elsewhere() {
    let pool = Pool::new(2, Queues::Inbox, 2);
    let workers = vec![pool.start(0), pool.start(1)];
    let gate = Gate::new();
    pool.push(0, Task::Wait(gate.clone()));
    pool.push(0, Task::Open(gate));
    finish(&pool, workers, 2);
}

/// As before with one push of a batch, which must wake two if two sleep.
pub fn a_batch_wakes_as_many_as_it_needs() {
    let pool = Pool::new(2, Queues::Inbox, 2);
    let workers = vec![pool.start(0), pool.start(1)];
    let gate = Gate::new();
    pool.push_batch(0, [Task::Wait(gate.clone()), Task::Open(gate)]);
    finish(&pool, workers, 2);
}

/// The owner moves both tasks out of the inbox, the first to run and the second to its deque. On its way no queue shows
/// it, and another worker may lie down.
pub fn a_task_on_its_way_to_a_deque_is_not_forgotten() {
    let pool = Pool::new(2, Queues::WithDeques, 2);
    let workers = vec![pool.start(0), pool.start(1)];
    let gate = Gate::new();
    pool.push_batch(0, [Task::Wait(gate.clone()), Task::Open(gate)]);
    finish(&pool, workers, 2);
}

/// A worker that submits and then blocks: a thief takes the task from its deque.
pub fn a_task_submitted_by_a_task_that_blocks_is_stolen() {
    let pool = Pool::new(2, Queues::WithDeques, 2);
    let workers = vec![pool.start(0), pool.start(1)];
    pool.push(0, Task::SubmitAndWait(Gate::new()));
    finish(&pool, workers, 2);
}

/// The pool's end against workers that lie down.
pub fn everyone_hears_of_the_end() {
    let pool = Pool::new(2, Queues::Inbox, 0);
    let workers = vec![pool.start(0), pool.start(1)];
    pool.close();
    finish(&pool, workers, 0);
}

/// A worker waits in a task for one of another pool, and serves its own meanwhile: it is woken by the push, or by the outcome if somebody
/// else runs the task.
pub fn an_outcome_wakes_a_worker_that_waits_for_it() {
    let pool = Pool::new(1, Queues::Inbox, 1);
    let (task, handle) = result_slot::new(|| 7);
    let workers = vec![pool.start(0)];
    pool.push(0, Task::Join(handle));
    // Run outside of the pool, as a worker of another pool would.
    // SAFETY: nothing is borrowed.
    drop(unsafe { task.into_task() }.run(&Default::default()));
    finish(&pool, workers, 1);
}

/// As before, but the other pool's task comes to depend on ours: the only worker runs it while it waits.
pub fn a_worker_that_waits_runs_what_it_waits_for() {
    let pool = Pool::new(1, Queues::Inbox, 2);
    let (task, handle) = result_slot::new(|| 7);
    let workers = vec![pool.start(0)];
    pool.push(0, Task::Join(handle));
    // SAFETY: nothing is borrowed.
    pool.push(0, Task::Slot(unsafe { task.into_task() }));
    finish(&pool, workers, 2);
}
