//! What a kind of pool must provide: [`PoolKind`] for the queues around a [`Core`], [`Owner`] for a
//! worker's own half.
//!
//! `push/kind.rs` and `pull/kind.rs` implement `PoolKind`. The files that start, resize and end pools are
//! written over it (`lifecycle.rs`, `worker_thread.rs`, `autoscaler.rs`). Models: `life`, `pull`, `members`
//! and `leaving`.

use std::ops::Deref;
use std::sync::Arc;

use crate::runtime::config::Config;
use crate::runtime::core::Core;
use crate::runtime::metrics::{LoadSample, PoolStats};
use crate::task::erased::Task;

/// A kind of pool: the queues around a [`Core`], as far as the start and the end of threads need them.
pub trait PoolKind: Deref<Target = Core> + Sized + Send + Sync + 'static {
    /// The owner half of a worker.
    type Worker: Owner;

    /// The shared half of a pool that has no worker yet.
    fn new(config: Config) -> Self;
    /// Makes worker `index` known to producers. `outside_work` says whether work from outside may be pushed
    /// to it. Called under the lock of the roster, before the worker's thread runs.
    fn add_member(&self, index: usize, outside_work: OutsideWork);
    /// Takes [`PoolKind::add_member`] back: no new task is pushed to worker `index`. Called under the lock of
    /// the roster.
    fn remove_member(&self, index: usize);
    /// Hands the tasks in the queues of a removed worker, which runs no more, to all other workers. Returns
    /// how many tasks that were; the caller notifies for them. (The worker is still registered and not
    /// parked, so the pool does not end meanwhile.)
    fn redistribute(&self, index: usize) -> usize;
    /// The owner half of worker `index`; made on its thread.
    fn worker(shared: Arc<Self>, index: usize) -> Self::Worker;
    /// The numbers of the workers.
    fn members(&self) -> Vec<usize>;
    /// Tasks accepted from outside so far.
    fn entered(&self) -> u64;
    /// A snapshot of the statistics.
    fn stats(&self) -> PoolStats;
    /// The part of the statistics that the autoscaler needs.
    fn read(&self) -> LoadSample;
    /// Makes the queues refuse further work from outside. Called under the lock of the roster.
    fn close_queues(&self);
    /// Whether a worker that is about to sleep would miss something. Called after a sequentially consistent
    /// fence.
    fn has_work(&self) -> bool;
    /// Whether all workers are parked or paused between two tasks, and no queue holds an entry or is about to
    /// get one from a task. What all workers did before is visible then.
    fn is_quiet(&self) -> bool;
    /// Called by a worker after `Idle::prepare_park`: ends the pool if it is closed, no task is left and all
    /// workers are parked. Returns whether the pool has ended.
    fn ends_now(&self) -> bool;
    /// Discards the tasks in all queues of a pool that stops: they never start, and their handles say so.
    fn discard_queued(&self);
    /// Takes as many tasks out of the queues of an open pool as there are when it is called, and gives each
    /// to `keep`, which returns the tasks that stay queued. Tasks that a worker is moving between queues are
    /// not met.
    fn retain_queued(&self, keep: &mut dyn FnMut(Task) -> Option<Task>);
    /// Waits until no producer is in flight to a queue of the closed pool: a few instructions, unless a
    /// producer is preempted there.
    fn wait_for_producers(&self);
}

/// Whether a worker takes work from outside the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutsideWork {
    /// It does.
    Open,
    /// It does not, because the pool closes.
    Closed,
}

/// The owner half of a worker.
pub trait Owner {
    /// Runs `f` with this worker as the current worker of the thread.
    fn as_current<R>(&self, f: impl FnOnce() -> R) -> R;
    /// Works until the pool has ended, or the worker has retired.
    fn run(&self) -> ExitReason;
    /// Works for as long as `has_task` says that there is a task. The worker is the current one.
    fn run_queued(&self, has_task: &dyn Fn() -> bool);
    /// Runs the broadcast tasks of this worker.
    fn run_broadcasts(&self);
    /// Ends what is recorded of the worker, which runs nothing more.
    fn end_recording(&self, reason: ExitReason);
    /// Puts the deque back, for a later worker of this number.
    fn release_deque(self);
}

/// Why a worker stops working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ExitReason {
    /// The pool has ended.
    PoolEnd,
    /// The worker has left a pool that goes on.
    Retired,
}
