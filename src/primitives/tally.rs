//! What became of the tasks that one worker took: written by the thread that acts as this worker, read by anyone.

use std::sync::Arc;

use super::room::Room;
use crate::base::counter::Counter;

/// Ends of tasks. `started = completed + panicked + cancelled + those running now`.
#[derive(Debug, Default)]
pub struct Tally {
    /// Taken out of a queue for good.
    pub started: Counter,
    /// Returned normally.
    pub completed: Counter,
    /// Panicked, in the body or while the closure's captures were dropped.
    pub panicked: Counter,
    /// Found cancelled, or thrown away unstarted.
    pub cancelled: Counter,
    /// Where the permits of a bounded pool go.
    exit: Option<Exit>,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// See [`Tally::completed`].
    Completed,
    /// See [`Tally::panicked`].
    Panicked,
    /// See [`Tally::cancelled`].
    Cancelled,
}

/// Gives the permits of the tasks that a worker takes back to the room.
#[derive(Debug)]
pub struct Exit {
    /// The room.
    pub room: Arc<Room>,
    /// The number of the worker.
    pub worker: usize,
    /// When a task leaves the room.
    pub held: Held,
}

/// How long a task has its permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Until it begins: tasks that wait are limited.
    UntilBegin,
    /// Until it has ended: tasks that run are limited, and none waits.
    UntilEnd,
}

impl Tally {
    /// The tally of a worker, in a bounded pool with an exit.
    pub fn new(exit: Option<Exit>) -> Self {
        Tally { exit, ..Tally::default() }
    }

    /// Adds the ends that `other` has counted, from any thread. Only for a tally of which nothing is counted by one thread
    /// alone.
    pub fn add_ends_of(&self, other: &Tally) {
        self.completed.add_shared(other.completed.get());
        self.panicked.add_shared(other.panicked.get());
        self.cancelled.add_shared(other.cancelled.get());
    }

    /// Counts the beginning of a task (or the finding that it never will begin).
    #[inline(always)]
    pub fn begin(&self) {
        self.started.add(1);
        self.leave_room(Held::UntilBegin);
    }

    /// Counts its end.
    #[inline(always)]
    pub fn end(&self, end: End) {
        match end {
            End::Completed => self.completed.add(1),
            End::Panicked => self.panicked.add(1),
            End::Cancelled => self.cancelled.add(1),
        }
        self.leave_room(Held::UntilEnd);
    }

    #[inline(always)]
    fn leave_room(&self, at: Held) {
        if let Some(exit) = &self.exit
            && exit.held == at
        {
            exit.room.give_back(exit.worker);
        }
    }
}
