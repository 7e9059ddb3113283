//! M12: waits that last. A worker whose task waits starts a stand-in for a task that no idle worker takes,
//! whatever the moment at which it parks.

use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use super::common::{end, spawn, take};
use crate::code::facade::thread;
use crate::code::idle::{Duty, Idle, ParkReason, ParkSlot, ParkState, Role};
use crate::code::inbox::Inbox;

/// A pool of one worker, whose task waits for ever.
struct Pool {
    idle: Idle,
    inbox: Inbox<u32>,
    /// How many tasks there will be.
    tasks: usize,
}

impl Pool {
    fn new(tasks: usize) -> Arc<Self> {
        Arc::new(Pool { idle: Idle::new(1), inbox: Inbox::new(2), tasks })
    }

    fn push(&self, value: u32) {
        assert!(self.inbox.push(value).is_ok(), "open, and not full");
        self.idle.notify();
    }

    /// Parks as `reason` until there is work, as in `runtime/long_wait.rs` and `runtime/worker_loop.rs`.
    fn park(&self, index: usize, reason: ParkReason) {
        let slot = Arc::new(ParkSlot::new(index));
        self.idle.prepare_park(&slot, Role::Active, reason);
        if !leaves_out("the last look of a worker that waits") && self.inbox.has_ready() {
            let _ = self.idle.cancel_park(&slot, Role::Searching);
            return;
        }
        while slot.park_state() != ParkState::Awake {
            thread::park();
        }
    }

    /// The worker that waits: it starts a stand-in, and waits for its end.
    fn wait(pool: &Arc<Self>) {
        pool.park(0, ParkReason::Waiting);
        let duty = pool.idle.end_search();
        pool.idle.register();
        let stand_in = spawn(pool, Pool::work);
        // Without a mutant: the stand-in runs all tasks, so this wake-up only spreads them over more workers.
        if duty == Duty::CheckForMore && pool.idle.counts().any_free() {
            pool.idle.notify();
        }
        end(stand_in);
    }

    /// The stand-in: it runs all tasks.
    fn work(&self) {
        let mut ran = 0;
        while ran < self.tasks {
            if take(&self.inbox).is_some() {
                ran += 1;
                continue;
            }
            self.park(1, ParkReason::Idle);
            if self.idle.end_search() == Duty::CheckForMore && self.inbox.has_ready() {
                self.idle.wake_one();
            }
        }
    }
}

fn check(tasks: usize) {
    let pool = Pool::new(tasks);
    let waits = spawn(&Arc::new(pool.clone()), Pool::wait);
    (0..tasks).for_each(|value| pool.push(value as u32));
    end(waits);
}

/// A push against a worker that begins to wait.
pub fn a_push_has_a_stand_in_started() {
    check(1);
}

/// The second push finds the worker that waits, or its stand-in, in any state to which the first one has led.
pub fn a_stand_in_runs_what_follows() {
    check(2);
}
