//! M10: the whole way of a worker out of the pool: `serve` and `discharge` in `runtime/worker_thread.rs`, with `withdraw` and `redistribute`
//! of `push/shared.rs`. Whatever is in its queues, or on its way there, is done by another. An inbox that is never closed
//! stands for its deque, and another for the injector.

use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use crate::code::facade::thread;
use crate::code::idle::{Idle, ParkReason, ParkSlot, ParkState, Role};
use crate::code::inbox::{Inbox, Refusal, Taken};
use crate::code::mailbox::Mailbox;
use crate::code::snapshot::Snapshot;

/// Worker 0 leaves, worker 1 stays.
struct Pool {
    members: Snapshot<usize>,
    inboxes: [Inbox<u32>; 2],
    mailboxes: [Mailbox<u32>; 2],
    /// Of worker 0; the other's stays empty.
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

    /// `Shared::send_to` worker 0.
    fn send(&self, task: u32) {
        match self.mailboxes[0].open() {
            Some(opening) => {
                opening.put(task);
                self.idle.notify_this(0);
            }
            None => self.dispatch(task),
        }
    }

    /// To the first of the set; one that refuses has left it, and the set is read again.
    fn dispatch(&self, mut task: u32) {
        loop {
            let target = self.members.read(|members| members[0]);
            match self.inboxes[target].push(task) {
                Ok(()) if leaves_out("notifying for a task that was refused first") => return,
                Ok(()) => return self.idle.notify(),
                Err((refused, Refusal::Closed)) => task = refused,
                Err((_, Refusal::Full)) => panic!("there is room for all"),
            }
            thread::yield_now();
        }
    }

    /// Worker 0, when it has resigned.
    fn leave(&self) {
        self.inboxes[0].close();
        let closes_late = leaves_out("closing the mailbox before it is emptied");
        if !closes_late {
            self.mailboxes[0].close();
        }
        self.members.replace(Box::new([1]));
        let moved = self.redistribute();
        if closes_late {
            self.mailboxes[0].close();
        }
        let is_silent = leaves_out("notifying for what is handed over");
        if moved > 0 && !is_silent {
            self.idle.notify_many(moved);
        }
        self.idle.deregister();
        if !is_silent && self.has_work() {
            self.idle.notify();
        }
    }

    fn redistribute(&self) -> usize {
        let mut moved = 0;
        let mut sink = |task| {
            self.injector.push(task).expect("room for all");
            moved += 1;
        };
        if !leaves_out("handing over the deque") {
            while let Some(task) = take(&self.deque) {
                sink(task);
            }
        }
        if !leaves_out("handing over the mailbox") {
            while let Some(task) = self.mailboxes[0].take() {
                sink(task);
            }
        }
        if !leaves_out("handing over the inbox") {
            self.inboxes[0].drain_closed(sink);
        }
        moved
    }

    /// All that there ever were, like the pool's; but a thief asks members only.
    fn has_work(&self) -> bool {
        let queues = self.inboxes.iter().chain([&self.deque, &self.injector]);
        queues.into_iter().any(Inbox::has_ready) || self.mailboxes.iter().any(|mailbox| !mailbox.is_empty())
    }

    fn sweep(&self) -> Option<u32> {
        let queued = |&member: &usize| {
            let of_deque = if member == 0 { take(&self.deque) } else { None };
            of_deque.or_else(|| take(&self.inboxes[member])).or_else(|| self.mailboxes[member].take())
        };
        take(&self.injector).or_else(|| self.members.read(|members| members.iter().find_map(queued)))
    }

    /// Worker 1 until it has run `wanted` tasks; as in `members.rs`.
    fn work(&self, wanted: usize) -> Vec<u32> {
        let park_slot = Arc::new(ParkSlot::new(1));
        let (mut ran, mut role) = (Vec::new(), Role::Active);
        while ran.len() < wanted {
            if let Some(task) = self.sweep() {
                if role == Role::Searching {
                    let _ = self.idle.end_search(); // it is alone, and looks again anyway
                }
                role = Role::Active;
                ran.push(task);
                continue;
            }
            // What it has seen may be in a queue that is just being emptied: the leaver has to come on.
            thread::yield_now();
            self.idle.prepare_park(&park_slot, role, ParkReason::Idle);
            if !self.has_work() {
                while park_slot.park_state() != ParkState::Awake {
                    thread::park();
                }
            }
            role = self.idle.cancel_park(&park_slot, Role::Searching).expect("nobody borrows here");
        }
        ran.sort_unstable();
        ran
    }

    fn assert_empty(&self) {
        assert!(!self.has_work(), "something was left behind");
    }
}

fn take(inbox: &Inbox<u32>) -> Option<u32> {
    let mut batch = Vec::new();
    match inbox.take(1, &mut batch) {
        Taken::Some => batch.pop(),
        Taken::Nothing | Taken::Contended => None,
    }
}

/// A task is sent to the leaver by its number. Whoever stays runs it, whether it came before, in between or too late.
pub fn a_task_sent_to_a_leaver_is_done() {
    let pool = Pool::new();
    let for_leaver = pool.clone();
    let leaver = loom::thread::spawn(move || for_leaver.leave());
    let for_sender = pool.clone();
    let sender = loom::thread::spawn(move || for_sender.send(7));
    assert_eq!(pool.work(1), [7]);
    leaver.join().expect("a panic ends the process");
    sender.join().expect("a panic ends the process");
    pool.assert_empty();
}

/// All its queues are full of tasks, and the other steals from them while they are emptied.
pub fn what_a_leaver_has_is_done_by_another() {
    let pool = Pool::new();
    assert!(pool.deque.push(0).is_ok() && pool.inboxes[0].push(1).is_ok());
    pool.mailboxes[0].open().expect("open").put(2);
    let for_leaver = pool.clone();
    let leaver = loom::thread::spawn(move || for_leaver.leave());
    assert_eq!(pool.work(3), [0, 1, 2]);
    leaver.join().expect("a panic ends the process");
    pool.assert_empty();
}

/// Two tasks for a worker that leaves and whose number is given again: each is handed on, goes to another, or is its
/// successor's.
pub fn a_mailbox_that_is_given_again_loses_nothing() {
    let pool = Pool::new();
    let for_leaver = pool.clone();
    let leaver = loom::thread::spawn(move || {
        for_leaver.leave();
        for_leaver.inboxes[0].reopen();
        for_leaver.mailboxes[0].reopen();
        for_leaver.members.replace(Box::new([1, 0]));
    });
    pool.send(0);
    pool.send(1);
    leaver.join().expect("a panic ends the process");
    pool.send(2);
    assert_eq!(pool.work(3), [0, 1, 2]);
    pool.assert_empty();
}
