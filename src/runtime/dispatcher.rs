//! Pushes tasks to workers: the only code that puts anything into an inbox.
//!
//! A task submitted by a task goes to the deque of the worker it runs on. One from outside goes to a worker that is
//! idle, if there is one, else to the *home* of the submitting thread: an inbox it keeps to while that has room, so
//! that its tasks stay together in one core's cache. `policy::placement` says when a producer moves.

use std::cell::Cell;

use super::idle::Idle;
use super::shared::{BATCH, Block, Remote, Shared};
use super::worker::Worker;
use crate::base::rng::Rng;
use crate::error::SubmitErrorKind;
use crate::policy::placement::{self, REVIEW_INTERVAL};
use crate::primitives::inbox::{Refusal, Taken};
use crate::primitives::task::Task;

/// What a thread remembers of the pool that it last submitted to from outside.
#[derive(Clone, Copy)]
struct Home {
    pool: u64,
    worker: u32,
    /// Pushes left until the next review.
    countdown: u32,
}

thread_local! {
    // Constant and without a destructor: one instruction to reach, and usable while other thread-locals die.
    static HOME: Cell<Home> = const { Cell::new(Home { pool: 0, worker: 0, countdown: 0 }) };
}

impl Shared {
    /// Accepts one task, or hands it back with the reason.
    #[inline]
    pub fn dispatch(&self, task: Task) -> Result<(), (Task, SubmitErrorKind)> {
        if self.is_forked() {
            return Err((task, SubmitErrorKind::Forked));
        }
        Worker::with_current(|worker| match worker {
            Some(worker) if worker.belongs_to(self) => worker.submit(task),
            _ => self.push_from_outside(task),
        })
    }

    #[inline]
    fn push_from_outside(&self, task: Task) -> Result<(), (Task, SubmitErrorKind)> {
        let target = self.target();
        match self.remote(target).inbox.push(task) {
            Ok(()) => {}
            Err((task, Refusal::Full)) => self.push_around(target, task)?,
            Err((task, Refusal::Closed)) => return Err((task, SubmitErrorKind::Closed)),
        }
        self.idle.notify();
        Ok(())
    }

    /// The worker that the next task from outside goes to.
    #[inline]
    fn target(&self) -> usize {
        let mut home = HOME.get();
        if home.pool != self.id {
            home = self.first_home();
            HOME.set(home);
        }
        if self.idle.counts().any_idle() {
            return self.idle.hint();
        }
        if home.countdown == 0 {
            home = self.review(home);
        }
        HOME.set(Home {
            countdown: home.countdown - 1,
            ..home
        });
        home.worker as usize
    }

    #[cold]
    fn first_home(&self) -> Home {
        // Each producer starts elsewhere.
        let turn = self.metrics.homes_given.add_shared(1);
        let worker = self
            .members
            .read(|members| members[turn as usize % members.len()]);
        Home {
            pool: self.id,
            worker: worker as u32,
            countdown: REVIEW_INTERVAL,
        }
    }

    #[cold]
    fn review(&self, home: Home) -> Home {
        let rng = Rng::new(self.config.seed, self.metrics.homes_given.add_shared(1));
        let worker = self.members.read(|members| {
            let here = members
                .iter()
                .position(|&m| m == home.worker as usize)
                .unwrap_or(0);
            let depth = |i: usize| self.remote(members[i]).inbox.len();
            members[placement::review_home(here, members.len(), depth, &rng)]
        });
        Home {
            pool: self.id,
            worker: worker as u32,
            countdown: REVIEW_INTERVAL,
        }
    }

    /// Finds a place for a task whose inbox is full: the next worker with room, else the injector takes the oldest
    /// batch of that inbox, and the task goes in its stead. (Moving the oldest keeps the order of arrival, and one
    /// trip to the injector serves a whole batch of pushes.)
    #[cold]
    fn push_around(&self, target: usize, mut task: Task) -> Result<(), (Task, SubmitErrorKind)> {
        HOME.set(Home {
            countdown: 0,
            ..HOME.get()
        });
        loop {
            let Some(passage) = self.passage() else {
                return Err((task, SubmitErrorKind::Closed));
            };
            if let Some(block) = take_block_from(self.remote(target)) {
                passage.inject(block);
            }
            match self.remote(target).inbox.push(task) {
                Ok(()) => return Ok(()),
                // Other producers took the room that we made: make some more.
                Err((refused, Refusal::Full)) => task = refused,
                Err((refused, Refusal::Closed)) => return Err((refused, SubmitErrorKind::Closed)),
            }
        }
    }
}

