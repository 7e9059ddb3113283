//! M10: a broadcast against a worker that leaves (`runtime/broadcast.rs`, `runtime/worker_thread.rs`). A
//! worker that is sent a task runs it, once; a worker that has left is sent none; no worker sleeps while it
//! has one.

use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use super::common::{end, park, sorted, spawn};
use crate::code::facade::{AtomicU32, Mutex, Ordering, lock};
use crate::code::idle::{Idle, ParkSlot, Role};
use crate::code::mailbox::Mailbox;

/// Worker 0 leaves, worker 1 stays.
struct Pool {
    broadcasts: [Mailbox<usize>; 2],
    /// Broadcast tasks that are sent and not taken: the gate of `runtime/broadcast_gate.rs`.
    gate: Mutex<usize>,
    /// Whether workers are asked to look for broadcasts: the request beside the phase.
    request: AtomicU32,
    idle: Idle,
}

impl Pool {
    fn new() -> Arc<Self> {
        Arc::new(Pool {
            broadcasts: [Mailbox::new(), Mailbox::new()],
            gate: Mutex::new(0),
            request: AtomicU32::new(0),
            idle: Idle::new(2),
        })
    }

    /// `send_broadcast`; returns the workers that were sent a task.
    fn send(&self) -> Vec<usize> {
        let mut sent = Vec::new();
        {
            let mut left = lock(&self.gate);
            self.request.store(1, Ordering::Release);
            for worker in 0..2 {
                if let Some(opening) = self.broadcasts[worker].open() {
                    opening.put(worker);
                    *left += 1;
                    sent.push(worker);
                }
            }
            if *left == 0 {
                self.request.store(0, Ordering::Release);
            }
        }
        if !leaves_out("waking the workers of a broadcast") {
            (0..2).for_each(|worker| self.idle.wake_this(worker));
        }
        sent
    }

    /// `take_broadcast`.
    fn take(&self, worker: usize) -> Option<usize> {
        let task = self.broadcasts[worker].take()?;
        let mut left = lock(&self.gate);
        *left -= 1;
        if *left == 0 {
            self.request.store(0, Ordering::Release);
        }
        Some(task)
    }

    /// Worker 0, when it has retired. Returns the tasks that it has run.
    fn leave(&self) -> Vec<usize> {
        let closes_late = leaves_out("closing the broadcasts before the last look");
        if !closes_late {
            self.broadcasts[0].close();
        }
        let ran = std::iter::from_fn(|| self.take(0)).collect();
        if closes_late {
            self.broadcasts[0].close();
        }
        self.idle.deregister();
        ran
    }

    /// Worker 1, which parks in between, until it has run `wanted` tasks.
    fn work(&self, wanted: usize) -> Vec<usize> {
        let park_slot = Arc::new(ParkSlot::new(1));
        let (mut ran, mut role) = (Vec::new(), Role::Active);
        while ran.len() < wanted {
            // A search includes the broadcasts of the worker. Between two tasks it looks at them only on
            // request.
            if (role == Role::Searching || self.request.load(Ordering::Acquire) != 0)
                && let Some(task) = self.take(1)
            {
                ran.push(task);
                if std::mem::replace(&mut role, Role::Active) == Role::Searching {
                    let _ = self.idle.end_search(); // there are no other tasks
                }
                continue;
            }
            let has_work = || !leaves_out("the look at the broadcasts") && !self.broadcasts[1].is_empty();
            role = park(&self.idle, &park_slot, role, has_work, Role::Searching);
        }
        ran
    }
}

fn check(broadcasts: usize) {
    let pool = Pool::new();
    let leaver = spawn(&pool, Pool::leave);
    let worker = spawn(&pool, move |pool| pool.work(broadcasts));
    let sent = sorted((0..broadcasts).flat_map(|_| pool.send()));
    let ran = sorted([end(leaver), end(worker)].concat());
    assert_eq!(sent, ran, "the workers that were sent a task, and those that ran one");
    assert_eq!((*lock(&pool.gate), pool.request.load(Ordering::Acquire)), (0, 0));
}

pub fn a_broadcast_task_for_a_leaver_runs_or_is_never_sent() {
    check(1);
}

/// Two broadcasts, between which the worker that stays may park.
pub fn each_broadcast_reaches_the_present_workers() {
    check(2);
}
