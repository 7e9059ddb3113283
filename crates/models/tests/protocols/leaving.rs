//! M10: a worker leaves the pool, from its retirement to its end (`runtime/worker_thread.rs`,
//! `push/kind.rs`). Every task in its queues, or on its way there, runs on another worker. An inbox that is
//! never closed replaces its deque, and another one the injector.

use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use super::common::{end, park, sorted, spawn, take};
use crate::code::facade::thread;
use crate::code::idle::{Idle, ParkSlot, Role};
use crate::code::inbox::{Inbox, Refusal};
use crate::code::mailbox::Mailbox;
use crate::code::snapshot::Snapshot;

/// Worker 0 leaves, worker 1 stays.
struct Pool {
    members: Snapshot<usize>,
    inboxes: [Inbox<u32>; 2],
    mailboxes: [Mailbox<u32>; 2],
    /// The deque of worker 0; that of worker 1 stays empty.
    deque: Inbox<u32>,
    injector: Inbox<u32>,
    idle: Idle,
}

impl Pool {
    fn new() -> Arc<Self> {
        Arc::new(Pool {
            members: Snapshot::new(Box::new([0, 1])),
            inboxes: [Inbox::new(2), Inbox::new(2)],
            mailboxes: [Mailbox::new(), Mailbox::new()],
            deque: Inbox::new(2),
            injector: Inbox::new(4),
            idle: Idle::new(2),
        })
    }

    /// Sends a task to worker 0, as `push/affinity.rs` does.
    fn send(&self, task: u32) {
        match self.mailboxes[0].open() {
            Some(opening) => {
                opening.put(task);
                self.idle.notify_this(0);
            }
            None => self.dispatch(task),
        }
    }

    /// Pushes to the first member. A member that refuses has left the set, which is read again.
    fn dispatch(&self, mut task: u32) {
        loop {
            let target = self.members.read(|members| members[0]);
            match self.inboxes[target].push(task) {
                Ok(()) if leaves_out("notifying for a task that was refused first") => return,
                Ok(()) => return self.idle.notify(),
                Err((refused, Refusal::Closed)) => task = refused,
                Err((_, Refusal::Full)) => panic!("it is not full"),
            }
            thread::yield_now();
        }
    }

    /// Worker 0, when it has retired.
    fn leave(&self) {
        self.inboxes[0].close();
        let closes_late = leaves_out("closing the mailbox before it is emptied");
        if !closes_late {
            self.mailboxes[0].close();
        }
        self.members.replace(Box::new([1]));
        let moved = self.hand_over();
        if closes_late {
            self.mailboxes[0].close();
        }
        let is_silent = leaves_out("notifying for tasks handed over");
        if moved > 0 && !is_silent {
            self.idle.notify_many(moved);
        }
        self.idle.deregister();
        if !is_silent && self.has_work() {
            self.idle.notify();
        }
    }

    /// Moves the tasks of worker 0 to the injector; returns their number.
    fn hand_over(&self) -> usize {
        let mut moved = 0;
        let mut sink = |task| {
            self.injector.push(task).expect("it is not full");
            moved += 1;
        };
        if !leaves_out("handing over the deque") {
            std::iter::from_fn(|| take(&self.deque)).for_each(&mut sink);
        }
        if !leaves_out("handing over the mailbox") {
            std::iter::from_fn(|| self.mailboxes[0].take()).for_each(&mut sink);
        }
        if !leaves_out("handing over the inbox") {
            self.inboxes[0].drain_closed(sink);
        }
        moved
    }

    /// Asks the queues of all workers that have ever existed, like the pool; a thief asks members only.
    fn has_work(&self) -> bool {
        let queues = self.inboxes.iter().chain([&self.deque, &self.injector]);
        queues.into_iter().any(Inbox::has_ready) || self.mailboxes.iter().any(|mailbox| !mailbox.is_empty())
    }

    fn next_task(&self) -> Option<u32> {
        let queued = |&member: &usize| {
            let of_deque = if member == 0 { take(&self.deque) } else { None };
            of_deque.or_else(|| take(&self.inboxes[member])).or_else(|| self.mailboxes[member].take())
        };
        take(&self.injector).or_else(|| self.members.read(|members| members.iter().find_map(queued)))
    }

    /// Worker 1, until it has run `wanted` tasks.
    fn work(&self, wanted: usize) -> Vec<u32> {
        let park_slot = Arc::new(ParkSlot::new(1));
        let (mut ran, mut role) = (Vec::new(), Role::Active);
        while ran.len() < wanted {
            if let Some(task) = self.next_task() {
                if role == Role::Searching {
                    let _ = self.idle.end_search(); // it is the only worker, and looks again anyway
                }
                role = Role::Active;
                ran.push(task);
                continue;
            }
            // The task that it has seen may be in a queue that is being emptied: the leaver must go on.
            thread::yield_now();
            role = park(&self.idle, &park_slot, role, || self.has_work(), Role::Searching);
        }
        sorted(ran)
    }

    fn assert_empty(&self) {
        assert!(!self.has_work(), "a task was left behind");
    }
}

/// A task is sent to the leaver by its number. The worker that stays runs it, whether it came before the
/// close, in between or too late.
pub fn a_task_sent_to_a_leaver_runs() {
    let pool = Pool::new();
    let leaver = spawn(&pool, Pool::leave);
    let sender = spawn(&pool, |pool| pool.send(7));
    assert_eq!(pool.work(1), [7]);
    end(leaver);
    end(sender);
    pool.assert_empty();
}

/// All queues of the leaver contain tasks, and the other worker steals from them while they are emptied.
pub fn tasks_of_a_leaver_run_elsewhere() {
    let pool = Pool::new();
    assert!(pool.deque.push(0).is_ok() && pool.inboxes[0].push(1).is_ok());
    pool.mailboxes[0].open().expect("open").put(2);
    let leaver = spawn(&pool, Pool::leave);
    assert_eq!(pool.work(3), [0, 1, 2]);
    end(leaver);
    pool.assert_empty();
}

/// Two tasks for a worker that leaves and whose number is assigned again: each is handed on, goes to the
/// other worker, or goes to the successor.
pub fn a_reopened_mailbox_loses_nothing() {
    let pool = Pool::new();
    let leaver = spawn(&pool, |pool| {
        pool.leave();
        pool.inboxes[0].reopen();
        pool.mailboxes[0].reopen();
        pool.members.replace(Box::new([1, 0]));
    });
    pool.send(0);
    pool.send(1);
    end(leaver);
    pool.send(2);
    assert_eq!(pool.work(3), [0, 1, 2]);
    pool.assert_empty();
}
