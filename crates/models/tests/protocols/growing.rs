//! M10: pools that grow and shrink. A push that finds nobody idle calls the supervisor, whatever that does at the moment; a
//! worker that leaves passes on what counted on it; a number that is given again loses nothing.

use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use crate::code::facade::{AtomicU32, Ordering, thread};
use crate::code::idle::Idle;
use crate::code::inbox::{Inbox, Refusal, Taken};

/// A pool whose one worker is in the middle of a long task: what comes waits for another.
struct Pool {
    idle: Idle,
    inbox: Inbox<u32>,
    /// Whether there may be more workers.
    has_room: AtomicU32,
}

impl Pool {
    fn new(workers: usize, has_room: u32) -> Arc<Self> {
        let (idle, inbox) = (Idle::new(workers), Inbox::new(2));
        Arc::new(Pool { idle, inbox, has_room: AtomicU32::new(has_room) })
    }

    fn push(&self, value: u32) {
        assert!(self.inbox.push(value).is_ok(), "room for all, and open");
        self.idle.notify();
    }

    fn take(&self) -> Option<u32> {
        take(&self.inbox)
    }

    /// `Supervisor::run`, until it has had the pool grow by the worker that does the task.
    fn supervise(&self) -> u32 {
        self.idle.set_autoscaler(Some(thread::current()));
        loop {
            if self.has_room.load(Ordering::Relaxed) != 0 {
                self.idle.arm_autoscaler();
            }
            if !leaves_out("the supervisor's last look")
                && let Some(task) = self.take()
            {
                return task;
            }
            thread::park();
            if let Some(task) = self.take() {
                return task;
            }
        }
    }

    /// A worker that is one too many goes: `retire` and `discharge`.
    fn leave(&self) {
        self.has_room.store(1, Ordering::Relaxed);
        self.idle.arm_autoscaler();
        self.idle.deregister();
        if !leaves_out("the look after a worker has left") && self.inbox.has_ready() {
            self.idle.notify();
        }
    }
}

fn take(inbox: &Inbox<u32>) -> Option<u32> {
    let mut batch = Vec::new();
    match inbox.take(1, &mut batch) {
        Taken::Some => batch.pop(),
        Taken::Nothing | Taken::Contended => None,
    }
}

/// A push against a supervisor that lies down.
pub fn a_push_calls_the_supervisor() {
    let pool = Pool::new(1, 1);
    let for_supervisor = pool.clone();
    let supervisor = loom::thread::spawn(move || for_supervisor.supervise());
    pool.push(7);
    assert_eq!(supervisor.join().expect("a panic ends the process"), 7);
}

/// A push against a worker that leaves a full pool: it calls nobody, for there was no room, or the supervisor, for there is.
pub fn a_worker_that_leaves_has_the_pool_grow_again() {
    let pool = Pool::new(2, 0);
    let for_supervisor = pool.clone();
    let supervisor = loom::thread::spawn(move || for_supervisor.supervise());
    let for_leaver = pool.clone();
    let leaver = loom::thread::spawn(move || for_leaver.leave());
    pool.push(7);
    leaver.join().expect("a panic ends the process");
    assert_eq!(supervisor.join().expect("a panic ends the process"), 7);
}

/// Two tasks for a worker that leaves and whose number is given again: each is handed on, refused, or its successor's.
pub fn a_number_that_is_given_again_loses_nothing() {
    let inboxes = Arc::new([Inbox::new(4), Inbox::new(4)]);
    let of_leaver = inboxes.clone();
    let leaver = loom::thread::spawn(move || {
        of_leaver[0].close();
        of_leaver[0].drain_closed(|value| of_leaver[1].push(value).expect("room for all"));
        of_leaver[0].reopen();
    });
    for value in 0..2 {
        match inboxes[0].push(value) {
            Ok(()) => {}
            Err((value, Refusal::Closed)) => inboxes[1].push(value).expect("room for all"),
            Err((_, Refusal::Full)) => panic!("there is room for all"),
        }
    }
    leaver.join().expect("a panic ends the process");
    assert!(inboxes[0].push(2).is_ok(), "it is open again");
    let mut found: Vec<u32> = inboxes.iter().flat_map(|inbox| std::iter::from_fn(|| take(inbox))).collect();
    found.sort_unstable();
    assert_eq!(found, [0, 1, 2]);
}
