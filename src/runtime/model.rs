//! What a kind of pool must provide: [`Model`] for the queues around a [`Core`], [`Owner`] for a worker's own half.

use std::ops::Deref;
use std::sync::Arc;

use crate::runtime::config::Config;
use crate::runtime::core::Core;
use crate::runtime::metrics::{LoadSample, PoolStats};
use crate::task::erased::Task;

/// A way to bring tasks to workers: the queues around a [`Core`], as far as threads that start and stop are concerned.
pub trait Model: Deref<Target = Core> + Sized + Send + Sync + 'static {
    /// The owner half of a worker.
    type Worker: Owner;

    /// The shared half of a pool. It has no worker yet.
    fn new(config: Config) -> Self;
    /// Makes worker `index` known to those who bring tasks. Called under the lock of the roster, before its thread runs;
    /// `outside_work` says whether work from outside may go to it.
    fn admit(&self, index: usize, outside_work: OutsideWork);
    /// Takes that back: no new task goes to worker `index`. Called under the lock of the roster.
    fn withdraw(&self, index: usize);
    /// Gives what is left in the queues of a worker that was withdrawn, and runs no more, to all others; how many tasks that
    /// was. The caller notifies for them. (The worker still counts as one that does not rest, so the pool does not end
    /// meanwhile.)
    fn redistribute(&self, index: usize) -> usize;
    /// The owner half of worker `index`; made on its thread.
    fn worker(shared: Arc<Self>, index: usize) -> Self::Worker;
    /// The numbers of the workers.
    fn members(&self) -> Vec<usize>;
    /// Adds up what the pool has done.
    fn stats(&self) -> PoolStats;
    /// The part of that which a supervisor wants.
    fn read(&self) -> LoadSample;
    /// Has the queues refuse all further work from outside. Called under the lock of the roster.
    fn close_queues(&self);
    /// Whether a worker that is about to sleep would miss something. Called after a sequentially consistent fence.
    fn has_work(&self) -> bool;
    /// Called by a worker that has announced its rest: ends the pool if it drains, no task is left and all workers
    /// rest; whether it has ended.
    fn ends_now(&self) -> bool;
    /// Empties all queues of a pool that stops; the tasks never start, and their handles say so.
    fn discard_queued(&self);
    /// Takes what lies in the queues of an open pool, as many tasks as there are when it is called, and gives each to
    /// `sort`, which hands back what must stay queued. What a worker is moving between queues just then is not met.
    fn retain_queued(&self, sort: &mut dyn FnMut(Task) -> Option<Task>);
    /// Waits until no producer is on its way to a queue of the closed pool: a few instructions, unless one is preempted
    /// there.
    fn wait_for_producers(&self);
}

/// Whether a worker takes work from outside the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutsideWork {
    /// It does.
    Open,
    /// It does not: the pool closes.
    Closed,
}

/// The owner half of a worker.
pub trait Owner {
    /// Runs `f` with this worker as the thread's current one.
    fn as_current<R>(&self, f: impl FnOnce() -> R) -> R;
    /// Works until the pool has ended, or the worker has resigned.
    fn run(&self) -> ExitReason;
    /// Runs the tasks that this worker alone may run.
    fn run_broadcasts(&self);
    /// Leaves what a later worker of this number needs where that finds it.
    fn release_deque(self);
}

/// Why a worker works no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ExitReason {
    /// The pool has ended.
    PoolEnd,
    /// It has left a pool that goes on.
    Retired,
}
