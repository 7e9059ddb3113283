//! The end of a pool that pulls: entries, a shared queue, and the last worker that lies down. What was let in runs, what was
//! turned away does not; the pool ends, and not before everything has run.
//!
//! [`Pulled`] and the functions beside it do what `pull` does, the same operations in the same order.

use longshore_models::mutation::leaves_out;

use super::mini::{Gate, Pool, Queues, Task};
use super::mini_worker::take;
use crate::code::entry_counter::EntryCounter;
use crate::code::facade::{AtomicU64, Ordering};
use crate::code::inbox::Inbox;

/// What such a pool counts.
pub struct Pulled {
    pub entries: EntryCounter<2>,
    /// For each worker: places emptied, tasks submitted by tasks on it.
    counts: Vec<[AtomicU64; 2]>,
}

const TAKEN: usize = 0;
const SUBMITTED: usize = 1;

impl Pulled {
    pub fn new(workers: usize) -> Self {
        let zero = || [AtomicU64::new(0), AtomicU64::new(0)];
        Pulled { entries: EntryCounter::new(), counts: (0..workers).map(|_| zero()).collect() }
    }

    /// `Counter::add` of the worker itself.
    fn count(&self, worker: usize, what: usize) {
        let counter = &self.counts[worker][what];
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    fn sum(&self, what: usize) -> u64 {
        self.counts.iter().map(|counts| counts[what].load(Ordering::Acquire)).sum()
    }

    /// `is_drained`.
    pub fn all_is_taken(&self) -> bool {
        let taken = self.sum(TAKEN);
        taken == self.sum(SUBMITTED) + self.entries.entered()
    }

    /// `sweep` of a worker.
    pub fn take(&self, queue: &Inbox<Task>, worker: usize) -> Option<Task> {
        let task = take(queue)?;
        self.count(worker, TAKEN);
        Some(task)
    }
}

impl Pool {
    fn enqueue(&self, task: Task) {
        let pushed = self.injector.as_ref().map(|queue| queue.push(task));
        assert!(matches!(pushed, Some(Ok(()))), "room for all");
        if !leaves_out("notifying for a task in the shared queue") {
            self.idle.notify();
        }
    }

    fn pass_door(&self, door: usize) -> bool {
        self.pulled.as_ref().is_some_and(|pulled| pulled.entries.enter(door, 1))
    }

    /// `execute` from outside; whether it was accepted.
    fn submit_at(&self, door: usize, task: Task) -> bool {
        let accepted = self.pass_door(door);
        if accepted {
            self.enqueue(task);
        }
        accepted
    }

    /// `execute` by a task on `worker`.
    pub fn submit_inside(&self, worker: usize) {
        self.pulled.as_ref().expect("it pulls").count(worker, SUBMITTED);
        self.enqueue(Task::Plain);
    }
}

/// A producer is between door and queue, or not yet at the door, when the pool closes. The worker lies down at any moment.
pub fn a_producer_behind_the_door_keeps_the_pool_from_ending() {
    let pool = Pool::new(1, Queues::Shared, 0);
    let worker = pool.start(0);
    let for_producer = pool.clone();
    let producer = loom::thread::spawn(move || for_producer.submit_at(0, Task::Plain));
    pool.close();
    let accepted = producer.join().expect("a panic ends the process");
    worker.join().expect("a panic ends the process");
    pool.assert_at_rest(accepted.into());
}

/// The same with a producer at each of the entries, which are closed one after the other.
pub fn each_door_divides_those_who_come() {
    let pool = Pool::new(1, Queues::Shared, 0);
    let worker = pool.start(0);
    let for_producer = pool.clone();
    let producer = loom::thread::spawn(move || for_producer.submit_at(1, Task::Plain));
    let before = pool.submit_at(0, Task::Plain);
    pool.close();
    let after = pool.submit_at(0, Task::Plain);
    assert!(before && !after);
    let accepted = producer.join().expect("a panic ends the process");
    worker.join().expect("a panic ends the process");
    pool.assert_at_rest(1 + usize::from(accepted));
}

/// A task that was let in before the close comes into the queue after it, and is still at work when others look whether
/// all is done.
pub fn nobody_goes_while_a_pulled_task_runs() {
    let pool = Pool::new(2, Queues::Shared, 0);
    let workers = [pool.start(0), pool.start(1)];
    let for_closer = pool.clone();
    let closer = loom::thread::spawn(move || {
        let gate = Gate::new();
        assert!(for_closer.pass_door(0));
        for_closer.close();
        for_closer.enqueue(Task::Wait(gate.clone()));
        gate.open();
    });
    for thread in workers.into_iter().chain([closer]) {
        thread.join().expect("a panic ends the process");
    }
    pool.assert_at_rest(1);
}

/// The pool is closed; a task submits two more and its worker lies down, while the other one looks whether all is done.
pub fn what_a_task_submits_to_a_closing_pool_runs() {
    let pool = Pool::new(2, Queues::Shared, 0);
    assert!(pool.submit_at(0, Task::SubmitTwo));
    pool.close();
    for worker in [pool.start(0), pool.start(1)] {
        worker.join().expect("a panic ends the process");
    }
    pool.assert_at_rest(3);
}
