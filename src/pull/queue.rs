//! The shared queue of a pull pool, in order of arrival. All threads use it: producers push, workers take.
//!
//! It is crossbeam's injector, which was the fastest, or as fast, among the candidates that were measured (an
//! unbounded `crossbeam-channel` and `SegQueue` were the other candidates). An injector cannot be closed, so
//! producers from outside are admitted by an [`EntryCounter`]. Guarded by the model `pull` and by
//! `tests/it/pulling.rs`.

use crossbeam_deque::Injector;

use crate::base::counter::Counter;
use crate::queue::entry_counter::EntryCounter;
use crate::queue::injector::retried;
use crate::runtime::stripe::{self, STRIPES};
use crate::task::erased::Task;

/// The shared queue.
#[derive(Debug)]
pub struct SharedQueue {
    tasks: Injector<Task>,
    entries: EntryCounter<STRIPES>,
    /// Tasks taken by threads that discard them instead of running them.
    discarded: Counter,
}

impl SharedQueue {
    /// An open, empty queue.
    pub fn new() -> Self {
        SharedQueue { tasks: Injector::new(), entries: EntryCounter::new(), discarded: Counter::default() }
    }

    /// Admits `tasks` tasks from outside, which the caller then pushes. Returns false if the queue is closed.
    #[inline]
    pub fn enter(&self, tasks: u64) -> bool {
        self.entries.enter(stripe::current(), tasks)
    }

    /// Tasks admitted from outside so far.
    pub fn entered(&self) -> u64 {
        self.entries.entered()
    }

    /// Admits no more tasks from outside.
    pub fn close(&self) {
        self.entries.close();
    }

    /// Appends a task that was admitted.
    #[inline]
    pub fn push(&self, task: Task) {
        self.tasks.push(task);
    }

    /// Takes the oldest task. The caller counts it.
    #[inline]
    pub fn take(&self) -> Option<Task> {
        retried(|| self.tasks.steal())
    }

    /// Whether the queue is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Gives all tasks to `sink`, on any thread.
    pub fn drain(&self, sink: impl Fn(Task)) {
        self.drain_from(|| self.take(), sink);
    }

    /// Like [`SharedQueue::drain`], for tasks that were admitted here and are queued elsewhere, from where
    /// `take` takes them.
    pub fn drain_from(&self, take: impl Fn() -> Option<Task>, sink: impl Fn(Task)) {
        while let Some(task) = take() {
            self.discarded.add_shared(1);
            sink(task);
        }
    }

    /// Gives as many tasks as are queued now to `keep`, on any thread. A task that `keep` returns becomes the
    /// last.
    pub fn retain(&self, keep: &mut dyn FnMut(Task) -> Option<Task>) {
        for _ in 0..self.tasks.len() {
            let Some(task) = self.take() else { return };
            self.retain_one(task, keep);
        }
    }

    /// Gives one task, which was admitted here, to `keep`. If `keep` returns it, it is queued again, last.
    pub fn retain_one(&self, task: Task, keep: &mut dyn FnMut(Task) -> Option<Task>) {
        match keep(task) {
            // Not counted as discarded, also while this thread held it, so the pool was not drained
            // meanwhile.
            Some(task) => self.tasks.push(task),
            None => _ = self.discarded.add_shared(1),
        }
    }

    /// Tasks taken by [`SharedQueue::drain`] and [`SharedQueue::retain`], and not queued again.
    pub fn discarded(&self) -> u64 {
        self.discarded.get()
    }
}
