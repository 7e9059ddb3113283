//! M10: a worker leaves the set while dispatchers push by an old snapshot. No task stays behind with it.

use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use crate::code::facade::thread;
use crate::code::idle::{Idle, ParkReason, ParkSlot, ParkState, Role};
use crate::code::inbox::{Inbox, Refusal, Taken};
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

    /// Chooses the first of the set; a refusal says that the snapshot is old.
    fn dispatch(&self, mut value: u32) {
        loop {
            let target = self.members.read(|members| members[0]);
            match self.inboxes[target].push(value) {
                Ok(()) => break,
                Err((refused, Refusal::Closed)) if !leaves_out("reading the set again") => value = refused,
                Err((_, Refusal::Closed)) => return, // the mutant gives the task up
                Err((_, Refusal::Full)) => panic!("there is room for all"),
            }
            thread::yield_now();
        }
        self.idle.notify();
    }

    /// Worker 0 goes: refuses pushes, leaves the set, hands on what it has.
    fn leave(&self) {
        let inbox = &self.inboxes[0];
        if leaves_out("closing the inbox of a leaver") {
            self.members.replace(Box::new([1]));
            while let Some(value) = self.take(0) {
                self.hand_on(value);
            }
            return;
        }
        if leaves_out("draining after the close") {
            while let Some(value) = self.take(0) {
                self.hand_on(value);
            }
            inbox.close();
            self.members.replace(Box::new([1]));
            return;
        }
        inbox.close();
        self.members.replace(Box::new([1]));
        inbox.drain_closed(|value| self.hand_on(value));
    }

    fn hand_on(&self, value: u32) {
        self.inboxes[1].push(value).expect("room for all");
        if !leaves_out("notifying for tasks handed on") {
            self.idle.notify();
        }
    }

    fn take(&self, index: usize) -> Option<u32> {
        let mut batch = Vec::new();
        match self.inboxes[index].take(1, &mut batch) {
            Taken::Some => batch.pop(),
            Taken::Nothing | Taken::Contended => None,
        }
    }

    fn has_work(&self) -> bool {
        self.members.read(|members| members.iter().any(|&i| self.inboxes[i].has_ready()))
    }

    /// Worker 1 until it has `wanted` tasks, without a search: it looks, and lies down if there is nothing.
    fn work(&self, wanted: usize) -> Vec<u32> {
        let park_slot = Arc::new(ParkSlot::new(1));
        let mut ran = Vec::new();
        let mut role = Role::Active;
        while ran.len() < wanted {
            let task = self.members.read(|members| members.iter().find_map(|&i| self.take(i)));
            if let Some(task) = task {
                if role == Role::Searching && self.idle.end_search() != crate::code::idle::Duty::None {
                    // It is the only worker, and looks again anyway.
                }
                role = Role::Active;
                ran.push(task);
                continue;
            }
            self.idle.prepare_park(&park_slot, role, ParkReason::Idle);
            if !self.has_work() {
                while park_slot.park_state() != ParkState::Awake {
                    thread::park();
                }
            }
            role = self.idle.cancel_park(&park_slot, Role::Searching).expect("nobody borrows here");
        }
        ran
    }
}

/// Two tasks against a leaver; the other worker runs both, whichever way they come.
pub fn no_task_stays_with_a_worker_that_leaves() {
    let pool = Pool::new(Box::new([0, 1]));
    let for_leaver = pool.clone();
    let leaver = loom::thread::spawn(move || for_leaver.leave());
    let for_dispatcher = pool.clone();
    let dispatcher = loom::thread::spawn(move || {
        for_dispatcher.dispatch(0);
        for_dispatcher.dispatch(1);
    });
    let mut ran = pool.work(2);
    leaver.join().expect("a panic ends the process");
    dispatcher.join().expect("a panic ends the process");
    ran.sort_unstable();
    assert_eq!(ran, [0, 1]);
    assert_eq!(pool.inboxes[0].len() + pool.inboxes[1].len(), 0);
}

/// A worker joins while another thread pushes by the old set or the new one; the newcomer looks at all members.
pub fn a_worker_that_joins_finds_what_came_before_it() {
    let pool = Pool::new(Box::new([0]));
    let for_dispatcher = pool.clone();
    let dispatcher = loom::thread::spawn(move || {
        for_dispatcher.dispatch(0);
        for_dispatcher.dispatch(1);
    });
    let for_newcomer = pool.clone();
    let newcomer = loom::thread::spawn(move || for_newcomer.work(2));
    pool.members.replace(Box::new([0, 1]));
    let mut ran = newcomer.join().expect("a panic ends the process");
    dispatcher.join().expect("a panic ends the process");
    ran.sort_unstable();
    assert_eq!(ran, [0, 1]);
}
