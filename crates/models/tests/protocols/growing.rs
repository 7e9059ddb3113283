//! M10: pools that grow and shrink. A push that finds no idle worker calls the autoscaler, whatever that does
//! at the moment; a worker that leaves hands on the tasks that relied on it; an assigned number loses no task
//! of its predecessor.

use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use super::common::{end, sorted, spawn, take};
use crate::code::facade::{AtomicU32, Ordering, thread};
use crate::code::idle::Idle;
use crate::code::inbox::{Inbox, Refusal};

/// A pool whose one worker is in the middle of a long task, so a new task waits for another worker.
struct Pool {
    idle: Idle,
    inbox: Inbox<u32>,
    /// Whether the pool may have more workers.
    may_grow: AtomicU32,
}

impl Pool {
    fn new(workers: usize, may_grow: u32) -> Arc<Self> {
        let (idle, inbox) = (Idle::new(workers), Inbox::new(2));
        Arc::new(Pool { idle, inbox, may_grow: AtomicU32::new(may_grow) })
    }

    fn push(&self, value: u32) {
        assert!(self.inbox.push(value).is_ok(), "open, and not full");
        self.idle.notify();
    }

    /// The autoscaler's loop, until it has added the worker that runs the task.
    fn autoscale(&self) -> u32 {
        self.idle.set_autoscaler(Some(thread::current()));
        loop {
            if self.may_grow.load(Ordering::Relaxed) != 0 {
                self.idle.arm_autoscaler();
            }
            if !leaves_out("the autoscaler's last look")
                && let Some(task) = take(&self.inbox)
            {
                return task;
            }
            thread::park();
            if let Some(task) = take(&self.inbox) {
                return task;
            }
        }
    }

    /// A surplus worker leaves the pool, as in `runtime/worker_thread.rs`.
    fn leave(&self) {
        self.may_grow.store(1, Ordering::Relaxed);
        self.idle.arm_autoscaler();
        self.idle.deregister();
        if !leaves_out("the look after a worker has left") && self.inbox.has_ready() {
            self.idle.notify();
        }
    }
}

/// A push against an autoscaler that parks.
pub fn a_push_calls_the_autoscaler() {
    let pool = Pool::new(1, 1);
    let autoscaler = spawn(&pool, Pool::autoscale);
    pool.push(7);
    assert_eq!(end(autoscaler), 7);
}

/// A push against a worker that leaves a full pool. The push calls no thread, because the pool may not grow,
/// or the autoscaler, because it may.
pub fn a_worker_that_leaves_makes_the_pool_grow_again() {
    let pool = Pool::new(2, 0);
    let autoscaler = spawn(&pool, Pool::autoscale);
    let leaver = spawn(&pool, Pool::leave);
    pool.push(7);
    end(leaver);
    assert_eq!(end(autoscaler), 7);
}

/// Two tasks for a worker that leaves and whose number is assigned again: each is handed on, is refused, or
/// goes to the successor.
pub fn a_number_that_is_assigned_again_loses_nothing() {
    let inboxes = Arc::new([Inbox::new(4), Inbox::new(4)]);
    let leaver = spawn(&inboxes, |inboxes| {
        inboxes[0].close();
        inboxes[0].drain_closed(|value| inboxes[1].push(value).expect("it is not full"));
        inboxes[0].reopen();
    });
    for value in 0..2 {
        match inboxes[0].push(value) {
            Ok(()) => {}
            Err((value, Refusal::Closed)) => inboxes[1].push(value).expect("it is not full"),
            Err((_, Refusal::Full)) => panic!("it is not full"),
        }
    }
    end(leaver);
    assert!(inboxes[0].push(2).is_ok(), "it is open again");
    let found = sorted(inboxes.iter().flat_map(|inbox| std::iter::from_fn(|| take(inbox))));
    assert_eq!(found, [0, 1, 2]);
}
