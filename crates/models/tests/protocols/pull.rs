//! M9 for the pull pool: the entry counter, the shared queue, and the last worker that parks. Accepted tasks
//! run and refused tasks do not; the pool ends, and not before every accepted task has run.
//!
//! [`Pulled`] and the functions beside it repeat the operations of `pull/queue.rs`, in the same order.

use longshore_models::mutation::leaves_out;

use super::common::{end, spawn, take};
use super::mini::{Gate, Pool, Queues, Task};
use crate::code::entry_counter::EntryCounter;
use crate::code::facade::{AtomicU64, Ordering};
use crate::code::inbox::Inbox;

/// The counts of a pull pool.
pub struct Pulled {
    pub entries: EntryCounter<2>,
    /// For each worker: the tasks that it has taken, and those that tasks on it have submitted.
    counts: Vec<[AtomicU64; 2]>,
}

const TAKEN: usize = 0;
const SUBMITTED: usize = 1;

impl Pulled {
    pub fn new(workers: usize) -> Self {
        let zero = || [AtomicU64::new(0), AtomicU64::new(0)];
        Pulled { entries: EntryCounter::new(), counts: (0..workers).map(|_| zero()).collect() }
    }

    /// `Counter::add` by the worker itself.
    fn count(&self, worker: usize, what: usize) {
        let counter = &self.counts[worker][what];
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    fn sum(&self, what: usize) -> u64 {
        self.counts.iter().map(|counts| counts[what].load(Ordering::Acquire)).sum()
    }

    /// Whether every task that has entered was taken.
    pub fn is_drained(&self) -> bool {
        let taken = self.sum(TAKEN);
        taken == self.sum(SUBMITTED) + self.entries.entered()
    }

    /// Takes a task, as a worker does.
    pub fn take(&self, queue: &Inbox<Task>, worker: usize) -> Option<Task> {
        let task = take(queue)?;
        self.count(worker, TAKEN);
        Some(task)
    }
}

impl Pool {
    fn enqueue(&self, task: Task) {
        let pushed = self.injector.as_ref().map(|queue| queue.push(task));
        assert!(matches!(pushed, Some(Ok(()))), "it is not full");
        if !leaves_out("notifying for a task in the shared queue") {
            self.idle.notify();
        }
    }

    fn count_entry(&self, stripe: usize) -> bool {
        self.pulled.as_ref().is_some_and(|pulled| pulled.entries.enter(stripe, 1))
    }

    /// A submission from outside; whether it was accepted.
    fn submit_at(&self, stripe: usize, task: Task) -> bool {
        let accepted = self.count_entry(stripe);
        if accepted {
            self.enqueue(task);
        }
        accepted
    }

    /// A submission by a task on `worker`.
    pub fn submit_inside(&self, worker: usize) {
        self.pulled.as_ref().expect("a pull pool").count(worker, SUBMITTED);
        self.enqueue(Task::Plain);
    }
}

/// A producer is between counter and queue, or before the counter, when the pool closes. The worker parks at
/// any moment.
pub fn a_counted_producer_keeps_the_pool_from_ending() {
    let pool = Pool::new(1, Queues::Shared, 0);
    let worker = pool.start(0);
    let producer = spawn(&pool, |pool| pool.submit_at(0, Task::Plain));
    pool.close();
    let accepted = end(producer);
    end(worker);
    pool.assert_finished(accepted.into());
}

/// The same with a producer at each stripe. The stripes are closed one after the other.
pub fn each_stripe_divides_the_producers() {
    let pool = Pool::new(1, Queues::Shared, 0);
    let worker = pool.start(0);
    let producer = spawn(&pool, |pool| pool.submit_at(1, Task::Plain));
    let before = pool.submit_at(0, Task::Plain);
    pool.close();
    let after = pool.submit_at(0, Task::Plain);
    assert!(before && !after);
    let accepted = end(producer);
    end(worker);
    pool.assert_finished(1 + usize::from(accepted));
}

/// A task is accepted before the close and queued after it. It still runs when other workers look whether the
/// pool can end.
pub fn no_worker_ends_while_a_pulled_task_runs() {
    let pool = Pool::new(2, Queues::Shared, 0);
    let workers = [pool.start(0), pool.start(1)];
    let closer = spawn(&pool, |pool| {
        let gate = Gate::new();
        assert!(pool.count_entry(0));
        pool.close();
        pool.enqueue(Task::Wait(gate.clone()));
        gate.open();
    });
    workers.into_iter().chain([closer]).for_each(end);
    pool.assert_finished(1);
}

/// The pool is closed. A task submits two more tasks and its worker parks, while the other worker looks
/// whether the pool can end.
pub fn tasks_submitted_inside_a_closing_pool_run() {
    let pool = Pool::new(2, Queues::Shared, 0);
    assert!(pool.submit_at(0, Task::SubmitTwo));
    pool.close();
    [pool.start(0), pool.start(1)].into_iter().for_each(end);
    pool.assert_finished(3);
}
