//! M10: a worker leaves the set while dispatchers push by an old snapshot. No task stays with it.

use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use super::common::{end, park, sorted, spawn, take};
use crate::code::facade::thread;
use crate::code::idle::{Idle, ParkSlot, Role};
use crate::code::inbox::{Inbox, Refusal};
use crate::code::snapshot::Snapshot;

struct Pool {
    members: Snapshot<usize>,
    inboxes: [Inbox<u32>; 2],
    idle: Idle,
}

impl Pool {
    fn new(members: Box<[usize]>) -> Arc<Self> {
        Arc::new(Pool {
            members: Snapshot::new(members),
            inboxes: [Inbox::new(2), Inbox::new(2)],
            idle: Idle::new(2),
        })
    }

    /// Pushes to the first member. A refusal means that the snapshot is old.
    fn dispatch(&self, mut value: u32) {
        loop {
            let target = self.members.read(|members| members[0]);
            match self.inboxes[target].push(value) {
                Ok(()) => break,
                Err((refused, Refusal::Closed)) if !leaves_out("reading the set again") => value = refused,
                Err((_, Refusal::Closed)) => return, // the mutant loses the task
                Err((_, Refusal::Full)) => panic!("it is not full"),
            }
            thread::yield_now();
        }
        self.idle.notify();
    }

    /// Worker 0 refuses pushes, leaves the set, and hands its tasks on.
    fn leave(&self) {
        let inbox = &self.inboxes[0];
        let drain = || std::iter::from_fn(|| take(inbox)).for_each(|value| self.hand_on(value));
        if leaves_out("closing the inbox of a leaver") {
            self.members.replace(Box::new([1]));
            return drain();
        }
        let drains_early = leaves_out("draining after the close");
        if drains_early {
            drain();
        }
        inbox.close();
        self.members.replace(Box::new([1]));
        if !drains_early {
            inbox.drain_closed(|value| self.hand_on(value));
        }
    }

    fn hand_on(&self, value: u32) {
        self.inboxes[1].push(value).expect("it is not full");
        if !leaves_out("notifying for tasks handed on") {
            self.idle.notify();
        }
    }

    fn has_work(&self) -> bool {
        self.members.read(|members| members.iter().any(|&i| self.inboxes[i].has_ready()))
    }

    /// Worker 1, until it has `wanted` tasks. It does not search: it looks once, and parks if it finds
    /// nothing.
    fn work(&self, wanted: usize) -> Vec<u32> {
        let park_slot = Arc::new(ParkSlot::new(1));
        let (mut ran, mut role) = (Vec::new(), Role::Active);
        while ran.len() < wanted {
            let task = self.members.read(|members| members.iter().find_map(|&i| take(&self.inboxes[i])));
            if let Some(task) = task {
                if role == Role::Searching {
                    let _ = self.idle.end_search(); // it is the only worker, and looks again anyway
                }
                role = Role::Active;
                ran.push(task);
                continue;
            }
            role = park(&self.idle, &park_slot, role, || self.has_work(), Role::Searching);
        }
        sorted(ran)
    }
}

fn dispatch_two(pool: &Pool) {
    pool.dispatch(0);
    pool.dispatch(1);
}

/// Two tasks against a leaver. The other worker runs both, whatever their way.
pub fn no_task_stays_with_a_worker_that_leaves() {
    let pool = Pool::new(Box::new([0, 1]));
    let leaver = spawn(&pool, Pool::leave);
    let dispatcher = spawn(&pool, dispatch_two);
    let ran = pool.work(2);
    end(leaver);
    end(dispatcher);
    assert_eq!(ran, [0, 1]);
    assert_eq!(pool.inboxes[0].len() + pool.inboxes[1].len(), 0);
}

/// A worker joins while another thread pushes by the old set or the new one. The new worker looks at all
/// members.
pub fn a_worker_that_joins_finds_earlier_tasks() {
    let pool = Pool::new(Box::new([0]));
    let dispatcher = spawn(&pool, dispatch_two);
    let newcomer = spawn(&pool, |pool| pool.work(2));
    pool.members.replace(Box::new([0, 1]));
    let ran = end(newcomer);
    end(dispatcher);
    assert_eq!(ran, [0, 1]);
}