/// The oldest batch of an inbox, or nothing if somebody else has just made room there.
fn take_block_from(remote: &Remote) -> Option<Block> {
    let mut block = Block::new();
    match remote.inbox.take(BATCH, |task| {
        if block.capacity() == 0 {
            block.reserve_exact(BATCH);
        }
        block.push(task);
    }) {
        Taken::Some { first, .. } => {
            block.push(first);
            block.reverse(); // `take` hands over the youngest first
            Some(block)
        }
        Taken::Nothing | Taken::Contended => None,
    }
}

/// Has workers woken for the tasks of a batch that are out when it goes: also when the caller's iterator panics.
pub struct Announcement<'a> {
    /// Who is to be woken.
    pub idle: &'a Idle,
    /// Tasks made visible so far.
    pub tasks: usize,
}

impl Drop for Announcement<'_> {
    fn drop(&mut self) {
        self.idle.notify_many(self.tasks);
    }
}

/// A batch that is only in part accepted: how many were, and the first that was not.
#[derive(Debug)]
pub struct Rejected {
    /// Tasks accepted before.
    pub accepted: usize,
    /// Tasks that were on their way, the oldest first.
    pub returned: Vec<Task>,
    /// Why.
    pub kind: SubmitErrorKind,
}

impl Shared {
    /// Accepts the tasks of `tasks`, in order, with few publications and one decision whom to wake.
    pub fn dispatch_batch(&self, tasks: impl Iterator<Item = Task>) -> Result<usize, Rejected> {
        let refuse = |kind| Rejected {
            accepted: 0,
            returned: Vec::new(),
            kind,
        };
        if self.is_forked() {
            return Err(refuse(SubmitErrorKind::Forked));
        }
        Worker::with_current(|worker| match worker {
            Some(worker) if worker.belongs_to(self) => worker.submit_batch(tasks),
            _ => self.push_batch_from_outside(tasks),
        })
    }

    fn push_batch_from_outside(&self, mut tasks: impl Iterator<Item = Task>) -> Result<usize, Rejected> {
        let workers = self.members.read(<[usize]>::len);
        // A small batch is spread over all workers; a large one goes out in full portions.
        let share = tasks.size_hint().0.div_ceil(workers).clamp(1, BATCH);
        let mut portion = Vec::with_capacity(share);
        let mut target = self.target();
        let mut batch = Announcement {
            idle: &self.idle,
            tasks: 0,
        };
        loop {
            portion.extend(tasks.by_ref().take(share));
            if portion.is_empty() {
                return Ok(batch.tasks);
            }
            let n = portion.len();
            if let Err((returned, kind)) = self.push_portion(target, &mut portion) {
                batch.tasks += n - returned.len();
                return Err(Rejected {
                    accepted: batch.tasks,
                    returned,
                    kind,
                });
            }
            batch.tasks += n;
            // The iterator may be slow: one worker can begin with what is there.
            self.idle.notify();
            target = self.members.read(|members| {
                let here = members.iter().position(|&m| m == target).unwrap_or(0);
                members[(here + 1) % members.len()]
            });
        }
    }

    /// Puts all of `portion` into the inbox of `target`, and what it has no room for into the injector.
    fn push_portion(
        &self,
        target: usize,
        portion: &mut Vec<Task>,
    ) -> Result<(), (Vec<Task>, SubmitErrorKind)> {
        let mut left = portion.drain(..);
        let pushed = self
            .remote(target)
            .inbox
            .push_batch(left.len(), || left.next().expect("counted"));
        if pushed == Err(Refusal::Closed) {
            return Err((left.collect(), SubmitErrorKind::Closed));
        }
        if left.len() == 0 {
            return Ok(());
        }
        let block: Block = left.collect();
        let Some(passage) = self.passage() else {
            return Err((block, SubmitErrorKind::Closed));
        };
        self.metrics.injected.add_shared(block.len() as u64);
        passage.inject(block);
        Ok(())
    }
}
