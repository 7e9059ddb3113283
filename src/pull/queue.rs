//! The one queue of a pull pool. It belongs to all threads; producers put in at one end, workers take from the other.
//!
//! It is crossbeam's injector: of what was measured (also an unbounded `crossbeam-channel` and `SegQueue`) the fastest, or
//! as fast. That cannot be closed, so producers from outside pass [`EntryCounter`].

use crossbeam_deque::{Injector, Steal};
use crossbeam_utils::Backoff;

use crate::base::counter::Counter;
use crate::queue::entry_counter::EntryCounter;
use crate::runtime::stripe::{self, STRIPES};
use crate::task::erased::Task;

/// See the module's text.
#[derive(Debug)]
pub struct SharedQueue {
    tasks: Injector<Task>,
    entries: EntryCounter<STRIPES>,
    /// Places emptied by threads that are no workers, at shutdown.
    discarded: Counter,
}

impl SharedQueue {
    /// Open and empty.
    pub fn new() -> Self {
        SharedQueue { tasks: Injector::new(), entries: EntryCounter::new(), discarded: Counter::default() }
    }

    /// Lets in `tasks` tasks from outside, which the caller then pushes; `false` if the queue is closed.
    #[inline]
    pub fn enter(&self, tasks: u64) -> bool {
        self.entries.enter(stripe::current(), tasks)
    }

    /// Tasks let in so far from outside.
    pub fn entered(&self) -> u64 {
        self.entries.entered()
    }

    /// Lets nobody in any more.
    pub fn close(&self) {
        self.entries.close();
    }

    /// Puts in a task that was let in.
    #[inline]
    pub fn push(&self, task: Task) {
        self.tasks.push(task);
    }

    /// Takes the oldest task. The caller counts it.
    #[inline]
    pub fn take(&self) -> Option<Task> {
        let backoff = Backoff::new();
        loop {
            match self.tasks.steal() {
                Steal::Success(task) => return Some(task),
                Steal::Empty => return None,
                // Somebody else got one, so this loop ends after at most as many rounds as there are tasks.
                Steal::Retry => backoff.spin(),
            }
        }
    }

    /// Whether no task is in the queue.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Gives all tasks to `throw`, on any thread.
    pub fn drain(&self, sink: impl Fn(Task)) {
        self.drain_from(|| self.take(), sink);
    }

    /// As [`SharedQueue::drain`], of tasks that were let in here and lie elsewhere.
    pub fn drain_from(&self, take: impl Fn() -> Option<Task>, sink: impl Fn(Task)) {
        while let Some(task) = take() {
            self.discarded.add_shared(1);
            sink(task);
        }
    }

    /// Gives as many tasks as there are now to `sort`, on any thread; what comes back returns to the end of the queue.
    pub fn retain(&self, sort: &mut dyn FnMut(Task) -> Option<Task>) {
        for _ in 0..self.tasks.len() {
            let Some(task) = self.take() else { return };
            self.retain_one(task, sort);
        }
    }

    /// Gives one to `sort` that was let in.
    pub fn retain_one(&self, task: Task, sort: &mut dyn FnMut(Task) -> Option<Task>) {
        match sort(task) {
            // Its place is not counted as emptied, so the pool is not drained while it is in hand.
            Some(task) => self.tasks.push(task),
            None => _ = self.discarded.add_shared(1),
        }
    }

    /// Places emptied by [`SharedQueue::drain`] and [`SharedQueue::retain`].
    pub fn discarded(&self) -> u64 {
        self.discarded.get()
    }
}
